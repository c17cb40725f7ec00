#include "tests/auth/store_place.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace vitrine::auth::test {
namespace {

std::string dsn() {
    const char* const conninfo = std::getenv("VITRINE_TEST_DSN");
    if (conninfo == nullptr) {
        throw std::runtime_error("set VITRINE_TEST_DSN to a superuser's conninfo");
    }
    return conninfo;
}

std::string ask_postgres(const std::string& conninfo, const std::string& text) {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(conninfo.c_str()),
                                                                  &PQfinish);
    PQsetNoticeProcessor(
        connection.get(), [](void*, const char*) {}, nullptr);
    const std::unique_ptr<PGresult, decltype(&PQclear)> answer(
        PQexec(connection.get(), text.c_str()), &PQclear);
    const auto status = PQresultStatus(answer.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        throw std::runtime_error(text + ": " + PQerrorMessage(connection.get()));
    }
    return PQntuples(answer.get()) > 0 ? PQgetvalue(answer.get(), 0, 0) : "";
}

std::string ask_sqlite(const std::filesystem::path& file, const std::string& text) {
    sqlite3* made = nullptr;
    const int opened =
        sqlite3_open_v2(file.c_str(), &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(made, &sqlite3_close);
    std::string first;
    const auto take = [](void* field, int columns, char** values, char**) {
        auto& text_of_field = *static_cast<std::string*>(field);
        if (text_of_field.empty() && columns > 0 && values[0] != nullptr) {
            text_of_field = values[0];
        }
        return 0;
    };
    sqlite3_busy_timeout(made, 5000);
    if (opened != SQLITE_OK ||
        sqlite3_exec(made, text.c_str(), take, &first, nullptr) != SQLITE_OK) {
        throw std::runtime_error(text + ": " + sqlite3_errmsg(made));
    }
    return first;
}

}  // namespace

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "vitrine-store-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("no temporary folder");
    }
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Place::Place(Kind kind) : kind_(kind) {
    if (kind_ == Kind::kPostgres) {
        static std::atomic<unsigned> count{0};
        database_ = "store_" + std::to_string(getpid()) + "_" + std::to_string(++count);
        server_sql("CREATE DATABASE " + database_ + " TEMPLATE template0 ENCODING 'UTF8'");
    }
}

Place::~Place() {
    if (kind_ == Kind::kPostgres) {
        server_sql("DROP DATABASE IF EXISTS " + database_ + " WITH (FORCE)");
    }
}

std::unique_ptr<Store> Place::open() const {
    std::string error;
    auto store = try_open(error);
    if (store.has_error()) {
        throw std::runtime_error(error);
    }
    return std::move(*store);
}

result<std::unique_ptr<Store>> Place::try_open(std::string& error) const {
    return kind_ == Kind::kSqlite ? open_sqlite_store(file(), error)
                                  : open_postgres_store(conninfo(), error);
}

std::string Place::sql(const std::string& text) const {
    return kind_ == Kind::kSqlite
               ? ask_sqlite(file(), text)
               : ask_postgres(conninfo() + " options='-c search_path=vitrine_access'", text);
}

std::string Place::conninfo(unsigned port) const {
    return dsn() + " dbname=" + database_ + (port == 0 ? "" : " port=" + std::to_string(port));
}

std::string server_sql(const std::string& text) {
    return ask_postgres(dsn(), text);
}

unsigned server_port() {
    return static_cast<unsigned>(std::stoul(server_sql("SHOW port")));
}

}  // namespace vitrine::auth::test
