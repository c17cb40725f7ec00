// Framing: where a message ends (PostgreSQL documentation, "Message Formats": a type byte, then a
// length that counts itself). Start-up packets have no type byte.
//
// A length is checked against the limit for its message before anything is kept for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

inline constexpr std::size_t kHeaderBytes = 5;

struct Header {
    char type = 0;
    std::size_t size = 0;  // of the whole message: type byte, length and payload
};

// Reads the header at the start of `bytes`; nullopt where fewer than kHeaderBytes are there.
// Frontend: also kUnknownMessage for a type that clients do not send; kTooLarge by limits.h.
[[nodiscard]] boost::system::result<std::optional<Header>> peek_frontend(std::string_view bytes);
// Backend: DataRow and CopyData may have any size up to 1 GiB (they are streamed); the others
// limits::kBackendControlBytesMax.
[[nodiscard]] boost::system::result<std::optional<Header>> peek_backend(std::string_view bytes);
// The size of the start-up packet at the start of `bytes`, its length field included.
[[nodiscard]] boost::system::result<std::optional<std::size_t>> peek_startup(
    std::string_view bytes);

}  // namespace vitrine::wire
