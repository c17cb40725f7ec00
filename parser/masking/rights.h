// What the service role must be able to read besides the relation itself. A view that its
// definition stands for is read with the rights of whoever runs the statement, where PostgreSQL
// would take those of the view's owner; and the derived table of a masked table names each of its
// columns.
#pragma once

#include <cstdint>
#include <vector>

#include "parser/masking/policy.h"

namespace vitrine::parser {

struct NeededRight {
    const Relation* by = nullptr;       // the relation that a statement names
    const Relation* reads = nullptr;    // what SELECT is needed on; the same for a masked table
    std::vector<std::int16_t> columns;  // sorted; empty: on any one of them
};

// Of all replaced relations of users, in the catalog's order. Views with security_invoker are left
// out: theirs are the rights of whoever reads them on the server too.
[[nodiscard]] std::vector<NeededRight> rights_needed(const Policy& policy);

}  // namespace vitrine::parser
