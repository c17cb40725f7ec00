// Functions, operators and types by name: everything that a name may stand for under the
// session's search_path is judged, and all of it must be allowed. Left out is what the server
// cannot choose for want of an operand of the right type (Calls::needs); what hangs on whether such
// a value is in the statement comes back as Conditional, for the one who sees all of it to decide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parser/masking/policy.h"
#include "parser/masking/resolve.h"

namespace vitrine::parser {

// Why a statement is refused, before it is known where in the text.
struct Objection {
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
    std::string rule;
    // The catalog snapshot does not have what was named: a fresh one may.
    bool stale = false;
};

// Is the function's body text that is parsed when it runs, in the session's search_path, and would
// something of a user's be found there in place of PostgreSQL's own?
[[nodiscard]] bool may_look_names_up(const Function& function, const CatalogSnapshot& catalog);

enum class Operand : std::uint8_t {
    kTyped,    // has a type of its own
    kLiteral,  // a string or NULL: its type follows from what it is an operand of
    kEither,   // not known
};

struct CallShape {
    std::size_t arguments_min = 0;
    std::size_t arguments_max = 0;  // more than min where an ordered-set aggregate may take them
    // `f(x)` and nothing else: may be a column of x, or a cast.
    bool plain_single = false;
    // VARIADIC was written: an array stands for any number of arguments.
    bool variadic = false;
    // Some argument has its name before it: only functions with such parameters fit, whatever else
    // would hide them (MatchNamedCall), and the order is not known.
    bool named = false;
    // What is known of the arguments' types, in their order; those behind the end: kEither.
    std::vector<Operand> operands;
};

// How an operator is used.
struct OperatorShape {
    bool prefix = false;
    Operand left = Operand::kEither;
    Operand right = Operand::kEither;
};

// An operand that would have to be of this type.
struct Need {
    static constexpr std::size_t kAnywhere = static_cast<std::size_t>(-1);
    Oid type = 0;
    std::size_t operand = kAnywhere;  // which one; or whichever
};

// What holds only if all these needs can be met.
struct Conditional {
    Objection objection;
    std::vector<Need> needs;
};

class Calls {
  public:
    Calls(const Policy& policy, const SearchPath& path) : policy_(policy), path_(path) {}

    struct FunctionFinding {
        std::optional<Objection> objection;
        std::vector<Conditional> conditional;
        // current_setting() or set_config() is among what may be called: its arguments decide.
        const Function* by_argument = nullptr;
        // Nothing has the name; with a plain single argument the server takes it for a column.
        bool column_notation = false;
    };
    [[nodiscard]] FunctionFinding function(const ObjectName& name, const CallShape& shape) const;
    // `conditional` gets what depends on types.
    [[nodiscard]] std::optional<Objection> operator_symbol(
        const ObjectName& name, const OperatorShape& shape,
        std::vector<Conditional>& conditional) const;
    [[nodiscard]] std::optional<Objection> type(const ObjectName& name) const;
    // A type's mere use, where it is known by its OID: a column's.
    [[nodiscard]] std::optional<Objection> type(Oid oid) const;
    [[nodiscard]] std::optional<Objection> sampling_method(const ObjectName& name) const;
    // `x.f` and `(x).f` call f(x) where x has no column f. Is there such a function that may not
    // be called?
    [[nodiscard]] std::optional<Objection> attribute(std::string_view name, Operand of) const;

    // The types that a name may stand for.
    [[nodiscard]] std::vector<const Type*> types(const ObjectName& name) const;
    // From now on all types that are judged are added to `seen`; those of users are in any case
    // added to `of_users`.
    void watch(std::set<Oid>* seen) { seen_ = seen; }
    void watch_users(std::set<Oid>* of_users) { of_users_ = of_users; }

  private:
    std::optional<Objection> result(const Function& function) const;
    // Could the server choose this candidate? Only if all of this can be met; nullopt: not at all.
    using Needs = std::optional<std::vector<Need>>;
    [[nodiscard]] Needs needs(const Function& candidate, const CallShape& shape,
                              const ObjectName& name) const;
    [[nodiscard]] Needs needs(const Operator& candidate, const OperatorShape& shape,
                              const ObjectName& name) const;
    [[nodiscard]] bool literal_may_become(Oid type) const;
    [[nodiscard]] bool is_special(Oid type) const;
    // Of a type that need not be there.
    [[nodiscard]] std::optional<Objection> use_of_type(Oid type) const;
    [[nodiscard]] bool has_builtin(std::string_view symbol, Oid left, Oid right) const;
    const Policy& policy_;
    const SearchPath& path_;
    std::set<Oid>* seen_ = nullptr;
    std::set<Oid>* of_users_ = nullptr;
};

}  // namespace vitrine::parser
