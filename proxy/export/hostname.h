// This machine's name, for records that say where they come from.
#pragma once

#include <string>

namespace vitrine::exports {

// Printable ASCII without blanks; "-" where there is none (RFC 5424's own word for it).
[[nodiscard]] std::string own_hostname();

}  // namespace vitrine::exports
