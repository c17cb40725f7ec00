#include "proxy/net/database.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <stdexcept>

#include "config/files.h"
#include "config/limits.h"
#include "parser/catalog/loader.h"
#include "parser/masking/rights.h"
#include "proxy/session/server_login.h"

namespace vitrine::net {

namespace {

struct PqDeleter {
    void operator()(PGconn* connection) const { PQfinish(connection); }
    void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, PqDeleter>;
using Result = std::unique_ptr<PGresult, PqDeleter>;

const char* sslmode(config::TlsMode mode) {
    switch (mode) {
        case config::TlsMode::kDisable:
            return "disable";
        case config::TlsMode::kRequire:
            return "require";
        case config::TlsMode::kVerifyCa:
            return "verify-ca";
        case config::TlsMode::kVerifyFull:
            return "verify-full";
    }
    return "verify-full";
}

std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

Connection connect(const config::Database& database, std::string_view more_options) {
    std::string hosts;
    std::string ports;
    for (const auto& server : database.servers) {
        hosts += (hosts.empty() ? "" : ",") + server.host;
        ports += (ports.empty() ? "" : ",") + std::to_string(server.port);
    }
    const bool verify = database.tls_mode == config::TlsMode::kVerifyCa ||
                        database.tls_mode == config::TlsMode::kVerifyFull;
    const std::string ca = !verify                   ? ""
                           : database.tls_ca.empty() ? config::kSystemCertificates
                                                     : database.tls_ca.string();
    const std::string password(database.password.reveal());
    // lock_timeout: a catalog that somebody locks is not waited for.
    const std::string options =
        "-c default_transaction_read_only=on -c statement_timeout=30s -c lock_timeout=5s " +
        std::string(more_options);
    const std::string timeout = std::to_string(limits::kServerConnectMax.count());
    const std::array keywords = {"host",
                                 "port",
                                 "dbname",
                                 "user",
                                 "password",
                                 "sslmode",
                                 "sslrootcert",
                                 "application_name",
                                 "passfile",
                                 "options",
                                 "connect_timeout",
                                 "gssencmode",
                                 "client_encoding",
                                 static_cast<const char*>(nullptr)};
    const std::array values = {hosts.c_str(),
                               ports.c_str(),
                               database.dbname.c_str(),
                               database.user.c_str(),
                               password.c_str(),
                               sslmode(database.tls_mode),
                               ca.c_str(),
                               "vitrine catalog",
                               "/dev/null",
                               options.c_str(),
                               timeout.c_str(),
                               "disable",
                               "UTF8",
                               static_cast<const char*>(nullptr)};
    return Connection(PQconnectdbParams(keywords.data(), values.data(), 0));
}

// Rows of one query, each field a text; nothing and a sentence in `error` where that fails.
std::optional<std::vector<std::vector<std::string>>> ask(const config::Database& database,
                                                         const char* sql, std::string& error) {
    const Connection connection = connect(database, {});
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        error = one_line(PQerrorMessage(connection.get()));
        return std::nullopt;
    }
    const Result result(PQexec(connection.get(), sql));
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
        error = one_line(PQerrorMessage(connection.get()));
        return std::nullopt;
    }
    std::vector<std::vector<std::string>> rows;
    for (int i = 0; i < PQntuples(result.get()); ++i) {
        auto& row = rows.emplace_back();
        for (int j = 0; j < PQnfields(result.get()); ++j) {
            row.emplace_back(PQgetvalue(result.get(), i, j));
        }
    }
    return rows;
}

// One row a power that a reading role should not have, in words.
// For the backends of kept connections to be gone.
constexpr std::chrono::milliseconds kRoomMadeIn{300};

constexpr const char* kRoleQuery = R"(
SELECT 'is a superuser' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper
UNION ALL
SELECT 'may use replication' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolreplication
UNION ALL
SELECT 'may bypass row-level security' FROM pg_catalog.pg_roles
 WHERE rolname = current_user AND rolbypassrls
UNION ALL
SELECT 'may create roles' FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolcreaterole
UNION ALL
SELECT 'is a member of ' || r.rolname FROM pg_catalog.pg_roles r
 WHERE r.rolname IN ('pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                     'pg_execute_server_program', 'pg_signal_backend', 'pg_checkpoint')
   AND pg_catalog.pg_has_role(current_user, r.oid, 'member')
   AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 'may create schemas in the database'
 WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
UNION ALL
SELECT 'may create temporary tables in the database (REVOKE TEMPORARY … FROM PUBLIC)'
 WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
UNION ALL
SELECT pg_catalog.format('may create objects in schema %I', n.nspname)
  FROM pg_catalog.pg_namespace n
 WHERE n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')
UNION ALL
(SELECT pg_catalog.format('may write to %I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
 ORDER BY 1 LIMIT 10))";

// Behind the rights that are needed: which of them are not there, and the GRANTs that give them.
// What the role may not read as the server has it is no business of vitrine's, so that the relation
// itself must be readable.
constexpr const char* kRightsQuery = R"()
SELECT needed.n, pg_catalog.concat_ws('; ',
       CASE WHEN NOT usable
            THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', s.nspname, current_user) END,
       CASE WHEN missing IS NOT NULL OR NOT readable
            THEN pg_catalog.format('GRANT SELECT%s ON %I.%I TO %I', ' (' || missing || ')',
                                   s.nspname, c.relname, current_user) END)
  FROM needed
  JOIN pg_catalog.pg_class c ON c.oid = needed.reads
  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
  JOIN pg_catalog.pg_class b ON b.oid = needed.by
 CROSS JOIN LATERAL
       (SELECT pg_catalog.has_schema_privilege(s.oid, 'USAGE'),
               pg_catalog.has_any_column_privilege(c.oid, 'SELECT')) AS may (usable, readable)
 CROSS JOIN LATERAL
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum = ANY (needed.columns) AND readable
           AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')) AS m (missing)
 WHERE pg_catalog.has_schema_privilege(b.relnamespace, 'USAGE')
   AND pg_catalog.has_any_column_privilege(b.oid, 'SELECT')
   AND (NOT usable OR NOT readable OR missing IS NOT NULL)
 ORDER BY needed.n)";

}  // namespace

std::string version_problem(const config::Database& database, int major) {
    if (session::version_is_taken(major, database.server_version)) {
        return {};
    }
    const std::string version = std::to_string(major);
    const std::string grammar = std::to_string(session::kGrammarVersion);
    return "the server is PostgreSQL " + version + ", and this vitrine reads SQL as PostgreSQL " +
           grammar + " does: a newer server may read a statement differently; to go on all the " +
           "same, write server_version: " + version + " under databases." + database.name;
}

std::string version_warning(const config::Database& database, int major) {
    if (major <= session::kGrammarVersion) {
        return {};
    }
    const std::string version = std::to_string(major);
    const std::string grammar = std::to_string(session::kGrammarVersion);
    return "the server is PostgreSQL " + version + ", as databases." + database.name +
           ".server_version says, and statements are read as PostgreSQL " + grammar +
           " reads them: what is new in " + version +
           " is refused, and what it reads differently is not noticed";
}

bool load_search_path(const config::Database& database, std::vector<std::string>& path,
                      std::string& error) {
    const auto rows =
        ask(database, "SELECT n FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) n", error);
    if (!rows) {
        return false;
    }
    path.clear();
    for (const auto& row : *rows) {
        path.push_back(row.front());
    }
    return true;
}

std::vector<std::string> role_warnings(const config::Database& database, std::string& error) {
    std::vector<std::string> warnings;
    if (const auto rows = ask(database, kRoleQuery, error)) {
        for (const auto& row : *rows) {
            warnings.push_back("the service role \"" + database.user + "\" " + row.front());
        }
    }
    return warnings;
}

std::vector<std::string> rights_warnings(const config::Database& database,
                                         const parser::Policy& policy, std::string& error) {
    const std::vector<parser::NeededRight> needed = parser::rights_needed(policy);
    if (needed.empty()) {
        return {};
    }
    std::string sql = "WITH needed (n, by, reads, columns) AS (VALUES ";
    for (std::size_t i = 0; i < needed.size(); ++i) {
        sql += fmt::format(
            "{}({}, {}::pg_catalog.oid, {}::pg_catalog.oid, "
            "'{{{}}}'::pg_catalog.int2[])",
            i == 0 ? "" : ", ", i, needed[i].by->oid, needed[i].reads->oid,
            fmt::join(needed[i].columns, ","));
    }
    sql += kRightsQuery;
    std::vector<std::string> warnings;
    const auto rows = ask(database, sql.c_str(), error);
    for (const auto& row : rows.value_or(std::vector<std::vector<std::string>>{})) {
        const parser::NeededRight& right = needed[std::stoul(row[0])];
        const std::string relation = right.reads->schema + "." + right.reads->name;
        warnings.push_back(
            right.by == right.reads
                ? fmt::format("{} has masked columns and is read with all of its columns, some of "
                              "which the service role may not read: {}",
                              relation, row[1])
                : fmt::format("the view {}.{} is over masked columns and is read by its "
                              "definition, with the service role's rights in place of its owner's, "
                              "and that role may not read {}: {}",
                              right.by->schema, right.by->name, relation, row[1]));
    }
    return warnings;
}

std::vector<parser::PolicyWarning> database_warnings(
    const config::Config& config, const config::Database& database,
    const std::shared_ptr<const parser::CatalogSnapshot>& catalog) {
    std::vector<parser::PolicyWarning> warnings;
    const auto policy =
        parser::compile_policy(catalog, config.masking.rules, config.functions, {}, &warnings);
    const auto add = [&](std::string text) {
        warnings.push_back({std::move(text), database.position});
    };
    std::string error;
    for (auto& warning : role_warnings(database, error)) {
        add(std::move(warning));
    }
    if (error.empty()) {
        for (auto& warning : rights_warnings(database, *policy, error)) {
            add(std::move(warning));
        }
    }
    if (!error.empty()) {
        add("the service role could not be looked at: " + error);
    }
    return warnings;
}

std::shared_ptr<const parser::CatalogSnapshot> load_catalog(const config::Database& database,
                                                            std::string& error,
                                                            bool* version_refused) {
    const Connection connection = connect(database, "-c search_path=pg_catalog");
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        error = one_line(PQerrorMessage(connection.get()));
        return nullptr;
    }
    error = version_problem(database, PQserverVersion(connection.get()) / 10000);
    if (!error.empty()) {
        if (version_refused != nullptr) {
            *version_refused = true;
        }
        return nullptr;
    }
    const auto run = [&](std::string_view sql) {
        Result result(PQexec(connection.get(), std::string(sql).c_str()));
        const ExecStatusType status = PQresultStatus(result.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            error = one_line(PQerrorMessage(connection.get()));
            result.reset();
        }
        return result;
    };
    if (!run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")) {
        return nullptr;
    }
    parser::SnapshotBuilder builder;
    const auto queries = parser::catalog_queries();
    std::vector<std::optional<std::string_view>> row;
    for (std::size_t query = 0; query < queries.size(); ++query) {
        const Result result = run(queries[query].sql);
        if (!result) {
            error = "loading " + std::string(queries[query].name) + ": " + error;
            return nullptr;
        }
        const int rows = PQntuples(result.get());
        const int fields = PQnfields(result.get());
        row.resize(static_cast<std::size_t>(fields));
        for (int i = 0; i < rows; ++i) {
            for (int j = 0; j < fields; ++j) {
                row[static_cast<std::size_t>(j)] =
                    PQgetisnull(result.get(), i, j)
                        ? std::nullopt
                        : std::optional<std::string_view>(std::in_place,
                                                          PQgetvalue(result.get(), i, j),
                                                          PQgetlength(result.get(), i, j));
            }
            if (!builder.add(query, row)) {
                break;  // finish() says why
            }
        }
    }
    return builder.finish(error);
}

DatabaseSettings Database::make_settings(std::shared_ptr<const config::Config> config,
                                         const std::string& name) {
    DatabaseSettings settings;
    settings.database = &config->databases.at(name);
    settings.config = std::move(config);
    if (settings.database->tls_mode != config::TlsMode::kDisable) {
        settings.server_tls = std::shared_ptr<SSL_CTX>(
            make_server_context(*settings.database).release(), SslContextDeleter());
    }
    return settings;
}

Database::Database(std::shared_ptr<const config::Config> config, const std::string& name,
                   std::function<bool()> make_room)
    : settings_(make_settings(std::move(config), name)),
      make_room_(std::move(make_room)),
      thread_([this] { run(); }) {}

Database::~Database() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void Database::reconfigure(DatabaseSettings settings) {
    {
        const std::lock_guard lock(mutex_);
        settings_ = std::move(settings);
        retired_ = false;
        policies_.clear();
        ++changes_;
        ++generation_;
        // Another server may stand behind the same name now: the old catalog is not believed any
        // longer than it takes to load the new one.
        waiting_.emplace_back([] {});
    }
    wake_.notify_all();
}

void Database::retire() {
    const std::lock_guard lock(mutex_);
    retired_ = true;
    ++changes_;
}

DatabaseSettings Database::settings() const {
    const std::lock_guard lock(mutex_);
    return settings_;
}

std::string Database::catalog_error() const {
    const std::lock_guard lock(mutex_);
    return catalog_error_;
}

Database::Newest Database::newest(const std::vector<std::string>& groups) {
    const std::lock_guard lock(mutex_);
    Newest found{.until = loaded_at_ + limits::kCatalogAgeMax, .changes = changes_};
    if (retired_ || !catalog_ || std::chrono::steady_clock::now() > found.until) {
        return {};
    }
    const auto& rules = settings_.config->masking.rules;
    std::set<std::string> named;
    for (const auto& rule : rules.rules) {
        named.insert(rule.except_groups.begin(), rule.except_groups.end());
    }
    for (const auto& rule : rules.rows) {
        named.insert(rule.except_groups.begin(), rule.except_groups.end());
    }
    std::vector<std::string> key;
    for (const auto& group : groups) {
        if (named.contains(group)) {
            key.push_back(group);
        }
    }
    std::ranges::sort(key);
    auto& policy = policies_[key];
    if (!policy) {
        policy = parser::compile_policy(catalog_, rules, settings_.config->functions, key);
    }
    found.policy = policy;
    return found;
}

std::shared_ptr<const parser::Policy> NewestPolicy::operator()() {
    if (newest_.changes != database_->changes() ||
        std::chrono::steady_clock::now() > newest_.until) {
        newest_ = database_->newest(groups_);
    }
    return newest_.policy;
}

std::string Database::version_refusal(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    first_load_ended_.wait_until(lock, deadline, [this] { return first_load_.has_value(); });
    return first_load_.value_or(std::string{});
}

void Database::refresh(std::function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(done));
    }
    wake_.notify_all();
}

wire::SaltedPassword Database::salted(const config::Database& database, std::string_view salt,
                                      std::uint32_t iterations) {
    const std::pair<std::string, std::uint32_t> key(salt, iterations);
    {
        const std::lock_guard lock(mutex_);
        if (salted_generation_ != generation_) {
            salted_.clear();
            salted_generation_ = generation_;
        }
        // `database` may be of a configuration before a reload, with another password.
        if (settings_.database == &database) {
            if (const auto kept = salted_.find(key); kept != salted_.end()) {
                return {kept->second};
            }
        }
    }
    wire::SaltedPassword derived =
        wire::salted_password(database.password.reveal(), salt, iterations);
    const std::lock_guard lock(mutex_);
    // A server has one salt a role; a few servers behind one name have a few.
    if (settings_.database == &database && salted_.size() < 64) {
        salted_[key] = derived.bytes;
    }
    return derived;
}

// Each once, as long as it is so.
void Database::warn(const DatabaseSettings& settings,
                    const std::shared_ptr<const parser::CatalogSnapshot>& catalog) {
    auto warnings = database_warnings(*settings.config, *settings.database, catalog);
    for (const parser::PolicyWarning& warning : warnings) {
        if (std::ranges::find(warnings_, warning) == warnings_.end()) {
            spdlog::warn("database {}: {}", settings.database->name, warning.text);
        }
    }
    warnings_ = std::move(warnings);
}

void Database::run() {
    auto next = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    auto not_before = next;
    while (!stop_) {
        wake_.wait_until(lock, next, [this] { return stop_ || !waiting_.empty(); });
        if (wake_.wait_until(lock, not_before, [this] { return stop_; })) {
            break;
        }
        auto waiting = std::exchange(waiting_, {});
        const DatabaseSettings settings = settings_;
        const std::uint64_t generation = generation_;
        lock.unlock();

        const auto began = std::chrono::steady_clock::now();
        std::string error;
        bool version_refused = false;
        auto catalog = load_catalog(*settings.database, error, &version_refused);
        if (!catalog && !version_refused && make_room_ && make_room_()) {
            // Their backends are gone in a moment.
            std::this_thread::sleep_for(kRoomMadeIn);
            catalog = load_catalog(*settings.database, error, &version_refused);
        }

        ++(catalog ? catalog_loads_ : catalog_failures_);
        lock.lock();
        const std::string& name = settings.database->name;
        std::shared_ptr<const parser::CatalogSnapshot> news;  // to be held against the rules
        if (!first_load_) {
            first_load_ = version_refused ? error : std::string{};
            first_load_ended_.notify_all();
        }
        if (catalog && generation == generation_) {
            if (!catalog_) {
                spdlog::info("database {}: catalog loaded, {} relations", name,
                             catalog->relations().size());
            }
            if (!catalog_ || catalog_->server_version() != catalog->server_version()) {
                const std::string warning =
                    version_warning(*settings.database, catalog->server_version() / 10000);
                if (!warning.empty()) {
                    spdlog::warn("database {}: {}", name, warning);
                }
            }
            loaded_at_ = began;
            catalog_error_.clear();
            if (!catalog_ || catalog_->fingerprint() != catalog->fingerprint()) {
                catalog_ = std::move(catalog);
                policies_.clear();
                ++changes_;
                news = catalog_;
            } else if (warned_generation_ != generation) {
                news = catalog_;
            }
            warned_generation_ = generation;
        } else if (!catalog) {
            if (catalog_error_ != error) {
                spdlog::error("database {}: cannot load the catalog: {}", name, error);
            }
            catalog_error_ = error;
        }
        if (generation != generation_) {
            // Reconfigured in between: what was asked for is answered by the next load.
            waiting_.insert(waiting_.end(), std::make_move_iterator(waiting.begin()),
                            std::make_move_iterator(waiting.end()));
            waiting.clear();
        }
        next = began + limits::kCatalogRefresh;
        not_before = std::chrono::steady_clock::now() + limits::kCatalogRefreshMin;
        lock.unlock();
        for (const auto& done : waiting) {
            done();
        }
        if (news != nullptr) {
            warn(settings, news);
        }
        lock.lock();
    }
    const auto waiting = std::exchange(waiting_, {});
    lock.unlock();
    for (const auto& done : waiting) {
        done();
    }
}

}  // namespace vitrine::net
