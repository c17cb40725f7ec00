#include "proxy/cli/access_verbs.h"

#include <fmt/format.h>
#include <pwd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "auth/password.h"
#include "auth/store/store.h"
#include "config/utf8.h"
#include "proxy/admin/api_client.h"
#include "proxy/admin/operator_token.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/cli/verbs.h"
#include "proxy/net/access_control.h"
#include "proxy/wire/base64.h"

namespace vitrine::cli {

namespace json = boost::json;

namespace {

void complain(const std::string& sentence) {
    std::cerr << "vitrine: " << sentence << "\n";
}

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

auth::Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string text_of(const json::value& object, std::string_view name) {
    const json::value* const value =
        object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// One line from the terminal, unseen, or from what is piped in.
std::string read_password(const std::string& prompt) {
    termios before{};
    const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        std::cerr << prompt << std::flush;
        termios unseen = before;
        unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    }
    std::string password;
    std::getline(std::cin, password);
    if (terminal) {
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        std::cerr << "\n";
    }
    return password;
}

// Whoever runs this, as the system knows them; nothing that is taken from the environment.
std::string operator_name() {
    const passwd* const entry = ::getpwuid(::getuid());
    return std::string("operator:") +
           (entry == nullptr ? std::to_string(::getuid()) : std::string(entry->pw_name));
}

// A client of the API. Its constructor throws std::runtime_error where the arguments do not say
// enough.
class Api {
  public:
    Api(const ApiArguments& arguments, bool operator_may) {
        if (!arguments.config.empty() && !operator_may) {
            throw std::runtime_error(
                "--config speaks for the operator, who has no access of their "
                "own; say where the API is with --api and --ca");
        }
        if (!arguments.config.empty()) {
            config_ = load_or_complain(arguments.config);
            if (config_ == nullptr) {
                throw std::runtime_error(
                    "the configuration has problems; `vitrine check --config " + arguments.config +
                    "` lists them");
            }
            if (config_->access.api_address.empty()) {
                throw std::runtime_error(
                    "the configuration has no access.api to talk to; write "
                    "api: {address: 127.0.0.1:6443} under access");
            }
            address_.host = config_->access.api_address;
            if (address_.host == "0.0.0.0" || address_.host == "::" || address_.host == "*") {
                address_.host = "127.0.0.1";
            }
            address_.port = config_->access.api_port;
            address_.ca = config_->listen.tls.certificate.string();
            address_.pinned = true;
        } else {
            take_url(arguments.api.empty() ? environment("VITRINE_API") : arguments.api);
            address_.ca = arguments.ca.empty() ? environment("VITRINE_CA") : arguments.ca;
        }
        identify(arguments);
    }

    [[nodiscard]] admin::ApiAnswer call(const std::string& method, const std::string& target,
                                        const json::value& body = nullptr) const {
        return admin::call_api(address_, authorization_, method, target, body);
    }
    [[nodiscard]] const admin::ApiAddress& address() const { return address_; }

  private:
    void take_url(const std::string& url) {
        constexpr std::string_view kScheme = "https://";
        if (url.empty()) {
            throw std::runtime_error(
                "say where the API is: --api https://HOST:PORT, or in "
                "VITRINE_API; on the proxy's machine, --config FILE");
        }
        std::string rest = url;
        if (!rest.starts_with(kScheme)) {
            throw std::runtime_error(
                "the API is spoken to over TLS alone: --api https://HOST:PORT");
        }
        rest.erase(0, kScheme.size());
        while (rest.ends_with('/')) {
            rest.pop_back();
        }
        const std::size_t bracket = rest.find(']');
        const std::size_t colon =
            rest.find(':', rest.starts_with('[') && bracket != std::string::npos ? bracket : 0);
        address_.host = rest.substr(0, colon);
        if (address_.host.starts_with('[')) {
            address_.host = address_.host.substr(1, address_.host.size() - 2);
        }
        if (colon != std::string::npos) {
            const std::string port = rest.substr(colon + 1);
            const auto [end, error] =
                std::from_chars(port.data(), port.data() + port.size(), address_.port);
            if (error != std::errc() || end != port.data() + port.size() || address_.port == 0) {
                throw std::runtime_error("--api has no port in " + url +
                                         "; write https://HOST:PORT");
            }
        }
        if (address_.host.empty()) {
            throw std::runtime_error("--api has no host in " + url + "; write https://HOST:PORT");
        }
    }

    void identify(const ApiArguments& arguments) {
        std::string token = environment("VITRINE_TOKEN");
        if (!arguments.token_file.empty()) {
            std::ifstream in(arguments.token_file, std::ios::binary);
            std::getline(in, token);
            if (token.empty()) {
                throw std::runtime_error("there is no token in " + arguments.token_file);
            }
        }
        if (!arguments.user.empty()) {
            std::string password = environment("VITRINE_PASSWORD");
            if (password.empty()) {
                password = read_password("Password of " + arguments.user + ": ");
            }
            authorization_ = "Basic " + wire::to_base64(arguments.user + ":" + password);
        } else if (!token.empty()) {
            authorization_ = "Bearer " + token;
        } else if (config_ != nullptr) {
            const auto made = admin::make_operator_token(config_->auth, operator_name(), now());
            if (!made) {
                throw std::runtime_error(
                    "no issuer under auth.issuers has a signing_key to speak "
                    "to the proxy with; use --token-file or --user");
            }
            authorization_ = "Bearer " + *made;
        } else {
            throw std::runtime_error(
                "say who you are: --token-file FILE or VITRINE_TOKEN with a "
                "token of your identity provider, or --user NAME");
        }
    }

    std::shared_ptr<const config::Config> config_;
    admin::ApiAddress address_;
    std::string authorization_;
};

// Says what the API objects to; the exit status.
int refused(const admin::ApiAnswer& answer) {
    std::string sentence = text_of(answer.body, "error");
    if (sentence.empty()) {
        sentence = fmt::format("the API answers with status {}", answer.status);
    }
    const std::string hint = text_of(answer.body, "hint");
    complain(audit::printable(hint.empty() ? sentence : sentence + "; " + hint));
    return answer.status == 400 || answer.status >= 500 ? kCouldNotRun : kNotSo;
}

// Runs a verb; what it throws is the sentence for the user.
template <class Verb>
int guarded(Verb verb) {
    try {
        return verb();
    } catch (const std::exception& error) {
        complain(error.what());
        return kCouldNotRun;
    }
}

std::string time_text(const json::value& object, std::string_view name) {
    std::string text = text_of(object, name);
    std::ranges::replace(text, 'T', ' ');
    return text.ends_with('Z') ? text.substr(0, text.size() - 1) : text;
}

std::string joined(const json::value& object, std::string_view name, std::string_view member = {}) {
    std::string all;
    const json::value* const list =
        object.is_object() ? object.get_object().if_contains(name) : nullptr;
    if (list == nullptr || !list->is_array()) {
        return all;
    }
    for (const json::value& item : list->get_array()) {
        const std::string text =
            member.empty() ? (item.is_string() ? std::string(item.get_string()) : std::string())
                           : text_of(item, member);
        all += (all.empty() ? "" : ", ") + text;
    }
    return all;
}

std::int64_t number_of(const json::value& object, std::string_view name) {
    const json::value* const value =
        object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool flag_of(const json::value& object, std::string_view name) {
    const json::value* const value =
        object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::string duration_text(std::int64_t seconds) {
    if (seconds % 3600 == 0) {
        return fmt::format("{}h", seconds / 3600);
    }
    return seconds % 60 == 0 ? fmt::format("{}m", seconds / 60) : fmt::format("{}s", seconds);
}

void print_grants(const json::array& grants) {
    audit::Table table(
        {"grant", "state", "user", "database", "for", "ends (UTC)", "approvals", "reason"});
    for (const json::value& grant : grants) {
        const std::int64_t needed = number_of(grant, "approvals_needed");
        std::string approvals = joined(grant, "approvals", "by");
        if (text_of(grant, "state") == "pending") {
            const auto have = static_cast<std::int64_t>(
                grant.at("approvals").is_array() ? grant.at("approvals").get_array().size() : 0);
            approvals =
                fmt::format("{} of {}, by {}", have, needed, joined(grant, "approver_groups"));
        }
        if (grant.at("emergency").is_bool() && grant.at("emergency").get_bool()) {
            const std::string by = text_of(grant, "reviewed_by");
            approvals = by.empty() ? "EMERGENCY, not reviewed" : "emergency, reviewed by " + by;
        }
        table.row({text_of(grant, "id"), text_of(grant, "state"), text_of(grant, "user"),
                   text_of(grant, "database"), duration_text(number_of(grant, "seconds")),
                   time_text(grant, "ends"), approvals, text_of(grant, "reason")});
    }
    table.print(std::cout);
}

// As a shell takes it.
std::string shell_quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) {
        quoted += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return quoted + "'";
}

// A value of a connection string (libpq: single quotes and backslashes are escaped).
std::string conninfo_value(const std::string& text) {
    const auto is_plain = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               std::string_view("._-/@:").find(c) != std::string_view::npos;
    };
    if (!text.empty() && std::ranges::all_of(text, is_plain)) {
        return text;
    }
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            quoted += '\\';
        }
        quoted += c;
    }
    return quoted + "'";
}

std::string conninfo(const Api& api, const json::value& token) {
    std::string text =
        fmt::format("host={} port={} dbname={} user={}", conninfo_value(api.address().host),
                    number_of(token, "port"), conninfo_value(text_of(token, "database")),
                    conninfo_value(text_of(token, "user")));
    if (!api.address().ca.empty()) {
        text += " sslmode=verify-full sslrootcert=" + conninfo_value(api.address().ca);
    } else {
        text += " sslmode=verify-full";
    }
    return text;
}

// Asks for the token of a grant.
admin::ApiAnswer fetch_token(const Api& api, const std::string& grant, bool handle) {
    return api.call("POST", "/v1/grants/" + grant + "/token", json::object{{"handle", handle}});
}

std::string password_of(const json::value& token) {
    const std::string handle = text_of(token, "handle");
    return handle.empty() ? text_of(token, "token") : handle;
}

int print_token(const Api& api, const json::value& token, audit::Format format) {
    if (format == audit::Format::kJson) {
        json::object object = token.get_object();
        object["connect"] = conninfo(api, token);
        std::cout << json::serialize(object) << "\n";
        return kDone;
    }
    std::cout << "PGPASSWORD=" << shell_quoted(password_of(token)) << " psql "
              << shell_quoted(conninfo(api, token)) << "\n";
    return kDone;
}

// Waits until somebody has decided. The grant as it is then.
json::value wait_for(const Api& api, json::value grant) {
    if (text_of(grant, "state") == "pending") {
        std::cerr << "waiting for " << number_of(grant, "approvals_needed") << " approval(s) by "
                  << joined(grant, "approver_groups") << " (Ctrl-C leaves the request open)\n";
    }
    while (text_of(grant, "state") == "pending") {
        auto answer = api.call("GET", "/v1/grants/" + text_of(grant, "id") + "?wait=25s");
        if (answer.status != 200) {
            throw std::runtime_error(text_of(answer.body, "error"));
        }
        grant = std::move(answer.body);
    }
    return grant;
}

// The grant that was asked for; nothing, with the exit status, where that was refused.
std::optional<json::value> ask(const Api& api, const AccessArguments& arguments, int& status) {
    auto answer = api.call("POST", "/v1/grants",
                           json::object{{"database", arguments.database},
                                        {"for", arguments.duration},
                                        {"reason", arguments.reason},
                                        {"emergency", arguments.emergency}});
    if (answer.status != 201) {
        status = refused(answer);
        return std::nullopt;
    }
    return arguments.wait ? wait_for(api, std::move(answer.body)) : std::move(answer.body);
}

bool is_active(const json::value& grant) {
    return text_of(grant, "state") == "active";
}

}  // namespace

int access_request(const AccessArguments& arguments) {
    return guarded([&] {
        const Api api(arguments.api, false);
        int status = kDone;
        const auto grant = ask(api, arguments, status);
        if (!grant) {
            return status;
        }
        if (!is_active(*grant)) {
            if (arguments.api.format == audit::Format::kJson) {
                std::cout << json::serialize(*grant) << "\n";
            } else {
                print_grants({*grant});
                if (text_of(*grant, "state") == "pending") {
                    std::cerr << "then: vitrine access token " << text_of(*grant, "id") << "\n";
                }
            }
            return text_of(*grant, "state") == "pending" ? kDone : kNotSo;
        }
        const auto token = fetch_token(api, text_of(*grant, "id"), arguments.handle);
        if (token.status != 201) {
            return refused(token);
        }
        if (arguments.api.format == audit::Format::kTable) {
            audit::Table table({"grant", "user", "database", "ends (UTC)", "policy", "reason"});
            table.row({text_of(*grant, "id"), text_of(*grant, "user"), text_of(*grant, "database"),
                       time_text(*grant, "ends"), text_of(*grant, "policy"),
                       text_of(*grant, "reason")});
            table.print(std::cout);
            std::cout << "\n";
        }
        return print_token(api, token.body, arguments.api.format);
    });
}

int access_token(const AccessArguments& arguments) {
    return guarded([&] {
        const Api api(arguments.api, false);
        const auto token = fetch_token(api, arguments.grant, arguments.handle);
        return token.status == 201 ? print_token(api, token.body, arguments.api.format)
                                   : refused(token);
    });
}

int access_psql(const AccessArguments& arguments) {
    return guarded([&] {
        const Api api(arguments.api, false);
        AccessArguments waiting = arguments;
        waiting.wait = true;
        int status = kDone;
        const auto grant = ask(api, waiting, status);
        if (!grant) {
            return status;
        }
        if (!is_active(*grant)) {
            complain("the request was " + text_of(*grant, "state") + ": " +
                     audit::printable(text_of(*grant, "end_reason")));
            return kNotSo;
        }
        const auto token = fetch_token(api, text_of(*grant, "id"), false);
        if (token.status != 201) {
            return refused(token);
        }
        // By the environment: arguments stand in every process list.
        if (::setenv("PGPASSWORD", password_of(token.body).c_str(), 1) != 0) {
            throw std::runtime_error("the environment has no room for the token");
        }
        ::unsetenv("VITRINE_TOKEN");
        ::unsetenv("VITRINE_PASSWORD");
        std::vector<std::string> words = {"psql", conninfo(api, token.body)};
        words.insert(words.end(), arguments.psql.begin(), arguments.psql.end());
        std::vector<char*> pointers;
        for (std::string& word : words) {
            pointers.push_back(word.data());
        }
        pointers.push_back(nullptr);
        ::execvp("psql", pointers.data());
        throw std::runtime_error(
            "psql cannot be started; install postgresql-client, or use "
            "`vitrine access token " +
            text_of(*grant, "id") + "`");
    });
}

int access_list(const AccessArguments& arguments) {
    return guarded([&] {
        const Api api(arguments.api, true);
        const auto answer = api.call("GET", "/v1/grants?scope=" + arguments.scope);
        if (answer.status != 200) {
            return refused(answer);
        }
        if (arguments.api.format == audit::Format::kJson) {
            std::cout << json::serialize(answer.body) << "\n";
        } else {
            print_grants(answer.body.as_array());
        }
        if (answer.cut) {
            complain(fmt::format("there are more than these {} grants; {}",
                                 answer.body.as_array().size(),
                                 arguments.scope == "emergencies"
                                     ? "review some of them (the oldest are listed first)"
                                     : "the newest are listed"));
        }
        return kDone;
    });
}

int access_decide(const AccessArguments& arguments, const std::string& verb) {
    return guarded([&] {
        const Api api(arguments.api, verb == "revoke" || verb == "review");
        const auto answer = api.call("POST", "/v1/grants/" + arguments.grant + "/" + verb,
                                     json::object{{"reason", arguments.reason}});
        if (answer.status != 200) {
            return refused(answer);
        }
        if (arguments.api.format == audit::Format::kJson) {
            std::cout << json::serialize(answer.body) << "\n";
        } else {
            print_grants({answer.body});
        }
        return kDone;
    });
}

int access_revoke_many(const AccessArguments& arguments) {
    return guarded([&] {
        const Api api(arguments.api, true);
        const auto answer = api.call("POST", "/v1/revocations",
                                     json::object{{"kind", arguments.kind},
                                                  {"value", arguments.value},
                                                  {"reason", arguments.reason}});
        if (answer.status != 200) {
            return refused(answer);
        }
        const std::string what = audit::printable(text_of(answer.body, "revoked"));
        const std::int64_t grants = number_of(answer.body, "grants");
        const std::int64_t sessions = number_of(answer.body, "sessions");
        const bool account = flag_of(answer.body, "account");
        if (arguments.api.format == audit::Format::kJson) {
            std::cout << json::serialize(answer.body) << "\n";
        } else {
            std::cout << fmt::format(
                "revoked: {} ({} open grant{}, {} session{} at this proxy{})\n", what, grants,
                grants == 1 ? "" : "s", sessions, sessions == 1 ? "" : "s",
                account ? ", the local account is disabled" : "");
        }
        if (grants == 0 && sessions == 0 && !account) {
            complain(
                "nothing here is " + what +
                "'s: no open grant, no session at this proxy, no local account. The revocation "
                "stands and voids what was issued until now; make sure that the name is spelled "
                "as in the tokens, in upper and lower case too");
        }
        return kDone;
    });
}

int sessions_list(const ApiArguments& arguments) {
    return guarded([&] {
        const Api api(arguments, true);
        const auto answer = api.call("GET", "/v1/sessions");
        if (answer.status != 200) {
            return refused(answer);
        }
        if (arguments.format == audit::Format::kJson) {
            std::cout << json::serialize(answer.body) << "\n";
            return kDone;
        }
        audit::Table table({"session", "user", "database", "client", "application", "since (UTC)",
                            "expires (UTC)", "grant"});
        for (const json::value& session : answer.body.as_array()) {
            table.row({text_of(session, "session"), text_of(session, "user"),
                       text_of(session, "database"), text_of(session, "client"),
                       text_of(session, "application"), time_text(session, "since"),
                       time_text(session, "expires"), text_of(session, "grant")});
        }
        table.print(std::cout);
        return kDone;
    });
}

int sessions_kill(const ApiArguments& arguments, const std::string& session,
                  const std::string& reason) {
    return guarded([&] {
        const Api api(arguments, true);
        const auto answer =
            api.call("POST", "/v1/sessions/" + session + "/kill", json::object{{"reason", reason}});
        if (answer.status != 200) {
            return refused(answer);
        }
        std::cout << "ended: " << audit::printable(text_of(answer.body, "killed")) << "\n";
        return kDone;
    });
}

namespace {

// The store of the configuration; throws std::runtime_error where there is none.
std::unique_ptr<auth::Store> open_store(const std::string& file) {
    const auto config = load_or_complain(file);
    if (config == nullptr) {
        throw std::runtime_error("the configuration has problems; `vitrine check --config " + file +
                                 "` lists them");
    }
    if (!config->access.configured()) {
        throw std::runtime_error(
            "the configuration has no access.store; write store: "
            "sqlite:access.db under access");
    }
    std::string error;
    auto store = net::open_store(config->access, error);
    if (!store) {
        throw std::runtime_error("the store cannot be used: " + error);
    }
    return std::move(*store);
}

std::string new_password(const std::string& user) {
    std::string password = environment("VITRINE_PASSWORD");
    if (password.empty()) {
        password = read_password("New password of " + user + ": ");
        if (::isatty(STDIN_FILENO) == 1 && read_password("The same again: ") != password) {
            throw std::runtime_error("the two are not the same; nothing was changed");
        }
    }
    constexpr std::size_t kPasswordCharactersMin = 12;
    if (password.size() < kPasswordCharactersMin || !config::is_printable(password)) {
        throw std::runtime_error(fmt::format("a password has at least {} characters, in one line",
                                             kPasswordCharactersMin));
    }
    return password;
}

int store_problem(auth::Store& store, const boost::system::error_code& error,
                  const std::string& user) {
    if (error == auth::StoreError::kNotFound) {
        complain("there is no account " + user + "; `vitrine user list` shows those there are");
        return kNotSo;
    }
    if (error == auth::StoreError::kExists) {
        complain("there is an account " + user +
                 " already; `vitrine user password` changes its "
                 "password");
        return kNotSo;
    }
    const std::string problem = store.last_problem();
    complain("the store cannot be used: " + (problem.empty() ? error.message() : problem));
    return kCouldNotRun;
}

}  // namespace

int user_add(const UserArguments& arguments) {
    return guarded([&] {
        const auto store = open_store(arguments.config);
        if (!config::is_printable(arguments.user) || arguments.user.empty() ||
            arguments.user.find(':') != std::string::npos) {
            throw std::runtime_error("a user's name is a text of one line without a colon");
        }
        const auth::Account account{.user = arguments.user,
                                    .groups = arguments.groups,
                                    .password = auth::encode_password(new_password(arguments.user)),
                                    .created = now()};
        const auto added = store->add_account(account);
        return added ? kDone : store_problem(*store, added.error(), arguments.user);
    });
}

int user_password(const UserArguments& arguments) {
    return guarded([&] {
        const auto store = open_store(arguments.config);
        auto account = store->account(arguments.user);
        if (!account) {
            return store_problem(*store, account.error(), arguments.user);
        }
        account->password = auth::encode_password(new_password(arguments.user));
        account->disabled = false;
        if (!arguments.groups.empty()) {
            account->groups = arguments.groups;
        }
        const auto replaced = store->replace_account(*account);
        return replaced ? kDone : store_problem(*store, replaced.error(), arguments.user);
    });
}

int user_remove(const UserArguments& arguments) {
    return guarded([&] {
        const auto store = open_store(arguments.config);
        const auto removed = store->remove_account(arguments.user);
        if (!removed) {
            return store_problem(*store, removed.error(), arguments.user);
        }
        // Whoever has no account any more has no access either.
        const auto config = load_or_complain(arguments.config);
        const auth::Revocation revocation{.kind = auth::Revocation::Kind::kUser,
                                          .value = arguments.user,
                                          .at = now(),
                                          .by = "vitrine user remove",
                                          .reason = "the account was removed"};
        const auto revoked = store->revoke(
            revocation, now() + config->auth.max_token_lifetime + std::chrono::hours(24));
        return revoked ? kDone : store_problem(*store, revoked.error(), arguments.user);
    });
}

int user_list(const UserArguments& arguments) {
    return guarded([&] {
        const auto store = open_store(arguments.config);
        const auto accounts = store->accounts();
        if (!accounts) {
            return store_problem(*store, accounts.error(), "");
        }
        if (arguments.format == audit::Format::kJson) {
            json::array list;
            for (const auth::Account& account : *accounts) {
                json::array groups;
                for (const std::string& group : account.groups) {
                    groups.emplace_back(group);
                }
                list.push_back({{"user", account.user},
                                {"groups", std::move(groups)},
                                {"disabled", account.disabled}});
            }
            std::cout << json::serialize(list) << "\n";
            return kDone;
        }
        audit::Table table({"user", "groups", "state"});
        for (const auth::Account& account : *accounts) {
            table.row({account.user, fmt::format("{}", fmt::join(account.groups, ", ")),
                       account.disabled ? "disabled" : "active"});
        }
        table.print(std::cout);
        return kDone;
    });
}

}  // namespace vitrine::cli
