#include "auth/random_text.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace vitrine::auth {

std::string random_base32(std::size_t bytes) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::string random(bytes, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(bytes)) != 1) {
        ERR_clear_error();
        throw std::runtime_error("OpenSSL has no randomness");
    }
    std::string text;
    text.reserve(bytes * 8 / 5);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char byte : random) {
        bits = (bits << 8U) | static_cast<unsigned char>(byte);
        count += 8;
        while (count >= 5) {
            count -= 5;
            text += kAlphabet[(bits >> count) & 0x1fU];
        }
    }
    OPENSSL_cleanse(random.data(), random.size());
    return text;
}

}  // namespace vitrine::auth
