#include "auth/store/sql_store.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "auth/store/sql_rows.h"
#include "config/limits.h"

namespace vitrine::auth {
namespace {

using std::chrono::milliseconds;

template <class T>
result<std::vector<T>> all_of(const result<Rows>& rows,
                              result<T> (*read)(const std::vector<std::string>&)) {
    if (rows.has_error()) {
        return rows.error();
    }
    std::vector<T> values;
    for (const auto& row : rows->rows) {
        auto value = read(row);
        if (value.has_error()) {
            return value.error();
        }
        values.push_back(std::move(*value));
    }
    return values;
}

template <class T>
result<T> one_of(const result<Rows>& rows, result<T> (*read)(const std::vector<std::string>&)) {
    if (rows.has_error()) {
        return rows.error();
    }
    if (rows->rows.empty()) {
        return StoreError::kNotFound;
    }
    return read(rows->rows.front());
}

// Of one row: `otherwise` where there was none to change, or it was there already.
result<void> must_change(const result<Rows>& rows, StoreError otherwise) {
    if (rows.has_error()) {
        return rows.error();
    }
    if (rows->changed == 0) {
        return otherwise;
    }
    return {};
}

// What every change of a grant or a revocation ends with (Store::wait_for_change).
result<void> count_change(SqlLink& link) {
    const auto counted = must_change(link.run("UPDATE vitrine_store SET changes = changes + 1", {}),
                                     StoreError::kCorrupt);
    return counted.has_error() ? counted : link.announce();
}

result<Grant> read_grant(SqlLink& link, std::string_view id) {
    return one_of(link.run("SELECT " GRANT_COLUMNS " FROM grants WHERE id = $1", {id}), grant_of);
}

result<void> insert_grant(SqlLink& link, const Grant& grant) {
    return must_change(
        link.run("INSERT INTO grants (" GRANT_COLUMNS
                 ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
                 "$16, $17, $18, $19, $20) ON CONFLICT (id) DO NOTHING",
                 {grant.id,
                  grant.user,
                  grant.issuer,
                  list_of(grant.groups),
                  grant.database,
                  grant.duration.count(),
                  grant.reason,
                  grant.policy,
                  std::int64_t{grant.emergency},
                  std::int64_t{grant.approvals_needed},
                  list_of(grant.approver_groups),
                  list_of(grant.approvals),
                  to_string(grant.state),
                  number_of(grant.requested),
                  number_of(grant.ends),
                  number_of(grant.started),
                  grant.ended_by,
                  grant.end_reason,
                  grant.reviewed_by,
                  number_of(grant.reviewed)}),
        StoreError::kExists);
}

// What was asked for stays as it was; what became of it is written.
result<void> write_grant(SqlLink& link, const Grant& grant) {
    return must_change(
        link.run("UPDATE grants SET approvals = $2, state = $3, ends = $4, started = $5, "
                 "ended_by = $6, end_reason = $7, reviewed_by = $8, reviewed = $9 WHERE id = $1",
                 {grant.id, list_of(grant.approvals), to_string(grant.state), number_of(grant.ends),
                  number_of(grant.started), grant.ended_by, grant.end_reason, grant.reviewed_by,
                  number_of(grant.reviewed)}),
        StoreError::kNotFound);
}

// Of one and the same the latest counts: should the clock have gone back, what was void stays so.
#define LATEST_COUNTS                                                                \
    " ON CONFLICT (kind, value) DO UPDATE "                                          \
    "SET revoked_at = CASE WHEN revocations.revoked_at > excluded.revoked_at THEN "  \
    "revocations.revoked_at ELSE excluded.revoked_at END, keep_until = CASE WHEN "   \
    "revocations.keep_until > excluded.keep_until THEN revocations.keep_until ELSE " \
    "excluded.keep_until END, revoked_by = excluded.revoked_by, reason = excluded.reason"

result<void> write_revocation(SqlLink& link, const Revocation& revocation, Time keep_until) {
    return must_change(
        link.run("INSERT INTO revocations (kind, value, revoked_at, revoked_by, reason, "
                 "keep_until) VALUES ($1, $2, $3, $4, $5, $6)" LATEST_COUNTS,
                 {to_string(revocation.kind), revocation.value, number_of(revocation.at),
                  revocation.by, revocation.reason, number_of(keep_until)}),
        StoreError::kCorrupt);
}

result<std::vector<Revocation>> read_revocations(SqlLink& link) {
    return all_of(link.run("SELECT kind, value, revoked_at, revoked_by, reason FROM revocations "
                           "ORDER BY revoked_at, kind, value",
                           {}),
                  revocation_of);
}

// By RevocationList, of those that may hit: few, as there are few groups.
result<bool> is_hit(SqlLink& link, const Principal& principal) {
    auto revocations =
        all_of(link.run("SELECT kind, value, revoked_at, revoked_by, reason FROM revocations "
                        "WHERE kind IN ('all', 'group') OR (kind = 'user' AND value = $1) "
                        "OR (kind = 'grant' AND value = $2) OR (kind = 'token' AND value = $3)",
                        {principal.user, principal.grant, principal.token}),
               revocation_of);
    if (revocations.has_error()) {
        // In so many words: an error code would turn into a bool.
        return {boost::system::in_place_error, revocations.error()};
    }
    return RevocationList(std::move(*revocations)).find(principal) != nullptr;
}

// Whether who asked for this was revoked since: between the moment at which they were known and
// this transaction, a revocation may have come in that did not find the grant.
result<void> asked_in_vain(SqlLink& link, const Grant& grant) {
    Principal principal;
    principal.user = grant.user;
    principal.groups = grant.groups;
    principal.issued = grant.requested;
    const auto hit = is_hit(link, principal);
    if (hit.has_error()) {
        return hit.error();
    }
    return *hit ? result<void>(StoreError::kRevoked) : result<void>();
}

// The tokens of a revoked grant are void with it.
result<void> revoke_tokens_of(SqlLink& link, const Grant& grant, Time would_have_ended) {
    return write_revocation(
        link, {Revocation::Kind::kGrant, grant.id, grant.ends, grant.ended_by, grant.end_reason},
        std::max(grant.ends, would_have_ended));
}

// Which grants a revocation is about; its value is $2.
std::string hit_by(const SqlLink& link, Revocation::Kind kind) {
    switch (kind) {
        case Revocation::Kind::kToken:
            return "1 = 0 AND $2 <> ''";
        case Revocation::Kind::kGrant:
            return "id = $2";
        case Revocation::Kind::kUser:
            return "user_name = $2";
        case Revocation::Kind::kGroup:
            return "EXISTS (SELECT 1 FROM " + link.items_of("user_groups") + " WHERE value = $2)";
        case Revocation::Kind::kAll:
            return "$2 = ''";
    }
    return "$2 = $2";
}

// The sentence for what went wrong, as far as it is the store's doing.
std::string sentence(const SqlLink& link, const boost::system::error_code& error) {
    if (link.problem().empty() && error == StoreError::kCorrupt) {
        return "the store of access is damaged: a row in it is none of vitrine's; restore a backup";
    }
    return link.problem();
}

}  // namespace

SqlStore::SqlStore(std::unique_ptr<SqlLink> calls, std::unique_ptr<SqlLink> waiting,
                   milliseconds poll)
    : calls_(std::move(calls)), waiting_(std::move(waiting)), poll_(poll) {
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_ < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
}

SqlStore::~SqlStore() {
    close(wake_);
}

const char* SqlStore::constant(std::string sql) {
    return constants_.insert(std::move(sql)).first->c_str();
}

template <class Body>
auto SqlStore::ask(Body body) -> decltype(body()) {
    const std::lock_guard lock(calls_mutex_);
    auto outcome = body();
    const std::lock_guard problem_lock(problem_mutex_);
    calls_problem_ = outcome.has_error() ? sentence(*calls_, outcome.error()) : std::string();
    return outcome;
}

template <class Body>
auto SqlStore::change(Body body) -> decltype(body()) {
    auto outcome = ask([&] { return in_transaction(*calls_, body); });
    if (!outcome.has_error()) {
        wake();
    }
    return outcome;
}

void SqlStore::wake() const {
    const std::uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);  // full means that it wakes already
}

std::string SqlStore::last_problem() const {
    const std::lock_guard lock(problem_mutex_);
    return calls_problem_.empty() ? waiting_problem_ : calls_problem_;
}

// --- grants ---------------------------------------------------------------------------------

result<void> SqlStore::add_grant(const Grant& grant) {
    if (!is_storable(grant)) {
        return StoreError::kInvalid;
    }
    return change([&]() -> result<void> {
        if (auto problem = asked_in_vain(*calls_, grant); problem.has_error()) {
            return problem;
        }
        if (auto inserted = insert_grant(*calls_, grant); inserted.has_error()) {
            return inserted;
        }
        return count_change(*calls_);
    });
}

result<Grant> SqlStore::grant(std::string_view id) {
    if (!is_name(id)) {
        return StoreError::kNotFound;
    }
    return ask([&] { return read_grant(*calls_, id); });
}

result<std::vector<Grant>> SqlStore::grants(const GrantFilter& filter) {
    const Identity who = filter.concerning.value_or(Identity());
    if (!is_name_or_empty(filter.user) || !is_name_or_empty(filter.issuer) ||
        (filter.concerning && !is_name(who.user)) || !is_name_or_empty(who.issuer)) {
        return std::vector<Grant>();
    }
    const std::string_view state = filter.state ? to_string(*filter.state) : std::string_view();
    const std::int64_t emergencies = filter.unreviewed_emergencies ? 1 : 0;
    const std::int64_t ends_after = filter.ends_after ? number_of(*filter.ends_after)
                                                      : std::numeric_limits<std::int64_t>::min();
    const auto most = static_cast<std::int64_t>(std::min<std::size_t>(
        filter.most, static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())));
    const std::string groups = filter.concerning ? list_of(who.groups) : "";
    return ask([&] {
        // What is not asked about is left out, so that an index answers, but for its parameter.
        const std::string sql =
            std::string("SELECT " GRANT_COLUMNS
                        " FROM grants WHERE ($1 = '' OR state = $1) AND ($2 = 0 OR (emergency = 1 "
                        "AND reviewed_by = '')) AND ends > $3 AND ") +
            (filter.user.empty() ? "$4 = ''" : "user_name = $4") + " AND " +
            (filter.issuer.empty() ? "$5 = ''" : "issuer = $5") + " AND " +
            (filter.concerning
                 ? "((user_name = $6 AND issuer = $7) OR EXISTS (SELECT 1 FROM " +
                       calls_->items_of("approver_groups") + " WHERE value IN (SELECT value FROM " +
                       calls_->items_of("$8") + ")))"
                 : "$6 = '' AND $7 = '' AND $8 = ''") +
            (filter.unreviewed_emergencies ? " ORDER BY requested, id LIMIT $9"
                                           : " ORDER BY requested DESC, id DESC LIMIT $9");
        return all_of(
            calls_->run(constant(sql), {state, emergencies, ends_after, filter.user, filter.issuer,
                                        who.user, who.issuer, groups, most}),
            grant_of);
    });
}

result<Grant> SqlStore::change_grant(std::string_view id, const Change& change_it) {
    if (!is_name(id)) {
        return StoreError::kNotFound;
    }
    return change([&]() -> result<Grant> {
        const auto before = read_grant(*calls_, id);
        if (before.has_error()) {
            return before.error();
        }
        Grant grant = *before;
        if (const auto error = change_it(grant)) {
            return error;
        }
        if (grant.id != id || !is_storable(grant)) {
            return StoreError::kInvalid;
        }
        result<void> written;
        if (grant.state == GrantState::kActive && before->state != GrantState::kActive) {
            written = asked_in_vain(*calls_, grant);
        }
        if (!written.has_error()) {
            written = write_grant(*calls_, grant);
        }
        if (!written.has_error() && grant.state == GrantState::kRevoked &&
            before->state != GrantState::kRevoked) {
            written = revoke_tokens_of(*calls_, grant, before->ends);
        }
        if (!written.has_error()) {
            written = count_change(*calls_);
        }
        if (written.has_error()) {
            return written.error();
        }
        return grant;
    });
}

// --- local accounts -------------------------------------------------------------------------

result<void> SqlStore::add_account(const Account& account) {
    if (!is_storable(account)) {
        return StoreError::kInvalid;
    }
    return change([&] {
        return must_change(
            calls_->run("INSERT INTO accounts (user_name, user_groups, password, created, "
                        "disabled) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_name) DO NOTHING",
                        {account.user, list_of(account.groups), account.password,
                         number_of(account.created), std::int64_t{account.disabled}}),
            StoreError::kExists);
    });
}

result<void> SqlStore::replace_account(const Account& account) {
    if (!is_storable(account)) {
        return StoreError::kInvalid;
    }
    return change([&] {
        return must_change(
            calls_->run("UPDATE accounts SET user_groups = $2, password = $3, created = $4, "
                        "disabled = $5 WHERE user_name = $1",
                        {account.user, list_of(account.groups), account.password,
                         number_of(account.created), std::int64_t{account.disabled}}),
            StoreError::kNotFound);
    });
}

result<void> SqlStore::remove_account(std::string_view user) {
    if (!is_name(user)) {
        return StoreError::kNotFound;
    }
    return change([&] {
        return must_change(calls_->run("DELETE FROM accounts WHERE user_name = $1", {user}),
                           StoreError::kNotFound);
    });
}

result<Account> SqlStore::account(std::string_view user) {
    if (!is_name(user)) {
        return StoreError::kNotFound;
    }
    return ask([&] {
        return one_of(
            calls_->run("SELECT user_name, user_groups, password, created, disabled FROM accounts "
                        "WHERE user_name = $1",
                        {user}),
            account_of);
    });
}

result<std::vector<Account>> SqlStore::accounts() {
    auto accounts = ask([&] {
        return all_of(
            calls_->run("SELECT user_name, user_groups, password, created, disabled FROM accounts",
                        {}),
            account_of);
    });
    if (!accounts.has_error()) {
        // Not by the database, which may know another order of letters.
        std::sort(accounts->begin(), accounts->end(),
                  [](const Account& a, const Account& b) { return a.user < b.user; });
    }
    return accounts;
}

// --- handles, single use --------------------------------------------------------------------

result<void> SqlStore::add_handle(const HandleRecord& handle) {
    if (!is_storable(handle)) {
        return StoreError::kInvalid;
    }
    const Principal& principal = handle.principal;
    return change([&] {
        return must_change(
            calls_->run(
                "INSERT INTO handles (hash, user_name, user_groups, token, issuer, "
                "grant_id, reason, issued, expires, client_address, single_use, databases) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
                "ON CONFLICT (hash) DO NOTHING",
                {handle.hash, principal.user, list_of(principal.groups), principal.token,
                 principal.issuer, principal.grant, principal.reason, number_of(principal.issued),
                 number_of(principal.expires), principal.client_address,
                 std::int64_t{principal.single_use}, list_of(handle.databases)}),
            StoreError::kExists);
    });
}

result<HandleRecord> SqlStore::handle(std::string_view hash) {
    if (!is_name(hash)) {
        return StoreError::kNotFound;
    }
    return ask([&] {
        return one_of(
            calls_->run("SELECT hash, user_name, user_groups, token, issuer, grant_id, reason, "
                        "issued, expires, client_address, single_use, databases FROM handles "
                        "WHERE hash = $1",
                        {hash}),
            handle_of);
    });
}

result<bool> SqlStore::use_token(std::string_view issuer, std::string_view jti, Time expires) {
    if (!is_name(issuer) || !is_name(jti)) {
        return StoreError::kInvalid;
    }
    const auto rows = change([&] {
        return calls_->run(
            "INSERT INTO used_tokens (issuer, jti, expires) VALUES ($1, $2, $3) "
            "ON CONFLICT (issuer, jti) DO NOTHING",
            {issuer, jti, number_of(expires)});
    });
    if (rows.has_error()) {
        // In so many words: an error code would turn into a bool.
        return {boost::system::in_place_error, rows.error()};
    }
    return rows->changed == 1;
}

// --- revocation -----------------------------------------------------------------------------

result<std::size_t> SqlStore::revoke_grants(const Revocation& revocation) {
    // What has ended by itself is left as it is; should the clock have gone back and it be in force
    // again, its tokens are void by the revocation.
    const std::string hit = " AND ends > $1 AND " + hit_by(*calls_, revocation.kind);
    const std::int64_t at = number_of(revocation.at);
    // Before they are changed: until their ends, which a revocation changes.
    const auto voided = calls_->run(
        constant(
            "INSERT INTO revocations (kind, value, revoked_at, revoked_by, reason, keep_until) "
            "SELECT 'grant', id, CAST($1 AS BIGINT), $3, $4, ends FROM grants "
            "WHERE state = 'active'" +
            hit + LATEST_COUNTS),
        {at, revocation.value, revocation.by, revocation.reason});
    if (voided.has_error()) {
        return voided.error();
    }
    const auto ended =
        calls_->run(constant("UPDATE grants SET state = CASE state WHEN 'active' THEN 'revoked' "
                             "ELSE 'withdrawn' END, ends = $1, ended_by = $3, end_reason = $4 "
                             "WHERE state IN ('pending', 'active')" +
                             hit),
                    {at, revocation.value, revocation.by, revocation.reason});
    if (ended.has_error()) {
        return ended.error();
    }
    return static_cast<std::size_t>(ended->changed);
}

result<Revoked> SqlStore::revoke(const Revocation& revocation, Time keep_until) {
    if (!is_storable(revocation)) {
        return StoreError::kInvalid;
    }
    return change([&]() -> result<Revoked> {
        Revoked revoked;
        const auto grants = revoke_grants(revocation);
        if (grants.has_error()) {
            return grants.error();
        }
        revoked.grants = *grants;
        if (revocation.kind == Revocation::Kind::kUser) {
            // The revocation is forgotten once no token can be older; the account stays out.
            const auto disabled = calls_->run(
                "UPDATE accounts SET disabled = 1 WHERE user_name = $1", {revocation.value});
            if (disabled.has_error()) {
                return disabled.error();
            }
            revoked.account = disabled->changed == 1;
        }
        auto written = write_revocation(*calls_, revocation, keep_until);
        if (!written.has_error()) {
            written = count_change(*calls_);
        }
        if (written.has_error()) {
            return written.error();
        }
        return revoked;
    });
}

result<bool> SqlStore::is_revoked(const Principal& principal) {
    // What is no name is in no row, and not every database takes it for a question.
    Principal asked = principal;
    for (std::string* const each : {&asked.user, &asked.grant, &asked.token}) {
        if (!is_name(*each)) {
            each->clear();
        }
    }
    return ask([&] { return is_hit(*calls_, asked); });
}

result<std::vector<Revocation>> SqlStore::revocations() {
    return ask([&] { return read_revocations(*calls_); });
}

result<std::uint64_t> SqlStore::wait_for_change(std::uint64_t seen, milliseconds timeout) {
    using Clock = std::chrono::steady_clock;
    const std::lock_guard lock(waiting_mutex_);
    const auto deadline = Clock::now() + timeout;
    bool failed = false;
    for (;;) {
        // Before the number is read: whoever changes it afterwards makes this readable again.
        std::uint64_t woken = 0;
        (void)!::read(wake_, &woken, sizeof woken);
        const auto rows = waiting_->run("SELECT changes FROM vitrine_store", {});
        const auto number = one_of(rows, integer_of);
        {
            const std::lock_guard problem_lock(problem_mutex_);
            waiting_problem_ =
                number.has_error() ? sentence(*waiting_, number.error()) : std::string();
        }
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0 ||
            (number.has_error() ? failed : static_cast<std::uint64_t>(*number) != seen)) {
            return number.has_error() ? result<std::uint64_t>(number.error())
                                      : static_cast<std::uint64_t>(*number);
        }
        failed = number.has_error();
        waiting_->wait(wake_, std::min(left, poll_));
    }
}

result<void> SqlStore::clean_up(Time now) {
    const std::int64_t long_ago = number_of(now - limits::kClockBackMax);
    return change([&]() -> result<void> {
        for (const auto& [sql, until] :
             {std::pair{"DELETE FROM handles WHERE expires <= $1", number_of(now)},
              std::pair{"DELETE FROM used_tokens WHERE expires <= $1", long_ago},
              std::pair{"DELETE FROM revocations WHERE keep_until <= $1", long_ago}}) {
            if (const auto rows = calls_->run(sql, {until}); rows.has_error()) {
                return rows.error();
            }
        }
        return {};
    });
}

}  // namespace vitrine::auth
