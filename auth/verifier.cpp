// The stages of a token, in order; nothing that comes later is believed before what comes earlier:
// length, three parts, header, issuer, signature, claims' types, audience and times, user,
// database. NB: the order is intentional.
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <exception>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "auth/base64url.h"
#include "auth/json_object.h"
#include "auth/token.h"
#include "config/keys.h"
#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::auth {
namespace {

namespace json = boost::json;
using boost::system::result;

// The end of the year 9999: everything before fits every type it comes into.
constexpr std::int64_t kTimeMax = 253402300799;

struct Parts {
    std::string_view signed_text;  // header and claims as they came, with the dot between
    std::string_view header;
    std::string_view claims;
    std::string_view signature;
};

std::optional<Parts> split(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t last = token.rfind('.');
    if (first == std::string_view::npos || first == last || token.find('.', first + 1) != last) {
        return std::nullopt;
    }
    return Parts{token.substr(0, last), token.substr(0, first),
                 token.substr(first + 1, last - first - 1), token.substr(last + 1)};
}

std::optional<json::object> decode_object(std::string_view part) {
    const auto text = from_base64url(part);
    return text ? parse_object(*text) : std::nullopt;
}

std::optional<std::string> as_text(const json::value& value) {
    if (!value.is_string()) {
        return std::nullopt;
    }
    const json::string& text = value.get_string();
    return std::string(text.data(), text.size());
}

bool is_jwt(std::string_view typ) {
    constexpr std::string_view kType = "jwt";
    return typ.size() == kType.size() &&
           std::equal(typ.begin(), typ.end(), kType.begin(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

// RFC 8725 sections 3.1, 3.2 and 3.10: the algorithm is ours, not the token's; no key or address of
// one is taken out of a token.
std::optional<TokenError> header_problem(const json::object& header) {
    const json::value* const alg = header.if_contains("alg");
    if (alg == nullptr || as_text(*alg) != "EdDSA") {
        return TokenError::kAlgorithm;
    }
    if (header.contains("crit")) {
        return TokenError::kCritical;
    }
    if (const json::value* const typ = header.if_contains("typ")) {
        const auto text = as_text(*typ);
        if (!text || !is_jwt(*text)) {
            return TokenError::kMalformed;
        }
    }
    for (const char* const name :
         {"b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc", "cty"}) {
        if (header.contains(name)) {
            return TokenError::kMalformed;
        }
    }
    const json::value* const kid = header.if_contains("kid");
    return kid == nullptr || kid->is_string() ? std::nullopt
                                              : std::optional(TokenError::kMalformed);
}

// A NumericDate (RFC 7519 section 2) in whole seconds: fractions and exponents are refused, since
// what they round to is nobody's word.
result<std::int64_t> read_time(const json::value& value) {
    if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > kTimeMax) {
        return TokenError::kMalformed;
    }
    return value.get_int64();
}

// A text that goes into logs, file names and messages.
result<std::string> read_text(const json::value& value) {
    auto text = as_text(value);
    if (!text || text->empty() || !config::is_printable(*text)) {
        return TokenError::kMalformed;
    }
    return std::move(*text);
}

result<std::vector<std::string>> read_texts(const json::value& value) {
    if (!value.is_array()) {
        return TokenError::kMalformed;
    }
    std::vector<std::string> texts;
    for (const json::value& item : value.get_array()) {
        auto text = read_text(item);
        if (text.has_error()) {
            return text.error();
        }
        texts.push_back(std::move(*text));
    }
    return texts;
}

// The claims with their types checked. The sticky error is that of the first claim that is wrong.
class Claims {
  public:
    explicit Claims(const json::object& object) : object_(object) {}

    template <class T>
    T required(const char* name, result<T> (*read)(const json::value&)) {
        if (!object_.contains(name)) {
            fail(TokenError::kMissingClaim);
            return {};
        }
        return optional(name, read);
    }
    template <class T>
    T optional(const char* name, result<T> (*read)(const json::value&)) {
        const json::value* const value = object_.if_contains(name);
        if (value == nullptr) {
            return {};
        }
        result<T> claim = read(*value);
        if (claim.has_error()) {
            fail(TokenError::kMalformed);
            return {};
        }
        return std::move(*claim);
    }
    [[nodiscard]] std::optional<TokenError> error() const { return error_; }

  private:
    void fail(TokenError error) {
        if (!error_) {
            error_ = error;
        }
    }

    const json::object& object_;
    std::optional<TokenError> error_;
};

// `aud` is a text or a list of texts (RFC 7519 section 4.1.3).
result<std::vector<std::string>> read_audience(const json::value& value) {
    if (!value.is_string()) {
        return read_texts(value);
    }
    auto text = read_text(value);
    if (text.has_error()) {
        return text.error();
    }
    return std::vector<std::string>{std::move(*text)};
}

bool contains(const std::vector<std::string>& texts, std::string_view text) {
    return std::find(texts.begin(), texts.end(), text) != texts.end();
}

struct Times {
    std::int64_t exp = 0;
    std::int64_t iat = 0;
    std::int64_t nbf = 0;
};

std::optional<TokenError> time_problem(const Times& times, std::chrono::seconds lifetime_max,
                                       Time now) {
    const std::int64_t now_s = now.time_since_epoch().count();
    const std::int64_t latest = now_s + limits::kClockSkewMax.count();
    if (times.exp <= now_s) {
        return TokenError::kExpired;
    }
    if (times.iat > latest || times.nbf > latest) {
        return TokenError::kNotYetValid;
    }
    if (times.exp <= times.iat || times.exp - times.iat > lifetime_max.count()) {
        return TokenError::kLifetime;
    }
    return std::nullopt;
}

struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Ed25519 (RFC 8032); OpenSSL refuses a signature whose S is not below the group's order, so there
// is one signature a text and not several.
bool signature_fits(EVP_PKEY* key, std::string_view text, std::string_view signature) {
    const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
    const bool fits =
        context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
        EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                         signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                         text.size()) == 1;
    ERR_clear_error();
    return fits;
}

// The public half alone: a verifier needs no more, and holds no more.
config::PrivateKey public_half(const config::PrivateKey& key) {
    std::array<unsigned char, 32> bytes{};
    std::size_t size = bytes.size();
    if (!key || EVP_PKEY_get_raw_public_key(key.get(), bytes.data(), &size) != 1) {
        return nullptr;
    }
    return config::PrivateKey(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes.data(), size));
}

}  // namespace

struct Verifier::State {
    std::string audience;
    std::chrono::seconds lifetime_max{};
    std::map<std::string, config::PrivateKey, std::less<>> keys;  // by issuer
    // Nobody's: an unknown issuer costs a verification, too, and cannot be told from a wrong key by
    // the time it takes.
    config::PrivateKey nobody;

    [[nodiscard]] result<json::object> signed_claims(std::string_view token) const;
    [[nodiscard]] result<Principal> principal(const json::object& object, std::string_view user,
                                              std::string_view database, Time now) const;
};

Verifier::Verifier(const config::Auth& auth) {
    auto state = std::make_unique<State>();
    state->audience = auth.audience;
    state->lifetime_max = auth.max_token_lifetime;
    for (const config::Issuer& issuer : auth.issuers) {
        if (issuer.signing_key.empty()) {
            continue;
        }
        auto key = public_half(config::read_signing_key(issuer.signing_key.reveal()));
        if (!key) {
            throw std::invalid_argument("the key of issuer " + issuer.name +
                                        " is not an Ed25519 private key in PKCS#8 PEM");
        }
        if (!state->keys.emplace(issuer.name, std::move(key)).second) {
            throw std::invalid_argument("two issuers are named " + issuer.name);
        }
    }
    state->nobody.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    if (!state->nobody) {
        throw std::runtime_error("OpenSSL cannot make an Ed25519 key");
    }
    state_ = std::move(state);
}

Verifier::~Verifier() = default;

// The claims of a token, once its signature says that they are the issuer's.
result<json::object> Verifier::State::signed_claims(std::string_view token) const {
    if (token.size() > limits::kTokenBytesMax) {
        return TokenError::kTooLong;
    }
    const auto parts = split(token);
    if (!parts) {
        return TokenError::kMalformed;
    }
    const auto header = decode_object(parts->header);
    if (!header) {
        return TokenError::kMalformed;
    }
    if (const auto problem = header_problem(*header)) {
        return *problem;
    }
    auto claims = decode_object(parts->claims);
    const auto signature = from_base64url(parts->signature);
    if (!claims || !signature) {
        return TokenError::kMalformed;
    }
    // Read before the signature is verified, and for nothing else than to find the key.
    const json::value* const iss = claims->if_contains("iss");
    if (iss != nullptr && !iss->is_string()) {
        return TokenError::kMalformed;
    }
    const auto issuer = keys.find(iss == nullptr ? std::string() : *as_text(*iss));
    const bool known = iss != nullptr && issuer != keys.end();
    const bool fits =
        signature_fits(known ? issuer->second.get() : nobody.get(), parts->signed_text, *signature);
    if (!known) {
        return TokenError::kUnknownIssuer;
    }
    if (!fits) {
        return TokenError::kSignature;
    }
    return std::move(*claims);
}

result<Principal> Verifier::State::principal(const json::object& object, std::string_view user,
                                             std::string_view database, Time now) const {
    Claims claims(object);
    Principal principal;
    Times times;
    principal.issuer = claims.required("iss", read_text);
    principal.user = claims.required("sub", read_text);
    principal.token = claims.required("jti", read_text);
    times.exp = claims.required("exp", read_time);
    times.iat = claims.required("iat", read_time);
    times.nbf = claims.optional("nbf", read_time);
    const auto databases = claims.required("databases", read_texts);
    const auto audiences = claims.optional("aud", read_audience);
    principal.groups = claims.optional("groups", read_texts);
    principal.reason = claims.optional("reason", read_text);
    principal.grant = claims.optional("grant", read_text);
    if (claims.error()) {
        return *claims.error();
    }
    if (!contains(audiences, audience)) {
        return TokenError::kAudience;
    }
    if (const auto problem = time_problem(times, lifetime_max, now)) {
        return *problem;
    }
    if (principal.user != user) {
        return TokenError::kOtherUser;
    }
    if (!contains(databases, database)) {
        return TokenError::kOtherDatabase;
    }
    principal.database = database;
    principal.expires = Time(std::chrono::seconds(times.exp));
    return principal;
}

result<Principal> Verifier::verify(std::string_view token, std::string_view user,
                                   std::string_view database, Time now) const {
    try {
        const auto claims = state_->signed_claims(token);
        if (claims.has_error()) {
            return claims.error();
        }
        return state_->principal(*claims, user, database, now);
    } catch (const std::exception&) {
        return TokenError::kMalformed;  // out of memory: no token is good that was not read
    }
}

}  // namespace vitrine::auth
