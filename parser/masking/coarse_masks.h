// The masks that leave a value less exact: round, truncate, network.
//
// Each is SQL over a column, as parser/masking/mask_expression.h has it; before the cast to the
// column's type, which then raises no error: what the mask would give beyond the type's range is
// the outermost value that the type has. nullopt, and a sentence without a full stop in `why`,
// where the column is of another type, or its value would show as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

// Down to a multiple of `multiple` (config::Mask::multiple). NaN and the infinities stay. A double
// counts with its first 15 digits, as its cast to numeric has it.
[[nodiscard]] std::optional<std::string> round_expression(const std::string& multiple,
                                                          const Column& column, std::string& why);
// The same of SQL that gives a numeric of any kind.
[[nodiscard]] std::string round_numeric(const std::string& multiple, const std::string& value);

// Down to the begin of the unit; of a timestamptz in UTC, whatever the session's TimeZone. The
// infinities stay.
[[nodiscard]] std::optional<std::string> truncate_expression(config::TruncateUnit unit,
                                                             const Column& column,
                                                             std::string& why);

// The first `bits` bits of the address, zeros behind them. An IPv4 address has 32: where more are
// asked for, all of it is hidden.
[[nodiscard]] std::optional<std::string> network_expression(std::uint32_t bits,
                                                            const Column& column, std::string& why);

}  // namespace vitrine::parser
