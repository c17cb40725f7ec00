// What TLS reads from and writes to: a socket, as with OpenSSL's own BIO_s_socket(); but it also
// knows whether there may be more to read, and lets several records leave together.
#pragma once

#include <openssl/bio.h>

namespace vitrine::net {

struct BioSocket {
    int descriptor = -1;
    // The last recv(2) got less than it asked for: whatever comes later makes the socket readable
    // again (epoll(7), question 9).
    bool drained = false;
    bool closed = false;  // by the peer
    // Another record follows at once: what is sent now may wait for it (MSG_MORE).
    bool more_follows = false;
};

// Does not close the socket. `socket` outlives it. Throws std::bad_alloc.
[[nodiscard]] BIO* make_socket_bio(BioSocket& socket);

}  // namespace vitrine::net
