// Hands the log on to its targets, each in a thread of its own: `vitrine audit export`.
#pragma once

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "config/export_target.h"

namespace vitrine::exports {

struct ExportOptions {
    // Until all that is there at the start has arrived, instead of until SIGTERM or SIGINT.
    bool once = false;
    // With `once`: so long without any progress, and a target is given up.
    std::chrono::seconds give_up{60};
    bool progress = false;  // a line on a terminal, written over and over
};

// Where a target's cursor is kept.
[[nodiscard]] std::filesystem::path cursor_file(const std::filesystem::path& directory,
                                                const config::ExportTarget& target);

// `directory`: the log's. Complaints go to `err`, which is a terminal or a journal: one sentence a
// line. Exit status: 0; 1 where records were lost to a target, or it rejected some; 2 where a
// target could not be served. For the main thread, before others are started: it takes SIGTERM and
// SIGINT.
[[nodiscard]] int run_export(const std::filesystem::path& directory,
                             const std::vector<const config::ExportTarget*>& targets,
                             const ExportOptions& options, std::ostream& err);

}  // namespace vitrine::exports
