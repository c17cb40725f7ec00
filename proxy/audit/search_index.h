// The index of a log: for each piece of about half a mebibyte of a log file, what can stand in it,
// so that a search reads few of them. It only ever says "not here"; what is in a piece is read from
// the log. A file's entries follow from its bytes alone, so the index can be thrown away at any
// time.
//
// One file a user, `<directory>/<user's directory>.vidx`, replaced as a whole (rename). It is
// believed if it is whole (a checksum), of this version, and nobody else can write to it; and for a
// log file only while that has the size and the time of its last change (ctime, which cannot be
// set) that it had, or has grown behind the same last line. A log that was changed before it grew
// is for `verify` to find.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/log_files.h"

namespace vitrine::audit {

// What stands in `<directory>` of a log where it can be written to.
inline constexpr std::string_view kIndexDirectory = ".index";
inline constexpr std::string_view kIndexSuffix = ".vidx";

// The first 8 hex digits of a session's id; 0 where it does not begin with such, and then every
// question about sessions is answered with "perhaps".
[[nodiscard]] std::uint32_t session_key(std::string_view id);
[[nodiscard]] std::uint32_t sqlstate_key(std::string_view sqlstate);  // 0: "perhaps" too
[[nodiscard]] std::uint32_t name_key(std::string_view name);          // of a database or a grant

struct IndexedBlock {
    enum Flag : std::uint32_t {
        kStatements = 1,
        kAllowed = 2,
        kRejected = 4,
        kAlways = 8,  // there is a line that is not as vitrine writes it
    };
    struct Start {  // a session_start
        std::uint32_t session;
        std::uint32_t database;
        std::uint32_t grant;
    };

    std::uint64_t offset = 0;  // of the bytes that were written, whatever holds them now
    std::uint64_t size = 0;
    std::uint64_t first_line = 0;  // from 1
    std::uint64_t lines = 0;
    std::uint64_t unreadable = 0;  // lines that are no record
    std::int64_t first_time = 0;   // microseconds; the first > the last: none
    std::int64_t last_time = 0;
    std::uint32_t flags = 0;
    std::vector<std::uint32_t> sessions;   // of all records; sorted, as those below
    std::vector<std::uint32_t> unended;    // with a statement whose result is not in this block
    std::vector<std::uint32_t> borrowing;  // with a statement whose text is not in this block
    std::vector<std::uint32_t> sqlstates;  // of the results in this block
    std::vector<Start> starts;
    std::string_view grams;  // a Bloom filter over the searched texts; lives in the UserIndex

    // Can a text of this block contain `word` (folded)?
    [[nodiscard]] bool may_contain(std::string_view word) const;
    [[nodiscard]] bool has_session(std::uint32_t key) const;
};

struct IndexedFile {
    std::string name;
    std::uint64_t size_on_disk = 0;  // when it was indexed, as is the next
    std::int64_t changed_ns = 0;
    std::uint64_t end = 0;       // of the last indexed line
    std::string last_line_hash;  // SHA-256 of that line, in hex
    std::vector<IndexedBlock> blocks;
};

struct UserIndex {
    std::map<std::string, IndexedFile, std::less<>> files;
    std::string bytes;  // as read; blocks point into it
    std::deque<std::string> made;

    [[nodiscard]] const IndexedFile* find(std::string_view name) const;
};

// Nothing where there is none that can be believed.
[[nodiscard]] std::optional<UserIndex> load_index(const std::filesystem::path& index,
                                                  std::string_view user_directory);

// Is the log file as it was when it was indexed?
[[nodiscard]] bool is_unchanged(const std::filesystem::path& directory, const IndexedFile& file);

struct IndexRefreshed {
    bool usable = true;  // false: nothing can be kept in that directory, said on `err`
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;  // read for it
};
// Removes what is kept of users who have no file in the log any more. `files`: all of it.
void forget_gone_users(const std::filesystem::path& index, const LogFiles& files);

// Brings the index up to date, on all cores; what goes on is said on `err` once it takes long.
// `rebuild`: everything is read anew.
IndexRefreshed refresh_index(const std::filesystem::path& directory, const LogFiles& files,
                             const std::filesystem::path& index, bool rebuild, std::ostream& err);

}  // namespace vitrine::audit
