#include "tests/fuzz/server/writer.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace vitrine::fuzz {
namespace {

constexpr Oid kInteger = 23;
constexpr Oid kText = 25;
constexpr Oid kBoolean = 16;

std::string replaced(std::string text, std::string_view what, const std::string& with) {
    for (std::size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
    return text;
}

// Roughly PostgreSQL's tokens: good enough to cut at.
std::vector<std::string> tokens(const std::string& text) {
    std::vector<std::string> all;
    const auto word = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
               static_cast<unsigned char>(c) >= 0x80;
    };
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t begin = i;
        const char c = text[i];
        if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            ++i;
            continue;
        }
        if (word(c)) {
            while (i < text.size() && word(text[i])) {
                ++i;
            }
        } else if (c == '\'' || c == '"') {
            ++i;
            while (i < text.size() && text[i] != c) {
                ++i;
            }
            i = std::min(i + 1, text.size());
        } else if (std::string_view("+-*/<>=~!@#%^&|`?:").find(c) != std::string_view::npos) {
            while (i < text.size() &&
                   std::string_view("+-*/<>=~!@#%^&|`?:").find(text[i]) != std::string_view::npos) {
                ++i;
            }
        } else {
            ++i;
        }
        all.push_back(text.substr(begin, i - begin));
    }
    return all;
}

std::string joined(const std::vector<std::string>& all) {
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
        // E'…' and U&"…" stay together; elsewhere a blank does no harm.
        const bool prefix =
            i > 0 && (all[i][0] == '\'' || all[i][0] == '"') &&
            (all[i - 1].size() == 1 || all[i - 1] == "&") &&
            std::string_view("EeBbXxUuNn&").find(all[i - 1][0]) != std::string_view::npos;
        if (i > 0 && !prefix && all[i] != "." && all[i - 1] != "." && all[i] != "&") {
            text += ' ';
        }
        text += all[i];
    }
    return text;
}

// From a `(` to behind its `)`, or one token.
std::size_t group_end(const std::vector<std::string>& all, std::size_t begin) {
    if (all[begin] != "(") {
        return begin + 1;
    }
    int depth = 0;
    for (std::size_t i = begin; i < all.size(); ++i) {
        depth += all[i] == "(" ? 1 : all[i] == ")" ? -1 : 0;
        if (depth == 0) {
            return i + 1;
        }
    }
    return all.size();
}

bool is_any(const KnownType& type) {
    return type.sql.starts_with("any") || type.sql == "\"any\"";
}

}  // namespace

std::uint32_t Writer::below(std::size_t limit) {
    return limit == 0 ? 0 : static_cast<std::uint32_t>(random_() % limit);
}

std::string Writer::type_name(Oid type) {
    const auto found = vocabulary_.types.find(type);
    return found == vocabulary_.types.end() ? "text" : found->second.sql;
}

// A name as somebody else might write it.
std::string Writer::name_of(std::string_view name) {
    if (name.empty() || name[0] == '"' || !percent(6)) {
        return std::string(name);
    }
    switch (below(3)) {
        case 0:
            return "\"" + std::string(name) + "\"";
        case 1: {
            std::string upper(name);
            std::transform(upper.begin(), upper.end(), upper.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
            return upper;
        }
        default: {
            static constexpr std::string_view kDigits = "0123456789abcdef";
            const auto c = static_cast<unsigned char>(name[0]);
            return "U&\"\\00" + std::string(1, kDigits[c / 16]) + kDigits[c % 16] +
                   std::string(name.substr(1)) + "\"";
        }
    }
}

std::string Writer::function_name(const KnownFunction& function) {
    return percent(function.schema == "pg_catalog" ? 15 : 60)
               ? function.schema + "." + name_of(function.name)
               : name_of(function.name);
}

std::string Writer::relation_name(const KnownRelation& relation) {
    const bool qualified = relation.schema != "pg_catalog" && percent(75);
    return qualified ? relation.schema + "." + relation.name : name_of(relation.name);
}

Oid Writer::concrete(Oid type, Oid element) {
    const auto found = vocabulary_.types.find(type);
    if (found == vocabulary_.types.end() || !is_any(found->second)) {
        return type;
    }
    const std::string& name = found->second.sql;
    if (name == "anyarray" || name == "anycompatiblearray") {
        const auto of = vocabulary_.types.find(element);
        return of == vocabulary_.types.end() || of->second.array == 0 ? 1007 : of->second.array;
    }
    if (name.find("multirange") != std::string::npos) {
        return 4451;  // int4multirange
    }
    if (name.find("range") != std::string::npos) {
        return 3904;  // int4range
    }
    if (name == "anyenum") {
        return vocabulary_.named("public.order_status");
    }
    return name == "\"any\"" ? basic() : element;
}

std::string Writer::literal(Oid type) {
    static const std::unordered_map<std::string_view, std::vector<const char*>> kValues{
        {"integer", {"1", "0", "-7", "42", "2147483647", "'3'::integer"}},
        {"bigint", {"1::bigint", "0::bigint", "9223372036854775807", "bigint '-5'"}},
        {"smallint", {"1::smallint", "smallint '7'"}},
        {"numeric", {"1.5", "0.0", "numeric '1e20'", "-3.25"}},
        {"double precision", {"0.5::float8", "float8 'NaN'", "float8 'Infinity'", "1e10::float8"}},
        {"real", {"1.5::real", "real '-1'"}},
        {"text",
         {"'abc'::text", "text ''", "'a b c'::text", "text 'public.orders'", "'%Y-%m'::text",
          "text 'UTF8'", "text '[a-z]+'", "text 'day'"}},
        {"character varying", {"'abc'::varchar", "varchar 'x'"}},
        {"name", {"'orders'::name", "name 'public'"}},
        {"boolean", {"true", "false", "NULL::boolean"}},
        {"date", {"date '2025-01-01'", "current_date", "date 'infinity'"}},
        {"timestamp with time zone", {"now()", "timestamptz '2025-01-01 10:00+02'"}},
        {"timestamp without time zone", {"timestamp '2025-01-01 10:00'", "localtimestamp"}},
        {"interval", {"interval '1 day'", "interval '-2 hours'"}},
        {"time without time zone", {"time '10:00'"}},
        {"jsonb", {"jsonb '{\"a\": [1, 2]}'", "'[1,2]'::jsonb", "jsonb 'null'"}},
        {"json", {"json '{\"a\": 1}'", "'[{\"a\": 1}]'::json"}},
        {"uuid", {"uuid '00000000-0000-0000-0000-000000000001'", "gen_random_uuid()"}},
        {"bytea", {"'\\x00ff'::bytea", "bytea ''"}},
        {"inet", {"inet '10.0.0.1'", "inet '::1'"}},
        {"text[]", {"ARRAY['a', 'b']", "'{}'::text[]"}},
        {"integer[]", {"ARRAY[1, 2]", "'{1,NULL}'::integer[]", "ARRAY[[1], [2]]"}},
        {"int4range", {"int4range(1, 5)", "'empty'::int4range"}},
        {"bit", {"B'101'", "B'0'"}},
        {"point", {"point '(1,2)'"}},
        {"box", {"box '(1,2),(3,4)'"}},
        {"polygon", {"polygon '((0,0),(1,1),(1,0))'"}},
        {"circle", {"circle '<(0,0),1>'"}},
        {"line", {"line '{1,2,3}'"}},
        {"lseg", {"lseg '[(0,0),(1,1)]'"}},
        {"path", {"path '((0,0),(1,1))'"}},
        {"tsvector", {"to_tsvector('a cat')", "tsvector 'a:1 b:2'"}},
        {"tsquery", {"to_tsquery('a & b')", "tsquery 'a'"}},
        {"xml", {"xml '<a>1</a>'"}},
        {"oid", {"1259::oid", "'public.orders'::regclass::oid", "oid '16384'"}},
        {"regclass",
         {"'public.orders'::regclass", "regclass 'pg_class'", "'public.orders_id_seq'::regclass"}},
        {"regproc", {"'pg_catalog.now'::regproc"}},
        {"regprocedure", {"'nextval(regclass)'::regprocedure"}},
        {"regtype", {"'bird.checked'::regtype", "regtype 'integer'"}},
        {"regconfig", {"regconfig 'english'", "'simple'::regconfig"}},
        {"regdictionary", {"regdictionary 'simple'"}},
        {"regnamespace", {"'bird'::regnamespace"}},
        {"regrole", {"'postgres'::regrole"}},
        {"regoper", {"'||/'::regoper"}},
        {"regoperator", {"'+(integer,integer)'::regoperator"}},
        {"regcollation", {"'\"C\"'::regcollation"}},
        {"\"char\"", {"'r'::\"char\""}},
        {"character", {"'x'::char"}},
        {"money", {"money '1.20'"}},
        {"jsonpath", {"'$.a'::jsonpath", "jsonpath '$[*] ? (@ > 1)'"}},
        {"macaddr", {"macaddr '08:00:2b:01:02:03'"}},
        {"pg_lsn", {"pg_lsn '0/10'"}},
        {"cidr", {"cidr '10.0.0.0/8'"}},
        {"cstring", {"'1'", "'x'", "'{1}'"}},
        {"record", {"ROW(1, 'x')", "ROW(1, 2)", "ROW()"}},
        {"unknown", {"'x'", "NULL"}},
        {"tid", {"tid '(0,1)'"}},
        {"xid", {"xid '5'"}},
        {"xid8", {"xid8 '5'"}},
        {"int2vector", {"'1 2'::int2vector"}},
        {"oidvector", {"'23 25'::oidvector"}},
        {"public.hstore", {"'a=>1'::public.hstore"}},
        {"public.order_status", {"'new'::public.order_status"}},
        {"bird.checked", {"1::bird.checked", "'2'::bird.checked"}},
        {"bird.key", {"ROW(1, 'k')::bird.key", "'(1,k)'::bird.key", "'k'::text::bird.key"}},
        {"bird.colour", {"'red'::bird.colour"}},
        {"bird.spans", {"'[1,2]'::bird.spans"}},
        {"bird.ranked", {"ROW(1)::bird.ranked", "'(2)'::bird.ranked"}},
    };
    const std::string name = type_name(type);
    const auto values = kValues.find(name);
    if (values != kValues.end() && !percent(8)) {
        return one_of(values->second);
    }
    if (name == "internal" || name == "trigger" || name == "event_trigger" || percent(1)) {
        return "NULL";
    }
    return percent(30) ? "CAST(NULL AS " + name + ")" : "NULL::" + name;
}

std::string Writer::leaf(Oid type) {
    std::vector<const Column*> fitting;
    for (std::size_t i = scope_begin_; i < scope_.size(); ++i) {
        for (const Column& column : scope_[i].columns) {
            if (column.type == type) {
                fitting.push_back(&column);
            }
        }
    }
    if (percent(1)) {
        return "$1";
    }
    return fitting.empty() || percent(25) ? literal(type) : one_of(fitting)->sql;
}

std::string Writer::call(const KnownFunction& function, Oid element, int depth) {
    std::vector<std::string> arguments;
    for (std::size_t i = 0; i < function.arguments.size(); ++i) {
        const Oid type = concrete(function.arguments[i], element);
        const bool last = i + 1 == function.arguments.size();
        if (last && function.variadic && type_name(type) != "\"any\"") {
            const auto known = vocabulary_.types.find(type);
            const Oid of = known == vocabulary_.types.end() ? 0 : known->second.element;
            if (of != 0 && percent(60)) {
                for (std::uint32_t n = below(3); n > 0; --n) {
                    arguments.push_back(expression(of, depth - 1));
                }
                continue;
            }
            arguments.push_back("VARIADIC " + expression(type, depth - 1));
            continue;
        }
        arguments.push_back(expression(type, depth - 1));
    }
    std::string list;
    for (const std::string& argument : arguments) {
        list += (list.empty() ? "" : ", ") + argument;
    }
    if (arguments.size() == 1 && percent(5)) {
        return "(" + list + ")." + function.name;  // f(x) as a column
    }
    std::string sql = function_name(function) + "(";
    if (function.kind == 'a' && !list.empty() && percent(15)) {
        sql += "DISTINCT ";
    }
    sql += list.empty() && function.kind == 'a' ? "*" : list;
    if (function.kind == 'a' && !list.empty() && percent(15)) {
        sql += " ORDER BY " + expression(basic(), 0);
    }
    sql += ")";
    if (function.kind == 'a' && percent(8)) {
        sql += " WITHIN GROUP (ORDER BY " + expression(basic(), 0) + ")";
    }
    if (function.kind == 'a' && percent(12)) {
        sql += " FILTER (WHERE " + expression(kBoolean, 0) + ")";
    }
    if (function.kind == 'w' || (function.kind == 'a' && !aggregates_)) {
        sql += " OVER (";
        sql += percent(50) ? "PARTITION BY " + expression(basic(), 0) + " " : "";
        sql += percent(70) ? "ORDER BY " + expression(basic(), 0) : "";
        sql += percent(15) ? " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)" : ")";
    }
    return sql;
}

std::string Writer::infix(const KnownOperator& known, Oid element, int depth) {
    const std::string symbol = percent(10) || (known.schema != "pg_catalog" && percent(50))
                                   ? "OPERATOR(" + known.schema + "." + known.name + ")"
                                   : known.name;
    const std::string right = expression(concrete(known.right, element), depth - 1);
    if (known.left == 0) {
        return "(" + symbol + " " + right + ")";
    }
    const std::string left = expression(concrete(known.left, element), depth - 1);
    if (percent(6)) {
        return "(" + left + " " + symbol + (percent(50) ? " ANY " : " ALL ") + "(ARRAY[" + right +
               "]))";
    }
    return "(" + left + " " + symbol + " " + right + ")";
}

std::string Writer::bird(int depth) {
    // Laid out by hand: the formatter gives each a line.
    // clang-format off
    static constexpr std::array kShapes{
        "bird.touched(%t)", "bird.touched(%i)", "touched(%i)", "(%c).touched", "%c.touched",
        "touched(%c)", "bird.named(second => %t, first => %i)", "bird.padded(%i)",
        "padded(%i, %i)", "bird.joined(VARIADIC %a)", "bird.joined(%t, %t)", "bird.inlined(%i)",
        "lower(%i)", "lower(%t)", "upper(%t, %t)", "abs(%i)", "now()", "concat(%t, %t)",
        "length(%i)", "substring(%t, 1, 2)", "substring(%t FROM 1 FOR 2)",
        "substring(%i FROM 2)", "overlay(%t PLACING %t FROM 1)", "position(%t IN %t)",
        "trim(%t)", "extract(day FROM current_date)",
        "(current_date, current_date) OVERLAPS (current_date, current_date)",
        "now() AT TIME ZONE %t", "%t LIKE %i", "%t NOT ILIKE %i", "%t = %i", "%t < %i",
        "%i >= %t", "%t IN (%i, %i)", "%t BETWEEN %i AND %i", "%i + %i", "%t + %i", "%t || %t",
        "- %t", "%i @@@ %i", "%i OPERATOR(bird.@@@) %i", "%i <#> %i",
        "CASE %t WHEN %i THEN 1 END", "NULLIF(%t, %i)", "%t IS DISTINCT FROM %i",
        "%t = ANY (ARRAY[%i])", "%t = ANY (SELECT %i)", "(%t, 1) < (%i, 2)", "%i::bird.checked",
        "CAST(%t AS bird.checked_text)", "bird.checked %l", "checked(%i)", "bird.checked(%i)",
        "%i::public.by_operator", "ARRAY[%i]::bird.checked[]", "ROW(1, %i)::bird.parts",
        "%l::bird.parts", "bird.total(%i)", "bird.sum(%t)", "max(%i)", "total(%i) OVER ()",
        "bird.placed() WITHIN GROUP (ORDER BY %i)", "bird.finished(%t)", "%k::integer",
        "%k::text", "%k + 1", "abs(%k)", "to_json(%k)", "row_to_json(ROW(%k))", "json_agg(%k)",
        "jsonb_build_object('k', %k)", "%k = %k", "%k < %k", "%k IN (%k)",
        "array_agg(DISTINCT %k)", "count(DISTINCT %k)", "ROW(%k) = ROW(%k)",
        "ARRAY[%k] = ARRAY[%k]", "ARRAY[%k] @> ARRAY[%k]", "array_position(ARRAY[%k], %k)",
        "array_remove(ARRAY[%k], %k)", "greatest(%k, %k)", "max(%k)",
        "rank() OVER (ORDER BY %k)", "width_bucket(%k, ARRAY[%k])", "%t::bird.key",
        "bird.colour 'red' + 1", "'red'::bird.colour::bird.key", "line '{1,2,3}'::path",
        "npoints(line '{1,2,3}')", "greatest(line '{1,2,3}', line '{2,2,3}')",
        "count(DISTINCT line '{1,2,3}')", "pg_lsn '0/1'::tid", "name(%t)", "date(%i)",
        "int4(%t, %t)", "add_tax(%t)", "add_tax(%i)", "add_tax(1.5)", "add_tax(1.5, %t)",
        "public.add_tax(%i)", "first_of(%a)", "public.first_of(%a)", "bird.any_of(%i)",
        "bird.any_of(%k)", "secret(%c)", "%c.secret", "(%c).secret",
        "bird.following('public.orders_id_seq')", "bird.listed(%i)", "random()",
        "row_number() OVER ()", "current_setting(%t)", "format(%t)", "sum(%t)",
        "array_in(%l, 'bird.checked'::regtype, -1)",
        "domain_in(%l, 'bird.checked'::regtype, -1)",
        "jsonb_populate_record(NULL::bird.parts, '{\"two\": 1}')",
        "json_populate_record(NULL::bird.typed, '{\"checked\": 1}')",
        "xmlserialize(CONTENT xml '<a/>' AS text)", "%i::bird.checked_twice", "unnest(%a, %i)",
        "generate_series(1, 2, %t)", "(ROW(%i, %i)::bird.parts).two", "int4(%k)", "text(%k)",
        "json(%k)", "key(%t)", "bird.key(%t)", "string_agg(%k::text, ',')", "%k::json",
        "%k || 'x'", "format('%%s', %k)", "concat(%k)", "coalesce(%k, %k)", "pg_typeof(%k)",
        "lower(%k)", "'[1,2]'::bird.spans * '[2,3]'::bird.spans", "bird.spans(1, 2)",
        "range_agg('[1,2]'::bird.spans)",
    };
    // clang-format on
    std::string shape = one_of(kShapes);
    std::string key = "ROW(1, 'k')::bird.key";
    std::string row = "o";
    for (std::size_t i = scope_begin_; i < scope_.size(); ++i) {
        row = scope_[i].alias;
        for (const Column& column : scope_[i].columns) {
            if (type_name(column.type) == "bird.key") {
                key = column.sql;
            }
        }
    }
    shape = replaced(shape, "%t", expression(kText, depth - 2));
    shape = replaced(shape, "%i", expression(kInteger, depth - 2));
    shape = replaced(shape, "%a", expression(1009, depth - 2));
    shape = replaced(shape, "%l", percent(50) ? "'1'" : "'{1}'");
    shape = replaced(shape, "%k", key);
    return replaced(shape, "%c", row);
}

std::string Writer::expression(Oid type, int depth) {
    const auto named = vocabulary_.types.find(type);
    if (depth <= 0 || named == vocabulary_.types.end() || named->second.kind == 'p') {
        return leaf(type);
    }
    const std::uint32_t dice = below(100);
    const auto pick = [&](const auto& index, Oid result) -> const std::vector<std::size_t>* {
        const auto found = index.find(result);
        return found == index.end() || found->second.empty() ? nullptr : &found->second;
    };
    // Now and then what gives any type at all.
    static constexpr std::array<Oid, 2> kAny{2283, 5077};  // anyelement, anycompatible
    if (dice < 45) {
        const Oid result = percent(10) ? kAny[below(kAny.size())] : type;
        if (const auto* list = pick(vocabulary_.functions_of, result)) {
            for (int attempt = 0; attempt < 4; ++attempt) {
                const KnownFunction& function = vocabulary_.functions[one_of(*list)];
                const bool aggregate = function.kind != 'f';
                if (!aggregate || percent(aggregates_ ? 70 : 10)) {
                    return call(function, type, depth);
                }
            }
        }
    } else if (dice < 62) {
        if (const auto* list = pick(vocabulary_.operators_of, type)) {
            const Oid element = type == kBoolean ? basic() : type;
            return infix(vocabulary_.operators[one_of(*list)], element, depth);
        }
    } else if (dice < 72) {
        std::vector<Oid> sources;
        for (const auto& [source, target] : vocabulary_.casts) {
            if (target == type) {
                sources.push_back(source);
            }
        }
        const Oid source = sources.empty() || percent(20) ? basic() : one_of(sources);
        const std::string inner = expression(source, depth - 1);
        return percent(60) ? "(" + inner + ")::" + type_name(type)
                           : "CAST(" + inner + " AS " + type_name(type) + ")";
    } else if (dice < 76) {
        return "CASE WHEN " + expression(kBoolean, depth - 1) + " THEN " +
               expression(type, depth - 1) + " ELSE " + expression(type, depth - 1) + " END";
    } else if (dice < 79) {
        static constexpr std::array kForms{"COALESCE", "NULLIF", "GREATEST", "LEAST"};
        return std::string(one_of(kForms)) + "(" + expression(type, depth - 1) + ", " +
               expression(type, depth - 1) + ")";
    } else if (dice < 82) {
        return "(SELECT " + expression(type, depth - 1) + " LIMIT 1)";
    } else if (dice < 84 && type == kBoolean) {
        return expression(basic(), depth - 1) + " IS NOT NULL";
    } else if (dice < 86 && type == kBoolean) {
        const Oid of = basic();
        return expression(of, depth - 1) + " IN (" + expression(of, 0) + ", " + expression(of, 0) +
               ")";
    } else if (dice < 87 && type == kText) {
        return "CAST(" + expression(basic(), depth - 1) + " AS text)";
    } else if (dice == 99 && !vocabulary_.refused.empty() && percent(60)) {
        return call(one_of(vocabulary_.refused), type, depth);
    } else if (dice == 98 && percent(60)) {
        return bird(depth);
    }
    if (named->second.element != 0 && percent(50)) {
        return "ARRAY[" + expression(named->second.element, depth - 1) + "]::" + named->second.sql;
    }
    return leaf(type);
}

std::string Writer::source(int depth) {
    const std::string alias = "r" + std::to_string(++aliases_);
    Source made;
    made.alias = alias;
    const std::uint32_t dice = below(100);
    const auto column = [&](const std::string& name, Oid type) {
        made.columns.push_back(
            {percent(85) ? alias + "." + name : "(" + alias + ")." + name, type});
    };
    std::string sql;
    if (dice < 62 || depth <= 0) {
        const KnownRelation* relation = &one_of(vocabulary_.relations);
        for (int attempt = 0; attempt < 3 && (relation->catalogs && percent(60)); ++attempt) {
            relation = &one_of(vocabulary_.relations);
        }
        made.relation = relation;
        sql = (percent(5) ? "ONLY " : "") + relation_name(*relation) + " AS " + alias;
        if (percent(5)) {
            sql += percent(50) ? " TABLESAMPLE system (50)"
                               : " TABLESAMPLE bernoulli (10) "
                                 "REPEATABLE (1)";
        }
        for (const auto& [name, type] : relation->columns) {
            column(name, type);
        }
    } else if (dice < 74) {
        const bool lateral = percent(25);
        const std::size_t begin = scope_begin_;
        if (!lateral) {
            scope_begin_ = scope_.size();
        }
        const bool aggregates = aggregates_;
        aggregates_ = false;
        const Oid first = basic();
        const Oid second = basic();
        sql = std::string(lateral ? "LATERAL " : "") + "(SELECT " + expression(first, depth - 1) +
              " AS a, " + expression(second, depth - 1) + " AS b) AS " + alias;
        aggregates_ = aggregates;
        scope_begin_ = begin;
        column("a", first);
        column("b", second);
    } else if (dice < 88) {
        const KnownFunction* function = &one_of(vocabulary_.functions);
        for (int attempt = 0; attempt < 12 && (!function->set || function->kind != 'f');
             ++attempt) {
            function = &one_of(vocabulary_.functions);
        }
        const Oid element = basic();
        sql = call(*function, element, depth - 1);
        if (percent(10)) {
            sql = "ROWS FROM (" + sql + ", generate_series(1, 2))";
        }
        sql += (percent(15) ? " WITH ORDINALITY AS " : " AS ") + alias;
    } else if (dice < 93) {
        const Oid first = basic();
        sql = "(VALUES (" + expression(first, 1) + ", 1), (" + expression(first, 1) + ", 2)) AS " +
              alias + " (a, b)";
        column("a", first);
        column("b", kInteger);
    } else if (dice < 96) {
        const Oid first = percent(10) ? vocabulary_.named("bird.checked") : basic();
        sql = "json_to_recordset('[{\"a\": 1}]') AS " + alias + " (a " + type_name(first) +
              ", b text)";
        column("a", first);
        column("b", kText);
    } else if (dice < 98) {
        const Oid first = percent(15) ? vocabulary_.named("bird.checked") : basic();
        sql = "XMLTABLE('/a' PASSING xml '<a><b>1</b></a>' COLUMNS a " + type_name(first) +
              " PATH 'b', b text DEFAULT " + expression(kText, 1) + ") AS " + alias;
        column("a", first);
    } else {
        sql = bird(depth) + " AS " + alias;
    }
    scope_.push_back(std::move(made));
    return sql;
}

std::string Writer::from(int depth) {
    std::string sql = source(depth);
    for (std::uint32_t more = percent(35) ? 1 + below(2) : 0; more > 0; --more) {
        const std::uint32_t dice = below(100);
        if (dice < 25) {
            sql += ", " + source(depth);
        } else if (dice < 40) {
            sql += (percent(50) ? " CROSS JOIN " : " NATURAL JOIN ") + source(depth);
        } else if (dice < 50) {
            sql += " JOIN " + source(depth) + " USING (" + (percent(70) ? "id" : "name") + ")";
        } else {
            static constexpr std::array kJoins{" JOIN ", " LEFT JOIN ", " RIGHT JOIN ",
                                               " FULL JOIN "};
            sql += one_of(kJoins) + source(depth);
            sql += " ON " + expression(kBoolean, 1);
        }
    }
    return sql;
}

std::string Writer::select(int depth) {
    const std::size_t outer = scope_.size();
    const bool outer_aggregates = aggregates_;
    std::string tables = percent(88) ? " FROM " + from(depth) : "";
    const bool grouped = percent(25);
    aggregates_ = grouped;
    std::string targets;
    std::string key;
    Oid last = kInteger;
    if (grouped && percent(50)) {
        aggregates_ = false;
        key = expression(basic(), 1);
        aggregates_ = true;
        targets = key;
    }
    for (std::uint32_t n = 1 + below(3); n > 0; --n) {
        last = percent(85) ? basic() : one_of(vocabulary_.functions).result;
        std::string target;
        if (percent(3)) {
            target = bird(depth);
        } else if (!grouped && !tables.empty() && percent(12)) {
            const Source& of = scope_[outer + below(scope_.size() - outer)];
            target = percent(50) ? of.alias + ".*" : of.alias;
        } else if (percent(30)) {
            // One after the other, so that none of them stays out for long.
            const KnownFunction& function = one_of(vocabulary_.functions);
            target = call(function, basic(), depth);
        } else {
            target = expression(last, depth);
        }
        targets += (targets.empty() ? "" : ", ") + target;
        targets += percent(10) ? " AS c" + std::to_string(n) : "";
    }
    std::string sql = "SELECT ";
    sql += percent(8) ? "DISTINCT " : "";
    sql += targets + tables;
    aggregates_ = false;
    if (percent(35)) {
        sql += " WHERE " + (percent(4) ? bird(depth) : expression(kBoolean, depth));
    }
    if (!key.empty()) {
        sql += " GROUP BY " + (percent(80) ? "1" : percent(50) ? "ROLLUP (" + key + ")" : key);
    }
    aggregates_ = grouped;
    if (grouped && percent(20)) {
        sql += " HAVING " + expression(kBoolean, 1);
    }
    if (percent(20)) {
        sql += " ORDER BY " + (percent(60) ? "1" : expression(basic(), grouped ? 0 : 1));
        sql += percent(8) ? " USING <" : percent(30) ? " DESC NULLS LAST" : "";
    }
    if (percent(60)) {
        sql += " LIMIT " + std::to_string(1 + below(20));
    }
    if (percent(2)) {
        sql += percent(50) ? " FOR UPDATE" : " FOR KEY SHARE SKIP LOCKED";
    }
    scope_.resize(outer);
    aggregates_ = outer_aggregates;
    return sql;
}

std::string Writer::query(int depth) {
    const std::uint32_t dice = below(100);
    if (dice < 78 || depth <= 0) {
        return select(depth);
    }
    if (dice < 84) {
        const std::string name = percent(70) ? "w" : one_of(vocabulary_.relations).name;
        return "WITH " + name + (percent(30) ? " AS MATERIALIZED (" : " AS (") + select(depth - 1) +
               ") SELECT * FROM " + name + ", LATERAL (" + select(depth - 1) + ") AS q";
    }
    if (dice < 88) {
        static constexpr std::array kSets{" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "};
        return "(" + select(depth - 1) + ")" + one_of(kSets) + "(" + select(depth - 1) + ")";
    }
    if (dice < 92) {
        return "SELECT * FROM (" + query(depth - 1) + ") AS q";
    }
    if (dice < 94) {
        return "WITH RECURSIVE w(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM w WHERE n < 5 AND " +
               expression(kBoolean, depth - 1) + ") SELECT n FROM w";
    }
    if (dice < 96) {
        return "TABLE " + relation_name(one_of(vocabulary_.relations));
    }
    return "SELECT EXISTS (" + select(depth - 1) + "), ARRAY(" + select(depth - 1) + ")";
}

std::string Writer::wrapped(const std::string& sql) {
    switch (below(12)) {
        case 0:
            return "EXPLAIN " + sql;
        case 1:
            return "EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) " + sql;
        case 2:
            return "EXPLAIN ANALYZE " + sql;
        case 3:
            return "COPY (" + sql + ") TO STDOUT" + (percent(30) ? " (FORMAT csv)" : "");
        case 4:
            return "PREPARE p AS " + sql + "; EXECUTE p";
        case 5:
            return "PREPARE p (integer, text) AS " + sql + "; EXECUTE p (" +
                   expression(kInteger, 1) + ", " + expression(kText, 1) +
                   "); EXPLAIN ANALYZE EXECUTE p (1, 'x'); DEALLOCATE p";
        case 6:
            return "BEGIN; DECLARE c CURSOR FOR " + sql + "; FETCH ALL FROM c; COMMIT";
        case 7:
            return "DECLARE c SCROLL CURSOR FOR " + sql + "; FETCH 2 FROM c; MOVE 1 IN c; CLOSE c";
        case 8:
            return "SELECT * FROM (" + sql + ") AS q";
        case 9:
            return "WITH w AS (" + sql + ") TABLE w";
        case 10:
            return "EXPLAIN ANALYZE CREATE TABLE made AS " + sql;
        default:
            return "SELECT (SELECT q FROM (" + sql + ") AS q LIMIT 1)";
    }
}

std::string Writer::setting() {
    static constexpr std::array kValues{"on",
                                        "off",
                                        "'on'",
                                        "''",
                                        "0",
                                        "1",
                                        "1000",
                                        "'1s'",
                                        "DEFAULT",
                                        "public",
                                        "bird, public",
                                        "'pg_temp, public'",
                                        "'UTF8'",
                                        "'SJIS'",
                                        "'postgres'",
                                        "shop_owner",
                                        "none",
                                        "replica",
                                        "'ISO, DMY'",
                                        "minimal",
                                        "'2GB'",
                                        "safe_encoding",
                                        "FROM CURRENT",
                                        "'fuzz_reader'"};
    const std::string name =
        percent(35)
            ? std::string(one_of(std::array{
                  "transaction_read_only", "default_transaction_read_only", "search_path", "role",
                  "session_authorization", "statement_timeout", "session_replication_role",
                  "backslash_quote", "standard_conforming_strings", "client_encoding",
                  "row_security", "timezone", "datestyle"}))
            : one_of(vocabulary_.settings);
    const std::string value = one_of(kValues);
    switch (below(12)) {
        case 0:
            return "SET LOCAL " + name + " = " + value;
        case 1:
            return "SET SESSION " + name + " TO " + value;
        case 2:
            return "RESET " + name;
        case 3:
            return "SHOW " + name;
        case 4:
            return "SELECT set_config('" + name + "', " + (value[0] == '\'' ? value : "'on'") +
                   ", " + (percent(50) ? "true" : "false") + ")";
        case 5:
            return "SELECT current_setting('" + name + "')";
        case 6:
            return "SELECT pg_catalog.set_config(" + expression(kText, 1) + ", " +
                   expression(kText, 1) + ", false)";
        case 7:
            return std::string(one_of(
                std::array{"SET ROLE postgres",
                           "SET SESSION AUTHORIZATION DEFAULT",
                           "RESET ROLE",
                           "RESET ALL",
                           "SET TRANSACTION READ WRITE",
                           "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                           "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                           "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE",
                           "DISCARD ALL",
                           "DISCARD PLANS",
                           "DISCARD TEMP",
                           "DISCARD SEQUENCES",
                           "RESET SESSION AUTHORIZATION",
                           "SET TIME ZONE 'UTC'",
                           "SET NAMES 'UTF8'",
                           "SET XML OPTION DOCUMENT",
                           "SET SCHEMA 'bird'",
                           "SET SEED TO 0.5",
                           "SET CONSTRAINTS ALL DEFERRED",
                           "SHOW ALL",
                           "SET TRANSACTION SNAPSHOT 'x'"}));
        default:
            return "SET " + name + (percent(50) ? " = " : " TO ") + value;
    }
}

std::string Writer::transaction() {
    return std::string(one_of(std::array{
        "BEGIN", "BEGIN READ ONLY", "BEGIN READ WRITE", "START TRANSACTION READ WRITE",
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", "COMMIT", "ROLLBACK", "END",
        "ABORT", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SAVEPOINT s", "RELEASE s",
        "ROLLBACK TO s", "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'",
        "BEGIN ISOLATION LEVEL REPEATABLE READ", "SET TRANSACTION READ ONLY"}));
}

std::string Writer::harmful() {
    // clang-format off
    return std::string(one_of(std::array{
        "LOCK TABLE public.orders", "LOCK public.orders IN ACCESS SHARE MODE",
        "LOCK public.orders IN ROW SHARE MODE", "SELECT nextval('public.orders_id_seq')",
        "SELECT lo_create(0)", "SELECT pg_advisory_lock(1)", "SELECT pg_notify('a', 'b')",
        "NOTIFY a", "LISTEN a", "UNLISTEN *", "SELECT txid_current()", "CALL bird.run()",
        "DO 'BEGIN END'", "INSERT INTO public.written (what) VALUES ('x')",
        "WITH w AS (DELETE FROM public.written RETURNING 1) SELECT 1", "SELECT 1 INTO TEMP made",
        "CREATE TEMP TABLE made (a int)", "TRUNCATE public.written",
        "COPY public.written FROM STDIN", "COPY public.orders TO PROGRAM 'cat'",
        "VACUUM public.written", "ANALYZE", "CHECKPOINT", "LOAD 'x'",
        "SELECT pg_export_snapshot()", "SELECT set_config('role', 'postgres', false)",
        "SELECT query_to_xml('SELECT nextval(''public.orders_id_seq'')', true, true, '')",
        "SELECT * FROM ts_stat('SELECT nextval(''public.orders_id_seq'')')",
        "SELECT pg_reload_conf()", "SELECT pg_stat_reset()", "SELECT public.writer('x')",
        "SELECT public.stable_liar('x')", "TABLE bird.by_function", "TABLE bird.by_cast",
        "TABLE bird.by_order", "TABLE bird.guarded", "TABLE bird.parted",
        "SELECT * FROM bird.indexed WHERE id = 7",
        "SELECT id FROM bird.indexed ORDER BY id LIMIT 1",
        "SELECT bird.indexed.* FROM bird.indexed JOIN bird.items USING (id)",
        "SELECT what FROM bird.defaulted WHERE lower(what) = $$x$$",
        "SELECT * FROM bird.typed ORDER BY key", "SELECT DISTINCT key FROM bird.with_key",
        "SELECT * FROM bird.with_rank ORDER BY 2", "SELECT max(rank) FROM bird.with_rank",
        "SELECT a FROM bird.with_rank a ORDER BY a",
        "SELECT DISTINCT ROW(rank) FROM bird.with_rank",
        "SELECT ARRAY[rank] < ARRAY[rank] FROM bird.with_rank",
        "SELECT l FROM bird.with_line GROUP BY l", "SELECT to_json(keys) FROM bird.with_keys",
        "SELECT colour::text::integer FROM bird.with_colour",
        "SELECT key FROM bird.typed GROUP BY key",
        "SELECT * FROM bird.typed a NATURAL JOIN bird.typed b",
        "SELECT * FROM bird.typed UNION SELECT * FROM bird.typed",
        "SELECT i.touched FROM bird.items i", "SELECT (i).touched FROM bird.items i",
        "SELECT touched(i) FROM bird.items i", "SELECT touched FROM bird.lower touched",
        "SELECT lower.touched, lower(lower.lower) FROM bird.lower",
        "SELECT items.touched FROM bird.items, public.touched items",
    }));
    // clang-format on
}

std::string Writer::statement() {
    const std::uint32_t dice = below(100);
    const int depth = 1 + static_cast<int>(below(3));
    if (dice < 70) {
        return query(depth);
    }
    if (dice < 86) {
        return wrapped(query(depth));
    }
    if (dice < 91) {
        return setting();
    }
    if (dice < 94) {
        return transaction();
    }
    return dice < 97 ? harmful() : changed(one_of(vocabulary_.seeds));
}

std::string Writer::text() {
    scope_.clear();
    scope_begin_ = 0;
    aliases_ = 0;
    aggregates_ = false;
    std::string sql = statement();
    if (percent(8)) {
        for (std::uint32_t more = 1 + below(3); more > 0; --more) {
            sql += "; " + (percent(40) ? transaction() : percent(40) ? setting() : statement());
        }
    }
    return sql;
}

std::string Writer::changed(const std::string& original) {
    std::vector<std::string> all = tokens(original);
    if (all.empty() || all.size() > 600) {
        return select(2);
    }
    for (std::uint32_t times = 1 + below(3); times > 0 && !all.empty(); --times) {
        const std::size_t at = below(all.size());
        const std::size_t end = group_end(all, at);
        const auto put = [&](const std::string& with) {
            all.erase(all.begin() + static_cast<std::ptrdiff_t>(at),
                      all.begin() + static_cast<std::ptrdiff_t>(end));
            all.insert(all.begin() + static_cast<std::ptrdiff_t>(at), with);
        };
        const bool word = std::isalpha(static_cast<unsigned char>(all[at][0])) != 0;
        const bool called = word && at + 1 < all.size() && all[at + 1] == "(";
        switch (below(11)) {
            case 0:
                put(one_of(vocabulary_.words));
                break;
            case 1:
            case 2:
                // What is called becomes another call, what is a value another value.
                if (called) {
                    put(percent(85) ? function_name(one_of(vocabulary_.functions))
                                    : one_of(vocabulary_.refused).name);
                } else if (all[at] == "(") {
                    put("(" + expression(basic(), 2) + ")");
                } else if (!word && all[at].size() > 0 &&
                           std::string_view("+-*/<>=~!@#%^&|?").find(all[at][0]) !=
                               std::string_view::npos) {
                    put(one_of(vocabulary_.operators).name);
                } else {
                    put(expression(basic(), 1));
                }
                break;
            case 3:
                put("");
                break;
            case 4:
                all.insert(all.begin() + static_cast<std::ptrdiff_t>(at), all[below(all.size())]);
                break;
            case 5:
                std::swap(all[at], all[below(all.size())]);
                break;
            case 6:
                put(all[at] == "(" || !word ? "(" + query(1) + ")" : bird(1));
                break;
            case 7:
                put(relation_name(one_of(vocabulary_.relations)));
                break;
            case 8:
                put(all[at] + "::" + type_name(basic()));
                break;
            case 9: {
                const std::string whole = wrapped(joined(all));
                all = tokens(whole);
                break;
            }
            default:
                put(name_of(all[at]));
                break;
        }
        all.erase(std::remove(all.begin(), all.end(), std::string()), all.end());
    }
    std::string sql = joined(all);
    if (percent(5)) {
        sql += "; " + (percent(50) ? transaction() : setting());
    }
    if (percent(1) && !sql.empty()) {
        sql[below(sql.size())] = static_cast<char>(random_() & 0xff);
    }
    return sql;
}

std::string Writer::spliced(const std::string& text, const std::string& other) {
    std::vector<std::string> all = tokens(text);
    const std::vector<std::string> from = tokens(other);
    if (all.empty() || from.empty() || all.size() > 600 || from.size() > 600) {
        return other;
    }
    const auto group = [&](const std::vector<std::string>& list) {
        std::size_t at = below(list.size());
        for (int attempt = 0; attempt < 8 && list[at] != "("; ++attempt) {
            at = below(list.size());
        }
        return std::pair(at, group_end(list, at));
    };
    const auto [to_begin, to_end] = group(all);
    const auto [from_begin, from_end] = group(from);
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(to_begin),
              all.begin() + static_cast<std::ptrdiff_t>(to_end));
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(to_begin),
               from.begin() + static_cast<std::ptrdiff_t>(from_begin),
               from.begin() + static_cast<std::ptrdiff_t>(from_end));
    return joined(all);
}

}  // namespace vitrine::fuzz
