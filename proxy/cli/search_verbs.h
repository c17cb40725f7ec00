// `vitrine audit search` and `index`, and the page of `audit show --format html`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/audit/reader.h"

namespace vitrine::cli {

struct SearchArguments {
    std::string config;
    std::string directory;
    std::string index;  // empty: beside the log, or in the user's cache
    bool no_index = false;
    bool rebuild = false;  // of audit index
    std::string user;
    std::string database;
    std::vector<std::string> relations;
    std::vector<std::string> columns;
    std::string verdict;
    std::string sqlstate;
    std::string grant;
    std::vector<std::string> texts;  // each: words that all must be there
    std::string since;
    std::string until;
    std::string session;
    std::string masked;
    std::uint64_t limit = 0;
    std::string public_key;  // for a page
    audit::Format format = audit::Format::kTable;
};

int audit_search(const SearchArguments& arguments);
int audit_index(const SearchArguments& arguments);
int audit_page(const std::string& config, const std::string& directory, const std::string& session);

}  // namespace vitrine::cli
