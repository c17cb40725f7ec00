#include "parser/mentions.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "config/limits.h"
#include "parser/syntax/each_node.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

std::string_view text_of(const char* text) {
    return text == nullptr ? std::string_view() : std::string_view(text);
}

bool is_word_byte(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '_' || byte >= 0x80;
}

bool has_word(const std::string& folded_text, std::string_view name) {
    const std::string word = syntax::ascii_lower(name);
    for (std::size_t at = folded_text.find(word); at != std::string::npos;
         at = folded_text.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || !is_word_byte(folded_text[at - 1])) &&
            (end == folded_text.size() || !is_word_byte(folded_text[end]))) {
            return true;
        }
    }
    return false;
}

// The nodes below a statement, over all that the grammar's own walker knows.
class Walk {
  public:
    explicit Walk(const MentionedName& name) : name_(name) {}

    // False: there is something here that only its words can tell.
    bool statement(const Node* node);
    [[nodiscard]] Mentioned found() const;

  private:
    bool tree(const Node* node);
    void look(const Node* node);
    void relation(const RangeVar* relation);
    void column(const ColumnRef* column);
    void target_names(const List* targets);
    void renamed(const Alias* alias) { all_ = all_ || (alias != nullptr && alias->colnames); }

    const MentionedName& name_;
    bool relation_ = false;
    bool named_ = false;
    bool all_ = false;
    std::vector<std::string> aliases_;  // of the relation: a column of that name is a whole row
    std::vector<std::string> alone_;    // columns without a qualifier
};

Mentioned Walk::found() const {
    if (!relation_) {
        return Mentioned::kNo;
    }
    if (name_.column.empty() || named_) {
        return Mentioned::kByName;
    }
    const bool whole_row = std::ranges::any_of(alone_, [&](const std::string& name) {
        return std::ranges::find(aliases_, name) != aliases_.end();
    });
    return all_ || whole_row ? Mentioned::kByStar : Mentioned::kNo;
}

void Walk::relation(const RangeVar* relation) {
    if (text_of(relation->relname) != name_.relation ||
        (!name_.schema.empty() && relation->schemaname != nullptr &&
         relation->schemaname != name_.schema)) {
        return;
    }
    relation_ = true;
    renamed(relation->alias);
    aliases_.emplace_back(relation->alias == nullptr ? text_of(relation->relname)
                                                     : text_of(relation->alias->aliasname));
}

void Walk::column(const ColumnRef* column) {
    const auto fields = cells(column->fields);
    if (fields.empty()) {
        return;
    }
    const void* last = fields.back().ptr_value;
    if (is_a(last, T_A_Star)) {
        all_ = true;
        return;
    }
    named_ = named_ || string_value(last) == name_.column;
    // `c` and `public.customers` alone: whole rows. Of a column they are read as nothing more.
    alone_.emplace_back(string_value(last));
}

void Walk::target_names(const List* targets) {
    for (const ListCell& cell : cells(targets)) {
        if (is_a(cell.ptr_value, T_ResTarget)) {
            named_ = named_ || text_of(as<ResTarget>(cell.ptr_value)->name) == name_.column;
        }
    }
}

void Walk::look(const Node* node) {
    switch (nodeTag(node)) {
        case T_RangeVar:
            relation(as<RangeVar>(node));
            break;
        case T_ColumnRef:
            column(as<ColumnRef>(node));
            break;
        case T_A_Indirection:
            for (const ListCell& cell : cells(as<A_Indirection>(node)->indirection)) {
                all_ = all_ || is_a(cell.ptr_value, T_A_Star);
                named_ = named_ || string_value(cell.ptr_value) == name_.column;
            }
            break;
        case T_JoinExpr: {
            const auto* join = as<JoinExpr>(node);
            all_ = all_ || join->isNatural;
            renamed(join->alias);
            renamed(join->join_using_alias);
            for (const ListCell& cell : cells(join->usingClause)) {
                named_ = named_ || string_value(cell.ptr_value) == name_.column;
            }
            break;
        }
        case T_InsertStmt: {
            const auto* insert = as<InsertStmt>(node);
            target_names(insert->cols);
            all_ = all_ || insert->cols == nullptr;
            if (insert->onConflictClause != nullptr) {
                target_names(insert->onConflictClause->targetList);
            }
            break;
        }
        case T_UpdateStmt:
            target_names(as<UpdateStmt>(node)->targetList);
            break;
        case T_MergeWhenClause: {
            const auto* when = as<MergeWhenClause>(node);
            target_names(when->targetList);
            all_ = all_ || (when->commandType == CMD_INSERT && when->targetList == nullptr);
            break;
        }
        default:
            break;
    }
}

bool Walk::tree(const Node* node) {
    return syntax::each_node(node, [this](const Node* each) {
        look(each);
        return true;
    });
}

bool Walk::statement(const Node* node) {
    switch (nodeTag(node)) {
        case T_SelectStmt:
        case T_InsertStmt:
        case T_UpdateStmt:
        case T_DeleteStmt:
        case T_MergeStmt:
            return tree(node);
        case T_ExplainStmt:
            return statement(as<ExplainStmt>(node)->query);
        case T_PrepareStmt:
            return statement(as<PrepareStmt>(node)->query);
        case T_DeclareCursorStmt:
            return statement(as<DeclareCursorStmt>(node)->query);
        case T_CopyStmt: {
            const auto* copy = as<CopyStmt>(node);
            if (copy->relation != nullptr) {
                relation(copy->relation);
                all_ = all_ || copy->attlist == nullptr;
                for (const ListCell& cell : cells(copy->attlist)) {
                    named_ = named_ || string_value(cell.ptr_value) == name_.column;
                }
            }
            return tree(copy->whereClause) && (copy->query == nullptr || statement(copy->query));
        }
        case T_TransactionStmt:
        case T_VariableSetStmt:
        case T_VariableShowStmt:
        case T_FetchStmt:
        case T_ClosePortalStmt:
        case T_DeallocateStmt:
            return true;
        default:
            return false;
    }
}

Mentioned by_words(const std::string& sql, const MentionedName& name) {
    const std::string text = syntax::ascii_lower(sql);
    const bool both =
        has_word(text, name.relation) &&
        (name.column.empty() || has_word(text, name.column) || text.find('*') != std::string::npos);
    // A name in escapes is none to look for.
    return both || text.find("u&\"") != std::string::npos ? Mentioned::kByWord : Mentioned::kNo;
}

// The fields of one name, or nothing where the text is anything else.
std::optional<std::vector<std::string>> fields_of(const std::string& text) {
    // What follows the name could be anything; a line's end closes what a comment could open.
    const std::string sql = "SELECT " + text + "\nFROM x";
    if (syntax::find_invalid_byte(sql)) {
        return std::nullopt;
    }
    const syntax::ParseTree tree(sql);
    const auto statements = cells(tree.statements());
    if (tree.error() || statements.size() != 1) {
        return std::nullopt;
    }
    const Node* node = as<RawStmt>(statements[0].ptr_value)->stmt;
    if (!is_a(node, T_SelectStmt) || cells(as<SelectStmt>(node)->targetList).size() != 1) {
        return std::nullopt;
    }
    const auto* target = as<ResTarget>(as<SelectStmt>(node)->targetList->elements[0].ptr_value);
    if (target->name != nullptr || !is_a(target->val, T_ColumnRef)) {
        return std::nullopt;
    }
    std::vector<std::string> fields;
    for (const ListCell& cell : cells(as<ColumnRef>(target->val)->fields)) {
        if (!is_a(cell.ptr_value, T_String)) {
            return std::nullopt;
        }
        fields.emplace_back(string_value(cell.ptr_value));
    }
    return fields;
}

}  // namespace

std::optional<MentionedName> parse_relation_name(const std::string& text) {
    const auto fields = fields_of(text);
    if (!fields || fields->empty() || fields->size() > 2) {
        return std::nullopt;
    }
    return MentionedName{fields->size() == 2 ? fields->front() : "", fields->back(), ""};
}

std::optional<MentionedName> parse_column_name(const std::string& text) {
    const auto fields = fields_of(text);
    if (!fields || fields->size() < 2 || fields->size() > 3) {
        return std::nullopt;
    }
    return MentionedName{fields->size() == 3 ? fields->front() : "", (*fields)[fields->size() - 2],
                         fields->back()};
}

Mentioned find_mention(const std::string& sql, const MentionedName& name) {
    if (syntax::find_invalid_byte(sql) || syntax::find_too_complex(sql, limits::kNestingMax)) {
        return by_words(sql, name);
    }
    const syntax::ParseTree tree(sql);
    if (tree.error()) {
        return by_words(sql, name);
    }
    Walk walk(name);
    bool known = true;
    for (const ListCell& cell : cells(tree.statements())) {
        const Node* statement = as<RawStmt>(cell.ptr_value)->stmt;
        known = (statement == nullptr || walk.statement(statement)) && known;
    }
    const Mentioned found = walk.found();
    return known || found != Mentioned::kNo ? found : by_words(sql, name);
}

bool is_column(std::string_view title, const MentionedName& name) {
    const std::string end = name.relation + "." + name.column;
    return name.schema.empty() ? title == end || title.ends_with("." + end)
                               : title == name.schema + "." + end;
}

}  // namespace vitrine::parser
