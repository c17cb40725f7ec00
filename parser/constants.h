// A statement's text without the values in it: what the query log has under `parameters: masked`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace vitrine::parser {

// The text that stands for a value: letters, digits and `_` alone.
using Digest = std::function<std::string(std::string_view value)>;

// Each constant (a string of any kind, a number, a bit string) becomes the string constant of its
// value's digest; a value is the same whether it is written 'a', $$a$$ or bound as a parameter.
// Comments are left out. A text that cannot be read to its end by the scanner, or costs it too
// much, becomes a comment with its size and the digest of the whole.
[[nodiscard]] std::string without_constants(const std::string& sql, const Digest& digest);

// What is said of a statement, without the values in it: what stands in quotation marks, which
// may be a value under every SQLSTATE ('…'::regclass); the whole where the words are a function's
// own (class P0, XX), and of errors about bytes (22021, 22P05).
[[nodiscard]] std::string without_values(std::string_view sqlstate, std::string_view message,
                                         const Digest& digest);

}  // namespace vitrine::parser
