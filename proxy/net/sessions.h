// The sessions that run now, for those who list and end them. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"

namespace vitrine::net {

class Connection;

struct RunningSession {
    std::string id;
    auth::Principal principal;
    std::string client;
    std::string application;
    auth::Time since;
};

class Sessions {
  public:
    void add(RunningSession session, std::weak_ptr<Connection> connection);
    void remove(const std::string& id);
    // The oldest first.
    [[nodiscard]] std::vector<RunningSession> list() const;
    // How many a user has.
    [[nodiscard]] std::size_t count(std::string_view user) const;
    // Ends one, in whatever state it is; `by` and `reason` are told to its client. False: there is
    // none of that id.
    [[nodiscard]] bool kill(const std::string& id, const std::string& by,
                            const std::string& reason);

  private:
    struct Entry {
        RunningSession session;
        std::weak_ptr<Connection> connection;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::map<std::string, std::size_t, std::less<>> by_user_;
};

}  // namespace vitrine::net
