// Who came in, to what, until when, and why: what a verified token says (INTERFACE: "The token").
// A plain value, carried by the session and written into every session_start record.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace vitrine::auth {

using Time = std::chrono::sys_seconds;

struct Principal {
    std::string user;
    std::string database;
    std::vector<std::string> groups;
    std::string token;   // jti: all that is ever written of a token
    std::string issuer;  // iss
    std::string grant;   // empty: not from a grant
    std::string reason;  // empty: none on record
    // No earlier than this it was issued: iat, less the clock skew where it is from no grant.
    Time issued;
    Time expires;                        // exp
    std::string client_address;          // an address or a network that it is bound to; empty: none
    bool single_use = false;             // good for one login
    std::vector<std::string> approvers;  // of the grant, by name
};

}  // namespace vitrine::auth
