#include "proxy/audit/signing.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <new>

#include "proxy/audit/chain.h"
#include "proxy/audit/errors.h"

namespace vitrine::audit {

namespace {

constexpr std::size_t kPublicKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;

struct BioDeleter {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

const unsigned char* as_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// A PEM that asks for a passphrase must fail, not prompt on the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

std::string raw_public_key(const EVP_PKEY* key) {
    unsigned char raw[kPublicKeyBytes];
    std::size_t size = sizeof raw;
    std::string hex;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
        EVP_PKEY_get_raw_public_key(key, raw, &size) == 1 && size == sizeof raw) {
        append_hex(hex, {reinterpret_cast<const char*>(raw), sizeof raw});
    }
    return hex;
}

}  // namespace

void KeyDeleter::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

boost::system::result<SigningKey> SigningKey::load(const config::Secret& pem) {
    const auto text = pem.reveal();
    const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    SigningKey signing;
    signing.key_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    ERR_clear_error();
    if (signing.key_) {
        signing.public_key_ = raw_public_key(signing.key_.get());
    }
    if (signing.public_key_.empty()) {
        return AuditError::kSigningKey;
    }
    return signing;
}

std::string SigningKey::sign(std::string_view bytes) const {
    const Context context(EVP_MD_CTX_new());
    unsigned char signature[kSignatureBytes];
    std::size_t size = sizeof signature;
    if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), signature, &size, as_bytes(bytes), bytes.size()) != 1) {
        throw std::bad_alloc();
    }
    std::string hex;
    append_hex(hex, {reinterpret_cast<const char*>(signature), size});
    return hex;
}

std::vector<VerifyingKey> load_public_keys(std::string_view pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::vector<VerifyingKey> keys;
    while (EVP_PKEY* read = PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr)) {
        VerifyingKey key{Key(read), raw_public_key(read)};
        if (key.public_key.empty()) {
            return {};
        }
        keys.push_back(std::move(key));
    }
    ERR_clear_error();
    return keys;
}

bool signature_holds(const VerifyingKey& key, std::string_view bytes,
                     std::string_view signature_hex) {
    const std::string signature = from_hex(signature_hex);
    const Context context(EVP_MD_CTX_new());
    const bool holds =
        context &&
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.key.get()) == 1 &&
        EVP_DigestVerify(context.get(), as_bytes(signature), signature.size(), as_bytes(bytes),
                         bytes.size()) == 1;
    ERR_clear_error();
    return holds;
}

}  // namespace vitrine::audit
