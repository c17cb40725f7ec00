#include "proxy/wire/errors.h"

#include <string>

namespace vitrine::wire {
namespace {

class Category final : public boost::system::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "vitrine.wire"; }
    [[nodiscard]] std::string message(int value) const override {
        return std::string(describe(static_cast<WireError>(value)));
    }
};

}  // namespace

std::string_view describe(WireError error) {
    switch (error) {
        case WireError::kBadLength:
            return "message length is below its minimum";
        case WireError::kTooLarge:
            return "message is larger than its limit";
        case WireError::kUnknownMessage:
            return "unknown message type";
        case WireError::kTruncated:
            return "message ends inside a field";
        case WireError::kTrailingBytes:
            return "message goes on behind its last field";
        case WireError::kUnterminated:
            return "string in message is not terminated";
        case WireError::kBadValue:
            return "field in message is out of its range";
        case WireError::kBadProtocol:
            return "unsupported protocol version";
        case WireError::kAuthentication:
            return "the server's SCRAM message is not acceptable";
        case WireError::kUnsupportedAuthentication:
            return "the server asks for an unsupported authentication method";
    }
    return "unknown protocol error";
}

boost::system::error_code make_error_code(WireError error) {
    static const Category category;
    return {static_cast<int>(error), category};
}

}  // namespace vitrine::wire
