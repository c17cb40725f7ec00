#include "proxy/audit/rows_digest.h"

#include <openssl/crypto.h>
#include <xxhash.h>

#include <cstring>
#include <new>

namespace vitrine::audit {

namespace {

constexpr std::size_t kSecretBytes = 24;
constexpr std::size_t kDigits = 16;

void append_number(std::string& out, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
        out += static_cast<char>(number >> shift & 0xff);
    }
}

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
    std::string block(secret_);
    append_number(block, sum.low_);
    append_number(block, sum.high_);
    append_number(block, rows);
    std::string digits(sha_.of(block).view().substr(0, kDigits));
    OPENSSL_cleanse(block.data(), block.size());
    return digits;
}

}  // namespace vitrine::audit
