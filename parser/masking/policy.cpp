#include "parser/masking/policy.h"

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <utility>

#include "parser/masking/builtin_rules.h"
#include "parser/masking/compiler.h"
#include "parser/masking/definitions.h"
#include "parser/masking/rewrite.h"

namespace vitrine::parser {

namespace {

std::uint64_t next_version() {
    static std::atomic<std::uint64_t> version{0};
    return ++version;
}

void warn_of_functions(const CatalogSnapshot& catalog, const config::FunctionRules& rules,
                       std::vector<PolicyWarning>& warnings) {
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
            warnings.push_back({"functions.allow: " + pattern.text + " names no existing function",
                                pattern.position});
        } else if (!opened) {
            warnings.push_back({"functions.allow: " + pattern.text +
                                    " opens nothing: what it names is refused whatever is "
                                    "configured, or must be named in full",
                                pattern.position});
        }
    }
}

}  // namespace

struct Policy::State {
    std::string rules_version;
    std::uint64_t version = 0;
    std::shared_ptr<const CatalogSnapshot> catalog;
    config::FunctionRules functions;
    std::unordered_map<Oid, RelationPolicy> relations;
    std::size_t masked_columns = 0;
    std::size_t filtered_tables = 0;
    std::unordered_set<Oid> refused_types;
    std::unordered_set<Oid> unreachable_types;
    std::unordered_set<Oid> plain_relations;
    bool refuses_builtin_types = false;
    bool refuses_written_casts = false;
    HiddenDefinitions hidden;
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

const std::string& Policy::rules_version() const {
    return state_->rules_version;
}

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

std::size_t Policy::filtered_tables() const {
    return state_->filtered_tables;
}

bool Policy::is_masked(Oid oid, std::int16_t number) const {
    const RelationPolicy* found = relation(oid);
    if (found == nullptr) {
        return false;
    }
    // What stands for a filtered relation gives no column of it as itself.
    return found->closed || !found->definition.empty() || (number == 0 && is_rewritten(found)) ||
           (!found->filter.empty() && !is_system_relation(*found->relation)) ||
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

const HiddenDefinitions& Policy::hidden_definitions() const {
    return state_->hidden;
}

bool Policy::prints_hidden(const Function& function) const {
    const HiddenDefinitions& hidden = state_->hidden;
    return function.builtin &&
           (hidden.functions.contains(function.name) ||
            (function.name == kPrintsExpression && (hidden.defaults || !hidden.bounds.empty())) ||
            (function.name == kPrintsPublications && hidden.publications));
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
                                             std::vector<PolicyWarning>* warnings) {
    std::shared_ptr<Policy> policy(new Policy);
    Policy::State& state = *policy->state_;
    state.version = next_version();
    state.rules_version = masking.version;
    state.catalog = std::move(catalog);
    state.functions = functions;
    state.judge_types();
    if (warnings != nullptr) {
        warn_of_functions(*state.catalog, functions, *warnings);
    }
    Compiler(*state.catalog, *policy, state.relations, state.hidden, warnings)
        .compile(masking, groups);
    for (const auto& [oid, relation] : state.relations) {
        // A partition's columns are its parent's.
        if (!is_system_relation(*relation.relation) && relation.relation->parents.empty()) {
            state.masked_columns += relation.masked.size();
            state.filtered_tables += relation.filter.empty() ? 0 : 1;
        }
    }
    state.plain_names.emplace(*policy);
    return policy;
}

bool same_rules(const Policy& before, const Policy& now) {
    const auto alike = [](const RelationPolicy* a, const RelationPolicy* b) {
        const RelationPolicy* one = a != nullptr ? a : b;
        if (one != nullptr && is_system_relation(*one->relation)) {
            return (a != nullptr && a->closed) == (b != nullptr && b->closed);
        }
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
