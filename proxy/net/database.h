// One database of the configuration while the proxy runs: its catalog, loaded through the service
// role by a thread of its own, and the policies compiled on it. Outlives a reload; thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "config/config.h"
#include "parser/masking/policy.h"
#include "proxy/net/tls.h"
#include "proxy/wire/scram.h"

namespace vitrine::net {

// A server newer than the grammar: a sentence where the configuration does not name its version, so
// that it is not taken; one of warning where it does. Empty: nothing to say.
[[nodiscard]] std::string version_problem(const config::Database& database, int major);
[[nodiscard]] std::string version_warning(const config::Database& database, int major);

// Loads a catalog with libpq, as the service role. nullptr and a sentence in `error` where that
// fails; a server with a version_problem() fails too, and sets `version_refused`. Blocks, for some
// statement_timeouts at most.
[[nodiscard]] std::shared_ptr<const parser::CatalogSnapshot> load_catalog(
    const config::Database& database, std::string& error, bool* version_refused = nullptr);

// The search_path of a new session of the service role, as the server resolves it.
[[nodiscard]] bool load_search_path(const config::Database& database,
                                    std::vector<std::string>& path, std::string& error);

// What the service role may do that a reading role should not be able to: a sentence each. Empty
// with a sentence in `error` where it could not be asked.
[[nodiscard]] std::vector<std::string> role_warnings(const config::Database& database,
                                                     std::string& error);

// What it may not read, but must for what the policy replaces: a sentence each, with the GRANT.
// Empty with a sentence in `error` where it could not be asked.
[[nodiscard]] std::vector<std::string> rights_warnings(const config::Database& database,
                                                       const parser::Policy& policy,
                                                       std::string& error);

// All that a real database has to say of a configuration: rules that name nothing or cannot be
// carried out, and the two above.
[[nodiscard]] std::vector<parser::PolicyWarning> database_warnings(
    const config::Config& config, const config::Database& database,
    const std::shared_ptr<const parser::CatalogSnapshot>& catalog);

// What of a configuration a database depends on; kept alive by the pointer to all of it.
struct DatabaseSettings {
    std::shared_ptr<const config::Config> config;
    const config::Database* database = nullptr;
    std::shared_ptr<SSL_CTX> server_tls;  // null with tls.mode: disable
};

class Database {
  public:
    // Throws std::runtime_error where the server's TLS cannot be set up.
    // `make_room`: called where the catalog cannot be loaded, on the loader's thread; true: it may
    // be that the server has room for one more connection now.
    Database(std::shared_ptr<const config::Config> config, const std::string& name,
             std::function<bool()> make_room = {});
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // A reload: new sessions use it from now on, running ones get its rules.
    void reconfigure(DatabaseSettings settings);
    // A reload took it out: its sessions are not let through any further.
    void retire();
    [[nodiscard]] static DatabaseSettings make_settings(
        std::shared_ptr<const config::Config> config, const std::string& name);

    [[nodiscard]] DatabaseSettings settings() const;
    // The policy for these groups on the newest catalog; nullptr as long as there is no catalog,
    // or none young enough to be believed.
    [[nodiscard]] std::shared_ptr<const parser::Policy> policy(
        const std::vector<std::string>& groups) {
        return newest(groups).policy;
    }
    struct Newest {
        std::shared_ptr<const parser::Policy> policy;
        // What policy() gives stays the same until then, and as long as changes() does.
        std::chrono::steady_clock::time_point until;
        std::uint64_t changes = 0;
    };
    [[nodiscard]] Newest newest(const std::vector<std::string>& groups);
    [[nodiscard]] std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
    // Why there is no catalog, or why it could not be loaded anew.
    [[nodiscard]] std::string catalog_error() const;
    // How often it was loaded, and how often it could not be.
    [[nodiscard]] std::uint64_t catalog_loads() const { return catalog_loads_; }
    [[nodiscard]] std::uint64_t catalog_failures() const { return catalog_failures_; }
    // Waits for the first load to end, and no longer than `deadline`: a sentence where the server
    // was not taken for its version.
    [[nodiscard]] std::string version_refusal(std::chrono::steady_clock::time_point deadline);
    // Loads the catalog anew. `done` is called, on the loader's thread, after a load that began
    // after this call, whether it went well or not.
    void refresh(std::function<void()> done);

    // The derived key of the service role's password: kept, because deriving it takes milliseconds.
    [[nodiscard]] wire::SaltedPassword salted(const config::Database& database,
                                              std::string_view salt, std::uint32_t iterations);

  private:
    void run();
    void warn(const DatabaseSettings& settings,
              const std::shared_ptr<const parser::CatalogSnapshot>& catalog);

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    // Counts what policies hang on: the settings, the catalog, whether there is one.
    std::atomic<std::uint64_t> changes_{1};
    DatabaseSettings settings_;
    std::shared_ptr<const parser::CatalogSnapshot> catalog_;
    std::chrono::steady_clock::time_point loaded_at_;
    std::atomic<std::uint64_t> catalog_loads_{0};
    std::atomic<std::uint64_t> catalog_failures_{0};
    std::string catalog_error_ = "the catalog has not been loaded yet";
    std::condition_variable first_load_ended_;
    std::optional<std::string> first_load_;  // what version_refusal() gives, once it has ended
    // By the groups that some rule names, of those a principal has.
    std::map<std::vector<std::string>, std::shared_ptr<const parser::Policy>> policies_;
    std::vector<std::function<void()>> waiting_;
    const std::function<bool()> make_room_;
    bool stop_ = false;
    bool retired_ = false;
    std::uint64_t generation_ = 0;  // of settings_
    std::map<std::pair<std::string, std::uint32_t>, std::string> salted_;
    std::uint64_t salted_generation_ = 0;
    // Of the loader's thread alone: what the operator has been told of.
    std::vector<parser::PolicyWarning> warnings_;
    std::uint64_t warned_generation_ = 0;
    std::thread thread_;
};

// Database::policy() for a session, which asks for it with each statement: it is looked up anew
// where something has changed.
class NewestPolicy {
  public:
    NewestPolicy(std::shared_ptr<Database> database, std::vector<std::string> groups)
        : database_(std::move(database)), groups_(std::move(groups)) {}

    [[nodiscard]] std::shared_ptr<const parser::Policy> operator()();

  private:
    std::shared_ptr<Database> database_;
    std::vector<std::string> groups_;
    Database::Newest newest_;
};

}  // namespace vitrine::net
