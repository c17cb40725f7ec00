#include "tests/auth/material.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

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

std::string sign(std::string_view key_pem, const EVP_MD* digest, std::string_view message) {
    const Key key = key_of(key_pem);
    const std::unique_ptr<EVP_MD_CTX, Deleter> context(EVP_MD_CTX_new());
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    if (EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key.get()) != 1 ||
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
std::string rsa_key() {
    return pem_of(Key(EVP_RSA_gen(2048U)));
}

std::string public_pem(std::string_view key_pem) {
    const Bio bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), key_of(key_pem).get());
    return text_of(bio);
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

std::string sign_hs256(std::string_view secret, std::string_view message) {
    std::array<unsigned char, 32> mac{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes(message),
         message.size(), mac.data(), &size);
    return {reinterpret_cast<const char*>(mac.data()), size};
}

std::string token(std::string_view key_pem, std::string_view header, std::string_view claims) {
    const std::string text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(sign_eddsa(key_pem, text));
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
