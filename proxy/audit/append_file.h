// A file that only grows, a whole line at a time, and that notices when somebody else had a hand in
// it (docs/query-log.md, "Writing"). For one thread at a time.
#pragma once

#include <sys/types.h>

#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/audit/errors.h"

namespace vitrine::audit {

// A file descriptor and its end.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() { close(); }
    Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    void close();

  private:
    int fd_ = -1;
};

// `path` relative to the directory, mode 0600 if made. Never follows a symbolic link, never a
// device or FIFO: kNotAFile.
[[nodiscard]] boost::system::result<Descriptor> open_to_append(int directory,
                                                               const std::string& path,
                                                               bool create);

// All of it, however many writes that takes; on an error some of it may be there. ENOSPC where
// nothing more is taken.
[[nodiscard]] boost::system::error_code write_all(int fd, std::string_view bytes);

class AppendFile {
  public:
    AppendFile() = default;
    // Takes over a file as it stands; `size` is what the caller has read and found good.
    [[nodiscard]] static boost::system::result<AppendFile> adopt(Descriptor file,
                                                                 std::uint64_t size);

    [[nodiscard]] bool is_open() const { return file_.is_open(); }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] int descriptor() const { return file_.get(); }

    // All of it or nothing: on an error the file is as long as before. `sync`: on the disk when
    // this returns. kChanged where the file was removed or is not as long as this class left it;
    // that is looked at where the last look is 10 ms old.
    [[nodiscard]] boost::system::result<void> append(std::string_view bytes, bool sync);

    // Whether `path` still leads to this file.
    [[nodiscard]] boost::system::result<void> check_place(int directory,
                                                          const std::string& path) const;

    // Gives the descriptor back to the system for a while; reopen() insists on the same file.
    void release();
    [[nodiscard]] boost::system::result<void> reopen(int directory, const std::string& path);

  private:
    [[nodiscard]] boost::system::error_code check_unchanged() const;
    void cut_back();

    Descriptor file_;
    std::uint64_t size_ = 0;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    std::chrono::nanoseconds checked_{};  // when it was last looked at, by a monotonic clock
    bool torn_ = false;  // part of a failed append is still there: cut it off first
};

}  // namespace vitrine::audit
