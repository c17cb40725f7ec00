// The other end of the API, for the program's verbs: one call, over TLS with the certificate
// verified.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

namespace vitrine::admin {

struct ApiAddress {
    std::string host;
    std::uint16_t port = 6443;
    std::string ca;  // PEM; empty: the system's
    // `ca` is the very certificate of the proxy, read from its own configuration: it need not be
    // for `host`, which may be 127.0.0.1.
    bool pinned = false;
};

struct ApiAnswer {
    unsigned status = 0;
    boost::json::value body;
    bool cut = false;  // a list, of which there is more
};

// Throws std::runtime_error, one sentence with the way out, where there is no answer: no
// connection, another certificate, no JSON. `body` null: none is sent.
[[nodiscard]] ApiAnswer call_api(const ApiAddress& address, const std::string& authorization,
                                 const std::string& method, const std::string& target,
                                 const boost::json::value& body);

}  // namespace vitrine::admin
