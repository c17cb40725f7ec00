// The store in PostgreSQL, for several proxies. A call ends within seconds whatever the server
// does: it has a timeout there, a deadline here for a server that says nothing at all, and a
// connection that is lost is made anew by the next call.
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <sstream>
#include <vector>

#include "auth/store/sql_store.h"
#include "config/files.h"
#include "config/limits.h"
#include "config/secret.h"

namespace vitrine::auth {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

struct PqDeleter {
    void operator()(PGconn* connection) const { PQfinish(connection); }
    void operator()(PGresult* result) const { PQclear(result); }
    void operator()(PGnotify* notification) const { PQfreemem(notification); }
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Connection = std::unique_ptr<PGconn, PqDeleter>;
using Answer = std::unique_ptr<PGresult, PqDeleter>;
using Notification = std::unique_ptr<PGnotify, PqDeleter>;
using Options = std::unique_ptr<PQconninfoOption, PqDeleter>;

// What libpq says about connecting, as far as it cannot have a piece of the URI in it: where a
// password has a character that should have been written %XX, libpq takes the rest of it for a host
// name or a port, and complains of that by name.
std::string safe_lines(const char* message) {
    std::string safe;
    std::istringstream lines(message);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("connection to server")) {
            safe += (safe.empty() ? "" : "; ") + line;
        }
    }
    return safe.empty() ? "its host name is not known, or an option of access.store is wrong (in a "
                          "password, what is no letter or digit is written %XX)"
                        : safe;
}

bool is_damage(std::string_view sqlstate) {
    return sqlstate == "42P01" || sqlstate == "42703" ||  // no such table, no such column
           sqlstate == "23514" || sqlstate == "23502" || sqlstate.starts_with("XX0");
}

class PostgresLink : public SqlLink {
  public:
    // `listens`: hears what other proxies announce.
    PostgresLink(std::string_view uri, bool listens) : uri_(std::string(uri)), listens_(listens) {}

    result<Rows> run(const char* sql, Parameters parameters) override;
    result<void> run_script(const char* sql) override;
    result<void> begin() override;
    result<void> commit() override;
    void roll_back() override;
    result<void> announce() override;
    result<std::int64_t> version() override;
    void wait(int wake, milliseconds most) override;
    [[nodiscard]] std::string items_of(std::string_view list) const override {
        return "pg_catalog.jsonb_array_elements_text(CAST(" + std::string(list) + " AS jsonb))";
    }
    [[nodiscard]] const std::string& problem() const override { return problem_; }

  private:
    result<void> connect();
    [[nodiscard]] Connection connected() const;
    result<void> set_up();
    // Sends, and takes all answers: the last one of them.
    result<Answer> exchange(const char* sql, const Parameters* parameters);
    result<Answer> answers();
    // The same outside of a transaction: on a connection that turns out to be lost it is run again,
    // on a new one.
    result<Answer> exchange_anew(const char* sql, const Parameters* parameters);
    StoreError unavailable(std::string problem);
    StoreError lost();
    void drain_notifications();

    const config::Secret uri_;
    const bool listens_;
    Connection connection_;
    bool in_transaction_ = false;
    // It was not there a moment ago: until then it is not asked again.
    Clock::time_point retry_at_ = Clock::time_point::min();
    std::string problem_;
};

StoreError PostgresLink::unavailable(std::string problem) {
    problem_ = "the store's PostgreSQL " + std::move(problem);
    return StoreError::kUnavailable;
}

StoreError PostgresLink::lost() {
    connection_.reset();
    return unavailable("ended the connection; the next call makes another");
}

Connection PostgresLink::connected() const {
    std::string uri(uri_.reveal());
    const Options options(PQconninfoParse(uri.c_str(), nullptr));
    bool says_sslmode = false;
    for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr;
         ++option) {
        says_sslmode = says_sslmode ||
                       (std::string_view(option->keyword) == "sslmode" && option->val != nullptr);
    }
    const std::string timeout = std::to_string(limits::kStoreConnectMax.count());
    // What stands before the URI is a default, what comes after it holds in any case.
    std::vector<std::pair<const char*, const char*>> settings = {
        {"application_name", "vitrine store"}, {"target_session_attrs", "read-write"}};
    if (!says_sslmode) {
        settings.emplace_back("sslmode", "verify-full");
        settings.emplace_back("sslrootcert", config::kSystemCertificates);
    }
    settings.emplace_back("dbname", uri.c_str());
    settings.emplace_back("connect_timeout", timeout.c_str());
    settings.emplace_back("client_encoding", "UTF8");
    settings.emplace_back("gssencmode", "disable");
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : settings) {
        keywords.push_back(keyword);
        values.push_back(value);
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    Connection made(PQconnectdbParams(keywords.data(), values.data(), 1));
    config::wipe(uri);
    return made;
}

result<void> PostgresLink::connect() {
    if (connection_) {
        return {};
    }
    if (Clock::now() < retry_at_) {
        return StoreError::kUnavailable;  // problem_ still says why
    }
    problem_.clear();
    connection_ = connected();
    result<void> done;
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
        done = unavailable("cannot be reached: " + safe_lines(PQerrorMessage(connection_.get())));
    } else {
        done = set_up();
    }
    if (done.has_error()) {
        connection_.reset();
        retry_at_ = Clock::now() + limits::kStoreRetryMin;
    }
    return done;
}

result<void> PostgresLink::set_up() {
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    if (PQsetnonblocking(connection_.get(), 1) != 0) {
        return lost();
    }
    const char* const encoding = PQparameterStatus(connection_.get(), "server_encoding");
    if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
        return unavailable(
            "keeps texts in another encoding than UTF8; CREATE DATABASE … ENCODING "
            "'UTF8' makes one that can be used");
    }
    // A proxy that hangs in the middle of a transaction would hold up all others. And a commit that
    // was acknowledged must be on the disk, whatever the server's default is.
    const std::string timeout = std::to_string(limits::kStoreStatementMax.count()) + "s";
    const Parameters timeouts = {timeout};
    auto set = exchange(
        "SELECT pg_catalog.set_config('statement_timeout', $1, false), "
        "pg_catalog.set_config('lock_timeout', $1, false), "
        "pg_catalog.set_config('idle_in_transaction_session_timeout', $1, false), "
        "pg_catalog.set_config('search_path', 'vitrine_access', false), "
        "pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting("
        "'synchronous_commit') WHEN 'off' THEN 'on' ELSE pg_catalog.current_setting("
        "'synchronous_commit') END, false)",
        &timeouts);
    if (!set.has_error() && listens_) {
        set = exchange("LISTEN vitrine_access", nullptr);
    }
    return set.has_error() ? result<void>(set.error()) : result<void>();
}

result<Answer> PostgresLink::exchange(const char* sql, const Parameters* parameters) {
    int sent = 0;
    if (parameters == nullptr) {
        sent = PQsendQuery(connection_.get(), sql);
    } else {
        std::vector<std::string> texts;
        for (const Parameter& parameter : *parameters) {
            const auto* const number = std::get_if<std::int64_t>(&parameter);
            texts.push_back(number != nullptr ? std::to_string(*number)
                                              : std::string(std::get<std::string_view>(parameter)));
        }
        std::vector<const char*> values;
        std::transform(texts.begin(), texts.end(), std::back_inserter(values),
                       [](const std::string& text) { return text.c_str(); });
        sent = PQsendQueryParams(connection_.get(), sql, static_cast<int>(values.size()), nullptr,
                                 values.data(), nullptr, nullptr, 0);
    }
    if (sent != 1) {
        return lost();
    }
    return answers();
}

result<Answer> PostgresLink::answers() {
    const auto deadline = Clock::now() + limits::kStoreStatementMax + milliseconds(500);
    Answer last;
    boost::system::error_code error;
    for (;;) {
        const int unsent = PQflush(connection_.get());
        if (unsent < 0) {
            return lost();
        }
        if (PQisBusy(connection_.get()) == 0) {
            Answer answer(PQgetResult(connection_.get()));
            if (!answer) {
                break;
            }
            const auto status = PQresultStatus(answer.get());
            if (!error && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
                const char* const state = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
                const char* const message =
                    PQresultErrorField(answer.get(), PG_DIAG_MESSAGE_PRIMARY);
                error = unavailable(std::string("refused: ") +
                                    (message == nullptr ? "it ended the connection" : message));
                if (state != nullptr && is_damage(state)) {
                    error = StoreError::kCorrupt;
                }
                // A server that only reads has handed its place over: the next call looks for the
                // new one.
                if (state == nullptr || std::string_view(state) == "25006") {
                    connection_.reset();
                    return error;
                }
            }
            last = std::move(answer);
            continue;
        }
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        pollfd descriptor{PQsocket(connection_.get()),
                          static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
        if (left.count() <= 0) {
            connection_.reset();
            retry_at_ = Clock::now() + limits::kStoreRetryMin;
            return unavailable("does not answer");
        }
        (void)poll(&descriptor, 1, static_cast<int>(left.count()));
        if ((descriptor.revents & (POLLIN | POLLERR | POLLHUP)) != 0 &&
            PQconsumeInput(connection_.get()) == 0) {
            return lost();
        }
    }
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
        connection_.reset();
    }
    if (error) {
        return error;
    }
    if (!last) {
        return lost();
    }
    return last;
}

result<Answer> PostgresLink::exchange_anew(const char* sql, const Parameters* parameters) {
    const bool was_there = connection_ != nullptr;
    if (const auto done = connect(); done.has_error()) {
        return done.error();
    }
    problem_.clear();
    auto answer = exchange(sql, parameters);
    const bool was_lost = answer.has_error() && connection_ == nullptr;
    if (!was_lost || !was_there || Clock::now() < retry_at_) {
        return answer;
    }
    if (const auto done = connect(); done.has_error()) {
        return done.error();
    }
    problem_.clear();
    return exchange(sql, parameters);
}

result<Rows> PostgresLink::run(const char* sql, Parameters parameters) {
    if (in_transaction_ && !connection_) {
        return StoreError::kUnavailable;  // never on another connection, outside of it
    }
    if (in_transaction_) {
        problem_.clear();
    }
    const auto answer =
        in_transaction_ ? exchange(sql, &parameters) : exchange_anew(sql, &parameters);
    if (answer.has_error()) {
        return answer.error();
    }
    Rows rows;
    for (int i = 0; i < PQntuples(answer->get()); ++i) {
        auto& row = rows.rows.emplace_back();
        for (int j = 0; j < PQnfields(answer->get()); ++j) {
            row.emplace_back(PQgetvalue(answer->get(), i, j),
                             static_cast<std::size_t>(PQgetlength(answer->get(), i, j)));
        }
    }
    const std::string_view changed = PQcmdTuples(answer->get());
    (void)std::from_chars(changed.data(), changed.data() + changed.size(), rows.changed);
    return rows;
}

result<void> PostgresLink::run_script(const char* sql) {
    if (!connection_) {
        return StoreError::kUnavailable;
    }
    problem_.clear();
    const auto answer = exchange(sql, nullptr);
    return answer.has_error() ? result<void>(answer.error()) : result<void>();
}

result<void> PostgresLink::begin() {
    // The lock is what makes one transaction follow the other; it ends with the transaction. Under
    // READ COMMITTED a statement sees all that was committed when it began, so those after the lock
    // see what its last holder left. The number is "vitrine" in ASCII.
    const auto answer = exchange_anew(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
        "SELECT pg_catalog.pg_advisory_xact_lock(33329996108492389)",
        nullptr);
    in_transaction_ = connection_ != nullptr;
    if (answer.has_error()) {
        roll_back();
        return answer.error();
    }
    return {};
}

result<void> PostgresLink::commit() {
    in_transaction_ = false;
    if (!connection_) {
        return StoreError::kUnavailable;
    }
    problem_.clear();
    const auto answer = exchange("COMMIT", nullptr);
    if (answer.has_error()) {
        return answer.error();
    }
    // The server takes COMMIT of a transaction that has failed, and rolls it back.
    if (std::string_view(PQcmdStatus(answer->get())) != "COMMIT") {
        return unavailable("rolled back what should have been committed");
    }
    return {};
}

void PostgresLink::roll_back() {
    if (!in_transaction_) {
        return;
    }
    in_transaction_ = false;
    if (!connection_) {
        return;
    }
    std::string why = std::move(problem_);
    if (exchange("ROLLBACK", nullptr).has_error()) {
        connection_.reset();
    }
    problem_ = std::move(why);
}

result<void> PostgresLink::announce() {
    const auto rows = run("SELECT pg_catalog.pg_notify('vitrine_access', '')", {});
    return rows.has_error() ? result<void>(rows.error()) : result<void>();
}

result<std::int64_t> PostgresLink::version() {
    const auto found =
        run("SELECT n.oid IS NOT NULL, count(c.oid), count(*) FILTER (WHERE c.relname = "
            "'vitrine_store') FROM (SELECT pg_catalog.to_regnamespace('vitrine_access') AS oid) n "
            "LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid GROUP BY n.oid",
            {});
    if (found.has_error()) {
        return found.error();
    }
    const auto& row = found->rows.front();
    if (row[0] == "f") {
        if (const auto made = run_script("CREATE SCHEMA vitrine_access"); made.has_error()) {
            return made.error();
        }
        return 0;
    }
    if (row[1] == "0") {
        return 0;
    }
    if (row[2] == "0") {
        problem_ =
            "the schema vitrine_access of the store's PostgreSQL has other tables in it; "
            "name another database for access.store";
        return StoreError::kCorrupt;
    }
    const auto version = run("SELECT version FROM vitrine_store", {});
    if (version.has_error()) {
        return version.error();
    }
    if (version->rows.size() != 1) {
        return StoreError::kCorrupt;
    }
    return std::stoll(version->rows.front().front());
}

void PostgresLink::drain_notifications() {
    while (connection_ && Notification(PQnotifies(connection_.get()))) {
    }
}

void PostgresLink::wait(int wake, milliseconds most) {
    // One may have come with the answer to the last question, and could be about what was committed
    // after it.
    if (connection_ && Notification(PQnotifies(connection_.get()))) {
        drain_notifications();
        return;
    }
    pollfd descriptors[] = {{wake, POLLIN, 0},
                            {connection_ ? PQsocket(connection_.get()) : -1, POLLIN, 0}};
    (void)poll(descriptors, 2, static_cast<int>(most.count()));
    if (descriptors[1].revents != 0) {
        if (PQconsumeInput(connection_.get()) == 0) {
            (void)lost();
        }
        drain_notifications();
    }
}

}  // namespace

result<std::unique_ptr<Store>> open_postgres_store(const std::string& uri, std::string& error) {
    if (!Options(PQconninfoParse(uri.c_str(), nullptr))) {
        // libpq's own words would show a piece of the URI.
        error =
            "access.store is no address that libpq understands; write "
            "postgres://user:password@host:5432/database, and what is no letter or digit in the "
            "password as %XX";
        return StoreError::kUnavailable;
    }
    auto calls = std::make_unique<PostgresLink>(uri, false);
    if (const auto done = migrate(*calls); done.has_error()) {
        error = !calls->problem().empty()
                    ? calls->problem()
                    : "the store's PostgreSQL is of no use: " + done.error().message();
        return done.error();
    }
    return std::make_unique<SqlStore>(std::move(calls), std::make_unique<PostgresLink>(uri, true),
                                      limits::kPostgresPoll);
}

}  // namespace vitrine::auth
