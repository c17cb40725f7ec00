// The client's way in: TLS, StartupMessage, token, policy.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "auth/handle.h"
#include "auth/network.h"
#include "config/limits.h"
#include "parser/judge.h"
#include "parser/session_settings.h"
#include "proxy/net/connection.h"

namespace vitrine::net {

namespace asio = boost::asio;

namespace {

// Who asks by OAUTHBEARER where to get a token has not failed.
constexpr std::string_view kNoToken = "no token";

}  // namespace

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
        if (const auto bytes = read(client_, closed)) {
            client_input_ += *bytes;
            moved = true;
        }
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
            if (!current_->config->listen.tls.client_ca.empty() &&
                peer_common_name(client_.stream.ssl()) != login_.user()) {
                refuse(
                    "28000",
                    fmt::format("certificate authentication failed for user \"{}\"", login_.user()),
                    "Connect with a certificate (sslcert, sslkey) whose subject's CN is the "
                    "user.",
                    LoginCause::kCertificate, "certificate of another");
                return true;
            }
            ask_for_token();
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
            metrics_.refused(LoginCause::kProtocol);
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
                metrics_.refused(LoginCause::kTls);
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
            metrics_.refused(LoginCause::kTls);
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

void Connection::ask_for_token() {
    using Method = session::ClientLogin::Method;
    const config::OAuth& oauth = current_->config->auth.oauth;
    const bool asked = login_.method() == Method::kOAuth;
    if (asked && !oauth.configured()) {
        refuse("0A000", "logins by OAuth are not configured",
               "Connect without vitrine.login=oauth and with a token as the password.",
               LoginCause::kUnsupported, "OAuth is not configured");
        return;
    }
    const bool always = oauth.configured() && oauth.offer == config::OAuth::Offer::kAlways &&
                        login_.method() == Method::kUnsaid;
    if (asked || always) {
        login_.ask_oauth();
    } else {
        login_.ask_password();
    }
}

void Connection::record_refusal(LoginCause counted, std::string_view cause) {
    metrics_.refused(counted);
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
}

// In the words of the mechanism that the token came by: after a password at once; by OAUTHBEARER
// the client first hears where to get a better one.
void Connection::refuse_token(wire::ErrorFields refusal, LoginCause counted,
                              std::string_view cause) {
    if (!login_.by_oauth()) {
        refuse(refusal.sqlstate, std::move(refusal.message), std::move(refusal.hint), counted,
               cause);
        return;
    }
    record_refusal(counted, cause);
    config::wipe(login_.password());
    if (server_) {
        server_->stream.close();
    }
    const config::OAuth& oauth = current_->config->auth.oauth;
    refusal.severity = "FATAL";
    login_.reject_token(oauth.issuer, oauth.scope, refusal);
    phase_ = Phase::kClientLogin;
}

// One answer for all that is no good: who tries learns nothing of why.
void Connection::bad_token(std::string_view cause, LoginCause counted) {
    const bool by_oauth = login_.by_oauth();
    refuse_token(
        {.sqlstate = "28P01",
         .message = fmt::format("{} authentication failed for user \"{}\"",
                                by_oauth ? "OAuth bearer" : "password", login_.user()),
         .hint = by_oauth ? "Get a new token from the issuer and try again."
                          : "The password is a vitrine token; get a new one and try again."},
        counted, cause);
    if (cause != kNoToken) {
        slow_down();
    }
}

// Who guesses waits for each further answer; others, and whoever comes with a good token, do not.
void Connection::slow_down() {
    const auto now = std::chrono::steady_clock::now();
    const auto wait =
        shared_.throttle.failed(client_host_, current_->config->auth.failed_logins, now);
    if (wait > std::chrono::steady_clock::duration::zero()) {
        slowed_phase_ = phase_;
        phase_ = Phase::kSlowedDown;
        deadline_ = now + wait;
    }
}

void Connection::refuse(std::string_view sqlstate, std::string message, std::string hint,
                        LoginCause counted, std::string_view cause) {
    record_refusal(counted, cause);
    wire::write_error_response(client_output_, {.severity = "FATAL",
                                                .sqlstate = std::string(sqlstate),
                                                .message = std::move(message),
                                                .detail = {},
                                                .hint = std::move(hint),
                                                .position = 0});
    config::wipe(login_.password());
    refused_ = true;
    place_.reset();
    if (server_) {
        server_->stream.close();
    }
    phase_ = Phase::kLastWords;
    deadline_ = std::chrono::steady_clock::now() + limits::kLastWordsMax;
}

void Connection::authenticate() {
    if (auth::is_handle(login_.password())) {
        take_handle();
        return;
    }
    // Keys may have come since the client was accepted.
    current_ = shared_.current();
    auto principal = current_->verifier->verify(login_.password(), login_.user(), login_.database(),
                                                client_host_, now());
    if (principal.has_error() && principal.error() == auth::TokenError::kUnknownKey &&
        !keys_settled_) {
        if (auto issuer = current_->verifier->issuer_to_refresh(login_.password())) {
            wait_for_keys(std::move(*issuer));
            return;
        }
    }
    if (principal.has_error() && principal.error() == auth::TokenError::kMissingClaim &&
        shared_.access != nullptr) {
        // An identity provider says who somebody is, and not what they may read.
        auto known = current_->verifier->identify(login_.password(), now(), client_host_);
        if (known && known->principal.user == login_.user()) {
            config::wipe(login_.password());
            take_grant(std::move(known->principal));
            return;
        }
    }
    if (!principal) {
        const auto error = static_cast<auth::TokenError>(principal.error().value());
        if (login_.by_oauth() && login_.password().empty()) {
            // It asks where to get one, which is how it begins.
            bad_token(kNoToken, LoginCause::kNoToken);
        } else if (auth::is_authorization_error(error)) {
            refuse_token({.sqlstate = "28000",
                          .message = "the token does not allow this user on this database",
                          .hint = "Ask for a token for the user and the database that you connect "
                                  "with."},
                         LoginCause::kNotAllowed, auth::cause(error));
        } else {
            bad_token(auth::cause(error));
        }
        return;
    }
    config::wipe(login_.password());
    admit(std::move(*principal));
}

// Asks the store on a thread of its own; what the question gives back is run here afterwards.
void Connection::ask_store(std::function<std::function<void()>(auth::Store&)> question) {
    phase_ = Phase::kStore;
    const bool asked = shared_.access->ask(
        [self = shared_from_this(), question = std::move(question)](auth::Store& store) {
            asio::post(self->context_, [self, then = question(store)] {
                if (self->phase_ == Phase::kStore) {
                    then();
                    self->pump();
                }
            });
        });
    if (!asked) {
        refuse("57P03", "too many logins wait for the store of grants", "Try again in a moment.",
               LoginCause::kStore, "store: too many questions");
    }
}

void Connection::take_handle() {
    std::string hash = auth::hash_handle(login_.password());
    config::wipe(login_.password());
    if (shared_.access == nullptr) {
        bad_token("a handle, and there is no store");
        return;
    }
    ask_store([this, hash = std::move(hash)](auth::Store& store) -> std::function<void()> {
        auto found = store.handle(hash);
        if (!found) {
            if (found.error() == auth::StoreError::kNotFound) {
                return [this] { bad_token("unknown handle"); };
            }
            return [this] {
                shared_.access->count_error();
                refuse("57P03", "the store of grants does not answer, and a handle needs it",
                       "Try again in a moment, or use the token itself.", LoginCause::kStore,
                       "store");
            };
        }
        if (const auto grant = store.grant(found->principal.grant); grant) {
            for (const auth::Approval& approval : grant->approvals) {
                found->principal.approvers.push_back(approval.by);
            }
        }
        return [this, handle = std::move(*found)] {
            const auto& databases = handle.databases;
            auth::Principal principal = handle.principal;
            if (now() >= principal.expires) {
                bad_token("expired");
            } else if (principal.user != login_.user() ||
                       std::ranges::find(databases, login_.database()) == databases.end()) {
                // The same words as for a handle that is none: who found one does not learn whose.
                bad_token("a handle for another user or database");
            } else if (!principal.client_address.empty() &&
                       !auth::network_contains(principal.client_address, client_host_)) {
                bad_token(auth::cause(auth::TokenError::kOtherAddress));
            } else {
                principal.database = login_.database();
                admit(std::move(principal));
            }
        };
    });
}

// Who it is, is known; what they may read is what they have been granted, until that or the token
// ends.
void Connection::take_grant(auth::Principal principal) {
    ask_store([this, principal = std::move(principal), database = login_.database(),
               now = now()](auth::Store& store) -> std::function<void()> {
        const auto grants = store.grants({.user = principal.user,
                                          .issuer = principal.issuer,
                                          .state = auth::GrantState::kActive,
                                          .ends_after = now});
        if (!grants) {
            return [this] {
                shared_.access->count_error();
                refuse("57P03", "the store of grants does not answer, and this token needs it",
                       "Try again in a moment.", LoginCause::kStore, "store");
            };
        }
        const auth::Grant* longest = nullptr;
        for (const auth::Grant& grant : *grants) {
            if (grant.issuer == principal.issuer && grant.database == database &&
                auth::in_force(grant, now) && (longest == nullptr || grant.ends > longest->ends)) {
                longest = &grant;
            }
        }
        if (longest == nullptr) {
            return [this] {
                refuse_token({.sqlstate = "28000",
                              .message = fmt::format("user \"{}\" has no access to database "
                                                     "\"{}\" now",
                                                     login_.user(), login_.database()),
                              .hint = "Ask for it: vitrine access request --database " +
                                      login_.database() + " --for 1h --reason …"},
                             LoginCause::kNotAllowed, "no grant");
            };
        }
        auth::Principal granted = principal;
        granted.database = database;
        granted.grant = longest->id;
        granted.groups = longest->groups;  // those that the policy has decided by
        granted.approvers.clear();
        granted.reason = longest->reason;
        granted.expires = std::min(principal.expires, longest->ends);
        for (const auth::Approval& approval : longest->approvals) {
            granted.approvers.push_back(approval.by);
        }
        return [this, granted] { admit(granted); };
    });
}

// The cause for the log, where what the client came in with is void; empty: it is not.
std::string Connection::revocation_cause() const {
    const auto list = shared_.access->revocations();
    const auth::Revocation* const found = list ? list->find(principal_) : nullptr;
    return found == nullptr ? "" : fmt::format("revoked: {}", auth::to_string(found->kind));
}

void Connection::admit(auth::Principal principal) {
    principal_ = std::move(principal);
    if (shared_.access == nullptr) {
        if (principal_.single_use) {
            refuse("0A000", "tokens for a single use are not supported without access.store",
                   "Tell the operator.", LoginCause::kUnsupported, "single use without a store");
            return;
        }
        if (take_place()) {
            find_database();
        }
        return;
    }
    if (!shared_.access->current() && !current_->config->access.accept_without_store) {
        refuse("57P03",
               "the store of grants does not answer, so that nobody can say what is revoked",
               "Try again in a moment; the operator's log has the reason.", LoginCause::kStore,
               "store: " + shared_.access->trouble());
        return;
    }
    revision_ = shared_.access->revision();
    if (const std::string cause = revocation_cause(); !cause.empty()) {
        bad_token(cause, LoginCause::kRevoked);
        return;
    }
    // Before a token for a single use is used up.
    if (!take_place()) {
        return;
    }
    if (!principal_.single_use) {
        find_database();
        return;
    }
    ask_store([this, issuer = principal_.issuer, token = principal_.token,
               expires = principal_.expires](auth::Store& store) -> std::function<void()> {
        const auto first = store.use_token(issuer, token, expires);
        if (!first) {
            return [this] {
                shared_.access->count_error();
                refuse("57P03", "the store of grants does not answer, and this token needs it",
                       "Try again in a moment.", LoginCause::kStore, "store");
            };
        }
        return [this, first = *first] { first ? find_database() : bad_token("used before"); };
    });
}

// From here on the login counts as a session: two at once would both find room otherwise.
bool Connection::take_place() {
    limits_ = config::limits_for(current_->config->limits, principal_.groups);
    if (limits_.logins_per_minute &&
        !shared_.logins.take(principal_.user, 1, *limits_.logins_per_minute, Rates::Clock::now())) {
        refuse("53400",
               fmt::format("more than {} logins a minute of user \"{}\" (limits.logins_per_minute)",
                           *limits_.logins_per_minute, principal_.user),
               "Wait some seconds, or let one session run many statements.", LoginCause::kLimit,
               "limits: logins_per_minute");
        return false;
    }
    if (auto place = shared_.sessions.take_place(principal_.user, limits_.max_sessions)) {
        place_.emplace(std::move(*place));
        return true;
    }
    refuse("53300",
           fmt::format("too many sessions of user \"{}\": {} at most (limits.max_sessions)",
                       principal_.user, *limits_.max_sessions),
           "Close one of them, or ask the operator for more.", LoginCause::kLimit,
           "limits: max_sessions");
    return false;
}

void Connection::find_database() {
    const auto database = current_->databases.find(login_.database());
    if (database == current_->databases.end()) {
        refuse("3D000", fmt::format("database \"{}\" does not exist", login_.database()),
               "Connect with a database name of vitrine's configuration.", LoginCause::kDatabase,
               "no such database");
        return;
    }
    database_ = database->second;
    database_settings_ = database_->settings();
    find_policy();
}

void Connection::wait_for_keys(std::string issuer) {
    phase_ = Phase::kKeys;
    // Whoever waits for an answer keeps no connection alive, and touches it on its own worker only.
    auto done = [weak = weak_from_this(), &context = context_](bool settled) {
        asio::post(context, [weak, settled] {
            const auto self = weak.lock();
            if (self && self->phase_ == Phase::kKeys) {
                self->keys_settled_ = settled;
                self->authenticate();
                self->pump();
            }
        });
    };
    shared_.jwks->refresh(std::move(issuer), std::move(done));
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
        context.costs_fixed = limits_.max_cost.has_value();
        context.search_path = {"pg_catalog"};
        const auto judgement = parser::judge(parser::as_set(name, value), *policy_, context);
        if (!judgement.allowed()) {
            const auto& refusal = *judgement.statements.front().refusal;
            refuse(refusal.sqlstate,
                   fmt::format("setting \"{}\" in the startup message: {}", name, refusal.message),
                   refusal.hint, LoginCause::kSetting, fmt::format("startup setting {}", name));
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
                                 LoginCause::kDatabase,
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

}  // namespace vitrine::net
