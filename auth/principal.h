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
    Time expires;        // exp
};

}  // namespace vitrine::auth
