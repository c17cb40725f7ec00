// From rules to relations. In passes, each over all relations:
//
//   1. what the DBA's rules name, in order, with children and partitions: the last one stands;
//      and which rows are left, by all that name the relation;
//   2. generated columns over masked ones, and parents that would show a child's masked column as
//      it is, until nothing changes; before that and after it, under `default: mask`, what is left;
//   3. the masks and filters as SQL; one that cannot stand for its column, or its table, closes the
//      relation;
//   4. what the catalog's definitions say of masked columns is hidden (definitions.h), before views
//      that read the catalog;
//   5. views and materialized views, by what their definitions read and call: a view over what is
//      masked or filtered is replaced by its definition, in which that has been replaced.
//
// What is closed stays closed: no pass opens anything again. compiler.cpp has the tables,
// compiler_views.cpp the views.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "parser/masking/policy.h"

namespace vitrine::parser {

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
    std::set<std::int16_t> spoken_of;      // by some rule, which may not apply, or by `open`
    bool named = false;                    // some rule names this very relation, without a star
    std::vector<const config::RowRule*> filters;
    bool filter_named = false;  // one of them names this very relation
    bool filtered = false;      // by them, or for rows of its children's
    std::optional<Closed> closed;
    // Views: has the definition been looked through?
    enum class Visit : std::uint8_t { kNot, kRunning, kDone } visit = Visit::kNot;
    // Views: something of what the definition reads is masked, or filtered.
    bool reads_masked = false;
    bool reads_filtered = false;
    // Row-security policies of the service role apply to it, or to what it reads.
    bool row_security = false;
};

class Compiler {
  public:
    // `result` is what `policy` itself looks relations up in: a view's definition is judged by what
    // is there of the relations that it reads.
    Compiler(const CatalogSnapshot& catalog, const Policy& policy,
             std::unordered_map<Oid, RelationPolicy>& result, HiddenDefinitions& hidden,
             std::vector<PolicyWarning>* warnings)
        : catalog_(catalog),
          policy_(policy),
          warnings_(warnings),
          result_(result),
          hidden_(hidden) {}

    void compile(const config::MaskingRules& rules, const std::vector<std::string>& groups);

  private:
    void warn(std::string sentence, const config::Position& position) {
        if (warnings_ != nullptr) {
            warnings_->push_back({std::move(sentence), position});
        }
    }
    static void close(Draft& draft, std::string rule, std::string reason, std::string_view hint);
    static void close(Draft& draft, std::string rule, std::string reason);
    Draft* draft(Oid oid) {
        const auto found = drafts_.find(oid);
        return found == drafts_.end() ? nullptr : &found->second;
    }
    // All below in the inheritance tree, without the relation itself.
    std::vector<Draft*> descendants(const Relation& relation);

    [[nodiscard]] bool has_type(const Column& column,
                                const std::vector<config::TypePattern>& types) const;
    template <class Each>
    bool for_columns(const config::ColumnPattern& pattern,
                     const std::vector<config::TypePattern>& types, Each each);
    void apply_rule(const config::MaskRule& rule, bool excepted);
    void apply_pattern(const config::MaskRule& rule, const config::ColumnPattern& pattern,
                       bool excepted);
    void warn_of_types(const config::MaskRule& rule);
    void apply_rows(const config::RowRule& rule);
    // The system's own relations are not the DBA's to rule; one that is named is closed.
    bool close_system(const config::NamePattern& schema, const config::NamePattern& name,
                      const std::string& text, const std::string& rule,
                      const config::Position& position);
    void filter_like_children();
    void open(const config::ColumnPattern& pattern);
    void mask_what_is_left();
    bool mask_generated(Draft& draft);
    bool mask_like_children(Draft& draft);
    void spread_masks();
    void close_by_functions(Draft& draft);
    void make_expressions(Draft& draft);
    void make_filter(Draft& draft);
    void close_parents();
    void look_through(Draft& draft);
    void put_in_place(Draft& view);
    void hide();
    bool gives_masked(Oid relation);
    void mask_copies(Draft& view);
    void publish(Draft& draft);
    void close_by_policies(Draft& table);
    // And whether the reader, a view, must be replaced by its definition.
    std::optional<Closed> what_closes(Draft& reader, Oid relation);

    const CatalogSnapshot& catalog_;
    const Policy& policy_;
    std::vector<PolicyWarning>* warnings_;
    std::map<Oid, Draft> drafts_;
    std::unordered_map<Oid, RelationPolicy>& result_;
    HiddenDefinitions& hidden_;
    std::unordered_map<Oid, bool> gives_masked_;
    std::unordered_map<std::string, config::Position> positions_;  // of rules, by their names
    bool tables_are_done_ = false;
    std::optional<PlainObjects> plain_;  // once for all views
};

[[nodiscard]] std::string qualified(const Relation& relation);

inline constexpr std::string_view kHintAskDba =
    "Ask for what you need to be opened, or read from its tables.";

}  // namespace vitrine::parser
