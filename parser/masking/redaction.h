// Constants in what the catalog keeps: `CHECK (salary > 84000)`, `VALUES IN ('a name')`, a view's
// `WHERE email = '…'`. NULL is put in their place, which stands wherever a constant does.
//
// All of a text's go: which of them say something of a masked column is not to be told from a text
// in which values are renamed, joined and compared at any depth. What stays: '', 0 and 1, the
// numbers of a type (`numeric(12,2)`), and names of objects (`'people_id_seq'::regclass`).
#pragma once

#include <string>

namespace vitrine::parser {

struct Redacted {
    std::string text;
    bool changed = false;  // a constant was taken out
};

// The text as the server deparses it (ruleutils.c): keywords in capitals. Takes time linear in it.
[[nodiscard]] Redacted without_constants(const std::string& text);

}  // namespace vitrine::parser
