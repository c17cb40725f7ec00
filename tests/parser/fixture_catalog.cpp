#include "tests/parser/fixture_catalog.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "parser/catalog/loader.h"

namespace vitrine::parser::test {

namespace {

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

Result run(PGconn* connection, std::string_view sql) {
    Result result(PQexec(connection, std::string(sql).c_str()), &PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        throw std::runtime_error(std::string(sql) + ": " + PQerrorMessage(connection));
    }
    return result;
}

std::string escaped(std::string_view field) {
    std::string text;
    for (const char c : field) {
        switch (c) {
            case '\t':
                text += "\\t";
                break;
            case '\n':
                text += "\\n";
                break;
            case '\\':
                text += "\\\\";
                break;
            default:
                text += c;
        }
    }
    return text;
}

// nullopt: NULL.
std::optional<std::string> unescaped(std::string_view text) {
    if (text == "\\N") {
        return std::nullopt;
    }
    std::string field;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\' || at + 1 == text.size()) {
            field += text[at];
            continue;
        }
        ++at;
        field += text[at] == 't' ? '\t' : text[at] == 'n' ? '\n' : text[at];
    }
    return field;
}

}  // namespace

void dump_catalog(PGconn* connection, std::ostream& out) {
    run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const auto queries = catalog_queries();
    for (std::size_t query = 0; query < queries.size(); ++query) {
        const Result result = run(connection, queries[query].sql);
        for (int row = 0; row < PQntuples(result.get()); ++row) {
            out << query;
            for (int column = 0; column < PQnfields(result.get()); ++column) {
                out << '\t';
                if (PQgetisnull(result.get(), row, column) != 0) {
                    out << "\\N";
                } else {
                    out << escaped(PQgetvalue(result.get(), row, column));
                }
            }
            out << '\n';
        }
    }
    run(connection, "COMMIT");
}

std::shared_ptr<const CatalogSnapshot> read_catalog(std::istream& in) {
    SnapshotBuilder builder;
    bool accepted = true;
    for (std::string line; accepted && std::getline(in, line);) {
        std::vector<std::optional<std::string>> fields;
        std::string_view rest = line;
        for (bool more = true; more;) {
            const std::size_t tab = rest.find('\t');
            more = tab != std::string_view::npos;
            fields.push_back(unescaped(rest.substr(0, tab)));
            rest.remove_prefix(more ? tab + 1 : rest.size());
        }
        std::size_t query = 0;
        const std::string& number = fields.front().value();
        std::from_chars(number.data(), number.data() + number.size(), query);
        const std::vector<std::optional<std::string_view>> row(fields.begin() + 1, fields.end());
        accepted = builder.add(query, row);
    }
    std::string error;
    auto snapshot = builder.finish(error);
    if (snapshot == nullptr) {
        throw std::runtime_error("catalog: " + error);
    }
    return snapshot;
}

std::shared_ptr<const CatalogSnapshot> fixture_catalog() {
    static const std::shared_ptr<const CatalogSnapshot> kSnapshot = [] {
        if (const char* path = std::getenv("VITRINE_TEST_CATALOG")) {
            std::ifstream file(path);
            if (!file) {
                throw std::runtime_error(std::string("VITRINE_TEST_CATALOG: no such file: ") +
                                         path);
            }
            return read_catalog(file);
        }
        const char* conninfo = std::getenv("VITRINE_TEST_DSN");
        if (conninfo == nullptr) {
            throw std::runtime_error(
                "set VITRINE_TEST_CATALOG to what dump_catalog wrote, or VITRINE_TEST_DSN to a "
                "database with tests/integration/schema.sql in it");
        }
        const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(conninfo),
                                                                      &PQfinish);
        if (PQstatus(connection.get()) != CONNECTION_OK) {
            throw std::runtime_error(std::string("VITRINE_TEST_DSN: ") +
                                     PQerrorMessage(connection.get()));
        }
        std::stringstream rows;
        dump_catalog(connection.get(), rows);
        return read_catalog(rows);
    }();
    return kSnapshot;
}

}  // namespace vitrine::parser::test
