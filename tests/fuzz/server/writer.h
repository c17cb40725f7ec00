// SQL for the fuzz target parser_server: new statements over the database of canaries.sql, and
// changed ones. Everything it knows of names and types comes from that database's own catalog.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parser/catalog/snapshot.h"
#include "tests/fuzz/server/oracle.h"

namespace vitrine::fuzz {

using parser::Oid;

struct KnownType {
    Oid oid = 0;
    std::string sql;  // qualified
    char kind = 'b';  // pg_type.typtype
    Oid array = 0;    // of it
    Oid element = 0;  // of an array
};

struct KnownFunction {
    std::string schema;
    std::string name;
    char kind = 'f';
    bool set = false;
    bool variadic = false;
    std::vector<Oid> arguments;
    Oid result = 0;
};

struct KnownOperator {
    std::string schema;
    std::string name;
    Oid left = 0;
    Oid right = 0;
    Oid result = 0;
};

struct KnownRelation {
    std::string schema;
    std::string name;
    std::vector<std::pair<std::string, Oid>> columns;
    bool catalogs = false;  // pg_catalog's or information_schema's
};

struct Vocabulary {
    std::unordered_map<Oid, KnownType> types;
    std::vector<KnownFunction> functions;  // that the judge lets through
    std::vector<KnownFunction> refused;    // and those that it does not
    std::vector<KnownOperator> operators;
    std::vector<std::pair<Oid, Oid>> casts;
    std::vector<KnownRelation> relations;
    std::vector<std::string> settings;
    std::vector<std::string> words;  // for single tokens: keywords, names, literals
    std::vector<std::string> seeds;  // whole texts

    // By result type: indices into functions and operators.
    std::unordered_map<Oid, std::vector<std::size_t>> functions_of;
    std::unordered_map<Oid, std::vector<std::size_t>> operators_of;
    std::vector<Oid> basic;  // types that expressions are mostly of
    Oid named(std::string_view sql) const;
};

// `allowed` is asked of a SELECT of each function.
Vocabulary load_vocabulary(Oracle& oracle, const std::string& source_dir,
                           const std::function<bool(const std::string&)>& allowed);

class Writer {
  public:
    Writer(const Vocabulary& vocabulary, std::uint32_t seed)
        : vocabulary_(vocabulary), random_(seed) {}

    std::string text();  // of one statement or a few
    std::string changed(const std::string& text);
    std::string spliced(const std::string& text, const std::string& other);

  private:
    struct Column {
        std::string sql;
        Oid type = 0;
    };
    struct Source {  // what stands in FROM
        std::string alias;
        const KnownRelation* relation = nullptr;
        std::vector<Column> columns;
    };

    std::uint32_t below(std::size_t limit);
    bool percent(unsigned chance) { return below(100) < chance; }
    template <typename List>
    const auto& one_of(const List& list) {
        return list[below(std::size(list))];
    }

    std::string statement();
    std::string harmful();
    std::string setting();
    std::string transaction();
    std::string wrapped(const std::string& query);
    std::string query(int depth);
    std::string select(int depth);
    std::string from(int depth);
    std::string source(int depth);
    std::string bird(int depth);  // a call of what may not be called

    std::string expression(Oid type, int depth);
    std::string leaf(Oid type);
    std::string literal(Oid type);
    std::string call(const KnownFunction& function, Oid element, int depth);
    std::string infix(const KnownOperator& known, Oid element, int depth);
    Oid concrete(Oid type, Oid element);
    Oid basic() { return one_of(vocabulary_.basic); }
    std::string type_name(Oid type);
    std::string function_name(const KnownFunction& function);
    std::string relation_name(const KnownRelation& relation);
    std::string name_of(std::string_view name);

    const Vocabulary& vocabulary_;
    std::minstd_rand random_;
    std::vector<Source> scope_;
    std::size_t scope_begin_ = 0;
    int aliases_ = 0;
    bool aggregates_ = false;
};

}  // namespace vitrine::fuzz
