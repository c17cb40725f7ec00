// One connection to a database that speaks SQL, as SqlStore needs it. What both databases
// understand alike is written once, in sql_store.cpp; here is what they do each in their own way.
//
// A link is used by one thread at a time. Statements are constants, which stay where they are for
// as long as the link lives, and their values parameters.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vitrine::auth {

// $1, $2, …; no column is ever NULL.
using Parameter = std::variant<std::string_view, std::int64_t>;
using Parameters = std::initializer_list<Parameter>;

struct Rows {
    std::vector<std::vector<std::string>> rows;  // each field as text
    std::int64_t changed = 0;                    // rows inserted, updated or deleted
};

class SqlLink {
  public:
    virtual ~SqlLink() = default;
    SqlLink() = default;
    SqlLink(const SqlLink&) = delete;
    SqlLink& operator=(const SqlLink&) = delete;

    // Errors here and below: StoreError, with the sentence in problem(). Outside of a transaction
    // only what reads is run, so that it can be run again on another connection.
    [[nodiscard]] virtual boost::system::result<Rows> run(const char* sql,
                                                          Parameters parameters) = 0;
    // Several statements without parameters.
    [[nodiscard]] virtual boost::system::result<void> run_script(const char* sql) = 0;

    // A transaction that changes something: no other one of any process runs at the same time, and
    // what it reads is what the one before it left.
    [[nodiscard]] virtual boost::system::result<void> begin() = 0;
    // On the disk when it returns.
    [[nodiscard]] virtual boost::system::result<void> commit() = 0;
    virtual void roll_back() = 0;
    // Within a transaction: its commit wakes those who wait in other processes, if the database
    // can do that.
    [[nodiscard]] virtual boost::system::result<void> announce() = 0;

    // Within a transaction: which version made the tables; 0: there are none. Another program's
    // tables are kCorrupt.
    [[nodiscard]] virtual boost::system::result<std::int64_t> version() = 0;

    // Until `wake` (a descriptor) can be read, another process has announced something, or the
    // time is over.
    virtual void wait(int wake, std::chrono::milliseconds most) = 0;

    // A table of the texts in a JSON list, for FROM; its column is `value`.
    [[nodiscard]] virtual std::string items_of(std::string_view list) const = 0;

    // What went wrong last, one sentence without secrets; empty where the last call went well.
    [[nodiscard]] virtual const std::string& problem() const = 0;
};

// Runs `body` as one transaction; an error of it, or an exception, rolls back.
template <class Body>
auto in_transaction(SqlLink& link, Body body) -> decltype(body()) {
    if (const auto begun = link.begin(); begun.has_error()) {
        return begun.error();
    }
    struct Guard {
        SqlLink* link;
        ~Guard() {
            if (link != nullptr) {
                link->roll_back();
            }
        }
    } guard{&link};
    auto outcome = body();
    if (outcome.has_error()) {
        return outcome;
    }
    if (const auto committed = link.commit(); committed.has_error()) {
        return committed.error();
    }
    guard.link = nullptr;
    return outcome;
}

}  // namespace vitrine::auth
