// One client of the proxy, from accept to the end of its session.
//
//   kClientLogin ──> kKeys ──> kCatalog ──> kServerConnect ──> kServerTlsRequest ──> kServerTls ──>
//     (TLS, startup,  (if it's   (if there     (each address,      (SSLRequest's        (handshake)
//      token)          unknown)   is none)      in order)           answer)
//   ──> kServerLogin ──> kConversation ──> kLastWords ──> kClosed
//
// With a server connection that was kept (kept_servers.h) it begins at kServerLogin.
//
// Driven by readiness: pump() moves bytes as long as something moves, then waits for what it needs.
// Belongs to one worker; cancel() and shut_down() may be called on it only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "proxy/net/shared.h"
#include "proxy/net/side.h"
#include "proxy/session/client_login.h"
#include "proxy/session/conversation.h"
#include "proxy/session/server_login.h"

namespace vitrine::net {

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    // On `context` alone, and with the counters and judgements of its thread; all outlive the
    // connection.
    Connection(boost::asio::io_context& context, Shared& shared, WorkerMetrics& metrics,
               parser::JudgementCache& judgements, boost::asio::ip::tcp::socket socket);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start();
    // Called a few times a second: ends what is due.
    void tick();
    // The proxy ends at once.
    void shut_down();
    // Somebody has ended the session, for a reason (empty: none was given).
    void revoke(const std::string& by, const std::string& reason);
    // A CancelRequest with this session's key arrived; `done` runs, on any thread, when it has been
    // dealt with.
    void cancel(std::function<void()> done);

    [[nodiscard]] bool closed() const { return phase_ == Phase::kClosed; }
    [[nodiscard]] boost::asio::io_context& context() { return context_; }

  private:
    enum class Phase : std::uint8_t {
        kClientLogin,
        kClientTls,
        kCancelling,  // this connection brought a CancelRequest
        kSlowedDown,  // it has failed, and so often that the answer waits
        kStore,       // the store is asked about what the client came in with
        kKeys,        // the token's key is unknown, and its issuer is asked
        kCatalog,
        kServerConnect,
        kServerTlsRequest,
        kServerTls,
        kServerLogin,
        kConversation,
        kLastWords,
        kClosed,
    };

    void pump();
    // One round of what can be done now; false: nothing moved.
    [[nodiscard]] bool step();
    [[nodiscard]] bool step_client_login();
    [[nodiscard]] bool step_handshake(Side& side, Phase next);
    [[nodiscard]] bool step_server_login();
    [[nodiscard]] bool step_conversation();
    [[nodiscard]] bool is_recorded();
    [[nodiscard]] bool step_last_words();
    // What is there, until the next read of this thread's (none, where it was closed); nothing:
    // nothing moved.
    [[nodiscard]] std::optional<std::string_view> read(Side& side, bool& closed);
    [[nodiscard]] bool flush(Side& side, std::string& out, bool& closed);
    void wait(Side& side, bool read, bool write);
    void arm();

    void authenticate();
    void bad_token(std::string_view cause, LoginCause counted = LoginCause::kToken);
    void slow_down();
    void ask_store(std::function<std::function<void()>(auth::Store&)> question);
    void take_handle();
    void take_grant(auth::Principal principal);
    void admit(auth::Principal principal);
    [[nodiscard]] std::string revocation_cause() const;
    [[nodiscard]] bool take_place();
    void find_database();
    void look();  // what tick() does
    void end_if_revoked();
    void announce_end();
    void wait_for_keys(std::string issuer);
    void ask_for_token();
    void find_policy();
    void connect_server();
    [[nodiscard]] bool take_kept_server();
    // The session has ended: its server connection may be the next one's. False: it may not.
    [[nodiscard]] bool keep_server();
    [[nodiscard]] session::ServerLoginOptions server_login_options() const;
    void connected(const boost::asio::ip::tcp::endpoint& endpoint);
    void server_failed(const std::string& why);
    void start_server_tls();
    void start_server_login();
    void start_conversation();
    [[nodiscard]] std::vector<std::string> settings_on_record() const;
    void ask_for_catalog();
    void cancel_on_server(std::function<void()> done);
    void cancel_for_conversation(std::function<void()> done);
    void enforce_limits();
    void end(session::Ending ending);
    // Before the conversation: the client is told, the query log too.
    void refuse(std::string_view sqlstate, std::string message, std::string hint,
                LoginCause counted, std::string_view cause);
    void refuse_token(wire::ErrorFields refusal, LoginCause counted, std::string_view cause);
    void record_refusal(LoginCause counted, std::string_view cause);
    void close();
    [[nodiscard]] std::string welcome() const;
    [[nodiscard]] auth::Time now() const;
    [[nodiscard]] std::string ask_again() const;

    boost::asio::io_context& context_;
    Shared& shared_;
    WorkerMetrics& metrics_;
    parser::JudgementCache& judgements_;
    std::shared_ptr<const Current> current_;
    Phase phase_ = Phase::kClientLogin;
    Side client_;
    std::string client_address_;  // with its port
    std::string client_host_;
    std::unique_ptr<Side> server_;
    std::chrono::steady_clock::time_point deadline_;  // of the login, or of the last words

    session::ClientLogin login_;
    std::string client_input_;
    std::string client_output_;  // of the login and of the last words
    audit::SessionId id_;
    auth::Principal principal_;
    config::UserLimits limits_;
    std::optional<Sessions::Place> place_;
    std::vector<std::pair<std::string, std::string>> settings_;
    bool refused_ = false;

    std::shared_ptr<Database> database_;
    DatabaseSettings database_settings_;
    std::shared_ptr<const parser::Policy> policy_;
    std::size_t next_server_ = 0;
    std::string server_error_;
    std::string server_sqlstate_;
    boost::asio::ip::tcp::endpoint server_endpoint_;
    std::string server_input_;
    std::string server_output_;
    std::optional<session::ServerLogin> server_login_;
    std::unique_ptr<SessionKind> kind_;  // where server connections are kept
    // Of the server connection, whichever session it was for.
    std::chrono::steady_clock::time_point server_login_at_;
    bool server_is_kept_ = false;   // server_ was another session's
    bool kept_are_silent_ = false;  // one did not answer: no more of them are tried
    unsigned waits_for_room_ = 0;   // how often, on a server that has none
    std::optional<wire::BackendKeyData> server_key_;

    std::optional<session::Conversation> conversation_;
    CancelKeys::Key cancel_key_;
    std::uint64_t revision_ = 0;  // of the revocations that were looked at
    bool end_announced_ = false;
    bool waits_for_log_ = false;           // durability: fsync
    bool welcomed_ = false;                // the session_start is on record: the client may be told
    Phase slowed_phase_ = Phase::kClosed;  // what kSlowedDown goes on with
    std::shared_ptr<void> connect_attempt_;  // the one under way; an older one's end is ignored
    std::chrono::steady_clock::time_point connect_deadline_;
    std::optional<std::chrono::steady_clock::time_point> ending_since_;
    bool half_closed_ = false;
    bool catalog_under_way_ = false;
    bool keys_settled_ = false;  // the issuer was asked since the token came
    bool pumping_ = false;
};

}  // namespace vitrine::net
