#include "auth/password.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

#include "auth/base64url.h"

namespace vitrine::auth {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kKeyBytes = 32;

// The cost of one guess (RFC 7914 section 2).
struct Cost {
    unsigned log2_n = 16;
    unsigned r = 8;
    unsigned p = 1;
};
// What an encoded password may ask for, so that a damaged one does not take all memory there is:
// 128 * N * r is at most 256 MiB.
constexpr unsigned kLog2NMax = 18;
constexpr unsigned kRMax = 8;
constexpr unsigned kPMax = 4;

using Key = std::array<unsigned char, kKeyBytes>;

bool derive(std::string_view password, std::string_view salt, const Cost& cost, Key& key) {
    const std::uint64_t n = std::uint64_t{1} << cost.log2_n;
    // OpenSSL refuses beyond 32 MiB where it is not told otherwise. N and p blocks, and two more.
    const std::uint64_t memory = std::uint64_t{128} * cost.r * (n + cost.p + 2);
    const bool done =
        EVP_PBE_scrypt(password.data(), password.size(),
                       reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), n, cost.r,
                       cost.p, memory, key.data(), key.size()) == 1;
    ERR_clear_error();
    return done;
}

struct Encoded {
    Cost cost;
    std::string salt;
    std::string key;
};

std::optional<unsigned> read_number(std::string_view text, unsigned most) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 1 || number > most) {
        return std::nullopt;
    }
    return number;
}

std::optional<Encoded> decode(std::string_view text) {
    std::vector<std::string_view> parts;
    for (std::size_t dollar = text.find('$'); dollar != std::string_view::npos;
         dollar = text.find('$')) {
        parts.push_back(text.substr(0, dollar));
        text.remove_prefix(dollar + 1);
    }
    parts.push_back(text);
    if (parts.size() != 6 || parts[0] != "scrypt") {
        return std::nullopt;
    }
    const auto log2_n = read_number(parts[1], kLog2NMax);
    const auto r = read_number(parts[2], kRMax);
    const auto p = read_number(parts[3], kPMax);
    auto salt = from_base64url(parts[4]);
    auto key = from_base64url(parts[5]);
    if (!log2_n || !r || !p || !salt || salt->size() != kSaltBytes || !key ||
        key->size() != kKeyBytes) {
        return std::nullopt;
    }
    return Encoded{{*log2_n, *r, *p}, std::move(*salt), std::move(*key)};
}

}  // namespace

std::string encode_password(std::string_view password) {
    const Cost cost;
    std::string salt(kSaltBytes, '\0');
    Key key{};
    if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), kSaltBytes) != 1 ||
        !derive(password, salt, cost, key)) {
        ERR_clear_error();
        throw std::runtime_error("OpenSSL cannot compute scrypt: 64 MiB of memory are needed");
    }
    std::string text = "scrypt$" + std::to_string(cost.log2_n) + '$' + std::to_string(cost.r) +
                       '$' + std::to_string(cost.p) + '$' + base64url(salt) + '$' +
                       base64url({reinterpret_cast<const char*>(key.data()), key.size()});
    OPENSSL_cleanse(key.data(), key.size());
    return text;
}

bool password_fits(std::string_view password, std::string_view encoded) {
    const auto expected = decode(encoded);
    if (!expected) {
        password_of_nobody(password);
        return false;
    }
    Key key{};
    const bool derived = derive(password, expected->salt, expected->cost, key);
    const bool fits = derived && CRYPTO_memcmp(key.data(), expected->key.data(), key.size()) == 0;
    OPENSSL_cleanse(key.data(), key.size());
    return fits;
}

void password_of_nobody(std::string_view password) {
    Key key{};
    (void)derive(password, std::string(kSaltBytes, '\0'), Cost{}, key);
    OPENSSL_cleanse(key.data(), key.size());
}

}  // namespace vitrine::auth
