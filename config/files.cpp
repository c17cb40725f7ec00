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
    // One byte more than allowed: a file that grows meanwhile is noticed. Taken at once, so that no
    // copy of a secret stays behind in memory that was given back.
    std::string bytes(bytes_max + 1, '\0');
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
    if (size > bytes_max) {
        wipe(bytes);
        return errc::make_error_code(errc::file_too_large);
    }
    std::string exact(bytes, 0, size);
    wipe(bytes);
    return exact;
}

}  // namespace vitrine::config
