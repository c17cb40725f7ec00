// The judge as the tests use it: the catalog of tests/integration/schema.sql and one set of rules
// over it. Needs VITRINE_TEST_CATALOG or VITRINE_TEST_DSN (fixture_catalog.h); without them a test
// that asks is skipped by have_fixture().
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parser/judge.h"

namespace vitrine::parser::test {

[[nodiscard]] bool have_fixture();

// public.customers: email (email), phone (the last four kept), notes ("[removed]"), ssn and
// profile (null); public.cards: number (the last four kept), holder (null); public.events.payload
// and public.people.contact ("[removed]"); "Mixed"."Client Data"."E-Mail" (hash);
// public.customer_emails.email (email). Allowed besides: public.add_tax(numeric).
[[nodiscard]] std::shared_ptr<const Policy> fixture_policy();
// The same catalog without a rule.
[[nodiscard]] std::shared_ptr<const Policy> open_policy();

[[nodiscard]] SessionContext session(std::vector<std::string> search_path = {"pg_catalog",
                                                                             "public"},
                                     Protocol protocol = Protocol::kSimple);
[[nodiscard]] Judgement judged(std::string_view sql);

// What is sent for the whole text, as far as it is allowed.
[[nodiscard]] std::string sent(std::string_view sql, const Judgement& judgement);

}  // namespace vitrine::parser::test
