// Which names are plain: whatever they mean, wherever they stand and whatever stands beside them,
// the judge has no objection and puts nothing in their place. Found out once for a policy, so that
// an ordinary statement is not asked about each of its names anew (parser/plain.h).
//
// A name that some object of a user's shares is plain only if that object is allowed too, or its
// schema is not in question. Holds for PostgreSQL 14 and later, and where no type of PostgreSQL's
// own is refused; elsewhere no name is plain.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "parser/catalog/name_key.h"
#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

class Policy;

// Which single objects are plain: what the judge asks of each (Calls::function, operator_symbol,
// type, attribute), without the operands that would leave some meanings of a name out.
class PlainObjects {
  public:
    explicit PlainObjects(const Policy& policy);

    // A cast to it may be written, and the name of a value of it.
    [[nodiscard]] bool target(const Type& type) const;
    [[nodiscard]] bool function(const Function& function) const;
    [[nodiscard]] bool operator_symbol(const Operator& symbol) const;
    // It is read as it stands.
    [[nodiscard]] bool relation(const Relation& relation) const;
    // A user's table of which some columns are masked, and that is all: the others are read as they
    // stand.
    [[nodiscard]] bool relation_in_part(const Relation& relation) const;

  private:
    [[nodiscard]] bool is_ordinary(const Relation& relation) const;
    [[nodiscard]] bool value(Oid type) const;
    [[nodiscard]] bool values(const std::vector<Oid>& types) const;
    void find_cast_targets();

    const Policy& policy_;
    const CatalogSnapshot& catalog_;
    // Types to which a written cast may run a refused function, whatever its value
    // (Query::finish_casts).
    std::unordered_set<Oid> cast_targets_;
};

// One of the relations of a name.
struct PlainRelation {
    const Relation* relation = nullptr;
    // It is read as it stands, and all types of its columns and rows are allowed.
    bool open = false;
    // The same holds of those of its columns that are not masked.
    bool open_in_part = false;
    std::uint32_t columns_begin = 0;  // in ColumnNames
    std::uint32_t columns_count = 0;
    std::uint32_t masked_begin = 0;  // in PlainNames
    std::uint32_t masked_count = 0;
};

// All that has one name. Small, since a look costs its cache lines.
struct PlainName {
    NameKey key{""};
    // Bit n: it can be called with n arguments, as one of PostgreSQL's own; the last bit: that
    // many or more.
    std::uint32_t arguments = 0;
    bool binary_operator : 1 = false;  // one of PostgreSQL's own
    bool prefix_operator : 1 = false;
    bool type : 1 = false;       // at least one has the name
    bool own_type : 1 = false;   // and one is PostgreSQL's own
    bool attribute : 1 = false;  // `x.name` may call or cast
    // All of this holds where none of these schemas can be meant: each has something of the name
    // that is not plain.
    std::uint32_t except_begin = 0;
    std::uint32_t except_count = 0;
    std::uint32_t relations_begin = 0;
    std::uint32_t relations_count = 0;
};
static_assert(sizeof(PlainName) <= 64);

class PlainNames {
  public:
    static constexpr unsigned kArgumentsMax = 31;

    // Asks `policy` about everything in its catalog; keeps pointers into that.
    explicit PlainNames(const Policy& policy);
    PlainNames(const PlainNames&) = delete;
    PlainNames& operator=(const PlainNames&) = delete;

    // Are there plain names at all?
    [[nodiscard]] bool any() const { return !names_.empty(); }
    // nullptr: nothing in the catalog has the name, but for columns. Nothing of the empty name is
    // plain.
    [[nodiscard]] const PlainName* find(const char* name) const {
        const NameKey key(name);
        for (std::size_t at = key.hash() & mask_;; at = (at + 1) & mask_) {
            const PlainName& found = names_[at];
            if (found.key == key) {
                return &found;
            }
            if (found.key.size == 0) {
                return nullptr;
            }
        }
    }
    // The same of a name of one character, as most operators have; not '\0'.
    [[nodiscard]] const PlainName* find_short(char name) const {
        const auto at = static_cast<unsigned char>(name);
        return at < short_.size() ? short_[at] : nullptr;
    }
    // By their schemas' names.
    [[nodiscard]] std::span<const PlainRelation> relations(const PlainName& name) const {
        return std::span(relations_).subspan(name.relations_begin, name.relations_count);
    }
    // Sorted.
    [[nodiscard]] std::span<const std::string_view> except(const PlainName& name) const {
        return std::span(except_).subspan(name.except_begin, name.except_count);
    }
    [[nodiscard]] bool has_column(const PlainRelation& relation, const NameKey& column) const {
        return columns_.has(relation.columns_begin, relation.columns_count, column);
    }
    [[nodiscard]] bool has_masked_column(const PlainRelation& relation,
                                         const NameKey& column) const {
        return masked_.has(relation.masked_begin, relation.masked_count, column);
    }
    // "public.customers.email", sorted.
    [[nodiscard]] std::span<const std::string> masked_titles(const PlainRelation& relation) const {
        return std::span(titles_).subspan(relation.masked_begin, relation.masked_count);
    }

  private:
    PlainName judged(const Policy& policy, const PlainObjects& plain, const std::string& text);
    void insert(const PlainName& name);

    std::vector<PlainName> names_;  // by their hashes, with gaps
    std::array<const PlainName*, 128> short_{};
    std::vector<std::string_view> except_;
    std::vector<PlainRelation> relations_;
    const ColumnNames& columns_;  // the catalog's
    // Of relations that are open in part: the masked columns, and their titles.
    ColumnNames masked_;
    std::vector<std::string> titles_;
    std::size_t mask_ = 0;
};

}  // namespace vitrine::parser
