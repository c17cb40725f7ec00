#include "proxy/replay/recorded_session.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>
#include <ostream>

#include "proxy/audit/records.h"

namespace vitrine::replay {

using audit::Record;

namespace {

std::vector<std::uint32_t> codes(const Record& record, std::string_view name) {
    std::vector<std::uint32_t> list;
    if (const auto* const found = record.find(name); found != nullptr && found->is_array()) {
        for (const auto& code : found->get_array()) {
            const auto* const number = code.if_int64();
            list.push_back(number == nullptr ? 0 : static_cast<std::uint32_t>(*number));
        }
    }
    return list;
}

}  // namespace

std::optional<RecordedSession> read_recorded_session(const std::filesystem::path& directory,
                                                     const audit::SessionSummary& summary,
                                                     std::ostream& err) {
    RecordedSession session;
    std::map<std::uint64_t, std::size_t> places;
    const bool complete = audit::read_session(
        directory, summary,
        [&](const audit::RecordPlace&, const Record& record) {
            const std::string_view type = record.text("type");
            if (type == "session_start") {
                session.database = record.text("database");
                session.groups = record.list("groups");
                session.path = record.list("search_path");
                session.settings = record.list("settings");
                session.digest_key = record.text("digest_key");
            } else if (type == "statement") {
                Recorded statement;
                statement.number = record.number("statement");
                statement.time = record.text("time");
                statement.allowed = record.text("verdict") == "allow";
                statement.rule = record.text("rule");
                statement.sql = record.text("sql");
                statement.parameter_types = codes(record, "parameter_types");
                statement.result_formats = codes(record, "result_formats");
                if (record.find("of") != nullptr) {
                    statement.bound = true;
                    const auto of = places.find(record.number("of"));
                    if (of != places.end()) {
                        statement.sql = session.statements[of->second].sql;
                        statement.parameter_types = session.statements[of->second].parameter_types;
                    }
                }
                if (const auto* params = record.find("params");
                    params != nullptr && params->is_array()) {
                    for (const auto& value : params->get_array()) {
                        if (const auto* text = value.if_string()) {
                            statement.params.emplace_back(std::string(text->c_str(), text->size()));
                        } else {
                            statement.params.emplace_back(std::nullopt);
                        }
                    }
                }
                places[statement.number] = session.statements.size();
                session.statements.push_back(std::move(statement));
            } else if (type == "result") {
                const auto at = places.find(record.number("statement"));
                if (at == places.end()) {
                    return;
                }
                Recorded& statement = session.statements[at->second];
                statement.outcome = Outcome{.sqlstate = std::string(record.text("sqlstate")),
                                            .rows = record.number("rows"),
                                            .bytes = record.number("bytes"),
                                            .duration_us = record.number("duration_us"),
                                            .digest = std::string(record.text("digest"))};
                statement.message = record.text("message");
            }
        },
        err);
    if (!complete || session.database.empty()) {
        err << "the session cannot be read as a whole; see `vitrine audit verify`\n";
        return std::nullopt;
    }
    return session;
}

bool is_digest(std::string_view text) {
    return text.size() == 18 && text.starts_with("d_") &&
           text.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

bool cut_off(const Recorded& statement) {
    static constexpr std::array<std::string_view, 5> kCuts{"57014", "57P01", "53400", "58030",
                                                           "57P05"};
    return std::ranges::find(kCuts, statement.outcome->sqlstate) != kCuts.end() ||
           statement.message == "closed before its end";
}

bool lacks_values(const Recorded& statement) {
    // Bound without values, and has parameters: audit.parameters was none.
    if (statement.bound && statement.params.empty() &&
        statement.sql.find("$1") != std::string::npos) {
        return true;
    }
    const auto digested = [](const auto& value) { return value && is_digest(*value); };
    if (std::ranges::any_of(statement.params, digested)) {
        return true;
    }
    const std::string_view sql = statement.sql;
    for (std::size_t at = sql.find("'d_"); at != std::string_view::npos;
         at = sql.find("'d_", at + 1)) {
        if (is_digest(sql.substr(at + 1, 18)) && sql.substr(at + 19).starts_with('\'')) {
            return true;
        }
    }
    return false;
}

}  // namespace vitrine::replay
