// What the operator wrote, as plain values with defaults (INTERFACE: "Configuration").
//
// load() is the only place that knows YAML. It reports every problem of the file at once, each
// with its place; a Config exists only where there was none. Values are immutable once loaded and
// shared between threads as `std::shared_ptr<const Config>`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/rules.h"
#include "config/secret.h"

namespace vitrine::config {

// Every limit that the configuration does not carry yet stands in config/limits.h.

struct ListenTls {
    std::filesystem::path certificate;  // PEM chain
    std::filesystem::path key;          // PEM
    enum class Version : std::uint8_t { kTls12, kTls13 } min_version = Version::kTls12;
};

struct Listen {
    std::string address = "127.0.0.1";  // numeric address or host name
    std::uint16_t port = 6432;
    ListenTls tls;
    unsigned max_connections = 10000;
    std::chrono::milliseconds login_timeout{10000};
    unsigned workers = 0;  // 0 = one a core
};

struct ServerAddress {
    std::string host;
    std::uint16_t port = 5432;
};

enum class Prefer : std::uint8_t { kAny, kPrimary, kStandby };
enum class TlsMode : std::uint8_t { kDisable, kRequire, kVerifyCa, kVerifyFull };

struct Database {
    std::string name;  // what clients write after dbname=
    std::vector<ServerAddress> servers;
    Prefer prefer = Prefer::kAny;
    std::string dbname;  // on the server
    std::string user;    // the service role
    Secret password;
    TlsMode tls_mode = TlsMode::kVerifyFull;
    std::filesystem::path tls_ca;  // PEM; empty: the system's
    // The major version of a server newer than the grammar that is taken all the same; 0: none is.
    int server_version = 0;
    Position position;
};

struct Issuer {
    std::string name;    // the `iss` claim
    Secret signing_key;  // PKCS#8 PEM, Ed25519: may mint and verify
    Position position;
};

struct Auth {
    std::string audience = "vitrine";
    std::chrono::seconds max_token_lifetime{12 * 3600};
    std::vector<Issuer> issuers;
};

enum class Durability : std::uint8_t { kWrite, kFsync };
enum class Parameters : std::uint8_t { kFull, kNone };

struct Audit {
    std::filesystem::path directory;
    Durability durability = Durability::kWrite;
    Parameters parameters = Parameters::kFull;
    Secret signing_key;  // PKCS#8 PEM, Ed25519; empty: checkpoints are not signed
};

struct Masking {
    Secret key;  // at least 32 characters; empty only where no rule needs one
    MaskingRules rules;
};

struct Log {
    enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError } level = Level::kInfo;
    enum class Format : std::uint8_t { kText, kJson } format = Format::kText;
};

struct Config {
    std::filesystem::path file;
    Listen listen;
    std::map<std::string, Database> databases;
    Auth auth;
    Masking masking;
    FunctionRules functions;
    Audit audit;
    Log log;
};

struct Problem {
    Position position;
    std::string message;  // one sentence, with the way out
};

// `FILE:LINE:COLUMN: message`
[[nodiscard]] std::string to_string(const Problem& problem);

struct Loaded {
    std::shared_ptr<const Config> config;  // null where there is a problem
    std::vector<Problem> problems;         // in the order of the file
};

// Reads, validates and resolves the file, the secrets it names included. Never throws for bad
// input; a file that cannot be read is a problem at line 0.
[[nodiscard]] Loaded load(const std::filesystem::path& file);

}  // namespace vitrine::config
