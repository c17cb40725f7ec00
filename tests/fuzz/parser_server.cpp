// Any text to the judge, and what it lets through to a real server: nothing of it may write, call
// what may not be called, or leave the session other than it was (server/oracle.h says how that is
// seen).
//
// Needs VITRINE_FUZZ_DSN: a superuser's connection to a throw-away database that
// server/canaries.sql was loaded into. tests/run.py makes one.
//
// Of an input, the first two bytes choose the circumstances and the rest is the text. New texts
// are written by server/writer.h; libFuzzer's own mutations of bytes are left out, since what they
// make is hardly ever SQL.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "parser/judge.h"
#include "tests/fuzz/server/oracle.h"
#include "tests/fuzz/server/writer.h"
#include "tests/parser/fixture_catalog.h"

namespace {

using namespace vitrine;
using namespace vitrine::parser;
using fuzz::Oracle;
using fuzz::Query;
using fuzz::Role;
using fuzz::Vocabulary;
using fuzz::Writer;

struct Judged {
    std::uint64_t texts = 0;
    std::uint64_t syntax_errors = 0;
    std::uint64_t refused = 0;
    std::uint64_t allowed = 0;
    std::uint64_t masked = 0;
    std::uint64_t apart = 0;
    std::uint64_t as_sent = 0;
};

// Lives as long as the process: what libFuzzer calls has no other place for it.
struct Target {
    std::unique_ptr<Oracle> oracle;
    std::shared_ptr<const Policy> open;
    std::shared_ptr<const Policy> masking;
    std::vector<Oid> parameter_types;
    Vocabulary vocabulary;
    Judged judged;
    // What ran last, the newest at the end: the server does some things a little later.
    std::deque<std::string> recent;
};

Target& target() {
    static Target* const kTarget = new Target;
    return *kTarget;
}

config::NamePattern exactly(std::string_view name) {
    return {{std::string(name)}};
}

// Every column whose raw values the fixture marks, so that the mark in an answer is a finding.
config::MaskingRules masks() {
    struct Place {
        std::string_view schema, relation, column;
    };
    static constexpr Place kPlaces[] = {
        {"public", "customers", "email"},   {"public", "customers", "phone"},
        {"public", "customers", "notes"},   {"public", "customers", "ssn"},
        {"public", "customers", "profile"}, {"public", "cards", "number"},
        {"public", "cards", "holder"},      {"public", "events", "payload"},
        {"public", "people", "contact"},    {"public", "customer_emails", "email"},
        {"Mixed", "Client Data", "E-Mail"},
    };
    config::MaskingRules rules;
    for (const Place& place : kPlaces) {
        config::MaskRule rule;
        rule.name = place.column;
        rule.mask.kind = config::MaskKind::kNull;
        config::ColumnPattern pattern;
        pattern.parts = {exactly(place.schema), exactly(place.relation), exactly(place.column)};
        rule.columns.push_back(std::move(pattern));
        rules.rules.push_back(std::move(rule));
    }
    return rules;
}

// One user's function may be called; the canaries have others of its name.
config::FunctionRules functions() {
    config::FunctionPattern pattern;
    pattern.text = "public.add_tax(numeric)";
    pattern.parts = {exactly("public"), exactly("add_tax")};
    pattern.has_arguments = true;
    pattern.arguments = {"numeric"};
    return {{pattern}};
}

const std::vector<std::string>& path(std::size_t which) {
    static const std::vector<std::vector<std::string>> kPaths{
        {"pg_catalog", "public"},
        {"pg_catalog", "public"},
        {"pg_catalog", "public"},
        {"pg_catalog", "public"},
        {"pg_catalog", "public"},
        {"pg_catalog", "bird", "public"},
        {"pg_catalog", "public", "bird", "crm"},
        {"bird", "pg_catalog", "public"},
    };
    return kPaths[which % kPaths.size()];
}

// The server's own answer has pg_catalog in front unless the setting says otherwise.
std::vector<std::string> settable(const std::vector<std::string>& path) {
    return path[0] == "pg_catalog" ? std::vector<std::string>(path.begin() + 1, path.end()) : path;
}

void print_counters() {
    const Judged& judged = target().judged;
    const fuzz::Counters& ran = target().oracle->counters();
    const auto share = [](std::uint64_t part, std::uint64_t whole) {
        return whole == 0 ? std::string("-") : std::to_string(part * 100 / whole) + " %";
    };
    std::cerr << "texts " << judged.texts << ": syntax errors "
              << share(judged.syntax_errors, judged.texts) << ", refused "
              << share(judged.refused, judged.texts) << ", allowed "
              << share(judged.allowed, judged.texts) << " (" << judged.allowed << ", masked "
              << judged.masked << ", apart " << judged.apart << ", as sent " << judged.as_sent
              << ")\nstatements on the server " << ran.statements << ": succeeded "
              << share(ran.succeeded, ran.statements) << ", syntax errors " << ran.syntax_errors
              << ", of names and types " << ran.name_errors << ", of values " << ran.value_errors
              << ", timeouts " << ran.timeouts << ", others " << ran.other_errors
              << "; connected anew " << ran.reconnects << ", not checked " << ran.checks_failed
              << '\n';
}

void found(const std::string& what, const std::string& circumstances, const std::string& text) {
    std::cerr << "FINDING: " << what << "\n  " << circumstances << "\n  text: " << text << '\n';
    for (const std::string& before : target().recent) {
        std::cerr << "  before it: " << before << '\n';
    }
    print_counters();
    std::abort();
}

bool changes_the_session(const StatementJudgement& statement) {
    return statement.effect == Effect::kTransaction || statement.effect == Effect::kDiscardAll ||
           statement.command_tag == "SET" || statement.command_tag == "RESET";
}

bool mentions_raw_values(std::string text) {
    for (char& c : text) {
        c = static_cast<char>(c & ~0x20);
    }
    return text.find("CANARY") != std::string::npos;
}

bool parses(const std::string& text) {
    SessionContext context;
    context.search_path = path(0);
    const Judgement judgement = judge(text, *target().open, context);
    return !text.empty() && (judgement.allowed() || judgement.statements[0].rule != "syntax");
}

std::string input(const std::string& text, std::uint32_t seed) {
    // Letters, so that what is kept can be read.
    return std::string(1, static_cast<char>('@' + (seed >> 8) % 64)) +
           static_cast<char>('@' + (seed >> 16) % 64) + text;
}

std::size_t put(const std::string& text, std::uint8_t* bytes, std::size_t limit) {
    const std::size_t size = std::min(text.size(), limit);
    std::memcpy(bytes, text.data(), size);
    return size;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* dsn = std::getenv("VITRINE_FUZZ_DSN");
    if (dsn == nullptr) {
        std::cerr << "parser_server: set VITRINE_FUZZ_DSN to a superuser's connection to a "
                     "throw-away database with tests/fuzz/server/canaries.sql in it\n";
        std::_Exit(2);
    }
    Target& all = target();
    all.oracle = std::make_unique<Oracle>(dsn);
    std::stringstream rows;
    parser::test::dump_catalog(all.oracle->superuser(), rows);
    const std::shared_ptr<const CatalogSnapshot> catalog = parser::test::read_catalog(rows);
    all.open = compile_policy(catalog, {}, functions(), {});
    std::vector<PolicyWarning> warnings;
    all.masking = compile_policy(catalog, masks(), functions(), {}, &warnings);
    for (const PolicyWarning& warning : warnings) {
        std::cerr << "a mask of the target: " << warning.text << '\n';
    }
    all.vocabulary = load_vocabulary(*all.oracle, VITRINE_SOURCE_DIR, [&](const std::string& sql) {
        SessionContext context;
        context.search_path = path(0);
        return judge(sql, *all.open, context).allowed();
    });
    all.parameter_types = {0};
    for (const char* name : {"integer", "text", "bird.checked", "public.even", "bird.key", "json",
                             "bird.parts", "text[]", "bird.checked[]", "line"}) {
        all.parameter_types.push_back(all.vocabulary.named(name));
    }
    std::cerr << "parser_server: " << all.vocabulary.functions.size() << " functions allowed, "
              << all.vocabulary.refused.size() << " not, " << all.vocabulary.seeds.size()
              << " seeds\n";
    std::atexit(print_counters);
    return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size,
                                               std::size_t limit, unsigned seed) {
    const Vocabulary& vocabulary = target().vocabulary;
    Writer writer(vocabulary, seed);
    const std::uint32_t mixed = seed * 2654435761U;
    const std::uint32_t dice = mixed % 100;
    const std::string before =
        size <= 2 ? std::string() : std::string(reinterpret_cast<const char*>(bytes) + 2, size - 2);
    std::string text;
    // Some that do not parse are let through: what follows from them is the judge's business too.
    for (int attempt = 0; attempt < 5 && (attempt == 0 || !parses(text)); ++attempt) {
        if (dice < 50 || !parses(before)) {
            text = writer.text();
        } else if (dice < 62) {
            text = writer.changed(vocabulary.seeds[(mixed >> 8) % vocabulary.seeds.size()]);
        } else {
            text = writer.changed(before);
        }
    }
    return put(input(text, mixed), bytes, limit);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* one, std::size_t one_size,
                                                 const std::uint8_t* other, std::size_t other_size,
                                                 std::uint8_t* out, std::size_t limit,
                                                 unsigned seed) {
    const auto text = [](const std::uint8_t* bytes, std::size_t size) {
        return size <= 2 ? std::string("SELECT 1")
                         : std::string(reinterpret_cast<const char*>(bytes) + 2, size - 2);
    };
    Writer writer(target().vocabulary, seed);
    std::string made;
    for (int attempt = 0; attempt < 5 && !parses(made); ++attempt) {
        made = writer.spliced(text(one, one_size), text(other, other_size));
    }
    return put(input(made, seed * 2654435761U), out, limit);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size <= 2) {
        return 0;
    }
    Target& all = target();
    const unsigned choice = bytes[0];
    const bool masked = (choice & 8) != 0;
    const Role role = (bytes[1] & 3) == 0 ? Role::kReader : Role::kSuperuser;
    const Policy& policy = masked ? *all.masking : *all.open;
    const std::string text(reinterpret_cast<const char*>(bytes) + 2, size - 2);

    SessionContext context;
    context.search_path = path(choice & 7);
    context.search_path_known = (bytes[1] & 60) != 0;
    // Of a type that is refused nothing is allowed, whether or not there is a parameter.
    const Oid parameter_type =
        text.find("$1") == std::string::npos
            ? 0
            : all.parameter_types[(bytes[1] / 4U) % all.parameter_types.size()];
    ++all.judged.texts;
    Judgement judgement = judge(text, policy, context);
    const bool extended = judgement.statements.size() == 1 && (choice & 48) == 0;
    if (extended) {
        context.protocol = Protocol::kExtended;
        context.parameter_types = {parameter_type};
        judgement = judge(text, policy, context);
    }
    if (!judgement.allowed()) {
        const bool syntax = judgement.statements[judgement.first_refused()].rule == "syntax";
        ++(syntax ? all.judged.syntax_errors : all.judged.refused);
        // What stands before the refused one is sent.
    } else {
        ++all.judged.allowed;
    }
    const std::size_t first = judgement.first_refused();
    if (first == 0) {
        return 0;
    }
    all.judged.masked += judgement.forwarded ? 1 : 0;
    const std::string sent =
        judgement.forwarded ? *judgement.forwarded : text.substr(0, judgement.forwarded_size);
    if (sent.find('\0') != std::string::npos) {
        found("a NUL is let through", "", text);
    }
    all.oracle->expect_masked(masked && !mentions_raw_values(text));

    bool apart = (choice & 48) != 48;
    for (std::size_t i = 0; i < first; ++i) {
        apart = apart && !changes_the_session(judgement.statements[i]);
    }
    std::optional<std::string> finding;
    if (apart) {
        ++all.judged.apart;
        std::vector<Query> statements;
        for (std::size_t i = 0; i < first; ++i) {
            const StatementJudgement& statement = judgement.statements[i];
            statements.push_back({statement.forwarded
                                      ? *statement.forwarded
                                      : text.substr(statement.begin, statement.size),
                                  extended, parameter_type});
        }
        finding = all.oracle->run_apart(role, settable(context.search_path), statements);
    } else {
        ++all.judged.as_sent;
        finding = all.oracle->run_as_sent(role, settable(context.search_path),
                                          {sent, extended, parameter_type});
    }
    if (finding) {
        std::string about = std::string(role == Role::kReader ? "reader" : "superuser") +
                            (masked ? ", masked" : ", open") + (extended ? ", extended" : "") +
                            (apart ? ", in BEGIN READ ONLY" : ", as sent") + ", path";
        for (const std::string& schema : context.search_path) {
            about += " " + schema;
        }
        about += context.search_path_known ? "" : " (not known)";
        found(*finding, about, text + "\n  sent: " + sent);
    }
    all.recent.push_back(sent);
    if (all.recent.size() > 5) {
        all.recent.pop_front();
    }
    return 0;
}
