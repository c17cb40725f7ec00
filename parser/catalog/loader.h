// How a CatalogSnapshot is made: the queries to run, in one REPEATABLE READ READ ONLY transaction
// through the service role, and the builder that takes their rows.
//
// The queries use only pg_catalog, schema-qualified, and give text in every field, so that any
// client library will do. PostgreSQL 12 to 15.
#pragma once

#include <boost/system/result.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

struct CatalogQuery {
    std::string_view name;  // what it loads, for messages: "relations"
    std::string_view sql;
};

// In the order in which their rows must be given to the builder.
[[nodiscard]] std::span<const CatalogQuery> catalog_queries();

class SnapshotBuilder {
  public:
    SnapshotBuilder();
    ~SnapshotBuilder();
    SnapshotBuilder(const SnapshotBuilder&) = delete;
    SnapshotBuilder& operator=(const SnapshotBuilder&) = delete;

    // One row of catalog_queries()[query]; nullopt is SQL NULL. False where the row does not have
    // the shape the query promises: the load has failed then, and finish() says why.
    [[nodiscard]] bool add(std::size_t query, std::span<const std::optional<std::string_view>> row);

    // The snapshot, or nullptr and a sentence in `error`.
    [[nodiscard]] std::shared_ptr<const CatalogSnapshot> finish(std::string& error);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vitrine::parser
