#include "proxy/admin/access_api.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "auth/base64url.h"
#include "auth/decide.h"
#include "auth/handle.h"
#include "auth/json_object.h"
#include "auth/lifecycle.h"
#include "auth/password.h"
#include "config/duration.h"
#include "config/limits.h"
#include "config/utf8.h"
#include "proxy/admin/operator_token.h"
#include "proxy/wire/base64.h"

namespace vitrine::admin {

namespace json = boost::json;

namespace {

using auth::Grant;
using auth::GrantState;

// Of accounts of the store's own.
constexpr const char* kLocalIssuer = "local account";

// How soon a password is looked at that has to wait for another.
constexpr std::chrono::milliseconds kDerivesAgain{50};

// How soon it is looked whether an issuer's keys have come.
constexpr std::chrono::milliseconds kKeysAgain{50};

// Who sends a request that waits.
struct Known {
    auth::Identity who;
    bool operator_key = false;
};

HttpAnswer problem(unsigned status, std::string error, std::string hint = {}) {
    json::object body{{"error", std::move(error)}};
    if (!hint.empty()) {
        body["hint"] = std::move(hint);
    }
    return {status, std::move(body), {}};
}

// RFC 3339, in UTC; null for a time that has not come.
json::value time_value(auth::Time time) {
    if (time.time_since_epoch().count() == 0) {
        return nullptr;
    }
    return json::value(fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                   fmt::gmtime(std::chrono::system_clock::to_time_t(time))));
}

json::array texts_value(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) {
        array.emplace_back(text);
    }
    return array;
}

std::string state_text(const Grant& grant, auth::Time now) {
    if (grant.state == GrantState::kActive && !auth::in_force(grant, now)) {
        return "ended";
    }
    if (grant.state == GrantState::kPending && !auth::awaits_decision(grant, now)) {
        return "lapsed";
    }
    return std::string(auth::to_string(grant.state));
}

json::object grant_value(const Grant& grant, auth::Time now) {
    json::array approvals;
    for (const auth::Approval& approval : grant.approvals) {
        approvals.push_back({{"by", approval.by}, {"at", time_value(approval.at)}});
    }
    return {
        {"id", grant.id},
        {"state", state_text(grant, now)},
        {"user", grant.user},
        {"groups", texts_value(grant.groups)},
        {"database", grant.database},
        {"seconds", grant.duration.count()},
        {"reason", grant.reason},
        {"policy", grant.policy},
        {"emergency", grant.emergency},
        {"approvals", std::move(approvals)},
        {"approvals_needed", grant.approvals_needed},
        {"approver_groups", texts_value(grant.approver_groups)},
        {"requested", time_value(grant.requested)},
        {"started", time_value(grant.started)},
        {"ends", time_value(grant.ends)},
        {"ended_by", grant.ended_by},
        {"end_reason", grant.end_reason},
        {"reviewed_by", grant.reviewed_by},
        {"reviewed", time_value(grant.reviewed)},
    };
}

// A member of the body; empty where it is not there. nullopt: it is of another type.
std::optional<std::string> text_of(const json::object& body, std::string_view name) {
    const json::value* const value = body.if_contains(name);
    if (value == nullptr || value->is_null()) {
        return std::string();
    }
    if (!value->is_string()) {
        return std::nullopt;
    }
    return std::string(value->get_string());
}

bool flag_of(const json::object& body, std::string_view name) {
    const json::value* const value = body.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

// Of a query `a=1&b=2`; names and values of the API need no percent-encoding.
std::string query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=') {
            return std::string(pair.substr(name.size() + 1));
        }
    }
    return {};
}

// Of "192.0.2.7:4711" or "[2001:db8::7]:4711".
std::string_view host_of(std::string_view client) {
    const std::string_view host = client.substr(0, client.rfind(':'));
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

bool has_group(const std::vector<std::string>& groups, const std::string& group) {
    return std::ranges::find(groups, group) != groups.end();
}

// May this person know of the grant at all?
bool concerns(const Grant& grant, const auth::Identity& who) {
    return auth::is_own(grant, who) ||
           std::ranges::any_of(grant.approver_groups, [&](const std::string& group) {
               return has_group(who.groups, group);
           });
}

std::vector<std::string> approvers(const Grant& grant) {
    std::vector<std::string> names;
    for (const auth::Approval& approval : grant.approvals) {
        names.push_back(approval.by);
    }
    return names;
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

std::string_view AccessApi::name(Action action) {
    switch (action) {
        case Action::kWhoAmI:
            return "whoami";
        case Action::kRequest:
            return "request";
        case Action::kList:
            return "list";
        case Action::kShow:
            return "show";
        case Action::kApprove:
            return "approve";
        case Action::kDeny:
            return "deny";
        case Action::kRevoke:
            return "revoke";
        case Action::kReview:
            return "review";
        case Action::kToken:
            return "token";
        case Action::kRevokeMany:
            return "revoke";
        case Action::kSessions:
            return "sessions";
        case Action::kKill:
            return "kill";
    }
    return "unknown";
}

bool AccessApi::is_admin(const Call& call) const {
    return call.operator_key || auth::is_admin(call.access(), call.who);
}

std::string AccessApi::refusal(Action action, const Call& call, const About& about) const {
    const bool own = about.own;
    const std::string admins_only =
        "only members of the groups of access.admins may do that for others";
    switch (action) {
        case Action::kWhoAmI:
        case Action::kList:      // shows what concerns the caller
        case Action::kSessions:  // as well
        case Action::kRequest:   // the policy has decided: about.rule is its name
            return {};
        case Action::kShow:
            return concerns(*about.grant, call.who) || is_admin(call)
                       ? ""
                       : "the grant is none of yours";
        case Action::kApprove:
        case Action::kDeny:
            if (own || auth::same_person(about.grant->user, call.who.user)) {
                return "nobody decides on their own request; ask somebody else";
            }
            return auth::may_approve(*about.grant, call.who)
                       ? ""
                       : "none of your groups decides on this request";
        case Action::kRevoke:
            return own || is_admin(call) || auth::may_approve(*about.grant, call.who)
                       ? ""
                       : "only who asked for it, its approvers and administrators can end it";
        case Action::kReview:
            if (own || auth::same_person(about.grant->user, call.who.user)) {
                return "nobody reviews their own emergency; ask somebody else";
            }
            return is_admin(call) || auth::may_approve(*about.grant, call.who) ? "" : admins_only;
        case Action::kToken:
            return own ? "" : "the grant is none of yours";
        case Action::kRevokeMany:
        case Action::kKill:
            return own || is_admin(call) ? "" : admins_only;
    }
    return "unknown action";
}

std::optional<HttpAnswer> AccessApi::record(Action action, const Call& call, const About& about,
                                            const std::string& why) {
    const auto written = shared_.log->append(
        call.id, audit::AccessCall{.action = std::string(name(action)),
                                   .allowed = why.empty(),
                                   .rule = why.empty() ? about.rule : why,
                                   .client = call.request.client,
                                   .issuer = call.who.issuer,
                                   .database = about.database,
                                   .grant = about.grant == nullptr ? "" : about.grant->id,
                                   .subject = about.subject,
                                   .reason = about.reason});
    if (!written) {
        spdlog::error("the query log cannot be written to: {}", written.error().message());
        return problem(503, "the call could not be recorded in the query log, so it was not done",
                       "Tell the operator, and try again later.");
    }
    return std::nullopt;
}

std::optional<HttpAnswer> AccessApi::door(Action action, const Call& call, const About& about) {
    const std::string why = refusal(action, call, about);
    if (auto unrecorded = record(action, call, about, why)) {
        return unrecorded;
    }
    if (!why.empty()) {
        return problem(403, why);
    }
    return std::nullopt;
}

HttpAnswer AccessApi::not_there(Action action, const Call& call, const About& about,
                                std::string what, std::string hint) {
    if (auto unrecorded = record(action, call, about, what)) {
        return std::move(*unrecorded);
    }
    return problem(404, std::move(what), std::move(hint));
}

HttpAnswer AccessApi::store_failed(const boost::system::error_code& error) const {
    if (error == auth::StoreError::kUnavailable) {
        shared_.access->count_error();
        spdlog::error("the store of access.store: {}", shared_.access->store().last_problem());
        return problem(503, "the store of grants does not answer", "Try again in a moment.");
    }
    if (error == auth::StoreError::kRevoked) {
        return problem(409, "your access was revoked while you asked for it",
                       "Log in to your identity provider again, and ask again.");
    }
    return problem(409, error.message());
}

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
    const std::string& header = request.authorization;
    const unsigned burst = call.current->config->auth.failed_logins;
    // One answer for all that is no good, existing user or not.
    const auto stranger = [&](const std::string& claimed, std::string cause, bool guessed = false) {
        spdlog::warn("API: not let in: client={} user=\"{}\" cause=\"{}\"", request.client, claimed,
                     cause);
        call.id.user = claimed;
        if (!claimed.empty()) {
            const auto written = shared_.log->append(
                call.id, audit::LoginRefused{
                             .database = {}, .client = request.client, .cause = "API: " + cause});
            if (!written) {
                spdlog::error("the query log cannot be written to: {}", written.error().message());
            }
        }
        if (guessed) {
            (void)throttle_.failed(request.client, burst, std::chrono::steady_clock::now());
        }
        return problem(401, "who you are could not be made sure of",
                       "Send a token of your identity provider, or a user and password, that are "
                       "good now.");
    };
    if (header.starts_with(kBearer)) {
        const std::string_view token = std::string_view(header).substr(kBearer.size());
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
                "", std::string(auth::cause(static_cast<auth::TokenError>(found.error().value()))));
        }
        // The store's own list, not the one that the sessions have, which may be some moments old:
        // in them, who was revoked at another proxy could make a grant here that outlives it.
        const auto revoked = shared_.access->store().is_revoked(found->principal);
        if (!revoked) {
            return store_failed(revoked.error());
        }
        if (*revoked) {
            return stranger(found->who.user, "revoked");
        }
        const auto& issuers = call.current->config->auth.issuers;
        const auto issued_by =
            std::ranges::find(issuers, found->principal.issuer, &config::Issuer::name);
        if (issued_by == issuers.end() || !issued_by->signing_key.empty()) {
            // It opens a database, for a while; who has it shall not make more of it.
            return stranger(found->who.user, "a token of vitrine's own");
        }
        call.who = std::move(found->who);
        return std::nullopt;
    }
    if (header.starts_with(kBasic)) {
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
        const auto decoded = wire::from_base64(std::string_view(header).substr(kBasic.size()));
        const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
        if (colon == std::string::npos) {
            return stranger("", "malformed Basic authentication");
        }
        const std::string user = decoded->substr(0, colon);
        const std::string password = decoded->substr(colon + 1);
        if (!config::is_printable(user) || user.empty()) {
            return stranger("", "malformed Basic authentication");
        }
        auto account = shared_.access->store().account(user);
        if (!account && account.error() != auth::StoreError::kNotFound) {
            return store_failed(account.error());
        }
        if (!account || account->disabled) {
            auth::password_of_nobody(password);
            return stranger(
                user,
                account ? "the account is disabled; `vitrine user password` lets it in again"
                        : "no such account",
                true);
        }
        if (!auth::password_fits(password, account->password)) {
            return stranger(user, "password", true);
        }
        call.who = {
            .user = account->user, .groups = account->groups, .issuer = kLocalIssuer, .token = {}};
        return std::nullopt;
    }
    return problem(401, "say who you are: with a token of your identity provider or a password",
                   "Authorization: Bearer TOKEN, or Basic with a user of `vitrine user add`.");
}

HttpAnswer AccessApi::handle(HttpRequest& request) {
    if (request.method == "POST" &&
        (request.from_a_page || !request.content_type.starts_with("application/json"))) {
        // What a page of somebody else's can make a browser send with the user's credentials.
        return problem(415,
                       "changes are asked for with Content-Type: application/json, and not by "
                       "a browser's page");
    }
    Call call{.request = request,
              .who = {},
              .operator_key = false,
              .now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
              .current = shared_.current(),
              .id = {.session = audit::new_session_id(), .user = {}},
              .body = {}};
    if (auto refused = identify(request, call)) {
        return std::move(*refused);
    }
    request.known = std::make_shared<const Known>(Known{call.who, call.operator_key});
    call.id.user = call.who.user;
    if (!request.body.empty()) {
        auto body = auth::parse_object(request.body);
        if (!body) {
            return problem(400, "the body is not one JSON object without duplicate members");
        }
        call.body = std::move(*body);
    }
    return route(call);
}

HttpAnswer AccessApi::route(Call& call) {
    const std::string& method = call.request.method;
    std::string_view path = call.request.path;
    const auto take = [&](std::string_view prefix) {
        if (!path.starts_with(prefix)) {
            return false;
        }
        path.remove_prefix(prefix.size());
        return true;
    };
    if (path == "/v1/whoami" && method == "GET") {
        if (auto refused = door(Action::kWhoAmI, call, {})) {
            return std::move(*refused);
        }
        return {200,
                {{"user", call.who.user},
                 {"groups", texts_value(call.who.groups)},
                 {"issuer", call.who.issuer},
                 {"admin", is_admin(call)}},
                {}};
    }
    if (path == "/v1/revocations" && method == "POST") {
        return revoke_many(call);
    }
    if (path == "/v1/sessions" && method == "GET") {
        return sessions(call);
    }
    if (take("/v1/sessions/") && method == "POST") {
        const std::size_t slash = path.find('/');
        if (slash != std::string_view::npos && path.substr(slash) == "/kill") {
            return kill(call, std::string(path.substr(0, slash)));
        }
    }
    if (take("/v1/grants")) {
        return grants(call, path);
    }
    return problem(404, "there is no such call", "docs/access.md lists them.");
}

HttpAnswer AccessApi::grants(Call& call, std::string_view rest) {
    const std::string& method = call.request.method;
    if (rest.empty()) {
        return method == "POST"  ? request_grant(call)
               : method == "GET" ? list_grants(call)
                                 : problem(405, "grants are listed (GET) or asked for (POST)");
    }
    if (rest.front() != '/') {
        return problem(404, "there is no such call", "docs/access.md lists them.");
    }
    rest.remove_prefix(1);
    const std::size_t slash = rest.find('/');
    const std::string_view verb = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    return one_grant(call, std::string(rest.substr(0, slash)), verb);
}

HttpAnswer AccessApi::one_grant(Call& call, const std::string& id, std::string_view verb) {
    const auto found = shared_.access->store().grant(id);
    if (!found && found.error() != auth::StoreError::kNotFound) {
        return store_failed(found.error());
    }
    // One that is none of the caller's business is not told from one that does not exist.
    if (!found || !(concerns(*found, call.who) || is_admin(call))) {
        const bool is_name = !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
        return not_there(verb == "approve"  ? Action::kApprove
                         : verb == "deny"   ? Action::kDeny
                         : verb == "revoke" ? Action::kRevoke
                         : verb == "review" ? Action::kReview
                         : verb == "token"  ? Action::kToken
                                            : Action::kShow,
                         call, {.subject = is_name ? id : "(no grant's id)"},
                         "there is no grant of that id that you may see",
                         "`vitrine access list` shows yours.");
    }
    if (call.request.method == "GET" && verb.empty()) {
        return show_grant(call, *found);
    }
    if (call.request.method == "POST") {
        constexpr std::array<std::pair<std::string_view, Action>, 4> kVerbs{
            {{"approve", Action::kApprove},
             {"deny", Action::kDeny},
             {"revoke", Action::kRevoke},
             {"review", Action::kReview}}};
        for (const auto& [word, action] : kVerbs) {
            if (verb == word) {
                return change_grant(call, *found, action);
            }
        }
        if (verb == "token") {
            return mint(call, *found);
        }
    }
    return problem(404, "there is no such call", "docs/access.md lists them.");
}

HttpAnswer AccessApi::request_grant(Call& call) {
    const auto database = text_of(call.body, "database");
    const auto duration_text = text_of(call.body, "for");
    const auto reason = text_of(call.body, "reason");
    const auto duration = duration_text ? config::parse_duration(*duration_text) : std::nullopt;
    if (!database || database->empty() || !reason) {
        return problem(400,
                       "a request names a database, for how long, and why: {\"database\": "
                       "\"shop\", \"for\": \"1h\", \"reason\": \"…\"}");
    }
    if (!duration) {
        return problem(400, "\"for\" is no duration; write 90s, 15m, 1h");
    }
    if (!config::is_printable(*reason) || reason->size() > limits::kReasonBytesMax) {
        return problem(400, fmt::format("the reason is a text of one line, of at most {} bytes",
                                        limits::kReasonBytesMax));
    }
    const auth::AccessRequest request{.database = *database,
                                      .duration = *duration,
                                      .reason = *reason,
                                      .emergency = flag_of(call.body, "emergency")};
    const auto decision = auth::decide(call.access(), call.who, request, call.now);
    About about{.database = *database, .subject = call.who.user, .own = true, .reason = *reason};
    if (decision.policy == nullptr || call.operator_key) {
        const std::string why =
            call.operator_key ? "the operator's key is nobody's access" : decision.why;
        if (auto unrecorded = record(Action::kRequest, call, about, why)) {
            return std::move(*unrecorded);
        }
        return problem(403, why, decision.hint);
    }
    for (const auto& [state, most] : {std::pair{GrantState::kPending, limits::kPendingGrantsMax},
                                      {GrantState::kActive, limits::kActiveGrantsMax}}) {
        const auto open = shared_.access->store().grants({.user = call.who.user,
                                                          .issuer = call.who.issuer,
                                                          .state = state,
                                                          .ends_after = call.now,
                                                          .most = most});
        if (!open) {
            return store_failed(open.error());
        }
        if (open->size() >= most) {
            const std::string why = fmt::format("{} grants of yours are {} already", open->size(),
                                                auth::to_string(state));
            if (auto unrecorded = record(Action::kRequest, call, about, why)) {
                return std::move(*unrecorded);
            }
            return problem(429, why, "End some with `vitrine access revoke`, or wait.");
        }
    }
    const Grant grant =
        auth::new_grant(call.access(), *decision.policy, call.who, request, call.now);
    about.grant = &grant;
    about.rule = grant.policy;
    if (auto refused = door(Action::kRequest, call, about)) {
        return std::move(*refused);
    }
    if (const auto added = shared_.access->store().add_grant(grant); !added) {
        return store_failed(added.error());
    }
    if (grant.state == GrantState::kActive) {
        ++shared_.metrics.grants_made;
    }
    if (grant.emergency) {
        ++shared_.metrics.emergency_grants;
        spdlog::critical("EMERGENCY ACCESS: {} takes {} for {} s by policy {}: {} (grant {})",
                         grant.user, grant.database, grant.duration.count(), grant.policy,
                         grant.reason, grant.id);
    } else {
        spdlog::info("access {}: {} asks for {} for {} s by policy {} (grant {})",
                     auth::to_string(grant.state), grant.user, grant.database,
                     grant.duration.count(), grant.policy, grant.id);
    }
    return {201, grant_value(grant, call.now), {}};
}

HttpAnswer AccessApi::list_grants(const Call& call) {
    const std::string scope = query_value(call.request.query, "scope");
    // One more than are shown says that there are more.
    auth::GrantFilter filter{.most = limits::kListedGrantsMax + 1};
    if (!is_admin(call)) {
        filter.concerning = call.who;
    }
    if (scope.empty() || scope == "mine") {
        filter.user = call.who.user;
    } else if (scope == "pending") {
        filter.state = GrantState::kPending;
        filter.ends_after = call.now;
    } else if (scope == "emergencies") {
        filter.unreviewed_emergencies = true;
    } else if (scope != "all") {
        return problem(400, "scope is mine, pending, emergencies or all");
    }
    if (auto refused = door(Action::kList, call, {.subject = scope.empty() ? "mine" : scope})) {
        return std::move(*refused);
    }
    auto found = shared_.access->store().grants(filter);
    if (!found) {
        return store_failed(found.error());
    }
    HttpAnswer answer;
    answer.cut = found->size() > limits::kListedGrantsMax;
    found->resize(std::min(found->size(), limits::kListedGrantsMax));
    json::array& list = answer.body.emplace_array();
    for (const Grant& grant : *found) {
        // Once more: what the store was asked for is no authorisation.
        if (concerns(grant, call.who) || is_admin(call)) {
            list.push_back(grant_value(grant, call.now));
        }
    }
    return answer;
}

HttpAnswer AccessApi::show_grant(const Call& call, const Grant& grant) {
    // A call that waits is on record once.
    if (call.first) {
        const About about{.grant = &grant,
                          .database = grant.database,
                          .subject = grant.user,
                          .own = auth::is_own(grant, call.who)};
        if (auto refused = door(Action::kShow, call, about)) {
            return std::move(*refused);
        }
    }
    const std::string wait = query_value(call.request.query, "wait");
    if (!wait.empty() && auth::awaits_decision(grant, call.now)) {
        const auto asked = config::parse_duration(wait).value_or(std::chrono::seconds(0));
        const auto most = std::min<std::chrono::seconds>(asked, limits::kApiWaitMax);
        if (std::chrono::steady_clock::now() - call.request.came < most) {
            return {200, nullptr, limits::kRevocationsLook};
        }
    }
    return {200, grant_value(grant, call.now), {}};
}

HttpAnswer AccessApi::change_grant(const Call& call, const Grant& grant, Action action) {
    const auto reason = text_of(call.body, "reason");
    if (!reason || !config::is_printable(*reason) || reason->size() > limits::kReasonBytesMax) {
        return problem(400, fmt::format("the reason is a text of one line, of at most {} bytes",
                                        limits::kReasonBytesMax));
    }
    const About about{.grant = &grant,
                      .database = grant.database,
                      .subject = grant.user,
                      .own = auth::is_own(grant, call.who),
                      .reason = *reason,
                      .rule = grant.policy};
    if (auto refused = door(action, call, about)) {
        return std::move(*refused);
    }
    if (action == Action::kApprove) {
        // The policy may be another by now, and what it says now counts.
        const auth::Identity asked{
            .user = grant.user, .groups = grant.groups, .issuer = grant.issuer, .token = {}};
        const auth::AccessRequest request{.database = grant.database,
                                          .duration = grant.duration,
                                          .reason = grant.reason,
                                          .emergency = grant.emergency};
        const auto decision = auth::decide(call.access(), asked, request, call.now);
        if (decision.policy == nullptr || decision.policy->name != grant.policy ||
            decision.policy->approvals > grant.approvals_needed ||
            decision.policy->approvers != grant.approver_groups) {
            const std::string why =
                "the policy says something else by now; it has to be asked for "
                "again";
            if (auto unrecorded = record(action, call, about, why)) {
                return std::move(*unrecorded);
            }
            return problem(409, why);
        }
    }
    auth::Identity who = call.who;
    if (call.operator_key && !call.access().admins.empty()) {
        who.groups.push_back(call.access().admins.front());
    }
    const auto changed = shared_.access->store().change_grant(
        grant.id, [&](Grant& now) -> boost::system::error_code {
            switch (action) {
                case Action::kApprove:
                    return auth::approve(now, who, call.now);
                case Action::kDeny:
                    return auth::deny(now, who, *reason, call.now);
                case Action::kReview:
                    return auth::review(now, call.access(), who, call.now);
                default:
                    return auth::end(now, call.access(), who, *reason, call.now);
            }
        });
    if (!changed) {
        // On record as let through: that nothing came of it is, too.
        if (auto unrecorded = record(action, call, about, changed.error().message())) {
            return std::move(*unrecorded);
        }
        return store_failed(changed.error());
    }
    shared_.access->look_now();
    if (action == Action::kApprove && changed->state == GrantState::kActive) {
        ++shared_.metrics.grants_made;
    } else if (action == Action::kDeny) {
        ++shared_.metrics.grants_denied;
    } else if (action == Action::kRevoke && changed->state == GrantState::kRevoked) {
        ++shared_.metrics.grants_revoked;
    }
    spdlog::info("access {}: {} on grant {} of {}", name(action), call.who.user, grant.id,
                 grant.user);
    return {200, grant_value(*changed, call.now), {}};
}

HttpAnswer AccessApi::mint(const Call& call, const Grant& grant) {
    const About about{.grant = &grant,
                      .database = grant.database,
                      .subject = grant.user,
                      .own = auth::is_own(grant, call.who),
                      .rule = grant.policy};
    if (auto refused = door(Action::kToken, call, about)) {
        return std::move(*refused);
    }
    if (!auth::in_force(grant, call.now)) {
        const std::string why =
            "the grant is " + state_text(grant, call.now) + ", so it gives no token";
        if (auto unrecorded = record(Action::kToken, call, about, why)) {
            return std::move(*unrecorded);
        }
        return problem(409, why,
                       grant.state == GrantState::kPending ? "Wait for the approval: --wait."
                                                           : "Ask for access again.");
    }
    const config::Auth& auth_config = call.current->config->auth;
    const auth::TokenRequest request{.user = grant.user,
                                     .databases = {grant.database},
                                     .groups = grant.groups,
                                     .reason = grant.reason,
                                     .grant = grant.id,
                                     .approvers = approvers(grant),
                                     .client_address = {},
                                     .single_use = flag_of(call.body, "single_use"),
                                     .ttl = grant.ends - call.now};
    json::object answer{{"user", grant.user},
                        {"database", grant.database},
                        {"port", call.current->config->listen.port},
                        {"expires", time_value(grant.ends)},
                        {"grant", grant.id}};
    if (flag_of(call.body, "handle")) {
        const std::string handle = auth::new_handle();
        auth::HandleRecord record{.hash = auth::hash_handle(handle),
                                  .principal = {.user = grant.user,
                                                .database = {},
                                                .groups = grant.groups,
                                                .token = "handle-" + audit::new_session_id(),
                                                .issuer = "vitrine-handle",
                                                .grant = grant.id,
                                                .reason = grant.reason,
                                                .issued = call.now,
                                                .expires = grant.ends,
                                                .client_address = {},
                                                .single_use = request.single_use},
                                  .databases = {grant.database}};
        if (const auto added = shared_.access->store().add_handle(record); !added) {
            return store_failed(added.error());
        }
        answer["handle"] = handle;
    } else {
        const auto token = auth::issue_token(auth_config, request, call.now);
        if (!token) {
            spdlog::error("no token for grant {}: {}", grant.id, token.error().message());
            return problem(500, "no token could be made; the operator's log has the reason");
        }
        answer["token"] = *token;
    }
    return {201, std::move(answer), {}};
}

HttpAnswer AccessApi::revoke_many(const Call& call) {
    using Kind = auth::Revocation::Kind;
    const auto kind_text = text_of(call.body, "kind");
    const auto value = text_of(call.body, "value");
    const auto reason = text_of(call.body, "reason");
    std::optional<Kind> kind;
    for (const Kind each : {Kind::kToken, Kind::kUser, Kind::kGroup, Kind::kAll}) {
        if (kind_text && *kind_text == auth::to_string(each)) {
            kind = each;
        }
    }
    if (!kind || !value || !reason || value->empty() != (kind == Kind::kAll)) {
        return problem(400,
                       "a revocation says what: {\"kind\": \"user\", \"value\": \"alice\", "
                       "\"reason\": \"…\"}; kind is token, user, group, or all without a value");
    }
    if (!config::is_printable(*value) || !config::is_printable(*reason) ||
        reason->size() > limits::kReasonBytesMax || value->size() > limits::kReasonBytesMax) {
        return problem(400, "value and reason are texts of one line, and not long");
    }
    About about{.subject = *kind_text + (value->empty() ? "" : " " + *value), .reason = *reason};
    // Whoever has lost a laptop need not find an administrator. A revocation goes by the name,
    // though, and a local account stays out by it: another issuer's user of that name may not do
    // that.
    about.own = kind == Kind::kUser && *value == call.who.user && !call.operator_key;
    if (about.own && call.who.issuer != kLocalIssuer) {
        const auto account = shared_.access->store().account(*value);
        about.own = !account && account.error() == auth::StoreError::kNotFound;
    }
    if (auto refused = door(Action::kRevokeMany, call, about)) {
        return std::move(*refused);
    }
    const auth::Revocation revocation{
        .kind = *kind, .value = *value, .at = call.now, .by = call.who.user, .reason = *reason};
    const auto keep_until = call.now + call.current->config->auth.max_token_lifetime +
                            2 * call.current->config->auth.clock_skew + std::chrono::hours(24);
    // Before they end: how many of those that run here it is about.
    const auth::RevocationList hits({revocation});
    const auto running = shared_.sessions.list();
    const auto sessions = std::ranges::count_if(running, [&](const net::RunningSession& session) {
        return hits.find(session.principal) != nullptr;
    });
    const auto hit = shared_.access->store().revoke(revocation, keep_until);
    if (!hit) {
        return store_failed(hit.error());
    }
    ++shared_.metrics.revocations;
    shared_.access->look_now();
    spdlog::warn("revoked: {} by {}: {} grants, {} sessions here{}: {}", about.subject,
                 call.who.user, hit->grants, sessions, hit->account ? ", the local account" : "",
                 *reason);
    return {200,
            {{"revoked", about.subject},
             {"grants", hit->grants},
             {"sessions", sessions},
             {"account", hit->account}},
            {}};
}

// By a token of the same issuer, or by a grant that the caller has asked for.
bool AccessApi::is_own(const Call& call, const net::RunningSession& session) const {
    if (session.principal.user != call.who.user || call.operator_key) {
        return false;
    }
    if (session.principal.issuer == call.who.issuer) {
        return true;
    }
    const auto grant = shared_.access->store().grant(session.principal.grant);
    return grant && auth::is_own(*grant, call.who);
}

HttpAnswer AccessApi::sessions(const Call& call) {
    if (auto refused = door(Action::kSessions, call, {})) {
        return std::move(*refused);
    }
    json::array list;
    for (const net::RunningSession& session : shared_.sessions.list()) {
        if (!is_own(call, session) && !is_admin(call)) {
            continue;
        }
        list.push_back({{"session", session.id},
                        {"user", session.principal.user},
                        {"database", session.principal.database},
                        {"groups", texts_value(session.principal.groups)},
                        {"client", session.client},
                        {"application", session.application},
                        {"since", time_value(session.since)},
                        {"expires", time_value(session.principal.expires)},
                        {"token", session.principal.token},
                        {"grant", session.principal.grant},
                        {"reason", session.principal.reason}});
    }
    return {200, std::move(list), {}};
}

HttpAnswer AccessApi::kill(const Call& call, const std::string& id) {
    const auto reason = text_of(call.body, "reason");
    if (!reason || !config::is_printable(*reason) || reason->size() > limits::kReasonBytesMax) {
        return problem(400, "the reason is a text of one line");
    }
    const auto running = shared_.sessions.list();
    const auto session = std::ranges::find(running, id, &net::RunningSession::id);
    if (session == running.end() || !(is_own(call, *session) || is_admin(call))) {
        return not_there(Action::kKill, call, {}, "there is no session of that id that you may end",
                         "`vitrine sessions list` shows those that run.");
    }
    const About about{.database = session->principal.database,
                      .subject = id,
                      .own = is_own(call, *session),
                      .reason = *reason};
    if (auto refused = door(Action::kKill, call, about)) {
        return std::move(*refused);
    }
    if (!shared_.sessions.kill(id, call.who.user, *reason)) {
        return problem(409, "the session has ended meanwhile");
    }
    return {200, {{"killed", id}}, {}};
}

}  // namespace vitrine::admin
