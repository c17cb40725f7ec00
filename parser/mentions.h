// Does a recorded statement mention a relation, or a column of one? For those who search a query
// log; nothing is judged here, and names mean what is written: no catalog is asked, and a view is
// not the tables behind it.
//
// A relation is mentioned where it stands as a relation, by its last name, and by its schema where
// both have one. A column is mentioned where its relation is and its own name stands as a column's,
// or where all columns are read (`*`, whole rows, columns renamed by an alias). Too much rather
// than too little: a name of WITH counts as a relation, any `*` as that of the relation, and in
// statements that are no queries (DDL, COPY's options) every identifier counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::parser {

// A name as SQL writes it, taken apart and folded.
struct MentionedName {
    std::string schema;  // empty: any
    std::string relation;
    std::string column;  // empty: the relation as a whole
};

// `[schema.]relation`; nothing where it is not a name.
[[nodiscard]] std::optional<MentionedName> parse_relation_name(const std::string& text);
// `[schema.]relation.column`.
[[nodiscard]] std::optional<MentionedName> parse_column_name(const std::string& text);

enum class Mentioned : std::uint8_t {
    kNo,
    kByWord,  // the text does not parse, and the name stands in it as a word
    kByStar,  // a column, with all of its relation's
    kByName,
};

// `sql`: any bytes.
[[nodiscard]] Mentioned find_mention(const std::string& sql, const MentionedName& name);

// Is `title` (masking/rewrite.h: column_title) this column?
[[nodiscard]] bool is_column(std::string_view title, const MentionedName& name);

}  // namespace vitrine::parser
