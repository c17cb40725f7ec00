// What a text did on a real server, for the fuzz target parser_server.
//
// Two connections to the database that canaries.sql made: a superuser, whom no missing privilege
// keeps from doing harm, and a reader, as vitrine's service role is one, for whom row security
// counts. A text runs in one of two ways:
//
// - Apart: in BEGIN READ ONLY, each statement in a savepoint of its own, in a session that is *not*
//   read-only by default. What READ ONLY refuses is seen as 25006, what it misses by its traces in
//   the same transaction.
// - As vitrine sends it: the whole text in one message, in a session with vitrine's pins and no
//   transaction around it. For texts that begin and end transactions or change settings: whatever
//   they do, the session must be as read-only afterwards as before.
//
// Every transaction id that is used up on the server is a finding: nobody else may write there.
// Timeouts, lack of memory and a server that had to start again say nothing of the text.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parser/catalog/snapshot.h"

namespace vitrine::fuzz {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Rows = std::vector<std::vector<std::string>>;

enum class Role : std::uint8_t { kSuperuser, kReader };

struct Query {
    std::string text;
    bool extended = false;
    parser::Oid first_parameter_type = 0;  // of $1, as a Parse message declares it
};

struct Counters {
    std::uint64_t statements = 0;  // sent
    std::uint64_t succeeded = 0;
    std::uint64_t syntax_errors = 0;  // 42601
    std::uint64_t name_errors = 0;    // the rest of class 42
    std::uint64_t value_errors = 0;   // class 22
    std::uint64_t timeouts = 0;
    std::uint64_t other_errors = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t checks_failed = 0;  // the state could not be asked for
};

class Oracle {
  public:
    // `conninfo` is a superuser's. Ends the program where there is no such server.
    explicit Oracle(const std::string& conninfo);

    // One query through the superuser's connection, outside of all that is watched.
    Rows rows(const std::string& sql);
    PGconn* superuser();

    // Each gives what was found, or nothing. `path` is in the server's order.
    std::optional<std::string> run_apart(Role role, const std::vector<std::string>& path,
                                         const std::vector<Query>& statements);
    std::optional<std::string> run_as_sent(Role role, const std::vector<std::string>& path,
                                           const Query& query);
    // Fails where a value came out that a mask should have covered: the fixture's raw values have
    // this word in them.
    void expect_masked(bool masked) { masked_ = masked; }

    [[nodiscard]] const Counters& counters() const { return counters_; }

  private:
    struct Answer {
        std::string sqlstate;  // of the first error; empty: none
        std::string message;
        Rows rows;          // only where asked for
        bool lost = false;  // no connection any more, or given up
        std::string finding;
    };
    struct Session {
        Role role;
        bool pinned;
        Connection connection;
    };

    Session& session(Role role, bool pinned);
    void connect(Session& session);
    void forget(Session& session);
    Answer execute(Session& session, const Query& query, bool keep_rows);
    void read_result(PGresult* result, bool keep_rows, Answer& answer) const;
    void count(const Answer& answer);
    std::optional<std::string> judge_answer(const Answer& answer) const;
    // The state of the session, in whatever transaction it is in.
    std::optional<std::string> check(Session& session);

    std::string conninfo_;
    std::vector<Session> sessions_;
    std::string next_transaction_;  // no id may be used up
    std::string server_state_;      // what else must not change, as check()'s last columns
    bool masked_ = false;
    Counters counters_;
};

}  // namespace vitrine::fuzz
