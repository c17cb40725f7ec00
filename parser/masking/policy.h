// The rules, compiled against one catalog for one class of principals (those with the same
// groups): which columns of which relations are masked, and how.
//
// Immutable once compiled; shared between sessions as `std::shared_ptr<const Policy>`. It keeps
// its catalog alive.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"
#include "parser/readonly/functions.h"
#include "parser/readonly/plain_names.h"

namespace vitrine::parser {

struct MaskedColumn {
    const Column* column = nullptr;
    config::Mask mask;
    std::string rule;  // "masking.rules[0]"; "builtin: …" for the engine's own
    // The SQL that stands for the column in the derived table, over the column's quoted name:
    // fully qualified, total (never an error), of the column's base type and typmod.
    std::string expression;
};

// Why a relation cannot be read at all.
struct Closed {
    std::string rule;
    std::string reason;  // the sentence for DETAIL
    std::string hint;
};

struct RelationPolicy {
    const Relation* relation = nullptr;
    std::vector<MaskedColumn> masked;  // in attnum order; empty and no filter: open as it is
    // SQL over the relation's columns: the rows that it keeps are all there are.
    std::string filter;
    std::vector<std::string> filter_rules;  // "masking.rows[0]"; "builtin: …" for the engine's own
    std::optional<Closed> closed;
    // Views over what is masked: the definition, with the masked forms in it, as SQL that stands
    // for the view; empty: the view is read itself.
    std::string definition;
    // What the definition reads that is masked: "public.customers.email".
    std::set<std::string> masked_within;
    // And whose rows are filtered in it: "public.orders by masking.rows[0]".
    std::set<std::string> filtered_within;
    // Where one of these schemas is on the path, a name in the definition might mean something that
    // is refused there.
    std::set<std::string> except;
    // And where one of these is not, an operator that is not written in the definition (CASE x
    // WHEN, NULLIF, USING, …) would be another one.
    std::set<std::string> require;
    // Views: columns that are a masked one of what the definition reads, and nothing else.
    std::set<std::int16_t> carried;
};

// What definitions in the catalog are shown as (masking/definitions.h).
struct HiddenDefinitions {
    // By OID, what each is shown as; and the same in SQL over an OID by the name o: that it is none
    // of them, and ` WHEN … THEN …` for each.
    struct Printed {
        std::map<Oid, std::optional<std::string>> texts;
        std::string none;
        std::string branches;
    };
    // By the name of the function that prints them.
    std::map<std::string, Printed, std::less<>> functions;
    // `WHEN … THEN …` for pg_get_expr(relpartbound, oid).
    std::string bounds;
    bool defaults = false;      // there are hidden ones
    bool publications = false;  // and those
    // Views, and tables with row-security policies or indexes: a plan of theirs would show such
    // constants.
    std::unordered_set<Oid> plans;

    [[nodiscard]] bool any() const {
        return !functions.empty() || !bounds.empty() || defaults || publications;
    }
};

// What of the rules is not as whoever wrote it will have meant.
struct PolicyWarning {
    std::string text;
    config::Position position;  // line 0: nowhere

    friend bool operator==(const PolicyWarning& a, const PolicyWarning& b) {
        return a.text == b.text;
    }
};

class Policy {
  public:
    ~Policy();
    Policy(const Policy&) = delete;
    Policy& operator=(const Policy&) = delete;

    // Counts up with each compilation in the process.
    [[nodiscard]] std::uint64_t version() const;
    // config::MaskingRules::version, of what it was compiled from.
    [[nodiscard]] const std::string& rules_version() const;
    [[nodiscard]] const CatalogSnapshot& catalog() const;
    // nullptr: the relation is open.
    [[nodiscard]] const RelationPolicy* relation(Oid oid) const;
    // How many columns of users' relations are masked, for the login NOTICE.
    [[nodiscard]] std::size_t masked_columns() const;
    // And of how many the rows are filtered.
    [[nodiscard]] std::size_t filtered_tables() const;
    // The tripwire on RowDescription: would a column of a result that says that it is this one hold
    // what is masked? Column 0 is the row as a whole. Of a view that its definition stands for
    // nothing comes back, since it is not read.
    [[nodiscard]] bool is_masked(Oid relation, std::int16_t column) const;
    // Is this function one that may be called (by itself, apart from how)? `why` gets the reason
    // where not: a sentence without a full stop. The one place that knows: judge() and view
    // closures both ask it. kByArgument: current_setting() and set_config(), which the judge
    // decides by their constant arguments.
    [[nodiscard]] FunctionVerdict function_verdict(const Function& function,
                                                   std::string* why = nullptr) const;
    // function_verdict() is kAllowed.
    [[nodiscard]] bool function_allowed(const Function& function, std::string* why = nullptr) const;
    // The same of all functions a value of this type may run.
    [[nodiscard]] bool type_allowed(const Type& type, std::string* why = nullptr) const;
    [[nodiscard]] bool type_refused(Oid type) const;
    // All of the relation's columns, and its rows, are of types that are allowed.
    [[nodiscard]] bool has_plain_columns(Oid relation) const;
    // Can there be a value of this type, as an argument, in a statement in which no type is
    // refused? Not that of a literal or a parameter, which may become any type.
    [[nodiscard]] bool type_reachable(Oid type) const;
    // Is there a cast that runs a refused function where it is written?
    [[nodiscard]] bool refuses_written_casts() const;
    // Is a type of PostgreSQL's own refused, because users gave it a cast or an operator class?
    [[nodiscard]] bool refuses_builtin_types() const;
    [[nodiscard]] const PlainNames& plain_names() const;
    [[nodiscard]] const HiddenDefinitions& hidden_definitions() const;
    // Does the function print definitions of which some are hidden?
    [[nodiscard]] bool prints_hidden(const Function& function) const;

  private:
    friend std::shared_ptr<const Policy> compile_policy(std::shared_ptr<const CatalogSnapshot>,
                                                        const config::MaskingRules&,
                                                        const config::FunctionRules&,
                                                        const std::vector<std::string>&,
                                                        std::vector<PolicyWarning>*);
    Policy();
    struct State;
    std::unique_ptr<State> state_;
};

// Never fails: what cannot be carried out closes the relation concerned. `warnings`, where given,
// gets a sentence for each rule that names no existing column, table or type, or cannot be carried
// out on one.
[[nodiscard]] std::shared_ptr<const Policy> compile_policy(
    std::shared_ptr<const CatalogSnapshot> catalog, const config::MaskingRules& masking,
    const config::FunctionRules& functions, const std::vector<std::string>& groups,
    std::vector<PolicyWarning>* warnings = nullptr);

// Do both policies show every relation of the first one's catalog alike? Where not, what was
// planned under the first must not go on under the second. The system's own need only be open or
// closed alike: those show more or less with each definition that is new.
[[nodiscard]] bool same_rules(const Policy& before, const Policy& now);

// The setting of the server session that the keyed masks read (DESIGN: "Keyed masks need a key on
// the server's side that the user cannot read"). Nothing under this prefix is in a user's reach.
inline constexpr std::string_view kSettingPrefix = "vitrine.";
inline constexpr std::string_view kMaskKeySetting = "vitrine.mask_key";
// An empty one, which current_setting() is made to read where a name that is computed turns out to
// be of what users may not see.
inline constexpr std::string_view kHiddenSetting = "vitrine.hidden";

}  // namespace vitrine::parser
