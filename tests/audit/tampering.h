// What an attacker does to lines, for the tests of `verify`.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "proxy/audit/chain.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

using Lines = std::vector<std::string>;

inline void change_lines(const std::filesystem::path& file,
                         const std::function<void(Lines&)>& change) {
    Lines lines = lines_of(file);
    change(lines);
    write_lines(file, lines);
}

// What an attacker does who knows the format: every hash from `from` (an index) on is made to fit.
inline void rechain(Lines& lines, std::size_t from) {
    Sha256 sha;
    for (std::size_t i = from; i < lines.size(); ++i) {
        std::string line = lines[i].substr(0, lines[i].rfind(",\"prev\":\""));
        const std::string& before = lines[i - 1];
        const auto prev = parse_digest(before.substr(before.size() - 66, 64));
        REQUIRE(prev);
        seal(line, *prev, sha);
        line.pop_back();
        lines[i] = line;
    }
}

inline void replace_in(std::string& line, const std::string& what, const std::string& with) {
    const auto at = line.find(what);
    REQUIRE(at != std::string::npos);
    line.replace(at, what.size(), with);
}

// The index of the first ledger entry of a type.
inline std::size_t find_entry(const Lines& lines, const std::string& type, std::size_t from = 0) {
    for (std::size_t i = from; i < lines.size(); ++i) {
        if (lines[i].find("\"type\":\"" + type + "\"") != std::string::npos) {
            return i;
        }
    }
    FAIL("no " + type);
    return 0;
}

}  // namespace vitrine::audit
