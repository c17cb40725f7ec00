#include "proxy/audit/record.h"

#include <algorithm>
#include <array>

#include "proxy/audit/json_text.h"
#include "proxy/audit/names.h"

namespace vitrine::audit {

namespace {

constexpr std::array<std::string_view, 6> kTypes{"session_start", "statement",     "result",
                                                 "session_end",   "login_refused", "access"};

void append_id(std::string& line, const SessionId& id) {
    append_member(line, "session", id.session);
    append_member(line, "user", id.user);
}

// RFC 3339 to the second: a token's exp has no fractions.
std::string seconds_text(std::chrono::sys_seconds time) {
    std::string text;
    append_time(text, time);
    text.resize(text.find('.'));
    return text + 'Z';
}

// Left out where all are 0, or there are none.
template <typename Code>
void append_codes(std::string& line, std::string_view name, std::span<const Code> codes) {
    if (std::ranges::all_of(codes, [](Code code) { return code == 0; })) {
        return;
    }
    line.append(",\"").append(name).append("\":[");
    for (const Code code : codes) {
        line += std::to_string(code);
        line += ',';
    }
    line.back() = ']';
}

}  // namespace

std::string_view to_string(EndCause cause) {
    switch (cause) {
        case EndCause::kClient:
            return "client";
        case EndCause::kExpired:
            return "expired";
        case EndCause::kRevoked:
            return "revoked";
        case EndCause::kLimit:
            return "limit";
        case EndCause::kError:
            return "error";
        case EndCause::kShutdown:
            return "shutdown";
    }
    return "error";
}

std::string_view record_type(const SessionStart&) {
    return kTypes[0];
}
std::string_view record_type(const Statement&) {
    return kTypes[1];
}
std::string_view record_type(const Result&) {
    return kTypes[2];
}
std::string_view record_type(const SessionEnd&) {
    return kTypes[3];
}
std::string_view record_type(const LoginRefused&) {
    return kTypes[4];
}

std::string_view record_type(const AccessCall&) {
    return kTypes[5];
}

bool is_record_type(std::string_view type) {
    return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

void append_fields(std::string& line, const SessionId& id, const SessionStart& r) {
    append_id(line, id);
    append_member(line, "database", r.database);
    append_member(line, "groups", r.groups);
    append_member(line, "client", r.client);
    append_member(line, "application", r.application);
    append_member(line, "token", r.token);
    append_member(line, "issuer", r.issuer);
    append_member(line, "grant", r.grant);
    if (!r.approvers.empty()) {
        append_member(line, "approvers", r.approvers);
    }
    append_member(line, "reason", r.reason);
    append_member(line, "expires", seconds_text(r.expires));
    append_member(line, "search_path", r.search_path);
    if (!r.settings.empty()) {
        append_member(line, "settings", r.settings);
    }
    if (!r.digest_key.empty()) {
        append_member(line, "digest_key", r.digest_key);
    }
}

void append_fields(std::string& line, const SessionId& id, const Statement& r) {
    append_id(line, id);
    append_member(line, "statement", r.statement);
    if (r.sql) {
        append_member(line, "sql", *r.sql);
    }
    if (r.of) {
        append_member(line, "of", *r.of);
    }
    if (r.params) {
        append_member(line, "params", *r.params);
    }
    append_member(line, "verdict", std::string_view(r.allowed ? "allow" : "reject"));
    append_member(line, "rule", r.rule);
    append_member(line, "masked", r.masked);
    if (r.forwarded) {
        append_member(line, "forwarded", *r.forwarded);
    }
    append_codes(line, "parameter_types", r.parameter_types);
    append_codes(line, "result_formats", r.result_formats);
    append_member(line, "policy", r.policy);
}

void append_fields(std::string& line, const SessionId& id, const Result& r) {
    append_id(line, id);
    append_member(line, "statement", r.statement);
    append_member(line, "rows", r.rows);
    append_member(line, "bytes", r.bytes);
    append_member(line, "duration_us", r.duration.count());
    append_member(line, "sqlstate", r.sqlstate);
    append_member(line, "message", r.message);
    if (!r.digest.empty()) {
        append_member(line, "digest", r.digest);
    }
}

void append_fields(std::string& line, const SessionId& id, const SessionEnd& r) {
    append_id(line, id);
    append_member(line, "cause", to_string(r.cause));
    append_member(line, "statements", r.statements);
    append_member(line, "rejected", r.rejected);
    append_member(line, "rows", r.rows);
    append_member(line, "bytes", r.bytes);
}

void append_fields(std::string& line, const SessionId& id, const LoginRefused& r) {
    append_id(line, id);
    append_member(line, "database", r.database);
    append_member(line, "client", r.client);
    append_member(line, "cause", r.cause);
}

void append_fields(std::string& line, const SessionId& id, const AccessCall& r) {
    append_id(line, id);
    append_member(line, "action", r.action);
    append_member(line, "verdict", std::string_view(r.allowed ? "allow" : "reject"));
    append_member(line, "rule", r.rule);
    append_member(line, "client", r.client);
    append_member(line, "issuer", r.issuer);
    append_member(line, "database", r.database);
    append_member(line, "grant", r.grant);
    append_member(line, "subject", r.subject);
    append_member(line, "reason", r.reason);
}

}  // namespace vitrine::audit
