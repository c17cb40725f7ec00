// The fields of each record, in INTERFACE's order ("The query log").
#pragma once

#include <string>
#include <string_view>

#include "proxy/audit/query_log.h"

namespace vitrine::audit {

// The value of `type`.
[[nodiscard]] std::string_view record_type(const SessionStart&);
[[nodiscard]] std::string_view record_type(const Statement&);
[[nodiscard]] std::string_view record_type(const Result&);
[[nodiscard]] std::string_view record_type(const SessionEnd&);
[[nodiscard]] std::string_view record_type(const LoginRefused&);
[[nodiscard]] std::string_view record_type(const AccessCall&);
[[nodiscard]] bool is_record_type(std::string_view type);

[[nodiscard]] std::string_view to_string(EndCause cause);  // "client", "expired", …

// Append `,"session":…,"user":…` and the record's own members to a line that was begun.
void append_fields(std::string& line, const SessionId& id, const SessionStart& r);
void append_fields(std::string& line, const SessionId& id, const Statement& r);
void append_fields(std::string& line, const SessionId& id, const Result& r);
void append_fields(std::string& line, const SessionId& id, const SessionEnd& r);
void append_fields(std::string& line, const SessionId& id, const LoginRefused& r);

void append_fields(std::string& line, const SessionId& id, const AccessCall& r);

}  // namespace vitrine::audit
