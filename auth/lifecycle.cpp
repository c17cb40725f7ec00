#include "auth/lifecycle.h"

#include <algorithm>
#include <boost/system/error_category.hpp>

namespace vitrine::auth {
namespace {

using boost::system::error_code;

class GrantCategory : public boost::system::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "vitrine.grant"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<GrantError>(value)) {
            case GrantError::kOwnRequest:
                return "nobody decides on their own request; ask somebody else";
            case GrantError::kNotApprover:
                return "none of your groups decides on this request";
            case GrantError::kApprovedBefore:
                return "you have approved this already; somebody else's approval is needed";
            case GrantError::kNotPending:
                return "the request has been decided on already";
            case GrantError::kLapsed:
                return "the request has lapsed; it has to be made again";
            case GrantError::kNotTheirs:
                return "only who asked for it, its approvers and administrators can end it";
            case GrantError::kOver:
                return "the access has ended already";
            case GrantError::kNoEmergency:
                return "only the use of an emergency policy is reviewed";
            case GrantError::kReviewed:
                return "it has been reviewed already";
        }
        return "unknown";
    }
};

// Whether this person can decide on the request, and whether there is something to decide. NB: who
// may not decide does not learn what has been.
error_code decision_problem(const Grant& grant, const Identity& who, Time now) {
    if (same_person(who.user, grant.user)) {
        return GrantError::kOwnRequest;
    }
    if (!may_approve(grant, who)) {
        return GrantError::kNotApprover;
    }
    if (grant.state != GrantState::kPending) {
        return GrantError::kNotPending;
    }
    if (!awaits_decision(grant, now)) {
        return GrantError::kLapsed;
    }
    return {};
}

void activate(Grant& grant, Time now) {
    grant.state = GrantState::kActive;
    grant.started = now;
    grant.ends = now + grant.duration;
}

void finish(Grant& grant, GrantState state, const Identity& who, const std::string& reason,
            Time now) {
    grant.state = state;
    grant.ends = now;
    grant.ended_by = who.user;
    grant.end_reason = reason;
}

}  // namespace

error_code make_error_code(GrantError error) {
    static const GrantCategory category;
    return {static_cast<int>(error), category};
}

Grant new_grant(const config::Access& access, const config::AccessPolicy& policy,
                const Identity& who, const AccessRequest& request, Time now) {
    Grant grant;
    grant.id = new_grant_id();
    grant.user = who.user;
    grant.issuer = who.issuer;
    grant.groups = who.groups;
    grant.database = request.database;
    grant.duration = request.duration;
    grant.reason = request.reason;
    grant.policy = policy.name;
    grant.emergency = policy.emergency;
    grant.approver_groups = policy.approvers;
    grant.requested = now;
    // Approvers without a number: one of them. An emergency waits for nobody.
    grant.approvals_needed =
        policy.emergency || policy.approvers.empty() ? 0 : std::max(policy.approvals, 1U);
    if (grant.approvals_needed == 0) {
        activate(grant, now);
    } else {
        grant.ends = now + access.pending_lapses;
    }
    return grant;
}

error_code approve(Grant& grant, const Identity& who, Time now) {
    if (const error_code problem = decision_problem(grant, who, now)) {
        return problem;
    }
    if (std::any_of(grant.approvals.begin(), grant.approvals.end(),
                    [&](const Approval& approval) { return same_person(approval.by, who.user); })) {
        return GrantError::kApprovedBefore;
    }
    grant.approvals.push_back({who.user, now});
    if (grant.approvals.size() >= grant.approvals_needed) {
        activate(grant, now);
    }
    return {};
}

error_code deny(Grant& grant, const Identity& who, const std::string& reason, Time now) {
    if (const error_code problem = decision_problem(grant, who, now)) {
        return problem;
    }
    finish(grant, GrantState::kDenied, who, reason, now);
    return {};
}

error_code end(Grant& grant, const config::Access& access, const Identity& who,
               const std::string& reason, Time now) {
    if (!is_own(grant, who) && !may_approve(grant, who) && !is_admin(access, who)) {
        return GrantError::kNotTheirs;
    }
    if (awaits_decision(grant, now)) {
        finish(grant, GrantState::kWithdrawn, who, reason, now);
        return {};
    }
    if (!in_force(grant, now)) {
        return grant.state == GrantState::kPending ? GrantError::kLapsed : GrantError::kOver;
    }
    finish(grant, GrantState::kRevoked, who, reason, now);
    return {};
}

error_code review(Grant& grant, const config::Access& access, const Identity& who, Time now) {
    if (same_person(who.user, grant.user)) {
        return GrantError::kOwnRequest;
    }
    if (!may_approve(grant, who) && !is_admin(access, who)) {
        return GrantError::kNotApprover;
    }
    if (!grant.emergency) {
        return GrantError::kNoEmergency;
    }
    if (!grant.reviewed_by.empty()) {
        return GrantError::kReviewed;
    }
    grant.reviewed_by = who.user;
    grant.reviewed = now;
    return {};
}

}  // namespace vitrine::auth
