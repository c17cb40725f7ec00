#include "parser/masking/definitions.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "parser/masking/mask_expression.h"
#include "parser/masking/redaction.h"
#include "parser/syntax/utf8.h"

namespace vitrine::parser {

namespace {

using Kind = StoredDefinition::Kind;
using syntax::quoted_identifier;

constexpr std::string_view kCatalog = "pg_catalog";
constexpr std::string_view kInformationSchema = "information_schema";

std::string equals(std::string_view column, std::string_view value, std::string_view type) {
    return quoted_identifier(column) + " OPERATOR(pg_catalog.=) " + syntax::quoted_literal(value) +
           "::pg_catalog." + std::string(type);
}

std::string is_oid(Oid oid) {
    return "o OPERATOR(pg_catalog.=) '" + std::to_string(oid) + "'::pg_catalog.oid";
}

// What stands behind the first `begin` and before the last `end`; nullopt where that is not there.
std::optional<std::string> between(const std::string& text, std::string_view begin,
                                   std::string_view end) {
    const std::size_t from = text.find(begin);
    const std::size_t to = text.rfind(end);
    if (from == std::string::npos || to == std::string::npos || to < from + begin.size()) {
        return std::nullopt;
    }
    return text.substr(from + begin.size(), to - from - begin.size());
}

class Hiding {
  public:
    Hiding(const CatalogSnapshot& catalog, const MaskedObjects& masked,
           std::unordered_map<Oid, RelationPolicy>& result)
        : catalog_(catalog), masked_(masked), result_(result) {}

    HiddenDefinitions run() {
        for (const StoredDefinition& definition : catalog_.stored_definitions()) {
            look(definition);
        }
        hide_bounds();
        spread_plans();
        hide_missing_values();
        write_branches();
        for (const auto& [place, rows] : trees_) {
            add_rule(place.first, place.second,
                     " WHEN " + quoted_identifier(rows.first) + " OPERATOR(pg_catalog.=) ANY ('{" +
                         rows.second + "}'::pg_catalog.oid[]) THEN NULL");
        }
        for (const auto& [place, branches] : columns_) {
            add_rule(place.first, place.second, branches);
        }
        return std::move(hidden_);
    }

  private:
    // Is it about what is masked?
    [[nodiscard]] bool concerned(const StoredDefinition& definition) const {
        const auto& columns = definition.columns;
        const bool own = std::any_of(columns.begin(), columns.end(), [&](std::int16_t column) {
            return masked_.column(definition.subject, column);
        });
        switch (definition.kind) {
            case Kind::kDomainCheck:
            case Kind::kDomainDefault:
                return masked_.types.contains(definition.subject);
            case Kind::kRule:
                // A rule of a table may do something to any other.
                return is_view(definition) ? masked_.view(definition.subject) : masked_.any;
            case Kind::kPolicy: {
                const Relation* relation = catalog_.relation(definition.subject);
                return own || relation == nullptr || calls_users(*relation) ||
                       std::any_of(
                           relation->policy_reads.begin(), relation->policy_reads.end(),
                           [&](Oid read) { return masked_.view(read) || masked_.column(read, 0); });
            }
            default:
                return own;
        }
    }

    // What a function of a user's gives may be anything.
    [[nodiscard]] bool calls_users(const Relation& relation) const {
        const auto& calls = relation.calls_functions;
        return masked_.any && std::any_of(calls.begin(), calls.end(), [&](Oid oid) {
                   const Function* function = catalog_.function(oid);
                   return function == nullptr ||
                          (!function->builtin && function->extension.empty());
               });
    }

    // What the definition is shown as; nullopt: as it is.
    std::optional<std::string> shown(const StoredDefinition& definition) {
        if (!concerned(definition)) {
            return std::nullopt;
        }
        if (definition.kind == Kind::kBound) {
            if (definition.text == "DEFAULT") {
                return std::nullopt;
            }
            if (definition.text.starts_with("FOR VALUES IN")) {
                return "FOR VALUES IN (NULL)";
            }
            std::string from = "FOR VALUES FROM (MINVALUE";
            std::string to = ") TO (MAXVALUE";
            for (std::int16_t i = 1; i < definition.number; ++i) {
                from += ", MINVALUE";
                to += ", MAXVALUE";
            }
            return from + to + ")";
        }
        Redacted redacted = without_constants(definition.text);
        if (!redacted.changed && !definition.text.empty()) {
            return std::nullopt;
        }
        if (definition.kind == Kind::kPartitionKey) {
            // `word || NULL` is a constant, which is no key (DefineRelation).
            constexpr std::string_view kNull = "NULL::text";
            std::string& text = redacted.text;
            for (std::size_t at = 0; (at = text.find(kNull, at)) != std::string::npos; ++at) {
                text.replace(at, 4, "''");
            }
        }
        return std::move(redacted.text);
    }

    [[nodiscard]] bool is_view(const StoredDefinition& definition) const {
        const Relation* relation = catalog_.relation(definition.subject);
        return relation != nullptr && (relation->kind == 'v' || relation->kind == 'm') &&
               definition.name == "_RETURN";
    }

    void look(const StoredDefinition& definition) {
        const std::optional<std::string> text = shown(definition);
        if (!text) {
            return;
        }
        const Relation* subject = catalog_.relation(definition.subject);
        const std::string relation = subject == nullptr ? "" : subject->name;
        const std::string oid = std::to_string(definition.oid);
        const auto schema = [&](std::string_view column) {
            return equals(column, definition.schema, "name");
        };
        const auto name = [&](std::string_view column) {
            return equals(column, definition.name, "name");
        };
        const auto of_relation = [&](std::string_view column) {
            return equals(column, relation, "name");
        };
        switch (definition.kind) {
            case Kind::kBound:
                bounds_.emplace(definition.oid, *text);
                parted_.push_back(definition.subject);
                break;
            case Kind::kCheck:
            case Kind::kDomainCheck:
                print("pg_get_constraintdef", definition.oid, *text);
                hide_tree("pg_constraint", "oid", definition.oid, {"conbin"});
                hide(kInformationSchema, "check_constraints", {"check_clause"},
                     {schema("constraint_schema"), name("constraint_name")});
                break;
            case Kind::kDefault:
                hidden_.defaults = true;
                hide(kCatalog, "pg_attrdef", {"adbin"},
                     {equals("adrelid", oid, "oid"),
                      equals("adnum", std::to_string(definition.number), "int2")});
                hide(kInformationSchema, "columns", {"column_default", "generation_expression"},
                     {schema("table_schema"), of_relation("table_name"), name("column_name")});
                break;
            case Kind::kDomainDefault:
                hide_tree("pg_type", "oid", definition.oid, {"typdefault", "typdefaultbin"});
                hide(kInformationSchema, "domains", {"domain_default"},
                     {schema("domain_schema"), name("domain_name")});
                break;
            case Kind::kIndex:
                index_plans(subject);
                print("pg_get_indexdef", definition.oid, *text);
                hide_tree("pg_index", "indexrelid", definition.oid, {"indexprs", "indpred"});
                hide(kCatalog, "pg_indexes", {"indexdef"},
                     {schema("schemaname"), name("indexname")}, *text);
                break;
            case Kind::kPartitionKey:
                print("pg_get_partkeydef", definition.oid, *text);
                parted_.push_back(definition.subject);
                hide_tree("pg_partitioned_table", "partrelid", definition.oid, {"partexprs"});
                break;
            case Kind::kPolicy:
                if (subject != nullptr && subject->row_security) {
                    hidden_.plans.insert(subject->oid);
                }
                hide_tree("pg_policy", "oid", definition.oid, {"polqual", "polwithcheck"});
                hide(kCatalog, "pg_policies", {"qual", "with_check"},
                     {schema("schemaname"), of_relation("tablename"), name("policyname")});
                break;
            case Kind::kPublication:
                hidden_.publications = true;
                hide_tree("pg_publication_rel", "oid", definition.oid, {"prqual"});
                hide(kCatalog, "pg_publication_tables", {"rowfilter"},
                     {schema("schemaname"), of_relation("tablename")});
                break;
            case Kind::kRule:
                print("pg_get_ruledef", definition.oid, *text);
                hide_tree("pg_rewrite", "oid", definition.oid, {"ev_qual", "ev_action"});
                if (subject != nullptr && is_view(definition)) {
                    hide_view(*subject, definition.schema);
                } else {
                    hide(kCatalog, "pg_rules", {"definition"},
                         {schema("schemaname"), of_relation("tablename"), name("rulename")}, *text);
                }
                break;
            case Kind::kStatistics:
                print("pg_get_statisticsobjdef", definition.oid, *text);
                print("pg_get_statisticsobjdef_columns", definition.oid,
                      between(*text, " ON ", " FROM "));
                print("pg_get_statisticsobjdef_expressions", definition.oid, std::nullopt);
                hide_tree("pg_statistic_ext", "oid", definition.oid, {"stxexprs"});
                hide(kCatalog, "pg_stats_ext", {"exprs"},
                     {schema("statistics_schemaname"), name("statistics_name")});
                hide(kCatalog, "pg_stats_ext_exprs", {"expr"},
                     {schema("statistics_schemaname"), name("statistics_name")});
                break;
            case Kind::kTrigger:
                print("pg_get_triggerdef", definition.oid, *text);
                hide_tree("pg_trigger", "oid", definition.oid, {"tgqual"});
                hide(kInformationSchema, "triggers", {"action_condition"},
                     {schema("event_object_schema"), of_relation("event_object_table"),
                      name("trigger_name")});
                break;
        }
    }

    // A plan shows what of an index it uses: a predicate that the condition implies, all columns of
    // an index-only scan. That of a parent has its children's.
    void index_plans(const Relation* table) {
        if (table == nullptr || !hidden_.plans.insert(table->oid).second) {
            return;
        }
        for (const Oid parent : table->parents) {
            index_plans(catalog_.relation(parent));
        }
    }

    void hide_view(const Relation& view, const std::string& schema) {
        const std::string text = without_constants(view.definition).text;
        if (view.kind == 'v') {
            hidden_.plans.insert(view.oid);
        }
        print(std::string(kPrintsView), view.oid, text);
        hide(kCatalog, view.kind == 'v' ? "pg_views" : "pg_matviews", {"definition"},
             {equals("schemaname", schema, "name"),
              equals(view.kind == 'v' ? "viewname" : "matviewname", view.name, "name")},
             text);
        hide(kInformationSchema, "views", {"view_definition"},
             {equals("table_schema", schema, "name"), equals("table_name", view.name, "name")},
             text);
    }

    // Whoever reads a view, or a table whose policies read others, has those in the plan.
    void spread_plans() {
        for (bool changed = true; changed;) {
            changed = false;
            for (const Relation& relation : catalog_.relations()) {
                const auto shows = [&](Oid read) { return hidden_.plans.contains(read); };
                const bool view = relation.kind == 'v';
                const auto& reads = view ? relation.reads_relations : relation.policy_reads;
                if ((view || relation.row_security) &&
                    std::any_of(reads.begin(), reads.end(), shows)) {
                    changed = hidden_.plans.insert(relation.oid).second || changed;
                }
            }
        }
    }

    // The value that a column has in the rows that were there before it (ALTER TABLE ADD COLUMN).
    void hide_missing_values() {
        const Relation* attribute = catalog_.relation(kCatalog, "pg_attribute");
        const Column* value = attribute == nullptr ? nullptr : attribute->column("attmissingval");
        if (!masked_.any || value == nullptr) {
            return;
        }
        const config::Mask mask;
        std::string why;
        RelationPolicy& policy = result_[attribute->oid];
        policy.relation = attribute;
        policy.masked.push_back({value, mask, "builtin: pg_attribute",
                                 *mask_expression(mask, *value, catalog_, why, *value)});
    }

    void hide_bounds() {
        for (const auto& [oid, text] : bounds_) {
            hidden_.bounds += " WHEN " + is_oid(oid) + " THEN " + syntax::quoted_literal(text);
            hide_tree("pg_class", "oid", oid, {"relpartbound"});
        }
        // What a partition holds is bounded by the key, by its own bound and by those of all above
        // it; the default partition by those beside it.
        std::unordered_set<Oid> seen;
        for (std::size_t i = 0; i < parted_.size(); ++i) {
            const bool first = seen.insert(parted_[i]).second;
            if (const Relation* relation = first ? catalog_.relation(parted_[i]) : nullptr) {
                for (const Oid child : relation->children) {
                    print("pg_get_partition_constraintdef", child, std::nullopt);
                    parted_.push_back(child);
                }
            }
        }
    }

    void print(const std::string& function, Oid oid, const std::optional<std::string>& text) {
        hidden_.functions[function].texts.emplace(oid, text);
    }

    void write_branches() {
        for (auto& [function, printed] : hidden_.functions) {
            std::string oids;
            for (const auto& [oid, text] : printed.texts) {
                oids += (oids.empty() ? "" : ",") + std::to_string(oid);
                printed.branches += " WHEN " + is_oid(oid) + " THEN " +
                                    (text ? syntax::quoted_literal(*text) : "NULL");
            }
            printed.none = "o OPERATOR(pg_catalog.<>) ALL ('{" + oids + "}'::pg_catalog.oid[])";
            if (printed.branches.size() > limits::kHiddenTextsBytesMax) {
                printed.branches = " WHEN true THEN NULL";
            }
        }
    }

    // Of a catalog's rows, by their OIDs: most know more of these than of names.
    void hide_tree(std::string_view relation, std::string_view key, Oid oid,
                   std::initializer_list<std::string_view> columns) {
        const Relation* found = catalog_.relation(kCatalog, relation);
        for (const std::string_view column : columns) {
            if (found != nullptr) {
                auto& [name, oids] = trees_[{found->oid, std::string(column)}];
                name = key;
                oids += (oids.empty() ? "" : ",") + std::to_string(oid);
            }
        }
    }

    // Where the system's views know the definition by names, those stand for it.
    void hide(std::string_view schema, std::string_view relation,
              std::initializer_list<std::string_view> columns,
              std::initializer_list<std::string> key,
              const std::optional<std::string>& text = std::nullopt) {
        const Relation* found = catalog_.relation(schema, relation);
        if (found == nullptr) {
            return;
        }
        std::string branch;
        for (const std::string& each : key) {
            branch += (branch.empty() ? " WHEN " : " AND ") + each;
        }
        for (const std::string_view column : columns) {
            std::string& branches = columns_[{found->oid, std::string(column)}];
            // Some are shown to the owner alone.
            branches += branch + (text && branches.size() < limits::kHiddenTextsBytesMax
                                      ? " AND " + quoted_identifier(column) + " IS NOT NULL THEN " +
                                            syntax::quoted_literal(*text)
                                      : " THEN NULL");
        }
    }

    void add_rule(Oid oid, const std::string& name, const std::string& branches) {
        const Relation* relation = catalog_.relation(oid);
        const Column* column = relation->column(name);
        RelationPolicy& policy = result_[oid];
        policy.relation = relation;
        if (column == nullptr || policy.closed ||
            std::any_of(policy.masked.begin(), policy.masked.end(),
                        [&](const MaskedColumn& masked) { return masked.column == column; })) {
            return;  // of another version, or hidden altogether
        }
        const auto behind = std::find_if(
            policy.masked.begin(), policy.masked.end(),
            [&](const MaskedColumn& masked) { return masked.column->number > column->number; });
        policy.masked.insert(behind,
                             {column, config::Mask{}, "builtin: " + relation->name,
                              "CASE" + branches + " ELSE " + quoted_identifier(name) + " END"});
    }

    const CatalogSnapshot& catalog_;
    const MaskedObjects& masked_;
    std::unordered_map<Oid, RelationPolicy>& result_;
    HiddenDefinitions hidden_;
    std::map<Oid, std::string> bounds_;
    std::vector<Oid> parted_;  // whose partitions' constraints are hidden
    // By relation and column: WHEN … THEN …; and the key with the OIDs whose trees are NULL.
    std::map<std::pair<Oid, std::string>, std::string> columns_;
    std::map<std::pair<Oid, std::string>, std::pair<std::string, std::string>> trees_;
};

}  // namespace

HiddenDefinitions hide_definitions(const CatalogSnapshot& catalog, const MaskedObjects& masked,
                                   std::unordered_map<Oid, RelationPolicy>& result) {
    return Hiding(catalog, masked, result).run();
}

}  // namespace vitrine::parser
