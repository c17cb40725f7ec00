// A file of the log as the bytes that were written, wherever they stand now: this is how every
// reader of the log reads. (Sealed files may be compressed: `NAME.zst`.)
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/audit/append_file.h"

namespace vitrine::audit {

class LogSource {
  public:
    // By its name without ".zst". Never by a symbolic link, and never anything but a regular file.
    [[nodiscard]] static boost::system::result<LogSource> open(const std::string& path);
    // What is open already; the descriptor stays the caller's.
    [[nodiscard]] static LogSource of(int fd);

    // Up to `size` bytes from `offset`, of the bytes that were written; 0 at the end. Not
    // thread-safe.
    [[nodiscard]] boost::system::result<std::size_t> read(std::uint64_t offset, char* out,
                                                          std::size_t size);

  private:
    LogSource() = default;

    Descriptor own_;
    int fd_ = -1;
};

}  // namespace vitrine::audit
