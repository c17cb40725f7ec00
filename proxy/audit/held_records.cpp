#include "proxy/audit/held_records.h"

#include <chrono>
#include <utility>

namespace vitrine::audit {

namespace {

constexpr std::chrono::milliseconds kHeldMax{10};
// Where a file takes nothing.
constexpr std::chrono::milliseconds kTryAgain{100};

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
    trail->held_listed = true;
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = trails_.empty();
        trails_.push_back(trail);
    }
    if (first) {
        wakes_.notify_one();
    }
}

bool HeldRecords::write() {
    std::vector<TrailPointer> trails;
    {
        const std::lock_guard lock(mutex_);
        trails.swap(trails_);
    }
    bool all = true;
    for (const TrailPointer& trail : trails) {
        const std::lock_guard lock(trail->mutex);
        trail->held_listed = false;
        if (!write_(trail)) {
            all = false;
            add(trail);
        }
    }
    return all;
}

void HeldRecords::run() {
    std::unique_lock lock(mutex_);
    auto patience = kHeldMax;
    while (!stopping_) {
        wakes_.wait(lock, [&] { return stopping_ || !trails_.empty(); });
        wakes_.wait_for(lock, patience, [&] { return stopping_; });
        if (!stopping_) {
            lock.unlock();
            patience = write() ? kHeldMax : kTryAgain;
            lock.lock();
        }
    }
}

}  // namespace vitrine::audit
