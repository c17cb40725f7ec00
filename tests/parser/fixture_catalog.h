// Catalogs for tests: from a file that dump_catalog wrote, or from a server.
//
// The file has a line a row: the query's index in catalog_queries(), then the fields, with tabs
// between; COPY's escapes (\t, \n, \\, and \N for NULL).
#pragma once

#include <libpq-fe.h>

#include <istream>
#include <memory>
#include <ostream>
#include <string>

#include "parser/catalog/snapshot.h"

namespace vitrine::parser::test {

// All rows of catalog_queries(), read in one transaction. Throws std::runtime_error.
void dump_catalog(PGconn* connection, std::ostream& out);

// Throws std::runtime_error where the rows are not what the builder expects.
[[nodiscard]] std::shared_ptr<const CatalogSnapshot> read_catalog(std::istream& in);

// The catalog of tests/integration/schema.sql, from the file that VITRINE_TEST_CATALOG names;
// without it, from the server that VITRINE_TEST_DSN names. Loaded once.
[[nodiscard]] std::shared_ptr<const CatalogSnapshot> fixture_catalog();

}  // namespace vitrine::parser::test
