// Keys for the tests, and tokens put together by hand: what a forger can send.
#pragma once

#include <string>
#include <string_view>

#include "auth/token.h"

namespace vitrine::auth::test {

std::string ed25519_key();  // PKCS#8 PEM
std::string ec_key();       // P-256
std::string rsa_key();
std::string public_pem(std::string_view key_pem);

// `message` signed: EdDSA, ES256 in JOSE's form, RS256, HS256.
std::string sign_eddsa(std::string_view key_pem, std::string_view message);
std::string sign_es256(std::string_view key_pem, std::string_view message);
std::string sign_rs256(std::string_view key_pem, std::string_view message);
std::string sign_hs256(std::string_view secret, std::string_view message);

// The three parts, signed with EdDSA over exactly these texts.
std::string token(std::string_view key_pem, std::string_view header, std::string_view claims);

config::Auth auth_with(std::string_view key_pem);

}  // namespace vitrine::auth::test
