#include "config/access.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "config/limits.h"

namespace vitrine::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds kGrantMax = hours(24 * 400);
constexpr seconds kNoticeMax = hours(24);
constexpr seconds kLapseMax = hours(24 * 30);
constexpr std::uint64_t kApprovalsMax = 100;

std::vector<std::string> read_texts(Reader& reader, const Value& value,
                                    std::string_view empty_message) {
    std::vector<std::string> texts;
    for (const Value& item : read_list(reader, value, empty_message)) {
        if (auto text = read_text(reader, item)) {
            texts.push_back(std::move(*text));
        }
    }
    return texts;
}

void read_approval(Reader& reader, const Value& value, AccessPolicy& policy) {
    Fields fields(reader, value, {"by", "count"});
    policy.approvals = 1;
    if (const auto by = fields.require("by", "name the groups that approve")) {
        policy.approvers = read_texts(reader, *by, "name a group, or leave approval out");
        if (std::find(policy.approvers.begin(), policy.approvers.end(), "*") !=
            policy.approvers.end()) {
            reader.problem(*by, "has \"*\" in it; name the groups whose members approve");
        }
    }
    if (const auto count = fields.find("count")) {
        policy.approvals =
            static_cast<unsigned>(read_integer(reader, *count, 1, kApprovalsMax).value_or(1));
    }
}

constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

std::optional<unsigned> day_of(std::string_view text) {
    const auto* const found = std::find(kDays.begin(), kDays.end(), text);
    if (found == kDays.end()) {
        return std::nullopt;
    }
    return static_cast<unsigned>(found - kDays.begin());
}

// `mon` or `mon-fri`, also over the week's end: `sat-mon`. 0: neither.
std::uint8_t days_of(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = day_of(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(text.substr(dash + 1));
    if (!first || !last) {
        return 0;
    }
    unsigned days = 0;
    for (unsigned day = *first;; day = (day + 1) % 7) {
        days |= 1U << day;
        if (day == *last) {
            return static_cast<std::uint8_t>(days);
        }
    }
}

// `08:00`; `24:00` is the day's end.
std::optional<minutes> read_time_of_day(Reader& reader, const Value& value) {
    const auto text = read_text(reader, value);
    if (!text) {
        return std::nullopt;
    }
    const auto number = [&](std::size_t at) -> int {
        int read = -1;
        const char* const end = text->data() + at + 2;
        const auto [stop, error] = std::from_chars(text->data() + at, end, read);
        return error == std::errc() && stop == end ? read : -1;
    };
    if (text->size() == 5 && (*text)[2] == ':') {
        const int hour = number(0);
        const int minute = number(3);
        if (hour >= 0 && minute >= 0 && minute < 60 && (hour < 24 || (hour == 24 && minute == 0))) {
            return hours(hour) + minutes(minute);
        }
    }
    reader.problem(value, "is " + shown(*text) + ", which is no time of day; write \"08:00\"");
    return std::nullopt;
}

AccessHours read_hours(Reader& reader, const Value& value) {
    AccessHours open;
    const Fields fields(reader, value, {"days", "from", "to"});
    if (const auto days = fields.find("days")) {
        unsigned all = 0;
        const std::vector<Value> items =
            days->node->kind == Node::Kind::kSequence
                ? read_list(reader, *days, "name a day, or leave days out for every day")
                : std::vector<Value>{*days};
        for (const Value& item : items) {
            const auto text = read_text(reader, item);
            const std::uint8_t some = text ? days_of(*text) : std::uint8_t{0};
            if (text && some == 0) {
                reader.problem(item, "is " + shown(*text) +
                                         ", which is no day; write mon, tue, wed, thu, fri, sat, "
                                         "sun, or mon-fri");
            }
            all |= some;
        }
        open.days = static_cast<std::uint8_t>(all);
    }
    if (const auto from = fields.find("from")) {
        open.from = read_time_of_day(reader, *from).value_or(minutes(0));
    }
    if (const auto to = fields.find("to")) {
        open.to = read_time_of_day(reader, *to).value_or(minutes(0));
    }
    if (fields.is_map() && open.from == open.to) {
        reader.problem(value, "is never open: from and to are the same time");
    }
    return open;
}

AccessPolicy read_policy(Reader& reader, const Value& value, const Config& config) {
    AccessPolicy policy;
    policy.position = reader.position(*value.node);
    Fields fields(reader, value,
                  {"name", "groups", "databases", "max_duration", "reason", "reason_pattern",
                   "approval", "hours", "emergency"});
    if (const auto name = fields.require("name", "name the policy")) {
        policy.name = read_text(reader, *name).value_or("");
    }
    if (const auto groups = fields.require("groups", "name who may ask")) {
        policy.groups = read_texts(reader, *groups, "name a group, or write [\"*\"]");
    }
    if (const auto databases = fields.require("databases", "name what may be asked for")) {
        for (const Value& item : read_list(reader, *databases, "name a database")) {
            const auto name = read_text(reader, item);
            if (name && *name != "*" && !config.databases.contains(*name)) {
                reader.problem(item, "is " + shown(*name) +
                                         ", which is not under databases; name "
                                         "one that is");
            }
            policy.databases.push_back(name.value_or(""));
        }
    }
    if (const auto duration = fields.find("max_duration")) {
        policy.max_duration = read_duration(reader, *duration, kGrantMax).value_or(seconds(1));
        if (policy.max_duration > config.auth.max_token_lifetime) {
            reader.problem(*duration,
                           "is longer than auth.max_token_lifetime, which the tokens of a grant "
                           "are held to; write less, or raise that");
        }
    } else if (policy.max_duration > config.auth.max_token_lifetime) {
        policy.max_duration = config.auth.max_token_lifetime;
    }
    if (const auto reason = fields.find("reason")) {
        policy.reason_required = read_word(reader, *reason, {"required", "optional"}) != 1;
    }
    if (const auto pattern = fields.find("reason_pattern")) {
        policy.reason_pattern = read_text(reader, *pattern).value_or("");
        const re2::RE2 compiled(policy.reason_pattern, re2::RE2::Quiet);
        if (!compiled.ok()) {
            reader.problem(*pattern, "is no regular expression of RE2's: " + compiled.error());
        }
    }
    if (const auto approval = fields.find("approval")) {
        read_approval(reader, *approval, policy);
    }
    if (const auto open = fields.find("hours")) {
        for (const Value& item :
             read_list(reader, *open, "write {days: mon-fri, from: \"08:00\", to: \"18:00\"}")) {
            policy.hours.push_back(read_hours(reader, item));
        }
    }
    if (const auto emergency = fields.find("emergency")) {
        policy.emergency = read_word(reader, *emergency, {"false", "true"}) == 1;
        if (policy.emergency && !policy.approvers.empty()) {
            reader.problem(*emergency,
                           "is given at once, and this policy waits for an approval; leave one "
                           "of them out");
        }
    }
    return policy;
}

void read_store(Reader& reader, const Value& value, Access& access) {
    constexpr std::string_view kSqlite = "sqlite:";
    const auto is_uri = [](std::string_view text) {
        return (text.starts_with("postgres://") && text.size() > 11) ||
               (text.starts_with("postgresql://") && text.size() > 13);
    };
    constexpr std::string_view kWayOut =
        "is no store; write sqlite:PATH, postgres://…, or {file: PATH} with such a text in it";
    std::string text;
    bool secret = false;
    if (value.node->kind == Node::Kind::kMap) {
        if (const auto read = read_secret(reader, value)) {
            text = std::string(read->reveal());
            secret = true;
        }
    } else if (auto read = read_text(reader, value)) {
        text = std::move(*read);
    }
    if (text.empty()) {
        return;
    }
    if (text.starts_with(kSqlite) && text.size() > kSqlite.size()) {
        access.sqlite = reader.resolve(std::string_view(text).substr(kSqlite.size()));
    } else if (is_uri(text)) {
        // A password in it would stand in the file for whoever may read that.
        const std::size_t authority = text.find("://") + 3;
        const std::size_t at = text.find('@', authority);
        const std::size_t end = text.find_first_of("/?", authority);
        const bool in_authority =
            at != std::string::npos && at < end &&
            text.substr(authority, at - authority).find(':') != std::string::npos;
        if (!secret && (in_authority || text.find("password=") != std::string::npos)) {
            reader.problem(value,
                           "has a password in it; write the whole address to a file of its own "
                           "and name that: store: {file: PATH}");
            return;
        }
        access.postgres = Secret(std::move(text));
    } else {
        // The text is not shown: an address may have a password in it.
        reader.problem(value, kWayOut);
    }
}

void read_api(Reader& reader, const Value& value, Access& access) {
    Fields fields(reader, value, {"address"});
    if (const auto address = fields.require("address", "write address: host:port")) {
        if (auto read = read_address(reader, *address)) {
            access.api_address = std::move(read->host);
            access.api_port = read->port;
        }
    }
}

}  // namespace

void read_access(Reader& reader, const Value& value, Config& config) {
    Access& access = config.access;
    Fields fields(reader, value,
                  {"store", "store_away", "api", "admins", "notice", "pending_lapses", "policies"});
    if (const auto store = fields.require("store", "write store: sqlite:access.db")) {
        read_store(reader, *store, access);
    }
    if (const auto away = fields.find("store_away")) {
        access.accept_without_store = read_word(reader, *away, {"refuse", "accept"}) == 1;
    }
    if (const auto api = fields.find("api")) {
        read_api(reader, *api, access);
    }
    if (const auto admins = fields.find("admins")) {
        access.admins = read_texts(reader, *admins, "name a group, or leave admins out");
        if (std::find(access.admins.begin(), access.admins.end(), "*") != access.admins.end()) {
            reader.problem(*admins, "has \"*\" in it, which would make everybody an admin");
        }
    }
    if (const auto notice = fields.find("notice")) {
        access.notice = read_duration(reader, *notice, kNoticeMax).value_or(seconds(0));
    }
    if (const auto lapses = fields.find("pending_lapses")) {
        access.pending_lapses = read_duration(reader, *lapses, kLapseMax).value_or(seconds(1));
    }
    if (const auto policies = fields.find("policies")) {
        std::set<std::string> names;
        for (const Value& item : read_list(reader, *policies)) {
            access.policies.push_back(read_policy(reader, item, config));
            const std::string& name = access.policies.back().name;
            if (!name.empty() && !names.insert(name).second) {
                reader.problem(item, "has the name of another policy, " + shown(name) +
                                         "; leave one of them out");
            }
        }
    }
    for (const AccessPolicy& policy : access.policies) {
        if (policy.emergency && access.admins.empty()) {
            reader.problem_at_key(value, "has the emergency policy " + shown(policy.name) +
                                             ", and nobody who reviews its use; name their groups: "
                                             "admins: [sre]");
        }
    }
    const bool mints =
        std::any_of(config.auth.issuers.begin(), config.auth.issuers.end(),
                    [](const Issuer& issuer) { return !issuer.signing_key.empty(); });
    // Where a key could not be read, that has been said.
    if (!access.policies.empty() && !mints && reader.problems().empty()) {
        reader.problem_at_key(value,
                              "gives tokens for grants, and no issuer under auth.issuers has a "
                              "signing_key; add one: {name: vitrine, signing_key: {file: PATH}}");
    }
}

}  // namespace vitrine::config
