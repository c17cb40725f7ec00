// A file of the log as the bytes that were written, wherever they stand now: this is how every
// reader of the log reads. (Sealed files may be compressed: `NAME.zst`.)
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "proxy/audit/append_file.h"

namespace vitrine::audit {

class CompressedFile;

class LogSource {
  public:
    // By its name without ".zst"; where both are there, the one without. Never by a symbolic link,
    // and never anything but a regular file. AuditError::kDamaged: it is compressed, and its table
    // of frames is not what was written.
    [[nodiscard]] static boost::system::result<LogSource> open(const std::string& path);
    // The compressed one, by its name with ".zst".
    [[nodiscard]] static boost::system::result<LogSource> open_compressed(const std::string& path);
    [[nodiscard]] static boost::system::result<LogSource> of_compressed(Descriptor file);
    // What is open already; the descriptor stays the caller's.
    [[nodiscard]] static LogSource of(int fd);

    LogSource(LogSource&&) noexcept;
    LogSource& operator=(LogSource&&) noexcept;
    ~LogSource();

    // Up to `size` bytes from `offset`, of the bytes that were written; 0 at the end. kDamaged as
    // above. Not thread-safe.
    [[nodiscard]] boost::system::result<std::size_t> read(std::uint64_t offset, char* out,
                                                          std::size_t size);

    // Compressed: how many bytes read() has to give, as the file itself says; nothing where it is
    // not compressed.
    [[nodiscard]] std::optional<std::uint64_t> compressed_size() const;

  private:
    LogSource();

    Descriptor own_;
    int fd_ = -1;
    std::unique_ptr<CompressedFile> compressed_;
};

}  // namespace vitrine::audit
