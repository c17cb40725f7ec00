// What can be wrong with bytes from a peer. One code a cause; each is the end of the connection.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <cstdint>
#include <string_view>

namespace vitrine::wire {

enum class WireError : std::uint8_t {
    kBadLength = 1,   // a length below its minimum
    kTooLarge,        // a length beyond the limit for that message
    kUnknownMessage,  // a type byte that the protocol does not have, or not here
    kTruncated,       // the payload ends inside a field
    kTrailingBytes,   // the payload goes on behind its last field
    kUnterminated,    // a string without its NUL
    kBadValue,        // a field outside of its domain (format code 7, negative count, …)
    kBadProtocol,     // a protocol major version other than 3
    kAuthentication,  // SCRAM: bad nonce, bad signature, bad iteration count, …
    kUnsupportedAuthentication,  // the server asks for a method vitrine does not have
};
[[nodiscard]] std::string_view describe(WireError error);
boost::system::error_code make_error_code(WireError error);

}  // namespace vitrine::wire

template <>
struct boost::system::is_error_code_enum<vitrine::wire::WireError> : std::true_type {};
