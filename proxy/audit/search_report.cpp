#include "proxy/audit/search_report.h"

#include <boost/json.hpp>
#include <ostream>

#include "proxy/audit/search_index.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

// What verifies in about a second.
constexpr std::uint64_t kQuickBytes = 256 * 1024 * 1024;
constexpr std::size_t kSessionDigits = 12;
constexpr std::size_t kSqlColumns = 100;
constexpr std::size_t kTimeColumns = std::string_view("2026-11-24 13:38:32.123456").size();

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += all.empty() ? text : ", " + text;
    }
    return all;
}

// "masked", "name", … of each subject, as far as it is no matter of course.
std::string mentions_of(const Hit& hit) {
    std::vector<std::string> how;
    for (const Mention mention : hit.mentions) {
        how.emplace_back("by " + std::string(text_of(mention)));
    }
    return joined(how);
}

class Printer {
  public:
    explicit Printer(std::ostream& out) : out_(out) {}
    virtual ~Printer() = default;
    Printer(const Printer&) = delete;
    Printer& operator=(const Printer&) = delete;

    virtual void head() {}
    virtual void hit(const Hit& hit) = 0;
    virtual void end(const Searched&) {}

  protected:
    std::ostream& out_;
};

class TablePrinter final : public Printer {
  public:
    using Printer::Printer;

    // Nothing is held back until the widths are known: they are fixed.
    void hit(const Hit& hit) override {
        if (!begun_) {
            row({"time", "user", "database", "session", "#", "verdict", "state", "rows", "masked"});
            out_ << "sql\n";
            begun_ = true;
        }
        const Record& record = hit.record;
        row({readable_time(record.text("time")), std::string(record.text("user")),
             hit.session.database, std::string(record.text("session").substr(0, kSessionDigits)),
             std::to_string(record.number("statement")), std::string(record.text("verdict")),
             hit.result == nullptr ? "-" : hit.result->sqlstate,
             hit.result == nullptr ? "-" : std::to_string(hit.result->rows),
             joined(record.list("masked"))});
        std::string sql = printable_cell(hit.sql, kSqlColumns);
        sql.resize(sql.find_last_not_of(' ') + 1);
        if (const std::string how = mentions_of(hit); !how.empty()) {
            sql += "  (" + how + ")";
        }
        out_ << sql << '\n' << std::flush;
    }

  private:
    void row(const std::vector<std::string>& cells) {
        constexpr std::size_t kColumns[] = {kTimeColumns, 12, 10, kSessionDigits, 4, 7, 5, 6, 24};
        for (std::size_t i = 0; i < cells.size(); ++i) {
            out_ << printable_cell(cells[i], kColumns[i]) << "  ";
        }
    }

    bool begun_ = false;
};

json::array array_of(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) {
        array.emplace_back(text);
    }
    return array;
}

class JsonPrinter final : public Printer {
  public:
    JsonPrinter(std::ostream& out, const Question& question) : Printer(out), question_(question) {}

    // The record with all of its fields, and what other records say of it.
    void hit(const Hit& hit) override {
        json::object object;
        for (const std::string_view name : {"time", "user", "session", "statement"}) {
            if (const auto* value = hit.record.find(name)) {
                object[name] = *value;
            }
        }
        object["database"] = hit.session.database;
        object["grant"] = hit.session.grant;
        object["approvers"] = array_of(hit.session.approvers);
        object["groups"] = array_of(hit.session.groups);
        object["reason"] = hit.session.reason;
        object["client"] = hit.session.client;
        object["application"] = hit.session.application;
        object["issuer"] = hit.session.issuer;
        object["expires"] = hit.session.expires;
        object["sql"] = hit.sql;
        for (const auto& [name, value] : hit.record.fields()) {
            if (!object.contains(name)) {
                object[name] = value;
            }
        }
        for (const char* name : {"sqlstate", "rows", "bytes", "duration_us", "message"}) {
            object[name] = nullptr;
        }
        if (hit.result != nullptr) {
            object["sqlstate"] = hit.result->sqlstate;
            object["rows"] = hit.result->rows;
            object["bytes"] = hit.result->bytes;
            object["duration_us"] = hit.result->duration_us;
            object["message"] = hit.result->message;
        }
        if (!question_.subjects.empty()) {
            json::object mentions;
            for (std::size_t i = 0; i < hit.mentions.size(); ++i) {
                mentions[question_.subjects[i].name] = text_of(hit.mentions[i]);
            }
            object["mentions"] = std::move(mentions);
        }
        object["file"] = hit.file;
        object["line"] = hit.line;
        out_ << json::serialize(object) << '\n' << std::flush;
    }

  private:
    const Question& question_;
};

// RFC 4180. A cell that a spreadsheet would take for a formula gets a ' in front.
class CsvPrinter final : public Printer {
  public:
    using Printer::Printer;

    void head() override {
        out_ << "time,user,database,grant,session,statement,verdict,rule,sqlstate,rows,bytes,"
                "duration_us,masked,mentions,sql,params,file,line\r\n";
    }
    void hit(const Hit& hit) override {
        const Record& record = hit.record;
        const auto count = [&](std::uint64_t StatementResult::*member) {
            return hit.result == nullptr ? std::string() : std::to_string(hit.result->*member);
        };
        const auto* params = record.find("params");
        const std::string cells[] = {
            std::string(record.text("time")),
            std::string(record.text("user")),
            hit.session.database,
            hit.session.grant,
            std::string(record.text("session")),
            std::to_string(record.number("statement")),
            std::string(record.text("verdict")),
            std::string(record.text("rule")),
            hit.result == nullptr ? std::string() : hit.result->sqlstate,
            count(&StatementResult::rows),
            count(&StatementResult::bytes),
            count(&StatementResult::duration_us),
            joined(record.list("masked")),
            mentions_of(hit),
            std::string(hit.sql),
            params == nullptr ? std::string() : json::serialize(*params),
            std::string(hit.file),
            std::to_string(hit.line),
        };
        bool first = true;
        for (const std::string& cell : cells) {
            out_ << (first ? "" : ",") << quoted(cell);
            first = false;
        }
        out_ << "\r\n" << std::flush;
    }

  private:
    static bool is_formula(std::string_view text) {
        const std::size_t begin = text.find_first_not_of(" \n");
        if (begin == std::string_view::npos) {
            return false;
        }
        text.remove_prefix(begin);
        // The last four: full width, which some take for the same.
        for (const std::string_view sign : {"=", "+", "-", "@", "\t", "\r", "\xEF\xBC\x9D",
                                            "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"}) {
            if (text.starts_with(sign)) {
                return true;
            }
        }
        return false;
    }
    static std::string quoted(std::string_view text) {
        std::string cell = is_formula(text) ? "\"'" : "\"";
        for (const char c : text) {
            cell.append(c == '"' ? 2 : 1, c);
        }
        return cell + '"';
    }
};

class PagePrinter final : public Printer {
  public:
    PagePrinter(std::ostream& out, const ReportHead& about, const fs::path& directory)
        : Printer(out), about_(about), directory_(directory) {}

    void head() override {
        begin_page(out_, "Query log: what a search found");
        std::vector<Fact> facts = about_.asked;
        facts.push_back({"Directory", directory_.string()});
        facts.push_back({"Made", readable_time(about_.made) + " UTC"});
        facts.push_back({"Log", verified_sentence(directory_, about_.public_key_pem)});
        print_facts(out_, facts);
        out_ << "<h2>Statements</h2>\n<table>\n<thead><tr>";
        for (const char* name : {"Time (UTC)", "User, database", "Session, statement", "Verdict",
                                 "Result", "Statement"}) {
            out_ << "<th scope=\"col\">" << name << "</th>";
        }
        out_ << "</tr></thead>\n<tbody>\n";
    }
    void hit(const Hit& hit) override {
        const Record& record = hit.record;
        const bool rejected = record.text("verdict") != "allow";
        out_ << "<tr><td class=\"time\">" << html_text(readable_time(record.text("time")))
             << "</td><td>" << html_text(record.text("user")) << "<br>"
             << html_text(hit.session.database);
        if (!hit.session.grant.empty()) {
            out_ << "<br>grant " << html_text(hit.session.grant);
        }
        out_ << "</td><td><code>" << html_text(record.text("session")) << "</code><br>#"
             << record.number("statement") << "</td><td"
             << (rejected ? " class=\"verdict-reject\">" : ">") << html_text(record.text("verdict"))
             << "<br>" << html_text(record.text("rule")) << "</td><td>";
        if (hit.result == nullptr) {
            out_ << "no result on record";
        } else {
            out_ << html_text(hit.result->sqlstate) << "<br>" << hit.result->rows << " rows";
        }
        out_ << "</td><td><pre>" << html_block(hit.sql) << "</pre>";
        list("values", record.list("params"));
        list("masked", record.list("masked"));
        if (const std::string how = mentions_of(hit); !how.empty()) {
            out_ << "<br>found " << html_text(how);
        }
        out_ << "</td></tr>\n" << std::flush;
    }
    void end(const Searched& searched) override {
        out_ << "</tbody>\n</table>\n<p>" << searched.hits
             << (searched.hits == 1 ? " statement" : " statements") << ".</p>\n";
        if (!searched.complete) {
            out_ << "<p class=\"warning\">Parts of the log could not be read: this may not be all. "
                    "<code>vitrine audit verify</code> says which.</p>\n";
        }
        end_page(out_);
    }

  private:
    void list(std::string_view name, const std::vector<std::string>& texts) {
        if (!texts.empty()) {
            out_ << "<br>" << name << ": " << html_text(joined(texts));
        }
    }

    const ReportHead& about_;
    const fs::path& directory_;
};

std::unique_ptr<Printer> printer_of(Format format, const Question& question, const ReportHead& head,
                                    const fs::path& directory, std::ostream& out) {
    switch (format) {
        case Format::kTable:
            return std::make_unique<TablePrinter>(out);
        case Format::kJson:
            return std::make_unique<JsonPrinter>(out, question);
        case Format::kCsv:
            return std::make_unique<CsvPrinter>(out);
        case Format::kHtml:
            return std::make_unique<PagePrinter>(out, head, directory);
    }
    return nullptr;
}

}  // namespace

std::string verified_sentence(const fs::path& directory, std::string_view public_key_pem) {
    std::uint64_t bytes = 0;
    for (const LogFile& file : list_log_files(directory).files) {
        bytes += file.size;
    }
    if (bytes > kQuickBytes) {
        return "not verified for this page (it is large); `vitrine audit verify` does it";
    }
    const Verified verified = verify(directory, public_key_pem);
    if (!verified.broken.empty()) {
        const Finding& first = verified.broken.front();
        return "BROKEN: " + std::to_string(verified.broken.size()) + " findings, the first " +
               first.file.string() + ":" + std::to_string(first.line) + ": " + first.message;
    }
    if (!verified.not_checkable.empty()) {
        const Finding& first = verified.not_checkable.front();
        return "could not be verified: " + first.file.string() + ": " + first.message;
    }
    return "verified: " + std::to_string(verified.records) + " records in " +
           std::to_string(verified.files) + " files are what was written; signatures " +
           (verified.signatures_checked ? "checked" : "not checked (no public key was given)");
}

int search_directory(const fs::path& directory, const fs::path& index, const Question& question,
                     Format format, const ReportHead& head, std::ostream& out, std::ostream& err) {
    LogFiles files;
    if (!find_log(directory, files, err)) {
        return 2;
    }
    // A file under a name that is none would be passed over.
    for (const Finding& finding : files.broken) {
        err << printable(finding.file.string()) << ": " << finding.message << '\n';
    }
    const auto printer = printer_of(format, question, head, directory, out);
    printer->head();
    Searched searched = search(
        directory, files, index, question,
        [&](const Hit& hit) {
            printer->hit(hit);
            return out.good();
        },
        err);
    searched.complete = searched.complete && files.broken.empty();
    printer->end(searched);
    out << std::flush;
    return !searched.complete || !out.good() ? 2 : searched.hits > 0 ? 0 : 1;
}

int make_index(const fs::path& directory, const fs::path& index, bool rebuild, std::ostream& out,
               std::ostream& err) {
    LogFiles files;
    if (!find_log(directory, files, err)) {
        return 2;
    }
    forget_gone_users(index, files);
    const IndexRefreshed refreshed = refresh_index(directory, files, index, rebuild, err);
    out << printable(index.string()) << ": " << files.files.size() << " files in the log, "
        << refreshed.files << " of them read anew (" << refreshed.bytes << " bytes)\n";
    return refreshed.usable ? 0 : 2;
}

}  // namespace vitrine::audit
