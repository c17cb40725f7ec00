// The addresses that a token is bound to.
#pragma once

#include <string_view>

namespace vitrine::auth {

// An IPv4 or IPv6 address, or a network in CIDR notation (RFC 4632) whose host bits are zero.
[[nodiscard]] bool is_network(std::string_view text);

// Is the address, without a port, that one or in that network? An IPv4 address that is written as
// an IPv6 one (::ffff:192.0.2.1) is that IPv4 address. False for a text that is none of it.
[[nodiscard]] bool network_contains(std::string_view network, std::string_view address);

}  // namespace vitrine::auth
