// Reads the fields of one message's payload (PostgreSQL documentation, "Message Data Types":
// integers in network order, strings ended by a NUL). Gives views into the payload.
//
// The first error sticks: every read after it gives zero or nothing, so that a decoder reads on
// and asks once, in finish(), which also refuses bytes behind the last field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
    [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
    [[nodiscard]] std::uint32_t u32() { return integer(4); }
    [[nodiscard]] std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
    [[nodiscard]] std::int32_t i32() { return static_cast<std::int32_t>(u32()); }

    // A format code: 0 or 1, else kBadValue.
    [[nodiscard]] std::int16_t format();
    // A count of 16 bits, unsigned as PostgreSQL reads it, of items that take `item_bytes_min`
    // each: kTruncated where what remains cannot hold them, so that it is safe to reserve.
    [[nodiscard]] std::size_t count(std::size_t item_bytes_min);
    [[nodiscard]] std::string_view bytes(std::size_t size);
    // Without its NUL.
    [[nodiscard]] std::string_view string();
    // A length of 32 bits and that many bytes; -1 is NULL, any other negative is kBadValue.
    [[nodiscard]] std::optional<std::string_view> value();
    // All that is left.
    [[nodiscard]] std::string_view rest() { return bytes(rest_.size()); }

    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] bool failed() const { return error_.has_value(); }
    void fail(WireError error);

    // `message`, if it was read without an error and to the payload's last byte.
    template <typename Message>
    [[nodiscard]] boost::system::result<Message> finish(Message&& message) {
        if (!at_end()) {
            fail(WireError::kTrailingBytes);
        }
        if (error_) {
            return *error_;
        }
        return std::forward<Message>(message);
    }

  private:
    std::uint32_t integer(std::size_t size);

    std::string_view rest_;
    std::optional<WireError> error_;
};

}  // namespace vitrine::wire
