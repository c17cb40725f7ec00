// Any bytes as a record's text: what is written is JSON that gives the same bytes back, and what is
// printed holds no control character.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "proxy/audit/json_text.h"
#include "proxy/audit/terminal_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace vitrine::audit;
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    std::string written;
    const bool valid = append_json_string(written, text);
    const auto read = boost::json::parse(written);
    if (valid && read.as_string() != text) {
        std::abort();
    }
    std::ostringstream printed;
    print_block(printed, text);
    printed << printable(text);
    const std::string kept = printed.str();
    for (std::string_view rest = kept; !rest.empty();) {
        const std::size_t length = utf8_length(rest);
        const auto first = static_cast<unsigned char>(rest[0]);
        const bool control = (first < 0x20 && first != '\n') || first == 0x7F ||
                             (first == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0);
        if (length == 0 || control) {
            std::abort();
        }
        rest.remove_prefix(length);
    }
    return 0;
}
