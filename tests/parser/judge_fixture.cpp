#include "tests/parser/judge_fixture.h"

#include <cstdlib>
#include <initializer_list>

#include "config/patterns.h"
#include "tests/parser/fixture_catalog.h"

namespace vitrine::parser::test {
namespace {

config::NamePattern exactly(std::string_view name) {
    return {{std::string(name)}};
}

config::MaskRule rule(std::string name, config::Mask mask, std::string_view schema,
                      std::string_view relation, std::initializer_list<std::string_view> columns) {
    config::MaskRule made;
    made.name = std::move(name);
    made.mask = std::move(mask);
    for (const std::string_view column : columns) {
        config::ColumnPattern pattern;
        pattern.text = std::string(relation) + "." + std::string(column);
        pattern.parts = {exactly(schema), exactly(relation), exactly(column)};
        made.columns.push_back(std::move(pattern));
    }
    return made;
}

config::Mask mask(config::MaskKind kind) {
    config::Mask made;
    made.kind = kind;
    return made;
}

config::Mask constant(std::string text) {
    config::Mask made = mask(config::MaskKind::kConstant);
    made.constant = std::move(text);
    return made;
}

config::Mask last_four() {
    config::Mask made = mask(config::MaskKind::kPartial);
    made.keep_end = 4;
    return made;
}

config::FunctionRules functions() {
    config::FunctionPattern add_tax;
    add_tax.text = "public.add_tax(numeric)";
    add_tax.parts = {exactly("public"), exactly("add_tax")};
    add_tax.has_arguments = true;
    add_tax.arguments = {"numeric"};
    return {{add_tax}};
}

}  // namespace

bool have_fixture() {
    return std::getenv("VITRINE_TEST_CATALOG") != nullptr ||
           std::getenv("VITRINE_TEST_DSN") != nullptr;
}

std::shared_ptr<const Policy> fixture_policy() {
    static const std::shared_ptr<const Policy> kPolicy = [] {
        using config::MaskKind;
        config::MaskingRules rules;
        rules.rules = {
            rule("email", mask(MaskKind::kEmail), "public", "customers", {"email"}),
            rule("phone", last_four(), "public", "customers", {"phone"}),
            rule("notes", constant("[removed]"), "public", "customers", {"notes"}),
            rule("person", mask(MaskKind::kNull), "public", "customers", {"ssn", "profile"}),
            rule("number", last_four(), "public", "cards", {"number"}),
            rule("holder", mask(MaskKind::kNull), "public", "cards", {"holder"}),
            rule("payload", constant("[removed]"), "public", "events", {"payload"}),
            rule("contact", constant("[removed]"), "public", "people", {"contact"}),
            rule("mixed", mask(MaskKind::kHash), "Mixed", "Client Data", {"E-Mail"}),
            rule("emails", mask(MaskKind::kEmail), "public", "customer_emails", {"email"}),
        };
        return compile_policy(fixture_catalog(), rules, functions(), {});
    }();
    return kPolicy;
}

std::shared_ptr<const Policy> open_policy() {
    static const std::shared_ptr<const Policy> kPolicy =
        compile_policy(fixture_catalog(), {}, functions(), {});
    return kPolicy;
}

SessionContext session(std::vector<std::string> search_path, Protocol protocol) {
    SessionContext context;
    context.search_path = std::move(search_path);
    context.protocol = protocol;
    return context;
}

Judgement judged(std::string_view sql) {
    return judge(std::string(sql), *fixture_policy(), session());
}

std::string sent(std::string_view sql, const Judgement& judgement) {
    return judgement.forwarded ? *judgement.forwarded
                               : std::string(sql.substr(0, judgement.forwarded_size));
}

}  // namespace vitrine::parser::test
