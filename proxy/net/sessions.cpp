#include "proxy/net/sessions.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "proxy/net/connection.h"

namespace vitrine::net {

void Sessions::add(RunningSession session, std::weak_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    ++by_user_[session.principal.user];
    std::string id = session.id;
    entries_.insert_or_assign(std::move(id), Entry{std::move(session), std::move(connection)});
}

void Sessions::remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) {
        return;
    }
    const auto user = by_user_.find(entry->second.session.principal.user);
    if (--user->second == 0) {
        by_user_.erase(user);
    }
    entries_.erase(entry);
}

std::vector<RunningSession> Sessions::list() const {
    std::vector<RunningSession> sessions;
    {
        const std::lock_guard lock(mutex_);
        sessions.reserve(entries_.size());
        for (const auto& [id, entry] : entries_) {
            sessions.push_back(entry.session);
        }
    }
    std::ranges::stable_sort(sessions, {}, &RunningSession::since);
    return sessions;
}

std::size_t Sessions::count(std::string_view user) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_user_.find(user);
    return found == by_user_.end() ? 0 : found->second;
}

bool Sessions::kill(const std::string& id, const std::string& by, const std::string& reason) {
    std::shared_ptr<Connection> connection;
    {
        const std::lock_guard lock(mutex_);
        const auto entry = entries_.find(id);
        if (entry == entries_.end()) {
            return false;
        }
        connection = entry->second.connection.lock();
    }
    if (connection == nullptr) {
        return false;
    }
    boost::asio::post(connection->context(),
                      [connection, by, reason] { connection->revoke(by, reason); });
    return true;
}

}  // namespace vitrine::net
