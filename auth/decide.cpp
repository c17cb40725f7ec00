#include "auth/decide.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <optional>

#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::auth {
namespace {

constexpr std::string_view kEverybody = "*";
constexpr std::array<const char*, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool contains(const std::vector<std::string>& texts, std::string_view text) {
    return std::find(texts.begin(), texts.end(), text) != texts.end();
}

// One of `groups` is among those that are named, or everybody is.
bool names_one_of(const std::vector<std::string>& named, const std::vector<std::string>& groups) {
    return contains(named, kEverybody) ||
           std::any_of(groups.begin(), groups.end(),
                       [&](const std::string& group) { return contains(named, group); });
}

// As config/duration.h reads it: the largest unit that goes into it without a rest.
std::string to_text(std::chrono::seconds duration) {
    const auto count = duration.count();
    for (const auto& [unit, seconds] : {std::pair{'d', 86400}, {'h', 3600}, {'m', 60}}) {
        if (count % seconds == 0 && count >= seconds) {
            return std::to_string(count / seconds) + unit;
        }
    }
    return std::to_string(count) + 's';
}

std::optional<std::tm> local(Time time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    return localtime_r(&seconds, &parts) != nullptr ? std::optional(parts) : std::nullopt;
}

// Whether the moment lies in these hours. What goes over midnight belongs to the day on which it
// begins: Friday from 22:00 to 06:00 is open on Saturday at 05:00.
bool is_in(const config::AccessHours& hours, const std::tm& moment) {
    const std::chrono::minutes minute{moment.tm_hour * 60 + moment.tm_min};
    const unsigned today = static_cast<unsigned>(moment.tm_wday + 6) % 7;  // 0: Monday
    const unsigned yesterday = (today + 6) % 7;
    const auto on = [&](unsigned day) { return ((hours.days >> day) & 1U) != 0; };
    if (hours.from <= hours.to) {
        return on(today) && minute >= hours.from && minute < hours.to;
    }
    return (on(today) && minute >= hours.from) || (on(yesterday) && minute < hours.to);
}

bool is_open(const config::AccessPolicy& policy, Time time) {
    if (policy.hours.empty()) {
        return true;
    }
    const auto moment = local(time);
    return moment && std::any_of(policy.hours.begin(), policy.hours.end(),
                                 [&](const auto& hours) { return is_in(hours, *moment); });
}

// "Mon 30 Nov 09:00 UTC", in the machine's local time; empty where it never opens. Asks for each
// minute of the next eight days, so that there is one rule for what is open, whatever the clocks of
// a summer do: some milliseconds, and only for who is refused.
std::string next_opening(const config::AccessPolicy& policy, Time now) {
    using std::chrono::minutes;
    const auto first = std::chrono::ceil<minutes>(now + std::chrono::seconds(1));
    for (auto minute = first; minute < first + std::chrono::days(8); minute += minutes(1)) {
        const auto moment = local(minute);
        if (moment && is_open(policy, minute)) {
            std::array<char, 64> text{};
            (void)std::snprintf(text.data(), text.size(), "%s %d %s %02d:%02d %s",
                                kDays[static_cast<std::size_t>(moment->tm_wday + 6) % 7],
                                moment->tm_mday, kMonths[static_cast<std::size_t>(moment->tm_mon)],
                                moment->tm_hour, moment->tm_min, moment->tm_zone);
            return text.data();
        }
    }
    return {};
}

struct Objection {
    std::string why;
    std::string hint;
};

bool is_blank(std::string_view text) {
    return text.find_first_not_of(' ') == std::string_view::npos;
}

std::optional<Objection> to_reason(const config::AccessPolicy& policy, const std::string& reason) {
    const std::string name = "policy " + policy.name;
    if (is_blank(reason)) {
        if (!policy.reason_required) {
            return std::nullopt;
        }
        return Objection{name + " wants a reason",
                         policy.reason_pattern.empty()
                             ? "say why with --reason"
                             : "say why with --reason; the pattern is " + policy.reason_pattern};
    }
    if (policy.reason_pattern.empty()) {
        return std::nullopt;
    }
    RE2::Options options;
    options.set_log_errors(false);
    const RE2 pattern(policy.reason_pattern, options);
    if (!pattern.ok()) {
        return Objection{name + " has a pattern for reasons that is none",
                         "the operator corrects reason_pattern: " + pattern.error()};
    }
    if (!RE2::FullMatch(reason, pattern)) {
        return Objection{name + " does not take this reason",
                         "the whole reason must match " + policy.reason_pattern};
    }
    return std::nullopt;
}

// What a policy that is for them objects to; nothing where it allows the request.
std::optional<Objection> to_request(const config::AccessPolicy& policy,
                                    const AccessRequest& request, Time now) {
    const std::string name = "policy " + policy.name;
    if (request.duration > policy.max_duration) {
        return Objection{name + " gives at most " + to_text(policy.max_duration) + ", not " +
                             to_text(request.duration),
                         "ask with --for " + to_text(policy.max_duration) + " or less"};
    }
    if (auto objection = to_reason(policy, request.reason)) {
        return objection;
    }
    if (!is_open(policy, now)) {
        const std::string opening = next_opening(policy, now);
        return Objection{name + " is closed now", opening.empty()
                                                      ? "the operator corrects its hours: it never "
                                                        "opens"
                                                      : "it opens on " + opening};
    }
    return std::nullopt;
}

// What no policy allows.
std::optional<Objection> to_form(const Identity& who, const AccessRequest& request) {
    if (who.user.empty()) {
        return Objection{"nobody asks", "sign in first"};
    }
    if (request.database.empty()) {
        return Objection{"no database is named", "name one with --database"};
    }
    if (request.duration.count() <= 0) {
        return Objection{"a grant is for some time", "say for how long: --for 1h"};
    }
    if (request.reason.size() > limits::kReasonBytesMax) {
        return Objection{
            "the reason is longer than " + std::to_string(limits::kReasonBytesMax) + " bytes",
            "name the ticket and leave the story to it"};
    }
    if (!config::is_printable(request.reason)) {
        return Objection{
            "the reason is no line of text: it has control characters, or is not UTF-8",
            "write it on one line"};
    }
    return std::nullopt;
}

bool is_for(const config::AccessPolicy& policy, const Identity& who, std::string_view database) {
    return names_one_of(policy.groups, who.groups) &&
           (contains(policy.databases, kEverybody) || contains(policy.databases, database));
}

}  // namespace

Decision decide(const config::Access& access, const Identity& who, const AccessRequest& request,
                Time now) {
    if (auto objection = to_form(who, request)) {
        return {nullptr, std::move(objection->why), std::move(objection->hint)};
    }
    std::optional<Objection> first;
    bool emergency_would_do = false;
    for (const config::AccessPolicy& policy : access.policies) {
        if (!is_for(policy, who, request.database)) {
            continue;
        }
        if (policy.emergency != request.emergency) {
            emergency_would_do = emergency_would_do || policy.emergency;
            continue;
        }
        auto objection = to_request(policy, request, now);
        if (!objection) {
            return {&policy, {}, {}};
        }
        if (!first) {
            first = std::move(objection);
        }
    }
    if (!first) {
        first = Objection{std::string(request.emergency ? "no emergency policy" : "no policy") +
                              " gives you the database " + request.database,
                          "ask an administrator which group has it, or whether the name is right"};
    }
    if (emergency_would_do) {
        first->hint += "; in an emergency, --emergency";
    }
    return {nullptr, std::move(first->why), std::move(first->hint)};
}

bool same_person(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

bool may_approve(const Grant& grant, const Identity& who) {
    return !who.user.empty() && !same_person(who.user, grant.user) &&
           names_one_of(grant.approver_groups, who.groups);
}

bool is_admin(const config::Access& access, const Identity& who) {
    return std::any_of(who.groups.begin(), who.groups.end(),
                       [&](const std::string& group) { return contains(access.admins, group); });
}

}  // namespace vitrine::auth
