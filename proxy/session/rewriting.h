// A seam for one test: a program in which the rewriting is switched off shows that what stands
// behind it, the tripwires, holds by itself. That program (tests/integration/without_rewriting.cpp)
// has another definition of what is declared here and is otherwise vitrine's own objects; no
// setting and no option of the build makes the product one like it.
#pragma once

#include <memory>
#include <string_view>

#include "parser/judge.h"

namespace vitrine::session {

// Has the last word on what is sent in a statement's place. Here: what the judge said.
[[nodiscard]] std::shared_ptr<const parser::Judgement> as_sent(
    std::shared_ptr<const parser::Judgement> judgement);

// What this program lacks, as a sentence for everyone who starts it; empty: nothing.
[[nodiscard]] std::string_view missing_defence();

}  // namespace vitrine::session
