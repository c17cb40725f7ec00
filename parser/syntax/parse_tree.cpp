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

// A fifth of a second of the scanner's time: some 4,000 characters in one run.
constexpr std::size_t kRunStepsMax = 20'000'000;
// doNegate copies a number for each sign before it. A tenth of what the tree of a text of the
// longest may take.
constexpr std::size_t kSignedDigitsMax = 128 * 1024 * 1024;
// PostgreSQL's message for a syntax error quotes the token, however long it is.
constexpr std::size_t kMessageBytesMax = 1000;

constexpr bool is_operator_character(char c) {
    return std::string_view("~!@#^&|`?+-*/%<>=").find(c) != std::string_view::npos;
}

// Runs of operator characters that are not one token. The scanner matches all of a run, keeps the
// beginning and gives back the rest, again and again: at each `+` (a `-` that is not `--` stands
// beside one), and at each `/*` within a comment.
std::optional<std::size_t> find_costly_run(std::string_view sql) {
    static const auto kIsOperator = [] {
        std::array<bool, 256> table{};
        for (std::size_t c = 0; c < 128; ++c) {
            table[c] = is_operator_character(static_cast<char>(c));
        }
        return table;
    }();
    std::size_t steps = 0;
    std::size_t at = 0;
    while (at < sql.size()) {
        if (!kIsOperator[static_cast<unsigned char>(sql[at])]) {
            ++at;
            continue;
        }
        const std::size_t begin = at;
        std::size_t tokens = 0;
        for (; at < sql.size() && kIsOperator[static_cast<unsigned char>(sql[at])]; ++at) {
            if (sql[at] == '+') {
                tokens += 2;
            } else if (sql[at] == '*' && at > begin && sql[at - 1] == '/') {
                tokens += 1;
            }
        }
        steps += tokens * (at - begin);
        if (steps > kRunStepsMax) {
            return begin;
        }
    }
    return std::nullopt;
}

}  // namespace

// To libpg_query's scanner a comment is a token, so that NOT /* … */ IN is not NOT IN to its
// grammar, and a string is not continued behind a comment and a line's end. To PostgreSQL comments
// are blanks. Positions stay as they are.
std::string ParseTree::without_comments(const std::string& sql) {
    std::string text = sql;
    const auto scanner = open_scanner(sql);
    vitrine_scanner_keep_comments(scanner.get());
    std::array<VitrineToken, kTokensARead> some{};
    while (const std::size_t count =
               vitrine_scanner_read(scanner.get(), some.data(), some.size())) {
        for (std::size_t i = 0; i < count; ++i) {
            if (some[i].code == kTokenComment) {
                std::fill(text.begin() + some[i].begin, text.begin() + some[i].end, ' ');
            }
        }
    }
    return text;
}

ParseTree::ParseTree(const std::string& sql) {
    vitrine_parse(sql.c_str(), &parse_);
    const auto has_comments = [&] {
        return sql.find("--") != std::string::npos || sql.find("/*") != std::string::npos;
    };
    if (parse_.failed != 0 && std::string_view(parse_.sqlstate) == "42601" && has_comments()) {
        blanked_ = without_comments(sql);
        vitrine_parse_free(&parse_);
        vitrine_parse(blanked_.c_str(), &parse_);
    }
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
        if (error.message.size() > kMessageBytesMax) {
            std::size_t end = kMessageBytesMax;
            while ((static_cast<unsigned char>(error.message[end]) & 0xc0) == 0x80) {
                --end;
            }
            error.message.resize(end);
            error.message += "\u2026";
        }
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

std::optional<std::size_t> find_too_complex(const std::string& sql, unsigned max) {
    if (const auto run = find_costly_run(sql)) {
        return run;
    }
    const auto scanner = open_scanner(sql);
    std::array<VitrineToken, kTokensARead> some{};
    // How long the chain of operators is so far, for each bracket that is open. A comma, AND and
    // OR bind looser than any of them and begin another.
    std::vector<unsigned> chains(1, 0);
    std::size_t signs = 0;
    std::size_t longest_number = 0;
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
            signs += token.code == '-' || token.code == '+' ? 1 : 0;
            if (token.code == kTokenNumber) {
                longest_number = std::max(longest_number, text.size());
            }
            if (signs * longest_number > kSignedDigitsMax) {
                return static_cast<std::size_t>(token.begin);
            }
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
