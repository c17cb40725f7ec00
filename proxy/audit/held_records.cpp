#include "proxy/audit/held_records.h"

#include <chrono>
#include <utility>

namespace vitrine::audit {

namespace {

constexpr std::chrono::milliseconds kHeldMax{10};

}  // namespace

HeldRecords::HeldRecords(Write write) : write_(std::move(write)), thread_([this] { run(); }) {}

HeldRecords::~HeldRecords() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wakes_.notify_all();
    thread_.join();
    write();
}

void HeldRecords::add(const TrailPointer& trail) {
    if (trail->held_listed) {
        return;
    }
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = trails_.empty();
        trails_.push_back(trail);
    }
    trail->held_listed = true;
    if (first) {
        wakes_.notify_one();
    }
}

void HeldRecords::write() {
    const std::lock_guard one_at_a_time(writing_);
    std::vector<TrailPointer> trails;
    {
        const std::lock_guard lock(mutex_);
        trails.swap(trails_);
    }
    for (const TrailPointer& trail : trails) {
        const std::lock_guard lock(trail->mutex);
        trail->held_listed = false;
        write_(*trail);
    }
}

void HeldRecords::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        wakes_.wait(lock, [&] { return stopping_ || !trails_.empty(); });
        wakes_.wait_for(lock, kHeldMax, [&] { return stopping_; });
        if (!stopping_) {
            lock.unlock();
            write();
            lock.lock();
        }
    }
}

}  // namespace vitrine::audit
