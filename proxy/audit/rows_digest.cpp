#include "proxy/audit/rows_digest.h"

#include <openssl/crypto.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace vitrine::audit {

namespace {

constexpr std::size_t kSecretBytes = 24;
constexpr std::size_t kDigits = 16;

}  // namespace

RowsDigest::RowsDigest(const config::Secret& key) {
    std::string material("vitrine audit rows");
    material += key.reveal();
    std::string derived = from_hex(sha_.of(material).view());
    OPENSSL_cleanse(material.data(), material.size());
    std::memcpy(&seed_, derived.data() + kSecretBytes, sizeof seed_);
    secret_ = derived.substr(0, kSecretBytes);
    OPENSSL_cleanse(derived.data(), derived.size());
}

RowsDigest::~RowsDigest() {
    OPENSSL_cleanse(secret_.data(), secret_.size());
    XXH3_freeState(state_);
}

void RowsDigest::add(RowsSum& sum, std::string_view message) const {
    const XXH128_hash_t hash = XXH3_128bits_withSeed(message.data(), message.size(), seed_);
    sum.low_ += hash.low64;
    sum.high_ += hash.high64;
}

void RowsDigest::begin() {
    if (state_ == nullptr) {
        state_ = XXH3_createState();
        if (state_ == nullptr) {
            throw std::bad_alloc();
        }
    }
    (void)XXH3_128bits_reset_withSeed(state_, seed_);
}

void RowsDigest::piece(std::string_view bytes) {
    (void)XXH3_128bits_update(state_, bytes.data(), bytes.size());
}

void RowsDigest::end(RowsSum& sum) {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    sum.low_ += hash.low64;
    sum.high_ += hash.high64;
}

std::string RowsDigest::text(const RowsSum& sum, std::uint64_t rows) {
    std::array<char, kSecretBytes + 3 * sizeof(std::uint64_t)> block{};
    char* at = std::copy(secret_.begin(), secret_.end(), block.begin());
    for (const std::uint64_t number : {sum.low_, sum.high_, rows}) {
        for (int shift = 56; shift >= 0; shift -= 8) {
            *at++ = static_cast<char>(number >> shift & 0xff);
        }
    }
    std::string digits(sha_.of({block.data(), block.size()}).view().substr(0, kDigits));
    OPENSSL_cleanse(block.data(), block.size());
    return digits;
}

}  // namespace vitrine::audit
