#include "auth/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace vitrine::auth {
namespace {

// An IPv4 address is kept as the IPv6 one that stands for it (RFC 4291 section 2.5.5.2).
using Bits = std::array<std::uint8_t, 16>;
constexpr Bits kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

struct Network {
    Bits bits{};
    unsigned size = 128;  // of the bits, how many count
};

std::optional<Network> parse_address(const std::string& text) {
    Network address;
    if (inet_pton(AF_INET6, text.c_str(), address.bits.data()) == 1) {
        return address;
    }
    address.bits = kMapped;
    if (inet_pton(AF_INET, text.c_str(), address.bits.data() + kMappedBits / 8) == 1) {
        return address;
    }
    return std::nullopt;
}

std::uint8_t host_mask(unsigned byte, unsigned size) {
    const unsigned first = byte * 8;
    return size <= first       ? 0xff
           : size >= first + 8 ? 0
                               : static_cast<std::uint8_t>(0xffU >> (size - first));
}

std::optional<Network> parse_network(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t slash = text.find('/');
    const std::string host(text.substr(0, slash));
    auto network = parse_address(host);
    if (!network || slash == std::string_view::npos) {
        return network;
    }
    const std::string_view digits = text.substr(slash + 1);
    const unsigned offset = host.find(':') == std::string::npos ? kMappedBits : 0;
    unsigned size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        (digits.size() > 1 && digits.front() == '0') || size > 128 - offset) {
        return std::nullopt;
    }
    network->size = offset + size;
    for (unsigned byte = 0; byte < network->bits.size(); ++byte) {
        if ((network->bits[byte] & host_mask(byte, network->size)) != 0) {
            return std::nullopt;
        }
    }
    return network;
}

}  // namespace

bool is_network(std::string_view text) {
    return parse_network(text).has_value();
}

bool network_contains(std::string_view network, std::string_view address) {
    // A link-local address comes with the interface it is reached by (RFC 4007 section 11).
    const auto outer = parse_network(network);
    const auto inner = parse_network(address.substr(0, address.find('%')));
    if (!outer || !inner || inner->size != 128) {
        return false;
    }
    for (unsigned byte = 0; byte < outer->bits.size(); ++byte) {
        const auto mask = static_cast<std::uint8_t>(~host_mask(byte, outer->size));
        if (((outer->bits[byte] ^ inner->bits[byte]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace vitrine::auth
