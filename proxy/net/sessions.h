// The sessions that run now, for those who list and end them. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
    // One of the sessions that a user may have; given back when it goes. Outlived by Sessions.
    class Place {
      public:
        Place(Sessions& sessions, std::string user)
            : sessions_(&sessions), user_(std::move(user)) {}
        Place(Place&& other) noexcept
            : sessions_(std::exchange(other.sessions_, nullptr)), user_(std::move(other.user_)) {}
        Place& operator=(Place&&) = delete;
        ~Place();

      private:
        Sessions* sessions_;
        std::string user_;
    };

    // Takes a place for a session of the user's, logins under way counted, as long as there are
    // fewer than `most`; nothing where there are not.
    [[nodiscard]] std::optional<Place> take_place(const std::string& user,
                                                  std::optional<std::uint64_t> most);
    void add(RunningSession session, std::weak_ptr<Connection> connection);
    void remove(const std::string& id);
    // The oldest first.
    [[nodiscard]] std::vector<RunningSession> list() const;
    // How many places of a user are taken.
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
    std::map<std::string, std::size_t, std::less<>> places_;
};

}  // namespace vitrine::net
