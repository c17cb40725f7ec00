// What of the store concerns sessions while the proxy runs: which of them are void before their
// time, and the questions of a login that only the store can answer. Thread-safe.
//
// The store blocks, so it is asked on threads of its own: one watches for changes, one answers
// logins.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "auth/revocation.h"
#include "auth/store/store.h"
#include "config/config.h"

namespace vitrine::net {

// The store that the configuration names; `error` gets the sentence where it cannot be opened.
[[nodiscard]] boost::system::result<std::unique_ptr<auth::Store>> open_store(
    const config::Access& access, std::string& error);

class AccessControl {
  public:
    // Opens the store. Throws std::runtime_error, with the way out, where it cannot be used, or
    // does not answer: nobody would know what is revoked.
    explicit AccessControl(const config::Access& access);
    ~AccessControl();
    AccessControl(const AccessControl&) = delete;
    AccessControl& operator=(const AccessControl&) = delete;

    [[nodiscard]] auth::Store& store() { return *store_; }
    // A question to the store had no answer; whoever asked counts it.
    void count_error() { errors_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

    // The newest list. Null: there has been none yet, so that nobody knows what is void.
    [[nodiscard]] std::shared_ptr<const auth::RevocationList> revocations() const;
    // Another number with each new list: whoever has seen it need not look.
    [[nodiscard]] std::uint64_t revision() const {
        return revision_.load(std::memory_order_acquire);
    }
    // The list is as old as it may be at most (limits::kRevocationsAgeMax): what is void is known.
    [[nodiscard]] bool current() const;
    // What keeps the store from answering, one sentence; empty: nothing.
    [[nodiscard]] std::string trouble() const;

    // Runs `question` on the thread for logins. False where too many wait already.
    [[nodiscard]] bool ask(std::function<void(auth::Store&)> question);

    // A change that was just made here: sessions need not wait for the watcher to see it.
    void look_now();

  private:
    void watch();
    void answer();
    void take_revocations();

    std::unique_ptr<auth::Store> store_;
    std::atomic<std::uint64_t> errors_{0};
    std::mutex looking_;  // one looks at a time, so that no older list comes after a newer one
    mutable std::mutex mutex_;
    std::shared_ptr<const auth::RevocationList> revocations_;
    std::atomic<std::uint64_t> revision_{0};
    std::atomic<std::int64_t> looked_at_;  // steady clock, milliseconds; 0: never
    std::string trouble_;
    std::condition_variable wake_;
    std::deque<std::function<void(auth::Store&)>> questions_;
    bool stop_ = false;
    std::thread watcher_;
    std::thread answerer_;
};

}  // namespace vitrine::net
