// `vitrine audit search`: what was found, as a table, JSON, CSV or a page.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "proxy/audit/html.h"
#include "proxy/audit/reader.h"
#include "proxy/audit/search.h"

namespace vitrine::audit {

// What a report says of itself.
struct ReportHead {
    std::vector<Fact> asked;     // what was asked for, in the asker's words
    std::string made;            // when, RFC 3339
    std::string public_key_pem;  // for `verify`; empty: signatures are not checked
};

// One line a hit, as soon as it is known. Exit status: 0 something was found, 1 nothing was, 2 the
// answer may not be whole.
int search_directory(const std::filesystem::path& directory, const std::filesystem::path& index,
                     const Question& question, Format format, const ReportHead& head,
                     std::ostream& out, std::ostream& err);

// What `verify` says of the log in one sentence, where that does not take long.
[[nodiscard]] std::string verified_sentence(const std::filesystem::path& directory,
                                            std::string_view public_key_pem);

// `session`: as for show_session(). A page of it: its facts, and each statement with what came of
// it.
int show_session_page(const std::filesystem::path& directory, std::string_view session,
                      const ReportHead& head, std::ostream& out, std::ostream& err);

// `audit index`. Exit status as search_directory(), 0 when done.
int make_index(const std::filesystem::path& directory, const std::filesystem::path& index,
               bool rebuild, std::ostream& out, std::ostream& err);

}  // namespace vitrine::audit
