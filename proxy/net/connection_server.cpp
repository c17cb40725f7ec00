// The session's own way to the server, and the start of the conversation.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <boost/asio/connect.hpp>

#include "config/limits.h"
#include "proxy/audit/value_digest.h"
#include "proxy/net/connection.h"
#include "proxy/wire/frontend.h"

namespace vitrine::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// A server's own word for having no room.
constexpr std::string_view kTooManyConnections = "53300";
// For the backends of kept connections to be gone: ticks.
constexpr unsigned kWaitsForRoomMax = 5;

// The client's name for itself stands behind who it really is: what a DBA sees in
// pg_stat_activity.
std::string application_prefix(const std::string& user) {
    return user + " via vitrine: ";
}

}  // namespace

void Connection::connect_server() {
    if (take_kept_server()) {
        return;
    }
    phase_ = Phase::kServerConnect;
    const auto& servers = database_settings_.database->servers;
    if (next_server_ == servers.size()) {
        // 57P03 is the server's own word for "starting up" or "shutting down".
        const bool is_told = server_sqlstate_ == "57P03" || server_sqlstate_ == kTooManyConnections;
        refuse(is_told ? server_sqlstate_ : "08006",
               is_told ? "the database cannot take connections now: " + server_error_
                       : "the database server cannot be reached",
               "Try again in a moment; the operator's log has the reason.", LoginCause::kDatabase,
               "server: " + server_error_);
        return;
    }
    const auto& server = servers[next_server_++];
    struct Attempt {
        explicit Attempt(asio::io_context& context) : resolver(context), socket(context) {}
        tcp::resolver resolver;
        tcp::socket socket;
        tcp::resolver::results_type addresses;
        std::array<tcp::endpoint, 1> address;
    };
    auto attempt = std::make_shared<Attempt>(context_);
    connect_attempt_ = attempt;
    connect_deadline_ = std::chrono::steady_clock::now() + limits::kServerConnectMax;
    auto self = shared_from_this();
    const auto connect = [self, attempt, host = server.host](const auto& addresses) {
        asio::async_connect(
            attempt->socket, addresses,
            [self, attempt, host](boost::system::error_code error, const tcp::endpoint& endpoint) {
                if (self->connect_attempt_ != attempt) {
                    return;
                }
                if (error) {
                    self->server_failed(host + ": " + error.message());
                } else {
                    self->server_ = std::make_unique<Side>(std::move(attempt->socket));
                    self->connected(endpoint);
                }
                self->pump();
            });
    };
    boost::system::error_code not_an_address;
    const auto address = asio::ip::make_address(server.host, not_an_address);
    if (!not_an_address) {
        // Without the resolver's thread, which would look it up in vain.
        attempt->address = {tcp::endpoint(address, server.port)};
        connect(attempt->address);
        return;
    }
    attempt->resolver.async_resolve(
        server.host, std::to_string(server.port),
        [self, attempt, connect, host = server.host](boost::system::error_code error,
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
            connect(attempt->addresses);
        });
}

// Nothing is known of it but that it was left in order; if it does not answer, or differently than
// after a login, the next one is taken, and then a new one is opened.
bool Connection::take_kept_server() {
    if (database_settings_.database->server_idle.count() == 0 || kept_are_silent_) {
        return false;
    }
    if (kind_ == nullptr) {
        kind_ = std::make_unique<SessionKind>(
            SessionKind{.config = database_settings_.config,
                        .database = database_settings_.database->name,
                        .issuer = principal_.issuer,
                        .user = principal_.user,
                        .groups = principal_.groups,
                        .application_name = std::string(login_.application_name()),
                        .settings = settings_});
    }
    auto kept = shared_.kept.take(*kind_);
    if (!kept) {
        return false;
    }
    try {
        kept->side->stream.move_to(context_);
    } catch (const boost::system::system_error& error) {
        spdlog::warn("a server connection that was kept is not used: {}", error.what());
        return false;
    }
    server_ = std::move(kept->side);
    server_->readable = true;
    server_->writable = true;
    server_->waiting_read = false;
    server_->waiting_write = false;
    server_is_kept_ = true;
    server_login_at_ = kept->login;
    server_endpoint_ = kept->endpoint;
    server_input_.clear();
    server_output_.clear();
    server_login_.emplace(server_login_options(), std::move(kept->session));
    phase_ = Phase::kServerLogin;
    connect_deadline_ = std::chrono::steady_clock::now() + limits::kKeptAnswerMax;
    return true;
}

bool Connection::keep_server() {
    if (kind_ == nullptr || !conversation_->leaves_server_idle() || shared_.draining.load() ||
        kind_->config != shared_.current()->config) {
        return false;
    }
    std::string forget;
    wire::write_query(forget, session::kForget);
    bool closed = false;
    (void)flush(*server_, forget, closed);
    if (closed || !forget.empty()) {
        return false;
    }
    server_->stream.stop_waiting();
    shared_.kept.put(std::move(*kind_),
                     {.side = std::move(server_),
                      .login = server_login_at_,
                      .endpoint = server_endpoint_,
                      .session = {.at_login = conversation_->parameters_at_login(),
                                  .reported = conversation_->server_parameters(),
                                  .key = server_key_}},
                     KeptServers::Clock::now(), database_settings_.database->server_idle);
    kind_.reset();
    return true;
}

void Connection::server_failed(const std::string& why) {
    if (server_is_kept_) {
        spdlog::debug("database {}: a server connection that was kept is not used: {}",
                      database_settings_.database->name, why);
        server_is_kept_ = false;
        server_->stream.close();
        connect_server();
        return;
    }
    if (waits_for_room_ > 0 && phase_ == Phase::kServerConnect && connect_attempt_ == nullptr) {
        connect_server();
        return;
    }
    if (phase_ == Phase::kServerLogin && server_sqlstate_ == kTooManyConnections &&
        waits_for_room_ < kWaitsForRoomMax &&
        shared_.kept.make_room(std::chrono::steady_clock::now())) {
        // Their backends are gone in a moment: the same server once more, by tick().
        ++waits_for_room_;
        server_sqlstate_.clear();
        server_->stream.close();
        --next_server_;
        phase_ = Phase::kServerConnect;
        connect_deadline_ = std::chrono::steady_clock::now();
        return;
    }
    spdlog::warn("database {}: server {} failed: {}", database_settings_.database->name,
                 next_server_, why);
    connect_attempt_.reset();
    server_error_ = why;
    if (server_) {
        server_->stream.close();
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
    server_login_at_ = std::chrono::steady_clock::now();
    server_login_.emplace(server_login_options());
}

session::ServerLoginOptions Connection::server_login_options() const {
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
    options.named_version = database.server_version;
    if (server_->stream.encrypted()) {
        options.certificate_hash = server_end_point(server_->stream.ssl());
    }
    options.salted = [settings = database_settings_, source = database_](std::string_view salt,
                                                                         std::uint32_t iterations) {
        return source->salted(*settings.database, salt, iterations);
    };
    return options;
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
    if (const auto bytes = read(*server_, closed)) {
        server_input_ += *bytes;
        moved = true;
    }
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
    const std::size_t filtered = policy_->filtered_tables();
    std::string text = fmt::format(
        "vitrine: {} on {}, read-only, {}{}, until {:%Y-%m-%d %H:%M:%S} UTC ({} min)",
        principal_.user, principal_.database,
        masked == 0   ? "no column masked"
        : masked == 1 ? "1 column masked"
                      : fmt::format("{} columns masked", masked),
        filtered == 0   ? ""
        : filtered == 1 ? ", rows of 1 table filtered"
                        : fmt::format(", rows of {} tables filtered", filtered),
        fmt::gmtime(std::chrono::system_clock::to_time_t(principal_.expires)), left.count());
    if (!principal_.reason.empty()) {
        text += "; reason: " + principal_.reason;
    }
    return text;
}

std::vector<std::string> Connection::settings_on_record() const {
    std::vector<std::string> settings;
    const config::Config& config = *current_->config;
    for (const auto& [name, value] : settings_) {
        settings.push_back(name + '=' +
                           (config.audit.parameters == config::Parameters::kMasked
                                ? audit::value_digest(config.masking.key, value)
                                : value));
    }
    return settings;
}

void Connection::start_conversation() {
    // Much may have happened since the token was looked at.
    if (shared_.access != nullptr && shared_.access->revision() != revision_) {
        revision_ = shared_.access->revision();
        if (const std::string cause = revocation_cause(); !cause.empty()) {
            bad_token(cause, LoginCause::kRevoked);
            return;
        }
    }
    std::unique_ptr<audit::RowsDigest> rows_digest;
    if (!current_->config->masking.key.empty()) {
        rows_digest = std::make_unique<audit::RowsDigest>(current_->config->masking.key);
    }
    const auto started = shared_.log->append(
        id_, audit::SessionStart{.database = principal_.database,
                                 .groups = principal_.groups,
                                 .client = client_address_,
                                 .application = std::string(login_.application_name()),
                                 .token = principal_.token,
                                 .issuer = principal_.issuer,
                                 .grant = principal_.grant,
                                 .approvers = principal_.approvers,
                                 .reason = principal_.reason,
                                 .expires = principal_.expires,
                                 .search_path = server_login_->search_path(),
                                 .settings = settings_on_record(),
                                 .digest_key = rows_digest ? rows_digest->key_id() : ""});
    if (!started) {
        spdlog::error("the query log cannot be written to: {}", started.error().message());
        refuse("58030", "the session could not be recorded in the query log",
               "Tell the operator, and try again later.", LoginCause::kQueryLog, "query log");
        return;
    }
    session::ConversationOptions options;
    options.id = id_;
    options.policy = policy_;
    options.search_path = server_login_->search_path();
    options.server_parameters = server_login_->parameters();
    options.recorded = *started;
    options.newest_policy = NewestPolicy(database_, principal_.groups);
    options.log = shared_.log.get();
    options.counters = &metrics_.of(principal_.database);
    options.judgements = &judgements_;
    options.parameters = current_->config->audit.parameters;
    if (options.parameters == config::Parameters::kMasked) {
        options.digest = [config = current_->config](std::string_view value) {
            return audit::value_digest(config->masking.key, value);
        };
    }
    options.rows_digest = std::move(rows_digest);
    options.application_prefix = application_prefix(principal_.user);
    options.now = [] { return std::chrono::steady_clock::now(); };
    options.limits = limits_;
    if (limits_.statements_per_minute) {
        options.take_statements = [&rates = shared_.statements, user = principal_.user,
                                   most = *limits_.statements_per_minute](std::size_t statements) {
            return rates.take(user, statements, most, Rates::Clock::now());
        };
    }
    if (limits_.rows_per_hour) {
        options.take_rows = [&rows = shared_.rows, user = principal_.user,
                             most = *limits_.rows_per_hour](std::uint64_t wanted) {
            return rows.take(user, wanted, most, Hourly::Clock::now());
        };
    }
    if (limits_.bytes_per_hour) {
        options.take_bytes = [&bytes = shared_.bytes, user = principal_.user,
                              most = *limits_.bytes_per_hour](std::uint64_t wanted) {
            return bytes.take(user, wanted, most, Hourly::Clock::now());
        };
    }
    options.counters->sessions.add();
    conversation_.emplace(std::move(options));
    server_key_ = server_login_->key();
    cancel_key_ = shared_.cancel_keys.add(weak_from_this());
    shared_.sessions.add({.id = id_.session,
                          .principal = principal_,
                          .client = client_address_,
                          .application = std::string(login_.application_name()),
                          .since = now()},
                         weak_from_this());

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
    // The welcome has said how long it is.
    end_announced_ = principal_.expires - now() <= current_->config->access.notice;
    server_login_.reset();
    server_is_kept_ = false;
    // Of the login nothing is needed any more, and most sessions are idle.
    settings_ = {};
    login_ = {};
    phase_ = Phase::kConversation;
    spdlog::info("session {} starts: user={} database={} client={}", id_.session, principal_.user,
                 principal_.database, client_address_);
    if (!client_input_.empty()) {
        // Sent before the answer to the password was there: pipelined, and judged like the rest.
        conversation_->from_client(std::exchange(client_input_, {}));
    }
    client_.readable = true;
}

}  // namespace vitrine::net
