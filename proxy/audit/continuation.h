// Going on with a log file: what is on the disk against what the ledger says, a torn end cut off,
// anything else put on record (docs/query-log.md, "Opening").
#pragma once

#include <boost/system/result.hpp>
#include <string>

#include "proxy/audit/append_file.h"
#include "proxy/audit/ledger.h"

namespace vitrine::audit {

struct Continuation {
    AppendFile file;
    Anchor end;              // the next record's seq is end.seq + 1, its prev end.hash
    bool unvouched = false;  // it has records that the ledger has no checkpoint for
};

// `name` is "alice/2026-11-24.jsonl"; the file and its directory are made if they are not there.
// `after_crash`: the file may be ahead of the ledger, and torn.
[[nodiscard]] boost::system::result<Continuation> continue_file(int directory,
                                                                const std::string& name,
                                                                Ledger& ledger, Microseconds now,
                                                                bool after_crash, bool sync);

}  // namespace vitrine::audit
