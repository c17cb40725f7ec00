// Keys and certificates, checked while the operator still looks: what is wrong is found by `check`
// and at a reload, not at the first login. OpenSSL does the reading.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::config {

struct PrivateKeyDeleter {
    void operator()(EVP_PKEY* key) const;
};
using PrivateKey = std::unique_ptr<EVP_PKEY, PrivateKeyDeleter>;

// The Ed25519 private key of a PKCS#8 PEM text ("-----BEGIN PRIVATE KEY-----"); null for anything
// else, an encrypted key included.
[[nodiscard]] PrivateKey read_signing_key(std::string_view pem);

// The functions below give what is wrong, as the rest of a sentence; empty: nothing.

[[nodiscard]] std::optional<std::string> signing_key_problem(std::string_view pem);
// At least one certificate, and nothing that is none.
[[nodiscard]] std::optional<std::string> certificates_problem(std::string_view pem);
// The first certificate of the chain with a key that TLS would take.
[[nodiscard]] std::optional<std::string> chain_problem(std::string_view pem);
[[nodiscard]] std::optional<std::string> tls_key_problem(std::string_view pem);
// A key and the chain's first certificate that each are right, but do not belong together.
[[nodiscard]] bool key_fits(std::string_view chain_pem, std::string_view key_pem);

}  // namespace vitrine::config
