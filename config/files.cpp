#include "config/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/system/errc.hpp>
#include <cerrno>

#include "config/secret.h"

namespace vitrine::config {
namespace {

namespace errc = boost::system::errc;

// More than any std::string keeps within itself.
constexpr std::size_t kInsideObjectMax = 64;

boost::system::error_code last_error() {
    return {errno, boost::system::generic_category()};
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

boost::system::result<std::string> read_file(const std::filesystem::path& path,
                                             std::size_t bytes_max) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.get() < 0) {
        return last_error();
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return last_error();
    }
    if (S_ISDIR(status.st_mode)) {
        return errc::make_error_code(errc::is_a_directory);
    }
    if (!S_ISREG(status.st_mode)) {
        return errc::make_error_code(errc::invalid_argument);
    }
    if (static_cast<std::size_t>(status.st_size) > bytes_max) {
        return errc::make_error_code(errc::file_too_large);
    }
    // All at once, and never within the string object: a buffer that grows, or an object that is
    // moved, would leave copies of a secret behind. One byte more than expected, so that a file
    // that grows meanwhile is noticed; some file systems say 0 where they do not know.
    const auto expected = static_cast<std::size_t>(status.st_size);
    std::string bytes;
    bytes.reserve(kInsideObjectMax);
    bytes.resize((expected == 0 ? bytes_max : expected) + 1);
    std::size_t size = 0;
    while (size < bytes.size()) {
        const ::ssize_t got = ::read(file.get(), bytes.data() + size, bytes.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            const auto error = last_error();
            wipe(bytes);
            return error;
        }
        if (got == 0) {
            break;
        }
        size += static_cast<std::size_t>(got);
    }
    if (size == bytes.size()) {
        wipe(bytes);
        return errc::make_error_code(expected == 0 ? errc::file_too_large : errc::text_file_busy);
    }
    bytes.resize(size);
    return bytes;
}

}  // namespace vitrine::config
