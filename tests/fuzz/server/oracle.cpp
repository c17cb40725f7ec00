#include "tests/fuzz/server/oracle.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <thread>

namespace vitrine::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

// The server ends a statement by itself; one that it cannot end is given up, with its session.
constexpr std::chrono::milliseconds kGiveUp{2500};
// A server that starts again after one of its processes crashed.
constexpr std::chrono::seconds kServerBack{8};

constexpr std::string_view kRawValue = "CANARY";
constexpr std::string_view kRawValueLower = "canary";

constexpr std::string_view kLimits =
    "-c statement_timeout=200 -c temp_file_limit=64MB -c client_min_messages=error "
    "-c jit=off -c max_parallel_workers_per_gather=0 -c lock_timeout=150";
// What the proxy's ServerLogin sends, so that RESET goes back to it.
constexpr std::string_view kPins =
    " -c default_transaction_read_only=on -c standard_conforming_strings=on "
    "-c backslash_quote=safe_encoding -c transform_null_equals=off -c client_encoding=UTF8";

struct Setting {
    std::string_view name;
    std::string_view pinned;  // its value in a session with pins
    std::string_view plain;   // and without
};
constexpr std::array kSettings = {
    Setting{"transaction_read_only", "on", "on"},
    // In BEGIN READ ONLY the default may be set to on by what is allowed to be set.
    Setting{"default_transaction_read_only", "on", ""},
    Setting{"standard_conforming_strings", "on", "on"},
    Setting{"backslash_quote", "safe_encoding", "safe_encoding"},
    Setting{"transform_null_equals", "off", "off"},
    Setting{"client_encoding", "UTF8", "UTF8"},
    Setting{"session_replication_role", "origin", "origin"},
    Setting{"role", "none", "none"},
    Setting{"default_tablespace", "", ""},
    Setting{"temp_tablespaces", "", ""},
    Setting{"default_table_access_method", "heap", "heap"},
    Setting{"zero_damaged_pages", "off", "off"},
    Setting{"ignore_system_indexes", "off", "off"},
    Setting{"allow_system_table_mods", "off", "off"},
    Setting{"log_statement", "none", "none"},
    Setting{"log_min_messages", "fatal", "fatal"},
    Setting{"track_activities", "on", "on"},
    Setting{"synchronous_commit", "on", "on"},
    Setting{"temp_file_limit", "64MB", "64MB"},
};

// Columns of the session's own, each with what it must be; then those of the server, which must
// stay what they were. Everything is qualified: the text may have set any search_path.
constexpr std::string_view kOwnState =
    "pg_catalog.current_setting('session_authorization'),"
    " pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text,"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(locktype, ' ', mode, ' ', relation), ', ')"
    "  FROM pg_catalog.pg_locks WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"
    "  AND (locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text"
    "       OR locktype OPERATOR(pg_catalog.<>) 'virtualxid'::pg_catalog.text"
    "          AND mode OPERATOR(pg_catalog.<>) 'AccessShareLock'::pg_catalog.text)"
    // Reading a sequence's last value takes this one (init_sequence), as pg_sequences does.
    "  AND NOT (mode OPERATOR(pg_catalog.=) 'RowExclusiveLock'::pg_catalog.text"
    "           AND relation OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT seqrelid"
    "               FROM pg_catalog.pg_sequence)))),"
    " (SELECT pg_catalog.string_agg(c, ', ') FROM pg_catalog.pg_listening_channels() AS c),"
    " NULLIF(pg_catalog.pg_my_temp_schema()::pg_catalog.int4, 0)";
constexpr std::string_view kServerState =
    "pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_origin),"
    // Numbers, which look the same under every DateStyle.
    " EXTRACT(epoch FROM pg_catalog.pg_conf_load_time()),"
    " EXTRACT(epoch FROM pg_catalog.pg_stat_get_db_stat_reset_time((SELECT oid FROM"
    "  pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=)"
    "  pg_catalog.current_database()))),"
    " EXTRACT(epoch FROM pg_catalog.pg_stat_get_bgwriter_stat_reset_time()),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_ls_dir('.')),"
    " (SELECT EXTRACT(epoch FROM modification) FROM "
    "pg_catalog.pg_stat_file('postgresql.auto.conf'))";

std::string quoted_path(const std::vector<std::string>& path) {
    std::string list;
    for (const std::string& schema : path) {
        list += (list.empty() ? "\"" : ", \"") + schema + "\"";
    }
    return list;
}

bool begins(std::string_view text, std::string_view with) {
    return text.starts_with(with);
}

// Lower case too, since much is derived by lower(); Atlantic/Canary is a time zone.
bool has_raw_value(std::string_view text) {
    for (const std::string_view word : {kRawValue, kRawValueLower}) {
        for (std::size_t at = text.find(word); at != std::string_view::npos;
             at = text.find(word, at + 1)) {
            if (at == 0 || text[at - 1] != '/') {
                return true;
            }
        }
    }
    return false;
}

void no_server(const char* what, const std::string& why) {
    std::cerr << what << ": " << why << '\n';
    std::_Exit(2);
}

// The highest n of the $n in a text; what is not a parameter fails on the server, and that is all.
int parameters_in(const std::string& text) {
    int highest = 0;
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        if (text[i] == '$' && text[i + 1] >= '1' && text[i + 1] <= '9') {
            highest = std::max(highest, text[i + 1] - '0');
        }
    }
    return highest;
}

}  // namespace

Oracle::Oracle(const std::string& conninfo) : conninfo_(conninfo) {
    // The reader gets the superuser's password: on a throw-away server, whose name it never leaves.
    std::string password;
    char* problem = nullptr;
    PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), &problem);
    if (options == nullptr) {
        no_server("VITRINE_FUZZ_DSN", problem == nullptr ? "cannot be read" : problem);
        return;
    }
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
        if (std::string_view(option->keyword) == "password" && option->val != nullptr) {
            password = option->val;
        }
    }
    PQconninfoFree(options);
    for (const Role role : {Role::kSuperuser, Role::kReader}) {
        for (const bool pinned : {false, true}) {
            sessions_.push_back({role, pinned, Connection(nullptr, PQfinish)});
        }
    }
    if (rows("SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'bird'") !=
        Rows{{"1"}}) {
        no_server("VITRINE_FUZZ_DSN", "the database lacks tests/fuzz/server/canaries.sql");
    }
    if (!password.empty()) {
        rows("ALTER ROLE fuzz_reader PASSWORD '" + password + "'");
    }
    const std::string state = "SELECT " + std::string(kServerState);
    for (Rows before, now; now.empty() || before != now; before = now, now = rows(state)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

PGconn* Oracle::superuser() {
    return session(Role::kSuperuser, false).connection.get();
}

Oracle::Session& Oracle::session(Role role, bool pinned) {
    for (Session& candidate : sessions_) {
        if (candidate.role == role && candidate.pinned == pinned) {
            if (candidate.connection == nullptr ||
                PQstatus(candidate.connection.get()) != CONNECTION_OK) {
                connect(candidate);
            }
            return candidate;
        }
    }
    std::abort();
}

void Oracle::connect(Session& session) {
    std::string conninfo = conninfo_ + " connect_timeout=5 options='" + std::string(kLimits);
    if (session.role == Role::kReader) {
        // Only a superuser may set this one.
        const std::string_view superusers = " -c temp_file_limit=64MB";
        conninfo.erase(conninfo.find(superusers), superusers.size());
    }
    conninfo += session.pinned ? std::string(kPins) + "'" : "'";
    if (session.role == Role::kReader) {
        conninfo += " user=fuzz_reader";
    }
    const auto deadline = Clock::now() + kServerBack;
    for (;;) {
        session.connection.reset(PQconnectdb(conninfo.c_str()));
        if (PQstatus(session.connection.get()) == CONNECTION_OK) {
            break;
        }
        if (Clock::now() > deadline) {
            no_server("no server any more", PQerrorMessage(session.connection.get()));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    PQsetNoticeProcessor(
        session.connection.get(), [](void*, const char*) {}, nullptr);
    PQsetnonblocking(session.connection.get(), 1);
}

// What it was doing is given up; the server ends it when it can.
void Oracle::forget(Session& session) {
    ++counters_.reconnects;
    if (PGcancel* cancel = PQgetCancel(session.connection.get())) {
        std::array<char, 256> error{};
        PQcancel(cancel, error.data(), static_cast<int>(error.size()));
        PQfreeCancel(cancel);
    }
    session.connection.reset();
    // It may have been a crash: then counters and the start of the statistics are others.
    next_transaction_.clear();
    server_state_.clear();
}

Rows Oracle::rows(const std::string& sql) {
    const Answer answer = execute(session(Role::kSuperuser, false), {sql, false, 0}, true);
    if (!answer.sqlstate.empty()) {
        no_server("the server", answer.message);
    }
    return answer.rows;
}

void Oracle::read_result(PGresult* result, bool keep_rows, Answer& answer) const {
    switch (PQresultStatus(result)) {
        case PGRES_SINGLE_TUPLE:
        case PGRES_TUPLES_OK:
            for (int row = 0; row < PQntuples(result); ++row) {
                if (keep_rows) {
                    answer.rows.emplace_back();
                }
                for (int i = 0; i < PQnfields(result) && (keep_rows || masked_); ++i) {
                    const std::string_view value(
                        PQgetvalue(result, row, i),
                        static_cast<std::size_t>(PQgetlength(result, row, i)));
                    if (keep_rows) {
                        answer.rows.back().emplace_back(value);
                    }
                    if (masked_ && has_raw_value(value)) {
                        answer.finding = "a masked value came out: " + std::string(value);
                    }
                }
            }
            return;
        case PGRES_COPY_IN:
        case PGRES_COPY_BOTH:
            answer.finding = "the server waits for COPY data";
            return;
        case PGRES_FATAL_ERROR: {
            if (!answer.sqlstate.empty()) {
                return;
            }
            const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
            answer.sqlstate = state == nullptr ? "?????" : state;
            answer.message = PQresultErrorMessage(result);
            if (masked_ && has_raw_value(answer.message)) {
                answer.finding = "a masked value came out in an error: " + answer.message;
            }
            return;
        }
        default:
            return;
    }
}

Oracle::Answer Oracle::execute(Session& session, const Query& query, bool keep_rows) {
    Answer answer;
    PGconn* connection = session.connection.get();
    int sent = 0;
    if (query.extended) {
        static constexpr std::array<const char*, 5> kValues{"1", nullptr, "2", "x", "{1}"};
        const int count = parameters_in(query.text);
        std::vector<const char*> values;
        std::vector<Oid> types;
        for (int i = 0; i < count; ++i) {
            values.push_back(kValues[static_cast<std::size_t>(i) % kValues.size()]);
            types.push_back(i == 0 ? query.first_parameter_type : 0);
        }
        sent = PQsendQueryParams(connection, query.text.c_str(), count, types.data(), values.data(),
                                 nullptr, nullptr, 0);
    } else {
        sent = PQsendQuery(connection, query.text.c_str());
    }
    if (sent == 0) {
        answer.lost = true;
        forget(session);
        return answer;
    }
    PQsetSingleRowMode(connection);
    const auto deadline = Clock::now() + kGiveUp;
    bool copying = false;
    for (;;) {
        const int unsent = PQflush(connection);
        while (unsent == 0 && !copying && PQisBusy(connection) == 0) {
            PGresult* result = PQgetResult(connection);
            if (result == nullptr) {
                return answer;
            }
            read_result(result, keep_rows, answer);
            copying = PQresultStatus(result) == PGRES_COPY_OUT;
            const bool stuck = PQresultStatus(result) == PGRES_COPY_IN ||
                               PQresultStatus(result) == PGRES_COPY_BOTH;
            PQclear(result);
            if (stuck) {
                return answer;
            }
        }
        while (copying) {
            char* line = nullptr;
            const int size = PQgetCopyData(connection, &line, 1);
            if (size == 0) {
                break;
            }
            if (size < 0) {
                copying = false;
                break;
            }
            const std::string_view text(line, static_cast<std::size_t>(size));
            if (masked_ && has_raw_value(text)) {
                answer.finding = "a masked value came out: " + std::string(text);
            }
            PQfreemem(line);
        }
        if (!copying && PQisBusy(connection) == 0) {
            continue;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd waiting{PQsocket(connection),
                       static_cast<short>(unsent == 0 ? POLLIN : POLLIN | POLLOUT), 0};
        if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
            answer.lost = true;
            forget(session);
            return answer;
        }
        if (PQconsumeInput(connection) == 0) {
            // The error that ended the session may still be there to be read.
            while (PGresult* result = PQgetResult(connection)) {
                read_result(result, keep_rows, answer);
                PQclear(result);
            }
            answer.lost = true;
            forget(session);
            return answer;
        }
    }
}

void Oracle::count(const Answer& answer) {
    ++counters_.statements;
    if (answer.lost || answer.sqlstate == "57014" || answer.sqlstate == "55P03") {
        ++counters_.timeouts;
    } else if (answer.sqlstate.empty()) {
        ++counters_.succeeded;
    } else if (answer.sqlstate == "42601") {
        ++counters_.syntax_errors;
    } else if (begins(answer.sqlstate, "42")) {
        ++counters_.name_errors;
    } else if (begins(answer.sqlstate, "22")) {
        ++counters_.value_errors;
    } else {
        ++counters_.other_errors;
    }
}

std::optional<std::string> Oracle::judge_answer(const Answer& answer) const {
    if (!answer.finding.empty()) {
        return answer.finding;
    }
    const auto because = [&](const std::string& what) {
        return what + ": " + answer.sqlstate + " " + answer.message;
    };
    if (answer.sqlstate == "25006") {
        return because("refused by the server's read-only mode");
    }
    if (answer.sqlstate == "VT001") {
        return because("a function ran that may not be called");
    }
    if (answer.sqlstate == "57P01") {
        return because("the session was ended");
    }
    return std::nullopt;
}

std::optional<std::string> Oracle::check(Session& session) {
    static const std::string kCheck = [] {
        std::string sql = "SELECT ";
        for (const Setting& setting : kSettings) {
            sql += "pg_catalog.current_setting('" + std::string(setting.name) + "'), ";
        }
        return sql + std::string(kOwnState) + ", ";
    }();
    const bool superuser = session.role == Role::kSuperuser;
    // Some of the server's state is not for everybody's eyes; the ids of transactions are.
    const std::string sql =
        kCheck + (superuser ? std::string(kServerState)
                            : std::string(kServerState.substr(0, kServerState.find(','))));
    const bool was_masked = masked_;
    masked_ = false;
    const Answer answer = execute(session, {sql, false, 0}, true);
    masked_ = was_masked;
    if (answer.rows.size() != 1) {
        // A text may have set statement_timeout to nothing, or the server is starting again.
        ++counters_.checks_failed;
        return judge_answer(answer);
    }
    const std::vector<std::string>& row = answer.rows[0];
    std::size_t column = 0;
    for (const Setting& setting : kSettings) {
        const std::string& value = row[column++];
        const std::string_view wanted = session.pinned ? setting.pinned : setting.plain;
        const bool free = !session.pinned && setting.name == "default_transaction_read_only";
        const bool unlimited = !superuser && setting.name == "temp_file_limit";
        if (value != wanted && !free && !unlimited) {
            return std::string(setting.name) + " is \"" + value + "\" afterwards";
        }
    }
    const std::string_view user =
        superuser ? std::string_view(PQuser(session.connection.get())) : "fuzz_reader";
    if (row[column] != user) {
        return "the session's user is \"" + row[column] + "\" afterwards";
    }
    static constexpr std::array<const char*, 4> kTraces{
        "a transaction id was assigned", "a lock is held", "a channel is listened to",
        "there is a schema for temporary objects"};
    for (const char* trace : kTraces) {
        if (!row[++column].empty()) {
            return std::string(trace) + ": " + row[column];
        }
    }
    const std::string& next = row[++column];
    if (next_transaction_.empty()) {
        next_transaction_ = next;
    }
    if (next != next_transaction_) {
        return "transaction ids were used up: " + next_transaction_ + " to " + next;
    }
    if (superuser) {
        std::string state;
        while (++column < row.size()) {
            state += row[column] + "|";
        }
        if (server_state_.empty()) {
            server_state_ = state;
        }
        if (state != server_state_) {
            return "the server's state changed: " + server_state_ + " to " + state;
        }
    }
    return std::nullopt;
}

std::optional<std::string> Oracle::run_apart(Role role, const std::vector<std::string>& path,
                                             const std::vector<Query>& statements) {
    Session& here = session(role, false);
    const bool was_masked = masked_;
    masked_ = false;
    const Answer begun = execute(here,
                                 {"ROLLBACK; DEALLOCATE ALL; BEGIN READ ONLY; SET LOCAL "
                                  "search_path = " +
                                      quoted_path(path) + "; SAVEPOINT vitrine",
                                  false, 0},
                                 false);
    masked_ = was_masked;
    if (begun.lost || !begun.sqlstate.empty()) {
        ++counters_.checks_failed;
        return std::nullopt;
    }
    for (const Query& statement : statements) {
        const Answer answer = execute(here, statement, false);
        count(answer);
        if (auto finding = judge_answer(answer)) {
            return finding;
        }
        if (answer.lost) {
            return std::nullopt;
        }
        if (!answer.sqlstate.empty()) {
            const Answer back = execute(here, {"ROLLBACK TO SAVEPOINT vitrine", false, 0}, false);
            if (back.lost || !back.sqlstate.empty()) {
                ++counters_.checks_failed;
                return std::nullopt;
            }
        }
    }
    return check(here);
}

std::optional<std::string> Oracle::run_as_sent(Role role, const std::vector<std::string>& path,
                                               const Query& query) {
    Session& here = session(role, true);
    const bool was_masked = masked_;
    masked_ = false;
    const Answer begun = execute(here,
                                 {"ROLLBACK; CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; RESET ALL; "
                                  "SET search_path = " +
                                      quoted_path(path),
                                  false, 0},
                                 false);
    masked_ = was_masked;
    if (begun.lost || !begun.sqlstate.empty()) {
        ++counters_.checks_failed;
        return std::nullopt;
    }
    const Answer answer = execute(here, query, false);
    count(answer);
    if (auto finding = judge_answer(answer)) {
        return finding;
    }
    if (answer.lost) {
        return std::nullopt;
    }
    if (PQtransactionStatus(here.connection.get()) == PQTRANS_INTRANS) {
        if (auto finding = check(here)) {
            return finding;
        }
    }
    if (here.connection != nullptr && PQtransactionStatus(here.connection.get()) != PQTRANS_IDLE) {
        const Answer back = execute(here, {"ROLLBACK", false, 0}, false);
        if (back.lost) {
            return std::nullopt;
        }
    }
    return here.connection == nullptr ? std::nullopt : check(here);
}

}  // namespace vitrine::fuzz
