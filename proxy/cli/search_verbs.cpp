#include "proxy/cli/search_verbs.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "parser/mentions.h"
#include "parser/syntax/utf8.h"
#include "proxy/audit/chain.h"
#include "proxy/audit/search.h"
#include "proxy/audit/search_index.h"
#include "proxy/audit/search_report.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/cli/moment.h"
#include "proxy/cli/verbs.h"

namespace vitrine::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSessionDigitsMin = 4;

int complain(const std::string& sentence) {
    std::cerr << "vitrine: " << audit::printable(sentence) << "\n";
    return kCouldNotRun;
}

audit::Microseconds now() {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::vector<std::string> words_of(const std::vector<std::string>& texts) {
    std::vector<std::string> words;
    for (const std::string& text : texts) {
        std::istringstream in(text);
        for (std::string word; in >> word;) {
            words.push_back(word);
        }
    }
    return words;
}

audit::Mention mention_of(parser::Mentioned mentioned) {
    switch (mentioned) {
        case parser::Mentioned::kNo:
            return audit::Mention::kNo;
        case parser::Mentioned::kByWord:
            return audit::Mention::kWord;
        case parser::Mentioned::kByStar:
            return audit::Mention::kStar;
        case parser::Mentioned::kByName:
            return audit::Mention::kName;
    }
    return audit::Mention::kNo;
}

audit::Subject subject_of(const std::string& asked, const parser::MentionedName& name) {
    audit::Subject subject;
    subject.name = asked;
    subject.words.push_back(parser::syntax::ascii_lower(name.relation));
    // As it stands between quotes; and in escapes it may look like anything.
    const std::string quoted =
        parser::syntax::ascii_lower(parser::syntax::quoted_identifier(name.relation));
    if (const std::string inside = quoted.substr(1, quoted.size() - 2);
        inside != subject.words[0]) {
        subject.words.push_back(inside);
    }
    subject.words.emplace_back("u&\"");
    subject.mentions = [name](const std::string& sql) {
        return mention_of(parser::find_mention(sql, name));
    };
    if (!name.column.empty()) {
        subject.is_masked = [name](std::string_view column) {
            return parser::is_column(column, name);
        };
    }
    return subject;
}

// 0, or the exit status.
int read_question(const SearchArguments& arguments, audit::Question& question) {
    question.user = arguments.user;
    question.database = arguments.database;
    question.grant = arguments.grant;
    question.sqlstate = arguments.sqlstate;
    question.session = arguments.session;
    question.masked = arguments.masked;
    question.limit = arguments.limit;
    question.words = words_of(arguments.texts);
    if (!arguments.verdict.empty()) {
        question.allowed = arguments.verdict == "allow";
    }
    if (!arguments.session.empty() &&
        (arguments.session.size() < kSessionDigitsMin || !audit::is_hex(arguments.session))) {
        return complain("--session needs a session's id, or at least its first " +
                        std::to_string(kSessionDigitsMin) + " digits");
    }
    if (!arguments.sqlstate.empty() && audit::sqlstate_key(arguments.sqlstate) == 0) {
        return complain("--sqlstate needs five digits or capital letters, as 42501");
    }
    for (const bool until : {false, true}) {
        const std::string& text = until ? arguments.until : arguments.since;
        if (text.empty()) {
            continue;
        }
        auto& moment = until ? question.until : question.since;
        moment = parse_moment(text, until);
        if (!moment) {
            return complain(std::string(until ? "--until" : "--since") + " " + text +
                            " is no time; give 30d, 2h, 2026-11-24 or 2026-11-24T13:00:00Z");
        }
    }
    for (const std::string& relation : arguments.relations) {
        const auto name = parser::parse_relation_name(relation);
        if (!name) {
            return complain("--relation " + relation +
                            " is no name; write it as in SQL: customers, public.customers, "
                            "\"Mixed\".\"Order\"");
        }
        question.subjects.push_back(subject_of(relation, *name));
    }
    for (const std::string& column : arguments.columns) {
        const auto name = parser::parse_column_name(column);
        if (!name) {
            return complain("--column " + column +
                            " is no column of a relation; write it as in SQL: customers.email, "
                            "public.customers.email");
        }
        question.subjects.push_back(subject_of(column, *name));
    }
    return kDone;
}

bool is_ours(const fs::path& directory) {
    return ::access(directory.c_str(), W_OK) == 0;
}

// Beside the log where that can be written to, so that all auditors share it; else the user's own.
fs::path index_directory(const std::string& log, const std::string& wanted) {
    if (!wanted.empty()) {
        return wanted;
    }
    const fs::path beside = fs::path(log) / audit::kIndexDirectory;
    std::error_code error;
    if (fs::exists(beside, error) ? is_ours(beside) : is_ours(log)) {
        return beside;
    }
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    const std::string base = cache != nullptr && *cache == '/' ? std::string(cache)
                             : home != nullptr && *home == '/' ? std::string(home) + "/.cache"
                                                               : std::string();
    if (base.empty()) {
        return {};
    }
    audit::Sha256 sha;
    const auto whole = fs::weakly_canonical(log, error);
    return fs::path(base) / "vitrine" /
           ("index-" + std::string(sha.of((error ? fs::path(log) : whole).string()).view()));
}

audit::ReportHead report_head(std::string public_key_pem) {
    audit::ReportHead head;
    audit::append_time(head.made, now());
    head.public_key_pem = std::move(public_key_pem);
    return head;
}

void add_asked(audit::ReportHead& head, const SearchArguments& arguments) {
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            head.asked.push_back({name, value});
        }
    };
    add("User", arguments.user);
    add("Database", arguments.database);
    for (const std::string& relation : arguments.relations) {
        add("Relation", relation);
    }
    for (const std::string& column : arguments.columns) {
        add("Column", column);
    }
    add("Verdict", arguments.verdict);
    add("SQLSTATE", arguments.sqlstate);
    add("Grant", arguments.grant);
    for (const std::string& text : arguments.texts) {
        add("Text", text);
    }
    add("Since", arguments.since);
    add("Until", arguments.until);
    add("Session", arguments.session);
    add("Masked column", arguments.masked);
    if (arguments.limit != 0) {
        add("At most", std::to_string(arguments.limit));
    }
    if (head.asked.empty()) {
        head.asked.push_back({"Asked for", "every statement"});
    }
}

}  // namespace

int audit_search(const SearchArguments& arguments) {
    audit::Question question;
    if (const int status = read_question(arguments, question); status != kDone) {
        return status;
    }
    std::string pem;
    if (!arguments.public_key.empty() && !read_public_key(arguments.public_key, pem)) {
        return kCouldNotRun;
    }
    const std::string log = log_directory(arguments.config, arguments.directory, &pem);
    if (log.empty()) {
        return kCouldNotRun;
    }
    audit::ReportHead head = report_head(pem);
    add_asked(head, arguments);
    const fs::path index = arguments.no_index ? fs::path() : index_directory(log, arguments.index);
    return audit::search_directory(log, index, question, arguments.format, head, std::cout,
                                   std::cerr);
}

int audit_index(const SearchArguments& arguments) {
    const std::string log = log_directory(arguments.config, arguments.directory, nullptr);
    if (log.empty()) {
        return kCouldNotRun;
    }
    const fs::path index = index_directory(log, arguments.index);
    if (index.empty()) {
        return complain("there is no place for the index; name one with --index");
    }
    return audit::make_index(log, index, arguments.rebuild, std::cout, std::cerr);
}

int audit_page(const std::string& config, const std::string& directory,
               const std::string& session) {
    std::string pem;
    const std::string log = log_directory(config, directory, &pem);
    if (log.empty()) {
        return kCouldNotRun;
    }
    return audit::show_session_page(log, session, report_head(pem), std::cout, std::cerr);
}

}  // namespace vitrine::cli
