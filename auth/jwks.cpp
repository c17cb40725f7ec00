#include "auth/jwks.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <set>
#include <stdexcept>
#include <variant>

#include "auth/base64url.h"
#include "auth/json_object.h"
#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::auth {
namespace {

namespace json = boost::json;

template <auto kFree>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        kFree(object);
    }
};
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;
using Key = std::shared_ptr<EVP_PKEY>;

// OpenSSL's errors are kept a thread; none of ours may turn up in another's handshake.
struct ErrorQueue {
    ErrorQueue() = default;
    ~ErrorQueue() { ERR_clear_error(); }
    ErrorQueue(const ErrorQueue&) = delete;
    ErrorQueue& operator=(const ErrorQueue&) = delete;
};

constexpr std::size_t kEd25519Bytes = 32;
constexpr std::size_t kP256Bytes = 32;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
    return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

Key own(EVP_PKEY* key) {
    return key == nullptr ? nullptr : Key(key, EVP_PKEY_free);
}

Key from_parameters(const char* type, OSSL_PARAM_BLD* builder) {
    const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        return nullptr;
    }
    return own(key);
}

Key ed25519_key(std::string_view x) {
    return x.size() != kEd25519Bytes
               ? nullptr
               : own(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()));
}

Key p256_key(std::string_view x, std::string_view y) {
    if (x.size() != kP256Bytes || y.size() != kP256Bytes) {
        return nullptr;
    }
    const std::string point = "\x04" + std::string(x) + std::string(y);
    const Builder builder(OSSL_PARAM_BLD_new());
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1",
                                        0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
        return nullptr;
    }
    Key key = from_parameters("EC", builder.get());
    // A point that is not on the curve gives a secret away or signs for anybody (RFC 8725, 3.4).
    const KeyContext context(key ? EVP_PKEY_CTX_new(key.get(), nullptr) : nullptr);
    return context && EVP_PKEY_public_check(context.get()) == 1 ? key : nullptr;
}

Key rsa_key(const Number& modulus, const Number& exponent) {
    const Builder builder(OSSL_PARAM_BLD_new());
    if (!builder || !modulus || !exponent ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
        return nullptr;
    }
    return from_parameters("RSA", builder.get());
}

std::optional<std::string_view> text_at(const json::object& object, const char* name) {
    const json::value* const value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) {
        return std::nullopt;
    }
    const json::string& text = value->get_string();
    return std::string_view(text.data(), text.size());
}

std::optional<std::string> bytes_at(const json::object& object, const char* name) {
    const auto text = text_at(object, name);
    return text ? from_base64url(*text) : std::nullopt;
}

// A Base64urlUInt (RFC 7518 section 2): without zeros before it.
Number number_at(const json::object& object, const char* name) {
    const auto bytes = bytes_at(object, name);
    return bytes && !bytes->empty() && bytes->front() != '\0' &&
                   bytes->size() <= limits::kRsaModulusBitsMax / 8
               ? number_of(*bytes)
               : nullptr;
}

// What a JWK is not taken for. The empty one: it is for another purpose, which is no mistake.
struct LeftOut {
    std::string why;
};
using Taken = std::variant<PublicKey, LeftOut>;

Taken malformed(const char* what) {
    return LeftOut{std::string("is no ") + what};
}

bool for_verification(const json::object& jwk) {
    if (jwk.contains("use") && text_at(jwk, "use") != "sig") {
        return false;
    }
    const json::value* const operations = jwk.if_contains("key_ops");
    if (operations == nullptr) {
        return true;
    }
    return operations->is_array() &&
           std::any_of(operations->get_array().begin(), operations->get_array().end(),
                       [](const json::value& each) {
                           return each.is_string() && each.get_string() == "verify";
                       });
}

Taken read_public(const json::object& jwk, std::string_view kty) {
    PublicKey key;
    if (kty == "OKP" || kty == "EC") {
        const bool is_okp = kty == "OKP";
        if (text_at(jwk, "crv") != (is_okp ? "Ed25519" : "P-256")) {
            return LeftOut{};
        }
        const auto x = bytes_at(jwk, "x");
        const auto y = is_okp ? std::string() : bytes_at(jwk, "y");
        key.algorithm = is_okp ? Algorithm::kEdDsa : Algorithm::kEs256;
        if (x && y) {
            key.key = is_okp ? ed25519_key(*x) : p256_key(*x, *y);
        }
        return key.key ? Taken(std::move(key))
                       : malformed(is_okp ? "Ed25519 key" : "point on P-256");
    }
    const Number modulus = number_at(jwk, "n");
    const Number exponent = number_at(jwk, "e");
    if (!modulus || !exponent || BN_is_odd(modulus.get()) != 1) {
        return malformed("RSA key");
    }
    const int bits = BN_num_bits(modulus.get());
    if (bits < limits::kRsaModulusBitsMin || bits > limits::kRsaModulusBitsMax) {
        return LeftOut{"has a modulus of " + std::to_string(bits) + " bits"};
    }
    if (BN_is_odd(exponent.get()) != 1 || BN_is_one(exponent.get()) == 1 ||
        BN_num_bits(exponent.get()) > limits::kRsaExponentBitsMax) {
        return LeftOut{"has a public exponent that is even, one, or too large"};
    }
    key.algorithm = Algorithm::kRs256;
    key.key = rsa_key(modulus, exponent);
    return key.key ? Taken(std::move(key)) : malformed("RSA key");
}

Taken read_key(const json::value& value) {
    if (!value.is_object()) {
        return malformed("JSON object");
    }
    const json::object& jwk = value.get_object();
    const auto kty = text_at(jwk, "kty");
    if (!kty) {
        return malformed("JWK: it has no kty");
    }
    if (*kty == "oct") {
        return LeftOut{"is a symmetric key, which belongs into no public set"};
    }
    if (*kty != "OKP" && *kty != "EC" && *kty != "RSA") {
        return LeftOut{};
    }
    for (const char* const name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
        if (jwk.contains(name)) {
            return LeftOut{"is a private key, which belongs into no public set"};
        }
    }
    if (!for_verification(jwk)) {
        return LeftOut{};
    }
    Taken taken = read_public(jwk, *kty);
    auto* const key = std::get_if<PublicKey>(&taken);
    if (key == nullptr) {
        return taken;
    }
    if (jwk.contains("alg") && text_at(jwk, "alg") != to_string(key->algorithm)) {
        return LeftOut{};
    }
    if (jwk.contains("kid")) {
        const auto kid = text_at(jwk, "kid");
        if (!kid || kid->empty() || kid->size() > limits::kKeyIdBytesMax ||
            !config::is_printable(*kid)) {
            return LeftOut{"has a kid that is no text, empty, or too long"};
        }
        key->kid = *kid;
    }
    return taken;
}

std::string der_of(std::string_view raw) {
    const Signature pair(ECDSA_SIG_new());
    Number r = number_of(raw.substr(0, kP256Bytes));
    Number s = number_of(raw.substr(kP256Bytes));
    if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) {
        return {};
    }
    (void)r.release();
    (void)s.release();
    const int size = i2d_ECDSA_SIG(pair.get(), nullptr);
    std::string der(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
    auto* out = reinterpret_cast<unsigned char*>(der.data());
    if (size > 0) {
        i2d_ECDSA_SIG(pair.get(), &out);
    }
    return der;
}

}  // namespace

std::string_view to_string(Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::kEdDsa:
            return "EdDSA";
        case Algorithm::kEs256:
            return "ES256";
        case Algorithm::kRs256:
            return "RS256";
    }
    return {};
}

std::optional<Algorithm> algorithm_named(std::string_view alg) {
    for (const Algorithm each : {Algorithm::kEdDsa, Algorithm::kEs256, Algorithm::kRs256}) {
        if (alg == to_string(each)) {
            return each;
        }
    }
    return std::nullopt;
}

bool signature_fits(const PublicKey& key, std::string_view text, std::string_view signature) {
    const ErrorQueue errors;
    std::string der;
    const EVP_MD* digest = nullptr;
    switch (key.algorithm) {
        case Algorithm::kEdDsa:
            // OpenSSL refuses an S that is not below the group's order: one signature a text.
            break;
        case Algorithm::kEs256:
            // OpenSSL takes DER; a signature that comes in DER is none (RFC 7518 section 3.4).
            // r and s are held to 1..n-1 by its verification.
            if (signature.size() != 2 * kP256Bytes) {
                return false;
            }
            der = der_of(signature);
            signature = der;
            digest = EVP_sha256();
            break;
        case Algorithm::kRs256:
            // The padding is PKCS#1 v1.5: OpenSSL's default for RSA keys, not RSA-PSS.
            digest = EVP_sha256();
            break;
    }
    const DigestContext context(EVP_MD_CTX_new());
    return context &&
           EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.key.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                            text.size()) == 1;
}

ParsedKeySet parse_key_set(std::string_view text) {
    const ErrorQueue errors;
    ParsedKeySet parsed;
    if (text.size() > limits::kJwksBytesMax) {
        parsed.problem = "is too large for a JWK Set";
        return parsed;
    }
    const auto object = parse_object(text);
    const json::value* const keys = object ? object->if_contains("keys") : nullptr;
    if (keys == nullptr || !keys->is_array()) {
        parsed.problem = R"(is no JWK Set: a JSON object like {"keys": […]}, no member twice)";
        return parsed;
    }
    if (keys->get_array().size() > limits::kJwksKeysMax) {
        parsed.problem = "has too many keys for a JWK Set";
        return parsed;
    }
    std::set<std::string> kids;
    std::size_t index = 0;
    for (const json::value& each : keys->get_array()) {
        Taken taken = read_key(each);
        if (auto* const key = std::get_if<PublicKey>(&taken)) {
            if (!key->kid.empty() && !kids.insert(key->kid).second) {
                parsed.problem = "has two keys of the kid \"" + key->kid + "\"";
                parsed.set.keys.clear();
                return parsed;
            }
            parsed.set.keys.push_back(std::move(*key));
        } else if (const std::string& why = std::get<LeftOut>(taken).why; !why.empty()) {
            parsed.set.warnings.push_back("keys[" + std::to_string(index) + "] " + why +
                                          "; it is left out");
        }
        ++index;
    }
    if (parsed.set.keys.empty()) {
        parsed.problem = "has no public key for EdDSA, ES256 or RS256 signatures";
        for (const std::string& warning : parsed.set.warnings) {
            parsed.problem += ": " + warning;
        }
    }
    return parsed;
}

PublicKey public_half(const EVP_PKEY* private_key) {
    const ErrorQueue errors;
    std::array<unsigned char, kEd25519Bytes> x{};
    std::size_t size = x.size();
    if (private_key == nullptr || EVP_PKEY_get_raw_public_key(private_key, x.data(), &size) != 1) {
        return {};
    }
    const std::string_view bytes(reinterpret_cast<const char*>(x.data()), size);
    const std::string members = R"({"crv":"Ed25519","kty":"OKP","x":")" + base64url(bytes) + "\"}";
    std::array<unsigned char, 32> hash{};
    if (EVP_Q_digest(nullptr, "SHA256", nullptr, members.data(), members.size(), hash.data(),
                     nullptr) != 1) {
        return {};
    }
    return {base64url({reinterpret_cast<const char*>(hash.data()), hash.size()}), Algorithm::kEdDsa,
            ed25519_key(bytes)};
}

PublicKey nobodys_key(Algorithm algorithm) {
    const ErrorQueue errors;
    PublicKey nobody{{}, algorithm, nullptr};
    switch (algorithm) {
        case Algorithm::kEdDsa:
            nobody.key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
            break;
        case Algorithm::kEs256:
            nobody.key = own(EVP_EC_gen("P-256"));
            break;
        case Algorithm::kRs256: {
            // Any odd number will do for a modulus, and is there at once.
            const Number modulus(BN_new());
            const Number exponent(BN_new());
            if (modulus && exponent &&
                BN_rand(modulus.get(), limits::kRsaModulusBitsMin, BN_RAND_TOP_ONE,
                        BN_RAND_BOTTOM_ODD) == 1 &&
                BN_set_word(exponent.get(), RSA_F4) == 1) {
                nobody.key = rsa_key(modulus, exponent);
            }
            break;
        }
    }
    if (!nobody.key) {
        throw std::runtime_error("OpenSSL cannot make a key");
    }
    return nobody;
}

}  // namespace vitrine::auth
