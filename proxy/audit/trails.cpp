#include "proxy/audit/trails.h"

#include <utility>

namespace vitrine::audit {

using boost::system::result;

namespace {

// Descriptors kept open for users' files. A process has 1,024 by default, most of them sockets.
constexpr std::size_t kOpenFilesMax = 256;

constexpr std::size_t kHeldBytesMax = std::size_t{64} * 1024;

// The buffer is kept for the next records up to this size.
constexpr std::size_t kKeptBytesMax = std::size_t{256} * 1024;

}  // namespace

bool Trail::hold(const HexDigest& hash) {
    if (held.size() > kHeldBytesMax) {
        return false;
    }
    end = {end.seq + 1, hash};
    return true;
}

StageState Staged::state() const {
    return stage_ ? stage_->state.load() : StageState::kWritten;
}

bool Trail::hold_staged(const TrailPointer& self, std::size_t begin, const HexDigest& hash) {
    if (held.size() > kHeldBytesMax) {
        return false;
    }
    if (!stage) {
        stage = std::make_shared<Stage>(self);
        stage_begin = begin;
        before_stage = end;
    }
    end = {end.seq + 1, hash};
    return true;
}

void Trail::settle(StageState how) {
    if (stage) {
        stage->state = how;
        stage.reset();
    }
}

result<void> Trail::write(std::size_t begin, const HexDigest& hash) {
    if (const auto written = file.append(held, false); !written) {
        cut_held(begin);
        return written.error();
    }
    end = {end.seq + 1, hash};
    in_file = end;
    settle(StageState::kWritten);
    return {};
}

result<void> Trail::write_held() {
    if (held.empty()) {
        return {};
    }
    if (const auto written = file.append(held, false); !written) {
        if (stage) {
            cut_held(stage_begin);
            end = before_stage;
            settle(StageState::kFailed);
        }
        return written.error();
    }
    in_file = end;
    cut_held(0);
    settle(StageState::kWritten);
    return {};
}

void Trail::cut_held(std::size_t size) {
    held.resize(size);
    if (held.capacity() > kKeptBytesMax) {
        held.shrink_to_fit();
    }
}

void Trail::drop_held() {
    cut_held(0);
    end = in_file;
    settle(StageState::kFailed);
}

void Trail::begin(std::chrono::sys_days new_day, std::string new_name, AppendFile new_file,
                  const Anchor& new_end) {
    day = new_day;
    name = std::move(new_name);
    file = std::move(new_file);
    end = {new_end.seq, new_end.hash};
    in_file = end;
    vouched = file.size();
    misplaced = false;
}

TrailPointer Trails::find(const std::string& user) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[user];
    if (!entry.trail) {
        entry.trail = std::make_shared<Trail>(user);
    }
    if (entry.is_recent) {
        recent_.splice(recent_.begin(), recent_, entry.place);
    } else {
        recent_.push_front(&entry);
        entry.is_recent = true;
        entry.place = recent_.begin();
        release_oldest();
    }
    return entry.trail;
}

bool Trails::knows(const std::string& user) const {
    const std::lock_guard lock(mutex_);
    return entries_.contains(user);
}

void Trails::forget_before(std::chrono::sys_days day) {
    const std::lock_guard lock(mutex_);
    for (auto at = entries_.begin(); at != entries_.end();) {
        if (is_idle(at->second.trail, day)) {
            if (at->second.is_recent) {
                recent_.erase(at->second.place);
            }
            at = entries_.erase(at);
        } else {
            ++at;
        }
    }
}

// Pointers are handed out under mutex_ alone: with one left, nobody is about to use it.
bool Trails::is_idle(const TrailPointer& trail, std::chrono::sys_days day) {
    const std::unique_lock free(trail->mutex, std::try_to_lock);
    return free && trail.use_count() == 1 && trail->day < day && !trail->grown &&
           trail->held.empty();
}

void Trails::release_oldest() {
    for (auto at = recent_.end(); recent_.size() > kOpenFilesMax && at != recent_.begin();) {
        --at;
        const std::unique_lock busy((*at)->trail->mutex, std::try_to_lock);
        if (busy) {
            (*at)->trail->file.release();
            (*at)->is_recent = false;
            at = recent_.erase(at);
        }
    }
}

}  // namespace vitrine::audit
