// Reads the log behind its writer: each whole line once, a user's in the order in which they were
// written, from where the cursor stands (docs/export.md, "What is sent").
//
// For one thread. The cursor is moved by acknowledge() alone; a Follower made anew begins there.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/line_reader.h"
#include "proxy/export/cursor.h"

namespace vitrine::exports {

// A line of the log, and where it stands.
struct Item {
    std::string file;  // "alice/2026-11-24.jsonl", "ledger.jsonl"
    std::string line;  // without its newline
    std::uint64_t seq = 0;
    std::uint64_t end = 0;  // the byte behind its newline
    std::string hash;       // the record's own; of a line that is no record, its SHA-256
};

class Follower {
  public:
    // One sentence for the operator, each time something is found.
    using Say = std::function<void(const std::string&)>;

    // `once`: what is there now, and no more. `cursor` must outlive this.
    Follower(std::filesystem::path directory, Cursor& cursor, bool once, Say say);
    ~Follower();

    // The next lines, some `bytes_max` of them at most (one line at least); none: there is nothing
    // new now.
    [[nodiscard]] std::vector<Item> next(std::size_t records_max, std::size_t bytes_max);

    // They have arrived: all that next() gave before has, too.
    void acknowledge(std::span<const Item> items);

    // Something is there that cannot be read, so that the answer "nothing new" may lack it.
    [[nodiscard]] bool is_blocked() const {
        return !unreadable_.empty() || ledger_held_ || vanished_;
    }

  private:
    struct File {
        std::uint64_t size = 0;               // as it was written, as far as is known
        bool compressed = false;              // and so nobody writes to it
        bool visited = false;                 // since that was found out
        bool torn = false;                    // what is behind `read` is no whole line
        bool gone = false;                    // it was not there when the files were listed
        std::optional<std::uint64_t> sealed;  // the size of what nobody writes to, by the ledger
        Place read;
    };
    using Files = std::map<std::string, File, std::less<>>;  // of a user: by day
    enum class Visit : std::uint8_t { kDone, kFull, kHeld };

    void refresh();
    void list();
    void look_at_sizes();
    void read_seals(std::uint64_t end);
    void note_seal(std::string_view line);
    struct Batch {
        std::vector<Item> items;
        std::size_t bytes = 0;
        std::size_t records_max = 0;
        std::size_t bytes_max = 0;
    };
    [[nodiscard]] Visit visit(const std::string& name, File& file, Batch& batch);
    [[nodiscard]] bool open(const std::string& name, File& file);
    [[nodiscard]] bool must_wait(std::string_view line, std::uint64_t begin);
    [[nodiscard]] bool is_under_way(const std::string& name) const;
    void settle();
    void report_gone();
    void lose(const std::string& name, std::optional<std::uint64_t> last_seq);
    void cannot_read(const std::string& what, const std::string& why);
    [[nodiscard]] bool is_gone(const std::string& name);
    [[nodiscard]] bool is_ledger_there() const;

    const std::filesystem::path directory_;
    Cursor& cursor_;
    const bool once_;
    const Say say_;

    std::map<std::string, Files, std::less<>> users_;  // by directory; "": the ledger
    std::string turn_;                                 // who was read last
    std::set<std::string> unreadable_;
    std::set<std::string> unreadable_before_;  // the last listing
    std::set<std::string> empty_;              // users without a file, when last looked
    bool listed_ = false;
    bool is_certain_ = false;  // all could be listed, and the ledger is there
    bool ledger_held_ = false;
    bool vanished_ = false;  // a file went between the listing and its turn
    // A file that is gone is only given up behind what the ledger said by then.
    std::uint64_t ledger_at_listing_ = 0;
    std::chrono::steady_clock::time_point list_next_;
    std::chrono::steady_clock::time_point sizes_next_;

    // The file read last stays open.
    std::string open_name_;
    std::unique_ptr<audit::LineReader> reader_;
    bool open_compressed_ = false;
};

// The line before byte `end` of the file, without its newline; false where there is none.
[[nodiscard]] bool line_before(audit::LogSource& source, std::uint64_t end, std::string& line);

// By which a line is known again: its record's hash, or its own.
[[nodiscard]] std::string hash_of_line(std::string_view line);

}  // namespace vitrine::exports
