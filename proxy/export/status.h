// How far the targets have been served, from their cursors and the log's files alone.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "config/export_target.h"
#include "proxy/audit/reader.h"

namespace vitrine::exports {

// `vitrine audit export --status`, kTable or kJson. Exit status: 0; 2 where a cursor or a file
// could not be read.
[[nodiscard]] int print_status(const std::filesystem::path& directory,
                               const std::vector<const config::ExportTarget*>& targets,
                               audit::Format format, std::ostream& out, std::ostream& err);

}  // namespace vitrine::exports
