// What the catalog's definitions say of masked columns: `CHECK (salary > 84000)`, `VALUES IN ('a
// name')`, a view's `WHERE email = '…'`. Their constants are taken out, and NULL is put there,
// which stands wherever a constant does.
//
// Works on the text as the server deparses it (ruleutils.c): keywords in capitals, each output with
// its name behind AS, functions in FROM with their columns' names. Which names a masked column has
// gone on under is found out by those that stand together with it, in both directions, until
// nothing changes; so that more is taken for masked than is.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace vitrine::parser {

struct Redacted {
    std::string text;
    bool changed = false;  // a constant was taken out
};

// `names` are those of masked columns, and become all names that one may have in the text.
[[nodiscard]] Redacted redacted(const std::string& text, std::set<std::string>& names);

// All constants that might be a value, whatever stands beside them.
[[nodiscard]] Redacted without_constants(const std::string& text);

// Does the text have one of these names?
[[nodiscard]] bool has_name(const std::string& text, const std::set<std::string>& names);

}  // namespace vitrine::parser
