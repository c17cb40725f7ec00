#include "proxy/audit/log_source.h"

#include <unistd.h>

#include <cerrno>

#include "proxy/audit/errors.h"
#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

using boost::system::result;

result<LogSource> LogSource::open(const std::string& path) {
    auto file = open_to_read(path);
    if (!file) {
        return file.error();
    }
    LogSource source;
    source.own_ = std::move(*file);
    source.fd_ = source.own_.get();
    return source;
}

LogSource LogSource::of(int fd) {
    LogSource source;
    source.fd_ = fd;
    return source;
}

result<std::size_t> LogSource::read(std::uint64_t offset, char* out, std::size_t size) {
    ssize_t got = 0;
    do {
        got = ::pread(fd_, out, size, static_cast<off_t>(offset));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return last_system_error();
    }
    return static_cast<std::size_t>(got);
}

}  // namespace vitrine::audit
