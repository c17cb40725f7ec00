// What the proxy counts. Each worker has counters of its own, which it alone writes, so that a
// statement waits for nobody; a sum is made where somebody asks (proxy/admin). What does not come
// by the thousand, the API's grants, has one atomic counter.
//
// Labels are bounded: the configuration's databases and the enumerations here. Whatever a stranger
// can choose, a user's or a database's name in a login, is none.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/counters.h"

namespace vitrine::net {

// Why a login failed, as far as it is told apart. The whole reason is in the query log.
enum class LoginCause : std::uint8_t {
    kToken,        // none that is good: its signature, its time, a handle nobody knows
    kNoToken,      // a client of OAUTHBEARER asks where to get one
    kRevoked,      // it was good
    kNotAllowed,   // good, and not for this user or database; no grant
    kCertificate,  // the client's, of another user
    kProtocol,     // no TLS, no user, bytes that are no start-up
    kTls,          // the handshake
    kSetting,      // of the StartupMessage: what SET would be refused
    kLimit,        // max_sessions, max_connections
    kStore,        // it does not answer, and is needed
    kDatabase,     // there is none of the name, or it is not available
    kQueryLog,     // the session could not be recorded
    kTimeout,
    kUnsupported,
};
inline constexpr std::size_t kLoginCauses = static_cast<std::size_t>(LoginCause::kUnsupported) + 1;
[[nodiscard]] std::string_view to_string(LoginCause cause);  // "token", "no_token", …

// Of one worker, and outlives it.
class WorkerMetrics {
  public:
    // Of one database of the configuration; for a session to keep. Locks, once a session.
    [[nodiscard]] session::Counters& of(const std::string& database);
    void refused(LoginCause cause) { refused_[static_cast<std::size_t>(cause)].add(); }
    // The worker is alive, and its JudgementCache has come to so much.
    void tick(std::uint64_t hits, std::uint64_t misses);

    session::Counter judgement_hits;
    session::Counter judgement_misses;

  private:
    friend class Metrics;
    std::atomic<std::int64_t> ticked_;  // steady clock, seconds
    std::array<session::Counter, kLoginCauses> refused_;
    mutable std::mutex mutex_;  // of the map; what is in it stays
    std::map<std::string, std::unique_ptr<session::Counters>> databases_;
};

// Sums, at one moment.
struct DatabaseTotals {
    std::uint64_t sessions = 0;
    std::array<std::uint64_t, session::kEndCauses> ended{};
    std::uint64_t allowed = 0;
    std::uint64_t rejected = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::array<std::uint64_t, session::kLimitsMet> limited{};

    [[nodiscard]] std::uint64_t open() const;
};
struct Totals {
    std::map<std::string, DatabaseTotals> databases;  // those that ever had a session
    std::array<std::uint64_t, kLoginCauses> refused{};
    std::uint64_t judgement_hits = 0;
    std::uint64_t judgement_misses = 0;
};

class Metrics {
  public:
    [[nodiscard]] WorkerMetrics& add_worker();
    [[nodiscard]] Totals totals() const;
    // How long the worker that was silent longest has not looked at its connections.
    [[nodiscard]] std::chrono::seconds longest_silence() const;

    // What the API did, each once it stands in the store.
    std::atomic<std::uint64_t> grants_made{0};  // became active
    std::atomic<std::uint64_t> grants_denied{0};
    std::atomic<std::uint64_t> grants_revoked{0};    // one at a time
    std::atomic<std::uint64_t> emergency_grants{0};  // in grants_made too
    std::atomic<std::uint64_t> revocations{0};       // of a user, a group, a token, everything

  private:
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<WorkerMetrics>> workers_;
};

}  // namespace vitrine::net
