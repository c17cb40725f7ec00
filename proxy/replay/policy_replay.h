// The recorded statements under another policy: what would be refused that was let through, let
// through that was refused, or masked in another way (`vitrine audit replay --policy`). Runs
// nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "parser/masking/policy.h"
#include "proxy/audit/reader.h"

namespace vitrine::replay {

// The catalog of a database as it is now; nullptr and a sentence in `error`.
using LoadCatalog = std::function<std::shared_ptr<const parser::CatalogSnapshot>(
    const config::Database& database, std::string& error)>;

struct PolicyReplay {
    std::filesystem::path directory;  // the log's
    std::string since;                // as records have it, "2026-11-24T13:38:32…"; empty: all
    std::string until;
    std::string user;      // empty: everybody's
    std::string database;  // empty: every one that the configuration has
};

// Exit status: 0 nothing changes, 1 something does, 2 it could not be run (the log cannot be read,
// a catalog cannot be loaded).
//
// A statement is judged by itself, for the groups of its session and under the search_path that
// the session had: where that was changed in a way that cannot be told from the log, what depends
// on it is counted as not comparable. Of what was recorded with `parameters: masked` the text with
// digests in place of its constants is judged; where that does not parse it is not comparable.
// Limits, failures and what the protocol refuses are no matter of the policy, and left out.
int replay_policy(const PolicyReplay& asked, const config::Config& candidate,
                  const LoadCatalog& load_catalog, audit::Format format, std::ostream& out,
                  std::ostream& err);

}  // namespace vitrine::replay
