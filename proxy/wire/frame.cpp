#include "proxy/wire/frame.h"

#include "config/limits.h"
#include "proxy/wire/reader.h"

namespace vitrine::wire {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kCodeBytes = 4;  // a start-up packet's protocol version or request code

// PostgreSQL's own bound for what it builds in memory (MaxAllocSize).
constexpr std::size_t kStreamedBytesMax = std::size_t{1} << 30;

// Besides its text a Parse names a statement and up to 65,535 parameter types.
constexpr std::size_t kParseBytesMax =
    limits::kStatementBytesMax + limits::kSmallMessageBytesMax + std::size_t{4} * 65535;

// The most a payload may hold, by type; nullopt for a type that is not known.
std::optional<std::size_t> frontend_payload_max(char type) {
    switch (type) {
        case 'Q':  // Query: the text and its NUL
            return limits::kStatementBytesMax + 1;
        case 'P':  // Parse
            return kParseBytesMax;
        case 'B':  // Bind
            return limits::kBindBytesMax;
        case 'p':  // PasswordMessage
            return limits::kPasswordBytesMax;
        case 'C':  // Close
        case 'D':  // Describe
        case 'E':  // Execute
        case 'F':  // FunctionCall
        case 'H':  // Flush
        case 'S':  // Sync
        case 'X':  // Terminate
        case 'c':  // CopyDone
        case 'd':  // CopyData
        case 'f':  // CopyFail
            return limits::kSmallMessageBytesMax;
    }
    return std::nullopt;
}

std::optional<std::size_t> backend_payload_max(char type) {
    switch (type) {
        case 'D':  // DataRow
        case 'd':  // CopyData
            return kStreamedBytesMax;
        case '1':  // ParseComplete
        case '2':  // BindComplete
        case '3':  // CloseComplete
        case 'A':  // NotificationResponse
        case 'C':  // CommandComplete
        case 'E':  // ErrorResponse
        case 'G':  // CopyInResponse
        case 'H':  // CopyOutResponse
        case 'I':  // EmptyQueryResponse
        case 'K':  // BackendKeyData
        case 'N':  // NoticeResponse
        case 'R':  // Authentication
        case 'S':  // ParameterStatus
        case 'T':  // RowDescription
        case 'V':  // FunctionCallResponse
        case 'W':  // CopyBothResponse
        case 'Z':  // ReadyForQuery
        case 'c':  // CopyDone
        case 'n':  // NoData
        case 's':  // PortalSuspended
        case 't':  // ParameterDescription
        case 'v':  // NegotiateProtocolVersion
            return limits::kBackendControlBytesMax;
    }
    return std::nullopt;
}

boost::system::result<std::optional<Header>> peek(
    std::string_view bytes, std::optional<std::size_t> (*payload_max)(char type)) {
    if (bytes.size() < kHeaderBytes) {
        return std::optional<Header>();
    }
    Reader reader(bytes.substr(0, kHeaderBytes));
    const char type = static_cast<char>(reader.u8());
    const std::int32_t length = reader.i32();

    const std::optional<std::size_t> max = payload_max(type);
    if (!max) {
        return WireError::kUnknownMessage;
    }
    if (length < static_cast<std::int32_t>(kLengthBytes)) {
        return WireError::kBadLength;
    }
    const auto payload = static_cast<std::size_t>(length) - kLengthBytes;
    if (payload > *max) {
        return WireError::kTooLarge;
    }
    return std::optional<Header>(Header{type, kHeaderBytes + payload});
}

}  // namespace

boost::system::result<std::optional<Header>> peek_frontend(std::string_view bytes) {
    return peek(bytes, frontend_payload_max);
}

boost::system::result<std::optional<Header>> peek_backend(std::string_view bytes) {
    return peek(bytes, backend_payload_max);
}

boost::system::result<std::optional<std::size_t>> peek_startup(std::string_view bytes) {
    if (bytes.size() < kLengthBytes) {
        return std::optional<std::size_t>();
    }
    Reader reader(bytes.substr(0, kLengthBytes));
    const std::int32_t length = reader.i32();
    if (length < static_cast<std::int32_t>(kLengthBytes + kCodeBytes)) {
        return WireError::kBadLength;
    }
    const auto size = static_cast<std::size_t>(length);
    if (size > limits::kStartupPacketBytesMax) {
        return WireError::kTooLarge;
    }
    return std::optional<std::size_t>(size);
}

}  // namespace vitrine::wire
