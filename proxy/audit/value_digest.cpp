#include "proxy/audit/value_digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <new>

#include "proxy/audit/chain.h"

namespace vitrine::audit {

std::string value_digest(const config::Secret& key, std::string_view value) {
    std::string material("vitrine audit");
    material += key.reveal();
    std::array<unsigned char, EVP_MAX_MD_SIZE> derived{};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned derived_size = 0;
    unsigned size = 0;
    const bool well = EVP_Digest(material.data(), material.size(), derived.data(), &derived_size,
                                 EVP_sha256(), nullptr) == 1 &&
                      HMAC(EVP_sha256(), derived.data(), static_cast<int>(derived_size),
                           reinterpret_cast<const unsigned char*>(value.data()), value.size(),
                           digest.data(), &size) != nullptr;
    OPENSSL_cleanse(material.data(), material.size());
    OPENSSL_cleanse(derived.data(), derived.size());
    if (!well) {
        throw std::bad_alloc();
    }
    std::string text("d_");
    append_hex(text, {reinterpret_cast<const char*>(digest.data()), 8});
    return text;
}

}  // namespace vitrine::audit
