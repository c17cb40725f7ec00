#include "parser/syntax/parse_tree.h"

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "parser/judge.h"
#include "parser/syntax/utf8.h"

namespace vitrine::parser::syntax {
namespace {

struct CloseScanner {
    void operator()(VitrineScanner* scanner) const { vitrine_scanner_close(scanner); }
};

std::unique_ptr<VitrineScanner, CloseScanner> open_scanner(const std::string& sql) {
    std::unique_ptr<VitrineScanner, CloseScanner> scanner(vitrine_scanner_open(sql.c_str()));
    if (!scanner) {
        throw std::bad_alloc();
    }
    return scanner;
}

constexpr std::size_t kTokensARead = 512;

}  // namespace

ParseTree::ParseTree(const std::string& sql) {
    vitrine_parse(sql.c_str(), &parse_);
    if (parse_.failed == 0) {
        return;
    }
    SyntaxError error;
    if (parse_.message == nullptr) {
        error.sqlstate = "53200";
        error.message = "out of memory";
    } else {
        error.sqlstate = parse_.sqlstate;
        error.message = parse_.message;
        error.detail = parse_.detail == nullptr ? "" : parse_.detail;
        error.hint = parse_.hint == nullptr ? "" : parse_.hint;
        if (parse_.cursor > 0) {
            error.position = byte_offset(sql, static_cast<std::size_t>(parse_.cursor));
        }
    }
    error_ = std::move(error);
}

ParseTree::~ParseTree() {
    vitrine_parse_free(&parse_);
}

Tokens::Tokens(std::string sql, std::size_t offset) : sql_(std::move(sql)), offset_(offset) {
    const auto scanner = open_scanner(sql_);
    std::array<VitrineToken, kTokensARead> some{};
    while (const std::size_t count =
               vitrine_scanner_read(scanner.get(), some.data(), some.size())) {
        tokens_.insert(tokens_.end(), some.begin(), some.begin() + static_cast<long>(count));
    }
}

std::size_t Tokens::at(std::size_t position) const {
    if (position < offset_) {
        return size();
    }
    const auto wanted = static_cast<int>(position - offset_);
    const auto found = std::lower_bound(tokens_.begin(), tokens_.end(), wanted,
                                        [](const Token& t, int p) { return t.begin < p; });
    if (found == tokens_.end() || found->begin != wanted) {
        return size();
    }
    return static_cast<std::size_t>(found - tokens_.begin());
}

std::string_view Tokens::text(std::size_t index) const {
    if (index >= size()) {
        return {};
    }
    const Token& token = tokens_[index];
    return std::string_view(sql_).substr(static_cast<std::size_t>(token.begin),
                                         static_cast<std::size_t>(token.end - token.begin));
}

bool Tokens::is(std::size_t index, int code) const {
    return index < size() && tokens_[index].code == code;
}

bool Tokens::is_keyword(std::size_t index, std::string_view keyword) const {
    return index < size() && tokens_[index].code >= kTokenKeywordMin &&
           ascii_equal_fold(text(index), keyword);
}

std::size_t Tokens::after_name(std::size_t index, std::size_t parts) const {
    for (std::size_t part = 0; part < parts; ++part) {
        if (part > 0) {
            if (!is(index, '.')) {
                return size();
            }
            ++index;
        }
        if (index >= size()) {
            return size();
        }
        const bool unicode = tokens_[index].code == kTokenUnicodeIdentifier;
        ++index;
        if (unicode && is_keyword(index, "uescape")) {
            index += 2;
        }
    }
    return std::min(index, size());
}

std::size_t Tokens::after_brackets(std::size_t index) const {
    if (!is(index, '(')) {
        return size();
    }
    std::size_t depth = 0;
    for (; index < size(); ++index) {
        if (tokens_[index].code == '(') {
            ++depth;
        } else if (tokens_[index].code == ')' && --depth == 0) {
            return index + 1;
        }
    }
    return size();
}

std::size_t Tokens::begin(std::size_t index) const {
    return offset_ + static_cast<std::size_t>(tokens_[index].begin);
}

std::size_t Tokens::end(std::size_t index) const {
    return offset_ + static_cast<std::size_t>(tokens_[index].end);
}

std::optional<std::size_t> find_too_deep(const std::string& sql, unsigned max) {
    const auto scanner = open_scanner(sql);
    std::array<VitrineToken, kTokensARead> some{};
    // How long the chain of operators is so far, for each bracket that is open. A comma, AND and
    // OR bind looser than any of them and begin another.
    std::vector<unsigned> chains(1, 0);
    while (const std::size_t count =
               vitrine_scanner_read(scanner.get(), some.data(), some.size())) {
        for (std::size_t i = 0; i < count; ++i) {
            const VitrineToken& token = some[i];
            const std::string_view text =
                std::string_view(sql).substr(static_cast<std::size_t>(token.begin),
                                             static_cast<std::size_t>(token.end - token.begin));
            const auto keyword = [&](std::string_view name) {
                return token.code >= kTokenKeywordMin && ascii_equal_fold(text, name);
            };
            bool link = false;
            switch (token.code) {
                case '(':
                case '[':
                    chains.push_back(0);
                    break;
                case ')':
                case ']':
                    if (chains.size() > 1) {
                        chains.pop_back();
                    }
                    break;
                case ',':
                case ';':
                    chains.back() = 0;
                    break;
                case kTokenIdentifier:
                case kTokenUnicodeIdentifier:
                case kTokenStringConstant:
                case kTokenInteger:
                    break;
                case kTokenOperator:
                case kTokenTypecast:
                    link = true;
                    break;
                default:
                    if (token.code >= kTokenKeywordMin) {
                        if (keyword("and") || keyword("or") || keyword("when") || keyword("then") ||
                            keyword("else")) {
                            chains.back() = 0;
                        } else if (keyword("case")) {
                            chains.push_back(0);
                        } else if (keyword("end") && chains.size() > 1) {
                            chains.pop_back();
                        } else {
                            link = keyword("at") || keyword("collate") || keyword("operator") ||
                                   keyword("not") || keyword("union") || keyword("intersect") ||
                                   keyword("except") || keyword("join");
                        }
                    } else {
                        link = token.code < 128 && token.code != '.' && token.code != ':';
                    }
                    break;
            }
            if (link && ++chains.back() > max) {
                return static_cast<std::size_t>(token.begin);
            }
            if (chains.size() > max) {
                return static_cast<std::size_t>(token.begin);
            }
        }
    }
    return std::nullopt;
}

}  // namespace vitrine::parser::syntax
