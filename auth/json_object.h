// JSON objects of a token, read strictly (RFC 8725 section 3.12, RFC 7515 section 4).
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

namespace vitrine::auth {

// Empty for anything but one JSON object in UTF-8: trailing bytes, a member that occurs twice at
// any level (readers differ in which one they believe), nesting beyond limits::kTokenNestingMax.
[[nodiscard]] std::optional<boost::json::object> parse_object(std::string_view text);

}  // namespace vitrine::auth
