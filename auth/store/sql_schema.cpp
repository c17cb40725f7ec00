// The tables, and how a store of an older version gets to them.
#include <array>
#include <iterator>

#include "auth/store/sql_store.h"

namespace vitrine::auth {
namespace {

// One text a version; each is run once and never changed again. Lists are JSON, times are seconds
// since 1970, states and kinds are words: whoever looks at the store with SQL can read it.
constexpr std::array kMigrations = {
    R"(
CREATE TABLE vitrine_store (version BIGINT NOT NULL, changes BIGINT NOT NULL);
INSERT INTO vitrine_store (version, changes) VALUES (1, 1);
CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    user_groups TEXT NOT NULL,
    database_name TEXT NOT NULL,
    duration BIGINT NOT NULL,
    reason TEXT NOT NULL,
    policy TEXT NOT NULL,
    emergency BIGINT NOT NULL,
    approvals_needed BIGINT NOT NULL,
    approver_groups TEXT NOT NULL,
    approvals TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'active', 'denied', 'withdrawn', 'revoked')),
    requested BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    started BIGINT NOT NULL,
    ended_by TEXT NOT NULL,
    end_reason TEXT NOT NULL,
    reviewed_by TEXT NOT NULL,
    reviewed BIGINT NOT NULL
);
CREATE INDEX grants_newest ON grants (requested, id);
CREATE INDEX grants_of_user ON grants (user_name, requested, id);
CREATE INDEX grants_by_end ON grants (ends);
CREATE TABLE accounts (
    user_name TEXT NOT NULL PRIMARY KEY,
    user_groups TEXT NOT NULL,
    password TEXT NOT NULL,
    created BIGINT NOT NULL,
    disabled BIGINT NOT NULL
);
CREATE TABLE handles (
    hash TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL,
    user_groups TEXT NOT NULL,
    token TEXT NOT NULL,
    issuer TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    issued BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    client_address TEXT NOT NULL,
    single_use BIGINT NOT NULL,
    databases TEXT NOT NULL
);
CREATE INDEX handles_by_end ON handles (expires);
CREATE TABLE used_tokens (
    issuer TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
CREATE INDEX used_tokens_by_end ON used_tokens (expires);
CREATE TABLE revocations (
    kind TEXT NOT NULL CHECK (kind IN ('token', 'grant', 'user', 'group', 'all')),
    value TEXT NOT NULL,
    revoked_at BIGINT NOT NULL,
    revoked_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    keep_until BIGINT NOT NULL,
    PRIMARY KEY (kind, value)
);
)",
};

}  // namespace

result<void> migrate(SqlLink& link) {
    return in_transaction(link, [&]() -> result<void> {
        const auto version = link.version();
        if (version.has_error()) {
            return version.error();
        }
        if (*version < 0) {
            return StoreError::kCorrupt;
        }
        if (*version > std::ssize(kMigrations)) {
            return StoreError::kNewer;
        }
        for (std::size_t i = static_cast<std::size_t>(*version); i < kMigrations.size(); ++i) {
            if (auto done = link.run_script(kMigrations[i]); done.has_error()) {
                return done;
            }
        }
        return {};
    });
}

}  // namespace vitrine::auth
