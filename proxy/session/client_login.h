// A client's way in: from its first byte to a StartupMessage and a password (PostgreSQL
// documentation, "Start-up"). Without I/O: bytes in, bytes out, and what is wanted next.
//
//   kFirst ──SSLRequest──> kWantTls ──tls_started──> kEncrypted ──StartupMessage──> kWantStartup
//     │ ───TLS bytes─────> kWantDirectTls ─────────────^                                │
//     │ ───CancelRequest─> kCancel  (also from kEncrypted)                     ask_password()
//     └ ───anything else─> kRefused                                                     v
//                                              kHavePassword <──PasswordMessage── kPassword
//
// The token may come by SASL OAUTHBEARER instead (RFC 7628; PostgreSQL 18, "OAuth Authorization"):
//
//   kWantStartup ──ask_oauth()──> kSasl ──SASLInitialResponse──> kHavePassword ──reject_token()──┐
//                                   └ ─without data─> kSaslData ──SASLResponse──^                v
//                                                              kRefused <──dummy── kSaslRejected
//
// The connection ends where step() says kRefused: output() holds the last words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/wire/backend.h"
#include "proxy/wire/frontend.h"

namespace vitrine::session {

class ClientLogin {
  public:
    enum class Want : std::uint8_t {
        kMore,       // bytes from the client
        kTls,        // send output(), then start TLS and call tls_started()
        kDirectTls,  // the bytes are a ClientHello: start TLS with them, call tls_started()
        kStartup,    // user(), database(), settings() are there: call ask_password(), ask_oauth()
        kPassword,   // password() is there: the token; empty: an OAuth client has none yet
        kCancel,     // cancel() is there; the connection ends
        kRefused,    // send output() and close
    };

    // Takes bytes from `bytes` as far as they belong to the login and says what is wanted. To be
    // called again with the rest after each step that was carried out.
    [[nodiscard]] Want step(std::string& bytes);

    void tls_started() { state_ = State::kEncrypted; }
    // Answers the StartupMessage: NegotiateProtocolVersion where it is due, then the request for
    // the token.
    void ask_password();
    // The same, with the token by OAUTHBEARER.
    void ask_oauth();
    // After a token by OAUTHBEARER that is no good: tells the client where to get a better one, and
    // once it has answered to that, `refusal`.
    void reject_token(std::string_view issuer, std::string_view scope,
                      const wire::ErrorFields& refusal);

    [[nodiscard]] std::string& output() { return output_; }
    [[nodiscard]] const std::string& user() const { return user_; }
    [[nodiscard]] const std::string& database() const { return database_; }
    // What the client set in its StartupMessage besides user, database and replication, in its
    // order: run-time settings, and those of `options`, taken apart.
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& settings() const {
        return settings_;
    }
    [[nodiscard]] std::string_view application_name() const;
    // What the client wants to log in by: the setting `vitrine.login`, which is none of the server.
    enum class Method : std::uint8_t { kUnsaid, kPassword, kOAuth };
    [[nodiscard]] Method method() const { return method_; }
    // The token comes, or came, by OAUTHBEARER.
    [[nodiscard]] bool by_oauth() const { return by_oauth_; }
    [[nodiscard]] std::string& password() { return password_; }
    [[nodiscard]] wire::CancelRequest cancel() const { return cancel_; }
    // TLS began without an SSLRequest.
    [[nodiscard]] bool started_directly() const { return started_directly_; }
    // The client has not yet given a token.
    [[nodiscard]] bool password_pending() const { return state_ != State::kHavePassword; }
    // Why it was refused, for vitrine's own log.
    [[nodiscard]] std::string_view cause() const { return cause_; }

  private:
    enum class State : std::uint8_t {
        kFirst,
        kWantTls,
        kWantDirectTls,
        kEncrypted,
        kWantStartup,
        kPassword,
        kSasl,
        kSaslData,
        kSaslRejected,
        kHavePassword,
        kCancel,
        kRefused
    };
    Want packet(std::string_view packet);
    Want startup(const wire::StartupMessage& message);
    Want refuse(std::string_view sqlstate, std::string message, std::string hint = {});
    // The payload of the message 'p' that `bytes` begin with, once it is there; `want` is what to
    // say where there is none.
    [[nodiscard]] std::optional<std::string_view> response(std::string_view bytes, Want& want);
    Want take(std::string_view payload);
    Want take_oauthbearer(std::string_view message);
    [[nodiscard]] bool take_method();
    void write_negotiation();

    State state_ = State::kFirst;
    bool encrypted_ = false;
    bool declined_gss_ = false;
    bool started_directly_ = false;
    std::string output_;
    std::string user_;
    std::string database_;
    std::vector<std::pair<std::string, std::string>> settings_;
    std::uint16_t minor_ = 0;
    std::vector<std::string> unknown_options_;
    std::string password_;
    Method method_ = Method::kUnsaid;
    bool by_oauth_ = false;
    wire::ErrorFields refusal_;  // what follows the client's dummy
    wire::CancelRequest cancel_;
    std::string cause_;
};

// Takes apart the `options` of a StartupMessage: `-c name=value`, `-cname=value`,
// `--name=value`, white space escaped by a backslash (postgres.c, pg_split_opts). False where it
// is anything else.
[[nodiscard]] bool split_options(std::string_view options,
                                 std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace vitrine::session
