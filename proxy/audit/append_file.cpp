#include "proxy/audit/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

namespace vitrine::audit {

using boost::system::error_code;
using boost::system::result;

namespace {

constexpr std::chrono::nanoseconds kCheckEvery = std::chrono::milliseconds(10);

// To some milliseconds, and cheap.
std::chrono::nanoseconds coarse_now() {
    struct timespec now {};
    (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void Descriptor::close() {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

result<Descriptor> open_to_append(int directory, const std::string& path, bool create) {
    // O_NONBLOCK: opening a FIFO that somebody put here must not wait for a writer.
    int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    if (create) {
        flags |= O_CREAT;
    }
    Descriptor file(::openat(directory, path.c_str(), flags, 0600));
    if (!file.is_open()) {
        if (errno == ELOOP || errno == EISDIR || errno == ENXIO) {
            return AuditError::kNotAFile;
        }
        return last_system_error();
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

error_code write_all(int fd, std::string_view bytes) {
    // A short write is tried once more for the rest: it either goes through or says why not.
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return last_system_error();
        }
        if (written == 0) {
            return {ENOSPC, boost::system::system_category()};
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

result<AppendFile> AppendFile::adopt(Descriptor file, std::uint64_t size) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return last_system_error();
    }
    AppendFile adopted;
    adopted.file_ = std::move(file);
    adopted.size_ = size;
    adopted.device_ = status.st_dev;
    adopted.inode_ = status.st_ino;
    if (const auto error = adopted.check_unchanged()) {
        return error;
    }
    return adopted;
}

error_code AppendFile::check_unchanged() const {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) {
        return last_system_error();
    }
    if (status.st_nlink == 0 || static_cast<std::uint64_t>(status.st_size) != size_ ||
        status.st_dev != device_ || status.st_ino != inode_) {
        return AuditError::kChanged;
    }
    return {};
}

void AppendFile::cut_back() {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) {
        torn_ = true;
        return;
    }
    // Never made longer, and never another file: that is for the next look to find.
    const bool ours = status.st_dev == device_ && status.st_ino == inode_;
    torn_ = ours && static_cast<std::uint64_t>(status.st_size) > size_ &&
            ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0;
}

result<void> AppendFile::append(std::string_view bytes, bool sync) {
    if (torn_) {
        cut_back();
        if (torn_) {
            return last_system_error();
        }
    }
    // Looked at now and then, not each time: fstat(2) makes the next write take the time of day
    // anew and write the inode, which costs more than the record. Whoever has a hand in the file
    // between two looks does it no more harm than by waiting for the second.
    if (const auto now = coarse_now(); now - checked_ >= kCheckEvery) {
        if (const auto error = check_unchanged()) {
            return error;
        }
        checked_ = now;
    }
    error_code error = write_all(file_.get(), bytes);
    // A failed fdatasync may have dropped the pages: only the record's absence is certain then.
    if (!error && sync && ::fdatasync(file_.get()) != 0) {
        error = last_system_error();
    }
    if (error) {
        cut_back();
        checked_ = {};
        return error;
    }
    size_ += bytes.size();
    return {};
}

result<void> AppendFile::check_place(int directory, const std::string& path) const {
    struct stat status {};
    if (::fstatat(directory, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT || errno == ENOTDIR ? error_code(AuditError::kChanged)
                                                   : last_system_error();
    }
    if (status.st_dev != device_ || status.st_ino != inode_) {
        return AuditError::kChanged;
    }
    return {};
}

void AppendFile::release() {
    file_.close();
}

result<void> AppendFile::reopen(int directory, const std::string& path) {
    auto file = open_to_append(directory, path, false);
    if (!file) {
        return file.error().value() == ENOENT ? error_code(AuditError::kChanged) : file.error();
    }
    file_ = std::move(*file);
    if (torn_) {
        cut_back();
    }
    if (const auto error = check_unchanged()) {
        file_.close();
        return error;
    }
    return {};
}

}  // namespace vitrine::audit
