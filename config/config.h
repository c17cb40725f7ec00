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

#include "config/export_target.h"
#include "config/rules.h"
#include "config/secret.h"
#include "config/user_limits.h"

namespace vitrine::config {

// Every limit that the configuration does not carry yet stands in config/limits.h.

struct ListenTls {
    std::filesystem::path certificate;  // PEM chain
    std::filesystem::path key;          // PEM
    enum class Version : std::uint8_t { kTls12, kTls13 } min_version = Version::kTls12;
    // PEM; then a client certificate is needed too, whose subject's CN is the user. Empty: none is.
    std::filesystem::path client_ca;
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
    // How long a server connection waits for the next session of its user; 0: it is closed with its
    // session.
    std::chrono::milliseconds server_idle{0};
    Position position;
};

// One of signing_key, jwks_file and jwks_url.
struct Issuer {
    std::string name;                 // the `iss` claim
    Secret signing_key;               // PKCS#8 PEM, Ed25519: may mint and verify
    std::filesystem::path jwks_file;  // a JWK Set (RFC 7517, section 5)
    std::string jwks;                 // what stood in that file when it was loaded
    std::string jwks_url;             // https://…
    std::filesystem::path jwks_ca;    // PEM, for the URL; empty: the system's
    std::string audience;             // empty: auth.audience
    // Claims by name; a path with dots goes into objects where no claim has the whole name.
    std::string user_claim = "sub";
    std::string groups_claim = "groups";
    // The groups that its tokens may speak for; others in them count for nothing. Empty: all.
    std::vector<NamePattern> groups;
    Position position;
};

// The login by SASL OAUTHBEARER (RFC 7628), as libpq 18 speaks it.
struct OAuth {
    std::string issuer;  // https://…, where clients find out how to get a token; empty: not offered
    std::string scope = "openid";
    // To clients that ask for it by a start-up option, or to all instead of the password.
    enum class Offer : std::uint8_t { kOnRequest, kAlways } offer = Offer::kOnRequest;
    [[nodiscard]] bool configured() const { return !issuer.empty(); }
};

struct Auth {
    std::string audience = "vitrine";
    std::chrono::seconds max_token_lifetime{12 * 3600};
    // So many failures of a source, an IPv4 address or an IPv6 /64, are answered at once; each
    // further one waits, some seconds at most. 0: none does.
    unsigned failed_logins = 10;
    std::chrono::seconds clock_skew{60};  // how far ahead an issuer's clock may be
    std::vector<Issuer> issuers;
    OAuth oauth;
};

// When a policy is open, in the local time of the machine that vitrine runs on.
struct AccessHours {
    std::uint8_t days = 0x7f;          // bit 0: Monday
    std::chrono::minutes from{0};      // since midnight
    std::chrono::minutes to{24 * 60};  // not included; before `from`: over midnight
};

struct AccessPolicy {
    std::string name;
    std::vector<std::string> groups;     // one of them; "*": everybody
    std::vector<std::string> databases;  // "*": all
    std::chrono::seconds max_duration{3600};
    bool reason_required = true;
    std::string reason_pattern;          // RE2, the whole reason must match; empty: any
    std::vector<std::string> approvers;  // groups; empty: no approval is needed
    unsigned approvals = 0;
    std::vector<AccessHours> hours;  // empty: always
    bool emergency = false;          // asked for by name; at once, and reviewed afterwards
    Position position;
};

struct Access {
    // One of them; both empty: there is no store, and no grants.
    std::filesystem::path sqlite;
    Secret postgres;          // libpq's URI, which may have a password in it
    std::string api_address;  // empty: no API
    std::uint16_t api_port = 6443;
    std::vector<std::string> admins;   // groups
    std::chrono::seconds notice{300};  // so long before its end a session is told; 0: never
    std::chrono::seconds pending_lapses{24 * 3600};
    // As long as the store does not answer: are tokens taken that need nothing of it? What has been
    // revoked meanwhile is not known then.
    bool accept_without_store = false;
    std::vector<AccessPolicy> policies;
    [[nodiscard]] bool configured() const { return !sqlite.empty() || !postgres.empty(); }
};

enum class Durability : std::uint8_t { kWrite, kFsync };
enum class Parameters : std::uint8_t { kFull, kMasked, kNone };

// Where the ledger is copied to as it grows; at most one of the two.
struct LedgerAnchor {
    std::filesystem::path directory;   // of a file ledger.jsonl, only appended to
    std::vector<std::string> command;  // gets the new lines on stdin; an absolute path first

    friend bool operator==(const LedgerAnchor&, const LedgerAnchor&) = default;
};

struct Audit {
    std::filesystem::path directory;
    Durability durability = Durability::kWrite;
    Parameters parameters = Parameters::kFull;
    Secret signing_key;  // PKCS#8 PEM, Ed25519; empty: checkpoints are not signed
    LedgerAnchor anchor;
    bool compress = true;                        // sealed files, with zstd
    std::optional<std::chrono::seconds> retain;  // the age of a sealed file
    std::optional<std::uint64_t> retain_bytes;   // all users' files together, on the disk
    std::vector<ExportTarget> export_to;         // of `vitrine audit export`
};

struct Masking {
    Secret key;  // at least 32 characters; empty only where no rule needs one
    MaskingRules rules;
};

// Health and metrics, for machines: plain HTTP.
struct Admin {
    std::string address;  // empty: there is no such listener
    std::uint16_t port = 9187;
    Position position;  // of the address
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
    Access access;
    Masking masking;
    FunctionRules functions;
    std::vector<LimitRule> limits;
    Audit audit;
    Admin admin;
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
