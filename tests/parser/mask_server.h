// The server that VITRINE_TEST_DSN names (a superuser on the database of
// tests/integration/schema.sql), for tests whose oracle is PostgreSQL itself.
#pragma once

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace vitrine::parser::test {

class Server {
  public:
    using Field = std::optional<std::string>;
    using Row = std::vector<Field>;

    Server() : connection_(nullptr, &PQfinish) {
        const char* conninfo = std::getenv("VITRINE_TEST_DSN");
        if (conninfo == nullptr) {
            throw std::runtime_error(
                "set VITRINE_TEST_DSN to a superuser's conninfo for a database with "
                "tests/integration/schema.sql in it");
        }
        connection_.reset(PQconnectdb(conninfo));
        if (PQstatus(connection_.get()) != CONNECTION_OK) {
            throw std::runtime_error(std::string("VITRINE_TEST_DSN: ") +
                                     PQerrorMessage(connection_.get()));
        }
        rows("SET client_min_messages = error");
    }

    // Throws std::runtime_error with the server's message.
    std::vector<Row> rows(const std::string& sql, const Row& parameters = {}) {
        const Result result = run(sql, parameters);
        const ExecStatusType status = PQresultStatus(result.get());
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            throw std::runtime_error(sql.substr(0, 2000) + ": " +
                                     PQresultErrorMessage(result.get()));
        }
        std::vector<Row> rows;
        for (int row = 0; row < PQntuples(result.get()); ++row) {
            rows.emplace_back();
            for (int column = 0; column < PQnfields(result.get()); ++column) {
                if (PQgetisnull(result.get(), row, column) != 0) {
                    rows.back().emplace_back(std::nullopt);
                } else {
                    rows.back().emplace_back(PQgetvalue(result.get(), row, column));
                }
            }
        }
        return rows;
    }
    bool succeeds(const std::string& sql, const Row& parameters = {}) {
        const Result result = run(sql, parameters);
        const ExecStatusType status = PQresultStatus(result.get());
        return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    }

  private:
    using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

    Result run(const std::string& sql, const Row& parameters) {
        std::vector<const char*> values;
        for (const Field& parameter : parameters) {
            values.push_back(parameter ? parameter->c_str() : nullptr);
        }
        // Without parameters several statements may stand in one text.
        return {parameters.empty()
                    ? PQexec(connection_.get(), sql.c_str())
                    : PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                   nullptr, values.data(), nullptr, nullptr, 0),
                &PQclear};
    }

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace vitrine::parser::test
