// The query log: who did what, written before it is done (INTERFACE: "The query log"; the format
// of files, chain and ledger is in docs/query-log.md).
//
// One QueryLog a process, shared by all workers; every function is thread-safe. An append returns
// once the record is in the kernel (a Result, with durability: write: it is there with the next
// record of its user, or 10 ms later); on an error nothing of the record is left in the file. The
// caller must not go on with what it wanted to record after an error, nor before the ticket is
// settled (durability: write: it is; fsync: when the record is on the disk). With durability: write
// several statements can share a system call: stage() each, and write() them before any is sent.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "config/config.h"
#include "proxy/audit/file_sync.h"
#include "proxy/audit/staged.h"

namespace vitrine::audit {

using Clock = std::function<std::chrono::system_clock::time_point()>;

// Told of trouble behind the files, one sentence each time it is another one, by threads of the
// log's own.
using Report = std::function<void(std::string_view trouble)>;

// What all records of a session share.
struct SessionId {
    std::string session;  // 32 hex digits, random
    std::string user;
};

struct SessionStart {
    std::string database;
    std::vector<std::string> groups;
    std::string client;       // "address:port"
    std::string application;  // the client's application_name; empty: none
    std::string token;        // jti
    std::string issuer;
    std::string grant;
    std::vector<std::string> approvers;  // of the grant
    std::string reason;
    std::chrono::sys_seconds expires;
    // The schemas unqualified names are looked up in when the session begins.
    std::vector<std::string> search_path;
    // What the client has set in its StartupMessage, "name=value".
    std::vector<std::string> settings;
    std::string digest_key;  // RowsDigest::key_id; empty: no digests
};

struct Statement {
    std::uint64_t statement = 0;  // counts from 1 in its session
    // Exactly one of sql and of: the text, or the number of the record that has it (a Bind of a
    // prepared statement).
    std::optional<std::string_view> sql;
    std::optional<std::uint64_t> of;
    // One entry a parameter, nullopt is NULL. Absent where there are none to record.
    std::optional<std::vector<std::optional<std::string>>> params;
    bool allowed = false;
    std::string_view rule;
    std::vector<std::string> masked;
    std::optional<std::string_view> forwarded;  // the SQL sent, where it differs
    // Of a Parse: the types it declares, by OID; of a Bind: its result-column format codes. Written
    // where one is not 0, which is what a replay takes for granted.
    std::span<const std::uint32_t> parameter_types{};
    std::span<const std::int16_t> result_formats{};
    std::string_view policy{};  // config::MaskingRules::version: by which it was decided
};

struct Result {
    std::uint64_t statement = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::chrono::microseconds duration{0};
    std::string sqlstate;  // "00000": went well
    std::string message;   // the error's; empty where there is none
    std::string digest;    // RowsDigest::text; empty where there are no rows, or no key
};

enum class EndCause : std::uint8_t { kClient, kExpired, kRevoked, kLimit, kError, kShutdown };

struct SessionEnd {
    EndCause cause = EndCause::kClient;
    std::uint64_t statements = 0;
    std::uint64_t rejected = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
};

struct LoginRefused {
    std::string database;
    std::string client;
    std::string cause;
};

// A call of the HTTPS API, written before it is carried out: its append waits for the disk.
// `id.session` is the call's own, and `id.user` somebody who is known: who is not has a
// LoginRefused.
struct AccessCall {
    std::string action;  // "request", "approve", "kill", …
    bool allowed = false;
    std::string rule;  // the policy that allows a request, or what refuses the call
    std::string client;
    std::string issuer;  // who vouches for the caller
    std::string database;
    std::string grant;
    std::string subject;  // whom it is about: the grant's user, the session, what is revoked
    std::string reason;
};

class QueryLog {
  public:
    // Opens (and makes, mode 0700) the directory, repairs a torn last line of any file it goes on
    // with, writing so into the ledger. Fails where the directory cannot be written to, or another
    // process has it open.
    [[nodiscard]] static boost::system::result<std::unique_ptr<QueryLog>> open(
        const config::Audit& audit, Clock clock = {}, Report report = {});
    ~QueryLog();  // a last checkpoint
    QueryLog(const QueryLog&) = delete;
    QueryLog& operator=(const QueryLog&) = delete;

    [[nodiscard]] boost::system::result<Ticket> append(const SessionId& id, const SessionStart& r);
    [[nodiscard]] boost::system::result<Ticket> append(const SessionId& id, const Statement& r);
    [[nodiscard]] boost::system::result<Ticket> append(const SessionId& id, const Result& r);
    [[nodiscard]] boost::system::result<Ticket> append(const SessionId& id, const SessionEnd& r);
    [[nodiscard]] boost::system::result<Ticket> append(const SessionId& id, const AccessCall& r);
    // With durability: write. As append(), but the record may wait for write(), and must not be
    // acted upon before its state is kWritten.
    [[nodiscard]] boost::system::result<Staged> stage(const SessionId& id, const Statement& r);
    // Brings what is staged of that one's file to the kernel, if it is not there. Its state is
    // kWritten or kFailed then.
    void write(const Staged& staged);
    // May statements be staged?
    [[nodiscard]] bool stages() const;
    // `id.user` is what the stranger claimed; `id.session` the connection's.
    [[nodiscard]] boost::system::result<Ticket> append(const SessionId& id, const LoginRefused& r);

    // Blocks until all results are written (or cannot be), all tickets are settled, and whoever
    // waited for one has been told.
    void drain();

    // Writes a checkpoint of every file that has grown since the last one into the ledger. A thread
    // of the log's own does so each second, and soon after a session's end.
    [[nodiscard]] boost::system::result<void> checkpoint();

    // Seals, compresses and removes the files that are due (upkeep.h). A thread of the log's own
    // does so at the start and each hour.
    void keep_up_files();

    // What keeps the log from being written now, one sentence with the file's name, for the health
    // check and the operator's log; empty: nothing. Goes away by itself when an append succeeds.
    [[nodiscard]] std::string trouble() const;
    // The same, and tries it: whether there is room is not known of a log that nobody writes to,
    // and a file that nobody goes on with would keep its trouble for ever. Leaves nothing behind.
    // Blocks on the disk.
    [[nodiscard]] std::string try_to_write();

    // Records that were written since the start, and those that could not be.
    [[nodiscard]] std::uint64_t records() const;
    [[nodiscard]] std::uint64_t failures() const;

    // What keeps work behind the files from being done (the ledger's anchor, sealing, retention),
    // one sentence; empty: nothing. No record waits for that, and it is tried again.
    [[nodiscard]] std::string trouble_behind() const;

  private:
    QueryLog();
    struct State;
    std::unique_ptr<State> state_;
};

// 32 hex digits from the system's random source.
[[nodiscard]] std::string new_session_id();

}  // namespace vitrine::audit
