// Any bytes as a JWK Set: never a crash, and no key comes out that verifies nothing in particular.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/jwks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace vitrine::auth;
    const ParsedKeySet parsed = parse_key_set({reinterpret_cast<const char*>(bytes), size});
    if (parsed.problem.empty() == parsed.set.keys.empty()) {
        std::abort();
    }
    for (const PublicKey& key : parsed.set.keys) {
        if (!key.key || signature_fits(key, "text", "no signature")) {
            std::abort();
        }
    }
    return 0;
}
