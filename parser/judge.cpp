// From a text to its judgement: bytes, grammar, then statement by statement. What a query tree may
// hold is query.cpp's; which kinds of statement there are is readonly/statements.cpp's.

#include "parser/judge.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <new>

#include "config/limits.h"
#include "parser/masking/resolve.h"
#include "parser/plain.h"
#include "parser/query.h"
#include "parser/query_parts.h"
#include "parser/readonly/settings.h"
#include "parser/readonly/statements.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/text_edit.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {
namespace {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

constexpr std::string_view kRuleStatement = "statement: ";
constexpr std::string_view kReadOnlyDetail = "Every session through vitrine is read-only.";

// Below this a text cannot nest deep enough to matter, whatever it holds: two bytes a level.
constexpr std::size_t kUnscannedBytesMax = std::size_t{limits::kNestingMax};

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

Objection write_objection(std::string_view command) {
    return {"25006",
            "cannot execute " + std::string(command) + " in a read-only transaction",
            std::string(kReadOnlyDetail),
            "Read with SELECT; to change something, use the access meant for it.",
            "read-only: " + std::string(command),
            false};
}

Objection setting_objection(SettingObjection objection, std::string rule) {
    return {std::move(objection.sqlstate),
            std::move(objection.message),
            std::move(objection.detail),
            std::move(objection.hint),
            std::move(rule),
            false};
}

Objection parameter_as_constant(int number) {
    return {"42601",
            "syntax error at or near \"$" + std::to_string(number) + "\"",
            "PostgreSQL takes no parameter in this place.",
            "",
            "syntax",
            false};
}

// A constant of SET as text; nullopt where it is none.
std::optional<std::string> setting_constant(const Node* node) {
    if (!is_a(node, T_A_Const)) {
        return std::nullopt;
    }
    const auto* constant = as<A_Const>(node);
    if (constant->isnull) {
        return std::nullopt;
    }
    switch (nodeTag(&constant->val)) {
        case T_Integer:
            return std::to_string(constant->val.ival.ival);
        case T_Float:
            return std::string(constant->val.fval.fval);
        case T_String:
            return std::string(constant->val.sval.sval);
        default:
            return std::nullopt;
    }
}

std::string string_literal(std::string_view text) {
    std::string literal = "'";
    for (const char c : text) {
        literal += c;
        if (c == '\'') {
            literal += c;
        }
    }
    return literal + "'";
}

class TextJudge {
  public:
    TextJudge(const std::string& sql, const Policy& policy, const SessionContext& session)
        : sql_(sql),
          policy_(policy),
          session_(session),
          path_{session.search_path, session.search_path_known} {}

    // Fills one that is empty.
    void judge(Judgement& out);

  private:
    void whole(Judgement& out, Objection objection, std::size_t position) const;
    void statement(const RawStmt* raw, StatementJudgement& out);
    void name_in_full(const std::vector<OpenInPart>& in_part, StatementJudgement& out);
    void look_into(const Node* node, StatementJudgement& out);
    void finish(Judgement& out);

    // One statement at a time: `query_` looks into it, `out_` is what is said of it.
    void kind(const Node* node);
    void transaction(const TransactionStmt* stmt);
    void set(const VariableSetStmt* stmt);
    void show(const VariableShowStmt* stmt);
    void discard(const DiscardStmt* stmt);
    void copy(const CopyStmt* stmt);
    void explain(const ExplainStmt* stmt);
    void prepare(const PrepareStmt* stmt);
    void execute(const ExecuteStmt* stmt);
    void deallocate(const DeallocateStmt* stmt);
    void declare(const DeclareCursorStmt* stmt);
    void lock(const LockStmt* stmt);
    void refuse_kind(const StatementKind& kind);
    void transaction_mode(const DefElem* mode, bool& understood);

    // The place of the statement's n-th token, or of the keyword.
    std::size_t token(std::size_t index);
    std::size_t keyword(std::string_view word);

    const std::string& sql_;
    const Policy& policy_;
    const SessionContext& session_;
    SearchPath path_;
    syntax::TextEdits edits_;
    std::map<std::string, bool, std::less<>> prepared_here_;  // false: deallocated here
    std::set<std::string> plans_hidden_here_;                 // StatementJudgement::plan_hidden
    bool all_deallocated_ = false;

    Query* query_ = nullptr;
    StatementJudgement* out_ = nullptr;
    bool path_changes_ = false;
    bool stale_ = false;
    bool asked_for_prepared_ = false;
};

void TextJudge::whole(Judgement& out, Objection objection, std::size_t position) const {
    StatementJudgement all;
    all.begin = 0;
    all.size = sql_.size();
    Refused refused = vitrine::parser::refused(std::move(objection), position);
    all.refusal = std::move(refused.refusal);
    all.rule = std::move(refused.rule);
    out.statements.push_back(std::move(all));
}

void TextJudge::judge(Judgement& out) {
    if (sql_.size() > limits::kStatementBytesMax) {
        return whole(out,
                     {"54000", "statement is too long",
                      "It has " + std::to_string(sql_.size()) + " bytes, and the limit is " +
                          std::to_string(limits::kStatementBytesMax) + ".",
                      "Split the statement.", "limit: statement size", false},
                     0);
    }
    if (const auto invalid = syntax::find_invalid_byte(sql_)) {
        return whole(out, {"22021", invalid->message, "", "", "encoding", false},
                     invalid->position);
    }
    if (sql_.size() > kUnscannedBytesMax) {
        if (const auto place = syntax::find_too_complex(sql_, limits::kNestingMax)) {
            return whole(out,
                         {"54001", "stack depth limit exceeded",
                          "The statement nests deeper than " + std::to_string(limits::kNestingMax) +
                              " levels, or has as many operators without anything between.",
                          "Split the statement, or write the list of values as an array.",
                          "limit: nesting", false},
                         *place);
        }
    }
    const syntax::ParseTree tree(sql_);
    if (tree.error()) {
        const syntax::SyntaxError& error = *tree.error();
        return whole(out,
                     {error.sqlstate, error.message, error.detail, error.hint, "syntax", false},
                     error.position);
    }
    const auto statements = cells(tree.statements());
    if (statements.size() > limits::kStatementsPerQueryMax) {
        return whole(out,
                     {"54000", "too many statements in one query",
                      "It has " + std::to_string(statements.size()) + ", and the limit is " +
                          std::to_string(limits::kStatementsPerQueryMax) + ".",
                      "Send them in several queries.", "limit: statements", false},
                     0);
    }
    if (session_.protocol == Protocol::kExtended && statements.size() > 1) {
        return whole(out,
                     {"42601", "cannot insert multiple commands into a prepared statement", "", "",
                      "syntax", false},
                     0);
    }
    out.statements.reserve(statements.size());
    bool refused = false;
    for (const ListCell& cell : statements) {
        stale_ = false;
        StatementJudgement& judged = out.statements.emplace_back();
        statement(as<RawStmt>(cell.ptr_value), judged);
        if (!refused && judged.refusal) {
            refused = true;
            out.catalog_may_be_stale = stale_;
        }
    }
    finish(out);
}

void TextJudge::finish(Judgement& out) {
    const std::size_t first = out.first_refused();
    std::size_t end = sql_.size();
    if (first < out.statements.size()) {
        end = first == 0 ? 0 : out.statements[first - 1].begin + out.statements[first - 1].size;
    }
    out.forwarded_size = end;
    out.depends_on_prepared = asked_for_prepared_;
    if (edits_.count() == 0) {
        return;
    }
    auto rendered = edits_.render(sql_, 0, end);
    const bool edited = std::any_of(rendered.pieces.begin(), rendered.pieces.end(),
                                    [](const PositionMap::Piece& p) { return p.replaced; });
    if (edited) {
        out.forwarded = std::move(rendered.text);
        out.positions = PositionMap(std::move(rendered.pieces));
    }
}

void TextJudge::statement(const RawStmt* raw, StatementJudgement& out) {
    out.begin = raw->stmt_location < 0 ? 0 : static_cast<std::size_t>(raw->stmt_location);
    std::size_t end =
        raw->stmt_len > 0 ? out.begin + static_cast<std::size_t>(raw->stmt_len) : sql_.size();
    while (out.begin < end && is_space(sql_[out.begin])) {
        ++out.begin;
    }
    while (end > out.begin && is_space(sql_[end - 1])) {
        --end;
    }
    out.size = end - out.begin;
    std::vector<OpenInPart> in_part;
    if (is_plain(raw->stmt, policy_, path_, session_.parameter_types, in_part)) {
        const StatementKind& select = *statement_kind(T_SelectStmt);
        out.command_tag = select.command;
        out.rule = kRuleStatement;
        out.rule += select.command;
#ifndef NDEBUG
        StatementJudgement looked_into;
        looked_into.begin = out.begin;
        looked_into.size = out.size;
        const syntax::TextEdits edits = edits_;
        const bool known = path_.known;
        look_into(raw->stmt, looked_into);
        edits_ = edits;
        // There may be no room for its masks, which it does not need.
        const bool no_room = looked_into.refusal && (looked_into.rule == "masking: reference" ||
                                                     looked_into.rule.starts_with("limit: "));
        assert((no_room && !in_part.empty()) ||
               (!looked_into.refusal && looked_into.filtered.empty() && !looked_into.plan_hidden &&
                looked_into.forwarded.has_value() == !in_part.empty() &&
                looked_into.masked.empty() == in_part.empty() && looked_into.effect == out.effect &&
                looked_into.name == out.name && looked_into.rule == out.rule &&
                looked_into.command_tag == out.command_tag && path_.known == known));
#endif
        name_in_full(in_part, out);
        return;
    }
    look_into(raw->stmt, out);
}

// The tables of a plain statement that have masked columns.
void TextJudge::name_in_full(const std::vector<OpenInPart>& in_part, StatementJudgement& out) {
    bool edited = false;
    for (const OpenInPart& reference : in_part) {
        const auto titles = policy_.plain_names().masked_titles(*reference.relation);
        out.masked.insert(out.masked.end(), titles.begin(), titles.end());
        if (!reference.qualified) {
            const auto place = static_cast<std::size_t>(reference.location);
            edits_.replace(place, place,
                           syntax::quoted_identifier(reference.relation->relation->schema) + ".",
                           place);
            edited = true;
        }
    }
    if (in_part.size() > 1) {
        std::sort(out.masked.begin(), out.masked.end());
        out.masked.erase(std::unique(out.masked.begin(), out.masked.end()), out.masked.end());
    }
    if (edited) {
        out.forwarded = edits_.render(sql_, out.begin, out.begin + out.size).text;
    }
}

void TextJudge::look_into(const Node* node, StatementJudgement& out) {
    const std::size_t end = out.begin + out.size;
    Query query(sql_, out.begin, end, policy_, path_, edits_);
    query_ = &query;
    out_ = &out;
    path_changes_ = false;
    const std::size_t edits_before = edits_.count();
    query.declare_parameters(session_.parameter_types);
    query.prefix_application_name(session_.application_prefix);
    query.fix_costs(session_.costs_fixed);
    // A value of a declared type is read by that type's functions, a domain's CHECK among them.
    for (const Oid type : session_.parameter_types) {
        if (type != 0) {
            if (auto objection = Calls(policy_, path_).type(type)) {
                query.refuse(std::move(*objection), token(0));
            }
        }
    }
    kind(node);
    query.finish();
    query_ = nullptr;
    out_ = nullptr;

    if (query.refusal()) {
        out.refusal = query.refusal()->refusal;
        out.rule = query.refusal()->rule;
        out.effect = Effect::kNone;
        stale_ = query.refusal()->stale;
        return;
    }
    if (edits_.count() != edits_before) {
        auto rendered = edits_.render(sql_, out.begin, end);
        if (rendered.overlapping) {
            query.refuse(not_supported("this way to write masked relations",
                                       "Two of the replacements in the text would overlap.",
                                       "Write the query another way.", "masking: reference"),
                         out.begin);
            out.refusal = query.refusal()->refusal;
            out.rule = query.refusal()->rule;
            out.effect = Effect::kNone;
            return;
        }
        out.forwarded = std::move(rendered.text);
    }
    out.masked.assign(query.masked().begin(), query.masked().end());
    out.filtered.assign(query.filtered().begin(), query.filtered().end());
    out.plan_hidden = out.plan_hidden || query.hidden_plan() != nullptr;
    if (query.sets_search_path()) {
        out.effect = Effect::kSearchPath;
        path_changes_ = true;
    }
    if (path_changes_) {
        path_.known = false;
    }
}

std::size_t TextJudge::token(std::size_t index) {
    const syntax::Tokens& all = query_->tokens();
    return index < all.size() ? all.begin(index) : out_->begin;
}

std::size_t TextJudge::keyword(std::string_view word) {
    const syntax::Tokens& all = query_->tokens();
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all.is_keyword(i, word)) {
            return all.begin(i);
        }
    }
    return token(0);
}

void TextJudge::kind(const Node* node) {
    const StatementKind* kind = node == nullptr ? nullptr : statement_kind(nodeTag(node));
    if (kind == nullptr) {
        query_->refuse({"0A000", "this kind of statement is not supported yet",
                        "vitrine does not know it.", "", "statement: unknown", false},
                       token(0));
        return;
    }
    out_->command_tag = kind->command;
    out_->rule = kRuleStatement;
    out_->rule += kind->command;
    switch (nodeTag(node)) {
        case T_SelectStmt:
            query_->walk(node);
            return;
        case T_InsertStmt:
        case T_UpdateStmt:
        case T_DeleteStmt:
        case T_MergeStmt:
            query_->walk(node);  // refuses it, at its keyword
            return;
        case T_FetchStmt:
            if (as<FetchStmt>(node)->ismove) {
                out_->command_tag = "MOVE";
                out_->rule = "statement: MOVE";
            }
            return;
        case T_ClosePortalStmt:
            if (as<ClosePortalStmt>(node)->portalname == nullptr) {
                out_->command_tag = "CLOSE CURSOR ALL";
            }
            return;
        case T_ConstraintsSetStmt:
        case T_UnlistenStmt:
            return;
        case T_TransactionStmt:
            transaction(as<TransactionStmt>(node));
            return;
        case T_VariableSetStmt:
            set(as<VariableSetStmt>(node));
            return;
        case T_VariableShowStmt:
            show(as<VariableShowStmt>(node));
            return;
        case T_DiscardStmt:
            discard(as<DiscardStmt>(node));
            return;
        case T_CopyStmt:
            copy(as<CopyStmt>(node));
            return;
        case T_ExplainStmt:
            explain(as<ExplainStmt>(node));
            return;
        case T_PrepareStmt:
            prepare(as<PrepareStmt>(node));
            return;
        case T_ExecuteStmt:
            execute(as<ExecuteStmt>(node));
            return;
        case T_DeallocateStmt:
            deallocate(as<DeallocateStmt>(node));
            return;
        case T_DeclareCursorStmt:
            declare(as<DeclareCursorStmt>(node));
            return;
        case T_LockStmt:
            lock(as<LockStmt>(node));
            return;
        default:
            refuse_kind(*kind);
            return;
    }
}

void TextJudge::refuse_kind(const StatementKind& kind) {
    // A kind may cover several commands (VACUUM and ANALYZE) or objects (DROP …): the text says.
    const auto upper = [&](std::size_t index) {
        std::string word(query_->tokens().text(index));
        std::transform(word.begin(), word.end(), word.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
        return word;
    };
    std::string command(kind.command);
    const std::string verb = upper(0);
    if (command == "CREATE" || command == "ALTER" || command == "DROP") {
        command += " " + upper(1);
    } else if (!command.starts_with(verb)) {
        command = verb;
    }
    out_->command_tag = command;
    switch (kind.verdict) {
        case StatementVerdict::kForbidden:
            query_->refuse({"42501", command + " is not allowed",
                            command + " is refused: " + std::string(kind.reason) + ".",
                            "Leave the statement out.", "statement: " + command, false},
                           token(0));
            return;
        case StatementVerdict::kWrite:
        case StatementVerdict::kRead:
        case StatementVerdict::kConditional:
        case StatementVerdict::kInner:
            query_->refuse(write_objection(command), token(0));
            return;
    }
}

// ---------------------------------------------------------------------------------------------
// Transactions and settings

// One mode of BEGIN or SET TRANSACTION. `understood` is cleared where it is not known.
void TextJudge::transaction_mode(const DefElem* mode, bool& understood) {
    const std::string_view name = mode->defname == nullptr ? "" : mode->defname;
    const auto value = setting_constant(mode->arg);
    if (name != "transaction_isolation" && name != "transaction_deferrable" &&
        name != "transaction_read_only") {
        understood = false;
        return;
    }
    if (!value) {
        understood = false;
        return;
    }
    const std::string values[] = {*value};
    if (auto objection = judge_set(name, values)) {
        const std::size_t position =
            mode->location < 0 ? token(0) : static_cast<std::size_t>(mode->location);
        query_->refuse(setting_objection(std::move(*objection), "read-only: READ WRITE"), position);
    }
}

void TextJudge::transaction(const TransactionStmt* stmt) {
    out_->effect = Effect::kTransaction;
    const auto named = [&](std::string_view tag) {
        out_->command_tag = tag;
        out_->rule = "statement: " + std::string(tag);
    };
    switch (stmt->kind) {
        case TRANS_STMT_BEGIN:
        case TRANS_STMT_START:
            named(stmt->kind == TRANS_STMT_BEGIN ? "BEGIN" : "START TRANSACTION");
            for (const ListCell& option : cells(stmt->options)) {
                bool understood = is_a(option.ptr_value, T_DefElem);
                if (understood) {
                    transaction_mode(as<DefElem>(option.ptr_value), understood);
                }
                if (!understood) {
                    query_->refuse({"0A000", "this transaction mode is not supported yet", "",
                                    "Leave it out.", "statement: BEGIN", false},
                                   token(0));
                }
            }
            return;
        case TRANS_STMT_COMMIT:
            // What SET LOCAL changed ends here.
            path_changes_ = true;
            named("COMMIT");
            return;
        case TRANS_STMT_ROLLBACK:
        case TRANS_STMT_ROLLBACK_TO:
            path_changes_ = true;
            named("ROLLBACK");
            return;
        case TRANS_STMT_SAVEPOINT:
            named("SAVEPOINT");
            return;
        case TRANS_STMT_RELEASE:
            named("RELEASE");
            return;
        case TRANS_STMT_PREPARE:
        case TRANS_STMT_COMMIT_PREPARED:
        case TRANS_STMT_ROLLBACK_PREPARED:
            named(stmt->kind == TRANS_STMT_PREPARE           ? "PREPARE TRANSACTION"
                  : stmt->kind == TRANS_STMT_COMMIT_PREPARED ? "COMMIT PREPARED"
                                                             : "ROLLBACK PREPARED");
            query_->refuse(write_objection(out_->command_tag), token(0));
            return;
    }
    query_->refuse({"0A000", "this transaction command is not supported yet", "", "",
                    "statement: transaction", false},
                   token(0));
}

void TextJudge::set(const VariableSetStmt* stmt) {
    const std::string_view name = stmt->name == nullptr ? "" : stmt->name;
    std::size_t place = 1;
    if (query_->tokens().is_keyword(1, "local") || query_->tokens().is_keyword(1, "session")) {
        place = 2;
    }
    const auto object = [&](SettingObjection objection) {
        query_->refuse(setting_objection(std::move(objection), "setting: " + std::string(name)),
                       token(place));
    };
    const auto changes_path = [&] {
        if (is_search_path(name)) {
            out_->effect = Effect::kSearchPath;
            path_changes_ = true;
        }
    };
    switch (stmt->kind) {
        case VAR_SET_VALUE: {
            std::vector<std::string> values;
            for (const ListCell& cell : cells(stmt->args)) {
                const Node* argument = syntax::node(cell);
                if (is_a(argument, T_ParamRef)) {
                    const auto* parameter = as<ParamRef>(argument);
                    query_->refuse(parameter_as_constant(parameter->number), parameter->location);
                    return;
                }
                // SET TIME ZONE INTERVAL '…'
                const Node* constant =
                    is_a(argument, T_TypeCast) ? as<TypeCast>(argument)->arg : argument;
                const auto value = setting_constant(constant);
                if (!value || (constant != argument && name != "timezone")) {
                    object({"0A000", "this value of a setting is not supported yet", "",
                            "Write it as a constant."});
                    return;
                }
                values.push_back(*value);
            }
            if (asks_for_no_encoding(name, values)) {
                values = {"UTF8"};
                const bool names = query_->tokens().is_keyword(place, "names");
                const std::size_t begin = token(place + (names ? 1 : 2));
                edits_.replace(begin, query_->tokens().end(query_->tokens().size() - 1),
                               string_literal(values[0]), begin);
            }
            if (auto objection = judge_set(name, values)) {
                object(std::move(*objection));
                return;
            }
            if (session_.costs_fixed && is_cost_setting(name)) {
                object(cost_is_fixed(name));
                return;
            }
            changes_path();
            if (is_application_name(name) && !session_.application_prefix.empty() &&
                values.size() == 1) {
                // SET [SESSION | LOCAL] name { TO | = } value: everything behind the third token.
                const std::size_t begin = token(place + 2);
                edits_.replace(begin, query_->tokens().end(query_->tokens().size() - 1),
                               string_literal(session_.application_prefix + values[0]), begin);
            }
            return;
        }
        case VAR_SET_MULTI: {
            if (name == "TRANSACTION SNAPSHOT") {
                // Whoever exported it reads the same; it is a place in time, not a right.
                return;
            }
            if (name != "TRANSACTION" && name != "SESSION CHARACTERISTICS") {
                query_->refuse({"0A000", "SET " + std::string(name) + " is not supported yet", "",
                                "", "statement: SET", false},
                               token(0));
                return;
            }
            for (const ListCell& option : cells(stmt->args)) {
                bool understood = is_a(option.ptr_value, T_DefElem);
                if (understood) {
                    transaction_mode(as<DefElem>(option.ptr_value), understood);
                }
                if (!understood) {
                    query_->refuse({"0A000", "this transaction mode is not supported yet", "",
                                    "Leave it out.", "statement: SET", false},
                                   token(0));
                }
            }
            return;
        }
        case VAR_SET_DEFAULT:
        case VAR_RESET:
            if (stmt->kind == VAR_RESET) {
                out_->command_tag = "RESET";
                out_->rule = "statement: RESET";
            }
            if (auto objection = judge_reset(name)) {
                object(std::move(*objection));
                return;
            }
            changes_path();
            return;
        case VAR_SET_CURRENT:
            query_->refuse({"0A000", "SET … FROM CURRENT is not supported yet", "",
                            "Leave the setting as it is.", "statement: SET", false},
                           token(place));
            return;
        case VAR_RESET_ALL:
            // Goes back to the StartupMessage, which has the pins and the key; role,
            // session_authorization and the transaction's mode are left out by the server
            // (GUC_NO_RESET_ALL).
            out_->command_tag = "RESET";
            out_->rule = "statement: RESET";
            out_->effect = Effect::kSearchPath;
            path_changes_ = true;
            return;
    }
    query_->refuse(
        {"0A000", "this form of SET is not supported yet", "", "", "statement: SET", false},
        token(0));
}

void TextJudge::show(const VariableShowStmt* stmt) {
    // SHOW ALL leaves vitrine's own out: a placeholder is GUC_NO_SHOW_ALL.
    const std::string_view name = stmt->name == nullptr ? "" : stmt->name;
    if (auto objection = judge_show(name)) {
        query_->refuse(setting_objection(std::move(*objection), "setting: " + std::string(name)),
                       token(1));
    }
}

void TextJudge::discard(const DiscardStmt* stmt) {
    switch (stmt->target) {
        case DISCARD_PLANS:
            out_->command_tag = "DISCARD PLANS";
            return;
        case DISCARD_SEQUENCES:
            out_->command_tag = "DISCARD SEQUENCES";
            return;
        case DISCARD_TEMP:
            out_->command_tag = "DISCARD TEMP";
            return;
        case DISCARD_ALL:
            // Like RESET ALL, and all prepared statements and cursors go.
            out_->command_tag = "DISCARD ALL";
            out_->effect = Effect::kDiscardAll;
            path_changes_ = true;
            prepared_here_.clear();
            all_deallocated_ = true;
            return;
    }
    query_->refuse(
        {"0A000", "this form of DISCARD is not supported yet", "", "", "statement: DISCARD", false},
        token(0));
}

// ---------------------------------------------------------------------------------------------
// Statements with a query in them

void TextJudge::copy(const CopyStmt* stmt) {
    if (stmt->is_from) {
        query_->refuse(write_objection("COPY FROM"), token(0));
        return;
    }
    if (stmt->is_program || stmt->filename != nullptr) {
        query_->refuse({"42501",
                        std::string("COPY TO a ") + (stmt->is_program ? "program" : "file") +
                            " is not allowed",
                        "It would write outside of the database, on the server.",
                        "Use COPY … TO STDOUT, or psql's \\copy.", "read-only: COPY TO", false},
                       keyword("to"));
        return;
    }
    static constexpr std::array<std::string_view, 8> kOptions{
        "format", "delimiter", "null", "header", "quote", "escape", "force_quote", "encoding"};
    for (const ListCell& cell : cells(stmt->options)) {
        const auto* option = as<DefElem>(cell.ptr_value);
        if (std::find(kOptions.begin(), kOptions.end(), option->defname) == kOptions.end()) {
            query_->refuse(
                {"0A000",
                 "COPY option \"" + std::string(option->defname) + "\" is not supported yet", "",
                 "Leave it out.", "statement: COPY", false},
                option->location);
        }
    }
    if (stmt->whereClause != nullptr) {
        query_->walk(stmt->whereClause);
    }
    if (stmt->query != nullptr) {
        query_->walk(stmt->query);
    } else if (stmt->relation != nullptr) {
        query_->copy_relation(stmt);
    } else {
        query_->refuse(write_objection("COPY"), token(0));
    }
}

void TextJudge::explain(const ExplainStmt* stmt) {
    static constexpr std::array<std::string_view, 9> kOptions{
        "analyze", "verbose", "costs", "buffers", "settings", "wal", "timing", "summary", "format"};
    for (const ListCell& cell : cells(stmt->options)) {
        const auto* option = as<DefElem>(cell.ptr_value);
        if (std::find(kOptions.begin(), kOptions.end(), option->defname) == kOptions.end()) {
            query_->refuse(
                {"0A000",
                 "EXPLAIN option \"" + std::string(option->defname) + "\" is not supported yet", "",
                 "Leave it out.", "statement: EXPLAIN", false},
                option->location);
        }
    }
    const Node* inner = stmt->query;
    const StatementKind* kind = inner == nullptr ? nullptr : statement_kind(nodeTag(inner));
    switch (inner == nullptr ? T_Invalid : nodeTag(inner)) {
        case T_SelectStmt:
        case T_InsertStmt:
        case T_UpdateStmt:
        case T_DeleteStmt:
        case T_MergeStmt:
            query_->walk(inner);
            break;
        case T_DeclareCursorStmt:
            declare(as<DeclareCursorStmt>(inner));
            break;
        case T_ExecuteStmt:
            execute(as<ExecuteStmt>(inner));
            break;
        default: {
            // EXPLAIN ANALYZE CREATE TABLE AS creates the table, even in a READ ONLY transaction.
            const std::string command(kind == nullptr ? "EXPLAIN" : kind->command);
            std::size_t position = token(0);
            if (command.starts_with("CREATE")) {
                position = keyword("create");
            } else if (command.starts_with("REFRESH")) {
                position = keyword("refresh");
            }
            query_->refuse(write_objection(command), position);
            break;
        }
    }
    if (const Relation* read = query_->hidden_plan(); read != nullptr || out_->plan_hidden) {
        query_->refuse(
            {"42501",
             "permission denied to explain " + (read != nullptr
                                                    ? "a query over " + read->name
                                                    : "prepared statement \"" + out_->name + "\""),
             "The plan would show constants of a view's definition or of a row-security "
             "policy that are about masked columns.",
             "EXPLAIN a query over the tables that a view reads.", "builtin: EXPLAIN", false},
            token(0));
    }
    out_->command_tag = "EXPLAIN";
}

void TextJudge::prepare(const PrepareStmt* stmt) {
    query_->forbid_search_path();
    for (const ListCell& cell : cells(stmt->argtypes)) {
        query_->walk(syntax::node(cell));
        const auto names = cells(as<TypeName>(cell.ptr_value)->names);
        if (!names.empty() && string_value(names.back().ptr_value) == std::string_view("void")) {
            query_->refuse({"0A000", "a parameter of type void is not supported", "",
                            "Leave it out.", "statement: PREPARE", false},
                           as<TypeName>(cell.ptr_value)->location);
        }
    }
    query_->walk(stmt->query);
    out_->effect = Effect::kPrepare;
    out_->name = stmt->name;
    if (!query_->refusal()) {
        prepared_here_[out_->name] = true;
        if (query_->hidden_plan() != nullptr) {
            plans_hidden_here_.insert(out_->name);
        }
    }
}

void TextJudge::execute(const ExecuteStmt* stmt) {
    query_->forbid_search_path();
    query_->walk(reinterpret_cast<const Node*>(stmt->params));
    query_->assign(stmt->params);
    out_->effect = Effect::kExecute;
    out_->name = stmt->name;
    out_->rule = "statement: EXECUTE";
    const std::size_t position = keyword("execute");
    if (!path_.known) {
        query_->refuse({"0A000",
                        "EXECUTE behind a statement of the same text that may change the "
                        "search_path is not supported yet",
                        "The prepared statement would be planned again.",
                        "Send the statements one by one.", "name: search_path", false},
                       position);
        return;
    }
    const auto missing = [&] {
        query_->refuse({"26000", "prepared statement \"" + out_->name + "\" does not exist", "", "",
                        "statement: EXECUTE", false},
                       position);
    };
    const auto here = prepared_here_.find(out_->name);
    if (here != prepared_here_.end()) {
        if (!here->second) {
            missing();
        }
        out_->plan_hidden = plans_hidden_here_.contains(out_->name);
        return;
    }
    if (all_deallocated_) {
        missing();
        return;
    }
    asked_for_prepared_ = true;
    const auto known =
        session_.prepared ? session_.prepared(out_->name) : SessionContext::Prepared::kUnknown;
    switch (known) {
        case SessionContext::Prepared::kPlanHidden:
            out_->plan_hidden = true;
            return;
        case SessionContext::Prepared::kCurrent:
            return;
        case SessionContext::Prepared::kStale:
            query_->refuse({"0A000",
                            "prepared statement \"" + out_->name +
                                "\" was judged under another search_path or policy",
                            "It would be planned again, and may mean something else now.",
                            "DEALLOCATE it and PREPARE it again.", "statement: EXECUTE", false},
                           position);
            return;
        case SessionContext::Prepared::kNotPlain:
            query_->refuse({"0A000", "EXECUTE of \"" + out_->name + "\" is not supported yet",
                            "It is not a plain query, and what it changes would go unseen.",
                            "Send the statement itself.", "statement: EXECUTE", false},
                           position);
            return;
        case SessionContext::Prepared::kUnknown:
            missing();
            return;
    }
}

void TextJudge::deallocate(const DeallocateStmt* stmt) {
    out_->effect = Effect::kDeallocate;
    if (stmt->name == nullptr) {
        out_->command_tag = "DEALLOCATE ALL";
        prepared_here_.clear();
        all_deallocated_ = true;
        return;
    }
    out_->name = stmt->name;
    prepared_here_[out_->name] = false;
}

void TextJudge::declare(const DeclareCursorStmt* stmt) {
    query_->forbid_search_path();
    if ((stmt->options & CURSOR_OPT_HOLD) != 0) {
        out_->effect = Effect::kHold;
    }
    query_->walk(stmt->query);
}

void TextJudge::lock(const LockStmt* stmt) {
    if (stmt->mode != AccessShareLock) {
        query_->refuse({"25006", "cannot execute LOCK TABLE in a read-only transaction",
                        "Only ACCESS SHARE, the lock that reading takes, may be taken.",
                        "Say IN ACCESS SHARE MODE, or leave the statement out.",
                        "read-only: LOCK TABLE", false},
                       token(0));
        return;
    }
    for (const ListCell& cell : cells(stmt->relations)) {
        query_->name_relation(as<RangeVar>(cell.ptr_value));
    }
}

}  // namespace

bool Judgement::allowed() const {
    return first_refused() == statements.size();
}

std::size_t Judgement::first_refused() const {
    return static_cast<std::size_t>(
        std::find_if(statements.begin(), statements.end(),
                     [](const StatementJudgement& s) { return s.refusal.has_value(); }) -
        statements.begin());
}

std::size_t PositionMap::to_client(std::size_t forwarded_offset) const {
    const auto next = std::upper_bound(
        pieces_.begin(), pieces_.end(), forwarded_offset,
        [](std::size_t offset, const Piece& p) { return offset < p.forwarded_begin; });
    if (next == pieces_.begin()) {
        return forwarded_offset;
    }
    const Piece& piece = *(next - 1);
    return piece.replaced ? piece.client_begin
                          : piece.client_begin + (forwarded_offset - piece.forwarded_begin);
}

Judgement judge(const std::string& sql, const Policy& policy, const SessionContext& session) {
    Judgement judgement;
    TextJudge(sql, policy, session).judge(judgement);
    return judgement;
}

std::size_t character_position(std::string_view utf8, std::size_t byte_offset) {
    std::size_t position = 1;
    for (const char c : utf8.substr(0, byte_offset)) {
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
            ++position;
        }
    }
    return position;
}

std::size_t byte_offset(std::string_view utf8, std::size_t character_position) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        if ((static_cast<unsigned char>(utf8[i]) & 0xc0) != 0x80 &&
            ++characters == character_position) {
            return i;
        }
    }
    return utf8.size();
}

}  // namespace vitrine::parser
