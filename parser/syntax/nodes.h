// PostgreSQL's own node structs for C++.
//
// Include it last, and only from a .cpp of this room: PostgreSQL's headers define macros with
// common names. The worst are undone below.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

extern "C" {
#include "postgres.h"

#include "nodes/lockoptions.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"
#include "nodes/value.h"
#include "storage/lockdefs.h"
}

#undef Abs
#undef Assert
#undef Max
#undef Min
#undef _
#undef fprintf
#undef gettext
#undef ngettext
#undef printf
#undef snprintf
#undef sprintf
#undef strerror
#undef strerror_r
#undef vfprintf
#undef vprintf
#undef vsnprintf
#undef vsprintf

namespace vitrine::parser::syntax {

// A list's cells; none for NIL.
inline std::span<const ListCell> cells(const List* list) {
    if (list == nullptr) {
        return {};
    }
    return {list->elements, static_cast<std::size_t>(list->length)};
}

inline const Node* node(const ListCell& cell) {
    return static_cast<const Node*>(cell.ptr_value);
}

template <typename T>
const T* as(const void* node) {
    return static_cast<const T*>(node);
}

inline bool is_a(const void* node, NodeTag tag) {
    return node != nullptr && nodeTag(node) == tag;
}

// The text of a String node; empty for anything else.
inline std::string_view string_value(const void* node) {
    if (!is_a(node, T_String)) {
        return {};
    }
    const char* text = as<String>(node)->sval;
    return text == nullptr ? std::string_view{} : std::string_view{text};
}

// The text of a string constant (A_Const), or nullptr.
inline const char* constant_text(const void* node) {
    if (!is_a(node, T_A_Const)) {
        return nullptr;
    }
    const auto* constant = as<A_Const>(node);
    if (constant->isnull || nodeTag(&constant->val) != T_String) {
        return nullptr;
    }
    return constant->val.sval.sval;
}

}  // namespace vitrine::parser::syntax
