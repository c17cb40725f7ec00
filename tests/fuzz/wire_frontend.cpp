// A client's byte stream. The first byte of the input seeds how the rest is cut into chunks: the
// messages must not depend on it. Each message is decoded, and what can be written is written
// again.
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "proxy/wire/binary_value.h"
#include "proxy/wire/frame.h"
#include "proxy/wire/frontend.h"

namespace {

using namespace vitrine;

void ensure(bool holds) {
    if (!holds) {
        std::abort();
    }
}

struct Stream {
    std::vector<std::string> messages;
    boost::system::error_code error;
    bool operator==(const Stream&) const = default;
};

// Frames `bytes` as they come, `next_chunk` of them at a time.
template <typename NextChunk>
Stream frame(std::string_view bytes, NextChunk next_chunk) {
    Stream stream;
    std::string buffer;
    while (!bytes.empty()) {
        const std::size_t chunk = std::min(next_chunk(), bytes.size());
        buffer.append(bytes.substr(0, chunk));
        bytes.remove_prefix(chunk);
        for (;;) {
            const auto header = wire::peek_frontend(buffer);
            if (!header) {
                stream.error = header.error();
                return stream;
            }
            if (!*header || (*header)->size > buffer.size()) {
                break;
            }
            ensure((*header)->size >= wire::kHeaderBytes && (*header)->type == buffer[0]);
            stream.messages.push_back(buffer.substr(0, (*header)->size));
            buffer.erase(0, (*header)->size);
        }
    }
    return stream;
}

// What `decode` takes, it takes whole: not with a byte less, nor with one more.
template <typename Decode>
auto decode_whole(std::string_view payload, Decode decode) {
    const auto decoded = decode(payload);
    if (decoded) {
        ensure(payload.empty() || !decode(payload.substr(0, payload.size() - 1)));
        ensure(!decode(std::string(payload) + '\0'));
    }
    return decoded;
}

void check_bind(const wire::Bind& bind, std::size_t size) {
    std::size_t bytes = 4 * bind.values.size() + 2 * bind.result_formats.size();
    for (std::size_t i = 0; i < bind.values.size(); ++i) {
        ensure(bind.format(i) == 0 || bind.format(i) == 1);
        bytes += bind.values[i] ? bind.values[i]->size() : 0;
    }
    ensure(bytes < size);
    ensure(bind.values.capacity() <= size);
    // The types are the client's word too. A text is not out of proportion to what was sent.
    for (const auto& value : bind.values) {
        for (const std::uint32_t type :
             {16U,   17U,   20U,   21U,   23U,   25U,   701U,  829U,  869U,  1007U,
              1009U, 1082U, 1184U, 1186U, 1231U, 1266U, 1562U, 1700U, 2950U, 3802U}) {
            if (const auto text = value ? wire::text_of_binary(type, *value) : std::nullopt) {
                ensure(text->size() <= 256 + 80 * value->size());
            }
        }
    }
}

void check(const std::string& message) {
    const std::vector<char> copy(message.begin() + wire::kHeaderBytes, message.end());
    const std::string_view payload(copy.data(), copy.size());
    std::string out;
    switch (message[0]) {
        case 'Q':
            if (const auto query = decode_whole(payload, wire::decode_query)) {
                wire::write_query(out, query->sql);
            }
            break;
        case 'P':
            if (const auto parse = decode_whole(payload, wire::decode_parse)) {
                wire::write_parse(out, parse->name, parse->sql, parse->parameter_types);
            }
            break;
        case 'B':
            if (const auto bind = decode_whole(payload, wire::decode_bind)) {
                check_bind(*bind, payload.size());
                wire::write_bind(out, *bind);
            }
            break;
        case 'D':
            if (const auto describe = decode_whole(payload, wire::decode_describe)) {
                wire::write_describe(out, describe->kind, describe->name);
            }
            break;
        case 'E':
            if (const auto execute = decode_whole(payload, wire::decode_execute)) {
                ensure(execute->max_rows >= 0);
                if (execute->max_rows > 0) {  // a negative count is read as 0
                    wire::write_execute(out, execute->portal, execute->max_rows);
                }
            }
            break;
        case 'C':
            if (const auto close = decode_whole(payload, wire::decode_close)) {
                wire::write_close(out, close->kind, close->name);
            }
            break;
        case 'p':
            if (const auto password = decode_whole(payload, wire::decode_password)) {
                wire::write_password_message(out, password->password);
            }
            break;
        case 'S':
            if (wire::decode_empty(payload)) {
                wire::write_sync(out);
            }
            break;
        default:
            return;
    }
    ensure(out.empty() || out == message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    const Stream whole = frame(input, [] { return std::string_view::npos; });
    std::minstd_rand random(bytes[0]);
    const Stream cut = frame(input, [&random] { return std::size_t{1} + random() % 16; });
    ensure(whole == cut);
    for (const std::string& message : whole.messages) {
        check(message);
    }
    return 0;
}
