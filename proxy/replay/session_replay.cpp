#include "proxy/replay/session_replay.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <thread>
#include <vector>

#include "parser/judge.h"
#include "parser/repeatable.h"
#include "proxy/audit/names.h"
#include "proxy/audit/rows_digest.h"
#include "proxy/audit/sessions.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/wire/binary_value.h"

namespace vitrine::replay {

namespace json = boost::json;
using audit::Record;
using Clock = std::chrono::steady_clock;

namespace {

// FirstNormalObjectId (PostgreSQL, access/transam.h).
constexpr std::uint32_t kFirstOwnOid = 16384;

// What the proxy sends in place of a refused statement: so that a transaction fails here, too.
constexpr const char* kFailingText = "vitrine: statement refused";

// What decides how a text is read, and whether it may write (proxy/session/server_login.cpp).
struct Pin {
    std::string_view name;
    std::string_view value;
};
constexpr std::array kPins = {
    Pin{"default_transaction_read_only", "on"},
    Pin{"standard_conforming_strings", "on"},
    Pin{"backslash_quote", "safe_encoding"},
    Pin{"transform_null_equals", "off"},
};

// The SET that a setting of the StartupMessage is equal to.
std::string as_set(std::string_view name, std::string_view value) {
    std::string part = "\"";
    for (const char c : name) {
        part += c == '"' ? "\"\"" : c == '.' ? "\".\"" : std::string(1, c);
    }
    std::string quoted = "'";
    for (const char c : value) {
        quoted += c == '\'' ? "''" : std::string(1, c);
    }
    return "SET " + part + "\" TO " + quoted + "'";
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

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

enum class Verdict : std::uint8_t { kSame, kDifferent, kNotRun };

struct Line {
    const Recorded* statement = nullptr;
    Verdict verdict = Verdict::kSame;
    std::string why;
    std::optional<Outcome> now;
};

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

std::optional<RecordedSession> read(const std::filesystem::path& directory,
                                    const audit::SessionSummary& summary, std::ostream& err) {
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

// A digest in place of a value (audit.parameters: masked).
bool is_digest(std::string_view text) {
    return text.size() == 18 && text.starts_with("d_") &&
           text.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

class Replaying {
  public:
    Replaying(const SessionReplay& asked, const config::Config& config,
              const RecordedSession& session, std::shared_ptr<const parser::Policy> policy)
        : asked_(asked),
          config_(config),
          session_(session),
          policy_(std::move(policy)),
          connection_(nullptr, &PQfinish) {
        if (!config.masking.key.empty()) {
            digest_.emplace(config.masking.key);
            if (digest_->key_id() != session.digest_key) {
                digest_.reset();
            }
        }
        context_.search_path = session.path;
        context_.prepared = [this](std::string_view name) {
            using Prepared = parser::SessionContext::Prepared;
            const auto made = prepared_.find(std::string(name));
            return made == prepared_.end() ? Prepared::kUnknown
                   : made->second          ? Prepared::kCurrent
                                           : Prepared::kStale;
        };
    }

    [[nodiscard]] bool connect(std::ostream& err);
    [[nodiscard]] bool run(std::ostream& err);
    int report(audit::Format format, std::ostream& out) const;

  private:
    [[nodiscard]] Line one(const Recorded& statement);
    [[nodiscard]] parser::Judgement judge(const Recorded& statement);
    [[nodiscard]] bool ask_path();
    [[nodiscard]] bool check_pins(std::ostream& err);
    [[nodiscard]] Outcome send(const std::string& sql, const Recorded& statement);
    void take(PGresult* result, const Recorded& statement, Outcome& outcome);
    void take_row(const PGresult* result, const Recorded& statement);
    [[nodiscard]] std::string depends_on(const Recorded& statement);
    void compare(const Recorded& statement, Line& line);
    void keep_pace(const Recorded& statement);

    const SessionReplay& asked_;
    const config::Config& config_;
    const RecordedSession& session_;
    std::shared_ptr<const parser::Policy> policy_;
    parser::SessionContext context_;
    std::map<std::string, bool> prepared_;
    Connection connection_;
    std::vector<Line> lines_;
    // Of the rows of the statement that runs.
    std::optional<audit::RowsDigest> digest_;
    audit::RowsSum sum_;
    bool sum_known_ = true;
    std::string row_;
    // What the rows of a prepared statement or a cursor depend on (parser/repeatable.h).
    std::map<std::string, std::string> made_on_;
    bool path_changed_ = false;
    std::optional<Clock::time_point> began_;
    std::optional<audit::Microseconds> began_then_;
};

bool Replaying::connect(std::ostream& err) {
    // What the client itself had set, as far as it would be let through now; behind it what a
    // session of the proxy's is pinned to (proxy/session/server_login.cpp). A vitrine at the other
    // end pins its own.
    std::string options;
    const auto add = [&options](std::string_view name, std::string_view value) {
        options += options.empty() ? "-c " : " -c ";
        for (const std::string_view part : {name, std::string_view("="), value}) {
            for (const char c : part) {
                options += c == '\\' || std::isspace(static_cast<unsigned char>(c)) != 0
                               ? std::string("\\") + c
                               : std::string(1, c);
            }
        }
    };
    for (const std::string& setting : session_.settings) {
        const std::size_t equals = setting.find('=');
        if (equals == 0 || equals == std::string::npos || setting.find('\0') != std::string::npos) {
            err << "a setting on record is none: " << audit::printable(setting) << '\n';
            return false;
        }
        const std::string name = setting.substr(0, equals);
        const std::string value = setting.substr(equals + 1);
        // Each session's encoding is UTF8, and a digest is no value.
        if (name == "client_encoding" || is_digest(value)) {
            continue;
        }
        parser::SessionContext context;
        context.search_path = {"pg_catalog"};
        if (!parser::judge(as_set(name, value), *policy_, context).allowed()) {
            err << "a setting on record is refused now, and left out: " << audit::printable(name)
                << '\n';
            continue;
        }
        add(name, value);
    }
    if (!asked_.through_proxy) {
        for (const Pin& pin : kPins) {
            add(pin.name, pin.value);
        }
        add("vitrine.hidden", "");
        if (!config_.masking.key.empty()) {
            add("vitrine.mask_key", config_.masking.key.reveal());
        }
    }
    const std::array<const char*, 4> names{"dbname", "options", "client_encoding", nullptr};
    const std::array<const char*, 4> values{asked_.against.c_str(), options.c_str(), "UTF8",
                                            nullptr};
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
        err << "cannot connect: " << audit::printable(PQerrorMessage(connection_.get())) << '\n';
        return false;
    }
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    if (!asked_.through_proxy && !check_pins(err)) {
        return false;
    }
    if (!ask_path()) {
        err << "cannot ask for the search_path: "
            << audit::printable(PQerrorMessage(connection_.get())) << '\n';
        return false;
    }
    return true;
}

// That they hold, whatever the DSN, the role's own settings or the record say.
bool Replaying::check_pins(std::ostream& err) {
    std::vector<Pin> pins(kPins.begin(), kPins.end());
    pins.push_back({"session_replication_role", "origin"});  // which most roles may not set
    for (const Pin& pin : pins) {
        const std::string query =
            "SELECT pg_catalog.current_setting('" + std::string(pin.name) + "')";
        const Result result(PQexec(connection_.get(), query.c_str()), &PQclear);
        if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1 ||
            PQgetvalue(result.get(), 0, 0) != pin.value) {
            err << "the server does not hold " << pin.name << " = " << pin.value
                << ", so nothing is run\n";
            return false;
        }
    }
    return true;
}

// As the server there resolves it: that is what the statements mean there.
bool Replaying::ask_path() {
    const Result result(
        PQexec(connection_.get(), "SELECT unnest(pg_catalog.current_schemas(true))"), &PQclear);
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
        return false;
    }
    context_.search_path.clear();
    for (int row = 0; row < PQntuples(result.get()); ++row) {
        context_.search_path.emplace_back(PQgetvalue(result.get(), row, 0));
    }
    return true;
}

parser::Judgement Replaying::judge(const Recorded& statement) {
    context_.protocol = statement.bound ? parser::Protocol::kExtended : parser::Protocol::kSimple;
    auto judgement = parser::judge(statement.sql, *policy_, context_);
    if (!judgement.allowed() && !statement.bound) {
        // A Parse that failed has no Bind to tell it by.
        context_.protocol = parser::Protocol::kExtended;
        auto extended = parser::judge(statement.sql, *policy_, context_);
        if (extended.allowed()) {
            return extended;
        }
    }
    return judgement;
}

void append_length(std::string& out, std::size_t length) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(length >> shift & 0xff);
    }
}

// Types whose text is a matter of the value alone, whatever the session's settings.
bool has_one_text(Oid type) {
    static constexpr std::array<Oid, 16> kTypes{16, 17,  18,  19,   20,   21,   23,   25,
                                                26, 114, 705, 1042, 1043, 1700, 2950, 3802};
    return std::ranges::find(kTypes, type) != kTypes.end();
}

// Puts the DataRow together as the client got it. Where the client had some columns as text and
// others in binary, which libpq cannot ask for, the row has come in binary.
void Replaying::take_row(const PGresult* result, const Recorded& statement) {
    if (!digest_) {
        return;
    }
    const int columns = PQnfields(result);
    const bool mixed = statement.result_formats.size() > 1;
    row_ = std::string("D\0\0\0\0", 5);
    row_ += static_cast<char>(columns >> 8 & 0xff);
    row_ += static_cast<char>(columns & 0xff);
    for (int column = 0; column < columns; ++column) {
        if (PQgetisnull(result, 0, column) != 0) {
            append_length(row_, 0xffffffff);
            continue;
        }
        std::string_view value(PQgetvalue(result, 0, column),
                               static_cast<std::size_t>(PQgetlength(result, 0, column)));
        std::optional<std::string> text;
        const auto place = static_cast<std::size_t>(column);
        if (mixed && PQfformat(result, column) == 1 && place < statement.result_formats.size() &&
            statement.result_formats[place] == 0) {
            const Oid type = PQftype(result, column);
            text = has_one_text(type) ? wire::text_of_binary(type, value) : std::nullopt;
            sum_known_ = sum_known_ && text;
            value = text ? std::string_view(*text) : value;
        }
        append_length(row_, value.size());
        row_ += value;
    }
    std::string length;
    append_length(length, row_.size() - 1);
    row_.replace(1, 4, length);
    digest_->add(sum_, row_);
}

void Replaying::take(PGresult* result, const Recorded& statement, Outcome& outcome) {
    switch (PQresultStatus(result)) {
        case PGRES_SINGLE_TUPLE: {
            ++outcome.rows;
            take_row(result, statement);
            outcome.bytes += 7;
            for (int column = 0; column < PQnfields(result); ++column) {
                outcome.bytes += 4 + static_cast<std::uint64_t>(PQgetlength(result, 0, column));
            }
            return;
        }
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            if (outcome.sqlstate.empty()) {
                outcome.sqlstate = "00000";
            }
            // CommandComplete, with its tag.
            outcome.bytes += 6 + std::strlen(PQcmdStatus(result));
            return;
        case PGRES_EMPTY_QUERY:
            outcome.sqlstate = "00000";
            outcome.bytes += 5;
            return;
        case PGRES_COPY_OUT: {
            char* row = nullptr;
            int size = 0;
            while ((size = PQgetCopyData(connection_.get(), &row, 0)) > 0) {
                ++outcome.rows;
                outcome.bytes += 5 + static_cast<std::uint64_t>(size);
                if (digest_) {
                    row_ = 'd';
                    append_length(row_, static_cast<std::size_t>(size) + 4);
                    row_.append(row, static_cast<std::size_t>(size));
                    digest_->add(sum_, row_);
                }
                PQfreemem(row);
            }
            return;
        }
        default: {
            const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
            outcome.sqlstate = state == nullptr ? "08006" : state;
            return;
        }
    }
}

Outcome Replaying::send(const std::string& sql, const Recorded& statement) {
    Outcome outcome;
    const auto began = Clock::now();
    std::vector<const char*> values;
    for (const auto& value : statement.params) {
        values.push_back(value ? value->c_str() : nullptr);
    }
    std::vector<Oid> types(values.size(), 0);
    for (std::size_t i = 0; i < std::min(types.size(), statement.parameter_types.size()); ++i) {
        // The users' own types have other numbers in another database.
        types[i] = statement.parameter_types[i] < kFirstOwnOid ? statement.parameter_types[i] : 0;
    }
    const bool binary = std::ranges::any_of(statement.result_formats,
                                            [](std::uint32_t format) { return format != 0; });
    sum_ = {};
    sum_known_ = true;
    const int sent =
        statement.bound
            ? PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                types.data(), values.data(), nullptr, nullptr, binary ? 1 : 0)
            : PQsendQuery(connection_.get(), sql.c_str());
    if (sent == 1) {
        (void)PQsetSingleRowMode(connection_.get());
        while (PGresult* const result = PQgetResult(connection_.get())) {
            const Result owned(result, &PQclear);
            take(result, statement, outcome);
            if (PQstatus(connection_.get()) != CONNECTION_OK) {
                break;
            }
        }
    } else {
        outcome.sqlstate = "08006";
    }
    if (digest_ && sum_known_ && outcome.rows > 0) {
        outcome.digest = digest_->text(sum_, outcome.rows);
    }
    outcome.duration_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count());
    return outcome;
}

void Replaying::keep_pace(const Recorded& statement) {
    const auto then = audit::parse_time(statement.time);
    if (!asked_.original_pace || !then) {
        return;
    }
    if (!began_) {
        began_ = Clock::now();
        began_then_ = *then;
    }
    std::this_thread::sleep_until(*began_ + (*then - *began_then_));
}

// Did it not come to its own end?
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

Line Replaying::one(const Recorded& statement) {
    const auto not_run = [&](std::string why) {
        return Line{
            .statement = &statement, .verdict = Verdict::kNotRun, .why = std::move(why), .now = {}};
    };
    if (statement.sql.empty() || statement.sql.starts_with("-- ")) {
        return not_run("its text is not on record");
    }
    if (lacks_values(statement)) {
        return not_run("its values are not on record (audit.parameters)");
    }
    if (cut_off(statement)) {
        return not_run("it was cut off then");
    }
    const parser::Judgement judgement = judge(statement);
    const auto refused = std::ranges::find_if(
        judgement.statements, [](const auto& each) { return each.refusal.has_value(); });
    const bool lets_through = refused == judgement.statements.end();
    using Effect = parser::Effect;
    if (!lets_through && !statement.allowed) {
        if (PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS) {
            (void)Result(PQexec(connection_.get(), kFailingText), &PQclear);
        }
        const bool same = refused->refusal->sqlstate == statement.outcome->sqlstate;
        return Line{.statement = &statement,
                    .verdict = same ? Verdict::kSame : Verdict::kDifferent,
                    .why = same ? "refused then and now"
                                : "refused with " + refused->refusal->sqlstate + " now",
                    .now = {}};
    }
    if (!lets_through) {
        if (PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS) {
            (void)Result(PQexec(connection_.get(), kFailingText), &PQclear);
        }
        return Line{.statement = &statement,
                    .verdict = Verdict::kDifferent,
                    .why = "refused now, and not run: " + refused->refusal->message,
                    .now = {}};
    }
    if (!statement.allowed) {
        return Line{.statement = &statement,
                    .verdict = Verdict::kDifferent,
                    .why = "refused then (" + statement.rule + "), and would be let through now",
                    .now = {}};
    }
    const std::string& sent =
        asked_.through_proxy || !judgement.forwarded ? statement.sql : *judgement.forwarded;
    Line line{.statement = &statement, .verdict = Verdict::kSame, .why = {}, .now = {}};
    line.now = send(sent, statement);
    compare(statement, line);
    if (line.now->sqlstate == "00000" && !judgement.statements.empty()) {
        const parser::StatementJudgement& judged = judgement.statements.front();
        if (judged.effect == Effect::kPrepare) {
            prepared_[judged.name] = true;
        }
        path_changed_ = path_changed_ || judged.effect == Effect::kSearchPath ||
                        judged.effect == Effect::kDiscardAll ||
                        judged.effect == Effect::kTransaction;
    }
    return line;
}

// What the rows of a statement depend on beside the data; empty: nothing that is known of.
std::string Replaying::depends_on(const Recorded& statement) {
    const parser::Repeatable found = parser::find_repeatable(statement.sql);
    std::string on = found.depends_on;
    for (const std::string& name : found.uses) {
        if (const auto made = made_on_.find(name); on.empty() && made != made_on_.end()) {
            on = made->second;
        }
    }
    for (const std::string& name : found.makes) {
        made_on_[name] = on;
    }
    return on;
}

void Replaying::compare(const Recorded& statement, Line& line) {
    const Outcome& then = *statement.outcome;
    const Outcome& now = *line.now;
    const std::string on = depends_on(statement);
    const auto different = [&line](std::string why) {
        line.verdict = Verdict::kDifferent;
        line.why = std::move(why);
    };
    if (now.sqlstate != then.sqlstate) {
        different("SQLSTATE");
    } else if (!on.empty()) {
        if (now.rows + then.rows > 0) {
            line.why = "its rows are not compared: they depend on " + on;
        }
    } else if (now.rows != then.rows) {
        different("rows");
    } else if (!now.digest.empty() && !then.digest.empty()) {
        if (now.digest != then.digest) {
            different("values");
        }
    } else if (now.rows > 0 && digest_ && !then.digest.empty()) {
        line.why = "its values are not compared: columns in text beside others in binary";
    } else if (!statement.bound && then.sqlstate == "00000" && now.bytes != then.bytes) {
        different("bytes: " + std::to_string(then.bytes) + " then, " + std::to_string(now.bytes) +
                  " now");
    } else if (now.rows > 0) {
        line.why = then.digest.empty()
                       ? "its values are not compared: there is no digest of them on record"
                       : "its values are not compared: masking.key is another than it was then";
    }
}

bool Replaying::run(std::ostream& err) {
    for (const Recorded& statement : session_.statements) {
        if (!statement.outcome || statement.outcome->sqlstate.empty()) {
            continue;  // a Parse, or what did not run
        }
        if (path_changed_ && PQtransactionStatus(connection_.get()) != PQTRANS_INERROR) {
            if (!ask_path()) {
                err << "cannot ask for the search_path: "
                    << audit::printable(PQerrorMessage(connection_.get())) << '\n';
                return false;
            }
            path_changed_ = false;
        }
        keep_pace(statement);
        lines_.push_back(one(statement));
        if (PQstatus(connection_.get()) != CONNECTION_OK) {
            err << "the connection has ended: "
                << audit::printable(PQerrorMessage(connection_.get())) << '\n';
            return false;
        }
    }
    return true;
}

json::object value_of(const Outcome& outcome) {
    return {{"sqlstate", outcome.sqlstate},
            {"rows", outcome.rows},
            {"bytes", outcome.bytes},
            {"duration_us", outcome.duration_us}};
}

std::string milliseconds(std::uint64_t micros) {
    return std::to_string(micros / 1000) + "." + std::to_string(micros % 1000 / 100);
}

int Replaying::report(audit::Format format, std::ostream& out) const {
    constexpr std::array<std::string_view, 3> kWords{"same", "different", "not run"};
    std::array<std::uint64_t, 3> counts{};
    std::uint64_t then_us = 0;
    std::uint64_t now_us = 0;
    for (const Line& line : lines_) {
        ++counts[static_cast<std::size_t>(line.verdict)];
        then_us += line.now ? line.statement->outcome->duration_us : 0;
        now_us += line.now ? line.now->duration_us : 0;
    }
    const int status = counts[static_cast<std::size_t>(Verdict::kDifferent)] == 0 ? 0 : 1;
    if (format == audit::Format::kJson) {
        json::array list;
        for (const Line& line : lines_) {
            json::object value{{"statement", line.statement->number},
                               {"verdict", kWords[static_cast<std::size_t>(line.verdict)]},
                               {"why", audit::valid_utf8(line.why)},
                               {"sql", audit::valid_utf8(line.statement->sql)},
                               {"then", value_of(*line.statement->outcome)},
                               {"now", nullptr}};
            if (line.now) {
                value["now"] = value_of(*line.now);
            }
            list.push_back(std::move(value));
        }
        out << json::serialize(json::object{{"same", counts[0]},
                                            {"different", counts[1]},
                                            {"not_run", counts[2]},
                                            {"duration_us", {{"then", then_us}, {"now", now_us}}},
                                            {"statements", std::move(list)}})
            << '\n';
        return status;
    }
    audit::Table table(
        {"statement", "verdict", "why", "rows", "now", "sqlstate", "now", "ms", "now", "sql"});
    for (const Line& line : lines_) {
        if (line.verdict == Verdict::kSame) {
            continue;
        }
        const Outcome& then = *line.statement->outcome;
        table.row({std::to_string(line.statement->number),
                   std::string(kWords[static_cast<std::size_t>(line.verdict)]), line.why,
                   std::to_string(then.rows), line.now ? std::to_string(line.now->rows) : "",
                   then.sqlstate, line.now ? line.now->sqlstate : "",
                   milliseconds(then.duration_us),
                   line.now ? milliseconds(line.now->duration_us) : "", line.statement->sql});
    }
    if (counts[1] + counts[2] > 0) {
        table.print(out);
        out << '\n';
    }
    out << counts[0] << " statements came out as they did, " << counts[1] << " did not, "
        << counts[2] << " were not run again; " << milliseconds(then_us) << " ms then, "
        << milliseconds(now_us) << " ms now\n";
    return status;
}

}  // namespace

int replay_session(const SessionReplay& asked, const config::Config& config,
                   const LoadCatalog& load_catalog, audit::Format format, std::ostream& out,
                   std::ostream& err) {
    const auto sessions = audit::read_sessions(asked.directory, err);
    if (!sessions) {
        return 2;
    }
    const audit::SessionSummary* const summary =
        audit::choose_session(sessions->list, asked.session, err);
    if (summary == nullptr) {
        return 2;
    }
    const auto session = read(asked.directory, *summary, err);
    if (!session) {
        return 2;
    }
    const auto database = config.databases.find(session->database);
    if (database == config.databases.end()) {
        err << "the configuration has no database " << audit::printable(session->database)
            << ", which the session was of; name another with --config\n";
        return 2;
    }
    std::string error;
    const auto catalog = load_catalog(database->second, error);
    if (!catalog) {
        err << "cannot load the catalog of " << audit::printable(session->database) << ": "
            << audit::printable(error) << '\n';
        return 2;
    }
    Replaying replaying(
        asked, config, *session,
        parser::compile_policy(catalog, config.masking.rules, config.functions, session->groups));
    if (!replaying.connect(err) || !replaying.run(err)) {
        return 2;
    }
    return replaying.report(format, out);
}

}  // namespace vitrine::replay
