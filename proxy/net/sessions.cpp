#include "proxy/net/sessions.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "proxy/net/connection.h"

namespace vitrine::net {

void Sessions::add(RunningSession session, std::weak_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    std::string id = session.id;
    entries_.insert_or_assign(std::move(id), Entry{std::move(session), std::move(connection)});
}

void Sessions::remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    entries_.erase(id);
}

std::optional<Sessions::Place> Sessions::take_place(const std::string& user,
                                                    std::optional<std::uint64_t> most) {
    const std::lock_guard lock(mutex_);
    auto& taken = places_[user];
    if (most && taken >= *most) {
        return std::nullopt;
    }
    ++taken;
    return Place(*this, user);
}

Sessions::Place::~Place() {
    if (sessions_ == nullptr) {
        return;
    }
    const std::lock_guard lock(sessions_->mutex_);
    const auto taken = sessions_->places_.find(user_);
    if (--taken->second == 0) {
        sessions_->places_.erase(taken);
    }
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
    const auto found = places_.find(user);
    return found == places_.end() ? 0 : found->second;
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
    auto& context = connection->context();
    // The connection goes with it: it belongs to its own thread, and ends there.
    boost::asio::post(context, [connection = std::move(connection), by, reason] {
        connection->revoke(by, reason);
    });
    return true;
}

}  // namespace vitrine::net
