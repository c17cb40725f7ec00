// The log files that stand in a directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/reader.h"

namespace vitrine::audit {

struct LogFile {
    std::string name;         // "alice/2026-11-24.jsonl", also where it is compressed
    std::uint64_t size = 0;   // on the disk
    bool compressed = false;  // it stands there as NAME.zst alone
    bool both = false;        // plain and compressed: a crash between the two, or somebody's work
};

struct LogFiles {
    std::vector<LogFile> files;  // sorted by name: a user's days stand in order
    std::vector<Finding> broken;
    std::vector<Finding> not_checkable;

    [[nodiscard]] bool has(std::string_view name) const;
};

[[nodiscard]] LogFiles list_log_files(const std::filesystem::path& directory);

}  // namespace vitrine::audit
