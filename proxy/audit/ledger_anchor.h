// The ledger, copied off the machine as it grows (docs/query-log.md, "The anchor"). A thread of its
// own behind the ledger's file: nothing waits for it, and what it cannot do now it does later.
#pragma once

#include <boost/system/result.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "config/config.h"
#include "proxy/audit/append_file.h"
#include "proxy/audit/ledger.h"

namespace vitrine::audit {

// Where `audit.anchor.command` has got to, in the log's directory.
inline constexpr const char* kAnchorCursor = "anchor.cursor";

class LedgerAnchor {
  public:
    // Called by the thread with each outcome: what keeps the copy from being made, one sentence, or
    // empty once it is made again.
    using Report = std::function<void(const std::string& trouble)>;

    // `directory`: the log's, open. `ledger` must outlive this.
    LedgerAnchor(const config::LedgerAnchor& anchor, int directory, Ledger& ledger, Report report);
    ~LedgerAnchor();  // copies what has come since, once
    LedgerAnchor(const LedgerAnchor&) = delete;
    LedgerAnchor& operator=(const LedgerAnchor&) = delete;

  private:
    void run();
    [[nodiscard]] std::string advance();
    [[nodiscard]] std::string find_place();
    [[nodiscard]] std::string find_place_in_copy();
    [[nodiscard]] std::string find_place_of_command();
    [[nodiscard]] std::string hand_on(const std::string& lines);
    [[nodiscard]] boost::system::result<void> save_cursor(std::uint64_t bytes,
                                                          std::string_view hash);

    const config::LedgerAnchor anchor_;
    const int directory_;
    Ledger& ledger_;
    const Report report_;

    // Of the thread alone.
    Descriptor reading_;
    AppendFile copy_;
    bool placed_ = false;     // `done_` is known
    std::uint64_t done_ = 0;  // bytes of the ledger that are handed on

    std::mutex mutex_;
    std::condition_variable wakes_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace vitrine::audit
