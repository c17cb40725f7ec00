// A server's byte stream: each message framed and decoded; rows and counts no larger than the
// bytes they came in.
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/wire/backend.h"
#include "proxy/wire/frame.h"

namespace {

using namespace vitrine;

void ensure(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <typename Decode>
auto decode_whole(std::string_view payload, Decode decode) {
    const auto decoded = decode(payload);
    if (decoded) {
        ensure(payload.empty() || !decode(payload.substr(0, payload.size() - 1)));
        ensure(!decode(std::string(payload) + '\0'));
    }
    return decoded;
}

void check_authentication(std::string_view payload) {
    const auto decoded = wire::decode_authentication(payload);
    if (decoded && decoded->kind == static_cast<std::int32_t>(wire::AuthenticationKind::kOk)) {
        ensure(payload.size() == 4 && decoded->body.empty() && decoded->mechanisms.empty());
    }
}

void check_fields(char type, std::string_view payload) {
    const auto decoded = decode_whole(payload, wire::decode_fields);
    if (!decoded) {
        return;
    }
    std::string out;
    wire::write_fields(out, type, decoded->fields);
    ensure(out.size() <= payload.size() + wire::kHeaderBytes);
    const auto again = wire::decode_fields(std::string_view(out).substr(wire::kHeaderBytes));
    ensure(again.has_value() && again->fields == decoded->fields);
}

// vitrine's own errors carry texts from anywhere: they stay one message with known fields.
void check_words(std::string_view text) {
    const std::string words(text);
    std::string out;
    wire::write_error_response(out, {"ERROR", "42501", words, words, words, 1});
    const auto header = wire::peek_backend(out);
    ensure(header.has_value() && header->has_value() && (*header)->size == out.size());
    const auto decoded = wire::decode_fields(std::string_view(out).substr(wire::kHeaderBytes));
    ensure(decoded.has_value());
    ensure(decoded->fields.size() == (words.empty() ? 5u : 7u));
    ensure(decoded->get('P') == "1");
}

void check(char type, std::string_view payload) {
    switch (type) {
        case 'R':
            check_authentication(payload);
            break;
        case 'K':
            static_cast<void>(decode_whole(payload, wire::decode_backend_key_data));
            break;
        case 'S':
            static_cast<void>(decode_whole(payload, wire::decode_parameter_status));
            break;
        case 'Z':
            static_cast<void>(decode_whole(payload, wire::decode_ready_for_query));
            break;
        case 'C':
            if (const auto complete = decode_whole(payload, wire::decode_command_complete)) {
                static_cast<void>(complete->rows());
            }
            break;
        case 'T':
            if (const auto row = decode_whole(payload, wire::decode_row_description)) {
                ensure(row->fields.size() * 19 + 2 <= payload.size());
            }
            break;
        case 'D':
            if (const auto row = decode_whole(payload, wire::decode_data_row)) {
                ensure(row->values.size() * 4 + 2 <= payload.size());
            }
            break;
        case 'E':
        case 'N':
            check_fields(type, payload);
            break;
        default:
            break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    check_words(rest);
    for (;;) {
        const auto header = wire::peek_backend(rest);
        if (!header || !*header || (*header)->size > rest.size()) {
            return 0;
        }
        const std::vector<char> payload(
            rest.begin() + wire::kHeaderBytes,
            rest.begin() + static_cast<std::ptrdiff_t>((*header)->size));
        check((*header)->type, std::string_view(payload.data(), payload.size()));
        rest.remove_prefix((*header)->size);
    }
}
