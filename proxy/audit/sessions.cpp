#include "proxy/audit/sessions.h"

#include <algorithm>
#include <map>
#include <ostream>

#include "proxy/audit/reader.h"
#include "proxy/audit/records.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace json = boost::json;

namespace {

constexpr std::size_t kPrefixMin = 4;

// What the records up to a session_end say; that one has the sums.
void add(SessionSummary& summary, const Record& record) {
    const auto type = record.text("type");
    if (summary.start.empty()) {
        summary.session = record.text("session");
        summary.user = record.text("user");
        summary.start = record.text("time");
    }
    if (type == "session_start" || type == "login_refused" || type == "access") {
        summary.database = record.text("database");
        summary.client = record.text("client");
    }
    if (type == "login_refused") {
        summary.login_refused = true;
        summary.end = record.text("time");
        summary.cause = record.text("cause");
    } else if (type == "access") {
        summary.access_call = true;
        summary.end = record.text("time");
        summary.cause = access_call_text(record);
    } else if (type == "statement") {
        ++summary.statements;
        summary.rejected += record.text("verdict") == "reject" ? 1 : 0;
    } else if (type == "result") {
        summary.rows += record.number("rows");
    } else if (type == "session_end") {
        summary.end = record.text("time");
        summary.cause = record.text("cause");
        summary.statements = record.number("statements");
        summary.rejected = record.number("rejected");
        summary.rows = record.number("rows");
    }
}

json::object to_json(const SessionSummary& summary) {
    json::object object{
        {"type", summary.login_refused ? "login_refused"
                 : summary.access_call ? "access"
                                       : "session"},
        {"session", summary.session},
        {"user", summary.user},
        {"database", summary.database},
        {"start", summary.start},
        {"end", nullptr},
        {"cause", nullptr},
        {"statements", summary.statements},
        {"rejected", summary.rejected},
        {"rows", summary.rows},
        {"client", summary.client},
    };
    if (!summary.end.empty()) {
        object["end"] = summary.end;
        object["cause"] = summary.cause;
    }
    return object;
}

std::string to_second(std::string_view time) {
    return readable_time(time).substr(0, std::string_view("2026-11-24 13:38:32").size());
}

std::string end_of(const SessionSummary& summary) {
    if (summary.login_refused) {
        return "login refused: " + summary.cause;
    }
    if (summary.access_call) {
        return summary.cause;
    }
    return summary.end.empty() ? "open" : to_second(summary.end) + " " + summary.cause;
}

}  // namespace

std::string access_call_text(const Record& record) {
    std::string text = "access " + std::string(record.text("action"));
    for (const std::string_view name : {"grant", "subject"}) {
        if (const auto value = record.text(name); !value.empty()) {
            text += " " + std::string(value);
        }
    }
    if (record.text("verdict") != "allow") {
        text += ": refused, " + std::string(record.text("rule"));
    }
    return text;
}

std::optional<Sessions> read_sessions(const std::filesystem::path& directory, std::ostream& err) {
    LogFiles files;
    if (!find_log(directory, files, err)) {
        return std::nullopt;
    }
    Sessions sessions;
    // A session's id is random, but a log that was tampered with may have one under two users.
    std::map<std::pair<std::string, std::string>, SessionSummary> by_id;
    for (const LogFile& file : files.files) {
        const std::string user = file.name.substr(0, file.name.find('/'));
        const bool good = read_records(
            directory, file.name,
            [&](const RecordPlace&, const Record& record) {
                add(by_id[{user, std::string(record.text("session"))}], record);
            },
            err);
        sessions.complete = sessions.complete && good;
    }
    for (auto& [id, summary] : by_id) {
        summary.directory = id.first;
        sessions.list.push_back(std::move(summary));
    }
    std::stable_sort(
        sessions.list.begin(), sessions.list.end(),
        [](const SessionSummary& a, const SessionSummary& b) { return a.start < b.start; });
    return sessions;
}

const SessionSummary* choose_session(const std::vector<SessionSummary>& sessions,
                                     std::string_view wanted, std::ostream& err) {
    const SessionSummary* chosen = nullptr;
    if (wanted == "last") {
        for (const SessionSummary& summary : sessions) {
            if (!summary.login_refused && !summary.access_call) {
                chosen = &summary;
            }
        }
        if (chosen == nullptr) {
            err << "the log has no session yet\n";
        }
        return chosen;
    }
    if (wanted.size() < kPrefixMin) {
        err << "a session's id needs at least " << kPrefixMin
            << " digits, or say `last`; `vitrine audit list` shows them\n";
        return nullptr;
    }
    for (const SessionSummary& summary : sessions) {
        if (!summary.session.starts_with(wanted)) {
            continue;
        }
        if (chosen != nullptr) {
            err << "more than one session begins with " << printable(wanted)
                << "; give more digits of " << printable(chosen->session) << " or "
                << printable(summary.session) << '\n';
            return nullptr;
        }
        chosen = &summary;
    }
    if (chosen == nullptr) {
        err << "there is no session " << printable(wanted)
            << "; `vitrine audit list` shows those that are there\n";
    }
    return chosen;
}

bool read_session(const std::filesystem::path& directory, const SessionSummary& session,
                  const std::function<void(const RecordPlace&, const Record&)>& each,
                  std::ostream& err) {
    bool good = true;
    const LogFiles files = list_log_files(directory);
    for (const LogFile& file : files.files) {
        if (file.name.substr(0, file.name.find('/')) != session.directory) {
            continue;
        }
        const bool read = read_records(
            directory, file.name,
            [&](const RecordPlace& place, const Record& record) {
                if (record.text("session") == session.session) {
                    each(place, record);
                }
            },
            err);
        good = good && read;
    }
    return good;
}

int list_sessions(const std::filesystem::path& directory, Format format, std::ostream& out,
                  std::ostream& err) {
    const auto sessions = read_sessions(directory, err);
    if (!sessions) {
        return 2;
    }
    if (format == Format::kJson) {
        json::array list;
        for (const SessionSummary& summary : sessions->list) {
            list.push_back(to_json(summary));
        }
        out << json::serialize(list) << '\n';
        return sessions->complete ? 0 : 1;
    }
    Table table({"session", "user", "database", "start", "end", "statements", "rejected", "rows",
                 "client"});
    for (const SessionSummary& summary : sessions->list) {
        table.row({summary.session, summary.user, summary.database, to_second(summary.start),
                   end_of(summary), std::to_string(summary.statements),
                   std::to_string(summary.rejected), std::to_string(summary.rows), summary.client});
    }
    table.print(out);
    return sessions->complete ? 0 : 1;
}

}  // namespace vitrine::audit
