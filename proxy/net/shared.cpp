#include "proxy/net/shared.h"

#include <openssl/rand.h>

#include <stdexcept>

namespace vitrine::net {

namespace {

std::int32_t random_number() {
    std::int32_t number = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof(number)) != 1) {
        throw std::runtime_error("the system's random source fails");
    }
    return number;
}

}  // namespace

CancelKeys::Key CancelKeys::add(std::weak_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    while (true) {
        // Random in both halves: 63 bits to guess. Positive, as process ids are.
        const std::int32_t process_id = random_number() & 0x7fffffff;
        if (process_id == 0 || entries_.contains(process_id)) {
            continue;
        }
        const std::int32_t secret_key = random_number();
        entries_[process_id] = {secret_key, std::move(connection)};
        return {process_id, secret_key};
    }
}

void CancelKeys::remove(std::int32_t process_id) {
    const std::lock_guard lock(mutex_);
    entries_.erase(process_id);
}

std::shared_ptr<Connection> CancelKeys::find(Key key) const {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(key.process_id);
    if (entry == entries_.end() || entry->second.secret_key != key.secret_key) {
        return nullptr;
    }
    return entry->second.connection.lock();
}

}  // namespace vitrine::net
