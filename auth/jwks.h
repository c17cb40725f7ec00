// JWK Sets: the public keys that an issuer signs with (RFC 7517, RFC 7518 section 6, RFC 8037).
//
// A key is bound to one algorithm when it is read, and verifies under no other (RFC 8725 section
// 3.1). Plain values, immutable, shared between threads.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::auth {

enum class Algorithm : std::uint8_t { kEdDsa, kEs256, kRs256 };
[[nodiscard]] std::string_view to_string(Algorithm algorithm);  // as in `alg`: "EdDSA", …
[[nodiscard]] std::optional<Algorithm> algorithm_named(std::string_view alg);

struct PublicKey {
    std::string kid;  // empty: it has none
    Algorithm algorithm = Algorithm::kEdDsa;
    std::shared_ptr<EVP_PKEY> key;
};

// The key's own algorithm over `text`: Ed25519 (RFC 8032), ES256 with the 64 bytes r and s (RFC
// 7518 section 3.4), RS256 (PKCS#1 v1.5 with SHA-256).
[[nodiscard]] bool signature_fits(const PublicKey& key, std::string_view text,
                                  std::string_view signature);

struct KeySet {
    std::vector<PublicKey> keys;
    // Keys that the issuer should not have shown or that are no keys, one sentence each. Those for
    // other purposes (RFC 7517 section 5) are left out without a word.
    std::vector<std::string> warnings;
};
struct ParsedKeySet {
    KeySet set;
    std::string problem;  // the rest of a sentence; empty: the set is good, and has a key
};
// Takes keys for signatures alone: kty OKP (Ed25519), EC (P-256) and RSA
// (limits::kRsaModulusBits*), `use`, `key_ops` and `alg` absent or fitting, no private members. A
// set with two keys of one kid is refused as a whole: which one is meant is nobody's to guess.
[[nodiscard]] ParsedKeySet parse_key_set(std::string_view text);

// The public half of an Ed25519 private key; its kid is its thumbprint (RFC 7638, RFC 8037 appendix
// A.3). The key is null where it is none.
[[nodiscard]] PublicKey public_half(const EVP_PKEY* private_key);

// A key that nobody signs with: to verify with it takes as long as with any other.
[[nodiscard]] PublicKey nobodys_key(Algorithm algorithm);

}  // namespace vitrine::auth
