// What outlives the proxy: grants, local accounts, handles, revocations, tokens that were used up.
// One interface, two stores: SQLite (one file, one machine) and PostgreSQL (several proxies).
//
// Every change is one transaction and is on the disk when the call returns: whoever is killed at
// any moment finds the whole of it or nothing. One that ends in kUnavailable may have been made, as
// where the server was lost in the middle of its commit: ask before it is made again. All functions
// block for seconds at most, are thread-safe, and never throw for what the store says; they belong
// on no worker's thread. Times are given, not asked for.
//
// Texts are kept byte for byte, and compared so: no case is folded, no blank is cut.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/grant.h"
#include "auth/revocation.h"

namespace vitrine::auth {

using boost::system::result;

enum class StoreError : std::uint8_t {
    kUnavailable = 1,  // cannot be reached, is full, is locked: last_problem() has the sentence
    kNotFound,
    kExists,
    kNewer,    // made by a newer vitrine: its migrations are not known here
    kCorrupt,  // not such a store, or damaged
    kInvalid,  // what should be kept is no text (UTF-8 without control characters), or too long
    kRevoked,  // of a grant: its user, a group of theirs or everybody was revoked since it was
               // asked
};
[[nodiscard]] boost::system::error_code make_error_code(StoreError error);

// A local account, for teams without an identity provider.
struct Account {
    std::string user;
    std::vector<std::string> groups;
    std::string password;  // as auth/password.h encodes it; never the password
    Time created;
    bool disabled = false;  // by a revocation of the user, until the password is another
};

// A short password that stands for a token (auth/handle.h). Kept by its hash.
struct HandleRecord {
    std::string hash;     // 64 hex digits
    Principal principal;  // as its token would say it; .database is empty
    std::vector<std::string> databases;
};

struct GrantFilter {
    std::string user;    // empty: everybody's
    std::string issuer;  // who vouches for the user; empty: whoever
    // Only what this person has asked for, or a group of theirs decides on.
    std::optional<Identity> concerning;
    std::optional<GrantState> state;
    std::optional<Time> ends_after;
    bool unreviewed_emergencies = false;  // the oldest come first, otherwise the newest
    std::size_t most = 1000;
};

// What a revocation has hit.
struct Revoked {
    std::size_t grants = 0;  // those that were pending or active
    bool account = false;    // the user has a local account, which is disabled now
};

class Store {
  public:
    virtual ~Store() = default;
    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // --- grants ---
    // kExists, and kRevoked: who was revoked while they asked gets nothing.
    [[nodiscard]] virtual result<void> add_grant(const Grant& grant) = 0;
    [[nodiscard]] virtual result<Grant> grant(std::string_view id) = 0;
    [[nodiscard]] virtual result<std::vector<Grant>> grants(const GrantFilter& filter) = 0;
    // Reads the grant, lets `change` change it, writes it (what was asked for stays as it was): in
    // one transaction, with no other change between. Nothing is written where `change` gives an
    // error, which is passed on. A grant that comes out kRevoked gets its Revocation (Kind::kGrant)
    // in the same transaction; one that would become kActive gets kRevoked as in add_grant(). Gives
    // the grant as it is then. `change` must not call the store.
    using Change = std::function<boost::system::error_code(Grant&)>;
    [[nodiscard]] virtual result<Grant> change_grant(std::string_view id, const Change& change) = 0;

    // --- local accounts ---
    [[nodiscard]] virtual result<void> add_account(const Account& account) = 0;      // kExists
    [[nodiscard]] virtual result<void> replace_account(const Account& account) = 0;  // kNotFound
    [[nodiscard]] virtual result<void> remove_account(std::string_view user) = 0;    // kNotFound
    [[nodiscard]] virtual result<Account> account(std::string_view user) = 0;
    [[nodiscard]] virtual result<std::vector<Account>> accounts() = 0;  // by name

    // --- handles ---
    [[nodiscard]] virtual result<void> add_handle(const HandleRecord& handle) = 0;
    [[nodiscard]] virtual result<HandleRecord> handle(std::string_view hash) = 0;

    // --- single use ---
    // True where this is the first use of this issuer's jti; kept until `expires`.
    [[nodiscard]] virtual result<bool> use_token(std::string_view issuer, std::string_view jti,
                                                 Time expires) = 0;

    // --- revocation ---
    // Of a user, a group or all, the grants that are pending or active go with it (kWithdrawn and
    // kRevoked), in the same transaction; a user's local account is disabled in it; of a grant,
    // itself. `keep_until` is when nothing that it voids can be good any more. Of one and the same
    // the latest time counts.
    [[nodiscard]] virtual result<Revoked> revoke(const Revocation& revocation, Time keep_until) = 0;
    // Whether what this principal came in with is void (RevocationList::find), as of now: a list of
    // all of them may be some moments old.
    [[nodiscard]] virtual result<bool> is_revoked(const Principal& principal) = 0;
    [[nodiscard]] virtual result<std::vector<Revocation>> revocations() = 0;

    // Waits until something may have changed that sessions or waiting requesters need to know of,
    // by this process or another, or for `timeout`. Gives a number that is another one after every
    // change of a grant or a revocation, and never 0. One thread waits at a time. Where the store
    // is away, the error does not come at once, so that who asks in a loop does not spin.
    [[nodiscard]] virtual result<std::uint64_t> wait_for_change(
        std::uint64_t seen, std::chrono::milliseconds timeout) = 0;

    // Deletes what is over for longer than it is of use: handles and used tokens that have expired,
    // revocations past their time; both of the latter limits::kClockBackMax later. Grants stay.
    [[nodiscard]] virtual result<void> clean_up(Time now) = 0;

    // What the last error was about, one sentence without secrets; empty: all is well again.
    [[nodiscard]] virtual std::string last_problem() const = 0;
};

// Opens and makes or migrates it. `error` gets the sentence where that fails. The file is made with
// mode 0600, and refused where others than its owner can read it.
[[nodiscard]] result<std::unique_ptr<Store>> open_sqlite_store(const std::filesystem::path& file,
                                                               std::string& error);
// `uri` is libpq's (postgres://…). Where it does not say otherwise, the server's certificate is
// verified (sslmode=verify-full, with the system's authorities), and a server that takes writes is
// looked for among several.
[[nodiscard]] result<std::unique_ptr<Store>> open_postgres_store(const std::string& uri,
                                                                 std::string& error);

}  // namespace vitrine::auth

template <>
struct boost::system::is_error_code_enum<vitrine::auth::StoreError> : std::true_type {};
