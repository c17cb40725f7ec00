// Where a store of the tests is kept: a new file, or a new database on the server that
// VITRINE_TEST_DSN names (a superuser's conninfo). Both are gone with the place.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "auth/store/store.h"

namespace vitrine::auth::test {

// A new folder, removed with all that is in it.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

class Place {
  public:
    enum class Kind : std::uint8_t { kSqlite, kPostgres };
    // Throws std::runtime_error where there is no server.
    explicit Place(Kind kind);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    // Throws where it cannot be opened.
    [[nodiscard]] std::unique_ptr<Store> open() const;
    [[nodiscard]] result<std::unique_ptr<Store>> try_open(std::string& error) const;
    // Statements behind the store's back, on a connection of their own; the first field of the
    // first row. Throws where they fail.
    std::string sql(const std::string& text) const;

    [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "access.db"; }
    // Its database by way of another port, as a conninfo.
    [[nodiscard]] std::string conninfo(unsigned port = 0) const;

  private:
    Kind kind_;
    Folder folder_;
    std::string database_;  // kPostgres
};

// The server's own, on its maintenance database.
std::string server_sql(const std::string& text);
[[nodiscard]] unsigned server_port();

}  // namespace vitrine::auth::test
