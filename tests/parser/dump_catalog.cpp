// dump_catalog CONNINFO: writes the rows of the catalog queries to standard output, for
// fixture_catalog.h.

#include <exception>
#include <iostream>
#include <memory>

#include "tests/parser/fixture_catalog.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: dump_catalog CONNINFO\n";
        return 2;
    }
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(argv[1]), &PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        std::cerr << PQerrorMessage(connection.get());
        return 2;
    }
    try {
        vitrine::parser::test::dump_catalog(connection.get(), std::cout);
    } catch (const std::exception& problem) {
        std::cerr << problem.what() << '\n';
        return 1;
    }
    return std::cout.flush() ? 0 : 1;
}
