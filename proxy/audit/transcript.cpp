#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "proxy/audit/reader.h"
#include "proxy/audit/records.h"
#include "proxy/audit/sessions.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace {

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += all.empty() ? text : ", " + text;
    }
    return all;
}

std::string or_none(std::string_view text) {
    return text.empty() ? "none" : std::string(text);
}

// As SQL writes a literal.
std::string quoted(std::string_view text) {
    std::string literal = "'";
    for (const char c : text) {
        literal.append(c == '\'' ? 2 : 1, c);
    }
    return literal + "'";
}

// Microseconds as milliseconds, to three places as psql's \timing has it.
std::string milliseconds(std::uint64_t micros) {
    std::string fraction = std::to_string(micros % 1000);
    fraction.insert(0, 3 - fraction.size(), '0');
    return std::to_string(micros / 1000) + "." + fraction + " ms";
}

class Transcript {
  public:
    Transcript(std::ostream& out, std::set<std::uint64_t> referred)
        : out_(out), referred_(std::move(referred)) {}

    void print(const Record& record) {
        const auto type = record.text("type");
        if (type == "session_start") {
            start(record);
        } else if (type == "statement") {
            statement(record);
        } else if (type == "result") {
            result(record);
        } else if (type == "session_end") {
            end(record);
        } else if (type == "login_refused") {
            refused(record);
        } else if (type == "access") {
            stamp(record);
            out_ << printable(record.text("user")) << "  " << printable(access_call_text(record))
                 << '\n';
            for (const std::string_view name : {"database", "rule", "reason", "client"}) {
                if (const auto value = record.text(name); !value.empty()) {
                    field(name, value);
                }
            }
        }
    }

  private:
    void field(std::string_view name, std::string_view value) {
        out_ << "  " << name << std::string(13 - name.size(), ' ') << printable(value) << '\n';
    }
    // "13:38:32.123456  #1  "; the date where it changes.
    void stamp(const Record& record) {
        const std::string time = readable_time(record.text("time"));
        const std::string day = time.substr(0, 10);
        if (day != day_) {
            out_ << "\n-- " << printable(day) << " --\n";
            day_ = day;
        }
        out_ << printable(time.size() > 11 ? time.substr(11) : time) << "  ";
    }
    void start(const Record& record);
    void statement(const Record& record);
    void text_of(const Record& record, std::string_view name);
    void parameters(const Record& record);
    void result(const Record& record);
    void end(const Record& record);
    void refused(const Record& record);

    std::ostream& out_;
    std::set<std::uint64_t> referred_;
    std::map<std::uint64_t, std::string> texts_;  // of the statements that others refer to
    std::string day_;
};

void Transcript::start(const Record& record) {
    out_ << "session " << printable(record.text("session")) << '\n';
    field("user", record.text("user"));
    field("database", record.text("database"));
    field("groups", or_none(joined(record.list("groups"))));
    field("client", record.text("client"));
    field("application", or_none(record.text("application")));
    field("token",
          std::string(record.text("token")) + " from " + std::string(record.text("issuer")));
    field("grant", or_none(record.text("grant")));
    field("reason", or_none(record.text("reason")));
    field("expires", readable_time(record.text("expires")));
    stamp(record);
    out_ << "session starts\n";
}

void Transcript::text_of(const Record& record, std::string_view name) {
    print_block(out_, record.text(name));
    if (const auto exact = record.text(std::string(name) + "_base64"); !exact.empty()) {
        out_ << "    not valid UTF-8; the exact bytes in base64:\n";
        print_block(out_, exact);
    }
}

void Transcript::parameters(const Record& record) {
    const boost::json::value* params = record.find("params");
    if (params == nullptr || !params->is_array()) {
        return;
    }
    std::size_t number = 0;
    for (const boost::json::value& value : params->get_array()) {
        std::string shown = "$" + std::to_string(++number) + " = ";
        if (const auto* text = value.if_string()) {
            shown += quoted({text->data(), text->size()});
        } else if (const auto* object = value.if_object()) {
            shown += "base64 " + std::string(Record(*object).text("base64"));
        } else {
            shown += "NULL";
        }
        print_block(out_, shown);
    }
}

void Transcript::statement(const Record& record) {
    const std::uint64_t number = record.number("statement");
    const bool allowed = record.text("verdict") == "allow";
    stamp(record);
    out_ << '#' << number << (allowed ? "  allowed" : "  REJECTED");
    if (const auto rule = record.text("rule"); !rule.empty()) {
        out_ << " (" << printable(rule) << ')';
    }
    if (record.find("of") != nullptr) {
        const std::uint64_t of = record.number("of");
        out_ << ", runs #" << of << '\n';
        const auto text = texts_.find(of);
        if (text != texts_.end()) {
            print_block(out_, text->second);
        } else {
            out_ << "    (the record with its text is missing)\n";
        }
    } else {
        out_ << '\n';
        text_of(record, "sql");
        if (referred_.contains(number)) {
            texts_[number] = record.text("sql");
        }
    }
    parameters(record);
    if (const auto masked = record.list("masked"); !masked.empty()) {
        out_ << "    masked: " << printable(joined(masked)) << '\n';
    }
    if (record.find("forwarded") != nullptr) {
        out_ << "    sent to the server as:\n";
        text_of(record, "forwarded");
    }
}

void Transcript::result(const Record& record) {
    const std::uint64_t rows = record.number("rows");
    stamp(record);
    out_ << '#' << record.number("statement") << "  ";
    if (const auto sqlstate = record.text("sqlstate"); sqlstate == "00000") {
        out_ << rows << (rows == 1 ? " row, " : " rows, ");
    } else {
        out_ << "ERROR " << printable(sqlstate) << " after " << rows
             << (rows == 1 ? " row, " : " rows, ");
    }
    out_ << record.number("bytes") << " bytes, " << milliseconds(record.number("duration_us"))
         << '\n';
    if (const auto message = record.text("message"); !message.empty()) {
        print_block(out_, message);
    }
}

void Transcript::end(const Record& record) {
    stamp(record);
    out_ << "session ends: " << printable(record.text("cause")) << "; "
         << record.number("statements") << " statements, " << record.number("rejected")
         << " rejected, " << record.number("rows") << " rows, " << record.number("bytes")
         << " bytes\n";
}

void Transcript::refused(const Record& record) {
    out_ << "login refused\n";
    field("user", record.text("user"));
    field("database", record.text("database"));
    field("client", record.text("client"));
    field("cause", record.text("cause"));
    field("time", readable_time(record.text("time")));
}

// One object; the records stand in it as they stand in the files, byte for byte.
bool print_json(const std::filesystem::path& directory, const SessionSummary& session,
                std::ostream& out, std::ostream& err) {
    out << "{\"session\":" << boost::json::serialize(boost::json::string(session.session))
        << ",\"records\":[";
    bool first = true;
    const bool good = read_session(
        directory, session,
        [&](const RecordPlace& place, const Record&) {
            out << (first ? "\n" : ",\n") << place.text;
            first = false;
        },
        err);
    out << "\n]}\n";
    return good;
}

bool print_transcript(const std::filesystem::path& directory, const SessionSummary& session,
                      std::ostream& out, std::ostream& err) {
    std::set<std::uint64_t> referred;
    std::ostream nowhere(nullptr);  // the second pass complains
    static_cast<void>(read_session(
        directory, session,
        [&](const RecordPlace&, const Record& record) {
            if (record.find("of") != nullptr) {
                referred.insert(record.number("of"));
            }
        },
        nowhere));
    Transcript transcript(out, std::move(referred));
    const bool good = read_session(
        directory, session,
        [&](const RecordPlace&, const Record& record) { transcript.print(record); }, err);
    if (session.end.empty()) {
        out << "the log has no end of this session: it is still running, or vitrine was killed\n";
    }
    return good;
}

}  // namespace

int show_session(const std::filesystem::path& directory, std::string_view session, Format format,
                 std::ostream& out, std::ostream& err) {
    std::ostream nowhere(nullptr);  // of damaged lines elsewhere; those of the session are printed
    const auto sessions = read_sessions(directory, nowhere);
    if (!sessions) {
        LogFiles files;
        static_cast<void>(find_log(directory, files, err));
        return 2;
    }
    const SessionSummary* chosen = choose_session(sessions->list, session, err);
    if (chosen == nullptr) {
        return 2;
    }
    const bool good = format == Format::kJson ? print_json(directory, *chosen, out, err)
                                              : print_transcript(directory, *chosen, out, err);
    return good ? 0 : 1;
}

}  // namespace vitrine::audit
