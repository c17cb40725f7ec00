// Who calls: by a token of an identity provider, a local account's password, or the operator's key.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "auth/password.h"
#include "config/limits.h"
#include "config/utf8.h"
#include "proxy/admin/access_api.h"
#include "proxy/admin/api_values.h"
#include "proxy/admin/operator_token.h"
#include "proxy/wire/base64.h"

namespace vitrine::admin {

namespace {

// How soon a password is looked at that has to wait for another.
constexpr std::chrono::milliseconds kDerivesAgain{50};
// How soon it is looked whether an issuer's keys have come.
constexpr std::chrono::milliseconds kKeysAgain{50};

// Of "192.0.2.7:4711" or "[2001:db8::7]:4711".
std::string_view host_of(std::string_view client) {
    const std::string_view host = client.substr(0, client.rfind(':'));
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

}  // namespace

enum class AccessApi::KeysAnswer : std::uint8_t {
    kNone,
    kBefore,   // to a request that was under way before this one asked
    kSettled,  // with the keys, or without
};

// Of the one call that waits for keys; the next may when this is gone.
struct AccessApi::AwaitedKeys {
    explicit AwaitedKeys(std::atomic<bool>& is_taken) : taken(is_taken) {}
    AwaitedKeys(const AwaitedKeys&) = delete;
    AwaitedKeys& operator=(const AwaitedKeys&) = delete;
    ~AwaitedKeys() { taken = false; }

    std::atomic<bool>& taken;
    std::shared_ptr<std::atomic<KeysAnswer>> answer;  // the fetcher may outlive this
    std::chrono::steady_clock::time_point until;
    bool asked_twice = false;
};

// Never on a thread of the API's, of which there are two: the call is asked again until the answer
// is there. And one call at a time, as anybody can name unknown keys.
std::optional<HttpAnswer> AccessApi::await_keys(HttpRequest& request, const std::string& issuer) {
    const HttpAnswer busy = problem(503, "the keys of your identity provider are being fetched",
                                    "Try again in a moment.");
    auto awaited = std::static_pointer_cast<AwaitedKeys>(request.waits);
    if (awaited == nullptr) {
        if (awaits_keys_.exchange(true)) {
            return busy;
        }
        awaited = std::make_shared<AwaitedKeys>(awaits_keys_);
        request.waits = awaited;
        ask_for_keys(*awaited, issuer);
    }
    switch (awaited->answer->load()) {
        case KeysAnswer::kNone:
            if (std::chrono::steady_clock::now() < awaited->until) {
                return HttpAnswer{200, nullptr, kKeysAgain};
            }
            break;
        case KeysAnswer::kBefore:
            // The request was under way before the key was there, perhaps.
            if (!std::exchange(awaited->asked_twice, true)) {
                ask_for_keys(*awaited, issuer);
                return HttpAnswer{200, nullptr, kKeysAgain};
            }
            break;
        case KeysAnswer::kSettled:
            return std::nullopt;
    }
    request.waits.reset();
    return busy;
}

void AccessApi::ask_for_keys(AwaitedKeys& awaited, const std::string& issuer) {
    awaited.answer = std::make_shared<std::atomic<KeysAnswer>>(KeysAnswer::kNone);
    awaited.until =
        std::chrono::steady_clock::now() + limits::kJwksRefreshMin + limits::kJwksFetchMax;
    shared_.jwks->refresh(issuer, [answer = awaited.answer](bool settled) {
        answer->store(settled ? KeysAnswer::kSettled : KeysAnswer::kBefore);
    });
}

std::optional<HttpAnswer> AccessApi::identify(HttpRequest& request, Call& call) {
    if (request.known != nullptr) {
        // It was made sure of some seconds ago at most, and derives no password again.
        const auto& known = *static_cast<const Known*>(request.known.get());
        call.who = known.who;
        call.operator_key = known.operator_key;
        call.first = false;
        return std::nullopt;
    }
    constexpr std::string_view kBearer = "Bearer ";
    constexpr std::string_view kBasic = "Basic ";
    const std::string_view header = request.authorization;
    if (header.starts_with(kBearer)) {
        return identify_by_token(request, call, header.substr(kBearer.size()));
    }
    if (header.starts_with(kBasic)) {
        return identify_by_password(request, call, header.substr(kBasic.size()));
    }
    return problem(401, "say who you are: with a token of your identity provider or a password",
                   "Authorization: Bearer TOKEN, or Basic with a user of `vitrine user add`.");
}

std::optional<HttpAnswer> AccessApi::identify_by_token(HttpRequest& request, Call& call,
                                                       std::string_view token) {
    if (auto known = verify_operator_token(call.current->config->auth, token, call.now)) {
        call.who = std::move(*known);
        call.operator_key = true;
        return std::nullopt;
    }
    auto found = call.current->verifier->identify(token, call.now, host_of(request.client));
    const auto issuer = found.has_error() && found.error() == auth::TokenError::kUnknownKey
                            ? call.current->verifier->issuer_to_refresh(token)
                            : std::nullopt;
    if (issuer) {
        if (auto waits = await_keys(request, *issuer)) {
            return waits;
        }
        call.current = shared_.current();
        found = call.current->verifier->identify(token, call.now, host_of(request.client));
    }
    request.waits.reset();
    if (!found) {
        return stranger(
            call, "",
            std::string(auth::cause(static_cast<auth::TokenError>(found.error().value()))));
    }
    // The store's own list, not the one that the sessions have, which may be some moments old:
    // in them, who was revoked at another proxy could make a grant here that outlives it.
    const auto revoked = shared_.access->store().is_revoked(found->principal);
    if (!revoked) {
        return store_failed(revoked.error());
    }
    if (*revoked) {
        return stranger(call, found->who.user, "revoked");
    }
    const auto& issuers = call.current->config->auth.issuers;
    const auto issued_by =
        std::ranges::find(issuers, found->principal.issuer, &config::Issuer::name);
    if (issued_by == issuers.end() || !issued_by->signing_key.empty()) {
        // It opens a database, for a while; who has it shall not make more of it.
        return stranger(call, found->who.user, "a token of vitrine's own");
    }
    call.who = std::move(found->who);
    return std::nullopt;
}

std::optional<HttpAnswer> AccessApi::identify_by_password(const HttpRequest& request, Call& call,
                                                          std::string_view credentials) {
    const unsigned burst = call.current->config->auth.failed_logins;
    // Each guess costs a derivation, so further ones are not even looked at; tokens cost
    // little.
    if (throttle_.due(request.client, burst, std::chrono::steady_clock::now()) >
        std::chrono::steady_clock::duration::zero()) {
        return problem(429, "too many failed logins from your address",
                       "Wait a few seconds and try again.");
    }
    // One at a time, so that a thread is left for those who need none.
    if (derives_.exchange(true)) {
        if (std::chrono::steady_clock::now() - request.came > limits::kApiWaitMax) {
            return problem(503, "too many log in by passwords at this moment",
                           "Try again in a moment.");
        }
        return HttpAnswer{200, nullptr, kDerivesAgain};
    }
    const auto done = [this](void*) { derives_ = false; };
    const std::unique_ptr<void, decltype(done)> derives(this, done);
    const auto decoded = wire::from_base64(credentials);
    const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        return stranger(call, "", "malformed Basic authentication");
    }
    const std::string user = decoded->substr(0, colon);
    const std::string password = decoded->substr(colon + 1);
    if (!config::is_printable(user) || user.empty()) {
        return stranger(call, "", "malformed Basic authentication");
    }
    auto account = shared_.access->store().account(user);
    if (!account && account.error() != auth::StoreError::kNotFound) {
        return store_failed(account.error());
    }
    if (!account || account->disabled) {
        auth::password_of_nobody(password);
        (void)throttle_.failed(request.client, burst, std::chrono::steady_clock::now());
        return stranger(call, user,
                        account
                            ? "the account is disabled; `vitrine user password` lets it in again"
                            : "no such account");
    }
    if (!auth::password_fits(password, account->password)) {
        (void)throttle_.failed(request.client, burst, std::chrono::steady_clock::now());
        return stranger(call, user, "password");
    }
    call.who = {
        .user = account->user, .groups = account->groups, .issuer = kLocalIssuer, .token = {}};
    return std::nullopt;
}

HttpAnswer AccessApi::stranger(Call& call, const std::string& claimed, const std::string& cause) {
    const std::string& client = call.request.client;
    spdlog::warn("API: not let in: client={} user=\"{}\" cause=\"{}\"", client, claimed, cause);
    call.id.user = claimed;
    if (!claimed.empty()) {
        const auto written = shared_.log->append(
            call.id,
            audit::LoginRefused{.database = {}, .client = client, .cause = "API: " + cause});
        if (!written) {
            spdlog::error("the query log cannot be written to: {}", written.error().message());
        }
    }
    return problem(401, "who you are could not be made sure of",
                   "Send a token of your identity provider, or a user and password, that are "
                   "good now.");
}

}  // namespace vitrine::admin
