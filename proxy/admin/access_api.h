// The calls of the HTTPS API (docs/access.md): who calls, may they, on record, done. One function
// authorises every call, and what it says is in the query log before anything is done.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "auth/grant.h"
#include "config/config.h"
#include "proxy/admin/http_server.h"
#include "proxy/net/shared.h"
#include "proxy/net/throttle.h"

namespace vitrine::admin {

class AccessApi {
  public:
    // `shared` has an AccessControl and outlives this.
    explicit AccessApi(net::Shared& shared) : shared_(shared) {}

    // Blocks on the store. Thread-safe.
    [[nodiscard]] HttpAnswer handle(HttpRequest& request);

  private:
    // The issuer of accounts of the store's own.
    static constexpr const char* kLocalIssuer = "local account";

    enum class Action : std::uint8_t {
        kWhoAmI,
        kRequest,
        kList,
        kShow,
        kApprove,
        kDeny,
        kRevoke,
        kReview,
        kToken,
        kRevokeMany,
        kSessions,
        kKill,
    };
    struct Call {
        const HttpRequest& request;
        auth::Identity who;
        bool operator_key = false;  // holds a token made with vitrine's own signing key for this
        bool first = true;          // it has not been let in before, and waits
        auth::Time now;
        std::shared_ptr<const net::Current> current;
        audit::SessionId id;
        boost::json::object body;

        [[nodiscard]] const config::Access& access() const { return current->config->access; }
    };
    // What a call is about, for the decision and the record.
    struct About {
        const auth::Grant* grant = nullptr;
        std::string database;
        std::string subject;  // a user, a session's id, or what is revoked
        bool own = false;     // the caller's
        std::string reason;
        std::string rule;
    };

    [[nodiscard]] static std::string_view name(Action action);
    // Empty: allowed. Otherwise why not, and how to go on.
    [[nodiscard]] std::string refusal(Action action, const Call& call, const About& about) const;
    [[nodiscard]] std::optional<HttpAnswer> record(Action action, const Call& call,
                                                   const About& about, const std::string& why);
    // Authorises and records: nothing may be done without. The answer where it is refused.
    [[nodiscard]] std::optional<HttpAnswer> door(Action action, const Call& call,
                                                 const About& about);

    // Who sends a request that waits.
    struct Known {
        auth::Identity who;
        bool operator_key = false;
    };
    enum class KeysAnswer : std::uint8_t;
    struct AwaitedKeys;

    // The answer where the caller is not known: none of them, or not yet.
    [[nodiscard]] std::optional<HttpAnswer> identify(HttpRequest& request, Call& call);
    [[nodiscard]] std::optional<HttpAnswer> identify_by_token(HttpRequest& request, Call& call,
                                                              std::string_view token);
    [[nodiscard]] std::optional<HttpAnswer> identify_by_password(const HttpRequest& request,
                                                                 Call& call,
                                                                 std::string_view credentials);
    // One answer for all that is no good, existing user or not; `cause` is for the logs.
    [[nodiscard]] HttpAnswer stranger(Call& call, const std::string& claimed,
                                      const std::string& cause);
    // Has the issuer asked for fresh keys. Nothing: it was; otherwise the answer for now.
    [[nodiscard]] std::optional<HttpAnswer> await_keys(HttpRequest& request,
                                                       const std::string& issuer);
    void ask_for_keys(AwaitedKeys& awaited, const std::string& issuer);
    [[nodiscard]] HttpAnswer route(Call& call);
    [[nodiscard]] HttpAnswer grants(Call& call, std::string_view rest);
    [[nodiscard]] HttpAnswer one_grant(Call& call, const std::string& id, std::string_view verb);
    [[nodiscard]] HttpAnswer request_grant(Call& call);
    [[nodiscard]] HttpAnswer list_grants(const Call& call);
    [[nodiscard]] HttpAnswer show_grant(const Call& call, const auth::Grant& grant);
    [[nodiscard]] HttpAnswer change_grant(const Call& call, const auth::Grant& grant,
                                          Action action);
    [[nodiscard]] HttpAnswer mint(const Call& call, const auth::Grant& grant);
    [[nodiscard]] HttpAnswer revoke_many(const Call& call);
    [[nodiscard]] HttpAnswer sessions(const Call& call);
    [[nodiscard]] HttpAnswer kill(const Call& call, const std::string& id);
    [[nodiscard]] HttpAnswer store_failed(const boost::system::error_code& error) const;
    [[nodiscard]] bool is_admin(const Call& call) const;
    // May this person know of the grant at all?
    [[nodiscard]] static bool concerns(const auth::Grant& grant, const auth::Identity& who);
    [[nodiscard]] bool is_own(const Call& call, const net::RunningSession& session) const;
    // Of something that there is not, or not for the caller.
    [[nodiscard]] HttpAnswer not_there(Action action, const Call& call, const About& about,
                                       std::string what, std::string hint);

    net::Shared& shared_;
    std::atomic<bool> derives_{false};  // a password, which takes long
    net::Throttle throttle_;
    std::atomic<bool> awaits_keys_{false};
};

}  // namespace vitrine::admin
