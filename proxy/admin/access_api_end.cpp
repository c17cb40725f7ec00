// What ends: revocations, and the sessions that run.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "config/limits.h"
#include "config/utf8.h"
#include "proxy/admin/access_api.h"
#include "proxy/admin/api_values.h"

namespace vitrine::admin {

namespace json = boost::json;

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
