// Relations in a query: what a name stands for, and the edits that put the masked form in its
// place.

#include "parser/query.h"

#include <algorithm>
#include <map>
#include <utility>

#include "config/limits.h"
#include "parser/masking/rewrite.h"
#include "parser/query_parts.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::quoted_identifier;
using syntax::string_value;

void Query::visit_sample(const RangeTableSample* sample, const Item& item) {
    const WrittenName method = written_name(sample->method);
    if (!method.valid || !method.catalog.empty()) {
        refuse(unknown_node(), sample->location);
        return;
    }
    if (auto objection = calls_.sampling_method(method.object)) {
        refuse(std::move(*objection), sample->location);
    }
    if (!is_a(sample->relation, T_RangeVar)) {
        refuse(unknown_node(), sample->location);
        return;
    }
    push(as<Node>(sample->args), item);
    push(sample->repeatable, item);
    reference(as<RangeVar>(sample->relation), item, sample);
}

const Relation* Query::resolve(const RangeVar* relation) {
    const int location = relation->location;
    const ObjectName name{
        relation->schemaname == nullptr ? std::string_view{} : relation->schemaname,
        relation->relname};
    if (relation->catalogname != nullptr && policy_.catalog().database() != relation->catalogname) {
        refuse(other_database(std::string(relation->catalogname) + "." + name.text()), location);
        return nullptr;
    }
    if (is_temporary_schema(name.schema)) {
        refuse({"42501", "\"" + name.text() + "\" is a temporary relation",
                "There are no temporary relations in a session through vitrine, and nobody else's "
                "may be read.",
                "Use a relation of another schema.", "name: pg_temp", false},
               location);
        return nullptr;
    }
    const RelationLookup found = find_relation(policy_.catalog(), path_, name);
    if (found.ambiguous) {
        refuse({"0A000",
                "\"" + name.text() +
                    "\" cannot be resolved behind a statement of the same text "
                    "that may change the search_path",
                "More than one schema has a relation of this name.",
                "Write its schema, or send the statements one by one.", "name: search_path", false},
               location);
        return nullptr;
    }
    if (found.relation == nullptr) {
        refuse({"42P01", "relation \"" + name.text() + "\" does not exist", "", "",
                "relation: " + name.text(), true},
               location);
    }
    return found.relation;
}

bool Query::closed(const RelationPolicy* policy, int location) {
    if (policy == nullptr || !policy->closed) {
        return false;
    }
    refuse({"42501",
            "permission denied for relation " +
                (policy->relation == nullptr ? std::string() : policy->relation->name),
            policy->closed->reason, policy->closed->hint, policy->closed->rule, false},
           location);
    return true;
}

// A view's definition stands where the view stood, and its names are looked up in the path.
bool Query::definition_fails(const RelationPolicy* policy, int location) {
    if (policy == nullptr || policy->definition.empty()) {
        return false;
    }
    const auto on_path = [&](const std::string& schema) {
        return path_.place(schema) != SearchPath::kUnreachable;
    };
    std::string detail;
    const auto there = std::find_if(policy->except.begin(), policy->except.end(), on_path);
    const auto missing = std::find_if_not(policy->require.begin(), policy->require.end(), on_path);
    if (!path_.known && (!policy->except.empty() || !policy->require.empty() ||
                         policy_.catalog().has_impostors())) {
        detail = "which is not known here";
    } else if (there != policy->except.end()) {
        detail = "which has schema " + *there + ", where names that it uses are others'";
    } else if (missing != policy->require.end()) {
        detail = "which lacks schema " + *missing + ", where operators are that it uses";
    } else if (path_.place("pg_catalog") != 0) {
        detail = "which does not have pg_catalog first";
    } else {
        return false;
    }
    refuse(not_supported("the view " + policy->relation->name + " under this search_path",
                         "The view reads masked columns, so that its definition stands in its "
                         "place, and is looked up in the search_path, " +
                             detail + ".",
                         "Set the search_path to what the view was made under, in a statement of "
                         "its own.",
                         "masking: view"),
           location);
    return true;
}

void Query::reference(const RangeVar* reference, const Item& item, const RangeTableSample* sample) {
    RangeItem added;
    added.aliased = reference->alias != nullptr;
    added.name = added.aliased ? reference->alias->aliasname : reference->relname;
    added.renamed_columns = added.aliased && reference->alias->colnames != nullptr;
    added.select = item.select;
    added.location = reference->location;
    if (reference->schemaname == nullptr && sees_cte(item.ctes, reference->relname)) {
        added.aliased = true;
        items_.push_back(added);
        return;
    }
    const Relation* relation = resolve(reference);
    if (relation == nullptr) {
        return;
    }
    added.relation = relation;
    const RelationPolicy* policy = policy_.relation(relation->oid);
    if (closed(policy, reference->location) || definition_fails(policy, reference->location)) {
        return;
    }
    if (!policy_.has_plain_columns(relation->oid)) {
        for (const Column& column : relation->columns) {
            if (auto objection = calls_.type(column.type)) {
                refuse(std::move(*objection), reference->location);
            }
        }
        // Used as a whole row, it runs what values of its row type run.
        if (relation->row_type != 0) {
            if (auto objection = calls_.type(relation->row_type)) {
                refuse(std::move(*objection), reference->location);
            }
        }
    }
    added.rewritten = is_rewritten(policy);
    if (hidden_plan_ == nullptr && policy_.hidden_definitions().plans.contains(relation->oid)) {
        hidden_plan_ = relation;
    }
    items_.push_back(added);
    if (added.rewritten) {
        note_masked(*policy);
        replaced_.push_back({reference, policy, sample, added.name, added.select, {}});
    } else if (qualify_relations_ && reference->schemaname == nullptr) {
        const std::size_t begin = at(reference->location);
        edits_.replace(begin, begin, quoted_identifier(relation->schema) + ".", begin);
    }
}

void Query::name_relation(const RangeVar* relation) {
    // Locked, not read: what its definition or a row-security policy calls does not run.
    (void)resolve(relation);
}

bool Query::edit(std::size_t begin, std::size_t end, std::string text, int location) {
    // What is put in keeps its distance from what stands beside it.
    if (begin == begin_ || sql_[begin - 1] != ' ') {
        text.insert(0, " ");
    }
    if (end < sql_.size() && sql_[end] != ' ') {
        text += ' ';
    }
    if (edits_.added_bytes() + text.size() > limits::kStatementBytesMax) {
        refuse({"54000", "the statement would be too long with its masks in place",
                "Each reference to a masked relation is replaced by a query over it.",
                "Refer to masked relations less often.", "limit: statement size", false},
               location);
        return false;
    }
    edits_.replace(begin, end, std::move(text), at(location));
    return true;
}

void Query::note_masked(const RelationPolicy& policy) {
    for (const MaskedColumn& masked : policy.masked) {
        masked_.insert(column_title(*policy.relation, *masked.column));
    }
    masked_.insert(policy.masked_within.begin(), policy.masked_within.end());
    for (const std::string& rule : policy.filter_rules) {
        filtered_.insert(policy.relation->schema + "." + policy.relation->name + " by " + rule);
    }
    filtered_.insert(policy.filtered_within.begin(), policy.filtered_within.end());
}

void Query::rewrite(const Replaced& replaced) {
    const RangeVar* reference = replaced.reference;
    const RelationPolicy& policy = *replaced.policy;
    const RangeTableSample* sample = replaced.sample;
    if (sample != nullptr && policy.relation->kind == 'v') {
        refuse({"0A000", "TABLESAMPLE clause can only be applied to tables and materialized views",
                "", "", "tablesample", false},
               reference->location);
        return;
    }
    const syntax::Tokens& all = tokens();
    const auto lost = [&] {
        refuse(
            not_supported("this way to write the masked relation " + policy.relation->name,
                          "vitrine could not find all of the reference in the text.",
                          "Write the relation as schema.name with an alias.", "masking: reference"),
            reference->location);
    };
    const std::size_t name = all.at(at(reference->location));
    if (name >= all.size()) {
        return lost();
    }
    std::size_t first = name;
    std::size_t behind = all.after_name(name, 1U + (reference->schemaname != nullptr ? 1U : 0U) +
                                                  (reference->catalogname != nullptr ? 1U : 0U));
    // ONLY t, ONLY (t), t *
    if (!reference->inh) {
        if (first >= 1 && all.is_keyword(first - 1, "only")) {
            first -= 1;
        } else if (first >= 2 && all.is(first - 1, '(') && all.is_keyword(first - 2, "only") &&
                   all.is(behind, ')')) {
            first -= 2;
            ++behind;
        } else {
            return lost();
        }
    } else if (all.is(behind, '*')) {
        ++behind;
    }
    // TABLE t is SELECT * FROM t.
    const bool table_command = first >= 1 && all.is_keyword(first - 1, "table");
    if (table_command) {
        --first;
    }
    const std::string begin = table_command ? "SELECT * FROM (" : "(";
    const std::string select =
        masked_select(policy, !reference->inh, replaced.system_columns, replaced.system_prefix);
    const std::string rest = masked_rest(policy, select);
    const std::string own_alias = " AS " + replaced.quoted_name();
    if (sample == nullptr) {
        edit(
            all.begin(first), all.end(behind - 1),
            begin + select + rest + ")" + (reference->alias == nullptr ? own_alias : std::string()),
            reference->location);
        return;
    }
    // TABLESAMPLE belongs to the relation itself: the alias moves behind it.
    std::string alias = own_alias;
    if (reference->alias != nullptr) {
        if (all.is_keyword(behind, "as")) {
            ++behind;
        }
        behind = all.after_name(behind, 1);
        alias = " AS " + quoted_identifier(reference->alias->aliasname);
        if (reference->alias->colnames != nullptr) {
            behind = all.after_brackets(behind);
            alias += " (";
            bool more = false;
            for (const ListCell& column : cells(reference->alias->colnames)) {
                alias += (more ? ", " : "") + quoted_identifier(string_value(column.ptr_value));
                more = true;
            }
            alias += ")";
        }
    }
    if (!all.is_keyword(behind, "tablesample")) {
        return lost();
    }
    std::size_t end = all.after_name(behind + 1, cells(sample->method).size());
    end = all.after_brackets(end);
    if (sample->repeatable != nullptr && all.is_keyword(end, "repeatable")) {
        end = all.after_brackets(end + 1);
    }
    if (end == 0 || end > all.size()) {
        return lost();
    }
    if (edit(all.begin(first), all.end(behind - 1), begin + select, reference->location)) {
        edit(all.end(end - 1), all.end(end - 1), rest + ")" + alias, reference->location);
    }
}

void Query::copy_relation(const CopyStmt* copy) {
    const RangeVar* target = copy->relation;
    const Relation* relation = resolve(target);
    if (relation == nullptr) {
        return;
    }
    const RelationPolicy* policy = policy_.relation(relation->oid);
    if (closed(policy, target->location)) {
        return;
    }
    for (const Column& column : relation->columns) {
        if (auto objection = calls_.type(column.type)) {
            refuse(std::move(*objection), target->location);
        }
    }
    // Used as a whole row, it runs what values of its row type run.
    if (relation->row_type != 0) {
        if (auto objection = calls_.type(relation->row_type)) {
            refuse(std::move(*objection), target->location);
        }
    }
    if (!is_rewritten(policy)) {
        return;
    }
    note_masked(*policy);
    if (relation->kind != 'r') {
        static const std::map<char, std::string_view> kKinds{
            {'p', "partitioned table"}, {'v', "view"},     {'m', "materialized view"},
            {'f', "foreign table"},     {'S', "sequence"},
        };
        const auto kind = kKinds.find(relation->kind);
        refuse(
            {"42809",
             "cannot copy from " + std::string(kind == kKinds.end() ? "relation" : kind->second) +
                 " \"" + relation->name + "\"",
             "", "Try the COPY (SELECT ...) TO variant.", "statement: COPY", false},
            target->location);
        return;
    }
    std::vector<std::string_view> columns;
    for (const ListCell& cell : cells(copy->attlist)) {
        const std::string_view name = string_value(cell.ptr_value);
        const Column* column = relation->column(name);
        if (column == nullptr) {
            refuse({"42703",
                    "column \"" + std::string(name) + "\" of relation \"" + relation->name +
                        "\" does not exist",
                    "", "", "statement: COPY", true},
                   target->location);
            return;
        }
        if (column->generated) {
            refuse({"42P10", "column \"" + std::string(name) + "\" is a generated column",
                    "Generated columns cannot be used in COPY.", "", "statement: COPY", false},
                   target->location);
            return;
        }
        if (std::find(columns.begin(), columns.end(), name) != columns.end()) {
            refuse({"42701", "column \"" + std::string(name) + "\" specified more than once", "",
                    "", "statement: COPY", false},
                   target->location);
            return;
        }
        columns.push_back(name);
    }
    if (copy->attlist == nullptr) {
        for (const Column& column : relation->columns) {
            if (!column.generated) {
                columns.push_back(column.name);
            }
        }
    }
    const syntax::Tokens& all = tokens();
    const std::size_t first = all.at(at(target->location));
    std::size_t behind = all.after_name(first, 1U + (target->schemaname != nullptr ? 1U : 0U) +
                                                   (target->catalogname != nullptr ? 1U : 0U));
    if (copy->attlist != nullptr) {
        behind = all.after_brackets(behind);
    }
    // COPY BINARY t and … DELIMITERS '…' are old forms that a query cannot have.
    bool old_form = first >= all.size() || first == 0 || !all.is_keyword(first - 1, "copy") ||
                    !all.is_keyword(behind, "to");
    if (!old_form) {
        old_form = all.is_keyword(behind + 2, "delimiters") || all.is_keyword(behind + 2, "using");
    }
    if (old_form) {
        refuse(not_supported("this old form of COPY from a masked table",
                             "It has no equivalent for the masked rows.",
                             "Write the options as COPY … TO STDOUT WITH (FORMAT …, DELIMITER …).",
                             "statement: COPY"),
               target->location);
        return;
    }
    edit(all.begin(first), all.end(behind - 1), masked_copy(*policy, columns), target->location);
}

std::string Query::Replaced::quoted_name() const {
    return quoted_identifier(alias.empty() ? name : std::string_view(alias));
}

// Is the name used by itself?
bool Query::is_named_alone(std::string_view name) const {
    return is_whole_row(name) || stars_within_.contains(name) ||
           std::any_of(attributes_.begin(), attributes_.end(),
                       [&](const Attribute& each) {
                           return each.qualifier == name && !each.with_schema;
                       }) ||
           std::any_of(star_targets_.begin(), star_targets_.end(), [&](const StarTarget& each) {
               return each.qualifier == name && each.parts == 2;
           });
}

// Relations of one name from different schemas may stand side by side, and columns be referred to
// with the schema; a derived table has one name. So where another thing has that name too, it gets
// both together for one.
void Query::finish_same_names() {
    for (Replaced& replaced : replaced_) {
        const auto named = names_.find(replaced.name);
        if (replaced.reference->alias != nullptr || named == names_.end() ||
            named->second.rewritten_alone) {
            continue;
        }
        const bool beside = std::any_of(items_.begin(), items_.end(), [&](const RangeItem& item) {
            return !item.aliased && item.name == replaced.name && item.select == replaced.select &&
                   item.relation != nullptr && item.relation != replaced.policy->relation;
        });
        const bool with_schema = std::any_of(qualified_.begin(), qualified_.end(),
                                             [&](const QualifiedReference& reference) {
                                                 return reference.relation.name == replaced.name;
                                             });
        if (!beside && !with_schema) {
            continue;
        }
        const Relation& relation = *replaced.policy->relation;
        std::string alias = relation.schema + "." + relation.name;
        if (is_named_alone(replaced.name) || names_.contains(alias)) {
            refuse({"42P09", "table reference \"" + std::string(replaced.name) + "\" is ambiguous",
                    "It is a masked relation, and something else in the statement has the same "
                    "name.",
                    "Give the relation an alias and refer to that.", "masking: reference", false},
                   replaced.reference->location);
            return;
        }
        replaced.alias = std::move(alias);
    }
}

// `shop.customers.email` names the relation, and where that stood now stands a derived table of
// the relation's own name.
void Query::finish_qualified() {
    for (const QualifiedReference& reference : qualified_) {
        const Relation* relation =
            policy_.catalog().relation(reference.relation.schema, reference.relation.name);
        const auto meant =
            std::find_if(replaced_.begin(), replaced_.end(), [&](const Replaced& each) {
                return each.reference->alias == nullptr && each.policy->relation == relation;
            });
        if (meant == replaced_.end() || is_temporary_schema(reference.relation.schema)) {
            continue;  // the server knows what it is, or that it is nothing
        }
        const std::size_t first = tokens().at(at(reference.location));
        const std::size_t behind = tokens().after_name(first, reference.parts);
        if (first >= tokens().size()) {
            refuse(not_supported("the column reference by schema to " + reference.relation.text(),
                                 "vitrine could not find it in the text.",
                                 "Give the relation an alias and refer to that.",
                                 "masking: reference"),
                   reference.location);
            return;
        }
        if (!edit(tokens().begin(first), tokens().end(behind - 1), meant->quoted_name(),
                  reference.location)) {
            return;
        }
    }
}

}  // namespace vitrine::parser
