// The store over any database that speaks SQL: every statement, and what is one transaction.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "auth/store/sql_link.h"
#include "auth/store/store.h"

namespace vitrine::auth {

// Makes the tables, or brings them to this version, in one transaction. kNewer and kCorrupt are not
// touched.
[[nodiscard]] result<void> migrate(SqlLink& link);

class SqlStore : public Store {
  public:
    // Two connections to one database: `waiting` is for wait_for_change() alone, which asks anew
    // each `poll`.
    SqlStore(std::unique_ptr<SqlLink> calls, std::unique_ptr<SqlLink> waiting,
             std::chrono::milliseconds poll);
    ~SqlStore() override;

    result<void> add_grant(const Grant& grant) override;
    result<Grant> grant(std::string_view id) override;
    result<std::vector<Grant>> grants(const GrantFilter& filter) override;
    result<Grant> change_grant(std::string_view id, const Change& change) override;
    result<void> add_account(const Account& account) override;
    result<void> replace_account(const Account& account) override;
    result<void> remove_account(std::string_view user) override;
    result<Account> account(std::string_view user) override;
    result<std::vector<Account>> accounts() override;
    result<void> add_handle(const HandleRecord& handle) override;
    result<HandleRecord> handle(std::string_view hash) override;
    result<bool> use_token(std::string_view issuer, std::string_view jti, Time expires) override;
    result<Revoked> revoke(const Revocation& revocation, Time keep_until) override;
    result<bool> is_revoked(const Principal& principal) override;
    result<std::vector<Revocation>> revocations() override;
    result<std::uint64_t> wait_for_change(std::uint64_t seen,
                                          std::chrono::milliseconds timeout) override;
    result<void> clean_up(Time now) override;
    [[nodiscard]] std::string last_problem() const override;

  private:
    // Runs `body`, and remembers what went wrong.
    template <class Body>
    auto ask(Body body) -> decltype(body());
    // The same as one transaction; an error of `body` rolls back.
    template <class Body>
    auto change(Body body) -> decltype(body());
    void wake() const;
    // Ends the grants that are open and voids their tokens; how many. Within a transaction.
    result<std::size_t> revoke_grants(const Revocation& revocation);
    // The text as a constant of the link's. Under the mutex.
    const char* constant(std::string sql);

    std::mutex calls_mutex_;
    std::set<std::string> constants_;  // before the link, which knows them by their addresses
    std::unique_ptr<SqlLink> calls_;
    std::mutex waiting_mutex_;
    std::unique_ptr<SqlLink> waiting_;
    const std::chrono::milliseconds poll_;
    int wake_ = -1;  // an eventfd: readable once something was changed in this process

    mutable std::mutex problem_mutex_;
    std::string calls_problem_;
    std::string waiting_problem_;
};

}  // namespace vitrine::auth
