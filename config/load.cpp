#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <set>
#include <system_error>

#include "config/access.h"
#include "config/config.h"
#include "config/document.h"
#include "config/export.h"
#include "config/files.h"
#include "config/issuers.h"
#include "config/key_files.h"
#include "config/keys.h"
#include "config/limits.h"
#include "config/masking.h"
#include "config/patterns.h"
#include "config/utf8.h"
#include "config/values.h"

namespace vitrine::config {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

// Beyond these a value is a slip, not a wish.
constexpr seconds kLoginTimeoutMax = hours(1);
constexpr seconds kServerIdleMax = hours(1);
constexpr seconds kDurationMax = hours(24 * 36500);
constexpr std::uint64_t kConnectionsMax = 1000000;
constexpr std::uint64_t kWorkersMax = 1024;

void read_certificate_and_key(Reader& reader, Fields& fields, ListenTls& tls) {
    std::optional<std::string> chain;
    if (const auto value = fields.require(
            "certificate", "name the PEM file of the server's certificate and its chain")) {
        if (const auto path = read_path(reader, *value)) {
            tls.certificate = *path;
            chain = read_named_file(reader, *value, *path);
        }
        const auto problem = chain ? chain_problem(*chain) : std::nullopt;
        if (problem) {
            reader.problem(*value, *problem);
            chain.reset();
        }
    }
    const auto value = fields.require("key", "name the PEM file of the certificate's private key");
    if (!value) {
        return;
    }
    const auto path = read_path(reader, *value);
    if (!path) {
        return;
    }
    tls.key = *path;
    auto pem = read_named_file(reader, *value, *path);
    if (!pem) {
        return;
    }
    const Secret key(std::move(*pem));
    if (const auto problem = tls_key_problem(key.reveal())) {
        reader.problem(*value, *problem);
    } else if (chain && !key_fits(*chain, key.reveal())) {
        reader.problem(*value,
                       "does not belong to listen.tls.certificate; name the key that the "
                       "certificate was made for");
    }
}

void read_listen_tls(Reader& reader, const Value& value, ListenTls& tls) {
    Fields fields(reader, value, {"certificate", "key", "min_version", "client_ca"});
    read_certificate_and_key(reader, fields, tls);
    if (const auto version = fields.find("min_version")) {
        tls.min_version = read_word(reader, *version, {"1.2", "1.3"}) == 1
                              ? ListenTls::Version::kTls13
                              : ListenTls::Version::kTls12;
    }
    if (const auto client_ca = fields.find("client_ca")) {
        read_certificates(reader, *client_ca, tls.client_ca);
    }
}

void read_listen(Reader& reader, const Value& value, Listen& listen) {
    Fields fields(reader, value, {"address", "tls", "max_connections", "login_timeout", "workers"});
    if (const auto address = fields.find("address")) {
        if (auto read = read_address(reader, *address)) {
            listen.address = std::move(read->host);
            listen.port = read->port;
        }
    }
    if (const auto tls = fields.require(
            "tls", "TLS is required: write tls: {certificate: server.crt, key: server.key}")) {
        read_listen_tls(reader, *tls, listen.tls);
    }
    if (const auto most = fields.find("max_connections")) {
        listen.max_connections =
            static_cast<unsigned>(read_integer(reader, *most, 1, kConnectionsMax).value_or(1));
    }
    if (const auto timeout = fields.find("login_timeout")) {
        listen.login_timeout =
            read_duration(reader, *timeout, kLoginTimeoutMax).value_or(seconds(1));
    }
    if (const auto workers = fields.find("workers")) {
        listen.workers =
            static_cast<unsigned>(read_integer(reader, *workers, 0, kWorkersMax).value_or(0));
    }
}

void read_database_tls(Reader& reader, const Value& value, Database& database) {
    const Fields fields(reader, value, {"mode", "ca"});
    if (const auto mode = fields.find("mode")) {
        const auto word =
            read_word(reader, *mode, {"disable", "require", "verify-ca", "verify-full"});
        database.tls_mode = word ? static_cast<TlsMode>(*word) : TlsMode::kVerifyFull;
    }
    const auto ca = fields.find("ca");
    if (!ca) {
        return;
    }
    read_certificates(reader, *ca, database.tls_ca);
    if (database.tls_mode == TlsMode::kDisable || database.tls_mode == TlsMode::kRequire) {
        reader.problem(*ca,
                       "is not looked at in this mode; write mode: verify-full, or leave the "
                       "ca out");
    }
}

void read_servers(Reader& reader, const Value& value, Database& database) {
    for (const Value& item : read_list(reader, value, "name a server: host:port")) {
        if (auto server = read_address(reader, item)) {
            const bool twice = std::any_of(
                database.servers.begin(), database.servers.end(), [&](const ServerAddress& other) {
                    return other.host == server->host && other.port == server->port;
                });
            if (twice) {
                reader.problem(item, "names a server a second time; leave one of them out");
            }
            database.servers.push_back(std::move(*server));
        }
    }
}

// A name that PostgreSQL can have, and that a client can write after dbname=.
bool valid_name(std::string_view name) {
    return !name.empty() && name.size() <= limits::kNameBytesMax && is_printable(name) &&
           name.front() != ' ' && name.back() != ' ';
}

std::string read_name(Reader& reader, const Value& value) {
    const auto name = read_text(reader, value);
    if (name && !valid_name(*name)) {
        reader.problem(value,
                       "is not a name that PostgreSQL can have; write at most 63 bytes, "
                       "without blanks at the ends");
    }
    return name.value_or("");
}

Database read_database(Reader& reader, const std::string& name, const Value& value) {
    Database database;
    database.name = name;
    database.dbname = name;
    database.position = reader.position(*value.key);
    if (!valid_name(name) || name == "*") {
        reader.problem_at(*value.key, "databases has the name " + shown(name) +
                                          "; write at most 63 bytes, without control characters "
                                          "and blanks at the ends");
    }
    Fields fields(reader, value,
                  {"servers", "prefer", "dbname", "user", "password", "tls", "server_version",
                   "server_idle"});
    if (const auto servers = fields.require("servers", "name one: servers: [host:port]")) {
        read_servers(reader, *servers, database);
    }
    if (const auto prefer = fields.find("prefer")) {
        const auto word = read_word(reader, *prefer, {"any", "primary", "standby"});
        if (word && *word != 0) {
            reader.problem_at(*prefer->node, prefer->path + ": " + prefer->node->text +
                                                 " is not supported yet; write any");
        }
    }
    if (const auto dbname = fields.find("dbname")) {
        database.dbname = read_name(reader, *dbname);
    }
    if (const auto user = fields.require("user", "name the role that vitrine logs in as")) {
        database.user = read_name(reader, *user);
    }
    if (const auto password = fields.find("password")) {
        if (auto secret = read_secret(reader, *password)) {
            database.password = std::move(*secret);
        }
    }
    if (const auto tls = fields.find("tls")) {
        read_database_tls(reader, *tls, database);
    }
    if (const auto version = fields.find("server_version")) {
        // From 10 on a major version is one number.
        database.server_version =
            static_cast<int>(read_integer(reader, *version, 10, 99).value_or(0));
    }
    if (const auto idle = fields.find("server_idle")) {
        database.server_idle = read_duration(reader, *idle, kServerIdleMax).value_or(seconds(0));
    }
    return database;
}

void read_databases(Reader& reader, const Value& value, Config& config) {
    const auto entries = read_named(reader, value);
    if (value.node->kind == Node::Kind::kMap && value.node->entries.empty()) {
        reader.problem_at_key(value, "is empty; name a database, with its servers and user");
    }
    for (const auto& [name, entry] : entries) {
        config.databases.emplace(name, read_database(reader, name, entry));
    }
}

void read_functions(Reader& reader, const Value& value, FunctionRules& functions) {
    const Fields fields(reader, value, {"allow"});
    const auto allow = fields.find("allow");
    if (!allow) {
        return;
    }
    for (const Value& item : read_list(reader, *allow)) {
        const auto text = read_text(reader, item);
        if (!text) {
            continue;
        }
        auto parsed = parse_function_pattern(*text);
        if (!parsed.problem.empty()) {
            reader.problem(item, "is " + shown(*text) + ", which " + parsed.problem);
            continue;
        }
        parsed.pattern.position = reader.position(*item.node);
        functions.allow.push_back(std::move(parsed.pattern));
    }
}

LedgerAnchor read_anchor(Reader& reader, const Value& value) {
    Fields fields(reader, value, {"directory", "command"});
    LedgerAnchor anchor;
    const auto directory = fields.find("directory");
    const auto command = fields.find("command");
    if (fields.is_map() && directory.has_value() == command.has_value()) {
        reader.problem_at(*value.node, value.path + " has " + (directory ? "both" : "neither") +
                                           " of directory and command; write one of them");
    }
    if (directory) {
        anchor.directory = read_path(reader, *directory).value_or(std::filesystem::path{});
    }
    if (command) {
        for (const Value& item : read_list(reader, *command, "write [/path/of/program, …]")) {
            anchor.command.push_back(read_text(reader, item).value_or(""));
            // No shell and no PATH: what runs is what was written.
            if (anchor.command.size() == 1 && !anchor.command[0].empty() &&
                !anchor.command[0].starts_with('/')) {
                reader.problem(item, "is " + shown(anchor.command[0]) +
                                         ", which is no absolute path; write /path/of/program");
            }
        }
    }
    return anchor;
}

void read_audit(Reader& reader, const Value& value, Audit& audit) {
    Fields fields(reader, value,
                  {"directory", "durability", "parameters", "signing_key", "anchor", "compress",
                   "retain", "retain_size", "export"});
    if (const auto directory = fields.require("directory", "name where the query log is written")) {
        if (const auto path = read_path(reader, *directory)) {
            audit.directory = *path;
            // It need not exist yet: whoever opens the log makes it.
            std::error_code error;
            const auto status = std::filesystem::status(*path, error);
            if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) {
                reader.problem(*directory, "names " + shown(path->string()) +
                                               ", which is not a directory; name another");
            }
        }
    }
    if (const auto durability = fields.find("durability")) {
        audit.durability = read_word(reader, *durability, {"write", "fsync"}) == 1
                               ? Durability::kFsync
                               : Durability::kWrite;
    }
    if (const auto parameters = fields.find("parameters")) {
        const auto word = read_word(reader, *parameters, {"full", "masked", "none"});
        audit.parameters = word == 2   ? Parameters::kNone
                           : word == 1 ? Parameters::kMasked
                                       : Parameters::kFull;
    }
    if (const auto retain = fields.find("retain")) {
        audit.retain = read_duration(reader, *retain, kDurationMax);
    }
    if (const auto size = fields.find("retain_size")) {
        audit.retain_bytes = read_size(reader, *size);
    }
    if (const auto compress = fields.find("compress")) {
        audit.compress = read_word(reader, *compress, {"true", "false"}) != 1;
    }
    if (const auto anchor = fields.find("anchor")) {
        audit.anchor = read_anchor(reader, *anchor);
    }
    if (const auto targets = fields.find("export")) {
        audit.export_to = read_export(reader, *targets);
    }
    if (const auto key = fields.find("signing_key")) {
        if (auto secret = read_ed25519_key(reader, *key)) {
            audit.signing_key = std::move(*secret);
        }
    }
}

void read_count(Reader& reader, const Fields& fields, std::string_view key,
                std::optional<std::uint64_t>& limit) {
    constexpr std::uint64_t kMost = 1000000000000;
    if (const auto count = fields.find(key)) {
        limit = read_integer(reader, *count, 1, kMost);
    }
}

LimitRule read_limit_rule(Reader& reader, const Value& value) {
    Fields fields(reader, value,
                  {"groups", "statement_timeout", "idle_timeout", "max_rows", "max_result_size",
                   "max_cost", "max_sessions", "logins_per_minute", "statements_per_minute",
                   "rows_per_hour", "bytes_per_hour"});
    LimitRule rule;
    if (const auto groups = fields.require("groups", "write groups: [\"*\"] for everybody")) {
        for (const Value& item : read_list(reader, *groups, "write [\"*\"] for everybody")) {
            rule.groups.push_back(read_text(reader, item).value_or(""));
        }
    }
    UserLimits& limits = rule.limits;
    if (const auto timeout = fields.find("statement_timeout")) {
        limits.statement_timeout = read_duration(reader, *timeout, kDurationMax);
    }
    if (const auto timeout = fields.find("idle_timeout")) {
        limits.idle_timeout = read_duration(reader, *timeout, kDurationMax);
    }
    read_count(reader, fields, "max_rows", limits.max_rows);
    read_count(reader, fields, "max_sessions", limits.max_sessions);
    read_count(reader, fields, "logins_per_minute", limits.logins_per_minute);
    read_count(reader, fields, "statements_per_minute", limits.statements_per_minute);
    read_count(reader, fields, "rows_per_hour", limits.rows_per_hour);
    if (const auto size = fields.find("bytes_per_hour")) {
        limits.bytes_per_hour = read_size(reader, *size);
    }
    if (const auto size = fields.find("max_result_size")) {
        limits.max_result_bytes = read_size(reader, *size);
    }
    if (const auto cost = fields.find("max_cost")) {
        limits.max_cost = read_positive(reader, *cost);
    }
    return rule;
}

void read_limits(Reader& reader, const Value& value, std::vector<LimitRule>& limits) {
    for (const Value& item : read_list(reader, value)) {
        limits.push_back(read_limit_rule(reader, item));
    }
}

void read_log(Reader& reader, const Value& value, Log& log) {
    const Fields fields(reader, value, {"level", "format"});
    if (const auto level = fields.find("level")) {
        const auto word = read_word(reader, *level, {"debug", "info", "warn", "error"});
        log.level = word ? static_cast<Log::Level>(*word) : Log::Level::kInfo;
    }
    if (const auto format = fields.find("format")) {
        log.format = read_word(reader, *format, {"text", "json"}) == 1 ? Log::Format::kJson
                                                                       : Log::Format::kText;
    }
}

void read_admin(Reader& reader, const Value& value, Admin& admin) {
    Fields fields(reader, value, {"address"});
    if (const auto address = fields.require("address", "write address: 127.0.0.1:9187")) {
        if (auto read = read_address(reader, *address)) {
            admin.address = std::move(read->host);
            admin.port = read->port;
            admin.position = reader.position(*address->node);
        }
    }
}

void read_file_as(Reader& reader, const Node& root, Config& config) {
    Fields fields(reader, {&root, nullptr, ""},
                  {"listen", "databases", "auth", "access", "masking", "functions", "limits",
                   "audit", "admin", "log"});
    if (const auto listen = fields.require(
            "listen", "write listen: {tls: {certificate: server.crt, key: server.key}}")) {
        read_listen(reader, *listen, config.listen);
    }
    if (const auto databases = fields.require("databases", "name a database and its servers")) {
        read_databases(reader, *databases, config);
    }
    if (const auto auth =
            fields.require("auth", "name an issuer of tokens: auth: {issuers: […]}")) {
        read_auth(reader, *auth, config.auth);
    }
    if (const auto access = fields.find("access")) {
        read_access(reader, *access, config);
    }
    if (const auto masking = fields.find("masking")) {
        read_masking(reader, *masking, config.masking);
    }
    if (const auto functions = fields.find("functions")) {
        read_functions(reader, *functions, config.functions);
    }
    if (const auto limits = fields.find("limits")) {
        read_limits(reader, *limits, config.limits);
    }
    if (const auto audit = fields.require("audit", "write audit: {directory: PATH}")) {
        read_audit(reader, *audit, config.audit);
        if (config.audit.parameters == Parameters::kMasked && config.masking.key.empty()) {
            reader.problem(*audit,
                           "has parameters: masked, which needs a key; write masking: {key: {file: "
                           "mask.key}}");
        }
    }
    if (const auto admin = fields.find("admin")) {
        read_admin(reader, *admin, config.admin);
    }
    if (const auto log = fields.find("log")) {
        read_log(reader, *log, config.log);
    }
}

std::string first_digits_of_sha256(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
        throw std::bad_alloc();
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string digits;
    for (std::size_t i = 0; i < 8; ++i) {
        digits += kDigits[digest[i] >> 4U];
        digits += kDigits[digest[i] & 15U];
    }
    return digits;
}

Loaded load_or_throw(const std::filesystem::path& file) {
    Loaded loaded;
    auto text = read_file(file, limits::kConfigBytesMax);
    if (text.has_error()) {
        const bool irregular = text.error() == boost::system::errc::invalid_argument;
        loaded.problems.push_back(
            {{file.string(), 0, 0},
             "the configuration cannot be read: " +
                 (irregular ? std::string("it is not a regular file") : text.error().message()) +
                 "; name another with --config"});
        return loaded;
    }
    const std::string version = first_digits_of_sha256(*text);
    const auto root = parse_document(std::move(*text), file.string(), loaded.problems);
    if (!root) {
        return loaded;
    }
    Reader reader(file);
    auto config = std::make_shared<Config>();
    config->file = file;
    read_file_as(reader, *root, *config);
    config->masking.rules.version = version;
    loaded.problems = std::move(reader.problems());
    std::stable_sort(loaded.problems.begin(), loaded.problems.end(),
                     [](const Problem& a, const Problem& b) {
                         return std::tie(a.position.line, a.position.column) <
                                std::tie(b.position.line, b.position.column);
                     });
    if (loaded.problems.empty()) {
        loaded.config = std::move(config);
    }
    return loaded;
}

}  // namespace

Loaded load(const std::filesystem::path& file) {
    try {
        return load_or_throw(file);
    } catch (const std::exception& error) {
        Loaded loaded;
        loaded.problems.push_back(
            {{file.string(), 0, 0},
             std::string("the configuration cannot be loaded: ") + error.what()});
        return loaded;
    }
}

}  // namespace vitrine::config
