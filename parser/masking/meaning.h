// What an expression of a DBA's is, part by part as it is written anew (written_sql.h): of which
// type, by which functions, and whether any of it may mean one thing in one session and another in
// the next.
//
// A user sets TimeZone, DateStyle and the like as they wish. A mask that goes by one shows more of
// a value with each that is tried, and a filter other rows. So what is called is immutable (or
// now()), constants mean the same under any setting, and where that is not certain it is refused.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

class Meaning {
  public:
    struct Value {
        Oid type = 0;          // 0: not known
        bool literal = false;  // a constant that has no type yet
        std::string_view text;
        bool null = false;
    };

    // Without a catalog nothing is known, and nothing is said.
    explicit Meaning(const CatalogSnapshot* catalog) : catalog_(catalog) {}

    // The first thing that is wrong; empty: nothing.
    [[nodiscard]] const std::string& why() const { return why_; }
    Value fail(std::string why);

    // A number of so many digits, or with more than digits in it.
    [[nodiscard]] static Value number(std::string_view text);
    [[nodiscard]] static Value integer();
    [[nodiscard]] static Value boolean();
    [[nodiscard]] static Value bits();

    Value function(std::string_view schema, std::string_view name,
                   std::span<const Value> arguments);
    // One argument: a prefix operator.
    Value operation(std::string_view schema, std::string_view name,
                    std::span<const Value> arguments);
    // `x = ANY (of)`: one of its elements.
    Value any_of(const Value& of, std::string_view schema, std::string_view name, const Value& x);
    // `is_number`: it is a constant that is written as one.
    Value cast(const Value& from, bool is_number, std::string_view schema, std::string_view name,
               bool array);
    // They become of one type: CASE, COALESCE, GREATEST, ARRAY.
    Value merged(std::span<const Value> values);
    Value array(std::span<const Value> elements);
    Value subscripted(const Value& of, std::span<const Value> indices, bool slice);
    // It is a condition.
    void truth(const Value& value);
    // It is made a value of the type, as by a cast that is written.
    void becomes(const Value& value, Oid type);

  private:
    // What a call may be, by its arguments; and what is said of all of that.
    struct Candidate {
        std::vector<Oid> types;
        const Function* function;
        Oid result;
    };
    using Values = std::span<const Value>;
    Value called(std::vector<Candidate> candidates, Values arguments, const std::string& name);
    void narrow(std::vector<Candidate>& candidates, Values arguments, Values alike) const;
    void check(const Candidate& candidate, Values arguments, Values alike, const std::string& name);
    void check_volatility(const Function& function, Values arguments, const std::string& name);
    [[nodiscard]] bool takes_any(Oid wanted, Oid given) const;
    [[nodiscard]] bool accepts(const Candidate& candidate, Values arguments, bool exactly) const;
    void reads(const Value& literal, Oid type);
    void converts(Oid from, Oid to);
    [[nodiscard]] bool is_string(Oid type) const;
    [[nodiscard]] bool is_settled(Oid type) const;
    [[nodiscard]] bool is_settled_as_text(Oid type) const;
    [[nodiscard]] Oid element(Oid type) const;
    [[nodiscard]] Oid array_of(Oid type) const;
    [[nodiscard]] std::string title(Oid type) const;

    const CatalogSnapshot* catalog_;
    std::string why_;
};

}  // namespace vitrine::parser
