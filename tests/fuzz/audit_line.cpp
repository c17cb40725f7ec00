// Lines of a log file that an attacker wrote: taken apart without harm, and only if sealing the
// parts again gives the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proxy/audit/chain.h"
#include "proxy/audit/ledger_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace vitrine::audit;
    const std::string_view line(reinterpret_cast<const char*>(bytes), size);
    static_cast<void>(read_entry(line));
    if (const auto parsed = parse_line(line)) {
        std::string again(parsed->signature.empty()
                              ? parsed->hashed
                              : parsed->hashed.substr(0, parsed->signed_bytes.size()));
        if (!parsed->signature.empty()) {
            append_signature(again, parsed->signature);
        }
        again.append(",\"hash\":\"").append(parsed->hash).append("\"}");
        if (again != line || parsed->seq == 0) {
            std::abort();
        }
    }
    return 0;
}
