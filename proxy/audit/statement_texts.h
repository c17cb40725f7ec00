// The texts of a statement record in which a search looks for words.
#pragma once

#include <functional>
#include <string_view>

#include "proxy/audit/records.h"

namespace vitrine::audit {

// Its own SQL (not that of the statement it runs), its values, its masked columns. A value that was
// not valid UTF-8 is given as its bytes.
void each_searched_text(const Record& record, const std::function<void(std::string_view)>& each);

}  // namespace vitrine::audit
