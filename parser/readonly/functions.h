// Which functions a statement may call: PostgreSQL's own by volatility and by name, those of
// extensions that only compute, and what the DBA vouches for. MASKING.md F.
//
// A catalog's word on a user's function is no evidence: one that is declared STABLE can call a
// writer, and a reader returns unmasked rows. So those are refused unless configured.
#pragma once

#include <cstdint>
#include <string>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

enum class FunctionVerdict : std::uint8_t {
    kAllowed,
    kRefused,
    // current_setting() and set_config(): it depends on what they are called with. May be called
    // only where the arguments that name and value the setting are constants, which are then
    // judged as SHOW and SET are.
    kByArgument,
};

struct FunctionJudgement {
    FunctionVerdict verdict = FunctionVerdict::kRefused;
    // For kRefused: a sentence without a full stop that says what about the function is refused.
    std::string why;
};

[[nodiscard]] FunctionJudgement judge_function(const Function& function,
                                               const config::FunctionRules& rules);

// May this function run where nobody calls it: a type's input and output, a cast, an operator
// class? Its arguments are then the server's, so that `internal` ones are no objection.
[[nodiscard]] FunctionJudgement judge_implicit_function(const Function& function,
                                                        const config::FunctionRules& rules);

// Does the pattern name this function? `int` is `integer`, and a type outside of pg_catalog may be
// written with or without its schema.
[[nodiscard]] bool matches(const config::FunctionPattern& pattern, const Function& function);

}  // namespace vitrine::parser
