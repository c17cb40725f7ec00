// vitrine's own way into the server: from an open (and, where configured, encrypted) connection to
// the first ReadyForQuery (PostgreSQL documentation, "Start-up"). Without I/O.
//
// The session is pinned here, by the StartupMessage, whose settings outrank those of ALTER ROLE and
// ALTER DATABASE and are what RESET goes back to (DESIGN: "The session's own settings are pinned"):
// read-only, the lexer's settings, the encoding, and the key of the masks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/secret.h"
#include "proxy/wire/backend.h"
#include "proxy/wire/scram.h"

namespace vitrine::session {

// What the server reported in ParameterStatus messages, by name.
using ServerParameters = std::vector<std::pair<std::string, std::string>>;
// Takes over what it reports now.
void report(ServerParameters& parameters, std::string_view name, std::string_view value);

// The major version of PostgreSQL whose grammar reads the statements. A newer server may read the
// same text differently.
inline constexpr int kGrammarVersion = 15;
// Is a server of this major version taken, where the configuration names `named` (0: none)?
[[nodiscard]] bool version_is_taken(int major, int named);
// The major version of what a server calls itself: 16 of "16.1 (Debian 16.1-1)", of "17beta1" 17;
// 0: none.
[[nodiscard]] int major_version(std::string_view server_version);

struct ServerLoginOptions {
    std::string user;
    std::string dbname;
    config::Secret password;
    config::Secret mask_key;  // empty: no rule needs one
    std::string application_name;
    // Settings of the client's StartupMessage that judge() let through.
    std::vector<std::pair<std::string, std::string>> settings;
    int server_version = 0;        // server_version_num, from the catalog
    int named_version = 0;         // of the configuration
    std::string certificate_hash;  // tls-server-end-point; empty without TLS
    wire::ScramClient::Salted salted;
};

// A server session that has ended in order, and was told to forget it.
struct KeptSession {
    ServerParameters at_login;
    ServerParameters reported;  // by then
    std::optional<wire::BackendKeyData> key;
};

// What a server session is told at its end.
inline constexpr std::string_view kForget = "DISCARD ALL";

class ServerLogin {
  public:
    explicit ServerLogin(ServerLoginOptions options);
    // Goes on with a session that was sent kForget, whose answer has not been read: it must have
    // become what it was after its login.
    ServerLogin(ServerLoginOptions options, KeptSession kept);

    enum class Outcome : std::uint8_t { kGoOn, kReady, kFailed };
    // Takes whole messages from `bytes`; what it wants to send is in output().
    [[nodiscard]] Outcome step(std::string& bytes);

    [[nodiscard]] std::string& output() { return output_; }
    // kFailed: a sentence for the log, and the server's SQLSTATE where it gave one.
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

    // kReady:
    [[nodiscard]] const ServerParameters& parameters() const { return parameters_; }
    [[nodiscard]] const std::optional<wire::BackendKeyData>& key() const { return key_; }
    // current_schemas(true).
    [[nodiscard]] const std::vector<std::string>& search_path() const { return search_path_; }
    [[nodiscard]] bool in_hot_standby() const;

  private:
    Outcome message(char type, std::string_view payload);
    Outcome authentication(std::string_view payload);
    Outcome fail(std::string error);

    // The settings that must hold are asked for once, behind the first ReadyForQuery.
    enum class State : std::uint8_t {
        kAuthenticating,
        kAuthenticated,
        kForgetting,  // of a kept session
        kForgot,
        kAskedForState,
        kReady
    };
    [[nodiscard]] std::string not_as_at_login() const;
    State state_ = State::kAuthenticating;
    ServerLoginOptions options_;
    std::unique_ptr<wire::ScramClient> scram_;
    bool scram_verified_ = false;
    std::string output_;
    std::string error_;
    std::string sqlstate_;
    ServerParameters parameters_;
    ServerParameters at_login_;  // of a kept session
    std::optional<wire::BackendKeyData> key_;
    std::vector<std::string> search_path_;
    bool state_row_seen_ = false;
};

// May the server report this, when it reported `at_login` then, without the session having been got
// round? An empty answer: all is well; else the sentence for the log.
[[nodiscard]] std::string broken_pin(std::string_view name, std::string_view value,
                                     const ServerParameters& at_login);

// Takes apart the text form of a name[] ({public,"Mixed Case"}); false: it is not one.
[[nodiscard]] bool parse_name_array(std::string_view text, std::vector<std::string>& names);

// The query that asks for the search_path as the server resolves it: one row, one name[].
inline constexpr std::string_view kSearchPathQuery = "SELECT pg_catalog.current_schemas(true)";

}  // namespace vitrine::session
