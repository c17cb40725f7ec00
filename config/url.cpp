#include "config/url.h"

#include <algorithm>
#include <charconv>

namespace vitrine::config {
namespace {

constexpr std::string_view kScheme = "https://";

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

}  // namespace

std::optional<HttpsUrl> parse_https_url(std::string_view text) {
    if (!text.starts_with(kScheme) || !std::all_of(text.begin(), text.end(), [](char c) {
            return c > ' ' && c < '\x7f' && c != '#' && c != '\\';
        })) {
        return std::nullopt;
    }
    text.remove_prefix(kScheme.size());
    HttpsUrl url;
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    std::string_view authority = text.substr(0, end);
    url.target = text.substr(end);
    if (!url.target.starts_with('/')) {
        url.target.insert(0, 1, '/');
    }
    if (authority.starts_with('[')) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) {
            return std::nullopt;
        }
        url.host = authority.substr(1, close - 1);
        authority.remove_prefix(close + 1);
        if (url.host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos) {
            return std::nullopt;
        }
    } else {
        const std::size_t colon = std::min(authority.find(':'), authority.size());
        url.host = authority.substr(0, colon);
        authority.remove_prefix(colon);
        if (!std::all_of(url.host.begin(), url.host.end(), is_host_character)) {
            return std::nullopt;
        }
    }
    if (url.host.empty()) {
        return std::nullopt;
    }
    if (!authority.empty()) {
        const char* const last = authority.data() + authority.size();
        const auto [stop, error] = std::from_chars(authority.data() + 1, last, url.port);
        if (authority.front() != ':' || error != std::errc() || stop != last || url.port == 0) {
            return std::nullopt;
        }
    }
    return url;
}

}  // namespace vitrine::config
