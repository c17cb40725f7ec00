// What vitrine says to the server, and to the client, in its own words.
#pragma once

#include <string_view>

#include "parser/judge.h"

namespace vitrine::session {

// A statement and a portal of vitrine's own on the server.
inline constexpr std::string_view kPathStatement = "vitrine:search_path";

[[nodiscard]] inline parser::Refusal log_refusal() {
    return {.sqlstate = "58030",
            .message = "the statement could not be recorded in the query log",
            .detail = "Nothing is forwarded that is not on record.",
            .hint =
                "The query log cannot be written to at the moment; tell the operator, and try "
                "again later.",
            .position = 0};
}

}  // namespace vitrine::session
