// The store in one file. In WAL mode a reader never waits for a writer, and whoever is killed, at
// any moment, leaves behind a file that the next one to open it brings to the last commit.
//
// NB: this process must never open and close the file itself while a connection to it is open:
// POSIX takes away all locks of a process on a file with the first descriptor that is closed
// (https://sqlite.org/howtocorrupt.html, section 2.2).
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "auth/store/sql_store.h"
#include "config/limits.h"

namespace vitrine::auth {
namespace {

using std::chrono::milliseconds;

struct SqliteDeleter {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, SqliteDeleter>;
using Statement = std::unique_ptr<sqlite3_stmt, SqliteDeleter>;

StoreError error_of(int code) {
    switch (code & 0xff) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_SCHEMA:
        case SQLITE_MISMATCH:
        case SQLITE_CONSTRAINT:
        case SQLITE_ERROR:  // a table or a column that is not there
            return StoreError::kCorrupt;
        default:
            return StoreError::kUnavailable;
    }
}

std::string way_out(int code) {
    switch (code & 0xff) {
        case SQLITE_FULL:
            return "make room on its disk";
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return "another process keeps it locked; end that";
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
            return "the user that vitrine runs as must be able to write the file and its directory";
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
            return "it is no store of vitrine's, or damaged: name another file, or restore a "
                   "backup";
        default:
            return "look at its disk";
    }
}

class SqliteLink : public SqlLink {
  public:
    explicit SqliteLink(std::filesystem::path file) : file_(std::move(file)) {}

    result<void> open();

    result<Rows> run(const char* sql, Parameters parameters) override;
    result<void> run_script(const char* sql) override;
    result<void> begin() override { return nothing_of(run("BEGIN IMMEDIATE", {})); }
    result<void> commit() override { return nothing_of(run("COMMIT", {})); }
    void roll_back() override;
    result<void> announce() override { return {}; }
    result<std::int64_t> version() override;
    void wait(int wake, milliseconds most) override;
    [[nodiscard]] std::string items_of(std::string_view list) const override {
        return "json_each(" + std::string(list) + ")";
    }
    [[nodiscard]] const std::string& problem() const override { return problem_; }

  private:
    static result<void> nothing_of(const result<Rows>& rows) {
        return rows.has_error() ? result<void>(rows.error()) : result<void>();
    }
    result<sqlite3_stmt*> prepared(const char* sql, Parameters parameters);
    result<void> to_wal();
    // Whether the file is no longer at its place: what is written to it would be lost, and what
    // another process writes to the new one (a revocation) unseen.
    [[nodiscard]] bool is_gone() const;
    // The last error of the connection, with its sentence.
    StoreError failed(int code);

    const std::filesystem::path file_;
    Database database_;
    // By the address of the text, which is a constant. After the connection: they end before it.
    std::unordered_map<const char*, Statement> statements_;
    std::string problem_;
};

StoreError SqliteLink::failed(int code) {
    problem_ = "the store " + file_.string() +
               " failed: " + (database_ ? sqlite3_errmsg(database_.get()) : sqlite3_errstr(code)) +
               "; " + way_out(code);
    return error_of(code);
}

result<sqlite3_stmt*> SqliteLink::prepared(const char* sql, Parameters parameters) {
    Statement& statement = statements_[sql];
    if (!statement) {
        sqlite3_stmt* made = nullptr;
        const int code =
            sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
        statement.reset(made);
        if (code != SQLITE_OK) {
            return failed(code);
        }
    }
    int number = 0;
    for (const Parameter& parameter : parameters) {
        const std::string name = "$" + std::to_string(++number);
        const int place = sqlite3_bind_parameter_index(statement.get(), name.c_str());
        int code = SQLITE_OK;
        if (const auto* const integer = std::get_if<std::int64_t>(&parameter)) {
            code = sqlite3_bind_int64(statement.get(), place, *integer);
        } else {
            const std::string_view text = std::get<std::string_view>(parameter);
            // Not null: an empty text is a text.
            code = sqlite3_bind_text64(statement.get(), place, text.empty() ? "" : text.data(),
                                       text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
        }
        if (code != SQLITE_OK) {
            return failed(code);
        }
    }
    return statement.get();
}

bool SqliteLink::is_gone() const {
    int gone = 0;
    return sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &gone) !=
               SQLITE_OK ||
           gone != 0;
}

result<Rows> SqliteLink::run(const char* sql, Parameters parameters) {
    problem_.clear();
    if (sqlite3_get_autocommit(database_.get()) != 0 && is_gone()) {
        problem_ = "the store " + file_.string() +
                   " was moved, deleted or replaced while it was open; put it back, and start "
                   "vitrine again";
        return StoreError::kUnavailable;
    }
    const auto statement = prepared(sql, parameters);
    if (statement.has_error()) {
        return statement.error();
    }
    // Whatever happens, no statement stays open: it would keep its snapshot.
    const auto reset = [](sqlite3_stmt* each) {
        sqlite3_reset(each);
        sqlite3_clear_bindings(each);
    };
    const std::unique_ptr<sqlite3_stmt, decltype(reset)> running(*statement, reset);
    Rows rows;
    for (;;) {
        const int code = sqlite3_step(running.get());
        if (code == SQLITE_DONE) {
            rows.changed = sqlite3_changes64(database_.get());
            return rows;
        }
        if (code != SQLITE_ROW) {
            return failed(code);
        }
        auto& row = rows.rows.emplace_back();
        for (int i = 0; i < sqlite3_column_count(running.get()); ++i) {
            const auto* const text = sqlite3_column_text(running.get(), i);
            const int size = sqlite3_column_bytes(running.get(), i);
            row.emplace_back(text == nullptr ? "" : reinterpret_cast<const char*>(text),
                             text == nullptr ? 0 : static_cast<std::size_t>(size));
        }
    }
}

result<void> SqliteLink::run_script(const char* sql) {
    problem_.clear();
    const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? result<void>() : result<void>(failed(code));
}

void SqliteLink::roll_back() {
    // Some errors (a full disk) have rolled back already. The sentence of what went wrong stays.
    if (sqlite3_get_autocommit(database_.get()) == 0) {
        (void)sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

result<std::int64_t> SqliteLink::version() {
    const auto tables =
        run("SELECT count(*), coalesce(sum(name = 'vitrine_store'), 0) FROM sqlite_schema "
            "WHERE type = 'table'",
            {});
    if (tables.has_error()) {
        return tables.error();
    }
    if (tables->rows.front()[0] == "0") {
        return 0;
    }
    if (tables->rows.front()[1] == "0") {
        problem_ = "the file " + file_.string() +
                   " is another program's database; name one of its own for access.store";
        return StoreError::kCorrupt;
    }
    const auto version = run("SELECT CAST(version AS INTEGER) FROM vitrine_store", {});
    if (version.has_error()) {
        return version.error();
    }
    if (version->rows.size() != 1) {
        return StoreError::kCorrupt;
    }
    return std::stoll(version->rows.front().front());
}

// The mode stays with the file. To switch needs the file alone for a moment, and SQLite does not
// wait for that by itself.
result<void> SqliteLink::to_wal() {
    const auto deadline = std::chrono::steady_clock::now() + limits::kStoreLockedMax;
    for (;;) {
        const auto mode = run("PRAGMA journal_mode = WAL", {});
        if (!mode.has_error()) {
            if (mode->rows.size() == 1 && mode->rows.front().front() == "wal") {
                return {};
            }
            problem_ = "the store " + file_.string() +
                       " cannot have a write-ahead log; put it on a local file system";
            return StoreError::kUnavailable;
        }
        if (sqlite3_errcode(database_.get()) != SQLITE_BUSY ||
            std::chrono::steady_clock::now() > deadline) {
            return mode.error();
        }
        std::this_thread::sleep_for(milliseconds(5));
    }
}

result<void> SqliteLink::open() {
    sqlite3* made = nullptr;
    const int code = sqlite3_open_v2(
        file_.c_str(), &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    database_.reset(made);
    if (code != SQLITE_OK) {
        return failed(code);
    }
    sqlite3_busy_timeout(database_.get(),
                         static_cast<int>(milliseconds(limits::kStoreLockedMax).count()));
    // No code from a damaged or malicious schema.
    sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    // Another program's file is found out before its mode would be changed.
    if (const auto found = version(); found.has_error()) {
        return found.error();
    }
    if (auto done = to_wal(); done.has_error()) {
        return done;
    }
    // FULL: the log is synced at each commit. NORMAL, which many use with WAL, syncs it only
    // before a checkpoint: after a power cut the last commits would be gone, among them revocations
    // and tokens that were used up.
    return run_script("PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON;");
}

void SqliteLink::wait(int wake, milliseconds most) {
    pollfd descriptor{wake, POLLIN, 0};
    (void)poll(&descriptor, 1, static_cast<int>(most.count()));
}

// Makes the file where there is none, and looks whether it is closed to others. Empty: all is well.
std::string file_problem(const std::filesystem::path& file) {
    const auto because = [&](const char* what) {
        return std::string(what) + " the store " + file.string() + ": " +
               std::generic_category().message(errno);
    };
    const int made = open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made >= 0) {
        close(made);  // nobody else can have a lock on it yet
    } else if (errno != EEXIST) {
        return because("cannot make") + "; make its directory, for the user vitrine runs as";
    }
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) {
        return because("cannot look at");
    }
    if (!S_ISREG(status.st_mode)) {
        return "the store " + file.string() + " is no file; name one for access.store";
    }
    if ((status.st_mode & 077U) != 0) {
        return "the store " + file.string() +
               " is open to others than its owner; close it with chmod 600";
    }
    return {};
}

}  // namespace

result<std::unique_ptr<Store>> open_sqlite_store(const std::filesystem::path& file,
                                                 std::string& error) {
    error = file_problem(file);
    if (!error.empty()) {
        return StoreError::kUnavailable;
    }
    auto calls = std::make_unique<SqliteLink>(file);
    auto waiting = std::make_unique<SqliteLink>(file);
    auto done = calls->open();
    if (!done.has_error()) {
        done = migrate(*calls);
    }
    if (!done.has_error()) {
        done = waiting->open();
    }
    if (done.has_error()) {
        error = !calls->problem().empty() ? calls->problem()
                : !waiting->problem().empty()
                    ? waiting->problem()
                    : "the store " + file.string() + " is of no use: " + done.error().message();
        return done.error();
    }
    return std::make_unique<SqlStore>(std::move(calls), std::move(waiting), limits::kSqlitePoll);
}

}  // namespace vitrine::auth
