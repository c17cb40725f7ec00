#include "config/keys.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <limits>
#include <vector>

namespace vitrine::config {

void PrivateKeyDeleter::operator()(EVP_PKEY* key) const {
    EVP_PKEY_free(key);
}

namespace {

template <auto kFree>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        kFree(object);
    }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Deleter<PKCS8_PRIV_KEY_INFO_free>>;

// OpenSSL's errors are kept a thread; none of ours may turn up in another's handshake.
struct ErrorQueue {
    ErrorQueue() { ERR_clear_error(); }
    ~ErrorQueue() { ERR_clear_error(); }
    ErrorQueue(const ErrorQueue&) = delete;
    ErrorQueue& operator=(const ErrorQueue&) = delete;
};

// Below this, OpenSSL's default security level refuses a key: 2048 bits of RSA.
constexpr int kSecurityBitsMin = 112;

Bio reading(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return nullptr;
    }
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// One PEM block. The bytes may be a key: they are wiped.
struct PemBlock {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* bytes = nullptr;
    long size = 0;

    PemBlock() = default;
    ~PemBlock() {
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
    }
    PemBlock(const PemBlock&) = delete;
    PemBlock& operator=(const PemBlock&) = delete;

    [[nodiscard]] bool read(BIO* bio) {
        return PEM_read_bio(bio, &name, &header, &bytes, &size) == 1;
    }
};

// A passphrase is never asked for: the default would stop and wait at a terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
    return -1;
}

PrivateKey read_tls_key(std::string_view pem) {
    const Bio bio = reading(pem);
    return PrivateKey(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                          : nullptr);
}

bool is_encrypted(std::string_view pem) {
    return pem.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string_view::npos ||
           pem.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
}

// Every certificate of the text; `sound` is false where a block is something else.
std::vector<Certificate> read_certificates(std::string_view pem, bool& sound) {
    std::vector<Certificate> certificates;
    const Bio bio = reading(pem);
    while (bio) {
        ERR_clear_error();
        PemBlock block;
        if (!block.read(bio.get())) {
            const unsigned long error = ERR_peek_last_error();
            sound =
                ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
            return certificates;
        }
        const std::string_view name = block.name;
        const unsigned char* bytes = block.bytes;
        Certificate certificate;
        if (name == PEM_STRING_X509 || name == PEM_STRING_X509_OLD) {
            certificate.reset(d2i_X509(nullptr, &bytes, block.size));
        } else if (name == PEM_STRING_X509_TRUSTED) {
            certificate.reset(d2i_X509_AUX(nullptr, &bytes, block.size));
        } else {
            continue;  // a key or parameters in the same file: OpenSSL passes over them, too
        }
        if (!certificate) {
            sound = false;
            return certificates;
        }
        certificates.push_back(std::move(certificate));
    }
    sound = false;
    return certificates;
}

Certificate first_certificate(std::string_view pem) {
    bool sound = false;
    auto certificates = read_certificates(pem, sound);
    return certificates.empty() ? nullptr : std::move(certificates.front());
}

}  // namespace

PrivateKey read_signing_key(std::string_view pem) {
    const ErrorQueue errors;
    const Bio bio = reading(pem);
    PemBlock block;
    if (!bio || !block.read(bio.get()) || std::string_view(block.name) != PEM_STRING_PKCS8INF) {
        return nullptr;
    }
    const unsigned char* bytes = block.bytes;
    const Pkcs8 pkcs8(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &bytes, block.size));
    if (!pkcs8 || bytes != block.bytes + block.size) {
        return nullptr;
    }
    PrivateKey key(EVP_PKCS82PKEY(pkcs8.get()));
    if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
        return nullptr;
    }
    return key;
}

std::optional<std::string> signing_key_problem(std::string_view pem) {
    if (read_signing_key(pem)) {
        return std::nullopt;
    }
    const std::string way_out = "; make one with: openssl genpkey -algorithm ed25519";
    if (is_encrypted(pem)) {
        return "is a key under a passphrase, which nobody can enter here; take the passphrase off "
               "with: openssl pkey";
    }
    if (pem.find("-----BEGIN PUBLIC KEY-----") != std::string_view::npos) {
        return "is a public key, and the private one is needed" + way_out;
    }
    const ErrorQueue errors;
    if (const PrivateKey other = read_tls_key(pem)) {
        const char* type = EVP_PKEY_get0_type_name(other.get());
        if (EVP_PKEY_get_id(other.get()) != EVP_PKEY_ED25519) {
            return "is a key of another kind (" + std::string(type == nullptr ? "unknown" : type) +
                   "), and Ed25519 is needed" + way_out;
        }
    }
    return "is not an Ed25519 private key in PKCS#8 PEM" + way_out;
}

std::optional<std::string> certificates_problem(std::string_view pem) {
    const ErrorQueue errors;
    bool sound = false;
    const auto certificates = read_certificates(pem, sound);
    if (!sound) {
        return "holds a PEM block that cannot be read; replace it";
    }
    if (certificates.empty()) {
        return "holds no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----";
    }
    return std::nullopt;
}

std::optional<std::string> chain_problem(std::string_view pem) {
    if (auto problem = certificates_problem(pem)) {
        return problem;
    }
    const ErrorQueue errors;
    const Certificate leaf = first_certificate(pem);
    const EVP_PKEY* key = leaf ? X509_get0_pubkey(leaf.get()) : nullptr;
    if (key == nullptr) {
        return "holds a certificate whose public key cannot be read; replace it";
    }
    if (EVP_PKEY_get_security_bits(key) < kSecurityBitsMin) {
        return "holds a key too small for TLS; use RSA of 2048 bits or more, or an elliptic curve";
    }
    return std::nullopt;
}

std::optional<std::string> tls_key_problem(std::string_view pem) {
    const ErrorQueue errors;
    if (read_tls_key(pem)) {
        return std::nullopt;
    }
    if (is_encrypted(pem)) {
        return "is a key under a passphrase, which nobody can enter here; take the passphrase off "
               "with: openssl pkey";
    }
    return "holds no private key in PEM; it begins with -----BEGIN PRIVATE KEY-----";
}

bool key_fits(std::string_view chain_pem, std::string_view key_pem) {
    const ErrorQueue errors;
    const Certificate leaf = first_certificate(chain_pem);
    const PrivateKey key = read_tls_key(key_pem);
    return leaf && key && X509_check_private_key(leaf.get(), key.get()) == 1;
}

}  // namespace vitrine::config
