// A short text put together on the stack, so that it is one append to a record's line.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace vitrine::audit {

// The caller sees to it that no more than Size bytes come together.
template <std::size_t Size>
class Piece {
  public:
    void put(std::string_view bytes) {
        if (!bytes.empty()) {
            std::memcpy(at_, bytes.data(), bytes.size());
            at_ += bytes.size();
        }
    }
    template <std::integral Number>
    void put_number(Number number) {
        at_ = std::to_chars(at_, bytes_.data() + Size, number).ptr;
    }
    [[nodiscard]] std::string_view view() const {
        return {bytes_.data(), static_cast<std::size_t>(at_ - bytes_.data())};
    }

  private:
    std::array<char, Size> bytes_;
    char* at_ = bytes_.data();
};

}  // namespace vitrine::audit
