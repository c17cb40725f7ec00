// One statement's query trees, looked into at every depth: what they write, lock, call and read;
// and the edits that put the masked form of a relation where the relation stood.
//
// The walk keeps its own stack, so a deep tree costs memory of the heap and no more than
// limits::kNestingMax levels. Nodes are visited by an allow-list: one that is not on it is refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "parser/judge.h"
#include "parser/masking/policy.h"
#include "parser/masking/resolve.h"
#include "parser/readonly/calls.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/text_edit.h"

union ListCell;
struct CopyStmt;
struct FuncCall;
struct JoinExpr;
struct List;
struct Node;
struct RangeFunction;
struct RangeTableSample;
struct RangeVar;
struct SelectStmt;
struct TypeName;

namespace vitrine::parser {

struct Refused {
    Refusal refusal;
    std::string rule;
    bool stale = false;
};

[[nodiscard]] Refused refused(Objection objection, std::size_t position);

// Of an operator whose operands are not looked at.
inline constexpr OperatorShape kAnyOperands{};

class Query {
  public:
    // [begin, end) is the statement's place in `sql`. All outlives the Query.
    Query(std::string_view sql, std::size_t begin, std::size_t end, const Policy& policy,
          const SearchPath& path, syntax::TextEdits& edits);
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // set_config('search_path', …) is refused: the call would run at another time than the
    // statement, or its effect could not be told.
    void forbid_search_path() { search_path_forbidden_ = true; }

    // Those that a Parse message declares; 0 where it does not.
    void declare_parameters(std::span<const Oid> types) { parameter_types_ = types; }

    // What stands before an application_name that set_config() sets.
    void prefix_application_name(std::string_view prefix) { application_prefix_ = prefix; }
    void fix_costs(bool fixed) { costs_fixed_ = fixed; }

    // Relations get their schema written before them, so that the text means the same under any
    // path.
    void qualify_relations() { qualify_relations_ = true; }

    // Looks into a query or an expression; nullptr is nothing.
    void walk(const Node* node);
    // The values of EXECUTE become what the statement declares (EvaluateParams).
    void assign(const List* values);
    // COPY relation [(columns)] TO STDOUT.
    void copy_relation(const CopyStmt* copy);
    // A relation that is named but not read: it must exist.
    void name_relation(const RangeVar* relation);
    // What can only be said when all has been seen. Call once, last.
    void finish();

    // The first objection by its position in the text.
    [[nodiscard]] const std::optional<Refused>& refusal() const { return refusal_; }
    void refuse(Objection objection, std::size_t position);
    void refuse(Objection objection, int location);

    [[nodiscard]] const std::set<std::string>& masked() const { return masked_; }
    // "public.orders by masking.rows[0]"
    [[nodiscard]] const std::set<std::string>& filtered() const { return filtered_; }
    [[nodiscard]] bool sets_search_path() const { return sets_search_path_; }
    // A relation is read of which a plan would show constants that are hidden.
    [[nodiscard]] const Relation* hidden_plan() const { return hidden_plan_; }
    [[nodiscard]] const syntax::Tokens& tokens();
    // The begin of the nearest of these keywords at or before `location`; the statement's begin
    // where there is none.
    [[nodiscard]] std::size_t keyword_before(int location, std::string_view keyword);

  private:
    friend class WholeRows;

    struct Item {
        const Node* node;
        const VisibleCte* ctes;
        std::uint32_t select;
        std::uint32_t depth;
        std::size_t cell = 0;  // of a list: where to go on
    };
    // Something in a FROM clause that column references can be qualified with.
    struct RangeItem {
        std::string_view name;  // the alias, or the relation's own name
        const Relation* relation = nullptr;
        bool aliased = false;
        bool renamed_columns = false;
        bool rewritten = false;
        std::uint32_t select = 0;
        int location = -1;
    };
    struct QualifiedReference {
        ObjectName relation;
        std::size_t parts;  // of the relation's name
        int location;
    };
    struct Attribute {
        std::string_view qualifier;  // empty: of an expression
        std::string_view name;
        int location;
        bool parenthesised = false;  // `(x).f`, not `x.f`
        Operand of = Operand::kTyped;
        bool with_schema = false;
    };
    // `f(x)` where no function f is known: the column f of x, or nothing.
    struct ColumnCall {
        std::string_view function;
        std::string_view argument;  // empty: not a plain name
        int location;
    };
    // What stands in FROM clauses under one name.
    struct NamedItems {
        std::vector<const Relation*> relations;  // each once
        bool others = false;                     // something whose columns are not known here
        // Relations that are replaced, and stand under their own name.
        const Relation* rewritten = nullptr;
        bool rewritten_alone = true;  // nothing else has the name
        bool any_rewritten = false;
    };

    void visit(const Item& item);
    void push(const Node* node, const Item& parent);
    void push_children(const Item& item);
    void visit_select(const SelectStmt* select, const Item& item);
    void note_star_target(const Node* value, const SelectStmt* query, std::uint32_t select);
    void visit_call(const FuncCall* call, const Item& item);
    void judge_setting_call(const FuncCall* call, const Function& function);
    void show_definition(const FuncCall* call, const ObjectName& name);
    void show_expression(const FuncCall* call);
    [[nodiscard]] bool gives_rows(const Node* argument) const;
    void refuse_definition(std::string_view function, int location);
    [[nodiscard]] std::optional<std::size_t> end_of_call(const FuncCall* call);
    [[nodiscard]] bool give_type(const FuncCall* call, std::size_t argument, bool number);
    // Where the n-th argument of a call stands in the text: [first, second).
    [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> argument_place(
        const FuncCall* call, std::size_t argument);
    // The name that current_setting() or set_config() is given becomes `replacement` where it
    // matches.
    void filter_setting_name(const FuncCall* call, const std::string& pattern,
                             std::string_view replacement);
    // pg_show_all_settings() in FROM: what pg_settings shows, by the rules of pg_settings.
    [[nodiscard]] bool show_all_settings(const RangeFunction* function, const Item& item);
    void visit_column(const Node* node);
    void visit_indirection(const Node* node, const Item& item);
    void visit_sample(const RangeTableSample* sample, const Item& item);
    void visit_type(const TypeName* type, const Item& item);
    void visit_operator(const Node* node);
    void judge_operator(const ObjectName& name, const OperatorShape& shape, int location,
                        std::array<const Node*, 2> operands = {});
    // A cast that was written, of a value that is not a literal.
    void note_bare_column(std::string_view name);
    void add_conditional(Conditional conditional, std::array<const Node*, 2> operands,
                         int location);
    void note_cast(const Type* target, const Node* value, int location);
    void note_cast(const ObjectName& name, const Node* value, int location);
    void finish_casts();
    void finish_conditional();
    [[nodiscard]] std::set<Oid> types_there() const;
    // The types that an expression may have; nullopt: not known.
    [[nodiscard]] std::optional<std::vector<Oid>> types_of(const Node* expression,
                                                           unsigned depth = 0) const;
    [[nodiscard]] std::optional<std::vector<Oid>> types_of_operation(const Node* operation,
                                                                     unsigned depth) const;
    [[nodiscard]] std::optional<std::vector<Oid>> types_of_column(std::string_view qualifier,
                                                                  std::string_view column) const;
    // May a value of one type stand where the other is wanted, without a cast being written?
    [[nodiscard]] bool becomes(Oid from, Oid to, unsigned depth = 0) const;
    void note_parameter(const Node* parameter);
    // The type that was declared for a parameter; 0: none.
    [[nodiscard]] Oid declared_type(const Node* parameter) const;
    [[nodiscard]] bool is_void_parameter(const Node* node) const;
    void add_parts(std::set<Oid>& types) const;
    [[nodiscard]] bool present(Oid type, const std::set<Oid>& types) const;
    void reference(const RangeVar* relation, const Item& item, const RangeTableSample* sample);
    // The relation a name stands for; nullptr after an objection.
    const Relation* resolve(const RangeVar* relation);
    // A reference that is replaced: when all has been seen, since what it must give then is known.
    struct Replaced {
        const RangeVar* reference;
        const RelationPolicy* policy;
        const RangeTableSample* sample;
        std::string_view name;  // in FROM
        std::uint32_t select;   // RangeItem::select
        std::vector<std::string_view> system_columns;
        std::string system_prefix;  // of their names, where a NATURAL join would take them for its
        // Its row is a value somewhere, as the derived table gives it.
        bool row_left = false;
        // Instead of its name, where another relation has the same.
        std::string alias;
        // Where the query groups by its key: of a column of the key in GROUP BY; else -1.
        int key_location = -1;
        // The columns that then join the GROUP BY, and those that are taken of the group's first
        // row, since they cannot; and whether the row as a value is that row.
        std::vector<std::string_view> grouped_too;
        std::map<std::string_view, const Column*> first;
        std::string first_of_group;  // that row, as far as they need it
        bool first_row = false;
        [[nodiscard]] std::string quoted_name() const;
    };
    void rewrite(const Replaced& replaced);
    void finish_rows();
    [[nodiscard]] bool is_whole_row(std::string_view name) const;
    [[nodiscard]] static std::vector<std::string_view> column_names(const Replaced& item);
    // Stars that are an output by themselves; and those that are not, `c.*` by its name.
    struct StarTarget {
        std::string_view qualifier;
        std::size_t parts;
        std::uint32_t select;
        const SelectStmt* query;
        int location;
    };
    [[nodiscard]] bool write_stars_out(const Replaced& item);
    [[nodiscard]] static std::string column_list(const Replaced& item);
    [[nodiscard]] std::string grouped_list(const Replaced& item, bool named) const;
    [[nodiscard]] std::string grouped_column(const Replaced& item, std::string_view column,
                                             bool named) const;
    [[nodiscard]] static std::string first_row(const Replaced& item);
    struct FirstValue {
        std::string text;
        std::string_view name;  // as an output
    };
    [[nodiscard]] FirstValue first_value(const Replaced& item, std::string_view name) const;
    [[nodiscard]] bool has_row_type(const Replaced& item) const;
    [[nodiscard]] std::optional<std::string> columns_by_name(const Replaced& item) const;
    [[nodiscard]] std::optional<std::string> all_columns(const StarTarget& star) const;
    // One of the outputs that `*` stands for.
    struct StarColumn {
        std::string_view name;  // empty: all of something whose columns are not known here
        std::string text;
        bool merged = false;
    };
    [[nodiscard]] bool add_columns(const Node* from, bool one_by_one, std::uint32_t select,
                                   std::vector<StarColumn>& columns) const;
    [[nodiscard]] static bool merge_columns(const JoinExpr* join,
                                            const std::vector<StarColumn>& left,
                                            const std::vector<StarColumn>& right,
                                            std::vector<StarColumn>& columns);
    void plan_system_columns();
    void refuse_system_column(const Attribute& column);
    [[nodiscard]] bool is_below_alias(const Replaced& item) const;
    void plan_groups();
    void finish_groups();
    void plan_group(const SelectStmt* select, Replaced& item);
    void group_by_columns(const Replaced& item);
    void note_masked(const RelationPolicy& policy);
    bool closed(const RelationPolicy* policy, int location);
    bool definition_fails(const RelationPolicy* policy, int location);
    std::size_t at(int location) const;
    // False after an objection: the text would grow beyond all bounds.
    bool edit(std::size_t begin, std::size_t end, std::string text, int location);

    void collect_names();
    [[nodiscard]] bool too_many_pairs() const;
    void constant_type(int tag, int location);
    void grammar_type(Oid type, int location);
    [[nodiscard]] bool surely_has_column(std::string_view item, std::string_view column) const;
    void finish_column_calls();
    void finish_qualified();
    void finish_attributes();
    void finish_system_columns();
    void finish_same_names();
    [[nodiscard]] bool is_named_alone(std::string_view name) const;
    void add_item(std::string_view name, const Item& item);

    std::string_view sql_;
    std::size_t begin_;
    std::size_t end_;
    const Policy& policy_;
    const SearchPath& path_;
    Calls calls_;
    syntax::TextEdits& edits_;

    std::vector<const Node*> roots_;  // that were walked
    std::vector<Item> stack_;
    VitrineChildren children_{};
    std::deque<VisibleCte> ctes_;
    std::uint32_t selects_ = 0;
    std::optional<syntax::Tokens> tokens_;

    std::vector<RangeItem> items_;
    std::vector<QualifiedReference> qualified_;
    std::vector<Attribute> attributes_;
    std::set<Oid> constant_types_;  // of the constants seen so far
    // Where users made casts: those that are written here, and all types that values may have.
    struct CastHere {
        const Type* target;
        const Node* value;  // nullptr: not known
        int location;
    };
    struct OperatorFinding {
        std::optional<Objection> objection;
        std::vector<Conditional> conditional;
    };
    std::map<std::tuple<std::string_view, std::string_view, bool, Operand, Operand>,
             OperatorFinding>
        operators_;
    std::size_t operators_judged_ = 0;
    struct LocatedConditional {
        Conditional conditional;
        std::array<const Node*, 2> operands;  // the first two; nullptr: not known
        std::string_view using_column;        // of both, in JOIN … USING
        int location;
    };
    std::vector<LocatedConditional> conditional_;
    std::string_view using_column_;
    std::set<Oid> types_of_users_;  // that were named, or that a function of theirs gives
    std::vector<CastHere> casts_;
    std::set<const Type*> casts_of_any_;  // those of a value that is not known
    std::set<Oid> types_seen_;
    std::span<const Oid> parameter_types_;
    std::string_view application_prefix_;
    bool costs_fixed_ = false;
    bool unnamed_items_ = false;  // in FROM, under a name that is not known here
    bool rows_ = false;           // ROW(…)
    // Names alone, of columns or of whole rows; where there are more, rows_ stands for the rest.
    std::array<std::string_view, 32> bare_columns_;
    std::size_t bare_columns_count_ = 0;
    // Undeclared parameters that were met, by their number; and whether one was met again.
    std::uint64_t parameters_ = 0;
    bool parameter_again_ = false;
    std::vector<Attribute> system_columns_;
    std::vector<Replaced> replaced_;
    // With GROUP BY; and the number by which RangeItem::select knows each.
    std::vector<std::pair<const SelectStmt*, std::uint32_t>> grouped_;
    std::size_t group_items_ = 0;  // what they group by, and their outputs
    std::vector<StarTarget> star_targets_;
    std::set<const Node*> star_nodes_;
    std::set<std::string_view> stars_within_;
    std::set<int> stars_written_;                                      // by their places
    std::map<std::uint32_t, std::optional<std::string>> all_columns_;  // by RangeItem::select
    // References to system columns that have the prefix, or need none, by their places.
    std::set<int> prefixed_;
    // RangeItem::select of those that have such a join.
    std::map<std::uint32_t, std::vector<const JoinExpr*>> aliased_joins_;
    std::set<std::uint32_t> natural_joins_;
    std::set<std::uint32_t> merged_joins_;  // NATURAL or USING
    std::vector<ColumnCall> column_calls_;
    std::unordered_map<std::string_view, NamedItems> names_;  // made by finish()
    std::optional<std::size_t> locking_position_;

    std::optional<Refused> refusal_;
    std::set<std::string> masked_;
    std::set<std::string> filtered_;
    const Relation* hidden_plan_ = nullptr;
    std::set<const FuncCall*> in_from_;  // called there
    bool qualify_relations_ = false;
    bool search_path_forbidden_ = false;
    bool sets_search_path_ = false;
};

}  // namespace vitrine::parser
