#include "proxy/audit/file_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <ostream>
#include <utility>

namespace vitrine::audit {

using boost::system::error_code;
using boost::system::result;

Ticket::State Ticket::state() const {
    if (!file_) {
        return State::kDone;
    }
    const std::lock_guard lock(file_->mutex_);
    if (position_ <= file_->synced_) {
        return State::kDone;
    }
    return position_ <= file_->failed_ ? State::kFailed : State::kPending;
}

void Ticket::when_settled(std::function<void()> done) const {
    if (file_) {
        const std::lock_guard lock(file_->mutex_);
        if (position_ > file_->synced_ && position_ > file_->failed_) {
            file_->waiters_.push_back({position_, std::move(done)});
            return;
        }
    }
    done();
}

bool Ticket::wait() const {
    std::promise<void> settled;
    when_settled([&] { settled.set_value(); });
    settled.get_future().wait();
    return state() == State::kDone;
}

std::ostream& operator<<(std::ostream& out, const Ticket& ticket) {
    return out << (ticket.state() == Ticket::State::kDone      ? "done"
                   : ticket.state() == Ticket::State::kPending ? "pending"
                                                               : "failed");
}

SyncThreads::SyncThreads(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { run(); });
    }
}

SyncThreads::~SyncThreads() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wakes_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void SyncThreads::queue(std::shared_ptr<FileSync> file) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(file));
    }
    wakes_.notify_one();
}

void SyncThreads::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        wakes_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) {
            return;
        }
        const std::shared_ptr<FileSync> file = std::move(queue_.front());
        queue_.pop_front();
        ++busy_;
        lock.unlock();
        file->sync();
        lock.lock();
        --busy_;
        if (busy_ == 0 && queue_.empty()) {
            idle_.notify_all();
        }
    }
}

void SyncThreads::drain() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return busy_ == 0 && queue_.empty(); });
}

Ticket FileSync::appended(int fd, std::uint64_t offset, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    if (!file_.is_open()) {
        // The log may give its own back meanwhile.
        file_ = Descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (!file_.is_open()) {
            error_ = last_system_error();
            failed_ = written_ + 1;
        }
    }
    if (unsynced_.empty()) {
        offset_ = offset;
    }
    unsynced_ += bytes;
    ++written_;
    if (!queued_) {
        queued_ = true;
        threads_.queue(shared_from_this());
    }
    return {shared_from_this(), written_};
}

void FileSync::sync() {
    std::unique_lock lock(mutex_);
    const std::uint64_t upto = written_;
    const std::size_t size = unsynced_.size();
    const int fd = file_.get();
    syncing_ = true;
    lock.unlock();
    const bool well = fd >= 0 && ::fdatasync(fd) == 0;
    const error_code error = well ? error_code() : last_system_error();
    lock.lock();
    syncing_ = false;
    if (well && !error_) {
        synced_ = upto;
        unsynced_.erase(0, size);
        offset_ += size;
    } else {
        // Those that came meanwhile too: what they were appended to is in doubt.
        failed_ = written_;
        error_ = error_ ? error_ : error;
    }
    std::vector<Waiter> settled;
    std::erase_if(waiters_, [&](Waiter& waiter) {
        if (waiter.position > synced_ && waiter.position > failed_) {
            return false;
        }
        settled.push_back(std::move(waiter));
        return true;
    });
    queued_ = !error_ && written_ > upto;
    if (queued_) {
        threads_.queue(shared_from_this());
    } else if (!error_) {
        file_.close();
    }
    lock.unlock();
    for (const Waiter& waiter : settled) {
        waiter.done();
    }
}

result<void> FileSync::make_good(int fd) {
    const std::lock_guard lock(mutex_);
    if (!error_) {
        return {};
    }
    if (syncing_ || queued_) {
        return error_;  // what comes of that is not known yet; the next one asks again
    }
    if (!file_.is_open()) {
        file_ = Descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    if (const auto error = write_again()) {
        error_ = error;
        return error;
    }
    error_.clear();
    synced_ = written_;
    unsynced_.clear();
    file_.close();
    return {};
}

// The kernel may have dropped the pages that it could not write, and call the next sync a success.
// So the bytes are written once more, in their place; on O_APPEND pwrite() would not keep to it.
error_code FileSync::write_again() {
    if (!file_.is_open()) {
        return error_;
    }
    const std::string path = "/proc/self/fd/" + std::to_string(file_.get());
    const Descriptor again(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!again.is_open()) {
        return last_system_error();
    }
    std::string_view rest = unsynced_;
    std::uint64_t at = offset_;
    while (!rest.empty()) {
        const ssize_t done =
            ::pwrite(again.get(), rest.data(), rest.size(), static_cast<off_t>(at));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done < 0 ? last_system_error()
                            : error_code(ENOSPC, boost::system::system_category());
        }
        rest.remove_prefix(static_cast<std::size_t>(done));
        at += static_cast<std::uint64_t>(done);
    }
    return ::fdatasync(again.get()) == 0 ? error_code() : last_system_error();
}

}  // namespace vitrine::audit
