#include "proxy/admin/api_values.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vitrine::admin {

namespace json = boost::json;
using auth::Grant;
using auth::GrantState;

HttpAnswer problem(unsigned status, std::string error, std::string hint) {
    json::object body{{"error", std::move(error)}};
    if (!hint.empty()) {
        body["hint"] = std::move(hint);
    }
    return {status, std::move(body), {}};
}

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

}  // namespace vitrine::admin
