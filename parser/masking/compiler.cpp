#include "parser/masking/compiler.h"

#include <algorithm>
#include <unordered_set>

#include "parser/masking/builtin_rules.h"
#include "parser/masking/mask_expression.h"
#include "parser/masking/written_sql.h"

namespace vitrine::parser {

namespace {

bool has_star(const config::NamePattern& pattern) {
    return pattern.pieces.size() != 1;
}

}  // namespace

std::string qualified(const Relation& relation) {
    return relation.schema + "." + relation.name;
}

void Compiler::close(Draft& draft, std::string rule, std::string reason, std::string_view hint) {
    if (!draft.closed) {
        draft.closed = Closed{std::move(rule), std::move(reason), std::string(hint)};
    }
}

void Compiler::close(Draft& draft, std::string rule, std::string reason) {
    close(draft, std::move(rule), std::move(reason), kHintAskDba);
}

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

bool Compiler::has_type(const Column& column, const std::vector<config::TypePattern>& types) const {
    const Type* type = catalog_.type(column.type);
    const Type* named = type != nullptr && type->element != 0 ? catalog_.type(type->element) : type;
    return named != nullptr &&
           std::any_of(types.begin(), types.end(), [&](const config::TypePattern& pattern) {
               return pattern.array == (type->element != 0) &&
                      pattern.matches(named->schema, named->name);
           });
}

// Each column that the pattern and the types match (none: any type), and those of the same name of
// partitions and children. False where there is none.
template <class Each>
bool Compiler::for_columns(const config::ColumnPattern& pattern,
                           const std::vector<config::TypePattern>& types, Each each) {
    bool matched = false;
    for (auto& [oid, draft] : drafts_) {
        const Relation& relation = *draft.relation;
        if (!pattern.parts[0].matches(relation.schema) ||
            !pattern.parts[1].matches(relation.name)) {
            continue;
        }
        for (const Column& column : relation.columns) {
            if (!pattern.parts[2].matches(column.name) ||
                (!types.empty() && !has_type(column, types))) {
                continue;
            }
            matched = each(draft, column, true) || matched;
            for (Draft* child : descendants(relation)) {
                if (const Column* theirs = child->relation->column(column.name)) {
                    each(*child, *theirs, false);
                }
            }
        }
    }
    return matched;
}

bool Compiler::close_system(const config::NamePattern& schema, const config::NamePattern& name,
                            const std::string& text, const std::string& rule,
                            const config::Position& position) {
    bool matched = false;
    for (const Relation& relation : catalog_.relations()) {
        if (!is_system_relation(relation) || has_star(schema) || !schema.matches(relation.schema) ||
            !name.matches(relation.name)) {
            continue;
        }
        matched = true;
        warn(text + " names a system relation; rules on those are not supported yet, and " +
                 qualified(relation) + " is closed",
             position);
        result_[relation.oid].relation = &relation;
        result_[relation.oid].closed = Closed{
            rule, "Rules on system relations are not supported yet.", std::string(kHintAskDba)};
    }
    return matched;
}

void Compiler::apply_pattern(const config::MaskRule& rule, const config::ColumnPattern& pattern,
                             bool excepted) {
    const bool by_star = has_star(pattern.parts[1]);
    const Chosen chosen{rule.mask, rule.name, by_star};
    bool matched =
        for_columns(pattern, rule.types, [&](Draft& draft, const Column& column, bool itself) {
            draft.spoken_of.insert(column.number);
            if (!excepted) {
                draft.named = draft.named || (itself && !by_star);
                draft.masks[column.number] = chosen;
            }
            return true;
        });
    if (excepted) {
        return;
    }
    matched = close_system(pattern.parts[0], pattern.parts[1], pattern.text, rule.name,
                           pattern.position) ||
              matched;
    if (!matched) {
        warn(rule.name + ": " + pattern.text + " names no existing column" +
                 (rule.types.empty() ? "" : " of its types"),
             pattern.position);
    }
}

void Compiler::warn_of_types(const config::MaskRule& rule) {
    for (const config::TypePattern& pattern : rule.types) {
        const auto types = catalog_.types();
        const auto matches = [&](const Type& type) {
            return type.element == 0 && pattern.matches(type.schema, type.name);
        };
        if (std::none_of(types.begin(), types.end(), matches)) {
            warn(rule.name + ": " + pattern.text +
                     " names no existing type; one that is not in pg_catalog needs its schema",
                 pattern.position);
        }
    }
}

void Compiler::apply_rule(const config::MaskRule& rule, bool excepted) {
    positions_[rule.name] = rule.position;
    if (!excepted) {
        warn_of_types(rule);
    }
    if (rule.columns.empty()) {
        config::ColumnPattern any;
        any.text = "its list of types";
        any.parts.fill(config::NamePattern{{"", ""}});
        any.position = rule.position;
        apply_pattern(rule, any, excepted);
    }
    for (const config::ColumnPattern& pattern : rule.columns) {
        apply_pattern(rule, pattern, excepted);
    }
}

// A star reaches tables alone: a view follows what it reads, and a materialized view's copies of
// rows are no rows of the tables'.
void Compiler::apply_rows(const config::RowRule& rule) {
    const bool by_star = has_star(rule.table.parts[1]);
    const std::string_view kinds = by_star ? "rpf" : "rpfvm";
    bool matched = false;
    for (auto& [oid, draft] : drafts_) {
        const Relation& relation = *draft.relation;
        if (!rule.table.matches(relation.schema, relation.name) ||
            kinds.find(relation.kind) == std::string_view::npos) {
            continue;
        }
        matched = true;
        draft.filter_named = draft.filter_named || !by_star;
        std::vector<Draft*> filtered = descendants(relation);
        filtered.push_back(&draft);
        for (Draft* each : filtered) {
            if (std::find(each->filters.begin(), each->filters.end(), &rule) ==
                each->filters.end()) {
                each->filters.push_back(&rule);
                each->filtered = true;
            }
        }
    }
    matched = close_system(rule.table.parts[0], rule.table.parts[1], rule.table.text, rule.name,
                           rule.table.position) ||
              matched;
    if (!matched) {
        warn(rule.name + ": " + rule.table.text + " names no existing table", rule.table.position);
    }
}

// Who reads a parent reads its children's rows in it.
void Compiler::filter_like_children() {
    for (auto& [oid, parent] : drafts_) {
        const auto children = descendants(*parent.relation);
        parent.filtered = parent.filtered ||
                          std::any_of(children.begin(), children.end(),
                                      [](const Draft* child) { return !child->filters.empty(); });
    }
}

// Not with a star for materialized views: what is in their columns need not be what was in a
// table's of that name.
void Compiler::open(const config::ColumnPattern& pattern) {
    const bool by_star = has_star(pattern.parts[1]);
    const bool matched =
        for_columns(pattern, {}, [&](Draft& draft, const Column& column, bool /*itself*/) {
            if (by_star && draft.relation->kind == 'm') {
                return false;
            }
            draft.spoken_of.insert(column.number);
            return true;
        });
    if (!matched) {
        warn("masking.open: " + pattern.text + " names no existing column", pattern.position);
    }
}

// Views follow what they read.
void Compiler::mask_what_is_left() {
    for (auto& [oid, draft] : drafts_) {
        if (draft.relation->kind == 'v') {
            continue;
        }
        // Of a materialized view all is said now.
        draft.named = true;
        for (const Column& column : draft.relation->columns) {
            if (!draft.spoken_of.contains(column.number)) {
                draft.masks.try_emplace(column.number,
                                        Chosen{config::Mask{}, "masking.default", true});
            }
        }
    }
}

void Compiler::spread_masks() {
    for (bool changed = true; changed;) {
        changed = false;
        for (auto& [oid, draft] : drafts_) {
            changed = mask_generated(draft) || changed;
            changed = mask_like_children(draft) || changed;
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
                     column.name + ": " + why + "; the relation is closed",
                 positions_[chosen->second.rule]);
            close(draft, chosen->second.rule,
                  "Column " + column.name + " cannot be masked: " + why + ".",
                  "The rule must be mended in the configuration.");
            continue;
        }
        policy.masked.push_back(
            {&column, chosen->second.mask, chosen->second.rule, std::move(*expression)});
    }
}

// What a child's rows must be to be seen, wherever its parent is read.
void Compiler::make_filter(Draft& draft) {
    RelationPolicy& policy = result_[draft.relation->oid];
    policy.relation = draft.relation;
    const auto add = [&](const config::RowRule& rule, std::string condition) {
        policy.filter += (policy.filter.empty() ? "" : " AND ") + std::move(condition);
        if (std::find(policy.filter_rules.begin(), policy.filter_rules.end(), rule.name) ==
            policy.filter_rules.end()) {
            policy.filter_rules.push_back(rule.name);
        }
    };
    for (const config::RowRule* rule : draft.filters) {
        std::string why;
        auto condition = written_filter(rule->filter, *draft.relation, policy_, why);
        if (!condition) {
            warn(rule->name + " cannot filter " + qualified(*draft.relation) + ": " + why +
                     "; the relation is closed",
                 rule->filter_position);
            close(draft, rule->name, "Its rows cannot be filtered: " + why + ".",
                  "The rule must be mended in the configuration.");
            return;
        }
        add(*rule, std::move(*condition));
    }
    for (const Draft* child : descendants(*draft.relation)) {
        for (const config::RowRule* rule : child->filters) {
            if (child->relation->kind == 'p' ||
                std::find(draft.filters.begin(), draft.filters.end(), rule) !=
                    draft.filters.end()) {
                continue;
            }
            std::string why;
            const auto condition = written_filter(rule->filter, *draft.relation, policy_, why);
            if (!condition) {
                close(draft, rule->name,
                      qualified(*draft.relation) + " shows the rows of " +
                          qualified(*child->relation) +
                          ", whose filter cannot stand for it: " + why + ".",
                      "Read the children by themselves.");
                return;
            }
            add(*rule, "(tableoid OPERATOR(pg_catalog.<>) CAST('" +
                           std::to_string(child->relation->oid) + "' AS pg_catalog.oid) OR " +
                           *condition + ")");
        }
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
    const auto excepted = [&](const std::vector<std::string>& names) {
        return std::any_of(names.begin(), names.end(), [&](const std::string& group) {
            return std::find(groups.begin(), groups.end(), group) != groups.end();
        });
    };
    for (const config::MaskRule& rule : rules.rules) {
        apply_rule(rule, excepted(rule.except_groups));
    }
    for (const config::RowRule& rule : rules.rows) {
        if (!excepted(rule.except_groups)) {
            apply_rows(rule);
        }
    }
    spread_masks();
    if (rules.mask_by_default) {
        for (const config::ColumnPattern& pattern : rules.open) {
            open(pattern);
        }
        mask_what_is_left();
        spread_masks();
    }
    filter_like_children();
    for (auto& [oid, draft] : drafts_) {
        if (draft.relation->kind == 'v' || draft.relation->kind == 'm') {
            continue;
        }
        if (!draft.masks.empty()) {
            make_expressions(draft);
        }
        if (draft.filtered) {
            make_filter(draft);
        }
        close_by_functions(draft);
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
    hide();
    for (auto& [oid, draft] : drafts_) {
        if (draft.relation->kind == 'v' || draft.relation->kind == 'm') {
            look_through(draft);
        }
    }
    for (auto& [oid, draft] : drafts_) {
        publish(draft);
    }
}

}  // namespace vitrine::parser
