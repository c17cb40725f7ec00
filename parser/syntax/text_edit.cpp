#include "parser/syntax/text_edit.h"

#include <algorithm>

namespace vitrine::parser::syntax {

void TextEdits::replace(std::size_t begin, std::size_t end, std::string text,
                        std::size_t client_position) {
    sorted_ = sorted_ && (edits_.empty() || edits_.back().begin <= begin);
    added_bytes_ += text.size();
    edits_.push_back(Edit{begin, end, std::move(text), client_position});
}

TextEdits::Rendered TextEdits::render(std::string_view sql, std::size_t begin, std::size_t end) {
    if (!sorted_) {
        std::stable_sort(edits_.begin(), edits_.end(),
                         [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
        sorted_ = true;
    }
    Rendered out;
    std::size_t at = begin;
    const auto keep = [&](std::size_t until) {
        if (until > at) {
            out.pieces.push_back({out.text.size(), at, until - at, false});
            out.text.append(sql.substr(at, until - at));
        }
        at = until;
    };
    auto edit = std::lower_bound(edits_.begin(), edits_.end(), begin,
                                 [](const Edit& e, std::size_t p) { return e.begin < p; });
    for (; edit != edits_.end() && edit->end <= end; ++edit) {
        out.overlapping = out.overlapping || edit->begin < at;
        keep(edit->begin);
        if (!edit->text.empty()) {
            out.pieces.push_back({out.text.size(), edit->client_position, edit->text.size(), true});
            out.text += edit->text;
        }
        at = edit->end;
    }
    keep(end);
    return out;
}

}  // namespace vitrine::parser::syntax
