// What becomes of files when their day is over (docs/query-log.md, "Sealed files", "Retention"):
// sealed, compressed, and one day removed. By a thread of its own, never for a statement.
#pragma once

#include <atomic>
#include <boost/system/result.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "config/config.h"
#include "proxy/audit/ledger.h"
#include "proxy/audit/ledger_entry.h"
#include "proxy/audit/log_files.h"

namespace vitrine::audit {

class Upkeep {
  public:
    using Clock = std::function<std::chrono::system_clock::time_point()>;
    // Called after each round: what could not be done, one sentence, or empty.
    using Report = std::function<void(const std::string& trouble)>;

    // `directory`: the log's, open. `ledger` must outlive this. The first round begins now, in the
    // thread.
    Upkeep(const config::Audit& audit, int directory, Ledger& ledger, Clock clock, Report report);
    ~Upkeep();
    Upkeep(const Upkeep&) = delete;
    Upkeep& operator=(const Upkeep&) = delete;

    // A round now, in the calling thread; reports too.
    void run_round();

    // Files of days before this one are sealed: nothing may be written to them. Any thread.
    [[nodiscard]] std::chrono::sys_days horizon() const { return horizon_; }

  private:
    // What the ledger says of a file.
    struct Known {
        Anchor end;
        std::optional<Seal> seal;
        bool removed = false;
    };

    void run();
    [[nodiscard]] bool go_on();
    [[nodiscard]] std::string round();
    [[nodiscard]] boost::system::result<void> read_ledger();
    void learn(const ChainedLine& line, const LedgerEntry& entry);
    [[nodiscard]] std::string care_for(LogFile& file, Microseconds now);
    [[nodiscard]] std::string seal(const std::string& name, Known& known, Microseconds now);
    [[nodiscard]] std::string retain(std::vector<LogFile> files, Microseconds now);
    [[nodiscard]] std::string remove(const std::string& name, const std::string& reason,
                                     Microseconds now);

    const std::filesystem::path path_;
    const bool compress_;
    const std::optional<std::chrono::seconds> retain_;
    const std::optional<std::uint64_t> retain_bytes_;
    const int directory_;
    Ledger& ledger_;
    const Clock clock_;
    const Report report_;
    std::atomic<std::chrono::sys_days> horizon_{};

    std::mutex round_mutex_;  // guards what follows
    std::map<std::string, Known, std::less<>> known_;
    std::uint64_t ledger_read_ = 0;  // bytes of it that are in `known_`

    std::mutex mutex_;
    std::condition_variable wakes_;
    bool stopping_ = false;
    std::thread thread_;
};

// Puts `NAME.zst` in the place of `NAME` in the log's directory, `NAME` being what was sealed. A
// crash at any moment leaves at least one of them whole. What went wrong, one sentence, or empty.
[[nodiscard]] std::string compress_sealed(int directory, const Seal& seal,
                                          const std::function<bool()>& go_on);

}  // namespace vitrine::audit
