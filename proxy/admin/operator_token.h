// The operator's own word, for `vitrine sessions` and `vitrine access revoke` with --config:
// whoever can read vitrine's signing key may tell the running proxy what to do. A token of a
// minute, for an audience of its own, so that no other token passes for it, nor it for another.
#pragma once

#include <boost/system/result.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "auth/grant.h"
#include "config/config.h"

namespace vitrine::admin {

[[nodiscard]] boost::system::result<std::string> make_operator_token(const config::Auth& auth,
                                                                     const std::string& user,
                                                                     auth::Time now);

// Who sent it; nothing where it is none.
[[nodiscard]] std::optional<auth::Identity> verify_operator_token(const config::Auth& auth,
                                                                  std::string_view token,
                                                                  auth::Time now);

}  // namespace vitrine::admin
