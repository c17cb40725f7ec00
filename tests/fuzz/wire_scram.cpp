// A hostile server's two SCRAM messages, divided by the first newline. It does not know the
// password, so whatever it says, it must never be taken for the server. And SASLprep over the
// same bytes.
#include <cstdlib>
#include <string>

#include "proxy/wire/saslprep.h"
#include "proxy/wire/scram.h"

namespace {

using namespace vitrine;

void ensure(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// Stands for the derived key, which would take milliseconds.
wire::SaltedPassword kept(std::string_view salt, std::uint32_t iterations) {
    ensure(!salt.empty() && iterations >= 4096 && iterations <= 10'000'000);
    return {std::string("0123456789abcdef0123456789abcdef")};
}

void check(const std::string& certificate_hash, bool offers_plus, std::string_view first,
           std::string_view final) {
    wire::ScramClient client("nonce", certificate_hash, offers_plus, kept);
    ensure(!client.client_first().empty());
    const auto answer = client.client_final(first);
    if (answer) {
        ensure(first.starts_with("r=nonce"));
        ensure(answer->find("nonce") != std::string::npos);
        ensure(answer->find(",p=") != std::string::npos);
    }
    ensure(!client.verify(final));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    const std::size_t newline = std::min(input.find('\n'), size);
    // Copies, so that a read behind their ends is seen.
    const std::string first(input.substr(0, newline));
    const std::string final(input.substr(std::min(newline + 1, size)));
    check("", false, first, final);
    check("hash", false, first, final);
    check("hash", true, first, final);
    // A server without the password still knows how its messages begin.
    check("hash", true, "r=nonce" + first, "v=" + final);

    const std::string prepared = wire::saslprep(input);
    ensure(!input.empty() || prepared.empty());
    ensure(input.empty() || !prepared.empty());
    return 0;
}
