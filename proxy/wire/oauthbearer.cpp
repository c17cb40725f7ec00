#include "proxy/wire/oauthbearer.h"

#include <algorithm>
#include <optional>

namespace vitrine::wire {
namespace {

constexpr char kSeparator = '\x01';
constexpr std::string_view kScheme = "bearer";

bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// RFC 7628 section 3.1: VCHAR / SP / HTAB / CR / LF.
bool is_value_character(char c) {
    return (c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n';
}

// b64token (RFC 6750 section 2.1), without the padding behind it.
bool is_token_character(char c) {
    return is_alpha(c) || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
}

// The scheme's name in any case (RFC 9110 section 11.1). Empty: no token in a form that is one.
std::string_view bearer_token(std::string_view auth) {
    const bool is_bearer =
        auth.size() > kScheme.size() && auth[kScheme.size()] == ' ' &&
        std::equal(kScheme.begin(), kScheme.end(), auth.begin(),
                   [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
    if (!is_bearer) {
        return {};
    }
    const std::string_view token =
        auth.substr(std::min(auth.find_first_not_of(' ', kScheme.size()), auth.size()));
    const std::size_t padding = std::min(token.find('='), token.size());
    const bool sound = padding > 0 &&
                       std::all_of(token.begin(), token.begin() + static_cast<long>(padding),
                                   is_token_character) &&
                       token.find_first_not_of('=', padding) == std::string_view::npos;
    return sound ? token : std::string_view();
}

}  // namespace

boost::system::result<std::string_view> decode_oauthbearer(std::string_view message) {
    // The GS2 header (RFC 5801 section 4), in the one form that is taken. `y`: the client has
    // channel binding, and thinks that we have not; it is right.
    if (message.starts_with("p=") || message.starts_with("n,a=") || message.starts_with("y,a=")) {
        return WireError::kUnsupportedAuthentication;
    }
    constexpr std::size_t kHeaderSize = 4;
    if (message.size() < kHeaderSize) {
        return WireError::kTruncated;
    }
    if ((message[0] != 'n' && message[0] != 'y') || message.substr(1, 2) != ",," ||
        message[3] != kSeparator) {
        return WireError::kBadValue;
    }
    message.remove_prefix(kHeaderSize);
    std::optional<std::string_view> auth;
    while (true) {
        const std::size_t end = message.find(kSeparator);
        if (end == std::string_view::npos) {
            return WireError::kTruncated;
        }
        const std::string_view pair = message.substr(0, end);
        message.remove_prefix(end + 1);
        if (pair.empty()) {
            break;
        }
        const std::size_t equals = pair.find('=');
        if (equals == 0 || equals == std::string_view::npos ||
            !std::all_of(pair.begin(), pair.begin() + static_cast<long>(equals), is_alpha) ||
            !std::all_of(pair.begin() + static_cast<long>(equals), pair.end(),
                         is_value_character)) {
            return WireError::kBadValue;
        }
        if (pair.substr(0, equals) == "auth") {
            if (auth) {
                return WireError::kBadValue;
            }
            auth = pair.substr(equals + 1);
        }
    }
    if (!message.empty()) {
        return WireError::kTrailingBytes;
    }
    if (!auth) {
        return WireError::kBadValue;
    }
    return bearer_token(*auth);
}

}  // namespace vitrine::wire
