// The sessions of a log, each in a line: what `audit list` prints and `audit show last` looks up.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/records.h"

namespace vitrine::audit {

struct SessionSummary {
    std::string session;
    std::string user;
    std::string directory;  // the user's, where its records stand
    std::string database;
    std::string client;
    std::string start;  // RFC 3339
    std::string end;    // empty: no session_end (it is running, or vitrine was killed)
    std::string cause;  // of the end, or why the login was refused
    bool login_refused = false;
    bool access_call = false;  // of the API: `cause` is the action and what it was about
    std::uint64_t statements = 0;
    std::uint64_t rejected = 0;
    std::uint64_t rows = 0;
};

struct Sessions {
    std::vector<SessionSummary> list;  // by start
    bool complete = true;              // false: some line could not be read, said on `err`
};

// "access approve g_… alice", and why not where it was refused.
[[nodiscard]] std::string access_call_text(const Record& record);

// Nothing where there is no log, which is said on `err`.
[[nodiscard]] std::optional<Sessions> read_sessions(const std::filesystem::path& directory,
                                                    std::ostream& err);

// The one that is meant (an id, the beginning of one, or "last"), or nullptr, which is said on
// `err`.
[[nodiscard]] const SessionSummary* choose_session(const std::vector<SessionSummary>& sessions,
                                                   std::string_view wanted, std::ostream& err);

// The session's records in order, from all days of its user. False: some line could not be read,
// said on `err`.
bool read_session(const std::filesystem::path& directory, const SessionSummary& session,
                  const std::function<void(const RecordPlace&, const Record&)>& each,
                  std::ostream& err);

}  // namespace vitrine::audit
