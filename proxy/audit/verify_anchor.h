// The ledger against what was copied of it elsewhere.
#pragma once

#include <filesystem>
#include <vector>

#include "proxy/audit/reader.h"

namespace vitrine::audit {

struct AnchorVerdict {
    std::vector<Finding> broken;         // of the ledger
    std::vector<Finding> not_checkable;  // of the anchor: missing, damaged, with gaps
};

// `anchor`: a file of ledger lines in their order, which may begin anywhere and repeat lines (a
// command is given some twice), or a directory with such a file, ledger.jsonl.
[[nodiscard]] AnchorVerdict verify_anchor(const std::filesystem::path& directory,
                                          const std::filesystem::path& anchor);

}  // namespace vitrine::audit
