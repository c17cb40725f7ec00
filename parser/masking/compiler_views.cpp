// Views and materialized views: what they read decides what becomes of them.

#include <algorithm>
#include <utility>

#include "parser/masking/compiler.h"
#include "parser/masking/definitions.h"
#include "parser/masking/view_definition.h"

namespace vitrine::parser {

namespace {

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

}  // namespace

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
        reader.reads_filtered = reader.reads_filtered || read->reads_filtered || read->filtered;
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
    for (const Oid oid : view.relation->reads_relations) {
        const auto closed = what_closes(view, oid);
        if (closed && (!materialized || !view.named)) {
            close(view, closed->rule, closed->reason,
                  materialized ? "A rule that names the materialized view can open it."
                               : closed->hint);
        }
    }
    // What such a function prints, it prints of what the catalog has.
    for (const Oid oid : view.relation->calls_functions) {
        const Function* function = catalog_.function(oid);
        if (function != nullptr && policy_.prints_hidden(*function)) {
            if (!materialized) {
                view.reads_masked = true;
            } else if (!view.named) {
                close(view, "builtin: " + function->name,
                      qualified(*view.relation) + " holds what " + function->name +
                          "() gave, with constants of definitions about masked columns.",
                      "A rule that names the materialized view can open it.");
            }
        }
    }
    // Which of its rows came of which, nothing says.
    if (materialized && view.reads_filtered && !view.filter_named) {
        close(view, "masking.rows: materialized view",
              qualified(*view.relation) +
                  " holds what it read of a table whose rows are filtered, those that are hidden "
                  "there among them.",
              "A filter under masking.rows that names the materialized view can open it; or read "
              "from its tables.");
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
    if (view.filtered) {
        make_filter(view);
    }
}

// The view's own rules, and its definition where it must stand for it.
void Compiler::put_in_place(Draft& view) {
    const std::string name = qualified(*view.relation);
    std::optional<ViewDefinition> definition;
    if ((view.reads_masked || view.reads_filtered) && !view.closed) {
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
                  name + " is over " + (view.reads_masked ? "masked columns" : "filtered rows") +
                      " and could not be replaced by its definition: " + why + ".",
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
    if (view.filtered) {
        make_filter(view);
    }
    if (definition && !view.closed) {
        RelationPolicy& policy = result_[view.relation->oid];
        policy.relation = view.relation;
        policy.definition = std::move(definition->sql);
        policy.masked_within = std::move(definition->masked);
        policy.filtered_within = std::move(definition->filtered);
        policy.except = std::move(definition->except);
        policy.require = std::move(definition->require);
        policy.carried = std::move(definition->carried);
    }
}

// Does the relation give what is masked, under any name? More is taken to than does: so, where
// anything is masked, does what a function of a user's is called for.
bool Compiler::gives_masked(Oid oid) {
    const auto [known, first] = gives_masked_.try_emplace(oid, false);
    const Draft* relation = draft(oid);
    if (!first || relation == nullptr) {
        return known->second;  // a view in its own circle: not by that
    }
    bool gives = !relation->masks.empty();
    for (const Oid read : relation->relation->reads_relations) {
        const Draft* table = draft(read);
        if (table == nullptr) {
            continue;
        }
        const bool view = table->relation->kind == 'v' || table->relation->kind == 'm';
        gives = gives || (view && gives_masked(read)) ||
                std::any_of(table->masks.begin(), table->masks.end(), [&](const auto& mask) {
                    return reads_column(*relation->relation, read, mask.first);
                });
    }
    for (const Oid called : relation->relation->calls_functions) {
        const Function* function = catalog_.function(called);
        gives = gives || function == nullptr || (!function->builtin && function->extension.empty());
    }
    return gives_masked_[oid] = gives;
}

// Before views are put in place: what they read of the catalog is hidden in them too.
void Compiler::hide() {
    MaskedObjects masked;
    std::vector<Oid> pending;
    for (const auto& [oid, draft] : drafts_) {
        for (const Column& column : draft.relation->columns) {
            if (draft.masks.contains(column.number)) {
                masked.any = true;
                pending.push_back(column.type);
            }
        }
    }
    if (!masked.any) {
        return;
    }
    while (!pending.empty()) {
        const Type* type = catalog_.type(pending.back());
        pending.pop_back();
        if (type == nullptr || !masked.types.insert(type->oid).second) {
            continue;
        }
        pending.insert(pending.end(), {type->base, type->element});
        pending.insert(pending.end(), type->parts.begin(), type->parts.end());
        if (const Relation* row = catalog_.relation(type->relation)) {
            for (const Column& column : row->columns) {
                pending.push_back(column.type);
            }
        }
    }
    masked.view = [this](Oid oid) {
        const Draft* view = draft(oid);
        return view != nullptr && (view->relation->kind == 'v' || view->relation->kind == 'm') &&
               gives_masked(oid);
    };
    masked.column = [this, view = masked.view](Oid oid, std::int16_t column) {
        const Draft* relation = draft(oid);
        return relation != nullptr &&
               (view(oid) ||
                (column == 0 ? !relation->masks.empty() : relation->masks.contains(column)));
    };
    hidden_ = hide_definitions(catalog_, masked, result_);
}

}  // namespace vitrine::parser
