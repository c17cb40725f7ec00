// What all connections of a proxy share: the configuration as it is now, the databases, the query
// log, and who may be cancelled by which key. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "auth/token.h"
#include "config/config.h"
#include "proxy/audit/query_log.h"
#include "proxy/net/access_control.h"
#include "proxy/net/database.h"
#include "proxy/net/hourly.h"
#include "proxy/net/jwks_fetcher.h"
#include "proxy/net/kept_servers.h"
#include "proxy/net/metrics.h"
#include "proxy/net/sessions.h"
#include "proxy/net/rates.h"
#include "proxy/net/throttle.h"
#include "proxy/net/tls.h"

namespace vitrine::net {

class Connection;

// What a reload replaces, as one.
struct Current {
    std::shared_ptr<const config::Config> config;
    std::shared_ptr<const auth::Verifier> verifier;
    std::shared_ptr<SSL_CTX> listener_tls;
    std::map<std::string, std::shared_ptr<Database>> databases;
};

// The keys that vitrine hands to its clients in BackendKeyData; a server's own never leaves.
class CancelKeys {
  public:
    struct Key {
        std::int32_t process_id = 0;
        std::int32_t secret_key = 0;
    };
    [[nodiscard]] Key add(std::weak_ptr<Connection> connection);
    void remove(std::int32_t process_id);
    // Null: no such key. Says nothing about which half was wrong.
    [[nodiscard]] std::shared_ptr<Connection> find(Key key) const;

  private:
    struct Entry {
        std::int32_t secret_key = 0;
        std::weak_ptr<Connection> connection;
    };
    mutable std::mutex mutex_;
    std::unordered_map<std::int32_t, Entry> entries_;
};

struct Shared {
    [[nodiscard]] std::shared_ptr<const Current> current() const {
        const std::lock_guard lock(mutex);
        return now;
    }
    void replace(std::shared_ptr<const Current> next) {
        const std::lock_guard lock(mutex);
        now = std::move(next);
    }

    KeptServers kept;  // outlives the databases, which may ask it for room
    mutable std::mutex mutex;
    std::shared_ptr<const Current> now;
    Metrics metrics;
    std::unique_ptr<audit::QueryLog> log;
    std::unique_ptr<AccessControl> access;  // null: there is no store
    CancelKeys cancel_keys;
    Throttle throttle;
    Sessions sessions;
    Rates logins;
    Rates statements;
    Hourly rows;
    Hourly bytes;
    std::unique_ptr<JwksFetcher> jwks;
    std::atomic<unsigned> connections{0};
    std::atomic<bool> draining{false};  // no more logins are taken
};

}  // namespace vitrine::net
