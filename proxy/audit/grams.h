// Bloom filters over the pieces of texts: all of three bytes, and all of six. Those of three are
// for short words; those of six tell apart numbers, of which any large text has every three digits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::audit {

class Grams {
  public:
    Grams();

    // ASCII letters count as lower case.
    void add(std::string_view text);
    // The filter of what was added since the last one: a power of two of bytes, one bit in four set
    // at most. Empty where nothing was added.
    [[nodiscard]] std::string take();

  private:
    void set(std::uint64_t hash);

    std::vector<std::uint64_t> bits_;
    std::vector<std::uint32_t> touched_;  // words of bits_ that are not 0
};

// Can a text behind this filter contain `word` (folded)? What is shorter than three bytes can.
[[nodiscard]] bool may_contain(std::string_view filter, std::string_view word);

}  // namespace vitrine::audit
