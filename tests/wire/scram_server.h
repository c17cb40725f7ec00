// The server's side of SCRAM-SHA-256, as small as it can be (RFC 5802, section 3), for the tests to
// hold the client against.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <string_view>

#include "proxy/wire/base64.h"

namespace vitrine::wire {

inline std::string hmac_sha256(std::string_view key, std::string_view text) {
    std::string out(32, '\0');
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(out.data()), nullptr);
    return out;
}

inline std::string sha256(std::string_view text) {
    std::string out(32, '\0');
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr,
               EVP_sha256(), nullptr);
    return out;
}

// What PostgreSQL keeps in pg_authid.rolpassword.
struct Verifier {
    std::string stored_key;
    std::string server_key;
};

inline Verifier verifier_of(std::string_view salted) {
    return {sha256(hmac_sha256(salted, "Client Key")), hmac_sha256(salted, "Server Key")};
}

// From the three messages before it; `without_proof` is the last of them up to ",p=".
inline std::string auth_message(std::string_view client_first_bare, std::string_view server_first,
                                std::string_view without_proof) {
    return std::string(client_first_bare) + "," + std::string(server_first) + "," +
           std::string(without_proof);
}

// The proof gives back the client's key, whose hash is the stored key.
inline bool proof_holds(const Verifier& verifier, std::string_view auth, std::string_view proof) {
    const auto bytes = from_base64(proof);
    if (!bytes || bytes->size() != 32) {
        return false;
    }
    std::string key = hmac_sha256(verifier.stored_key, auth);
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<char>(key[i] ^ (*bytes)[i]);
    }
    return sha256(key) == verifier.stored_key;
}

inline std::string server_final(const Verifier& verifier, std::string_view auth) {
    return "v=" + to_base64(hmac_sha256(verifier.server_key, auth));
}

}  // namespace vitrine::wire
