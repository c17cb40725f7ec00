// Server connections whose sessions have ended in order, for the next session of the same person
// with the same settings: it does not wait for a backend to start. They have been told to forget
// the session (DISCARD ALL); whoever takes one makes sure that they have (session::ServerLogin).
//
// Thread-safe.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "proxy/net/side.h"
#include "proxy/session/server_login.h"

namespace vitrine::net {

// All that must be the same of two sessions, so that the second may have the first one's
// connection.
struct SessionKind {
    std::shared_ptr<const config::Config> config;  // after a reload none of before is taken
    std::string database;
    std::string issuer;
    std::string user;
    std::vector<std::string> groups;
    std::string application_name;
    std::vector<std::pair<std::string, std::string>> settings;

    bool operator==(const SessionKind&) const = default;
};

struct KeptServer {
    std::unique_ptr<Side> side;
    std::chrono::steady_clock::time_point login;
    boost::asio::ip::tcp::endpoint endpoint;
    session::KeptSession session;
};

class KeptServers {
  public:
    using Clock = std::chrono::steady_clock;

    KeptServers() = default;
    KeptServers(const KeptServers&) = delete;
    KeptServers& operator=(const KeptServers&) = delete;

    // Nobody waits for its socket any more. Where there are too many, of the user's or altogether,
    // the oldest of them is closed.
    // It waits for so long, and not beyond limits::kKeptServerAgeMax after its login.
    void put(SessionKind kind, KeptServer server, Clock::time_point now, Clock::duration idle);
    // The one that was put last.
    [[nodiscard]] std::optional<KeptServer> take(const SessionKind& kind);
    [[nodiscard]] std::size_t size() const { return size_; }
    // Closes those whose time is over.
    void close_expired(Clock::time_point now);
    // Those that are open may be what a server has no room for: closes them all. True: it may have
    // some now, or in a moment; else it is full of others.
    [[nodiscard]] bool make_room(Clock::time_point now);
    // Closes all that are connected with that one, which does not answer.
    void close_of(const boost::asio::ip::tcp::endpoint& server);
    // Closes all.
    void clear();
    // The same, and takes no more.
    void close_all();

  private:
    struct Entry {
        SessionKind kind;
        KeptServer server;
        Clock::time_point until;
    };
    void forget(std::list<Entry>::iterator entry);
    void close_each();

    std::mutex mutex_;
    std::list<Entry> entries_;  // the newest first
    std::atomic<std::size_t> size_ = 0;
    std::optional<Clock::time_point> room_made_;
    bool closed_ = false;
};

}  // namespace vitrine::net
