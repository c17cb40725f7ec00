// Start-up packets: whatever is accepted says the same when it is written again.
#include <cstdlib>
#include <string>
#include <vector>

#include "config/limits.h"
#include "proxy/wire/frame.h"
#include "proxy/wire/frontend.h"

namespace {

using namespace vitrine;

void ensure(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check(const wire::StartupMessage& startup) {
    ensure(startup.major == 3);
    std::string out;
    wire::write_startup_message(out, startup.parameters);
    const auto again = wire::decode_startup(out);
    ensure(again.has_value());
    ensure(std::get<wire::StartupMessage>(again.value()).parameters == startup.parameters);
    for (const auto& [name, value] : startup.parameters) {
        ensure(!name.empty());
        ensure(startup.parameter(name).has_value());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    // A copy that ends where its memory ends, so that a read behind it is seen.
    const std::vector<char> copy(bytes, bytes + size);
    const std::string_view input(copy.data(), copy.size());
    const auto framed = wire::peek_startup(input);
    if (!framed || !*framed) {
        return 0;
    }
    ensure(**framed >= 8 && **framed <= limits::kStartupPacketBytesMax);
    if (**framed > input.size()) {
        return 0;
    }
    const std::string_view packet = input.substr(0, **framed);
    const auto decoded = wire::decode_startup(packet);
    if (decoded) {
        if (const auto* startup = std::get_if<wire::StartupMessage>(&decoded.value())) {
            check(*startup);
        }
        // It was whole: with one byte less it is not.
        ensure(!wire::decode_startup(packet.substr(0, packet.size() - 1)));
    }
    return 0;
}
