// What the judge costs, and what of it is the parse. bench/README.md has the method.
//
//     bench_judge [--benchmark_…]    times, by Google Benchmark
//     bench_judge --pairs N          each case N times: a block of parses, one of judgements and
//                                    one of cached judgements, one after the other, so that all
//                                    meet the same machine. Prints name, medians in ns of the
//                                    parse, of the judge and of the difference, the median of
//                                    difference/parse, and that in ns of a cached judgement
//     bench_judge --rounds N [CASE]  each case, or this one, N times under measured_rounds(), after
//                                    two rounds to warm up: for callgrind to count instructions in
//     bench_judge --list BYTES       an IN list of that size, once: its bytes, ms of the parse and
//                                    of the judge whole, bytes by which the peak of memory rises
//
// VITRINE_BENCH_CATALOG names what bench_catalog wrote of a database with bench/schema.sql in it.

#include <benchmark/benchmark.h>

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "config/patterns.h"
#include "parser/judge.h"
#include "parser/judgement_cache.h"
#include "parser/syntax/parse_tree.h"
#include "tests/parser/fixture_catalog.h"

namespace vitrine::parser {
namespace {

struct Case {
    std::string name;
    std::string sql;
    SessionContext session;
};

SessionContext session(Protocol protocol) {
    SessionContext context;
    context.search_path = {"pg_catalog", "public", "shop"};
    context.protocol = protocol;
    return context;
}

std::string long_list(std::size_t bytes) {
    std::string sql = "SELECT count(*) FROM pgbench_accounts WHERE aid IN (1";
    for (int number = 100000; sql.size() < bytes; number += 7) {
        sql += ", " + std::to_string(number);
    }
    return sql + ")";
}

const std::vector<Case>& cases() {
    static const std::vector<Case> kCases{
        {"pgbench", "SELECT abalance FROM pgbench_accounts WHERE aid = 123456;",
         session(Protocol::kSimple)},
        {"pgbench_extended", "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
         session(Protocol::kExtended)},
        {"report", R"(SELECT co.name AS country,
       date_trunc('month', o.placed_at)::date AS month,
       count(DISTINCT o.id) AS orders,
       sum(l.price * l.quantity * (1 - l.discount)) AS revenue,
       avg(o.total)::numeric(12, 2) AS basket,
       sum(CASE WHEN l.shipped_on > o.placed_at::date + 14 THEN 1 ELSE 0 END) AS late,
       round(100.0 * sum(CASE WHEN o.status = 'returned' THEN 1 ELSE 0 END) / count(*), 1) AS share
FROM shop.orders o
JOIN shop.order_lines l ON l.order_id = o.id
JOIN shop.stores s ON s.id = o.store_id
JOIN shop.countries co ON co.id = s.country_id
JOIN shop.regions r ON r.id = co.region_id
WHERE r.name = 'EUROPE' AND o.placed_at >= date '2025-01-01'
  AND o.placed_at < date '2025-01-01' + interval '1 year' AND o.status <> 'cancelled'
GROUP BY co.name, date_trunc('month', o.placed_at)::date
HAVING sum(l.price * l.quantity) > 1000
ORDER BY revenue DESC, month)",
         session(Protocol::kSimple)},
        {"masked", R"(SELECT p.name, p.email, c.number, t.body
FROM shop.people p
JOIN shop.cards c ON c.person_id = p.id
LEFT JOIN shop.tickets t ON t.person_id = p.id AND t.opened_at > now() - interval '30 days'
WHERE p.born_on < date '1990-01-01'
ORDER BY p.name LIMIT 50)",
         session(Protocol::kSimple)},
        {"catalog", R"(SELECT n.nspname AS "Schema", c.relname AS "Name",
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'p' THEN 'partitioned' END,
       pg_catalog.pg_get_userbyid(c.relowner) AS "Owner",
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS "Type",
       (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) AS "Default"
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default
  AND a.attnum > 0 AND NOT a.attisdropped AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1, 2, a.attnum)",
         session(Protocol::kSimple)},
        {"list_100kB", long_list(100'000), session(Protocol::kSimple)},
    };
    return kCases;
}

config::MaskRule rule(const std::vector<std::string_view>& columns, config::Mask mask) {
    config::MaskRule made;
    made.name = "bench";
    made.mask = std::move(mask);
    for (const std::string_view text : columns) {
        config::ColumnPattern pattern;
        pattern.text = text;
        const config::PatternParts parts = config::parse_pattern(text, 3, "schema.table.column");
        for (std::size_t i = 0; i < pattern.parts.size(); ++i) {
            pattern.parts[i] = parts.parts.at(i);
        }
        made.columns.push_back(std::move(pattern));
    }
    return made;
}

std::shared_ptr<const Policy> load_policy() {
    const char* path = std::getenv("VITRINE_BENCH_CATALOG");
    std::ifstream file(path == nullptr ? "" : path);
    if (!file) {
        std::cerr << "VITRINE_BENCH_CATALOG must name what bench_catalog wrote\n";
        std::exit(2);
    }
    config::Mask email;
    email.kind = config::MaskKind::kEmail;
    config::Mask last_four;
    last_four.kind = config::MaskKind::kPartial;
    last_four.keep_end = 4;
    config::Mask removed;
    removed.kind = config::MaskKind::kConstant;
    removed.constant = "[removed]";
    config::MaskingRules rules;
    rules.rules = {
        rule({"shop.people.email", "shop.customers.email"}, email),
        rule({"shop.people.phone", "shop.customers.phone", "shop.cards.number"}, last_four),
        rule({"shop.cards.holder", "shop.tickets.body"}, removed),
    };
    return compile_policy(test::read_catalog(file), rules, {}, {});
}

const Policy& policy() {
    static const std::shared_ptr<const Policy> kPolicy = load_policy();
    return *kPolicy;
}

using Measured = void (*)(const Case&);

// What judge() cannot do without.
void parse(const Case& measured) {
    const syntax::ParseTree tree(measured.sql);
    benchmark::DoNotOptimize(tree.statements());
}

void judge_whole(const Case& measured) {
    const Judgement judgement = judge(measured.sql, policy(), measured.session);
    benchmark::DoNotOptimize(judgement.statements.data());
}

// As a worker does it, the text in its buffer: one that is kept.
void judge_cached(const Case& measured) {
    static JudgementCache cache;
    const auto judgement = cache.judge(measured.sql, policy(), measured.session);
    benchmark::DoNotOptimize(judgement->statements.data());
}

void time_rounds(benchmark::State& state, Measured run, const Case& measured) {
    for (auto _ : state) {
        run(measured);
    }
}

double cpu_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<long>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

void time_pairs(const Case& measured, std::size_t pairs) {
    const auto block = [&](Measured run, std::size_t rounds) {
        const double begin = cpu_nanoseconds();
        for (std::size_t round = 0; round < rounds; ++round) {
            run(measured);
        }
        return (cpu_nanoseconds() - begin) / static_cast<double>(rounds);
    };
    // A millisecond or so.
    const double once = std::max(block(judge_whole, 3), 1.0);
    const auto rounds = static_cast<std::size_t>(std::max(1e6 / once, 1.0));
    const double cached_once = std::max(block(judge_cached, 3), 1.0);
    const auto cached_rounds = static_cast<std::size_t>(std::max(1e6 / cached_once, 1.0));
    std::vector<double> parses;
    std::vector<double> judgements;
    std::vector<double> cached;
    std::vector<double> beyond;
    std::vector<double> ratios;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
        parses.push_back(block(parse, rounds));
        judgements.push_back(block(judge_whole, rounds));
        cached.push_back(block(judge_cached, cached_rounds));
        beyond.push_back(judgements.back() - parses.back());
        ratios.push_back(beyond.back() / parses.back());
    }
    std::cout << measured.name << '\t' << median(parses) << '\t' << median(judgements) << '\t'
              << median(beyond) << '\t' << median(ratios) << '\t' << median(cached) << '\n';
}

// What a list of so many bytes costs a process that has judged nothing before: milliseconds of the
// parse and of the judge whole, and by how many bytes its peak of memory rises.
bool measure_list(std::size_t bytes) {
    const auto peak = [] {
        struct rusage usage {};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss * 1024;
    };
    const Case list{"list", long_list(bytes), session(Protocol::kSimple)};
    (void)policy();
    const long before = peak();
    const double begun = cpu_nanoseconds();
    parse(list);
    const double parsed = cpu_nanoseconds();
    const Judgement judgement = judge(list.sql, policy(), list.session);
    const double judged = cpu_nanoseconds();
    std::cout << list.sql.size() << '\t' << (parsed - begun) / 1e6 << '\t'
              << (judged - parsed) / 1e6 << '\t' << peak() - before << '\n';
    return judgement.allowed();
}

// A refused statement would be measured at something else.
bool all_are_allowed() {
    for (const Case& measured : cases()) {
        const Judgement judgement = judge(measured.sql, policy(), measured.session);
        if (!judgement.allowed()) {
            const Refusal& refusal = *judgement.statements[judgement.first_refused()].refusal;
            std::cerr << measured.name << " is refused: " << refusal.message << '\n';
            return false;
        }
    }
    return true;
}

}  // namespace
}  // namespace vitrine::parser

// A name that callgrind can be told, and a call that stays one.
extern "C" [[gnu::noinline]] void measured_rounds(vitrine::parser::Measured run,
                                                  const vitrine::parser::Case& measured,
                                                  std::size_t rounds);
void measured_rounds(vitrine::parser::Measured run, const vitrine::parser::Case& measured,
                     std::size_t rounds) {
    for (std::size_t round = 0; round < rounds; ++round) {
        run(measured);
    }
}

int main(int argc, char** argv) {
    using namespace vitrine::parser;
    if (argc == 3 && std::string_view(argv[1]) == "--list") {
        return measure_list(std::stoul(argv[2])) ? 0 : 1;
    }
    if (!all_are_allowed()) {
        return 1;
    }
    if (argc == 3 && std::string_view(argv[1]) == "--pairs") {
        for (const Case& measured : cases()) {
            time_pairs(measured, std::stoul(argv[2]));
        }
        return 0;
    }
    if ((argc == 3 || argc == 4) && std::string_view(argv[1]) == "--rounds") {
        for (const Case& measured : cases()) {
            if (argc == 4 && measured.name != argv[3]) {
                continue;
            }
            for (const Measured run : {&parse, &judge_whole, &judge_cached}) {
                run(measured);
                run(measured);
                measured_rounds(run, measured, std::stoul(argv[2]));
            }
        }
        return 0;
    }
    for (const Case& measured : cases()) {
        benchmark::RegisterBenchmark(("parse/" + measured.name).c_str(), time_rounds, &parse,
                                     measured);
        benchmark::RegisterBenchmark(("judge/" + measured.name).c_str(), time_rounds, &judge_whole,
                                     measured);
        benchmark::RegisterBenchmark(("cached/" + measured.name).c_str(), time_rounds,
                                     &judge_cached, measured);
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
