// docs/functions.md, for DBAs: made from the tables in parser/readonly/function_lists. A test fails
// where what is committed is not what comes out.
#pragma once

#include <string>

namespace vitrine::parser::test {

[[nodiscard]] std::string functions_document();

}  // namespace vitrine::parser::test
