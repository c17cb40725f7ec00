// Finding statements in the query log: `vitrine audit search`. One pass over the files, or over the
// parts of them that the index (`search_index.h`) cannot rule out; memory does not grow with what
// is found. What SQL means is not known here: who asks for a relation brings a Subject.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/names.h"
#include "proxy/audit/records.h"

namespace vitrine::audit {

// How a statement mentions what was asked for, the surest last.
enum class Mention : std::uint8_t {
    kNo,
    kWord,    // the text does not parse; the name stands in it
    kMasked,  // a column: not named, but among the statement's masked ones
    kStar,    // a column: its relation is read with `*` or as whole rows
    kName,    // by its name
};
[[nodiscard]] std::string_view text_of(Mention mention);

// A relation or a column, as far as this room has to know it.
struct Subject {
    std::string name;  // as it was asked for
    // One of these, in lower case, stands in every text that mentions it, and in every masked
    // column that does. In the text they are found whatever the case of its ASCII letters.
    std::vector<std::string> words;
    std::function<Mention(const std::string& sql)> mentions;
    // Is this column of a record's `masked` list the one? Empty: that list does not count.
    std::function<bool(std::string_view column)> is_masked;
};

// All of it must hold; what is empty is not asked.
struct Question {
    std::string user;
    std::string database;
    std::string grant;
    std::string sqlstate;
    std::string session;  // the beginning of its id
    std::string masked;   // a masked column, or the end of its name behind a dot
    std::optional<bool> allowed;
    std::vector<std::string> words;  // each in the SQL, in a value or in a masked column's name
    std::vector<Subject> subjects;
    std::optional<Microseconds> since;
    std::optional<Microseconds> until;  // not included
    std::uint64_t limit = 0;            // 0: none
};

// Of the session's session_start; all empty where the log has none.
struct SessionFacts {
    std::string database;
    std::vector<std::string> groups;
    std::string client;
    std::string application;
    std::string issuer;
    std::string grant;
    std::vector<std::string> approvers;
    std::string reason;
    std::string expires;
};

struct StatementResult {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::uint64_t duration_us = 0;
    std::string sqlstate;
    std::string message;
};

// One statement that was found. All views hold during the call only.
struct Hit {
    std::string_view file;  // "alice/2026-11-24.jsonl"
    std::uint64_t line = 0;
    const Record& record;
    std::string_view sql;  // its own, or that of the statement it runs; empty: that one is missing
    const SessionFacts& session;
    const StatementResult* result = nullptr;  // nullptr: the log has none
    const std::vector<Mention>& mentions;     // one a subject
};

struct Searched {
    std::uint64_t hits = 0;
    bool complete = true;       // false: a file or a line could not be read, said on `err`
    std::uint64_t records = 0;  // lines looked at
};

// Gives each hit to `found`, user by user in the order in which the statements ended, until it says
// false. `index`: the directory of the index, which is brought up to date first; empty, or where it
// cannot be used: every file is read.
[[nodiscard]] Searched search(const std::filesystem::path& directory, const LogFiles& files,
                              const std::filesystem::path& index, const Question& question,
                              const std::function<bool(const Hit&)>& found, std::ostream& err);

// ASCII letters in lower case, as SQL and a search for words fold them.
[[nodiscard]] std::string folded(std::string_view text);

}  // namespace vitrine::audit
