// Small files read whole: the configuration, and what it names.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <filesystem>
#include <string>

namespace vitrine::config {

// Debian's bundle of the system's authorities: what is trusted where no `ca` is named.
inline constexpr const char* kSystemCertificates = "/etc/ssl/certs/ca-certificates.crt";

// A regular file of at most `bytes_max`. Never blocks, as on a FIFO. Errors: of open(2) and
// read(2); errc::file_too_large; errc::text_file_busy where it grew meanwhile;
// errc::invalid_argument for what is not a regular file. The bytes may be secret: the caller moves
// them into a Secret, or wipes them.
[[nodiscard]] boost::system::result<std::string> read_file(const std::filesystem::path& path,
                                                           std::size_t bytes_max);

}  // namespace vitrine::config
