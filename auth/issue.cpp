#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/errc.hpp>
#include <optional>

#include "auth/base64url.h"
#include "auth/jwks.h"
#include "auth/network.h"
#include "auth/token.h"
#include "config/keys.h"
#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::auth {
namespace {

namespace json = boost::json;
using boost::system::result;

constexpr std::size_t kTokenIdBytes = 16;
constexpr std::size_t kSignatureBytes = 64;

bool all_printable(const std::vector<std::string>& texts) {
    return std::all_of(texts.begin(), texts.end(), [](const std::string& text) {
        return !text.empty() && config::is_printable(text);
    });
}

// What verify() would refuse is not minted.
std::optional<TokenError> request_problem(const config::Auth& auth, const TokenRequest& request) {
    if (!all_printable({request.user}) || !all_printable(request.groups) ||
        !all_printable(request.approvers) || !all_printable(request.databases) ||
        request.databases.empty() || !config::is_printable(request.reason) ||
        !config::is_printable(request.grant) ||
        (!request.client_address.empty() && !is_network(request.client_address))) {
        return TokenError::kMalformed;
    }
    if (request.ttl.count() <= 0 || request.ttl > auth.max_token_lifetime) {
        return TokenError::kLifetime;
    }
    return std::nullopt;
}

json::array to_array(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) {
        array.emplace_back(json::string(text));
    }
    return array;
}

struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Empty where OpenSSL cannot sign.
std::string sign(EVP_PKEY* key, std::string_view text) {
    std::string signature(kSignatureBytes, '\0');
    std::size_t size = signature.size();
    const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
    const bool done =
        context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
    ERR_clear_error();
    signature.resize(done ? size : 0);
    return signature;
}

}  // namespace

result<std::string> issue_token(const config::Auth& auth, const TokenRequest& request, Time now) {
    if (const auto problem = request_problem(auth, request)) {
        return *problem;
    }
    const auto issuer =
        std::find_if(auth.issuers.begin(), auth.issuers.end(),
                     [](const config::Issuer& each) { return !each.signing_key.empty(); });
    if (issuer == auth.issuers.end()) {
        return TokenError::kUnknownIssuer;
    }
    const auto key = config::read_signing_key(issuer->signing_key.reveal());
    if (!key) {
        return TokenError::kAlgorithm;
    }
    std::array<unsigned char, kTokenIdBytes> id{};
    if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) {
        return boost::system::errc::make_error_code(boost::system::errc::io_error);
    }

    const std::int64_t now_s = now.time_since_epoch().count();
    json::object claims{
        {"iss", issuer->name},
        {"sub", request.user},
        {"aud", auth.audience},
        {"iat", now_s},
        {"nbf", now_s},
        {"exp", now_s + request.ttl.count()},
        {"jti", base64url({reinterpret_cast<const char*>(id.data()), id.size()})},
        {"databases", to_array(request.databases)},
        {"groups", to_array(request.groups)},
    };
    if (!request.reason.empty()) {
        claims["reason"] = request.reason;
    }
    if (!request.grant.empty()) {
        claims["grant"] = request.grant;
    }
    if (!request.approvers.empty()) {
        claims["approvers"] = to_array(request.approvers);
    }
    if (!request.client_address.empty()) {
        claims["client_address"] = request.client_address;
    }
    if (request.single_use) {
        claims["single_use"] = true;
    }
    const json::object header{
        {"alg", "EdDSA"}, {"typ", "JWT"}, {"kid", public_half(key.get()).kid}};
    const std::string text =
        base64url(json::serialize(header)) + "." + base64url(json::serialize(claims));
    const std::string signature = sign(key.get(), text);
    if (signature.empty()) {
        return TokenError::kAlgorithm;
    }
    std::string token = text + "." + base64url(signature);
    if (token.size() > limits::kTokenBytesMax) {
        return TokenError::kTooLong;
    }
    return token;
}

}  // namespace vitrine::auth
