#include "proxy/audit/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "proxy/audit/errors.h"

namespace vitrine::audit {

namespace {

// A piece: large enough that system calls do not count, small enough for many files at once.
constexpr std::size_t kPieceBytes = 256 * 1024;

// Together well above the time of one write of a large record.
constexpr unsigned kWaitsMax = 2;
constexpr std::chrono::milliseconds kWait{10};

ssize_t read_some(int fd, char* out, std::size_t size, std::uint64_t offset) {
    ssize_t got = 0;
    do {
        got = ::pread(fd, out, size, static_cast<off_t>(offset));
    } while (got < 0 && errno == EINTR);
    return got;
}

}  // namespace

bool LineReader::fill() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        searched_ -= begin_;
        begin_ = 0;
    }
    if (buffer_.size() - end_ < kPieceBytes) {
        // Doubling: a line of n bytes costs O(n), not O(n²).
        buffer_.resize(std::max(buffer_.size() * 2, end_ + kPieceBytes));
    }
    const auto got = source_.read(offset_ + static_cast<std::uint64_t>(end_), buffer_.data() + end_,
                                  buffer_.size() - end_);
    if (!got) {
        error_ = got.error();
        return false;
    }
    end_ += *got;
    return *got > 0;
}

bool LineReader::next(std::string_view& line) {
    while (true) {
        const void* newline = searched_ < end_
                                  ? std::memchr(buffer_.data() + searched_, '\n', end_ - searched_)
                                  : nullptr;
        if (newline != nullptr) {
            const auto at =
                static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data());
            line = std::string_view(buffer_).substr(begin_, at - begin_);
            offset_ += at + 1 - begin_;
            begin_ = searched_ = at + 1;
            return true;
        }
        searched_ = end_;
        if (!fill()) {
            return false;
        }
    }
}

bool LineReader::next_settled(std::string_view& line) {
    while (!next(line)) {
        if (error_ || torn().empty() || waits_ == kWaitsMax) {
            return false;
        }
        ++waits_;
        std::this_thread::sleep_for(kWait);
    }
    return true;
}

std::string_view LineReader::torn() const {
    return std::string_view(buffer_).substr(begin_, end_ - begin_);
}

boost::system::result<Descriptor> open_to_read(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.is_open()) {
        return errno == ELOOP ? make_error_code(AuditError::kNotAFile) : last_system_error();
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return last_system_error();
    }
    if (!S_ISREG(status.st_mode)) {
        return AuditError::kNotAFile;
    }
    return file;
}

bool read_exactly(int fd, std::uint64_t offset, char* out, std::size_t size) {
    while (size > 0) {
        const ssize_t got = read_some(fd, out, size, offset);
        if (got <= 0) {
            return false;
        }
        out += got;
        offset += static_cast<std::uint64_t>(got);
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool read_line_before(int fd, std::uint64_t end, std::string& line) {
    line.clear();
    char newline = 0;
    if (end == 0 || !read_exactly(fd, end - 1, &newline, 1) || newline != '\n') {
        return false;
    }
    std::uint64_t begin = end - 1;
    std::size_t piece = 4096;
    while (begin > 0) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece, begin));
        std::string block(size, '\0');
        if (!read_exactly(fd, begin - size, block.data(), size)) {
            return false;
        }
        begin -= size;
        const auto at = block.rfind('\n');
        if (at != std::string::npos) {
            begin += at + 1;
            break;
        }
        piece = std::min(piece * 2, kPieceBytes * 16);
    }
    line.resize(static_cast<std::size_t>(end - 1 - begin));
    return read_exactly(fd, begin, line.data(), line.size());
}

}  // namespace vitrine::audit
