// Is a text plainly a value of a type? For the mask `constant`, whose text is cast to the column's
// type by every query that reads it: a text the type refuses would fail all of those, so that it
// must be known beforehand, without a server to ask.
#pragma once

#include <cstdint>
#include <string_view>

#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

// Strict, and the same under every DateStyle, TimeZone and locale: false where there is any doubt.
// Types that are text take anything and are not asked about.
[[nodiscard]] bool is_safe_constant(std::string_view text, const Type& type, std::int32_t typmod);

}  // namespace vitrine::parser
