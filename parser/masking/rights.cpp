#include "parser/masking/rights.h"

#include <algorithm>
#include <map>
#include <set>

#include "parser/masking/builtin_rules.h"
#include "parser/masking/rewrite.h"

namespace vitrine::parser {

namespace {

bool stands_by_definition(const RelationPolicy* policy) {
    return policy != nullptr && !policy->closed && !policy->definition.empty();
}

std::set<std::int16_t> all_columns(const Relation& relation) {
    std::set<std::int16_t> numbers;
    for (const Column& column : relation.columns) {
        numbers.insert(column.number);
    }
    return numbers;
}

// What the text that stands for the view reads, through views that are replaced in it.
void collect(const Relation& view, const Policy& policy, std::set<Oid>& seen,
             std::map<Oid, std::set<std::int16_t>>& reads) {
    for (const Oid oid : view.reads_relations) {
        const Relation* read = policy.catalog().relation(oid);
        if (read == nullptr) {
            continue;
        }
        const RelationPolicy* rules = policy.relation(oid);
        if (stands_by_definition(rules)) {
            if (seen.insert(oid).second) {
                collect(*read, policy, seen, reads);
            }
            continue;
        }
        std::set<std::int16_t>& columns = reads[oid];
        if (is_rewritten(rules)) {
            columns = all_columns(*read);
            continue;
        }
        bool known = false;
        for (const ColumnsRead& each : view.reads_columns) {
            if (each.relation == oid) {
                known = true;
                columns.insert(each.columns.begin(), each.columns.end());
                columns.merge(each.whole_row ? all_columns(*read) : std::set<std::int16_t>{});
            }
        }
        columns.merge(known ? std::set<std::int16_t>{} : all_columns(*read));
    }
}

}  // namespace

std::vector<NeededRight> rights_needed(const Policy& policy) {
    std::vector<NeededRight> needed;
    const auto add = [&](const Relation& by, const Relation& reads,
                         const std::set<std::int16_t>& columns) {
        NeededRight& right = needed.emplace_back(NeededRight{&by, &reads, {}});
        // System columns are nobody's to grant by themselves.
        std::copy_if(columns.begin(), columns.end(), std::back_inserter(right.columns),
                     [](std::int16_t number) { return number > 0; });
    };
    for (const Relation& relation : policy.catalog().relations()) {
        const RelationPolicy* rules = policy.relation(relation.oid);
        if (is_system_relation(relation) || !is_rewritten(rules) || rules->closed) {
            continue;
        }
        if (!stands_by_definition(rules)) {
            add(relation, relation, all_columns(relation));
        } else if (!relation.security_invoker) {
            std::set<Oid> seen;
            std::map<Oid, std::set<std::int16_t>> reads;
            collect(relation, policy, seen, reads);
            for (const auto& [oid, columns] : reads) {
                add(relation, *policy.catalog().relation(oid), columns);
            }
        }
    }
    return needed;
}

}  // namespace vitrine::parser
