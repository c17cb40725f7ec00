#include "parser/readonly/plain_names.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string_view>
#include <unordered_set>

#include "parser/masking/builtin_rules.h"
#include "parser/masking/policy.h"
#include "parser/masking/rewrite.h"
#include "parser/readonly/calls.h"

namespace vitrine::parser {

PlainObjects::PlainObjects(const Policy& policy) : policy_(policy), catalog_(policy.catalog()) {
    if (policy.refuses_written_casts()) {
        find_cast_targets();
    }
}

bool PlainObjects::target(const Type& type) const {
    return !policy_.type_refused(type.oid) && !cast_targets_.contains(type.oid);
}

bool PlainObjects::value(Oid type) const {
    return catalog_.type(type) != nullptr && !policy_.type_refused(type);
}

bool PlainObjects::values(const std::vector<Oid>& types) const {
    return std::all_of(types.begin(), types.end(), [&](Oid each) { return value(each); });
}

bool PlainObjects::function(const Function& function) const {
    return policy_.function_allowed(function) && !policy_.prints_hidden(function) &&
           !may_look_names_up(function, catalog_) &&
           (function.builtin ||
            (value(function.result_type) && values(function.argument_type_oids) &&
             values(function.result_columns)));
}

bool PlainObjects::operator_symbol(const Operator& symbol) const {
    if (symbol.builtin) {
        return true;
    }
    const Function* called = catalog_.function(symbol.function);
    return called != nullptr && function(*called) && value(symbol.result) &&
           (symbol.left == 0 || value(symbol.left)) && (symbol.right == 0 || value(symbol.right));
}

// Nothing of it but its rules is in the way.
bool PlainObjects::is_ordinary(const Relation& relation) const {
    return policy_.has_plain_columns(relation.oid) && !is_temporary_schema(relation.schema) &&
           !policy_.hidden_definitions().plans.contains(relation.oid);
}

bool PlainObjects::relation(const Relation& relation) const {
    const RelationPolicy* rules = policy_.relation(relation.oid);
    return (rules == nullptr || (!rules->closed && !is_rewritten(rules))) && is_ordinary(relation);
}

bool PlainObjects::relation_in_part(const Relation& relation) const {
    constexpr std::string_view kTables = "rpm";  // pg_class.relkind
    const RelationPolicy* rules = policy_.relation(relation.oid);
    return rules != nullptr && !rules->closed && !rules->masked.empty() && rules->filter.empty() &&
           rules->definition.empty() && rules->masked_within.empty() &&
           rules->filtered_within.empty() && kTables.find(relation.kind) != kTables.npos &&
           !is_system_relation(relation) && is_ordinary(relation);
}

void PlainObjects::find_cast_targets() {
    std::unordered_set<Oid> with_parts;  // they themselves, and what is made of them
    for (const Type& type : catalog_.types()) {
        for (const WrittenCast& cast : type.written_casts) {
            const Function* function = catalog_.function(cast.function);
            if (function == nullptr || !policy_.function_allowed(*function)) {
                with_parts.insert(type.oid);
            }
        }
    }
    for (std::size_t before = 0; before != with_parts.size();) {
        before = with_parts.size();
        for (const Type& type : catalog_.types()) {
            const auto there = [&](Oid part) { return with_parts.contains(part); };
            const Relation* row = catalog_.relation(type.relation);
            if (there(type.base) || there(type.element) ||
                std::any_of(type.parts.begin(), type.parts.end(), there) ||
                (row != nullptr &&
                 std::any_of(row->columns.begin(), row->columns.end(),
                             [&](const Column& column) { return there(column.type); }))) {
                with_parts.insert(type.oid);
            }
        }
    }
    cast_targets_ = with_parts;
    for (const Type& type : catalog_.types()) {
        if (type.element != 0 && with_parts.contains(type.oid)) {
            cast_targets_.insert(type.element);  // name[] is an array of it
        }
    }
}

namespace {

constexpr std::string_view kCatalogSchema = "pg_catalog";

std::uint32_t accepted_counts(const Function& function) {
    std::uint32_t counts = 0;
    for (unsigned count = 0; count <= PlainNames::kArgumentsMax; ++count) {
        const bool accepted = function.arguments_max == UINT16_MAX
                                  ? count + 1U >= function.arguments_min
                                  : count < PlainNames::kArgumentsMax &&
                                        count >= function.arguments_min &&
                                        count <= function.arguments_max;
        counts |= accepted ? std::uint32_t{1} << count : 0;
    }
    return counts;
}

}  // namespace

PlainNames::PlainNames(const Policy& policy) : columns_(policy.catalog().column_names()) {
    const CatalogSnapshot& catalog = policy.catalog();
    // Where values of PostgreSQL's own types matter, so does every name that can give one.
    if (policy.refuses_builtin_types() || catalog.server_version() < 140000) {
        return;
    }
    const PlainObjects plain(policy);
    std::map<std::string_view, const std::string*> texts;
    const auto add = [&](const std::string& text) { texts.emplace(text, &text); };
    for (const Function& function : catalog.functions()) {
        add(function.name);
    }
    for (const Operator& symbol : catalog.operators()) {
        add(symbol.name);
    }
    for (const Type& type : catalog.types()) {
        add(type.name);
    }
    for (const Relation& relation : catalog.relations()) {
        add(relation.name);
    }
    texts.erase("");  // stands for a gap, and for no name that can be written
    names_.resize(std::bit_ceil(2 * texts.size() + 1));
    mask_ = names_.size() - 1;
    for (const auto& [view, text] : texts) {
        insert(judged(policy, plain, *text));
    }
    for (std::size_t c = 1; c < short_.size(); ++c) {
        const char text[] = {static_cast<char>(c), '\0'};
        short_[c] = find(text);
    }
}

PlainName PlainNames::judged(const Policy& policy, const PlainObjects& plain,
                             const std::string& text) {
    const CatalogSnapshot& catalog = policy.catalog();
    PlainName name;
    name.key = NameKey(text.c_str());
    // Where something is not plain, nothing of its schema counts.
    const auto functions = catalog.functions(text);
    const auto operators = catalog.operators(text);
    const auto types = catalog.types(text);
    std::set<std::string_view> except;
    const auto look = [&](const auto& all, const auto& is_plain) {
        for (const auto* each : all) {
            if (!is_plain(*each)) {
                except.insert(each->schema);
            }
        }
    };
    look(functions, [&](const Function& each) { return plain.function(each); });
    look(operators, [&](const Operator& each) { return plain.operator_symbol(each); });
    look(types, [&](const Type& each) { return plain.target(each); });
    const auto counts = [&](const auto& each) { return !except.contains(each.schema); };
    for (const Function* function : functions) {
        if (function->builtin && counts(*function)) {
            name.arguments |= accepted_counts(*function);
        }
    }
    for (const Operator* each : operators) {
        if (each->builtin && counts(*each)) {
            name.prefix_operator = name.prefix_operator || each->left == 0;
            name.binary_operator = name.binary_operator || each->left != 0;
        }
    }
    for (const Type* type : types) {
        if (counts(*type)) {
            name.type = true;
            name.own_type = name.own_type || type->schema == kCatalogSchema;
        }
    }
    name.attribute = !except.contains(kCatalogSchema);
    name.except_begin = static_cast<std::uint32_t>(except_.size());
    name.except_count = static_cast<std::uint32_t>(except.size());
    except_.insert(except_.end(), except.begin(), except.end());
    name.relations_begin = static_cast<std::uint32_t>(relations_.size());
    for (const Relation* relation : catalog.relations(text)) {
        PlainRelation& added = relations_.emplace_back(
            PlainRelation{.relation = relation,
                          .open = plain.relation(*relation),
                          .open_in_part = plain.relation_in_part(*relation),
                          .columns_begin = relation->columns_begin,
                          .columns_count = static_cast<std::uint32_t>(relation->columns.size()),
                          .masked_begin = static_cast<std::uint32_t>(masked_.size())});
        if (added.open_in_part) {
            for (const MaskedColumn& masked : policy.relation(relation->oid)->masked) {
                masked_.add(masked.column->name.c_str());
                titles_.push_back(column_title(*relation, *masked.column));
                ++added.masked_count;
            }
            std::sort(titles_.begin() + added.masked_begin, titles_.end());
        }
        ++name.relations_count;
    }
    return name;
}

void PlainNames::insert(const PlainName& name) {
    std::size_t at = name.key.hash() & mask_;
    while (names_[at].key.size != 0) {
        at = (at + 1) & mask_;
    }
    names_[at] = name;
}

}  // namespace vitrine::parser
