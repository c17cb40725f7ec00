// Names as they are compared fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace vitrine::parser {

// A name as it is compared: its size, and its first and last bytes. Those are all of it where it
// has no more than sixteen, as most names.
struct NameKey {
    static constexpr std::size_t kWholeMax = 16;

    std::uint64_t first = 0;
    std::uint64_t last = 0;
    const char* text = nullptr;
    std::size_t size = 0;

    explicit NameKey(const char* name) : text(name), size(std::strlen(name)) {
        if (size >= 8) {
            first = bytes<std::uint64_t>(0);
            last = bytes<std::uint64_t>(size - 8);
        } else if (size >= 4) {
            first = bytes<std::uint32_t>(0);
            last = bytes<std::uint32_t>(size - 4);
        } else if (size > 0) {
            first = bytes<std::uint8_t>(0) | std::uint64_t{bytes<std::uint8_t>(size / 2)} << 8;
            last = bytes<std::uint8_t>(size - 1);
        }
    }
    [[nodiscard]] bool operator==(const NameKey& other) const {
        return first == other.first && last == other.last && size == other.size &&
               (size <= kWholeMax || std::memcmp(text, other.text, size) == 0);
    }
    [[nodiscard]] std::size_t hash() const {
        std::uint64_t state = first ^ 0xa0761d6478bd642fU ^ size;
        for (std::size_t at = 8; at + 8 < size; at += 8) {  // what lies between
            state = mixed(state) ^ bytes<std::uint64_t>(at);
        }
        return mixed(mixed(state) ^ last);
    }

  private:
    static std::uint64_t mixed(std::uint64_t state) {
        const std::uint64_t product = state * 0x9e3779b97f4a7c15U;
        return product ^ (product >> 32);
    }
    template <typename Word>
    [[nodiscard]] Word bytes(std::size_t at) const {
        Word word;
        std::memcpy(&word, text + at, sizeof word);
        return word;
    }
};

// The names of the columns of all relations, those of one together. Keeps pointers to the texts.
class ColumnNames {
  public:
    // Where the next column will stand.
    [[nodiscard]] std::size_t size() const { return keys_.size(); }
    void add(const char* name) {
        keys_.emplace_back(name);
        tags_.push_back(tag(keys_.back()));
    }
    // Is it among the `count` columns from `begin` on?
    [[nodiscard]] bool has(std::size_t begin, std::size_t count, const NameKey& column) const {
        const std::size_t end = begin + count;
        for (std::size_t at = begin; at < end; ++at) {
            const void* found = std::memchr(&tags_[at], tag(column), end - at);
            if (found == nullptr) {
                return false;
            }
            at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - tags_.data());
            if (keys_[at] == column) {
                return true;
            }
        }
        return false;
    }

  private:
    static std::uint8_t tag(const NameKey& column) {
        return static_cast<std::uint8_t>(column.first ^ column.last >> 8 ^ column.size << 3);
    }

    std::vector<NameKey> keys_;
    std::vector<std::uint8_t> tags_;  // one byte of each
};

}  // namespace vitrine::parser
