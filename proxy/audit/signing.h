// Ed25519 (RFC 8032) for the ledger: the private key of the configuration, and the public keys an
// auditor brings.
#pragma once

#include <boost/system/result.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/secret.h"

struct evp_pkey_st;

namespace vitrine::audit {

struct KeyDeleter {
    void operator()(evp_pkey_st* key) const;
};
using Key = std::unique_ptr<evp_pkey_st, KeyDeleter>;

class SigningKey {
  public:
    // PKCS#8 PEM; anything but an Ed25519 private key: AuditError::kSigningKey.
    [[nodiscard]] static boost::system::result<SigningKey> load(const config::Secret& pem);

    // 64 hex digits: the raw public key.
    [[nodiscard]] const std::string& public_key() const { return public_key_; }
    // 128 hex digits. Throws std::bad_alloc where OpenSSL fails, which with a loaded key it does
    // for want of memory alone.
    [[nodiscard]] std::string sign(std::string_view bytes) const;

  private:
    Key key_;
    std::string public_key_;
};

struct VerifyingKey {
    Key key;
    std::string public_key;  // 64 hex digits
};

// One or more SubjectPublicKeyInfo PEM blocks (several after a key was exchanged). Empty where
// there is none, or one of them is not Ed25519.
[[nodiscard]] std::vector<VerifyingKey> load_public_keys(std::string_view pem);

[[nodiscard]] bool signature_holds(const VerifyingKey& key, std::string_view bytes,
                                   std::string_view signature_hex);

}  // namespace vitrine::audit
