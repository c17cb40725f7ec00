// Users' trails: each the file of its day and the end of its chain (docs/query-log.md, "Writing").
#pragma once

#include <atomic>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/audit/append_file.h"
#include "proxy/audit/chain.h"
#include "proxy/audit/file_sync.h"
#include "proxy/audit/ledger.h"
#include "proxy/audit/names.h"
#include "proxy/audit/staged.h"

namespace vitrine::audit {

struct ChainEnd {
    std::uint64_t seq = 0;
    HexDigest hash;
};

struct Trail;
using TrailPointer = std::shared_ptr<Trail>;

// Statements of one trail that are made, and are not in its file yet: they go there together, or
// none of them does (QueryLog::stage).
struct Stage {
    explicit Stage(TrailPointer of) : trail(std::move(of)) {}

    const TrailPointer trail;
    std::atomic<StageState> state = StageState::kOpen;
};

// A user's records: the file of the day, and the end of its chain.
struct Trail {
    explicit Trail(std::string_view user) : directory(directory_name(user)) {}

    const std::string directory;
    std::mutex mutex;  // guards what follows
    std::chrono::sys_days day{};
    std::string name;                // "alice/2026-11-24.jsonl"; empty: no file yet
    AppendFile file;                 // its descriptor may be given back: see Trails
    std::shared_ptr<FileSync> sync;  // durability: fsync
    std::optional<Ticket> last;
    ChainEnd end;
    // Records that nobody acts upon may wait for the next one of their user, and share its
    // write(2): they are what is between the file's end and the chain's. A record is made behind
    // them.
    std::string held;
    ChainEnd in_file;
    // Of those, what is behind `stage_begin` depends on the stage, if there is one.
    std::shared_ptr<Stage> stage;
    std::size_t stage_begin = 0;
    ChainEnd before_stage;
    std::uint64_t vouched = 0;  // bytes of the file that the ledger knows
    bool held_listed = false;   // HeldRecords knows of it
    bool grown = false;         // since the last checkpoint; then QueryLog has it in its list
    bool misplaced = false;     // its name led elsewhere at the last checkpoint
    TimeText time;
    Sha256 sha;

    // What the ledger may say of the file as it stands.
    [[nodiscard]] Anchor anchor() const {
        return {name, in_file.seq, file.size(), in_file.hash, false};
    }
    // The record at the end of `held`, with that hash, waits for the next write. False: there is
    // too much of it, so that it must be written.
    [[nodiscard]] bool hold(const HexDigest& hash);
    // The same of a statement, made from `begin` on: it is part of the stage then.
    [[nodiscard]] bool hold_staged(const TrailPointer& self, std::size_t begin,
                                   const HexDigest& hash);
    // What is held, with the record that was made from `begin` on, and has that hash: the caller
    // looks at it, and then calls cut_held(0). On an error nothing of it is there, and what was
    // held before it is held still: see drop_held().
    [[nodiscard]] boost::system::result<void> write(std::size_t begin, const HexDigest& hash);
    void cut_held(std::size_t size);
    // On an error the stage, and what was made behind its beginning, is dropped: what is held is
    // what stood before it, and may be tried alone.
    [[nodiscard]] boost::system::result<void> write_held();
    // The chain goes on from the file's end.
    void drop_held();
    // Goes on with another file. Nothing is held.
    void begin(std::chrono::sys_days new_day, std::string new_name, AppendFile new_file,
               const Anchor& new_end);

  private:
    void settle(StageState how);
};

// All trails by user, with the descriptors of the most recently used ones.
class Trails {
  public:
    [[nodiscard]] TrailPointer find(const std::string& user);
    [[nodiscard]] bool knows(const std::string& user) const;
    // Forgets the trails that nobody has written to since that day began.
    void forget_before(std::chrono::sys_days day);

  private:
    struct Entry {
        TrailPointer trail;
        bool is_recent = false;
        std::list<Entry*>::iterator place;
    };

    [[nodiscard]] static bool is_idle(const TrailPointer& trail, std::chrono::sys_days day);
    void release_oldest();

    mutable std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;
    std::list<Entry*> recent_;  // the most recently used first
};

}  // namespace vitrine::audit
