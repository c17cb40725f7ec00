#include "tests/auth/material.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "auth/base64url.h"

namespace vitrine::auth::test {
namespace {

struct Deleter {
    void operator()(BIO* p) const { BIO_free(p); }
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
    void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
};
using Bio = std::unique_ptr<BIO, Deleter>;
using Key = std::unique_ptr<EVP_PKEY, Deleter>;

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string text_of(const Bio& bio) {
    char* start = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &start);
    return {start, static_cast<std::size_t>(size)};
}

std::string pem_of(const Key& key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (!key || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                              nullptr) != 1) {
        throw std::runtime_error("cannot make a key");
    }
    return text_of(bio);
}

Key key_of(std::string_view pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

std::string sign(std::string_view key_pem, const EVP_MD* digest, std::string_view message,
                 int padding = 0) {
    const Key key = key_of(key_pem);
    const std::unique_ptr<EVP_MD_CTX, Deleter> context(EVP_MD_CTX_new());
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    EVP_PKEY_CTX* parameters = nullptr;
    if (EVP_DigestSignInit(context.get(), &parameters, digest, nullptr, key.get()) != 1 ||
        (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(parameters, padding) != 1) ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       bytes(message), message.size()) != 1) {
        throw std::runtime_error("cannot sign");
    }
    signature.resize(size);
    return signature;
}

}  // namespace

std::string ed25519_key() {
    return pem_of(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
}
std::string ec_key() {
    return pem_of(Key(EVP_EC_gen("P-256")));
}
std::string rsa_key(unsigned bits) {
    return pem_of(Key(EVP_RSA_gen(bits)));
}

std::string public_pem(std::string_view key_pem) {
    const Bio bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), key_of(key_pem).get());
    return text_of(bio);
}

std::string public_der(std::string_view key_pem) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_of(key_pem).get(), &der);
    std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return text;
}

std::string jwk_members(std::string_view key_pem) {
    const Key key = key_of(key_pem);
    const auto number = [&](const char* name, int size) {
        BIGNUM* value = nullptr;
        EVP_PKEY_get_bn_param(key.get(), name, &value);
        std::string raw(static_cast<std::size_t>(size == 0 ? BN_num_bytes(value) : size), '\0');
        BN_bn2binpad(value, reinterpret_cast<unsigned char*>(raw.data()),
                     static_cast<int>(raw.size()));
        BN_free(value);
        return "\"" + base64url(raw) + "\"";
    };
    switch (EVP_PKEY_get_id(key.get())) {
        case EVP_PKEY_ED25519: {
            std::string x(32, '\0');
            std::size_t size = x.size();
            EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(x.data()),
                                        &size);
            return R"("kty":"OKP","crv":"Ed25519","x":")" + base64url(x) + "\"";
        }
        case EVP_PKEY_EC:
            return R"("kty":"EC","crv":"P-256","x":)" + number("qx", 32) +
                   ",\"y\":" + number("qy", 32);
        default:
            return R"("kty":"RSA","n":)" + number("n", 0) + ",\"e\":" + number("e", 0);
    }
}

std::string jwks(const std::vector<std::pair<std::string, std::string>>& kid_and_pem) {
    std::string text = R"({"keys":[)";
    for (const auto& [kid, pem] : kid_and_pem) {
        text += (text.back() == '[' ? "{" : ",{") + jwk_members(pem) + R"(,"kid":")" + kid + "\"}";
    }
    return text + "]}";
}

std::string sign_eddsa(std::string_view key_pem, std::string_view message) {
    return sign(key_pem, nullptr, message);
}

std::string sign_es256(std::string_view key_pem, std::string_view message) {
    const std::string der = sign(key_pem, EVP_sha256(), message);
    const unsigned char* start = bytes(der);
    const std::unique_ptr<ECDSA_SIG, Deleter> pair(
        d2i_ECDSA_SIG(nullptr, &start, static_cast<long>(der.size())));
    std::array<unsigned char, 64> raw{};
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), raw.data() + 32, 32);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

std::string sign_rs256(std::string_view key_pem, std::string_view message) {
    return sign(key_pem, EVP_sha256(), message);
}

std::string sign_es256_der(std::string_view key_pem, std::string_view message) {
    return sign(key_pem, EVP_sha256(), message);
}

std::string sign_rs512(std::string_view key_pem, std::string_view message) {
    return sign(key_pem, EVP_sha512(), message);
}

std::string sign_ps256(std::string_view key_pem, std::string_view message) {
    return sign(key_pem, EVP_sha256(), message, RSA_PKCS1_PSS_PADDING);
}

std::string sign_hs256(std::string_view secret, std::string_view message) {
    std::array<unsigned char, 32> mac{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes(message),
         message.size(), mac.data(), &size);
    return {reinterpret_cast<const char*>(mac.data()), size};
}

std::string token(std::string_view key_pem, std::string_view header, std::string_view claims) {
    return token(sign_eddsa, key_pem, header, claims);
}

std::string token(std::string (*sign_with)(std::string_view, std::string_view),
                  std::string_view key_pem, std::string_view header, std::string_view claims) {
    const std::string text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(sign_with(key_pem, text));
}

config::Issuer jwks_issuer(std::string name, std::string jwks) {
    config::Issuer issuer;
    issuer.name = std::move(name);
    issuer.jwks_file = issuer.name + ".json";
    issuer.jwks = std::move(jwks);
    return issuer;
}

config::Auth auth_with(std::string_view key_pem) {
    config::Auth auth;
    config::Issuer issuer;
    issuer.name = "vitrine";
    issuer.signing_key = config::Secret(std::string(key_pem));
    auth.issuers.push_back(std::move(issuer));
    return auth;
}

}  // namespace vitrine::auth::test
