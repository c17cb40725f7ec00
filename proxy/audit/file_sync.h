// Group commit (durability: fsync): records are written by whoever has them, and brought to the
// disk by threads of the log's own. Whatever was written to a file while it was being synced goes
// along with the next sync, so that many sessions share one; and nobody's worker waits for a disk.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/audit/append_file.h"

namespace vitrine::audit {

class FileSync;

// What a record hangs on before it may be acted upon. Cheap to copy.
class Ticket {
  public:
    enum class State : std::uint8_t { kDone, kPending, kFailed };

    Ticket() = default;  // kDone
    Ticket(std::shared_ptr<FileSync> file, std::uint64_t position)
        : file_(std::move(file)), position_(position) {}
    [[nodiscard]] State state() const;
    // Called once, when it is no longer pending: at once, or on a thread of the log's.
    void when_settled(std::function<void()> done) const;
    // Blocks; true: it is on the disk.
    [[nodiscard]] bool wait() const;

    friend std::ostream& operator<<(std::ostream& out, const Ticket& ticket);

  private:
    std::shared_ptr<FileSync> file_;
    std::uint64_t position_ = 0;
};

// The threads. A file is synced by one at a time, several files by several: the file system's
// journal takes them together.
class SyncThreads {
  public:
    explicit SyncThreads(unsigned threads);
    ~SyncThreads();  // syncs what is queued
    SyncThreads(const SyncThreads&) = delete;
    SyncThreads& operator=(const SyncThreads&) = delete;

    void queue(std::shared_ptr<FileSync> file);
    // Blocks until nothing is queued or under way, and nobody is being told of it.
    void drain();

  private:
    void run();

    std::mutex mutex_;
    std::condition_variable wakes_;
    std::condition_variable idle_;
    std::deque<std::shared_ptr<FileSync>> queue_;
    unsigned busy_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

// One file's records on their way to the disk. Thread-safe.
class FileSync : public std::enable_shared_from_this<FileSync> {
  public:
    explicit FileSync(SyncThreads& threads) : threads_(threads) {}

    // `bytes` were written to the descriptor's file, from `offset` on.
    [[nodiscard]] Ticket appended(int fd, std::uint64_t offset, std::string_view bytes);
    // After a sync that failed nobody knows what is on the disk: what it was about is written anew,
    // and nothing may be appended before that has gone well. `fd` is of the same file. Blocks.
    [[nodiscard]] boost::system::result<void> make_good(int fd);

  private:
    friend class Ticket;
    friend class SyncThreads;
    void sync();
    [[nodiscard]] boost::system::error_code write_again();

    SyncThreads& threads_;
    mutable std::mutex mutex_;
    Descriptor file_;            // while something is under way
    std::uint64_t written_ = 0;  // records
    std::uint64_t synced_ = 0;
    std::uint64_t failed_ = 0;  // up to that one, those above synced_ have failed
    std::uint64_t offset_ = 0;  // of unsynced_
    std::string unsynced_;
    boost::system::error_code error_;
    bool queued_ = false;
    bool syncing_ = false;
    struct Waiter {
        std::uint64_t position = 0;
        std::function<void()> done;
    };
    std::vector<Waiter> waiters_;
};

}  // namespace vitrine::audit
