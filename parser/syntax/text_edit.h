// Replacing pieces of a text while everything else stays byte for byte, with the way back for
// positions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "parser/judge.h"

namespace vitrine::parser::syntax {

class TextEdits {
  public:
    // What stands in [begin, end) is replaced; begin == end inserts. Edits do not overlap. An
    // error in the new text is shown at `client_position`.
    void replace(std::size_t begin, std::size_t end, std::string text, std::size_t client_position);
    [[nodiscard]] std::size_t count() const { return edits_.size(); }
    // Bytes of all the new texts together.
    [[nodiscard]] std::size_t added_bytes() const { return added_bytes_; }

    struct Rendered {
        std::string text;
        std::vector<PositionMap::Piece> pieces;
        bool overlapping = false;  // edits did overlap: the text must not be used
    };
    // [begin, end) of `sql` with those edits that lie within.
    [[nodiscard]] Rendered render(std::string_view sql, std::size_t begin, std::size_t end);

  private:
    struct Edit {
        std::size_t begin;
        std::size_t end;
        std::string text;
        std::size_t client_position;
    };
    std::vector<Edit> edits_;
    bool sorted_ = true;
    std::size_t added_bytes_ = 0;
};

}  // namespace vitrine::parser::syntax
