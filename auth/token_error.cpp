#include <boost/system/error_category.hpp>
#include <string>

#include "auth/token.h"

namespace vitrine::auth {
namespace {

class TokenCategory : public boost::system::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "vitrine.token"; }
    [[nodiscard]] std::string message(int value) const override {
        return std::string(cause(static_cast<TokenError>(value)));
    }
};

}  // namespace

std::string_view cause(TokenError error) {
    switch (error) {
        case TokenError::kTooLong:
            return "too long";
        case TokenError::kMalformed:
            return "malformed";
        case TokenError::kAlgorithm:
            return "algorithm";
        case TokenError::kCritical:
            return "critical header";
        case TokenError::kUnknownIssuer:
            return "unknown issuer";
        case TokenError::kUnknownKey:
            return "unknown key";
        case TokenError::kSignature:
            return "signature";
        case TokenError::kAudience:
            return "audience";
        case TokenError::kExpired:
            return "expired";
        case TokenError::kNotYetValid:
            return "not yet valid";
        case TokenError::kLifetime:
            return "lifetime";
        case TokenError::kMissingClaim:
            return "missing claim";
        case TokenError::kUnverifiedEmail:
            return "unverified email";
        case TokenError::kOtherAddress:
            return "other address";
        case TokenError::kSingleUse:
            return "single use";
        case TokenError::kOtherUser:
            return "other user";
        case TokenError::kOtherDatabase:
            return "other database";
    }
    return "unknown";
}

bool is_authorization_error(TokenError error) {
    return error == TokenError::kOtherUser || error == TokenError::kOtherDatabase;
}

boost::system::error_code make_error_code(TokenError error) {
    static const TokenCategory category;
    return {static_cast<int>(error), category};
}

}  // namespace vitrine::auth
