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

void KeptServers::put(SessionKind kind, KeptServer server, Clock::time_point until) {
    const std::lock_guard lock(mutex_);
    entries_.push_front({std::move(kind), std::move(server), until});
    size_ = entries_.size();
    if (closed_ || entries_.size() > limits::kKeptServersMax) {
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

bool KeptServers::close_of(const std::string& database) {
    const std::lock_guard lock(mutex_);
    bool found = false;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        const auto next = std::next(entry);
        if (entry->kind.database == database) {
            forget(entry);
            found = true;
        }
        entry = next;
    }
    return found;
}

void KeptServers::close_all() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    while (!entries_.empty()) {
        forget(entries_.begin());
    }
}

}  // namespace vitrine::net
