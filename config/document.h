// A YAML file as a tree with positions. The only part of the project that knows yaml-cpp.
//
// The tree is a value that the caller owns; a node that an alias names is shared, so an alias
// costs nothing, and how large the tree would be when written out is bounded (limits.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace vitrine::config {

struct Node {
    enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMap };
    Kind kind = Kind::kNull;
    unsigned line = 0;  // lines and columns (characters) count from 1
    unsigned column = 0;
    bool quoted = false;  // kScalar: written in quotes, as a block, or tagged !!str
    std::string text;     // kScalar
    std::vector<std::shared_ptr<const Node>> items;  // kSequence
    std::vector<std::pair<std::shared_ptr<const Node>, std::shared_ptr<const Node>>>
        entries;           // kMap
    std::size_t size = 1;  // nodes, with aliases written out
};

// The only document of the file; an empty file is an empty map. Null where the text is not YAML:
// the problem with its place is then appended to `problems`.
[[nodiscard]] std::shared_ptr<const Node> parse_document(std::string text, const std::string& file,
                                                         std::vector<Problem>& problems);

}  // namespace vitrine::config
