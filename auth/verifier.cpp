// The stages of a token, in order; nothing that comes later is believed before what comes earlier:
// length, three parts, header, issuer and key, signature, claims' types, audience and times,
// address, user, database. NB: the order is intentional.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "auth/base64url.h"
#include "auth/json_object.h"
#include "auth/jwks.h"
#include "auth/network.h"
#include "auth/seen_signatures.h"
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

struct Header {
    Algorithm algorithm = Algorithm::kEdDsa;
    std::string kid;  // empty: the token names none
};

// RFC 8725 sections 3.1, 3.2 and 3.10: no key or address of one is taken out of a token. x5t and
// x5t#S256, which Entra ID sends, are hashes and nothing of ours: they are passed over.
result<Header> read_header(const json::object& object) {
    const json::value* const alg = object.if_contains("alg");
    const auto name = alg == nullptr ? std::nullopt : as_text(*alg);
    const auto algorithm = name ? algorithm_named(*name) : std::nullopt;
    if (!algorithm) {
        return TokenError::kAlgorithm;
    }
    if (object.contains("crit")) {
        return TokenError::kCritical;
    }
    if (const json::value* const typ = object.if_contains("typ")) {
        const auto text = as_text(*typ);
        if (!text || !is_jwt(*text)) {
            return TokenError::kMalformed;
        }
    }
    for (const char* const each : {"b64", "jwk", "jku", "x5u", "x5c", "zip", "enc", "cty"}) {
        if (object.contains(each)) {
            return TokenError::kMalformed;
        }
    }
    Header header{*algorithm, {}};
    if (const json::value* const kid = object.if_contains("kid")) {
        auto text = as_text(*kid);
        if (!text || text->empty() || text->size() > limits::kKeyIdBytesMax) {
            return TokenError::kMalformed;
        }
        header.kid = std::move(*text);
    }
    return header;
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

// A single text counts as a list of one: `aud` (RFC 7519 section 4.1.3), and groups.
result<std::vector<std::string>> read_text_or_texts(const json::value& value) {
    if (!value.is_string()) {
        return read_texts(value);
    }
    auto text = read_text(value);
    if (text.has_error()) {
        return text.error();
    }
    return std::vector<std::string>{std::move(*text)};
}

result<std::string> read_client_address(const json::value& value) {
    auto text = as_text(value);
    if (!text || !is_network(*text)) {
        return TokenError::kMalformed;
    }
    return std::move(*text);
}

result<bool> read_bool(const json::value& value) {
    if (!value.is_bool()) {
        return TokenError::kMalformed;
    }
    return value.get_bool();
}

// The claim of that whole name (Auth0's are URLs, dots and all); where there is none, a name with
// dots goes into objects (Keycloak's realm_access.roles). Null: there is none, or what is on the
// way is no object.
const json::value* claim_at(const json::object& object, std::string_view path) {
    const json::object* level = &object;
    while (true) {
        if (const json::value* const claim = level->if_contains(path)) {
            return claim;
        }
        const std::size_t dot = path.find('.');
        const json::value* const next =
            dot == std::string_view::npos ? nullptr : level->if_contains(path.substr(0, dot));
        if (next == nullptr || !next->is_object()) {
            return nullptr;
        }
        level = &next->get_object();
        path.remove_prefix(dot + 1);
    }
}

// The claims with their types checked. The sticky error is that of the first claim that is wrong.
class Claims {
  public:
    explicit Claims(const json::object& object) : object_(object) {}

    template <class T>
    T required(std::string_view name, result<T> (*read)(const json::value&)) {
        if (claim_at(object_, name) == nullptr) {
            fail(TokenError::kMissingClaim);
            return {};
        }
        return optional(name, read);
    }
    template <class T>
    T optional(std::string_view name, result<T> (*read)(const json::value&)) {
        const json::value* const value = claim_at(object_, name);
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

bool contains(const std::vector<std::string>& texts, std::string_view text) {
    return std::find(texts.begin(), texts.end(), text) != texts.end();
}

struct Times {
    std::int64_t exp = 0;
    std::int64_t iat = 0;
    std::int64_t nbf = 0;
};

std::optional<TokenError> time_problem(const Times& times, std::chrono::seconds lifetime_max,
                                       std::chrono::seconds clock_skew, Time now) {
    const std::int64_t now_s = now.time_since_epoch().count();
    const std::int64_t latest = now_s + clock_skew.count();
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

// What an identity provider's token is known by where it has no jti: Entra ID's own name for one,
// or a hash of what is signed. Not of the signature: of ECDSA's there are several for one text, so
// that a token could be sent under a new name.
result<std::string> token_id(const json::object& object, std::string_view signed_text) {
    for (const char* const name : {"jti", "uti"}) {
        if (const json::value* const claim = object.if_contains(name)) {
            return read_text(*claim);
        }
    }
    std::array<unsigned char, 32> hash{};
    if (EVP_Q_digest(nullptr, "SHA256", nullptr, signed_text.data(), signed_text.size(),
                     hash.data(), nullptr) != 1) {
        return TokenError::kMalformed;
    }
    return "sha256:" + base64url({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

// An address that nobody has shown to be theirs is nobody's name (OpenID Connect Core section 5.1).
bool is_unverified(const json::object& object, std::string_view user_claim) {
    const json::value* const verified = object.if_contains("email_verified");
    return user_claim == "email" && verified != nullptr && *verified != json::value(true);
}

// One issuer, and the keys that it signs with.
struct KnownIssuer {
    std::string audience;
    std::string user_claim;
    std::string groups_claim;
    std::vector<config::NamePattern> groups;  // that it may speak for; empty: all
    bool is_ours = false;                     // vitrine mints with its key
    bool is_fetched = false;                  // its keys come from a jwks.url
    std::shared_ptr<const KeySet> keys;

    // With a kid, the key of that name alone; without, the only one.
    [[nodiscard]] result<const PublicKey*> find(const Header& header) const {
        if (keys == nullptr) {
            return is_fetched ? TokenError::kUnknownKey : TokenError::kUnknownIssuer;
        }
        const PublicKey* found = nullptr;
        if (header.kid.empty()) {
            found = keys->keys.size() == 1 ? &keys->keys.front() : nullptr;
        } else {
            const auto key =
                std::find_if(keys->keys.begin(), keys->keys.end(),
                             [&](const PublicKey& each) { return each.kid == header.kid; });
            found = key == keys->keys.end() ? nullptr : &*key;
        }
        if (found == nullptr) {
            return TokenError::kUnknownKey;
        }
        if (found->algorithm != header.algorithm) {
            return TokenError::kAlgorithm;
        }
        return found;
    }
};

// The keys of an issuer that are in the configuration; a problem where they are none.
std::shared_ptr<const KeySet> configured_keys(const config::Issuer& issuer, std::string& problem) {
    auto keys = std::make_shared<KeySet>();
    if (!issuer.signing_key.empty()) {
        const auto key = config::read_signing_key(issuer.signing_key.reveal());
        keys->keys.push_back(public_half(key.get()));
        if (!keys->keys.front().key) {
            problem =
                "the key of issuer " + issuer.name + " is not an Ed25519 private key in PKCS#8 PEM";
        }
        return keys;
    }
    if (issuer.jwks_file.empty()) {
        return nullptr;
    }
    ParsedKeySet parsed = parse_key_set(issuer.jwks);
    if (!parsed.problem.empty()) {
        problem = "the keys of issuer " + issuer.name + ": " + issuer.jwks_file.string() + " " +
                  parsed.problem;
    }
    *keys = std::move(parsed.set);
    return keys;
}

// A token taken apart, its claims not yet to be believed.
struct Decoded {
    Header header;
    json::object claims;
    std::optional<std::string> issuer;
    std::string_view signed_text;
    std::string signature;
};

result<Decoded> decode(std::string_view token) {
    if (token.size() > limits::kTokenBytesMax) {
        return TokenError::kTooLong;
    }
    const auto parts = split(token);
    if (!parts) {
        return TokenError::kMalformed;
    }
    const auto object = decode_object(parts->header);
    if (!object) {
        return TokenError::kMalformed;
    }
    const auto header = read_header(*object);
    if (header.has_error()) {
        return header.error();
    }
    auto claims = decode_object(parts->claims);
    auto signature = from_base64url(parts->signature);
    if (!claims || !signature) {
        return TokenError::kMalformed;
    }
    std::optional<std::string> issuer;
    if (const json::value* const iss = claims->if_contains("iss")) {
        issuer = as_text(*iss);
        if (!issuer) {
            return TokenError::kMalformed;
        }
    }
    return Decoded{*header, std::move(*claims), std::move(issuer), parts->signed_text,
                   std::move(*signature)};
}

}  // namespace

struct Verifier::State {
    std::chrono::seconds lifetime_max{};
    std::chrono::seconds clock_skew{};
    std::map<std::string, KnownIssuer, std::less<>> issuers;
    // Nobody's, by algorithm: an unknown issuer or kid costs a verification, too, and cannot be
    // told from a wrong signature by the time it takes.
    std::array<PublicKey, 3> nobody;
    mutable SeenSignatures seen;  // the issuer and the kid that name the key are in the text
    std::vector<std::string> warnings;

    // Adds everything but the user and database that were asked for.
    [[nodiscard]] result<Principal> verified(std::string_view token,
                                             std::string_view client_address, Time now,
                                             std::vector<std::string>* databases) const;
    [[nodiscard]] result<const KnownIssuer*> signer(const Decoded& decoded) const;
};

std::vector<config::Problem> key_problems(const config::Auth& auth) {
    std::vector<config::Problem> problems;
    for (const config::Issuer& issuer : auth.issuers) {
        std::string problem;
        (void)configured_keys(issuer, problem);
        if (!problem.empty()) {
            problems.push_back({issuer.position, std::move(problem)});
        }
    }
    return problems;
}

Verifier::Verifier(const config::Auth& auth, const FetchedKeys& fetched) {
    auto state = std::make_unique<State>();
    state->lifetime_max = auth.max_token_lifetime;
    state->clock_skew = auth.clock_skew;
    for (const config::Issuer& issuer : auth.issuers) {
        KnownIssuer known{issuer.audience.empty() ? auth.audience : issuer.audience,
                          issuer.user_claim,
                          issuer.groups_claim,
                          issuer.groups,
                          !issuer.signing_key.empty(),
                          !issuer.jwks_url.empty(),
                          nullptr};
        std::string problem;
        known.keys = configured_keys(issuer, problem);
        if (!problem.empty()) {
            throw std::invalid_argument(config::to_string({issuer.position, problem}));
        }
        if (const auto keys = fetched.find(issuer.name);
            known.is_fetched && keys != fetched.end()) {
            known.keys = keys->second;
        }
        for (const std::string& warning :
             known.keys ? known.keys->warnings : std::vector<std::string>{}) {
            state->warnings.push_back("the keys of issuer " + issuer.name + ": " + warning);
        }
        if (!state->issuers.emplace(issuer.name, std::move(known)).second) {
            throw std::invalid_argument("two issuers are named " + issuer.name);
        }
    }
    for (const Algorithm each : {Algorithm::kEdDsa, Algorithm::kEs256, Algorithm::kRs256}) {
        state->nobody.at(static_cast<std::size_t>(each)) = nobodys_key(each);
    }
    state_ = std::move(state);
}

Verifier::~Verifier() = default;

// The issuer, once the signature says that the claims are its own.
result<const KnownIssuer*> Verifier::State::signer(const Decoded& decoded) const {
    const auto issuer = decoded.issuer ? issuers.find(*decoded.issuer) : issuers.end();
    result<const PublicKey*> key = TokenError::kUnknownIssuer;
    if (issuer != issuers.end()) {
        key = issuer->second.find(decoded.header);
    }
    const auto digest = SeenSignatures::digest(decoded.signed_text, decoded.signature);
    if (key.has_value() && digest && seen.contains(*digest)) {
        return &issuer->second;
    }
    const PublicKey& nobodys = nobody.at(static_cast<std::size_t>(decoded.header.algorithm));
    const bool fits =
        signature_fits(key.has_value() ? **key : nobodys, decoded.signed_text, decoded.signature);
    if (key.has_error()) {
        return key.error();
    }
    if (!fits) {
        return TokenError::kSignature;
    }
    if (digest) {
        seen.add(*digest);
    }
    return &issuer->second;
}

result<Principal> Verifier::State::verified(std::string_view token, std::string_view client_address,
                                            Time now, std::vector<std::string>* databases) const {
    const auto decoded = decode(token);
    if (decoded.has_error()) {
        return decoded.error();
    }
    const auto signer_or_error = signer(*decoded);
    if (signer_or_error.has_error()) {
        return signer_or_error.error();
    }
    const KnownIssuer& issuer = **signer_or_error;
    const json::object& object = decoded->claims;
    Claims claims(object);
    Principal principal;
    Times times;
    principal.issuer = claims.required("iss", read_text);
    principal.user = claims.required(issuer.user_claim, read_text);
    if (issuer.is_ours) {
        principal.token = claims.required("jti", read_text);
    }
    times.exp = claims.required("exp", read_time);
    times.iat = claims.required("iat", read_time);
    times.nbf = claims.optional("nbf", read_time);
    if (databases != nullptr) {
        *databases = claims.required("databases", read_texts);
    } else {
        (void)claims.optional("databases", read_texts);
    }
    const auto audiences = claims.optional("aud", read_text_or_texts);
    principal.groups = claims.optional(issuer.groups_claim, read_text_or_texts);
    if (!issuer.groups.empty()) {
        // Groups are one namespace: those that are not this issuer's to give are not there.
        std::erase_if(principal.groups, [&](const std::string& group) {
            return std::ranges::none_of(issuer.groups, [&](const config::NamePattern& each) {
                return each.matches(group);
            });
        });
    }
    principal.reason = claims.optional("reason", read_text);
    if (issuer.is_ours) {
        // Grants are vitrine's own word.
        principal.grant = claims.optional("grant", read_text);
        principal.approvers = claims.optional("approvers", read_texts);
    }
    principal.client_address = claims.optional("client_address", read_client_address);
    principal.single_use = claims.optional("single_use", read_bool);
    if (claims.error()) {
        return *claims.error();
    }
    if (!issuer.is_ours) {
        auto id = token_id(object, decoded->signed_text);
        if (id.has_error()) {
            return TokenError::kMalformed;
        }
        principal.token = std::move(*id);
    }
    if (!contains(audiences, issuer.audience)) {
        return TokenError::kAudience;
    }
    if (const auto problem = time_problem(times, lifetime_max, clock_skew, now)) {
        return *problem;
    }
    if (is_unverified(object, issuer.user_claim)) {
        return TokenError::kUnverifiedEmail;
    }
    if (!principal.client_address.empty() &&
        !network_contains(principal.client_address, client_address)) {
        return TokenError::kOtherAddress;
    }
    // The clock that iat is by may be ahead of the one that a revocation is by; vitrine's own too,
    // on another machine. A grant's tokens need no such care, since whoever revokes their user or
    // group revokes the grant by its id: so who asks anew after a revocation need not wait.
    const bool by_grant = issuer.is_ours && !principal.grant.empty();
    principal.issued =
        Time(std::chrono::seconds(times.iat)) - (by_grant ? std::chrono::seconds(0) : clock_skew);
    principal.expires = Time(std::chrono::seconds(times.exp));
    return principal;
}

result<Principal> Verifier::verify(std::string_view token, std::string_view user,
                                   std::string_view database, std::string_view client_address,
                                   Time now) const {
    try {
        std::vector<std::string> databases;
        auto principal = state_->verified(token, client_address, now, &databases);
        if (principal.has_error()) {
            return principal.error();
        }
        if (principal->user != user) {
            return TokenError::kOtherUser;
        }
        if (!contains(databases, database)) {
            return TokenError::kOtherDatabase;
        }
        principal->database = database;
        return principal;
    } catch (const std::exception&) {
        return TokenError::kMalformed;  // out of memory: no token is good that was not read
    }
}

result<Identified> Verifier::identify(std::string_view token, Time now,
                                      std::string_view client_address) const {
    try {
        auto principal = state_->verified(token, client_address, now, nullptr);
        if (principal.has_error()) {
            return principal.error();
        }
        if (principal->single_use) {
            return TokenError::kSingleUse;
        }
        Identity who{principal->user, principal->groups, principal->issuer, principal->token};
        return Identified{std::move(who), std::move(*principal)};
    } catch (const std::exception&) {
        return TokenError::kMalformed;
    }
}

std::optional<std::string> Verifier::issuer_to_refresh(std::string_view token) const {
    try {
        const auto decoded = decode(token);
        if (decoded.has_error() || !decoded->issuer) {
            return std::nullopt;
        }
        const auto issuer = state_->issuers.find(*decoded->issuer);
        if (issuer == state_->issuers.end() || !issuer->second.is_fetched) {
            return std::nullopt;
        }
        const KnownIssuer& known = issuer->second;
        const bool may_help = known.keys == nullptr || !decoded->header.kid.empty();
        if (!may_help || known.find(decoded->header).error() != TokenError::kUnknownKey) {
            return std::nullopt;
        }
        return issuer->first;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

const std::vector<std::string>& Verifier::warnings() const {
    return state_->warnings;
}

}  // namespace vitrine::auth
