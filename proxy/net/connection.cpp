// The connection's loop, the session while it runs, and its end.
#include "proxy/net/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <boost/asio/post.hpp>

#include "config/limits.h"
#include "proxy/net/canceller.h"
#include "proxy/wire/frontend.h"

namespace vitrine::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// Rounds before other connections of the worker get their turn.
constexpr int kRoundsMax = 16;

}  // namespace

Connection::Connection(asio::io_context& context, Shared& shared, WorkerMetrics& metrics,
                       parser::JudgementCache& judgements, tcp::socket socket)
    : context_(context),
      shared_(shared),
      metrics_(metrics),
      judgements_(judgements),
      current_(shared.current()),
      client_(std::move(socket)) {
    boost::system::error_code error;
    const auto peer = client_.stream.socket().remote_endpoint(error);
    client_address_ = error ? "" : describe(peer);
    client_host_ = error ? "" : peer.address().to_string();
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
               LoginCause::kLimit, "too many connections");
    }
    pump();
}

void Connection::pump() {
    if (pumping_ || phase_ == Phase::kClosed) {
        return;
    }
    pumping_ = true;
    int rounds = 0;
    try {
        while (phase_ != Phase::kClosed && step()) {
            if (++rounds == kRoundsMax) {
                asio::post(context_, [self = shared_from_this()] { self->pump(); });
                break;
            }
        }
        if (phase_ != Phase::kClosed && rounds < kRoundsMax) {
            arm();
        }
    } catch (const std::exception& error) {
        // Out of memory, out of random bytes, …: this connection ends, the others go on.
        spdlog::error("connection {}: {}", client_address_, error.what());
        close();
    }
    pumping_ = false;
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
        case Phase::kSlowedDown:
        case Phase::kStore:
        case Phase::kKeys:
        case Phase::kCatalog:
        case Phase::kServerConnect:
        case Phase::kClosed:
            return false;
    }
    return false;
}

std::optional<std::string_view> Connection::read(Side& side, bool& closed) {
    thread_local std::array<char, kReadBytes> buffer;
    if (!side.readable) {
        return std::nullopt;
    }
    std::size_t size = 0;
    switch (side.stream.read(buffer.data(), buffer.size(), size)) {
        case Io::kDone:
            side.readable = side.stream.more_to_read();
            break;
        case Io::kWantWrite:
            side.writable = false;
            side.readable = false;
            return std::nullopt;
        case Io::kWantRead:
            side.readable = false;
            return std::nullopt;
        case Io::kClosed:
            side.readable = false;
            closed = true;
            break;
    }
    return std::string_view(buffer.data(), size);
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
        // The client's side lives as long as the connection, which the handler keeps alive; the
        // server's may be gone meanwhile, or another session's.
        return [self = shared_from_this(), &side, is_read](boost::system::error_code error) {
            if (error || (&side != &self->client_ && &side != self->server_.get())) {
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
        case Phase::kConversation: {
            const bool recorded = conversation_->recorded().state() == audit::Ticket::State::kDone;
            wait(client_, conversation_->wants_client_bytes(),
                 welcomed_ && (!client_.writable || !conversation_->client_output().empty()));
            wait(*server_, conversation_->wants_server_bytes(),
                 recorded && (!server_->writable || !conversation_->server_output().empty()));
            return;
        }
        case Phase::kLastWords:
            wait(client_, client_output_.empty(), !client_output_.empty());
            return;
        case Phase::kCancelling:
        case Phase::kSlowedDown:
        case Phase::kStore:
        case Phase::kKeys:
        case Phase::kCatalog:
        case Phase::kServerConnect:
        case Phase::kClosed:
            return;
    }
}

// Is what was recorded last on the disk, where it has to be? If not, goes on when it is.
bool Connection::is_recorded() {
    switch (conversation_->recorded().state()) {
        case audit::Ticket::State::kDone:
            return true;
        case audit::Ticket::State::kFailed:
            conversation_->log_failed();
            return true;
        case audit::Ticket::State::kPending:
            break;
    }
    if (!waits_for_log_) {
        waits_for_log_ = true;
        conversation_->recorded().when_settled([weak = weak_from_this(), &context = context_] {
            asio::post(context, [weak] {
                if (const auto self = weak.lock()) {
                    self->waits_for_log_ = false;
                    if (self->phase_ == Phase::kConversation) {
                        self->pump();
                    }
                }
            });
        });
    }
    return false;
}

bool Connection::step_conversation() {
    bool client_gone = false;
    bool server_gone = false;
    bool moved = false;
    if (conversation_->wants_client_bytes()) {
        if (const auto bytes = read(client_, client_gone)) {
            moved = true;
            conversation_->from_client(*bytes);
        }
    }
    const auto flush_server = [&] {
        if (is_recorded() && flush(*server_, conversation_->server_output(), server_gone)) {
            moved = true;
            conversation_->output_drained();
        }
    };
    flush_server();
    if (conversation_->wants_server_bytes()) {
        if (const auto bytes = read(*server_, server_gone)) {
            moved = true;
            conversation_->from_server(*bytes);
        }
    }
    // What an answer let go may have filled the room that the rest of its batch needs.
    flush_server();
    welcomed_ = welcomed_ || is_recorded();
    if (welcomed_) {
        moved = flush(client_, conversation_->client_output(), client_gone) || moved;
    }
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
        shared_.sessions.remove(id_.session);
        place_.reset();
        if (!server_gone) {
            // A backend that computes does not notice that nobody listens any more.
            if (conversation_->statement_running()) {
                cancel_on_server([] {});
            }
            if (!conversation_->server_message_cut() && !keep_server()) {
                std::string terminate;
                wire::write_terminate(terminate);
                bool ignored = false;
                (void)flush(*server_, terminate, ignored);
            }
        }
        if (server_) {
            server_->stream.close();
        }
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
    try {
        look();
    } catch (const std::exception& error) {
        // As in pump(): one that cannot be looked at could outlive its token.
        spdlog::error("connection {}: {}", client_address_, error.what());
        close();
    }
}

void Connection::look() {
    const auto steady = std::chrono::steady_clock::now();
    switch (phase_) {
        case Phase::kSlowedDown:
            if (steady >= deadline_) {
                phase_ = slowed_phase_;
                deadline_ = steady + limits::kLastWordsMax;
                pump();
            }
            return;
        case Phase::kClientLogin:
        case Phase::kClientTls:
        case Phase::kStore:
        case Phase::kKeys:
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
                           LoginCause::kTimeout,
                           server_error_.empty() ? "login timeout"
                                                 : "login timeout; server: " + server_error_);
                    pump();
                }
            } else if (phase_ >= Phase::kServerConnect && steady >= connect_deadline_) {
                if (server_is_kept_) {
                    kept_are_silent_ = true;
                    shared_.kept.close_of(server_endpoint_);
                }
                server_failed("no answer in time");
                pump();
            }
            return;
        case Phase::kConversation:
            if (std::chrono::system_clock::now() >= principal_.expires) {
                end({.cause = audit::EndCause::kExpired,
                     .sqlstate = "57P01",
                     .message = "terminating connection: the token has expired",
                     .hint = ask_again()});
            } else {
                end_if_revoked();
                announce_end();
                conversation_->give_back();
            }
            if (phase_ == Phase::kConversation) {
                enforce_limits();
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

// How to come back: the last sentence of whoever is sent away.
std::string Connection::ask_again() const {
    if (principal_.grant.empty()) {
        return "Get a new token and connect again.";
    }
    return "Ask for access again: vitrine access request --database " + principal_.database +
           " --for 1h --reason …";
}

void Connection::end_if_revoked() {
    if (shared_.access == nullptr || shared_.access->revision() == revision_) {
        return;
    }
    revision_ = shared_.access->revision();
    const auto list = shared_.access->revocations();
    const auth::Revocation* const revocation = list ? list->find(principal_) : nullptr;
    if (revocation != nullptr) {
        revoke(revocation->by, revocation->reason);
    }
}

void Connection::revoke(const std::string& by, const std::string& reason) {
    if (phase_ == Phase::kConversation) {
        end({.cause = audit::EndCause::kRevoked,
             .sqlstate = "57P01",
             .message = "terminating connection: the access was revoked" +
                        (by.empty() ? "" : " by " + by) + (reason.empty() ? "" : ": " + reason),
             .hint = ask_again(),
             .log_message = "revoked" + (by.empty() ? "" : " by " + by)});
    }
}

void Connection::announce_end() {
    const auto notice = current_->config->access.notice;
    if (end_announced_ || std::chrono::system_clock::now() < principal_.expires - notice) {
        return;
    }
    end_announced_ = true;
    // Said as soon as the client can hear it between two messages of the server's.
    const auto left = principal_.expires - now();
    conversation_->notify(
        fmt::format("this session ends in {}, at {:%H:%M:%S} UTC",
                    left >= std::chrono::minutes(2) ? fmt::format("{} min", left.count() / 60)
                                                    : fmt::format("{} s", left.count()),
                    fmt::gmtime(std::chrono::system_clock::to_time_t(principal_.expires))),
        ask_again());
    pump();
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
    cancel_for_conversation(std::move(done));
}

void Connection::cancel_for_conversation(std::function<void()> done) {
    cancel_on_server([self = shared_from_this(), done = std::move(done)] {
        if (self->phase_ == Phase::kConversation) {
            self->conversation_->cancel_delivered();
            self->pump();
        }
        done();
    });
}

void Connection::enforce_limits() {
    if (conversation_->enforce_limits()) {
        cancel_for_conversation([] {});
    }
    if (conversation_->ending() && !ending_since_) {
        ending_since_ = std::chrono::steady_clock::now();
    }
    if (conversation_->ended() || !conversation_->server_output().empty()) {
        pump();
    }
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
        shared_.sessions.remove(id_.session);
    }
    place_.reset();
    phase_ = Phase::kClosed;
    connect_attempt_.reset();
    client_.stream.close();
    if (server_) {
        server_->stream.close();
    }
}

}  // namespace vitrine::net
