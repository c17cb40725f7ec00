// Every fixed limit of vitrine, named once, with its reason (DESIGN, invariant 7).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vitrine::limits {

// PostgreSQL's own MAX_STARTUP_PACKET_LENGTH: a stranger's length is believed only up to here.
inline constexpr std::size_t kStartupPacketBytesMax = 10000;

// A password message before login: a token of 16 KiB is far beyond what issuers mint.
inline constexpr std::size_t kPasswordBytesMax = 16 * 1024;

// One statement's text. It is parsed as a whole, in memory some 60 times its size at worst.
inline constexpr std::size_t kStatementBytesMax = 16 * 1024 * 1024;

// What stands in a statement for the definitions that are hidden, for one function that prints them
// or one column of a system view: beyond it NULL stands for each. The statement must stay one that
// the server parses in a moment.
inline constexpr std::size_t kHiddenTextsBytesMax = std::size_t{2} * 1024 * 1024;

// Bind: all values together. Held whole, since they are logged before they are forwarded.
inline constexpr std::size_t kBindBytesMax = 16 * 1024 * 1024;

// Any other frontend message (Describe, Execute, Close, Sync, …) names at most one object.
inline constexpr std::size_t kSmallMessageBytesMax = 64 * 1024;

// A backend message that must be understood (RowDescription of 1,664 columns, an error, …) is
// held whole; DataRow and CopyData are streamed whatever their size.
inline constexpr std::size_t kBackendControlBytesMax = 4 * 1024 * 1024;

// Nesting of a parse tree. Real statements stay below 100; the walk recurses.
inline constexpr unsigned kNestingMax = 2000;

// Names in one statement whose meaning hangs on types, each kept with its objection until all is
// known: some 400 bytes each. Beyond, they are taken for what they could mean at worst.
inline constexpr std::size_t kConditionalMax = 20000;
// Casts that are looked at one by one, each against all types, where users made casts.
inline constexpr std::size_t kCastsApartMax = 256;

// Steps of looking for what a name alone is, a row or a column, among all that a statement has in
// FROM: some 20 ms. Beyond, rows of masked relations stay without their type.
inline constexpr std::size_t kRowStepsMax = 2'000'000;
// Masked references, times what has to be held against each of them (columns by their schema or
// with GROUP BY, system columns): some 100 ms of a worker that others wait for. A thousand
// references beside ten thousand columns are within it.
inline constexpr std::size_t kReplacedPairsMax = 10'000'000;

// A view's definition with the masks in it, which stands in a statement for each reference to it:
// views over views that each read the one below twice grow fast.
inline constexpr std::size_t kViewBytesMax = 256 * 1024;

// Judgements that are kept, a worker. What an application, an IDE and a driver send over and over
// is some hundreds of texts, and each user's are kept apart; a masked report with its rewritten
// text is some 4 kB.
inline constexpr std::size_t kJudgementCacheEntriesMax = 4096;
inline constexpr std::size_t kJudgementCacheBytesMax = 16 * 1024 * 1024;
// One of them, so that a few large ones cannot take all of it; to parse a longer text is rare, and
// takes longer than to look at it.
inline constexpr std::size_t kJudgementCacheEntryBytesMax = 64 * 1024;
// Where a text can be: each is looked at.
inline constexpr std::size_t kJudgementCachePlacesPerText = 4;
// Hashes of texts that were met once; 8 bytes each.
inline constexpr std::size_t kJudgementCacheMetMax = 8192;

// Statements in one simple query.
inline constexpr std::size_t kStatementsPerQueryMax = 10000;

// Protocol-level prepared statements and portals of a session that vitrine keeps track of.
inline constexpr std::size_t kPreparedStatementsMax = 10000;
// Their texts, all together.
inline constexpr std::size_t kPreparedBytesMax = 64 * 1024 * 1024;

// Bytes waiting for a peer before the other peer is no longer read (back-pressure).
inline constexpr std::size_t kOutputHighWaterBytes = 256 * 1024;

// Messages sent to the server and not answered yet, a session.
inline constexpr std::size_t kPipelineEntriesMax = 20000;
// The texts of those that have one, all together, before no more is read from the client.
inline constexpr std::size_t kPipelineBytesMax = 32 * 1024 * 1024;

// A statement that went beyond a limit of its user's and was cancelled has this long to stop on the
// server; then its session ends. Time for the server to take the signal between two rows.
inline constexpr std::chrono::milliseconds kLimitGrace{5000};
// Users whose statements of the last minute are counted; some 100 bytes each.
inline constexpr std::size_t kRatedUsersMax = 10000;
// Texts whose cost is known, a session with limits.max_cost: the rest is asked for again.
inline constexpr std::size_t kMeasuredBytesMax = 1024 * 1024;
// What a session takes at a time of what its user may have within the hour.
inline constexpr std::uint64_t kHourRowsStep = 100;
inline constexpr std::uint64_t kHourBytesStep = 64 * 1024;

// A session that must end has this long to hand its last message to a slow client.
inline constexpr std::chrono::milliseconds kLastWordsMax{500};

// The catalog is loaded anew this often, and at most once a kCatalogRefreshMin on demand.
inline constexpr std::chrono::seconds kCatalogRefresh{30};
inline constexpr std::chrono::milliseconds kCatalogRefreshMin{500};
// A catalog that could not be refreshed for this long is no longer believed.
inline constexpr std::chrono::minutes kCatalogAgeMax{5};

// Server connections that wait for the next session of their users, of the whole proxy.
inline constexpr std::size_t kKeptServersMax = 64;
// And of one user.
inline constexpr std::size_t kKeptServersOfUserMax = 8;
// How long after its login one is used for further sessions: what a server holds against a login
// (a password, pg_hba.conf, ALTER ROLE) holds for everybody after that.
inline constexpr std::chrono::minutes kKeptServerAgeMax{5};
// What one of them has to answer in before another one is opened.
inline constexpr std::chrono::seconds kKeptAnswerMax{2};
// After they were closed so that a server has room again: how long that may take.
inline constexpr std::chrono::seconds kKeptRoomMax{2};

// Connecting to one server, its TLS and login included.
inline constexpr std::chrono::seconds kServerConnectMax{5};

// How long the start waits for the databases to say which version they are.
inline constexpr std::chrono::seconds kStartUpMax{2};

// What one session may have of the server by SET. The server's own defaults may be higher, and
// RESET goes back to them. Memory: each sort and each hash of a plan takes that much, in every
// worker; a gigabyte sorts any report in memory, and ten sessions with it are still a part of a
// server.
inline constexpr std::size_t kSettingMemoryBytesMax = std::size_t{1024} * 1024 * 1024;
// hash_mem_multiplier: twice the server's default.
inline constexpr int kHashMemMultiplierMax = 4;
// PostgreSQL's own default for the whole server.
inline constexpr int kParallelWorkersMax = 8;
// Requests that a session has under way at a disk, as one solid state disk takes them well.
inline constexpr int kIoConcurrencyMax = 256;
// Relations that are joined in the best order there is: PostgreSQL's default is 8. Measured on 15
// without geqo, EXPLAIN of 12 takes 0.8 GB and 2 s, and each more three times as much.
inline constexpr int kJoinCollapseMax = 10;

// Delivering a CancelRequest.
inline constexpr std::chrono::seconds kCancelMax{2};

// The configuration: hundreds of rules are a few thousand nodes. The second bounds what aliases
// multiply.
inline constexpr std::size_t kConfigBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kConfigNodesMax = 200000;

// A password, a key, a certificate chain.
inline constexpr std::size_t kSecretBytesMax = 64 * 1024;

// masking.key, in characters. It travels in a startup packet (kStartupPacketBytesMax).
inline constexpr std::size_t kMaskKeyCharactersMin = 32;
inline constexpr std::size_t kMaskKeyCharactersMax = 1024;

// SQL of the DBA's in the configuration (a mask's expression, a row filter): it becomes part of
// each statement that reads the relation.
inline constexpr std::size_t kWrittenSqlBytesMax = 16 * 1024;

// NAMEDATALEN - 1: the server cuts longer names, so a longer pattern would match nothing.
inline constexpr std::size_t kNameBytesMax = 63;

// A token, as it comes in a password message; its claims are flat, so the nesting is generous.
inline constexpr std::size_t kTokenBytesMax = kPasswordBytesMax - 1;
inline constexpr std::size_t kTokenNestingMax = 8;

// A JWK Set. Those of the identity providers have up to some ten keys, each with its certificates:
// 20 kB.
inline constexpr std::size_t kJwksBytesMax = 256 * 1024;
inline constexpr std::size_t kJwksKeysMax = 100;
// One request for it, from the name's look-up to the last byte. A login waits for at most two, and
// once for kJwksRefreshMin: all that is within the default of listen.login_timeout.
inline constexpr std::chrono::seconds kJwksFetchMax{3};
// It is asked for at most this often, however many tokens name an unknown key: a provider is not to
// be hammered by whoever can reach the proxy.
inline constexpr std::chrono::seconds kJwksRefreshMin{3};
// What a provider may say of how long it is good, and what holds where it says nothing. A key that
// was withdrawn is good for so much longer.
inline constexpr std::chrono::seconds kJwksAgeMin{15};
inline constexpr std::chrono::seconds kJwksAgeMax{24 * 3600};
inline constexpr std::chrono::seconds kJwksAgeDefault{300};
// While a provider does not answer, it is asked this often.
inline constexpr std::chrono::seconds kJwksRetryMax{60};
// A key's name; the longest that providers use are hashes in hex digits.
inline constexpr std::size_t kKeyIdBytesMax = 256;
// NIST SP 800-131A asks for 2048 bits of RSA; what 8192 take to verify is still below a
// millisecond.
inline constexpr int kRsaModulusBitsMin = 2048;
inline constexpr int kRsaModulusBitsMax = 8192;
// 65537 has 17 bits. A large exponent only costs time.
inline constexpr int kRsaExponentBitsMax = 32;

// How far ahead of ours an issuer's clock may be (iat and nbf; never exp).
inline constexpr std::chrono::seconds kClockSkewMax{60};

// How often the store is asked what has been revoked by somebody else: with the ticks of the
// workers and the last words, a session ends within a second.
inline constexpr std::chrono::milliseconds kRevocationsLook{200};
// An answer of the store older than this is no knowledge: who logs in now may have been revoked.
inline constexpr std::chrono::milliseconds kRevocationsAgeMax{3000};
// What has expired is deleted this often.
inline constexpr std::chrono::minutes kStoreCleanUp{10};
// Logins that wait for the store: more than come in within a login's time limit.
inline constexpr std::size_t kStoreQuestionsMax = 10000;

// The API: a token in a header, and a request of a few fields.
inline constexpr std::uint32_t kApiHeaderBytesMax = 32 * 1024;
inline constexpr std::uint64_t kApiBodyBytesMax = 64 * 1024;
inline constexpr std::chrono::seconds kApiIdleMax{30};
// How long `?wait=` holds an answer at most: below what proxies in between cut off.
inline constexpr std::chrono::seconds kApiWaitMax{25};
inline constexpr std::chrono::seconds kApiHandshakeMax{5};
inline constexpr unsigned kApiConnectionsMax = 512;
// Of an IPv4 address or an IPv6 /64: so that nobody takes all of them.
inline constexpr unsigned kApiConnectionsOfSourceMax = 64;
inline constexpr unsigned kApiThreads = 2;

// admin.address: machines of the operator's own, that ask for a line each few seconds. All of them
// come from one address, so they share one bound.
inline constexpr unsigned kAdminConnectionsMax = 64;
// From the first byte to the whole request, and between two requests of a connection: whoever holds
// a place for nothing has it no longer than this.
inline constexpr std::chrono::seconds kAdminIdleMax{5};
inline constexpr std::uint32_t kAdminHeaderBytesMax = 8 * 1024;
// A worker looks at its connections five times a second; one that has not for so long is stuck.
inline constexpr std::chrono::seconds kWorkerSilentMax{10};
// More than this are not told apart in vitrine_emergency_grants_unreviewed.
inline constexpr std::size_t kUnreviewedCountMax = 1000;

// Requests of one user that wait for a decision.
inline constexpr std::size_t kPendingGrantsMax = 20;
// Grants of one user that are in force at a time.
inline constexpr std::size_t kActiveGrantsMax = 50;
// Grants in one list of the API's.
inline constexpr std::size_t kListedGrantsMax = 1000;

// For each failed login so much time must have passed, beyond the auth.failed_logins that are free;
// nobody waits longer than the second. Sources that are kept track of; some 100 bytes each.
inline constexpr std::chrono::seconds kLoginFailureEvery{3};
inline constexpr std::chrono::seconds kLoginFailureWaitMax{6};
inline constexpr std::size_t kLoginSourcesMax = 10000;
// A reason for access: a ticket and a sentence. It stands in the token, in each session's first
// record and in a NOTICE.
inline constexpr std::size_t kReasonBytesMax = 1024;
// What the store of access keeps: a name (a user, a group, a database, a jti; mail addresses end at
// 254), one list of them (Entra ID puts at most 200 groups into a token), and a text of ours.
inline constexpr std::size_t kStoredNameBytesMax = 1024;
inline constexpr std::size_t kStoredNamesMax = 1000;
inline constexpr std::size_t kStoredTextBytesMax = 4096;
// What is over is still remembered for so long where it must not come to life again, should the
// clock go back: that a token was used, and what is revoked.
inline constexpr std::chrono::hours kClockBackMax{24};

// The store's PostgreSQL: connecting, and one statement. A login or an API call waits for it.
inline constexpr std::chrono::seconds kStoreConnectMax{3};
inline constexpr std::chrono::seconds kStoreStatementMax{4};
// One that could not be reached is not asked again within this time: whoever comes meanwhile
// hears the same at once, and does not wait behind all others.
inline constexpr std::chrono::milliseconds kStoreRetryMin{500};
// Another process has the SQLite store locked: its transactions take milliseconds.
inline constexpr std::chrono::seconds kStoreLockedMax{3};
// How often the store is asked for changes: by a revocation's second, with room for what follows.
// PostgreSQL's notification comes before that, unless it is lost.
inline constexpr std::chrono::milliseconds kSqlitePoll{100};
inline constexpr std::chrono::milliseconds kPostgresPoll{400};

}  // namespace vitrine::limits
