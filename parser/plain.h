// Plain statements: queries whose names are all plain (readonly/plain_names.h) and that have
// nothing else in them that the judge would look at. Most of what people send is so, and nothing
// need be said of it but that it is forwarded as it stands.
//
// Not a second verdict: a statement is plain only where Query could have no objection, no edit, no
// masked column and no effect, but for the one exception below; what is not certain is not plain,
// and is looked into. Builds with assertions hold each plain statement to what Query says of it
// (judge.cpp).
//
// The exception: of a table with masked columns, what names other columns and nothing else is
// plain. Query would put a query over it in its place, and the statement would see the same. So it
// must name each column that it reads: no star, no whole row, no NATURAL or USING, no other names
// for columns or joins; and each name must be a column that the catalog has, and none that is
// masked. The table itself is then named with its schema, as in Query's query: another one of that
// name may come to stand before it in the path. And such a statement is plain whatever is known of
// the path, or a prepared one would be sent in another form after each change of that.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "parser/masking/policy.h"
#include "parser/masking/resolve.h"

struct Node;

namespace vitrine::parser {

// A reference to a table that has masked columns, of which none is read.
struct OpenInPart {
    const PlainRelation* relation = nullptr;
    int location = 0;  // of its name in the text
    bool qualified = false;
};

// `parameters`: the types that a Parse message declares, as SessionContext has them. `in_part`:
// empty; gets the references of a plain statement. Takes time linear in the statement, for each
// name a look at the path.
[[nodiscard]] bool is_plain(const Node* statement, const Policy& policy, const SearchPath& path,
                            std::span<const Oid> parameters, std::vector<OpenInPart>& in_part);
// The same of a text; false where it is not one statement. For tests.
[[nodiscard]] bool is_plain(const std::string& sql, const Policy& policy, const SearchPath& path,
                            std::span<const Oid> parameters);

}  // namespace vitrine::parser
