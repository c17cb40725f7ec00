// How vitrine proves the service role's password to a server: MD5 and SCRAM-SHA-256[-PLUS], the
// client's side (RFC 5802, RFC 7677, RFC 5929; PostgreSQL documentation, "SASL Authentication").
// Without I/O. Passwords are prepared with SASLprep (RFC 4013) as libpq does it: where that fails,
// the bytes stand as they are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

// "md5" and 32 hex digits, what the server expects behind an AuthenticationMD5Password.
[[nodiscard]] std::string md5_password(std::string_view user, std::string_view password,
                                       std::string_view salt);

// The expensive part of SCRAM: PBKDF2 over the password (2.5 to 4 ms for 4,096 rounds). The caller
// may keep what it gave for a (salt, iterations) pair.
struct SaltedPassword {
    std::string bytes;  // 32; wiped when it dies
    ~SaltedPassword();
};
[[nodiscard]] SaltedPassword salted_password(std::string_view password, std::string_view salt,
                                             std::uint32_t iterations);

// 18 random bytes in base64, as libpq makes them.
[[nodiscard]] std::string new_nonce();

class ScramClient {
  public:
    // `certificate_hash`: tls-server-end-point's data, empty where there is no TLS. `offers_plus`:
    // the server named SCRAM-SHA-256-PLUS. `salted`: gives salted_password() or what was kept.
    // `nonce`: printable, fresh for each exchange (new_nonce()).
    using Salted = std::function<SaltedPassword(std::string_view salt, std::uint32_t iterations)>;
    ScramClient(std::string nonce, std::string certificate_hash, bool offers_plus, Salted salted);
    ~ScramClient();
    ScramClient(const ScramClient&) = delete;
    ScramClient& operator=(const ScramClient&) = delete;

    // "SCRAM-SHA-256-PLUS" where both sides can, else "SCRAM-SHA-256".
    [[nodiscard]] std::string_view mechanism() const;
    [[nodiscard]] std::string client_first();
    // kAuthentication: nonce not an extension of ours, no salt, fewer than 4,096 or more than
    // 10,000,000 iterations, a mandatory extension, …
    [[nodiscard]] boost::system::result<std::string> client_final(std::string_view server_first);
    // kAuthentication: the server does not know the password's verifier either.
    [[nodiscard]] boost::system::result<void> verify(std::string_view server_final);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vitrine::wire
