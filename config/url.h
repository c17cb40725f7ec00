// https:// addresses, taken apart strictly (RFC 3986).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::config {

struct HttpsUrl {
    std::string host;  // a name or an address; an IPv6 address without its brackets
    std::uint16_t port = 443;
    std::string target;  // path and query; "/" where there is none
};

// Empty for anything but https://HOST[:PORT][/PATH][?QUERY] in printable ASCII: another scheme, a
// user's name or password in it, a fragment.
[[nodiscard]] std::optional<HttpsUrl> parse_https_url(std::string_view text);

}  // namespace vitrine::config
