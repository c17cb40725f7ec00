#include "proxy/admin/access_api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "auth/decide.h"
#include "auth/json_object.h"
#include "proxy/admin/api_values.h"

namespace vitrine::admin {

using auth::Grant;

namespace {

bool has_group(const std::vector<std::string>& groups, const std::string& group) {
    return std::ranges::find(groups, group) != groups.end();
}

}  // namespace

bool AccessApi::concerns(const Grant& grant, const auth::Identity& who) {
    return auth::is_own(grant, who) ||
           std::ranges::any_of(grant.approver_groups, [&](const std::string& group) {
               return has_group(who.groups, group);
           });
}

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

}  // namespace vitrine::admin
