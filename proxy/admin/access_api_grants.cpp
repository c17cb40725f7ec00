// Grants: asked for, listed, decided on, and their tokens.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

#include "auth/decide.h"
#include "auth/handle.h"
#include "auth/lifecycle.h"
#include "config/duration.h"
#include "config/limits.h"
#include "config/utf8.h"
#include "proxy/admin/access_api.h"
#include "proxy/admin/api_values.h"

namespace vitrine::admin {

namespace json = boost::json;
using auth::Grant;
using auth::GrantState;

namespace {

std::vector<std::string> approvers(const Grant& grant) {
    std::vector<std::string> names;
    for (const auth::Approval& approval : grant.approvals) {
        names.push_back(approval.by);
    }
    return names;
}

}  // namespace

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

}  // namespace vitrine::admin
