#include "config/issuers.h"

#include <chrono>
#include <set>
#include <utility>

#include "config/key_files.h"
#include "config/limits.h"
#include "config/url.h"

namespace vitrine::config {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

// Beyond this a value is a slip, not a wish.
constexpr std::uint64_t kFailedLoginsMax = 1000000;
constexpr seconds kTokenLifetimeMax = hours(24 * 400);

std::string read_https_url(Reader& reader, const Value& value, std::string_view why) {
    const auto text = read_text(reader, value);
    if (text && !parse_https_url(*text)) {
        reader.problem(value,
                       "is no address that begins with https://, without a user's name and "
                       "a fragment; " +
                           std::string(why));
    }
    return text.value_or("");
}

void read_jwks(Reader& reader, const Value& value, Issuer& issuer) {
    const Fields fields(reader, value, {"file", "url", "ca"});
    const auto file = fields.find("file");
    const auto url = fields.find("url");
    if (fields.is_map() && file.has_value() == url.has_value()) {
        reader.problem_at_key(value, file ? "has both a file and a url; leave one of them out"
                                          : "has neither; write {file: PATH} or {url: https://…}");
    }
    if (file) {
        if (const auto path = read_path(reader, *file)) {
            issuer.jwks_file = *path;
            issuer.jwks = read_named_file(reader, *file, *path).value_or("");
        }
    }
    if (url) {
        issuer.jwks_url = read_https_url(reader, *url, "keys are fetched over TLS alone");
    }
    if (const auto ca = fields.find("ca")) {
        read_certificates(reader, *ca, issuer.jwks_ca);
        if (!url) {
            reader.problem(*ca, "is for a url; leave it out");
        }
    }
}

// The name of a group, as it stands in the token: nothing is folded and no quote is special, and a
// `*` stands for any run of characters.
NamePattern group_pattern(std::string_view text) {
    NamePattern pattern;
    while (true) {
        const std::size_t star = text.find('*');
        pattern.pieces.emplace_back(text.substr(0, star));
        if (star == std::string_view::npos) {
            return pattern;
        }
        text.remove_prefix(star + 1);
    }
}

Issuer read_issuer(Reader& reader, const Value& value) {
    Issuer issuer;
    issuer.position = reader.position(*value.node);
    Fields fields(
        reader, value,
        {"name", "signing_key", "jwks", "audience", "user_claim", "groups_claim", "groups"});
    if (const auto name = fields.require("name", "name what stands in the token's iss")) {
        issuer.name = read_text(reader, *name).value_or("");
    }
    const auto jwks = fields.find("jwks");
    const auto key =
        jwks ? fields.find("signing_key")
             : fields.require("signing_key",
                              "write signing_key: {file: PATH}, or jwks: {url: https://…}");
    if (key) {
        if (auto secret = read_ed25519_key(reader, *key)) {
            issuer.signing_key = std::move(*secret);
        }
    }
    if (jwks) {
        read_jwks(reader, *jwks, issuer);
        if (key) {
            reader.problem_at_key(value, "has both a signing_key and jwks; leave one of them out");
        }
    }
    if (const auto audience = fields.find("audience")) {
        issuer.audience = read_text(reader, *audience).value_or("");
    }
    for (const auto& [name, claim] :
         {std::pair<std::string_view, std::string*>{"user_claim", &issuer.user_claim},
          {"groups_claim", &issuer.groups_claim}}) {
        if (const auto named = fields.find(name)) {
            *claim = read_text(reader, *named).value_or("");
            if (key) {
                reader.problem(*named,
                               "is for the tokens of others: vitrine's own have sub and groups; "
                               "leave it out");
            }
        }
    }
    if (const auto groups = fields.find("groups")) {
        for (const Value& item :
             read_list(reader, *groups, "name a group, or leave it out for all")) {
            if (const auto text = read_text(reader, item)) {
                issuer.groups.push_back(group_pattern(*text));
            }
        }
        if (key) {
            reader.problem(*groups,
                           "is for the tokens of others: vitrine's own have the groups "
                           "that it gives them; leave it out");
        }
    }
    return issuer;
}

void read_oauth(Reader& reader, const Value& value, OAuth& oauth) {
    Fields fields(reader, value, {"issuer", "scope", "offer"});
    if (const auto issuer = fields.require("issuer", "name where clients get their tokens")) {
        oauth.issuer = read_https_url(reader, *issuer, "write the provider's issuer");
        if (oauth.issuer.find('?') != std::string::npos) {
            reader.problem(*issuer, "has a query, which an issuer has not; leave it out");
        }
    }
    if (const auto scope = fields.find("scope")) {
        oauth.scope = read_text(reader, *scope).value_or("");
    }
    if (const auto offer = fields.find("offer")) {
        oauth.offer = read_word(reader, *offer, {"on_request", "always"}) == 1
                          ? OAuth::Offer::kAlways
                          : OAuth::Offer::kOnRequest;
    }
}

}  // namespace

void read_auth(Reader& reader, const Value& value, Auth& auth) {
    Fields fields(
        reader, value,
        {"audience", "max_token_lifetime", "clock_skew", "failed_logins", "issuers", "oauth"});
    if (const auto audience = fields.find("audience")) {
        auth.audience = read_text(reader, *audience).value_or("");
    }
    if (const auto lifetime = fields.find("max_token_lifetime")) {
        auth.max_token_lifetime =
            read_duration(reader, *lifetime, kTokenLifetimeMax).value_or(seconds(1));
    }
    if (const auto skew = fields.find("clock_skew")) {
        auth.clock_skew = read_duration(reader, *skew, limits::kClockSkewMax).value_or(seconds(1));
    }
    if (const auto failed = fields.find("failed_logins")) {
        auth.failed_logins =
            static_cast<unsigned>(read_integer(reader, *failed, 0, kFailedLoginsMax).value_or(0));
    }
    if (const auto oauth = fields.find("oauth")) {
        read_oauth(reader, *oauth, auth.oauth);
    }
    const auto issuers = fields.require(
        "issuers", "name one: issuers: [{name: vitrine, signing_key: {file: PATH}}]");
    if (!issuers) {
        return;
    }
    std::set<std::string> names;
    for (const Value& item :
         read_list(reader, *issuers, "name one: {name: vitrine, signing_key: {file: PATH}}")) {
        auth.issuers.push_back(read_issuer(reader, item));
        const std::string& name = auth.issuers.back().name;
        if (!name.empty() && !names.insert(name).second) {
            reader.problem(
                item, "has the name of another issuer, " + shown(name) + "; leave one of them out");
        }
    }
}

}  // namespace vitrine::config
