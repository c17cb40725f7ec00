// Reads a log file line by line in bounded pieces; a line may be of any size.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/audit/log_source.h"

namespace vitrine::audit {

class LineReader {
  public:
    // Reads from byte `offset` on.
    explicit LineReader(LogSource source, std::uint64_t offset = 0)
        : source_(std::move(source)), offset_(offset) {}

    // The next line without its newline; the view holds until the next call. False at the end or at
    // a read error. What stands behind the last newline is torn(), not a line.
    [[nodiscard]] bool next(std::string_view& line);

    // The same, but at a torn end waits a moment: it may be a line that is being written right now.
    [[nodiscard]] bool next_settled(std::string_view& line);

    [[nodiscard]] boost::system::error_code error() const { return error_; }
    // After the last line: the bytes behind the last newline.
    [[nodiscard]] std::string_view torn() const;
    // Where the next line begins.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }

  private:
    [[nodiscard]] bool fill();

    LogSource source_;
    std::uint64_t offset_;
    boost::system::error_code error_;
    std::string buffer_;
    std::size_t begin_ = 0;  // of what has not been handed out
    std::size_t end_ = 0;    // of what has been read
    std::size_t searched_ = 0;
    unsigned waits_ = 0;
};

// For readers: the file, never by a symbolic link and never anything but a regular file.
[[nodiscard]] boost::system::result<Descriptor> open_to_read(const std::string& path);

// The line whose newline is the byte before `end`; false where there is no such line or it cannot
// be read.
[[nodiscard]] bool read_line_before(int fd, std::uint64_t end, std::string& line);

// Exactly `size` bytes from `offset`; false at an error or an early end of the file.
[[nodiscard]] bool read_exactly(int fd, std::uint64_t offset, char* out, std::size_t size);

}  // namespace vitrine::audit
