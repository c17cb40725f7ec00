// A session on record, run again against a database, and held against what the log says came of it
// (`vitrine audit replay SESSION --against DSN`).
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>

#include "config/config.h"
#include "proxy/audit/reader.h"
#include "proxy/replay/policy_replay.h"

namespace vitrine::replay {

struct SessionReplay {
    std::filesystem::path directory;  // the log's
    std::string session;              // its id, the beginning of it, or "last"
    std::string against;              // a connection string of libpq's
    // There is a vitrine at the other end, which masks: the client's own texts are sent. Otherwise
    // they are rewritten here, by the rules of today.
    bool through_proxy = false;
    bool original_pace = false;
};

// Exit status: 0 each statement came out as it did, 1 some did not, 2 it could not be run.
//
// Runs nothing but what parser::judge() lets through today, by `config` and the catalog of the
// session's database in it, in a session that is pinned to reading. Compared are SQLSTATE, the
// number of rows, and the rows by their digest on record; times are shown. Not run again: what did
// not run then, what was cut off (cancelled, revoked, beyond a limit), and what is on record
// without its values. Unless there is a vitrine at the other end, the masking key goes with the
// connection, as it goes from the proxy to its servers.
int replay_session(const SessionReplay& asked, const config::Config& config,
                   const LoadCatalog& load_catalog, audit::Format format, std::ostream& out,
                   std::ostream& err);

}  // namespace vitrine::replay
