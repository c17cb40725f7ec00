// One log file as a verifier reads it, against what the ledger says of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "proxy/audit/log_files.h"
#include "proxy/audit/reader.h"
#include "proxy/audit/verify_ledger.h"

namespace vitrine::audit {

struct FileVerdict {
    std::vector<Finding> broken;
    std::vector<Finding> not_checkable;
    std::uint64_t records = 0;
    bool gone = false;  // which is among `broken`

    // Records behind the last checkpoint that were there when the verification began.
    std::uint64_t unvouched = 0;
    std::uint64_t unvouched_line = 0;  // the first one's
    std::optional<Microseconds> unvouched_first;
    std::optional<Microseconds> unvouched_last;
};

// `both`: it is there plain and compressed. `claims` null: the ledger is not there. What is behind
// `file.size`, its size when it was listed, may be newer than what was read of the ledger.
[[nodiscard]] FileVerdict verify_file(const std::filesystem::path& directory, const LogFile& file,
                                      const FileClaims* claims, bool live);

}  // namespace vitrine::audit
