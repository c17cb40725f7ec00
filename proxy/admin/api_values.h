// What the calls of the API read out of a request, and write into an answer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/grant.h"
#include "proxy/admin/http_server.h"

namespace vitrine::admin {

// {"error": …, "hint": …}
[[nodiscard]] HttpAnswer problem(unsigned status, std::string error, std::string hint = {});

// RFC 3339, in UTC; null for a time that has not come.
[[nodiscard]] boost::json::value time_value(auth::Time time);
[[nodiscard]] boost::json::array texts_value(const std::vector<std::string>& texts);
// "active", "ended", …: as it is at that time.
[[nodiscard]] std::string state_text(const auth::Grant& grant, auth::Time now);
[[nodiscard]] boost::json::object grant_value(const auth::Grant& grant, auth::Time now);

// A member of the body; empty where it is not there. nullopt: it is of another type.
[[nodiscard]] std::optional<std::string> text_of(const boost::json::object& body,
                                                 std::string_view name);
[[nodiscard]] bool flag_of(const boost::json::object& body, std::string_view name);
// Of a query `a=1&b=2`; names and values of the API need no percent-encoding.
[[nodiscard]] std::string query_value(std::string_view query, std::string_view name);

}  // namespace vitrine::admin
