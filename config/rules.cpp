#include "config/rules.h"

namespace vitrine::config {

bool NamePattern::matches(std::string_view name) const {
    if (pieces.empty()) {
        return false;
    }
    const std::string_view first = pieces.front();
    if (pieces.size() == 1) {
        return name == first;
    }
    const std::string_view last = pieces.back();
    // Both ends are anchored, and may not overlap: a*a does not match a.
    if (name.size() < first.size() + last.size() || !name.starts_with(first) ||
        !name.ends_with(last)) {
        return false;
    }
    std::string_view middle = name.substr(first.size(), name.size() - first.size() - last.size());
    // The leftmost place is the right one for each piece between two stars: no backtracking.
    for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
        const std::size_t found = middle.find(pieces[i]);
        if (found == std::string_view::npos) {
            return false;
        }
        middle.remove_prefix(found + pieces[i].size());
    }
    return true;
}

}  // namespace vitrine::config
