// What keeps the log from being written, and what keeps work behind it from being done: for the
// health check and the operator. Thread-safe.
#pragma once

#include <atomic>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "proxy/audit/query_log.h"

namespace vitrine::audit {

// What is wrong now, by file.
class Troubles {
  public:
    // `size`: of the file, in bytes, with what could not be written.
    void set(const std::string& file, const boost::system::error_code& error,
             std::uint64_t size = 0);
    // How long a file must become before the disk is known to take writes.
    [[nodiscard]] std::uint64_t largest() const;
    // The disk takes writes: what was only that is over, for all files.
    void disk_is_well();
    void clear(const std::string& file) {
        if (any_) {
            erase(file);
        }
    }
    [[nodiscard]] std::string first() const;

  private:
    struct Trouble {
        std::string sentence;
        bool of_the_disk = false;
        std::uint64_t size = 0;
    };
    void erase(const std::string& file);

    mutable std::mutex mutex_;
    std::map<std::string, Trouble> by_file_;
    std::atomic<bool> any_ = false;
};

// What is wrong behind the files, by what is not done.
class TroublesBehind {
  public:
    explicit TroublesBehind(Report report) : report_(std::move(report)) {}

    // Empty: nothing any more.
    void set(const std::string& what, const std::string& trouble);
    [[nodiscard]] std::string first() const;

  private:
    const Report report_;
    mutable std::mutex mutex_;
    std::map<std::string, std::string> by_work_;
};

}  // namespace vitrine::audit
