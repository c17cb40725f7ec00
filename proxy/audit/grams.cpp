#include "proxy/audit/grams.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace vitrine::audit {

namespace {

// The largest filter: 512 KiB, which is what a block of random bytes needs.
constexpr unsigned kBitsLog = 22;
constexpr std::uint64_t kBits = std::uint64_t{1} << kBitsLog;
constexpr std::size_t kFilterBytesMin = 64;
constexpr std::uint64_t kLong = 0xFFFF'FFFF'FFFF;
constexpr std::uint64_t kShort = 0xFF'FFFF;

// splitmix64's finaliser: two independent halves.
std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
}

std::uint64_t hash_short(std::uint64_t last) {
    return mixed((last & kShort) | std::uint64_t{1} << 56);
}
std::uint64_t hash_long(std::uint64_t last) {
    return mixed((last & kLong) | std::uint64_t{2} << 56);
}

std::uint64_t fold(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 'A' && byte <= 'Z' ? byte + 32U : byte;
}

bool is_set(std::string_view filter, std::uint64_t hash) {
    const std::uint64_t mask = filter.size() * 8 - 1;
    const auto bit = [&](std::uint64_t at) {
        at &= mask;
        return (static_cast<unsigned char>(filter[at / 8]) >> (at % 8) & 1) != 0;
    };
    return bit(hash) && bit(hash >> 32);
}

}  // namespace

Grams::Grams() : bits_(kBits / 64) {}

void Grams::set(std::uint64_t hash) {
    for (const std::uint64_t half : {hash, hash >> 32}) {
        const std::uint64_t at = half & (kBits - 1);
        std::uint64_t& word = bits_[at / 64];
        if (word == 0) {
            touched_.push_back(static_cast<std::uint32_t>(at / 64));
        }
        word |= std::uint64_t{1} << (at % 64);
    }
}

void Grams::add(std::string_view text) {
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        last = last << 8 | fold(text[i]);
        if (i >= 2) {
            set(hash_short(last));
        }
        if (i >= 5) {
            set(hash_long(last));
        }
    }
}

std::string Grams::take() {
    std::size_t count = 0;
    for (const std::uint32_t word : touched_) {
        count += static_cast<std::size_t>(std::popcount(bits_[word]));
    }
    std::string filter;
    if (count > 0) {
        std::size_t bytes = kFilterBytesMin;
        while (bytes * 8 < count * 4 && bytes * 8 < kBits) {
            bytes *= 2;
        }
        filter.assign(bytes, '\0');
        // Bits are taken by the low bits of a hash: a larger filter folds into a smaller one.
        for (const std::uint32_t word : touched_) {
            const std::size_t at = std::size_t{word} * 8 % bytes;
            std::uint64_t all = 0;
            std::memcpy(&all, filter.data() + at, sizeof all);
            all |= bits_[word];
            std::memcpy(filter.data() + at, &all, sizeof all);
        }
    }
    for (const std::uint32_t word : touched_) {
        bits_[word] = 0;
    }
    touched_.clear();
    return filter;
}

bool may_contain(std::string_view filter, std::string_view word) {
    if (word.size() < 3) {
        return true;
    }
    if (filter.empty()) {
        return false;
    }
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < word.size(); ++i) {
        last = last << 8 | fold(word[i]);
        if ((i >= 2 && !is_set(filter, hash_short(last))) ||
            (i >= 5 && !is_set(filter, hash_long(last)))) {
            return false;
        }
    }
    return true;
}

}  // namespace vitrine::audit
