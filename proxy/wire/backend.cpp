#include "proxy/wire/backend.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <limits>

#include "proxy/wire/reader.h"
#include "proxy/wire/writer.h"

namespace vitrine::wire {
namespace {

// Tags that end in a count (PostgreSQL, src/include/tcop/cmdtaglist.h: those with "rowcount").
constexpr std::array<std::string_view, 8> kCountedTags = {
    "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "FETCH", "MOVE", "COPY",
};

// Digits to a number; a number too big is the biggest there is, anything but digits is 0.
std::uint64_t to_count(std::string_view digits) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t count = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') {
            return 0;
        }
        const auto digit = static_cast<std::uint64_t>(c - '0');
        count = count > (kMax - digit) / 10 ? kMax : count * 10 + digit;
    }
    return count;
}

void write_words(std::string& out, char type, const ErrorFields& fields) {
    Writer message(out, type);
    const auto put = [&message](char code, std::string_view value) {
        message.byte(code);
        message.text(value);
    };
    put('S', fields.severity);
    put('V', fields.severity);
    // Neither may be missing (documentation, "Error and Notice Message Fields").
    put('C', fields.sqlstate.empty() ? std::string_view("XX000") : fields.sqlstate);
    put('M', fields.message.empty() ? std::string_view("missing error text") : fields.message);
    if (!fields.detail.empty()) {
        put('D', fields.detail);
    }
    if (!fields.hint.empty()) {
        put('H', fields.hint);
    }
    if (fields.position != 0) {
        put('P', std::to_string(fields.position));
    }
    message.byte('\0');
}

}  // namespace

boost::system::result<Authentication> decode_authentication(std::string_view payload) {
    Reader reader(payload);
    Authentication authentication;
    authentication.kind = reader.i32();
    switch (static_cast<AuthenticationKind>(authentication.kind)) {
        case AuthenticationKind::kOk:
        case AuthenticationKind::kCleartextPassword:
            break;
        case AuthenticationKind::kMD5Password:
            authentication.body = reader.bytes(4);
            break;
        case AuthenticationKind::kSASL:
            while (!reader.failed()) {
                const std::string_view mechanism = reader.string();
                if (mechanism.empty()) {
                    break;
                }
                authentication.mechanisms.push_back(mechanism);
            }
            break;
        case AuthenticationKind::kSASLContinue:
        case AuthenticationKind::kSASLFinal:
            authentication.body = reader.rest();
            break;
        default:  // Kerberos, GSSAPI, SSPI, what may come: told by number, never answered
            authentication.body = reader.rest();
    }
    return reader.finish(std::move(authentication));
}

boost::system::result<BackendKeyData> decode_backend_key_data(std::string_view payload) {
    Reader reader(payload);
    BackendKeyData key;
    key.process_id = reader.i32();
    key.secret_key = reader.i32();
    return reader.finish(std::move(key));
}

boost::system::result<std::vector<std::uint32_t>> decode_parameter_description(
    std::string_view payload) {
    Reader reader(payload);
    std::vector<std::uint32_t> types(reader.count(sizeof(std::uint32_t)));
    for (std::uint32_t& type : types) {
        type = reader.u32();
    }
    return reader.finish(std::move(types));
}

boost::system::result<ParameterStatus> decode_parameter_status(std::string_view payload) {
    Reader reader(payload);
    ParameterStatus status;
    status.name = reader.string();
    status.value = reader.string();
    return reader.finish(std::move(status));
}

boost::system::result<ReadyForQuery> decode_ready_for_query(std::string_view payload) {
    Reader reader(payload);
    ReadyForQuery ready;
    ready.status = static_cast<TransactionStatus>(reader.u8());
    switch (ready.status) {
        case TransactionStatus::kIdle:
        case TransactionStatus::kInTransaction:
        case TransactionStatus::kFailed:
            return reader.finish(std::move(ready));
    }
    reader.fail(WireError::kBadValue);
    return reader.finish(std::move(ready));
}

std::uint64_t CommandComplete::rows() const {
    const std::string_view command = tag.substr(0, tag.find(' '));
    if (command.size() == tag.size() ||
        std::find(kCountedTags.begin(), kCountedTags.end(), command) == kCountedTags.end()) {
        return 0;
    }
    return to_count(tag.substr(tag.rfind(' ') + 1));
}

boost::system::result<CommandComplete> decode_command_complete(std::string_view payload) {
    Reader reader(payload);
    return reader.finish(CommandComplete{reader.string()});
}

boost::system::result<RowDescription> decode_row_description(std::string_view payload) {
    constexpr std::size_t kFieldBytesMin = 1 + 4 + 2 + 4 + 2 + 4 + 2;
    Reader reader(payload);
    RowDescription description;
    const std::size_t count = reader.count(kFieldBytesMin);
    description.fields.reserve(count);
    for (std::size_t i = 0; i < count && !reader.failed(); ++i) {
        FieldDescription& field = description.fields.emplace_back();
        field.name = reader.string();
        field.table = reader.u32();
        field.column = reader.i16();
        field.type = reader.u32();
        field.type_size = reader.i16();
        field.type_modifier = reader.i32();
        field.format = reader.format();
    }
    return reader.finish(std::move(description));
}

boost::system::result<DataRow> decode_data_row(std::string_view payload) {
    Reader reader(payload);
    DataRow row;
    const std::size_t count = reader.count(sizeof(std::int32_t));
    row.values.reserve(count);
    for (std::size_t i = 0; i < count && !reader.failed(); ++i) {
        row.values.push_back(reader.value());
    }
    return reader.finish(std::move(row));
}

std::string_view Fields::get(char code) const {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [code](const auto& field) { return field.first == code; });
    return found == fields.end() ? std::string_view() : found->second;
}

boost::system::result<Fields> decode_fields(std::string_view payload) {
    Reader reader(payload);
    Fields decoded;
    std::bitset<256> seen;
    while (!reader.failed()) {
        const std::uint8_t code = reader.u8();
        if (code == 0) {
            break;
        }
        const std::string_view value = reader.string();
        if (!seen[code]) {
            seen.set(code);
            decoded.fields.emplace_back(static_cast<char>(code), value);
        }
    }
    return reader.finish(std::move(decoded));
}

void write_authentication_ok(std::string& out) {
    Writer message(out, 'R');
    message.i32(static_cast<std::int32_t>(AuthenticationKind::kOk));
}

void write_authentication_cleartext_password(std::string& out) {
    Writer message(out, 'R');
    message.i32(static_cast<std::int32_t>(AuthenticationKind::kCleartextPassword));
}

void write_authentication_sasl(std::string& out, std::string_view mechanism) {
    Writer message(out, 'R');
    message.i32(static_cast<std::int32_t>(AuthenticationKind::kSASL));
    message.string(mechanism);
    message.string({});
}

void write_authentication_sasl_continue(std::string& out, std::string_view challenge) {
    Writer message(out, 'R');
    message.i32(static_cast<std::int32_t>(AuthenticationKind::kSASLContinue));
    message.bytes(challenge);
}

void write_backend_key_data(std::string& out, std::int32_t process_id, std::int32_t secret_key) {
    Writer message(out, 'K');
    message.i32(process_id);
    message.i32(secret_key);
}

void write_parameter_status(std::string& out, std::string_view name, std::string_view value) {
    Writer message(out, 'S');
    message.string(name);
    message.string(value);
}

void write_ready_for_query(std::string& out, TransactionStatus status) {
    Writer message(out, 'Z');
    message.byte(static_cast<char>(status));
}

void write_error_response(std::string& out, const ErrorFields& fields) {
    write_words(out, 'E', fields);
}

void write_notice_response(std::string& out, const ErrorFields& fields) {
    write_words(out, 'N', fields);
}

void write_fields(std::string& out, char type,
                  std::span<const std::pair<char, std::string_view>> fields) {
    Writer message(out, type);
    for (const auto& [code, value] : fields) {
        message.byte(code);
        message.text(value);
    }
    message.byte('\0');
}

void write_negotiate_protocol_version(std::string& out, std::int32_t minor,
                                      std::span<const std::string_view> unknown) {
    // The documentation says "minor version"; PostgreSQL sends the whole number, 3.0 as 196608, and
    // libpq 18 refuses anything below.
    constexpr std::int32_t kMajor3 = 3 << 16;
    Writer message(out, 'v');
    message.i32(kMajor3 | minor);
    message.length(unknown.size());
    for (const std::string_view option : unknown) {
        message.string(option);
    }
}

void write_empty_query_response(std::string& out) {
    Writer(out, 'I');
}

}  // namespace vitrine::wire
