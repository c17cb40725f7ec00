// What of a record stands beside its line, where a protocol has fields of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/export/follower.h"

namespace vitrine::exports {

struct Facts {
    std::string time;      // RFC 3339 as in the record; empty: the line is no record
    std::string type;      // "unreadable" where it is none
    bool warning = false;  // something was refused, or is wrong with the log
    // In the order of the record: session, user, statement, verdict, …; texts are valid UTF-8.
    std::vector<std::pair<std::string, std::string>> texts;
    std::vector<std::pair<std::string, std::uint64_t>> numbers;
};

[[nodiscard]] Facts facts_of(const Item& item);

// The line, or where it has more than `bytes_max` (512 at least) what stands for it: a JSON object
// with the record's time, seq, type, session, user, its place and size, its hash, the SHA-256 of
// the whole line, and its beginning as far as there is room (docs/export.md, "Long records").
[[nodiscard]] std::string shortened(const Item& item, const Facts& facts, std::size_t bytes_max);

}  // namespace vitrine::exports
