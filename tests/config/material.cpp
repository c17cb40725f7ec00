#include "tests/config/material.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>

namespace vitrine::config::test {
namespace {

struct Deleter {
    void operator()(BIO* p) const { BIO_free(p); }
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(X509* p) const { X509_free(p); }
};
using Bio = std::unique_ptr<BIO, Deleter>;
using Key = std::unique_ptr<EVP_PKEY, Deleter>;

Bio memory() {
    return Bio(BIO_new(BIO_s_mem()));
}

std::string text_of(const Bio& bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

std::string pem_of(const Key& key) {
    const Bio bio = memory();
    if (!key || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                              nullptr) != 1) {
        throw std::runtime_error("cannot make a key");
    }
    return text_of(bio);
}

Key new_ed25519() {
    return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}
Key new_ec() {
    return Key(EVP_EC_gen("P-256"));
}

}  // namespace

Directory::Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "vitrine-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("cannot make a directory");
    }
    path_ = name;
}

Directory::~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path Directory::write(const std::string& name, std::string_view bytes) const {
    std::ofstream file(path_ / name, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path_ / name;
}

std::string ed25519_key() {
    return pem_of(new_ed25519());
}

std::string rsa_key(int bits) {
    return pem_of(Key(EVP_RSA_gen(static_cast<unsigned>(bits))));
}

std::string ec_key() {
    return pem_of(new_ec());
}

std::string encrypted_key() {
    const Bio bio = memory();
    std::string passphrase = "a passphrase";
    PEM_write_bio_PKCS8PrivateKey(bio.get(), new_ed25519().get(), EVP_aes_256_cbc(),
                                  passphrase.data(), static_cast<int>(passphrase.size()), nullptr,
                                  nullptr);
    return text_of(bio);
}

std::string public_key() {
    const Bio bio = memory();
    PEM_write_bio_PUBKEY(bio.get(), new_ed25519().get());
    return text_of(bio);
}

std::string traditional_ec_key() {
    const Bio bio = memory();
    PEM_write_bio_PrivateKey_traditional(bio.get(), new_ec().get(), nullptr, nullptr, 0, nullptr,
                                         nullptr);
    return text_of(bio);
}

std::string certificate(std::string_view key_pem) {
    const Bio input(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
    const Key key(PEM_read_bio_PrivateKey(input.get(), nullptr, nullptr, nullptr));
    const std::unique_ptr<X509, Deleter> made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME* const name = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(made.get(), name);
    const bool ed25519 = EVP_PKEY_get_id(key.get()) == EVP_PKEY_ED25519;
    if (X509_sign(made.get(), key.get(), ed25519 ? nullptr : EVP_sha256()) == 0) {
        throw std::runtime_error("cannot sign a certificate");
    }
    const Bio bio = memory();
    PEM_write_bio_X509(bio.get(), made.get());
    return text_of(bio);
}

void fill(const Directory& directory) {
    const std::string server_key = ec_key();
    const std::string small_key = rsa_key(1024);
    directory.write("server.key", server_key);
    directory.write("server.crt", certificate(server_key) + certificate(ec_key()));
    directory.write("traditional.key", traditional_ec_key());
    directory.write("other.key", ec_key());
    directory.write("small.key", small_key);
    directory.write("small.crt", certificate(small_key));
    directory.write("db-ca.crt", certificate(ec_key()));
    directory.write("broken.crt", certificate(server_key).replace(28, 8, "AAAAAAAA"));
    directory.write("truncated.crt", certificate(server_key).substr(0, 200));
    directory.write("signing.pem", ed25519_key());
    directory.write("audit.pem", ed25519_key());
    directory.write("encrypted.pem", encrypted_key());
    directory.write("public.pem", public_key());
    directory.write("rsa.pem", rsa_key(2048));
    directory.write("mask.key", "0123456789abcdef0123456789abcdef\n");
    directory.write("short.key", "0123456789abcdef0123456789abcde\n");
    directory.write("control.key", "0123456789abcdef\t0123456789abcdef\n");
    directory.write("latin1.key",
                    "0123456789abcdef\xe9"
                    "0123456789abcdef\n");
    directory.write("nul.key", std::string_view("0123456789abcdef\0"
                                                "0123456789abcdef",
                                                33));
    directory.write("long.key", std::string(1025, 'k'));
    directory.write("password", "s3cret\n");
    directory.write("newline", "\n");
    directory.write("empty", "");
    directory.write("large", std::string(70000, 'x'));
    directory.write("nonsense", "not a key\n");
    std::filesystem::create_directory(directory.path() / "directory");
    ::mkfifo((directory.path() / "fifo").c_str(), 0600);
    ::setenv("VITRINE_TEST_PASSWORD", "s3cret", 1);
    ::setenv("VITRINE_TEST_EMPTY", "", 1);
    ::unsetenv("VITRINE_TEST_UNSET");
}

std::string read(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace vitrine::config::test
