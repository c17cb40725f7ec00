// The filters of a table's rows (`masking.rows`): SQL over the table's columns, as the DBA wrote
// it, for WHERE.
//
// It reads the values as they are, before any mask. Beyond what written_sql.h asks of the DBA's
// SQL, it must be of type boolean, and what it says of a row must not hang on the session: a user
// sets TimeZone and DateStyle as they like. So it calls what is immutable (and now()), its
// constants mean the same under any setting, and where that is not certain it is refused.
#pragma once

#include <optional>
#include <string>

#include "parser/catalog/snapshot.h"
#include "parser/masking/policy.h"

namespace vitrine::parser {

// nullopt with a sentence in `why` where the filter cannot stand for the relation. The policy need
// know functions and types only.
[[nodiscard]] std::optional<std::string> row_filter(const std::string& sql,
                                                    const Relation& relation, const Policy& policy,
                                                    std::string& why);

}  // namespace vitrine::parser
