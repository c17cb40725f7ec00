#include "proxy/net/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>

#include "config/limits.h"
#include "parser/judge.h"
#include "proxy/net/canceller.h"
#include "proxy/wire/frontend.h"

namespace vitrine::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// Rounds before other connections of the worker get their turn.
constexpr int kRoundsMax = 16;

// The client's name for itself, behind who it really is: what a DBA sees in pg_stat_activity.
std::string application_prefix(const std::string& user) {
    return user + " via vitrine: ";
}

// Settings of the StartupMessage go through the door as the SET they are equal to.
std::string as_set(const std::string& name, const std::string& value) {
    std::string quoted = "'";
    for (const char c : value) {
        quoted += c == '\'' ? "''" : std::string(1, c);
    }
    std::string part = "\"";
    for (const char c : name) {
        part += c == '"' ? "\"\"" : c == '.' ? "\".\"" : std::string(1, c);
    }
    return "SET " + part + "\" TO " + quoted + "'";
}

}  // namespace

Connection::Connection(asio::io_context& context, Shared& shared, tcp::socket socket)
    : context_(context), shared_(shared), current_(shared.current()), client_(std::move(socket)) {
    boost::system::error_code error;
    const auto peer = client_.stream.socket().remote_endpoint(error);
    client_address_ = error ? "" : describe(peer);
    id_.session = audit::new_session_id();
    deadline_ = std::chrono::steady_clock::now() + current_->config->listen.login_timeout;
    shared_.connections.fetch_add(1);
}

Connection::~Connection() {
    close();
    shared_.connections.fetch_sub(1);
}

auth::Time Connection::now() const {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void Connection::start() {
    if (shared_.connections.load() > current_->config->listen.max_connections) {
        refuse("53300", "too many connections",
               "Try again later, or ask the operator to raise listen.max_connections.",
               "too many connections");
    }
    pump();
}

// ---------------------------------------------------------------------------------------------
// The loop

void Connection::pump() {
    if (pumping_ || phase_ == Phase::kClosed) {
        return;
    }
    pumping_ = true;
    int rounds = 0;
    while (phase_ != Phase::kClosed && step()) {
        if (++rounds == kRoundsMax) {
            asio::post(context_, [self = shared_from_this()] { self->pump(); });
            break;
        }
    }
    pumping_ = false;
    if (phase_ != Phase::kClosed && rounds < kRoundsMax) {
        arm();
    }
}

bool Connection::step() {
    switch (phase_) {
        case Phase::kClientLogin:
            return step_client_login();
        case Phase::kClientTls:
            return step_handshake(client_, Phase::kClientLogin);
        case Phase::kServerTls:
            return step_handshake(*server_, Phase::kServerLogin);
        case Phase::kServerTlsRequest:
        case Phase::kServerLogin:
            return step_server_login();
        case Phase::kConversation:
            return step_conversation();
        case Phase::kLastWords:
            return step_last_words();
        case Phase::kCancelling:
        case Phase::kCatalog:
        case Phase::kServerConnect:
        case Phase::kClosed:
            return false;
    }
    return false;
}

bool Connection::read(Side& side, std::string& into, bool& closed) {
    thread_local std::array<char, kReadBytes> buffer;
    if (!side.readable) {
        return false;
    }
    std::size_t size = 0;
    switch (side.stream.read(buffer.data(), buffer.size(), size)) {
        case Io::kDone:
            into.append(buffer.data(), size);
            side.readable = side.stream.more_to_read();
            return true;
        case Io::kWantRead:
            side.readable = false;
            return false;
        case Io::kWantWrite:
            side.writable = false;
            side.readable = false;
            return false;
        case Io::kClosed:
            side.readable = false;
            closed = true;
            return true;
    }
    return false;
}

bool Connection::flush(Side& side, std::string& out, bool& closed) {
    if (out.empty() || !side.writable) {
        return false;
    }
    const std::size_t before = out.size();
    switch (side.stream.write(out)) {
        case Io::kDone:
            break;
        case Io::kWantRead:
            side.readable = false;
            side.writable = false;
            break;
        case Io::kWantWrite:
            side.writable = false;
            break;
        case Io::kClosed:
            side.writable = false;
            closed = true;
            return true;
    }
    return out.size() != before;
}

void Connection::wait(Side& side, bool read, bool write) {
    const auto on = [this, &side](bool is_read) {
        // The side lives as long as the connection, which the handler keeps alive; a server's side
        // is replaced only after its socket was closed, and that ends its waits with an error.
        return [self = shared_from_this(), &side, is_read](boost::system::error_code error) {
            if (error) {
                return;
            }
            (is_read ? side.waiting_read : side.waiting_write) = false;
            side.readable = true;
            side.writable = true;
            self->pump();
        };
    };
    if (read && !side.waiting_read) {
        side.waiting_read = true;
        side.stream.socket().async_wait(tcp::socket::wait_read, on(true));
    }
    if (write && !side.waiting_write) {
        side.waiting_write = true;
        side.stream.socket().async_wait(tcp::socket::wait_write, on(false));
    }
}

void Connection::arm() {
    switch (phase_) {
        case Phase::kClientLogin:
        case Phase::kClientTls:
            wait(client_, true, !client_.writable);
            return;
        case Phase::kServerTlsRequest:
        case Phase::kServerTls:
        case Phase::kServerLogin:
            wait(*server_, true, !server_->writable);
            return;
        case Phase::kConversation:
            wait(client_, conversation_->wants_client_bytes(),
                 !client_.writable || !conversation_->client_output().empty());
            wait(*server_, conversation_->wants_server_bytes(),
                 !server_->writable || !conversation_->server_output().empty());
            return;
        case Phase::kLastWords:
            wait(client_, client_output_.empty(), !client_output_.empty());
            return;
        case Phase::kCancelling:
        case Phase::kCatalog:
        case Phase::kServerConnect:
        case Phase::kClosed:
            return;
    }
}

// ---------------------------------------------------------------------------------------------
// The client's login

bool Connection::step_client_login() {
    bool closed = false;
    bool moved = flush(client_, login_.output(), closed);
    if (client_input_.empty() || client_.readable) {
        // The first bytes are only looked at: a direct TLS start is a ClientHello, which OpenSSL
        // reads from the socket itself.
        if (!client_.stream.encrypted() && client_input_.empty() && client_.readable) {
            char first = 0;
            std::size_t size = 0;
            switch (client_.stream.peek(&first, 1, size)) {
                case Io::kDone: {
                    std::string seen(1, first);
                    if (login_.step(seen) == session::ClientLogin::Want::kDirectTls) {
                        Ssl ssl(SSL_new(current_->listener_tls.get()));
                        SSL_set_accept_state(ssl.get());
                        client_.stream.start_tls(std::move(ssl));
                        phase_ = Phase::kClientTls;
                        return true;
                    }
                    break;
                }
                case Io::kWantRead:
                case Io::kWantWrite:
                    client_.readable = false;
                    return moved;
                case Io::kClosed:
                    close();
                    return true;
            }
        }
        moved = read(client_, client_input_, closed) || moved;
    }
    if (closed) {
        close();
        return true;
    }
    if (client_input_.size() > limits::kStartupPacketBytesMax + limits::kPasswordBytesMax) {
        close();
        return true;
    }
    switch (login_.step(client_input_)) {
        case session::ClientLogin::Want::kMore:
            return moved;
        case session::ClientLogin::Want::kTls: {
            bool gone = false;
            while (!login_.output().empty() && flush(client_, login_.output(), gone)) {
            }
            if (gone || !login_.output().empty()) {
                close();  // one byte did not fit into an empty socket buffer
                return true;
            }
            Ssl ssl(SSL_new(current_->listener_tls.get()));
            SSL_set_accept_state(ssl.get());
            client_.stream.start_tls(std::move(ssl));
            phase_ = Phase::kClientTls;
            return true;
        }
        case session::ClientLogin::Want::kDirectTls:
            return moved;
        case session::ClientLogin::Want::kStartup:
            id_.user = login_.user();
            login_.ask_password();
            return true;
        case session::ClientLogin::Want::kPassword:
            authenticate();
            return true;
        case session::ClientLogin::Want::kCancel: {
            phase_ = Phase::kCancelling;
            const auto request = login_.cancel();
            auto target = shared_.cancel_keys.find({request.process_id, request.secret_key});
            if (target == nullptr) {
                close();
                return true;
            }
            // PostgreSQL closes the connection once the signal is sent, and clients wait for it.
            auto done = [self = shared_from_this()] {
                asio::post(self->context_, [self] { self->close(); });
            };
            asio::post(target->context(),
                       [target, done = std::move(done)] { target->cancel(done); });
            return true;
        }
        case session::ClientLogin::Want::kRefused:
            spdlog::info("login refused: client={} cause=\"{}\"", client_address_, login_.cause());
            client_output_ = std::move(login_.output());
            phase_ = Phase::kLastWords;
            deadline_ = std::chrono::steady_clock::now() + limits::kLastWordsMax;
            return true;
    }
    return moved;
}

bool Connection::step_handshake(Side& side, Phase next) {
    switch (side.stream.handshake()) {
        case Io::kDone:
            break;
        case Io::kWantRead:
            side.readable = false;
            return false;
        case Io::kWantWrite:
            side.writable = false;
            return false;
        case Io::kClosed:
            if (&side == &client_) {
                spdlog::info("TLS handshake failed: client={} error=\"{}\"", client_address_,
                             side.stream.error());
                close();
            } else {
                server_failed("TLS: " + side.stream.error());
            }
            return true;
    }
    if (&side == &client_) {
        // A start without SSLRequest names the protocol, so that no other one can be confused with
        // it (ALPACA).
        if (login_.started_directly() && !negotiated_postgresql(side.stream.ssl())) {
            spdlog::info("direct TLS without ALPN postgresql: client={}", client_address_);
            close();
            return true;
        }
        login_.tls_started();
    } else {
        start_server_login();
    }
    phase_ = next;
    side.readable = true;
    side.writable = true;
    return true;
}

void Connection::refuse(std::string_view sqlstate, std::string message, std::string hint,
                        std::string_view cause) {
    spdlog::warn("login refused: client={} user=\"{}\" database=\"{}\" cause=\"{}\"",
                 client_address_, login_.user(), login_.database(), cause);
    if (!id_.user.empty()) {
        const auto written =
            shared_.log->append(id_, audit::LoginRefused{.database = login_.database(),
                                                         .client = client_address_,
                                                         .cause = std::string(cause)});
        if (!written) {
            spdlog::error("the query log cannot be written to: {}", written.error().message());
        }
    }
    wire::write_error_response(client_output_, {.severity = "FATAL",
                                                .sqlstate = std::string(sqlstate),
                                                .message = std::move(message),
                                                .detail = {},
                                                .hint = std::move(hint),
                                                .position = 0});
    refused_ = true;
    if (server_) {
        server_->stream.close();
    }
    phase_ = Phase::kLastWords;
    deadline_ = std::chrono::steady_clock::now() + limits::kLastWordsMax;
}

void Connection::authenticate() {
    auto principal =
        current_->verifier->verify(login_.password(), login_.user(), login_.database(), now());
    config::wipe(login_.password());
    if (!principal) {
        const auto error = static_cast<auth::TokenError>(principal.error().value());
        if (auth::is_authorization_error(error)) {
            refuse("28000", "the token does not allow this user on this database",
                   "Ask for a token for the user and the database that you connect with.",
                   auth::cause(error));
        } else {
            refuse("28P01",
                   fmt::format("password authentication failed for user \"{}\"", login_.user()),
                   "The password is a vitrine token; get a new one and try again.",
                   auth::cause(error));
        }
        return;
    }
    principal_ = std::move(*principal);
    const auto database = current_->databases.find(login_.database());
    if (database == current_->databases.end()) {
        refuse("3D000", fmt::format("database \"{}\" does not exist", login_.database()),
               "Connect with a database name of vitrine's configuration.", "no such database");
        return;
    }
    database_ = database->second;
    database_settings_ = database_->settings();
    find_policy();
}

void Connection::find_policy() {
    policy_ = database_->policy(principal_.groups);
    if (policy_ == nullptr) {
        phase_ = Phase::kCatalog;
        ask_for_catalog();
        return;
    }
    // The client's own settings go through the door like everything else.
    for (const auto& [name, value] : login_.settings()) {
        if (name == "application_name") {
            continue;  // joined with the user's name below
        }
        parser::SessionContext context;
        context.search_path = {"pg_catalog"};
        const auto judgement = parser::judge(as_set(name, value), *policy_, context);
        if (!judgement.allowed()) {
            const auto& refusal = *judgement.statements.front().refusal;
            refuse(refusal.sqlstate,
                   fmt::format("setting \"{}\" in the startup message: {}", name, refusal.message),
                   refusal.hint, fmt::format("startup setting {}", name));
            return;
        }
        settings_.emplace_back(name, value);
    }
    connect_server();
}

void Connection::ask_for_catalog() {
    if (catalog_under_way_) {
        return;
    }
    catalog_under_way_ = true;
    database_->refresh([self = shared_from_this()] {
        asio::post(self->context_, [self] {
            self->catalog_under_way_ = false;
            if (self->phase_ == Phase::kCatalog) {
                self->policy_ = self->database_->policy(self->principal_.groups);
                if (self->policy_ == nullptr) {
                    self->refuse("08006", "the database is not available",
                                 "Try again in a moment; the operator's log has the reason.",
                                 "catalog: " + self->database_->catalog_error());
                } else {
                    self->find_policy();
                }
            } else if (self->phase_ == Phase::kConversation) {
                self->conversation_->catalog_answered();
            }
            self->pump();
        });
    });
}

// ---------------------------------------------------------------------------------------------
// The server

void Connection::connect_server() {
    phase_ = Phase::kServerConnect;
    const auto& servers = database_settings_.database->servers;
    if (next_server_ == servers.size()) {
        // 57P03 is the server's own word for "starting up" or "shutting down".
        refuse(
            server_sqlstate_ == "57P03" || server_sqlstate_ == "53300" ? server_sqlstate_ : "08006",
            server_sqlstate_ == "57P03" || server_sqlstate_ == "53300"
                ? "the database cannot take connections now: " + server_error_
                : "the database server cannot be reached",
            "Try again in a moment; the operator's log has the reason.",
            "server: " + server_error_);
        return;
    }
    const auto& server = servers[next_server_++];
    struct Attempt {
        explicit Attempt(asio::io_context& context) : resolver(context), socket(context) {}
        tcp::resolver resolver;
        tcp::socket socket;
        tcp::resolver::results_type addresses;
    };
    auto attempt = std::make_shared<Attempt>(context_);
    connect_attempt_ = attempt;
    connect_deadline_ = std::chrono::steady_clock::now() + limits::kServerConnectMax;
    auto self = shared_from_this();
    attempt->resolver.async_resolve(
        server.host, std::to_string(server.port),
        [self, attempt, host = server.host](boost::system::error_code error,
                                            tcp::resolver::results_type addresses) {
            if (self->connect_attempt_ != attempt) {
                return;
            }
            if (error || addresses.empty()) {
                self->server_failed(host + ": " + error.message());
                self->pump();
                return;
            }
            attempt->addresses = std::move(addresses);
            asio::async_connect(attempt->socket, attempt->addresses,
                                [self, attempt, host](boost::system::error_code connect_error,
                                                      const tcp::endpoint& endpoint) {
                                    if (self->connect_attempt_ != attempt) {
                                        return;
                                    }
                                    if (connect_error) {
                                        self->server_failed(host + ": " + connect_error.message());
                                    } else {
                                        self->server_.emplace(std::move(attempt->socket));
                                        self->connected(endpoint);
                                    }
                                    self->pump();
                                });
        });
}

void Connection::server_failed(const std::string& why) {
    spdlog::warn("database {}: server {} failed: {}", database_settings_.database->name,
                 next_server_, why);
    connect_attempt_.reset();
    server_error_ = why;
    if (server_) {
        server_->stream.close();
        // Not destroyed: a wait that was cancelled may still refer to it.
    }
    connect_server();
}

void Connection::connected(const tcp::endpoint& endpoint) {
    connect_attempt_.reset();
    server_endpoint_ = endpoint;
    server_input_.clear();
    server_output_.clear();
    if (database_settings_.server_tls) {
        wire::write_ssl_request(server_output_);
        phase_ = Phase::kServerTlsRequest;
    } else {
        start_server_login();
        phase_ = Phase::kServerLogin;
    }
}

void Connection::start_server_tls() {
    const auto& server = database_settings_.database->servers[next_server_ - 1];
    try {
        server_->stream.start_tls(make_server_ssl(database_settings_.server_tls.get(),
                                                  *database_settings_.database, server.host));
        phase_ = Phase::kServerTls;
    } catch (const std::runtime_error& error) {
        server_failed(error.what());
    }
}

void Connection::start_server_login() {
    const config::Database& database = *database_settings_.database;
    session::ServerLoginOptions options;
    options.user = database.user;
    options.dbname = database.dbname;
    options.password = database.password.clone();
    options.mask_key = database_settings_.config->masking.key.clone();
    options.application_name =
        application_prefix(principal_.user) + std::string(login_.application_name());
    options.settings = settings_;
    options.server_version = policy_->catalog().server_version();
    if (server_->stream.encrypted()) {
        options.certificate_hash = server_end_point(server_->stream.ssl());
    }
    options.salted = [settings = database_settings_, source = database_](std::string_view salt,
                                                                         std::uint32_t iterations) {
        return source->salted(*settings.database, salt, iterations);
    };
    server_login_.emplace(std::move(options));
}

bool Connection::step_server_login() {
    bool closed = false;
    std::string& out =
        phase_ == Phase::kServerTlsRequest ? server_output_ : server_login_->output();
    bool moved = flush(*server_, out, closed);
    if (phase_ == Phase::kServerTlsRequest) {
        // One byte, and not one more: what follows an 'S' in the clear is not TLS.
        char answer = 0;
        std::size_t size = 0;
        if (!out.empty() || closed) {
            if (closed) {
                server_failed("connection closed during SSLRequest");
                return true;
            }
            return moved;
        }
        switch (server_->stream.read(&answer, 1, size)) {
            case Io::kDone:
                if (answer == 'S') {
                    start_server_tls();
                } else {
                    server_failed("the server does not speak TLS, and tls.mode asks for it");
                }
                return true;
            case Io::kWantRead:
            case Io::kWantWrite:
                return moved;
            case Io::kClosed:
                server_failed("connection closed during SSLRequest");
                return true;
        }
    }
    moved = read(*server_, server_input_, closed) || moved;
    switch (server_login_->step(server_input_)) {
        case session::ServerLogin::Outcome::kGoOn:
            if (closed) {
                server_failed("the server closed the connection during login");
                return true;
            }
            return moved;
        case session::ServerLogin::Outcome::kFailed:
            server_sqlstate_ = server_login_->sqlstate();
            server_failed(server_login_->error());
            return true;
        case session::ServerLogin::Outcome::kReady:
            start_conversation();
            return true;
    }
    return moved;
}

std::string Connection::welcome() const {
    const auto left = std::chrono::duration_cast<std::chrono::minutes>(principal_.expires - now());
    const std::size_t masked = policy_->masked_columns();
    std::string text = fmt::format(
        "vitrine: {} on {}, read-only, {}, until {:%Y-%m-%d %H:%M:%S} UTC ({} min)",
        principal_.user, principal_.database,
        masked == 0   ? "no column masked"
        : masked == 1 ? "1 column masked"
                      : fmt::format("{} columns masked", masked),
        fmt::gmtime(std::chrono::system_clock::to_time_t(principal_.expires)), left.count());
    if (!principal_.reason.empty()) {
        text += "; reason: " + principal_.reason;
    }
    return text;
}

void Connection::start_conversation() {
    const auto started = shared_.log->append(
        id_, audit::SessionStart{.database = principal_.database,
                                 .groups = principal_.groups,
                                 .client = client_address_,
                                 .application = std::string(login_.application_name()),
                                 .token = principal_.token,
                                 .issuer = principal_.issuer,
                                 .grant = principal_.grant,
                                 .reason = principal_.reason,
                                 .expires = principal_.expires});
    if (!started) {
        spdlog::error("the query log cannot be written to: {}", started.error().message());
        refuse("58030", "the session could not be recorded in the query log",
               "Tell the operator, and try again later.", "query log");
        return;
    }
    session::ConversationOptions options;
    options.id = id_;
    options.policy = policy_;
    options.search_path = server_login_->search_path();
    options.newest_policy = [database = database_, groups = principal_.groups] {
        return database->policy(groups);
    };
    options.log = shared_.log.get();
    options.parameters = current_->config->audit.parameters;
    options.application_prefix = application_prefix(principal_.user);
    options.now = [] { return std::chrono::steady_clock::now(); };
    conversation_.emplace(std::move(options));
    server_key_ = server_login_->key();
    cancel_key_ = shared_.cancel_keys.add(weak_from_this());

    std::string& out = conversation_->client_output();
    wire::write_authentication_ok(out);
    for (const auto& [name, value] : server_login_->parameters()) {
        const std::string prefix = application_prefix(principal_.user);
        const bool own_name = name == "application_name" && value.starts_with(prefix);
        wire::write_parameter_status(
            out, name, own_name ? std::string_view(value).substr(prefix.size()) : value);
    }
    wire::write_backend_key_data(out, cancel_key_.process_id, cancel_key_.secret_key);
    wire::write_notice_response(out, {.severity = "NOTICE",
                                      .sqlstate = "00000",
                                      .message = welcome(),
                                      .detail = {},
                                      .hint = {},
                                      .position = 0});
    wire::write_ready_for_query(out, wire::TransactionStatus::kIdle);
    server_login_.reset();
    phase_ = Phase::kConversation;
    spdlog::info("session {} starts: user={} database={} client={}", id_.session, principal_.user,
                 principal_.database, client_address_);
    if (!client_input_.empty()) {
        // Sent before the answer to the password was there: pipelined, and judged like the rest.
        conversation_->from_client(std::exchange(client_input_, {}));
    }
    client_.readable = true;
}

// ---------------------------------------------------------------------------------------------
// The session

bool Connection::step_conversation() {
    bool client_gone = false;
    bool server_gone = false;
    bool moved = false;
    thread_local std::string bytes;
    if (conversation_->wants_client_bytes()) {
        bytes.clear();
        if (read(client_, bytes, client_gone)) {
            moved = true;
            conversation_->from_client(bytes);
        }
    }
    if (flush(*server_, conversation_->server_output(), server_gone)) {
        moved = true;
        conversation_->output_drained();
    }
    if (conversation_->wants_server_bytes()) {
        bytes.clear();
        if (read(*server_, bytes, server_gone)) {
            moved = true;
            conversation_->from_server(bytes);
        }
    }
    moved = flush(*server_, conversation_->server_output(), server_gone) || moved;
    moved = flush(client_, conversation_->client_output(), client_gone) || moved;
    if (conversation_->wants_fresh_catalog()) {
        ask_for_catalog();
    }
    if (client_gone) {
        conversation_->client_closed();
    } else if (server_gone) {
        conversation_->server_closed();
    }
    if (conversation_->ended()) {
        const auto& ending = *conversation_->ended();
        if (!ending.log_message.empty()) {
            spdlog::warn("session {}: {}", id_.session, ending.log_message);
        }
        spdlog::info("session {} ends: user={} statements={} rejected={} rows={}", id_.session,
                     principal_.user, conversation_->totals().statements,
                     conversation_->totals().rejected, conversation_->totals().rows);
        shared_.cancel_keys.remove(cancel_key_.process_id);
        if (!server_gone) {
            // A backend that computes does not notice that nobody listens any more.
            if (conversation_->statement_running()) {
                cancel_on_server([] {});
            }
            if (!conversation_->server_message_cut()) {
                std::string terminate;
                wire::write_terminate(terminate);
                bool ignored = false;
                (void)flush(*server_, terminate, ignored);
            }
        }
        server_->stream.close();
        client_output_ = std::move(conversation_->client_output());
        if (client_gone) {
            close();
        } else {
            phase_ = Phase::kLastWords;
            deadline_ = std::chrono::steady_clock::now() + limits::kLastWordsMax;
        }
        return true;
    }
    return moved;
}

bool Connection::step_last_words() {
    bool closed = false;
    bool moved = flush(client_, client_output_, closed);
    if (!closed && client_output_.empty()) {
        // A close with unread bytes in the socket would reset the connection, and the client might
        // not get to read what was just sent: half-close, and wait for it to go.
        if (!half_closed_) {
            half_closed_ = true;
            client_.stream.half_close();
        }
        closed = client_.stream.drain() == Io::kClosed;
    }
    if (closed) {
        close();
        return true;
    }
    return moved;
}

void Connection::end(session::Ending ending) {
    if (phase_ == Phase::kConversation && !conversation_->ended()) {
        if (!ending_since_) {
            ending_since_ = std::chrono::steady_clock::now();
        }
        conversation_->end(std::move(ending));
        pump();
    }
}

void Connection::tick() {
    const auto steady = std::chrono::steady_clock::now();
    switch (phase_) {
        case Phase::kClientLogin:
        case Phase::kClientTls:
        case Phase::kCatalog:
        case Phase::kServerConnect:
        case Phase::kServerTlsRequest:
        case Phase::kServerTls:
        case Phase::kServerLogin:
            if (steady >= deadline_) {
                if (id_.user.empty() || login_.password_pending()) {
                    close();  // nobody there, or nobody who says who they are
                } else {
                    refuse("08006", "the login took too long",
                           "Try again in a moment; the operator's log has the reason.",
                           server_error_.empty() ? "login timeout"
                                                 : "login timeout; server: " + server_error_);
                    pump();
                }
            } else if (phase_ >= Phase::kServerConnect && steady >= connect_deadline_) {
                server_failed("no answer in time");
                pump();
            }
            return;
        case Phase::kConversation:
            if (std::chrono::system_clock::now() >= principal_.expires) {
                end({.cause = audit::EndCause::kExpired,
                     .sqlstate = "57P01",
                     .message = "terminating connection: the token has expired",
                     .hint = "Get a new token and connect again."});
            }
            if (phase_ == Phase::kConversation && ending_since_ &&
                steady - *ending_since_ >= limits::kLastWordsMax) {
                conversation_->abandon();
                pump();
            }
            return;
        case Phase::kLastWords:
            if (steady >= deadline_) {
                close();
            }
            return;
        case Phase::kCancelling:
        case Phase::kClosed:
            return;
    }
}

void Connection::shut_down() {
    if (phase_ == Phase::kConversation) {
        end({.cause = audit::EndCause::kShutdown,
             .sqlstate = "57P01",
             .message = "terminating connection: vitrine is shutting down",
             .hint = "Connect again in a moment."});
    } else if (phase_ != Phase::kLastWords) {
        close();
    }
}

void Connection::cancel(std::function<void()> done) {
    if (phase_ != Phase::kConversation || !conversation_->cancel_requested()) {
        done();
        return;
    }
    cancel_on_server([self = shared_from_this(), done = std::move(done)] {
        if (self->phase_ == Phase::kConversation) {
            self->conversation_->cancel_delivered();
            self->pump();
        }
        done();
    });
}

void Connection::cancel_on_server(std::function<void()> done) {
    if (!server_key_) {
        done();
        return;
    }
    deliver_cancel(context_, server_endpoint_, *server_key_, std::move(done));
}

void Connection::close() {
    if (phase_ == Phase::kClosed) {
        return;
    }
    if (conversation_ && !conversation_->ended()) {
        conversation_->abandon();
        shared_.cancel_keys.remove(cancel_key_.process_id);
    }
    phase_ = Phase::kClosed;
    connect_attempt_.reset();
    client_.stream.close();
    if (server_) {
        server_->stream.close();
    }
}

}  // namespace vitrine::net
