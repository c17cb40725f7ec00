// Any bytes as a token, and as the parts of one with a good signature: never accepted for the wrong
// user, never a crash.
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "auth/base64url.h"
#include "auth/token.h"
#include "config/keys.h"

namespace {

using namespace vitrine;

std::string new_key() {
    EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string pem(bytes, static_cast<std::size_t>(size));
    BIO_free(bio);
    EVP_PKEY_free(key);
    return pem;
}

struct Fixture {
    std::string pem = new_key();
    config::PrivateKey key = config::read_signing_key(pem);
    config::Auth auth = [this] {
        config::Auth made;
        config::Issuer issuer;
        issuer.name = "vitrine";
        issuer.signing_key = config::Secret(std::string(pem));
        made.issuers.push_back(std::move(issuer));
        return made;
    }();
    auth::Verifier verifier{auth};

    [[nodiscard]] std::string sign(std::string text) const {
        std::string signature(64, '\0');
        std::size_t size = signature.size();
        EVP_MD_CTX* const context = EVP_MD_CTX_new();
        EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key.get());
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size());
        EVP_MD_CTX_free(context);
        return text + "." + auth::base64url(signature);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const Fixture fixture;
    const std::string input(reinterpret_cast<const char*>(bytes), size);
    const auth::Time now{std::chrono::seconds(1800000000)};
    if (fixture.verifier.verify(input, "alice", "shop", "192.0.2.7", now).has_value()) {
        std::abort();  // nobody guesses a signature
    }
    // As the claims under a good signature: what is accepted says what it must.
    const auto principal = fixture.verifier.verify(
        fixture.sign(auth::base64url(R"({"alg":"EdDSA"})") + "." + auth::base64url(input)), "alice",
        "shop", "192.0.2.7", now);
    if (principal.has_value() && (principal->user != "alice" || principal->database != "shop" ||
                                  principal->token.empty() || principal->expires <= now)) {
        std::abort();
    }
    // As the header.
    (void)fixture.verifier.verify(
        fixture.sign(auth::base64url(input) + "." + auth::base64url("{}")), "alice", "shop",
        "192.0.2.7", now);
    return 0;
}
