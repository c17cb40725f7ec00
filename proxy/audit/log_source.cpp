#include "proxy/audit/log_source.h"

#include <unistd.h>

#include <cerrno>

#include "proxy/audit/compressed_file.h"
#include "proxy/audit/errors.h"
#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

using boost::system::result;

LogSource::LogSource() = default;
LogSource::LogSource(LogSource&&) noexcept = default;
LogSource& LogSource::operator=(LogSource&&) noexcept = default;
LogSource::~LogSource() = default;

result<LogSource> LogSource::open(const std::string& path) {
    auto file = open_to_read(path);
    if (!file) {
        if (file.error() == boost::system::errc::no_such_file_or_directory) {
            return open_compressed(path + std::string(kCompressedSuffix));
        }
        return file.error();
    }
    LogSource source;
    source.own_ = std::move(*file);
    source.fd_ = source.own_.get();
    return source;
}

result<LogSource> LogSource::open_compressed(const std::string& path) {
    auto file = open_to_read(path);
    if (!file) {
        return file.error();
    }
    return of_compressed(std::move(*file));
}

result<LogSource> LogSource::of_compressed(Descriptor file) {
    auto compressed = CompressedFile::open(std::move(file));
    if (!compressed) {
        return compressed.error();
    }
    LogSource source;
    source.compressed_ = std::make_unique<CompressedFile>(std::move(*compressed));
    return source;
}

LogSource LogSource::of(int fd) {
    LogSource source;
    source.fd_ = fd;
    return source;
}

result<std::size_t> LogSource::read(std::uint64_t offset, char* out, std::size_t size) {
    if (compressed_ != nullptr) {
        return compressed_->read(offset, out, size);
    }
    ssize_t got = 0;
    do {
        got = ::pread(fd_, out, size, static_cast<off_t>(offset));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return last_system_error();
    }
    return static_cast<std::size_t>(got);
}

std::optional<std::uint64_t> LogSource::compressed_size() const {
    return compressed_ == nullptr ? std::nullopt : std::optional(compressed_->size());
}

}  // namespace vitrine::audit
