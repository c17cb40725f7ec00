// From rules to relations. In passes, each over all relations:
//
//   1. what the DBA's rules name, in order, with children and partitions: the last one stands;
//   2. generated columns over masked ones, and parents that would show a child's masked column as
//      it is, until nothing changes;
//   3. the masks as SQL; a mask that cannot stand for its column closes the relation;
//   4. views and materialized views, by what their definitions read and call: a view over what is
//      masked is replaced by its definition, in which that has been replaced.
//
// What is closed stays closed: no pass opens anything again.

#include "parser/masking/policy.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "parser/masking/builtin_rules.h"
#include "parser/masking/mask_expression.h"
#include "parser/masking/rewrite.h"
#include "parser/masking/view_definition.h"
#include "parser/masking/written_sql.h"

namespace vitrine::parser {

namespace {

std::uint64_t next_version() {
    static std::atomic<std::uint64_t> version{0};
    return ++version;
}

std::string qualified(const Relation& relation) {
    return relation.schema + "." + relation.name;
}

bool has_star(const config::NamePattern& pattern) {
    return pattern.pieces.size() != 1;
}

// Does a view's definition name that column in any way? Where the definition does not say, it does.
bool reads_column(const Relation& view, Oid relation, std::int16_t number) {
    bool known = false;
    for (const ColumnsRead& read : view.reads_columns) {
        if (read.relation != relation) {
            continue;
        }
        known = true;
        if (read.whole_row ||
            std::find(read.columns.begin(), read.columns.end(), number) != read.columns.end()) {
            return true;
        }
    }
    return !known;
}

// What a rule of the DBA's says of one column.
struct Chosen {
    config::Mask mask;
    std::string rule;
    bool by_star = false;  // the rule does not name the relation itself
};

// While compiling: what is known of one relation of the users'.
struct Draft {
    const Relation* relation = nullptr;
    std::map<std::int16_t, Chosen> masks;  // by column number
    bool named = false;                    // some rule names this very relation, without a star
    std::optional<Closed> closed;
    // Views: has the definition been looked through?
    enum class Visit : std::uint8_t { kNot, kRunning, kDone } visit = Visit::kNot;
    // Views: something of what the definition reads is masked.
    bool reads_masked = false;
    // Row-security policies of the service role apply to it, or to what it reads.
    bool row_security = false;
};

constexpr std::string_view kHintAskDba =
    "Ask for what you need to be opened, or read from its tables.";

class Compiler {
  public:
    // `result` is what `policy` itself looks relations up in: a view's definition is judged by what
    // is there of the relations that it reads.
    Compiler(const CatalogSnapshot& catalog, const Policy& policy,
             std::unordered_map<Oid, RelationPolicy>& result, std::vector<std::string>* warnings)
        : catalog_(catalog), policy_(policy), warnings_(warnings), result_(result) {}

    void compile(const config::MaskingRules& rules, const std::vector<std::string>& groups);

  private:
    void warn(std::string sentence) {
        if (warnings_ != nullptr) {
            warnings_->push_back(std::move(sentence));
        }
    }
    void close(Draft& draft, std::string rule, std::string reason,
               std::string_view hint = kHintAskDba) {
        if (!draft.closed) {
            draft.closed = Closed{std::move(rule), std::move(reason), std::string(hint)};
        }
    }
    Draft* draft(Oid oid) {
        const auto found = drafts_.find(oid);
        return found == drafts_.end() ? nullptr : &found->second;
    }
    // All below in the inheritance tree, without the relation itself.
    std::vector<Draft*> descendants(const Relation& relation);

    void apply_rule(const config::MaskRule& rule);
    bool apply_pattern(const config::MaskRule& rule, const config::ColumnPattern& pattern);
    void mask(Draft& draft, std::string_view column, const Chosen& chosen);
    bool mask_generated(Draft& draft);
    bool mask_like_children(Draft& draft);
    void close_by_functions(Draft& draft);
    void make_expressions(Draft& draft);
    void close_parents();
    void look_through(Draft& draft);
    void put_in_place(Draft& view);
    void mask_copies(Draft& view);
    void publish(Draft& draft);
    void close_by_policies(Draft& table);
    // And whether the reader, a view, must be replaced by its definition.
    std::optional<Closed> what_closes(Draft& reader, Oid relation);

    const CatalogSnapshot& catalog_;
    const Policy& policy_;
    std::vector<std::string>* warnings_;
    std::map<Oid, Draft> drafts_;
    std::unordered_map<Oid, RelationPolicy>& result_;
    bool tables_are_done_ = false;
    std::optional<PlainObjects> plain_;  // once for all views
};

std::vector<Draft*> Compiler::descendants(const Relation& relation) {
    std::vector<Draft*> found;
    std::unordered_set<Oid> seen{relation.oid};
    std::vector<Oid> pending = relation.children;
    while (!pending.empty()) {
        const Oid oid = pending.back();
        pending.pop_back();
        Draft* child = draft(oid);
        if (child == nullptr || !seen.insert(oid).second) {
            continue;
        }
        found.push_back(child);
        pending.insert(pending.end(), child->relation->children.begin(),
                       child->relation->children.end());
    }
    return found;
}

void Compiler::mask(Draft& draft, std::string_view name, const Chosen& chosen) {
    if (const Column* column = draft.relation->column(name)) {
        draft.masks[column->number] = chosen;
    }
}

bool Compiler::apply_pattern(const config::MaskRule& rule, const config::ColumnPattern& pattern) {
    bool matched = false;
    const Chosen chosen{rule.mask, rule.name, has_star(pattern.parts[1])};
    for (auto& [oid, draft] : drafts_) {
        const Relation& relation = *draft.relation;
        if (!pattern.parts[0].matches(relation.schema) ||
            !pattern.parts[1].matches(relation.name)) {
            continue;
        }
        for (const Column& column : relation.columns) {
            if (!pattern.parts[2].matches(column.name)) {
                continue;
            }
            matched = true;
            draft.named = draft.named || !has_star(pattern.parts[1]);
            mask(draft, column.name, chosen);
            for (Draft* child : descendants(relation)) {
                mask(*child, column.name, chosen);
            }
        }
    }
    return matched;
}

void Compiler::apply_rule(const config::MaskRule& rule) {
    for (const config::ColumnPattern& pattern : rule.columns) {
        bool matched = apply_pattern(rule, pattern);
        // The system's own relations are not the DBA's to rule; one that is named is closed.
        for (const Relation& relation : catalog_.relations()) {
            if (!is_system_relation(relation) || has_star(pattern.parts[0]) ||
                !pattern.parts[0].matches(relation.schema) ||
                !pattern.parts[1].matches(relation.name)) {
                continue;
            }
            matched = true;
            warn(pattern.text +
                 " names a system relation; rules on those are not supported yet, "
                 "and " +
                 qualified(relation) + " is closed");
            result_[relation.oid].relation = &relation;
            result_[relation.oid].closed =
                Closed{rule.name, "Rules on system relations are not supported yet.",
                       std::string(kHintAskDba)};
        }
        if (!matched) {
            warn(rule.name + ": " + pattern.text + " names no existing column");
        }
    }
}

// Generated columns hold a copy of what they were computed from.
bool Compiler::mask_generated(Draft& draft) {
    bool changed = false;
    for (const Column& column : draft.relation->columns) {
        if (!column.generated || draft.masks.contains(column.number)) {
            continue;
        }
        const bool reaches =
            std::any_of(column.generated_from.begin(), column.generated_from.end(),
                        [&](std::int16_t input) { return draft.masks.contains(input); });
        if (reaches) {
            draft.masks[column.number] = {config::Mask{}, "generated from a masked column"};
            changed = true;
        }
    }
    return changed;
}

// Who reads a parent reads its children's rows in it.
bool Compiler::mask_like_children(Draft& parent) {
    bool changed = false;
    for (const Draft* child : descendants(*parent.relation)) {
        for (const auto& [number, chosen] : child->masks) {
            const auto column =
                std::find_if(child->relation->columns.begin(), child->relation->columns.end(),
                             [wanted = number](const Column& c) { return c.number == wanted; });
            const Column* own = parent.relation->column(column->name);
            if (own == nullptr) {
                continue;
            }
            const auto mine = parent.masks.find(own->number);
            if (mine == parent.masks.end()) {
                parent.masks[own->number] = chosen;
                changed = true;
            } else if (mine->second.mask != chosen.mask) {
                close(parent, chosen.rule,
                      "Column " + own->name + " of " + qualified(*child->relation) +
                          ", whose rows " + qualified(*parent.relation) +
                          " shows, is masked in another way than there.",
                      "Read the children by themselves.");
            }
        }
    }
    return changed;
}

// A row-security policy that reads a relation runs what reading that relation runs. What it sees
// there is the DBA's own doing, so that masks are no objection.
void Compiler::close_by_policies(Draft& table) {
    if (table.relation->kind == 'v' || table.visit != Draft::Visit::kNot) {
        return;
    }
    table.visit = Draft::Visit::kRunning;
    for (const Oid oid : table.relation->policy_reads) {
        Draft* read = draft(oid);
        if (read == nullptr || read == &table) {
            continue;
        }
        if (read->relation->kind == 'v') {
            look_through(*read);
        } else {
            close_by_policies(*read);
        }
        if (read->closed && read->closed->rule.starts_with("function: ")) {
            close(table, read->closed->rule,
                  "A row-security policy of " + qualified(*table.relation) + " reads " +
                      qualified(*read->relation) + ", which is closed: " + read->closed->reason,
                  read->closed->hint);
        }
    }
}

// Tables: row-security policies, the operator classes of indexes, and the casts that to_json()
// finds by itself.
void Compiler::close_by_functions(Draft& draft) {
    if (draft.relation->locks_rows) {
        close(draft, "read-only: view with a locking clause",
              "The definition of " + qualified(*draft.relation) +
                  " has a locking clause (FOR UPDATE or the like), which writes to the rows.",
              "Read from its tables.");
    }
    if (draft.relation->runs_program) {
        close(draft, "foreign table: program",
              "Reading " + qualified(*draft.relation) + " runs a program on the server.");
    }
    for (const Oid oid : draft.relation->calls_functions) {
        const Function* function = catalog_.function(oid);
        std::string why = "it is not in the catalog";
        if (function != nullptr &&
            policy_.function_verdict(*function, &why) == FunctionVerdict::kAllowed) {
            continue;
        }
        // A setting is what the DBA wrote into the definition, as long as no row can name another.
        if (function != nullptr && function->builtin && function->name == "current_setting" &&
            draft.relation->constant_settings) {
            continue;
        }
        const std::string name =
            function == nullptr ? "a function" : function->schema + "." + function->name;
        close(draft, "function: " + name,
              "Reading " + qualified(*draft.relation) + " calls " + name + ": " + why + ".",
              function != nullptr && !function->builtin ? "functions.allow can name it."
                                                        : kHintAskDba);
    }
    for (const Oid oid : draft.relation->value_types) {
        const Type* type = catalog_.type(oid);
        std::string why = "it is not in the catalog";
        if (type == nullptr || !policy_.type_allowed(*type, &why)) {
            close(draft,
                  "type: " +
                      (type == nullptr ? std::to_string(oid) : type->schema + "." + type->name),
                  "The definition of " + qualified(*draft.relation) +
                      " has values of a type: " + why + ".",
                  "functions.allow can name the function.");
        }
    }
}

void Compiler::make_expressions(Draft& draft) {
    RelationPolicy& policy = result_[draft.relation->oid];
    policy.relation = draft.relation;
    for (const Column& column : draft.relation->columns) {
        const auto chosen = draft.masks.find(column.number);
        if (chosen == draft.masks.end()) {
            continue;
        }
        std::string why;
        const config::Mask& mask = chosen->second.mask;
        // The first column of a row is found without a look at others, and mostly a key that is
        // read anyway. A view's may be anything.
        const Column& cheapest =
            draft.relation->kind == 'v' ? column : draft.relation->columns.front();
        auto expression = mask.kind == config::MaskKind::kExpression
                              ? written_expression(mask.expression, column, policy_, why)
                              : mask_expression(mask, column, catalog_, why, cheapest);
        if (!expression) {
            warn(chosen->second.rule + " cannot apply to " + qualified(*draft.relation) + "." +
                 column.name + ": " + why + "; the relation is closed");
            close(draft, chosen->second.rule,
                  "Column " + column.name + " cannot be masked: " + why + ".",
                  "The rule must be mended in the configuration.");
            continue;
        }
        policy.masked.push_back(
            {&column, chosen->second.mask, chosen->second.rule, std::move(*expression)});
    }
}

// A parent reads its closed children.
void Compiler::close_parents() {
    for (auto& [oid, parent] : drafts_) {
        for (const Draft* child : descendants(*parent.relation)) {
            if (child->closed) {
                close(parent, child->closed->rule,
                      qualified(*parent.relation) + " shows the rows of " +
                          qualified(*child->relation) +
                          ", which is closed: " + child->closed->reason,
                      child->closed->hint);
            }
        }
    }
}

std::optional<Closed> Compiler::what_closes(Draft& reader, Oid oid) {
    const std::string name = qualified(*reader.relation);
    const bool view = reader.relation->kind == 'v';
    if (Draft* read = draft(oid)) {
        if (read->relation->kind == 'v' || read->relation->kind == 'm') {
            look_through(*read);
        } else {
            close_by_policies(*read);
        }
        if (read->closed) {
            return Closed{read->closed->rule,
                          name + " reads " + qualified(*read->relation) +
                              ", which is closed: " + read->closed->reason,
                          read->closed->hint};
        }
        reader.row_security =
            reader.row_security || read->row_security || read->relation->row_security;
        reader.reads_masked = reader.reads_masked || read->reads_masked;
        for (const auto& [number, chosen] : read->masks) {
            if (!reads_column(*reader.relation, oid, number)) {
                continue;
            }
            reader.reads_masked = true;
        }
        if (!view && read->reads_masked) {
            return Closed{"masking: view",
                          name + " holds what it read of " + qualified(*read->relation) +
                              ", which is over masked columns.",
                          "Read " + qualified(*read->relation) + " itself."};
        }
        return std::nullopt;
    }
    const Relation* relation = catalog_.relation(oid);
    if (relation == nullptr) {
        return Closed{"catalog", name + " reads a relation that is not in the catalog.",
                      std::string(kHintAskDba)};
    }
    if (const auto rule = result_.find(oid); rule != result_.end()) {
        const RelationPolicy& policy = rule->second;
        if (!policy.closed && policy.filter.empty() &&
            std::none_of(policy.masked.begin(), policy.masked.end(),
                         [&](const MaskedColumn& masked) {
                             return reads_column(*reader.relation, oid, masked.column->number);
                         })) {
            return std::nullopt;
        }
        if (view && !policy.closed) {
            reader.reads_masked = true;
            return std::nullopt;
        }
        return Closed{
            rule->second.closed ? rule->second.closed->rule : "builtin: " + relation->name,
            name + " reads " + qualified(*relation) + ", which is not open.",
            std::string(kHintAskDba)};
    }
    return std::nullopt;
}

void Compiler::look_through(Draft& view) {
    if (view.visit != Draft::Visit::kNot) {
        // Views cannot be circular; a catalog that says so is not believed.
        if (view.visit == Draft::Visit::kRunning) {
            close(view, "catalog", qualified(*view.relation) + " reads itself.");
        }
        return;
    }
    view.visit = Draft::Visit::kRunning;
    // A materialized view does not run its definition when it is read; it holds what that gave. A
    // rule that names the view itself says what of it is masked.
    const bool materialized = view.relation->kind == 'm';
    if (!materialized || !view.named) {
        for (const Oid oid : view.relation->reads_relations) {
            if (auto closed = what_closes(view, oid)) {
                close(view, closed->rule, closed->reason,
                      materialized ? "A rule that names the materialized view can open it."
                                   : closed->hint);
            }
        }
    }
    if (!materialized) {
        close_by_functions(view);
    }
    if (tables_are_done_) {
        materialized ? mask_copies(view) : put_in_place(view);
    }
    publish(view);
    view.visit = Draft::Visit::kDone;
}

// A materialized view that no rule names is masked as what it holds is where it comes from.
void Compiler::mask_copies(Draft& view) {
    if (view.reads_masked && !view.named && !view.closed) {
        std::string why;
        auto copied = copied_columns(*view.relation, policy_, why);
        if (!copied) {
            close(view, "masking: materialized view",
                  qualified(*view.relation) + " holds what it read of masked columns: " + why + ".",
                  "A rule that names the materialized view can open it; or read from its tables.");
            return;
        }
        for (auto& [number, column] : *copied) {
            view.masks.try_emplace(number, Chosen{std::move(column.mask), std::move(column.rule)});
        }
    }
    if (!view.masks.empty()) {
        make_expressions(view);
    }
}

// The view's own rules, and its definition where it must stand for it.
void Compiler::put_in_place(Draft& view) {
    const std::string name = qualified(*view.relation);
    std::optional<ViewDefinition> definition;
    if (view.reads_masked && !view.closed) {
        std::string why;
        if (view.row_security && !view.relation->security_invoker) {
            why = "row-security policies apply to its owner, and would not to its definition";
        } else {
            if (!plain_) {
                plain_.emplace(policy_);
            }
            definition = view_definition(*view.relation, policy_, *plain_, why);
        }
        if (!definition) {
            close(view, "masking: view",
                  name + " is over masked columns and could not be replaced by its definition: " +
                      why + ".",
                  "Read from its tables.");
            return;
        }
        // A rule with a star has masked this column where it comes from.
        std::erase_if(view.masks, [&](const auto& mask) {
            return mask.second.by_star && definition->carried.contains(mask.first);
        });
    }
    if (!view.masks.empty()) {
        make_expressions(view);
    }
    if (definition && !view.closed) {
        RelationPolicy& policy = result_[view.relation->oid];
        policy.relation = view.relation;
        policy.definition = std::move(definition->sql);
        policy.masked_within = std::move(definition->masked);
        policy.except = std::move(definition->except);
        policy.require = std::move(definition->require);
        policy.carried = std::move(definition->carried);
    }
}

void Compiler::publish(Draft& draft) {
    if (draft.closed) {
        result_[draft.relation->oid].relation = draft.relation;
        result_[draft.relation->oid].closed = draft.closed;
    }
}

void Compiler::compile(const config::MaskingRules& rules, const std::vector<std::string>& groups) {
    for (const Relation& relation : catalog_.relations()) {
        if (!is_system_relation(relation)) {
            drafts_[relation.oid].relation = &relation;
        } else if (auto rule = builtin_rule(relation, catalog_)) {
            result_[relation.oid] = std::move(*rule);
        }
    }
    for (const config::MaskRule& rule : rules.rules) {
        const bool excepted = std::any_of(
            rule.except_groups.begin(), rule.except_groups.end(), [&](const std::string& group) {
                return std::find(groups.begin(), groups.end(), group) != groups.end();
            });
        if (!excepted) {
            apply_rule(rule);
        }
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (auto& [oid, draft] : drafts_) {
            changed = mask_generated(draft) || changed;
            changed = mask_like_children(draft) || changed;
        }
    }
    for (auto& [oid, draft] : drafts_) {
        if (!draft.masks.empty() && draft.relation->kind != 'v' && draft.relation->kind != 'm') {
            make_expressions(draft);
        }
        if (draft.relation->kind != 'v' && draft.relation->kind != 'm') {
            close_by_functions(draft);
        }
    }
    close_parents();
    for (auto& [oid, draft] : drafts_) {
        close_by_policies(draft);
    }
    close_parents();
    // Views, once more: what they read may be closed now, and nothing of it changes any more.
    for (auto& [oid, draft] : drafts_) {
        draft.visit = Draft::Visit::kNot;
        publish(draft);
    }
    tables_are_done_ = true;
    for (auto& [oid, draft] : drafts_) {
        if (draft.relation->kind == 'v' || draft.relation->kind == 'm') {
            look_through(draft);
        }
    }
    for (auto& [oid, draft] : drafts_) {
        publish(draft);
    }
}

}  // namespace

namespace {

void warn_of_functions(const CatalogSnapshot& catalog, const config::FunctionRules& rules,
                       std::vector<std::string>& warnings) {
    for (const config::FunctionPattern& pattern : rules.allow) {
        bool named = false;
        bool opened = false;
        for (const Function& function : catalog.functions()) {
            if (matches(pattern, function)) {
                named = true;
                opened =
                    opened || judge_function(function, rules).verdict == FunctionVerdict::kAllowed;
            }
        }
        if (!named) {
            warnings.push_back("functions.allow: " + pattern.text + " names no existing function");
        } else if (!opened) {
            warnings.push_back("functions.allow: " + pattern.text +
                               " opens nothing: what it names is refused whatever is configured, "
                               "or must be named in full");
        }
    }
}

}  // namespace

struct Policy::State {
    std::uint64_t version = 0;
    std::shared_ptr<const CatalogSnapshot> catalog;
    config::FunctionRules functions;
    std::unordered_map<Oid, RelationPolicy> relations;
    std::size_t masked_columns = 0;
    std::unordered_set<Oid> refused_types;
    std::unordered_set<Oid> unreachable_types;
    std::unordered_set<Oid> plain_relations;
    bool refuses_builtin_types = false;
    bool refuses_written_casts = false;
    std::optional<PlainNames> plain_names;

    [[nodiscard]] bool judge_type(const Type& type, std::string* why) const;
    [[nodiscard]] bool reachable(const Type& type) const;
    void judge_types();
};

bool Policy::State::judge_type(const Type& type, std::string* why) const {
    for (const Oid oid : type.implicit_functions) {
        const Function* function = catalog->function(oid);
        FunctionJudgement judgement{FunctionVerdict::kRefused, "it is not in the catalog"};
        if (function != nullptr) {
            judgement = judge_implicit_function(*function, functions);
        }
        if (judgement.verdict == FunctionVerdict::kAllowed) {
            continue;
        }
        if (why != nullptr) {
            *why = "a value of type " + type.schema + "." + type.name + " may call " +
                   (function == nullptr ? std::string("a function")
                                        : function->schema + "." + function->name) +
                   ": " + judgement.why;
        }
        return false;
    }
    return true;
}

// Can an argument of this type be there in a statement that mentions no refused type? A refused
// one cannot, unless something else becomes it unasked: by an implicit cast, as a domain over
// what may be there, or from a row that has no type yet (parse_coerce.c, can_coerce_type).
bool Policy::State::reachable(const Type& type) const {
    const Type* at = &type;
    for (std::size_t depth = 0; depth < 64; ++depth) {  // a catalog has no circles
        const bool plain = at->kind == 'b' || at->kind == 'r' || at->kind == 'm' || at->kind == 'd';
        if (!refused_types.contains(at->oid) || !plain || !at->implicit_sources.empty()) {
            return true;
        }
        if (at->kind != 'd' && at->element == 0) {
            return false;
        }
        at = catalog->type(at->kind == 'd' ? at->base : at->element);
        if (at == nullptr) {
            return true;
        }
    }
    return true;
}

void Policy::State::judge_types() {
    for (const Type& type : catalog->types()) {
        if (!judge_type(type, nullptr)) {
            refused_types.insert(type.oid);
            refuses_builtin_types = refuses_builtin_types || type.oid < kFirstNormalObjectId;
        }
    }
    const auto plain = [&](Oid type) {
        return type == 0 || (catalog->type(type) != nullptr && !refused_types.contains(type));
    };
    for (const Relation& relation : catalog->relations()) {
        if (plain(relation.row_type) &&
            std::all_of(relation.columns.begin(), relation.columns.end(),
                        [&](const Column& column) { return plain(column.type); })) {
            plain_relations.insert(relation.oid);
        }
    }
    for (const Type& type : catalog->types()) {
        for (const WrittenCast& cast : type.written_casts) {
            const Function* function = catalog->function(cast.function);
            refuses_written_casts =
                refuses_written_casts || function == nullptr ||
                judge_function(*function, functions).verdict != FunctionVerdict::kAllowed;
        }
    }
    for (const Oid oid : refused_types) {
        if (!reachable(*catalog->type(oid))) {
            unreachable_types.insert(oid);
        }
    }
}

Policy::Policy() : state_(std::make_unique<State>()) {}
Policy::~Policy() = default;

std::uint64_t Policy::version() const {
    return state_->version;
}

const CatalogSnapshot& Policy::catalog() const {
    return *state_->catalog;
}

const RelationPolicy* Policy::relation(Oid oid) const {
    const auto found = state_->relations.find(oid);
    return found == state_->relations.end() ? nullptr : &found->second;
}

std::size_t Policy::masked_columns() const {
    return state_->masked_columns;
}

bool Policy::is_masked(Oid oid, std::int16_t number) const {
    const RelationPolicy* found = relation(oid);
    if (found == nullptr) {
        return false;
    }
    return found->closed || !found->definition.empty() || (number == 0 && is_rewritten(found)) ||
           std::any_of(found->masked.begin(), found->masked.end(),
                       [&](const MaskedColumn& masked) { return masked.column->number == number; });
}

FunctionVerdict Policy::function_verdict(const Function& function, std::string* why) const {
    FunctionJudgement judgement = judge_function(function, state_->functions);
    if (why != nullptr && judgement.verdict == FunctionVerdict::kRefused) {
        *why = std::move(judgement.why);
    }
    return judgement.verdict;
}

bool Policy::function_allowed(const Function& function, std::string* why) const {
    return function_verdict(function, why) == FunctionVerdict::kAllowed;
}

bool Policy::type_allowed(const Type& type, std::string* why) const {
    if (!state_->refused_types.contains(type.oid)) {
        return true;
    }
    if (why != nullptr) {
        (void)state_->judge_type(type, why);
    }
    return false;
}

bool Policy::refuses_written_casts() const {
    return state_->refuses_written_casts;
}

bool Policy::refuses_builtin_types() const {
    return state_->refuses_builtin_types;
}

const PlainNames& Policy::plain_names() const {
    return *state_->plain_names;
}

bool Policy::has_plain_columns(Oid oid) const {
    return state_->plain_relations.contains(oid);
}

bool Policy::type_refused(Oid oid) const {
    return state_->refused_types.contains(oid);
}

bool Policy::type_reachable(Oid oid) const {
    return !state_->unreachable_types.contains(oid);
}

std::shared_ptr<const Policy> compile_policy(std::shared_ptr<const CatalogSnapshot> catalog,
                                             const config::MaskingRules& masking,
                                             const config::FunctionRules& functions,
                                             const std::vector<std::string>& groups,
                                             std::vector<std::string>* warnings) {
    std::shared_ptr<Policy> policy(new Policy);
    Policy::State& state = *policy->state_;
    state.version = next_version();
    state.catalog = std::move(catalog);
    state.functions = functions;
    state.judge_types();
    if (warnings != nullptr) {
        warn_of_functions(*state.catalog, functions, *warnings);
    }
    Compiler(*state.catalog, *policy, state.relations, warnings).compile(masking, groups);
    for (const auto& [oid, relation] : state.relations) {
        // A partition's columns are its parent's.
        if (!is_system_relation(*relation.relation) && relation.relation->parents.empty()) {
            state.masked_columns += relation.masked.size();
        }
    }
    state.plain_names.emplace(*policy);
    return policy;
}

bool same_rules(const Policy& before, const Policy& now) {
    const auto alike = [](const RelationPolicy* a, const RelationPolicy* b) {
        if (a == nullptr || b == nullptr) {
            return a == b;
        }
        return a->closed.has_value() == b->closed.has_value() && a->filter == b->filter &&
               a->definition == b->definition &&
               std::equal(a->masked.begin(), a->masked.end(), b->masked.begin(), b->masked.end(),
                          [](const MaskedColumn& x, const MaskedColumn& y) {
                              return x.column->number == y.column->number &&
                                     x.expression == y.expression;
                          });
    };
    const auto relations = before.catalog().relations();
    return std::all_of(relations.begin(), relations.end(), [&](const Relation& relation) {
        // One that is gone can be open in no transaction: reading it holds a lock on it.
        return now.catalog().relation(relation.oid) == nullptr ||
               alike(before.relation(relation.oid), now.relation(relation.oid));
    });
}

}  // namespace vitrine::parser
