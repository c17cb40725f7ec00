// A session as the log has it: its settings, its statements with their values, and what came of
// each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/sessions.h"

namespace vitrine::replay {

// What came of a statement.
struct Outcome {
    std::string sqlstate;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::uint64_t duration_us = 0;
    std::string digest;  // of the rows; empty: not known
};

// A statement on record that was run or refused.
struct Recorded {
    std::uint64_t number = 0;
    std::string time;
    std::string sql;
    bool bound = false;  // it ran by a Bind, with these values
    std::vector<std::optional<std::string>> params;
    std::vector<std::uint32_t> parameter_types;
    std::vector<std::uint32_t> result_formats;
    bool allowed = false;
    std::string rule;
    std::optional<Outcome> outcome;
    std::string message;
};

struct RecordedSession {
    std::string database;
    std::vector<std::string> groups;
    std::vector<std::string> path;
    std::vector<std::string> settings;  // "name=value"
    std::string digest_key;
    std::vector<Recorded> statements;
};

// Nothing where it cannot be read as a whole, which is said on `err`.
[[nodiscard]] std::optional<RecordedSession> read_recorded_session(
    const std::filesystem::path& directory, const audit::SessionSummary& summary,
    std::ostream& err);

// A digest in place of a value (audit.parameters: masked).
[[nodiscard]] bool is_digest(std::string_view text);
// Of statements with an outcome: did it not come to its own end?
[[nodiscard]] bool cut_off(const Recorded& statement);
// Values that it ran with are not on record (audit.parameters).
[[nodiscard]] bool lacks_values(const Recorded& statement);

}  // namespace vitrine::replay
