#include "proxy/net/kept_servers.h"

#include <algorithm>
#include <iterator>

#include "config/limits.h"
#include "proxy/wire/frontend.h"

namespace vitrine::net {

void KeptServers::forget(std::list<Entry>::iterator entry) {
    std::string terminate;
    wire::write_terminate(terminate);
    (void)entry->server.side->stream.write(terminate);
    entries_.erase(entry);
    size_ = entries_.size();
}

void KeptServers::put(SessionKind kind, KeptServer server, Clock::time_point now,
                      Clock::duration idle) {
    const auto until =
        std::min<Clock::time_point>(now + idle, server.login + limits::kKeptServerAgeMax);
    const std::lock_guard lock(mutex_);
    entries_.push_front({std::move(kind), std::move(server), until});
    size_ = entries_.size();
    if (closed_ || until <= now) {
        forget(entries_.begin());
        return;
    }
    const SessionKind& mine = entries_.front().kind;
    std::size_t of_user = 0;
    auto oldest_of_user = entries_.begin();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        if (entry->kind.user == mine.user && entry->kind.issuer == mine.issuer) {
            ++of_user;
            oldest_of_user = entry;
        }
    }
    if (of_user > limits::kKeptServersOfUserMax) {
        forget(oldest_of_user);
    } else if (entries_.size() > limits::kKeptServersMax) {
        forget(std::prev(entries_.end()));
    }
}

std::optional<KeptServer> KeptServers::take(const SessionKind& kind) {
    if (size_ == 0) {
        return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    const auto entry = std::ranges::find(entries_, kind, &Entry::kind);
    if (entry == entries_.end()) {
        return std::nullopt;
    }
    KeptServer server = std::move(entry->server);
    entries_.erase(entry);
    size_ = entries_.size();
    return server;
}

void KeptServers::close_expired(Clock::time_point now) {
    if (size_ == 0) {
        return;
    }
    const std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        const auto next = std::next(entry);
        if (now >= entry->until) {
            forget(entry);
        }
        entry = next;
    }
}

bool KeptServers::make_room(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (!entries_.empty()) {
        room_made_ = now;
        close_each();
    }
    return room_made_ && now - *room_made_ < limits::kKeptRoomMax;
}

void KeptServers::close_of(const boost::asio::ip::tcp::endpoint& server) {
    const std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        const auto next = std::next(entry);
        if (entry->server.endpoint == server) {
            forget(entry);
        }
        entry = next;
    }
}

void KeptServers::close_each() {
    while (!entries_.empty()) {
        forget(entries_.begin());
    }
}

void KeptServers::clear() {
    const std::lock_guard lock(mutex_);
    close_each();
}

void KeptServers::close_all() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    close_each();
}

}  // namespace vitrine::net
