// The verbs that talk to a running proxy: `vitrine access …`, `vitrine sessions …`; and those on
// its store's local accounts: `vitrine user …`.
#pragma once

#include <string>
#include <vector>

#include "proxy/audit/reader.h"

namespace vitrine::cli {

// Where the API is, and who asks.
struct ApiArguments {
    std::string api;         // https://HOST:PORT; default $VITRINE_API
    std::string ca;          // default $VITRINE_CA
    std::string config;      // on the proxy's machine, instead of the two
    std::string user;        // a local account; its password from $VITRINE_PASSWORD or typed
    std::string token_file;  // an identity provider's token; default $VITRINE_TOKEN
    audit::Format format = audit::Format::kTable;
};

struct AccessArguments {
    ApiArguments api;
    std::string grant;
    std::string database;
    std::string duration = "1h";
    std::string reason;
    std::string scope = "mine";
    std::string kind;  // of a revocation that is not of one grant: token, user, group, all
    std::string value;
    bool emergency = false;
    bool wait = false;
    bool handle = false;
    std::vector<std::string> psql;  // further arguments of psql's
};

struct UserArguments {
    std::string config;
    std::string user;
    std::vector<std::string> groups;
    audit::Format format = audit::Format::kTable;
};

int access_request(const AccessArguments& arguments);
int access_psql(const AccessArguments& arguments);
int access_list(const AccessArguments& arguments);
// "approve", "deny", "revoke" or "review".
int access_decide(const AccessArguments& arguments, const std::string& verb);
int access_revoke_many(const AccessArguments& arguments);
int access_token(const AccessArguments& arguments);

int sessions_list(const ApiArguments& arguments);
int sessions_kill(const ApiArguments& arguments, const std::string& session,
                  const std::string& reason);

int user_add(const UserArguments& arguments);
int user_password(const UserArguments& arguments);
int user_remove(const UserArguments& arguments);
int user_list(const UserArguments& arguments);

}  // namespace vitrine::cli
