// Functions, operators and types by name: everything that a name may stand for under the
// session's search_path is judged, and all of it must be allowed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

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

struct CallShape {
    std::size_t arguments_min = 0;
    std::size_t arguments_max = 0;  // more than min where an ordered-set aggregate may take them
    // `f(x)` and nothing else: may be a column of x, or a cast.
    bool plain_single = false;
    // VARIADIC was written: an array stands for any number of arguments.
    bool variadic = false;
};

class Calls {
  public:
    Calls(const Policy& policy, const SearchPath& path) : policy_(policy), path_(path) {}

    struct FunctionFinding {
        std::optional<Objection> objection;
        // current_setting() or set_config() is among what may be called: its arguments decide.
        const Function* by_argument = nullptr;
        // Nothing has the name; with a plain single argument the server takes it for a column.
        bool column_notation = false;
    };
    [[nodiscard]] FunctionFinding function(const ObjectName& name, const CallShape& shape) const;
    [[nodiscard]] std::optional<Objection> operator_symbol(const ObjectName& name,
                                                           bool prefix) const;
    [[nodiscard]] std::optional<Objection> type(const ObjectName& name) const;
    // A type's mere use, where it is known by its OID: a column's.
    [[nodiscard]] std::optional<Objection> type(Oid oid) const;
    [[nodiscard]] std::optional<Objection> sampling_method(const ObjectName& name) const;
    // `x.f` and `(x).f` call f(x) where x has no column f. Is there such a function that may not
    // be called?
    [[nodiscard]] std::optional<Objection> attribute(std::string_view name) const;

  private:
    // A body written in SQL could mean a user's object in place of a builtin.
    [[nodiscard]] bool reaches_impostors() const;

    const Policy& policy_;
    const SearchPath& path_;
};

}  // namespace vitrine::parser
