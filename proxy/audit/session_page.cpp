// `vitrine audit show --format html`.
#include <map>
#include <ostream>

#include "proxy/audit/html.h"
#include "proxy/audit/search_report.h"
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

// What has to be known of a session before its statements are printed.
struct Known {
    std::map<std::uint64_t, StatementResult> results;
    std::map<std::uint64_t, std::string> texts;  // of all: whoever runs one comes later
    std::vector<Fact> facts;
    std::string end;
};

void learn(Known& known, const Record& record) {
    const auto type = record.text("type");
    if (type == "result") {
        known.results[record.number("statement")] = {
            record.number("rows"), record.number("bytes"), record.number("duration_us"),
            std::string(record.text("sqlstate")), std::string(record.text("message"))};
    } else if (type == "statement" && record.find("of") != nullptr) {
        known.texts[record.number("of")];
    } else if (type == "session_end") {
        known.end = "ended at " + readable_time(record.text("time")) +
                    " UTC: " + std::string(record.text("cause")) + "; " +
                    std::to_string(record.number("statements")) + " statements, " +
                    std::to_string(record.number("rejected")) + " rejected, " +
                    std::to_string(record.number("rows")) + " rows, " +
                    std::to_string(record.number("bytes")) + " bytes";
    } else if (type == "session_start" || type == "login_refused" || type == "access") {
        known.facts.push_back({"Began", readable_time(record.text("time")) + " UTC"});
        for (const auto& [title, name] : {std::pair{"User", "user"},
                                          {"Database", "database"},
                                          {"Client", "client"},
                                          {"Application", "application"},
                                          {"Token", "token"},
                                          {"Issuer", "issuer"},
                                          {"Grant", "grant"},
                                          {"Reason", "reason"},
                                          {"Action", "action"},
                                          {"Verdict", "verdict"},
                                          {"Rule", "rule"},
                                          {"About", "subject"},
                                          {"Cause", "cause"}}) {
            if (record.find(name) != nullptr) {
                known.facts.push_back({title, std::string(record.text(name))});
            }
        }
        if (type == "session_start") {
            known.facts.push_back({"Groups", joined(record.list("groups"))});
            known.facts.push_back({"Approvers", joined(record.list("approvers"))});
            known.facts.push_back({"Expires", readable_time(record.text("expires")) + " UTC"});
        }
    }
}

void print_text(std::ostream& out, const Record& record, const std::string& name) {
    out << "<pre>" << html_block(record.text(name)) << "</pre>\n";
    if (const auto exact = record.text(name + "_base64"); !exact.empty()) {
        out << "<p>Not valid UTF-8; the exact bytes in base64: <code>" << html_text(exact)
            << "</code></p>\n";
    }
}

void print_values(std::ostream& out, const Record& record) {
    const boost::json::value* params = record.find("params");
    if (params == nullptr || !params->is_array()) {
        return;
    }
    std::size_t number = 0;
    for (const boost::json::value& value : params->get_array()) {
        out << "<p><code>$" << ++number << " = ";
        if (const auto* text = value.if_string()) {
            out << '\'' << html_text({text->data(), text->size()}) << '\'';
        } else if (const auto* object = value.if_object()) {
            out << "base64 " << html_text(Record(*object).text("base64"));
        } else {
            out << "NULL";
        }
        out << "</code></p>\n";
    }
}

void print_result(std::ostream& out, const Known& known, std::uint64_t number) {
    const auto found = known.results.find(number);
    if (found == known.results.end()) {
        out << "<p>no result on record</p>\n";
        return;
    }
    const StatementResult& result = found->second;
    std::string micros = std::to_string(result.duration_us % 1000);
    micros.insert(0, 3 - micros.size(), '0');
    out << "<p>"
        << (result.sqlstate == "00000" ? "" : "<b>ERROR " + html_text(result.sqlstate) + "</b>, ")
        << result.rows << (result.rows == 1 ? " row, " : " rows, ") << result.bytes << " bytes, "
        << result.duration_us / 1000 << '.' << micros << " ms</p>\n";
    if (!result.message.empty()) {
        out << "<pre>" << html_block(result.message) << "</pre>\n";
    }
}

void print_statement(std::ostream& out, Known& known, const Record& record) {
    const std::uint64_t number = record.number("statement");
    const bool allowed = record.text("verdict") == "allow";
    out << "<section" << (allowed ? ">" : " class=\"reject\">") << "<p><span class=\"time\">"
        << html_text(readable_time(record.text("time"))) << "</span> #" << number << ' '
        << (allowed ? "allowed" : "<span class=\"verdict-reject\">REJECTED</span>");
    if (const auto rule = record.text("rule"); !rule.empty()) {
        out << " (" << html_text(rule) << ')';
    }
    if (record.find("of") != nullptr) {
        const auto text = known.texts.find(record.number("of"));
        const bool there = text != known.texts.end() && !text->second.empty();
        out << ", runs #" << record.number("of") << "</p>\n<pre>"
            << (there ? html_block(text->second) : "(the record with its text is missing)")
            << "</pre>\n";
    } else {
        out << "</p>\n";
        print_text(out, record, "sql");
        if (const auto text = known.texts.find(number); text != known.texts.end()) {
            text->second = record.text("sql");
        }
    }
    print_values(out, record);
    if (const auto masked = record.list("masked"); !masked.empty()) {
        out << "<p>masked: " << html_text(joined(masked)) << "</p>\n";
    }
    if (record.find("forwarded") != nullptr) {
        out << "<p>sent to the server as:</p>\n";
        print_text(out, record, "forwarded");
    }
    print_result(out, known, number);
    out << "</section>\n";
}

}  // namespace

int show_session_page(const std::filesystem::path& directory, std::string_view session,
                      const ReportHead& head, std::ostream& out, std::ostream& err) {
    LogFiles files;
    if (!find_log(directory, files, err)) {
        return 2;
    }
    std::ostream nowhere(nullptr);  // of damaged lines elsewhere; those of the session are told
    const auto sessions = read_sessions(directory, nowhere);
    const SessionSummary* chosen =
        sessions ? choose_session(sessions->list, session, err) : nullptr;
    if (chosen == nullptr) {
        return 2;
    }
    Known known;
    static_cast<void>(read_session(
        directory, *chosen, [&](const RecordPlace&, const Record& record) { learn(known, record); },
        nowhere));
    begin_page(out, "Session " + chosen->session);
    known.facts.push_back({"End", known.end.empty() && chosen->cause.empty()
                                      ? "none on record: it is still running, or vitrine was killed"
                                  : known.end.empty() ? chosen->cause
                                                      : known.end});
    known.facts.push_back({"Directory", directory.string()});
    known.facts.push_back({"Made", readable_time(head.made) + " UTC"});
    known.facts.push_back({"Log", verified_sentence(directory, head.public_key_pem)});
    print_facts(out, known.facts);
    out << "<h2>Statements</h2>\n";
    const bool good = read_session(
        directory, *chosen,
        [&](const RecordPlace&, const Record& record) {
            if (record.text("type") == "statement") {
                print_statement(out, known, record);
            }
        },
        err);
    if (!good) {
        out << "<p class=\"warning\">Some lines of this user's log could not be read. "
               "<code>vitrine audit verify</code> says which.</p>\n";
    }
    end_page(out);
    out << std::flush;
    return good && out.good() ? 0 : 1;
}

}  // namespace vitrine::audit
