#include "proxy/wire/frontend.h"

#include <algorithm>

#include "proxy/wire/reader.h"
#include "proxy/wire/writer.h"

namespace vitrine::wire {
namespace {

// What stands in the place of a protocol version (PostgreSQL, src/include/libpq/pqcomm.h): a
// "major version" of 1234 marks a request.
constexpr std::uint32_t kCancelRequestCode = 80877102;
constexpr std::uint32_t kSSLRequestCode = 80877103;
constexpr std::uint32_t kGSSENCRequestCode = 80877104;
constexpr std::uint32_t kProtocol3 = 196608;  // 3.0

ObjectKind read_kind(Reader& reader) {
    const auto kind = static_cast<ObjectKind>(reader.u8());
    switch (kind) {
        case ObjectKind::kStatement:
        case ObjectKind::kPortal:
            return kind;
    }
    reader.fail(WireError::kBadValue);
    return ObjectKind::kStatement;
}

std::vector<std::int16_t> read_formats(Reader& reader) {
    std::vector<std::int16_t> formats;
    const std::size_t count = reader.count(sizeof(std::int16_t));
    formats.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        formats.push_back(reader.format());
    }
    return formats;
}

StartupMessage read_startup_message(Reader& reader, std::uint32_t version) {
    StartupMessage message;
    message.major = static_cast<std::uint16_t>(version >> 16);
    message.minor = static_cast<std::uint16_t>(version & 0xffff);
    if (message.major != kProtocol3 >> 16) {
        reader.fail(WireError::kBadProtocol);
        return message;
    }
    while (!reader.failed()) {
        const std::string_view name = reader.string();
        if (name.empty()) {
            break;
        }
        const std::string_view value = reader.string();
        message.parameters.emplace_back(name, value);
    }
    return message;
}

void write_object(std::string& out, char type, ObjectKind kind, std::string_view name) {
    Writer message(out, type);
    message.byte(static_cast<char>(kind));
    message.string(name);
}

}  // namespace

std::optional<std::string_view> StartupMessage::parameter(std::string_view name) const {
    // PostgreSQL (ProcessStartupPacket) lets a later value take the place of an earlier one.
    const auto found = std::find_if(parameters.rbegin(), parameters.rend(),
                                    [name](const auto& entry) { return entry.first == name; });
    if (found == parameters.rend()) {
        return std::nullopt;
    }
    return found->second;
}

boost::system::result<StartupPacket> decode_startup(std::string_view packet) {
    Reader reader(packet);
    if (reader.u32() != packet.size()) {
        reader.fail(WireError::kBadLength);
    }
    const std::uint32_t code = reader.u32();
    StartupPacket decoded;
    switch (code) {
        case kSSLRequestCode:
            decoded = SSLRequest{};
            break;
        case kGSSENCRequestCode:
            decoded = GSSENCRequest{};
            break;
        case kCancelRequestCode: {
            CancelRequest request;
            request.process_id = reader.i32();
            request.secret_key = reader.i32();
            decoded = request;
            break;
        }
        default:
            decoded = read_startup_message(reader, code);
    }
    return reader.finish(std::move(decoded));
}

boost::system::result<PasswordMessage> decode_password(std::string_view payload) {
    Reader reader(payload);
    return reader.finish(PasswordMessage{reader.string()});
}

boost::system::result<SASLInitialResponse> decode_sasl_initial_response(std::string_view payload) {
    Reader reader(payload);
    SASLInitialResponse response;
    response.mechanism = reader.string();
    response.data = reader.value();
    return reader.finish(std::move(response));
}

boost::system::result<Query> decode_query(std::string_view payload) {
    Reader reader(payload);
    return reader.finish(Query{reader.string()});
}

boost::system::result<Parse> decode_parse(std::string_view payload) {
    Reader reader(payload);
    Parse parse;
    parse.name = reader.string();
    parse.sql = reader.string();
    const std::size_t types = reader.count(sizeof(std::uint32_t));
    parse.parameter_types.reserve(types);
    for (std::size_t i = 0; i < types; ++i) {
        parse.parameter_types.push_back(reader.u32());
    }
    return reader.finish(std::move(parse));
}

std::int16_t Bind::format(std::size_t i) const {
    if (parameter_formats.empty()) {
        return 0;
    }
    return parameter_formats.size() == 1 ? parameter_formats.front() : parameter_formats.at(i);
}

boost::system::result<Bind> decode_bind(std::string_view payload) {
    Reader reader(payload);
    Bind bind;
    bind.portal = reader.string();
    bind.statement = reader.string();
    bind.parameter_formats = read_formats(reader);
    const std::size_t values = reader.count(sizeof(std::int32_t));
    if (bind.parameter_formats.size() > 1 && bind.parameter_formats.size() != values) {
        reader.fail(WireError::kBadValue);
    }
    bind.values.reserve(values);
    for (std::size_t i = 0; i < values && !reader.failed(); ++i) {
        bind.values.push_back(reader.value());
    }
    bind.result_formats = read_formats(reader);
    return reader.finish(std::move(bind));
}

boost::system::result<Describe> decode_describe(std::string_view payload) {
    Reader reader(payload);
    Describe describe;
    describe.kind = read_kind(reader);
    describe.name = reader.string();
    return reader.finish(std::move(describe));
}

boost::system::result<Execute> decode_execute(std::string_view payload) {
    Reader reader(payload);
    Execute execute;
    execute.portal = reader.string();
    // PostgreSQL takes a negative count for no limit, as it takes 0.
    execute.max_rows = std::max(reader.i32(), 0);
    return reader.finish(std::move(execute));
}

boost::system::result<Close> decode_close(std::string_view payload) {
    Reader reader(payload);
    Close close;
    close.kind = read_kind(reader);
    close.name = reader.string();
    return reader.finish(std::move(close));
}

boost::system::result<void> decode_empty(std::string_view payload) {
    if (!payload.empty()) {
        return WireError::kTrailingBytes;
    }
    return {};
}

void write_ssl_request(std::string& out) {
    Writer packet(out);
    packet.u32(kSSLRequestCode);
}

void write_cancel_request(std::string& out, std::int32_t process_id, std::int32_t secret_key) {
    Writer packet(out);
    packet.u32(kCancelRequestCode);
    packet.i32(process_id);
    packet.i32(secret_key);
}

void write_startup_message(
    std::string& out, std::span<const std::pair<std::string_view, std::string_view>> parameters) {
    Writer packet(out);
    packet.u32(kProtocol3);
    for (const auto& [name, value] : parameters) {
        packet.string(name);
        packet.string(value);
    }
    packet.string({});
}

void write_password_message(std::string& out, std::string_view password) {
    Writer message(out, 'p');
    message.string(password);
}

void write_sasl_initial_response(std::string& out, std::string_view mechanism,
                                 std::string_view response) {
    Writer message(out, 'p');
    message.string(mechanism);
    message.length(response.size());
    message.bytes(response);
}

void write_sasl_response(std::string& out, std::string_view response) {
    Writer message(out, 'p');
    message.bytes(response);
}

void write_query(std::string& out, std::string_view sql) {
    Writer message(out, 'Q');
    message.string(sql);
}

void write_parse(std::string& out, std::string_view name, std::string_view sql,
                 std::span<const std::uint32_t> parameter_types) {
    Writer message(out, 'P');
    message.string(name);
    message.string(sql);
    message.count(parameter_types.size());
    for (const std::uint32_t type : parameter_types) {
        message.u32(type);
    }
}

void write_bind(std::string& out, const Bind& bind) {
    Writer message(out, 'B');
    message.string(bind.portal);
    message.string(bind.statement);
    message.count(bind.parameter_formats.size());
    for (const std::int16_t format : bind.parameter_formats) {
        message.i16(format);
    }
    message.count(bind.values.size());
    for (const auto& value : bind.values) {
        if (value) {
            message.length(value->size());
            message.bytes(*value);
        } else {
            message.i32(-1);
        }
    }
    message.count(bind.result_formats.size());
    for (const std::int16_t format : bind.result_formats) {
        message.i16(format);
    }
}

void write_describe(std::string& out, ObjectKind kind, std::string_view name) {
    write_object(out, 'D', kind, name);
}

void write_execute(std::string& out, std::string_view portal, std::int32_t max_rows) {
    Writer message(out, 'E');
    message.string(portal);
    message.i32(max_rows);
}

void write_close(std::string& out, ObjectKind kind, std::string_view name) {
    write_object(out, 'C', kind, name);
}

void write_flush(std::string& out) {
    Writer(out, 'H');
}

void write_sync(std::string& out) {
    Writer(out, 'S');
}

void write_terminate(std::string& out) {
    Writer(out, 'X');
}

}  // namespace vitrine::wire
