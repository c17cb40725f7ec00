// A user's index as bytes (search_index.h): written whole, believed only whole.
#pragma once

#include <optional>
#include <string>

#include "proxy/audit/search_index.h"

namespace vitrine::audit {

[[nodiscard]] std::string index_bytes(const UserIndex& index);
// Takes the bytes over. Nothing where they are not what index_bytes() of this version made.
[[nodiscard]] std::optional<UserIndex> read_index_bytes(std::string bytes);

}  // namespace vitrine::audit
