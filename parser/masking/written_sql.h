// SQL that a DBA wrote into the configuration: a mask's `expression`, the filter of a table's rows.
//
// It is parsed by PostgreSQL's grammar, and must be one expression over the names that it may use:
// no sub-select, no aggregate, no function that gives a set, no parameter. It is then written anew
// from the tree, with each function, operator, type and collation qualified (pg_catalog where the
// DBA wrote no schema) and each operation in brackets, so that no search_path and no object of a
// user's changes its meaning; and what was written is judged as a client's text would be: it may
// call what the judge allows.
//
// What it says must not hang on the session (meaning.h): what cannot be shown to say the same in
// each is refused.
//
// What cannot be known is whether it fails: `value::integer` raises an error that prints the value.
// No SQL keeps that error from the client, so that it is the DBA's to write what cannot fail;
// `vitrine check` says so of each mask.
#pragma once

#include <optional>
#include <string>

#include "parser/catalog/snapshot.h"
#include "parser/masking/policy.h"

namespace vitrine::parser {

// As mask_expression() has it, of config::Mask::expression: SQL over `value`, which stands for the
// column as a value of its base type. NULL stays NULL. The policy need know functions and types
// only.
[[nodiscard]] std::optional<std::string> written_expression(const std::string& sql,
                                                            const Column& column,
                                                            const Policy& policy, std::string& why);

// The filter of a table's rows (`masking.rows`): a condition over the table's columns, for WHERE.
// It reads the values as they are, before any mask. nullopt with a sentence in `why`, which begins
// with `it`, where the filter cannot stand for the relation. The policy need know functions and
// types only.
[[nodiscard]] std::optional<std::string> written_filter(const std::string& sql,
                                                        const Relation& relation,
                                                        const Policy& policy, std::string& why);

// What is wrong with the text whatever the catalog says; empty: nothing. Any name is known.
[[nodiscard]] std::string written_problem(const std::string& sql);

}  // namespace vitrine::parser
