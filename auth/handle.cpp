#include "auth/handle.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "auth/random_text.h"

namespace vitrine::auth {
namespace {

constexpr std::string_view kPrefix = "vt_";
constexpr std::size_t kBytes = 20;
constexpr std::size_t kCharacters = kBytes * 8 / 5;

}  // namespace

std::string new_handle() {
    return std::string(kPrefix) + random_base32(kBytes);
}

bool is_handle(std::string_view password) {
    return password.size() == kPrefix.size() + kCharacters && password.starts_with(kPrefix) &&
           std::all_of(password.begin() + kPrefix.size(), password.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

std::string hash_handle(std::string_view handle) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<unsigned char, 32> digest{};
    unsigned size = 0;
    if (EVP_Digest(handle.data(), handle.size(), digest.data(), &size, EVP_sha256(), nullptr) !=
            1 ||
        size != digest.size()) {
        ERR_clear_error();
        throw std::runtime_error("OpenSSL cannot compute SHA-256");
    }
    std::string text;
    for (const unsigned char byte : digest) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xfU];
    }
    return text;
}

}  // namespace vitrine::auth
