// TLS contexts (OpenSSL 3). RFC 8446, RFC 7301 (ALPN), RFC 5929 (channel binding).
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"

namespace vitrine::net {

// Debian's bundle of the certificate authorities that a system trusts.
struct SslContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;
struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Ssl = std::unique_ptr<SSL, SslDeleter>;

// For clients: the listener's certificate and key, and the authorities of the clients' own where
// those are asked for. Throws std::runtime_error with a sentence.
[[nodiscard]] SslContext make_listener_context(const config::ListenTls& tls);

// For a server, as databases.*.tls says. Throws std::runtime_error with a sentence.
[[nodiscard]] SslContext make_server_context(const config::Database& database);
// A connection's TLS towards `host`: SNI, and the name that the certificate must have
// (verify-full).
[[nodiscard]] Ssl make_server_ssl(SSL_CTX* context, const config::Database& database,
                                  const std::string& host);

// Did the client negotiate ALPN "postgresql"? Needed for a direct TLS start.
[[nodiscard]] bool negotiated_postgresql(const SSL* ssl);

// The one common name (CN) in the subject of the peer's verified certificate; empty: there is no
// certificate, or none or several in it.
[[nodiscard]] std::string peer_common_name(const SSL* ssl);

// tls-server-end-point: the hash of the peer's certificate (RFC 5929, 4.1); empty: none to be had.
[[nodiscard]] std::string server_end_point(const SSL* ssl);

// When the certificate of a listener's context ends; nothing where it has none.
[[nodiscard]] std::optional<std::chrono::sys_seconds> certificate_end(const SSL_CTX* context);

// The newest error of this thread's OpenSSL queue, which is emptied; "" where there is none.
[[nodiscard]] std::string last_tls_error();

}  // namespace vitrine::net
