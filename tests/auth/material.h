// Keys for the tests, and tokens put together by hand: what a forger can send.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/token.h"

namespace vitrine::auth::test {

std::string ed25519_key();  // PKCS#8 PEM
std::string ec_key();       // P-256
std::string rsa_key(unsigned bits = 2048);
std::string public_pem(std::string_view key_pem);

std::string public_der(std::string_view key_pem);  // SubjectPublicKeyInfo
// The members of the public key as a JWK, without kid, use and alg: `"kty":"OKP",…`.
std::string jwk_members(std::string_view key_pem);
// {"keys":[{…,"kid":KID},…]}
std::string jwks(const std::vector<std::pair<std::string, std::string>>& kid_and_pem);

// `message` signed: EdDSA, ES256 in JOSE's form, RS256, HS256.
std::string sign_eddsa(std::string_view key_pem, std::string_view message);
std::string sign_es256(std::string_view key_pem, std::string_view message);
std::string sign_rs256(std::string_view key_pem, std::string_view message);
std::string sign_es256_der(std::string_view key_pem, std::string_view message);
std::string sign_rs512(std::string_view key_pem, std::string_view message);
std::string sign_ps256(std::string_view key_pem, std::string_view message);
std::string sign_hs256(std::string_view secret, std::string_view message);

// The three parts, signed with EdDSA over exactly these texts.
std::string token(std::string_view key_pem, std::string_view header, std::string_view claims);

// The same, signed by `sign`.
std::string token(std::string (*sign)(std::string_view, std::string_view), std::string_view key_pem,
                  std::string_view header, std::string_view claims);

config::Issuer jwks_issuer(std::string name, std::string jwks);
config::Auth auth_with(std::string_view key_pem);

}  // namespace vitrine::auth::test
