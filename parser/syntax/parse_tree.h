// A text's raw parse tree and its tokens, as PostgreSQL's own grammar and scanner give them.
//
// A ParseTree lives on one thread from its making to its end, and one at a time a thread: the
// nodes lie in a memory context of libpg_query's that goes with it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parser/syntax/raw_parser.h"

namespace vitrine::parser::syntax {

struct SyntaxError {
    std::string sqlstate;
    std::string message;  // PostgreSQL's own
    std::string detail;
    std::string hint;
    std::size_t position = 0;  // byte offset
};

class ParseTree {
  public:
    // `sql` is valid UTF-8 without a NUL, NUL-terminated, and outlives the tree.
    explicit ParseTree(const std::string& sql);
    ~ParseTree();
    ParseTree(const ParseTree&) = delete;
    ParseTree& operator=(const ParseTree&) = delete;

    [[nodiscard]] const std::optional<SyntaxError>& error() const { return error_; }
    // A List of RawStmt; nullptr where there is none.
    [[nodiscard]] const List* statements() const { return parse_.tree; }

  private:
    static std::string without_comments(const std::string& sql);

    VitrineParse parse_;
    std::string blanked_;  // what was parsed, where it is not the text
    std::optional<SyntaxError> error_;
};

using Token = VitrineToken;

// The tokens of a text that parses, without comments, in order.
class Tokens {
  public:
    // `sql` outlives the tokens. Offsets count from its start.
    explicit Tokens(std::string sql, std::size_t offset = 0);

    [[nodiscard]] std::span<const Token> all() const { return tokens_; }
    [[nodiscard]] std::size_t size() const { return tokens_.size(); }
    [[nodiscard]] const Token& operator[](std::size_t index) const { return tokens_[index]; }
    // The index of the token that begins at `position`; size() where none does.
    [[nodiscard]] std::size_t at(std::size_t position) const;
    [[nodiscard]] std::string_view text(std::size_t index) const;
    [[nodiscard]] bool is(std::size_t index, int code) const;
    // Is it this keyword (given in lower case), unquoted?
    [[nodiscard]] bool is_keyword(std::size_t index, std::string_view keyword) const;
    // The index behind the name that starts at `index`: identifiers with dots between, each with
    // its UESCAPE where it has one.
    [[nodiscard]] std::size_t after_name(std::size_t index, std::size_t parts) const;
    // The index behind the bracket that closes the one at `index`.
    [[nodiscard]] std::size_t after_brackets(std::size_t index) const;
    [[nodiscard]] std::size_t begin(std::size_t index) const;
    [[nodiscard]] std::size_t end(std::size_t index) const;

  private:
    std::string sql_;
    std::size_t offset_;
    std::vector<Token> tokens_;
};

// Where a text would cost the grammar or the scanner more than it is worth, before they have seen
// it (what they are PostgreSQL's own, and were not made for strangers' texts): the offset of the
// token from which on it does; nullopt where all is well.
//
// Takes time linear in the text. Looks for
//   - nesting deeper than `max`: brackets, CASE, chains of operators (on an error the grammar
//     recurses over such a chain);
//   - runs of operator characters that the scanner reads again for each of their tokens
//     (`++++…`, and `/*/*/*…`): quadratic;
//   - signs before a long number: the grammar copies the number for each.
[[nodiscard]] std::optional<std::size_t> find_too_complex(const std::string& sql, unsigned max);

}  // namespace vitrine::parser::syntax
