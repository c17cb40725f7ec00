// All that a raw parse tree has below a node.
#pragma once

#include <cstdlib>
#include <vector>

#include "parser/syntax/raw_parser.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser::syntax {

// Calls `look` for the node and each one below it, in no order, until it gives false: each node's
// children stand behind it in one list, so that there is no recursion, whatever the depth. False:
// there is one among them that the grammar's own walker does not know, and what is below that was
// not looked at.
template <typename Look>
[[nodiscard]] bool each_node(const Node* root, const Look& look) {
    if (root == nullptr) {
        return true;
    }
    bool known = true;
    VitrineChildren children{};
    std::vector<const Node*> open{root};
    while (!open.empty()) {
        const Node* const next = open.back();
        open.pop_back();
        if (!look(next)) {
            break;
        }
        // Leaves to the grammar's walker, and not known to it.
        if (nodeTag(next) == T_String || nodeTag(next) == T_A_Star) {
            continue;
        }
        children.count = 0;
        vitrine_children(next, &children);
        if (children.failed != 0) {
            known = false;
            children.failed = 0;
            continue;
        }
        open.insert(open.end(), children.items, children.items + children.count);
    }
    std::free(static_cast<void*>(children.items));
    return known;
}

}  // namespace vitrine::parser::syntax
