// Messages a client sends, named as in the PostgreSQL documentation, "Message Formats".
//
// decode_* take a payload (what follows the length field) and give views into it; every decoder
// rejects trailing bytes. write_* append one whole message to `out`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

struct SSLRequest {};
struct GSSENCRequest {};
struct CancelRequest {
    std::int32_t process_id = 0;
    std::int32_t secret_key = 0;
};
struct StartupMessage {
    std::uint16_t major = 3;
    std::uint16_t minor = 0;
    // In the order sent; `_pq_.` options included.
    std::vector<std::pair<std::string_view, std::string_view>> parameters;
    [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};
using StartupPacket = std::variant<SSLRequest, GSSENCRequest, CancelRequest, StartupMessage>;
// `packet`: with its length field.
[[nodiscard]] boost::system::result<StartupPacket> decode_startup(std::string_view packet);

struct PasswordMessage {
    std::string_view password;
};
struct SASLInitialResponse {
    std::string_view mechanism;
    std::optional<std::string_view> data;  // absent: the client waits to be asked
};
struct Query {
    std::string_view sql;
};
struct Parse {
    std::string_view name;
    std::string_view sql;
    std::vector<std::uint32_t> parameter_types;
};
struct Bind {
    std::string_view portal;
    std::string_view statement;
    std::vector<std::int16_t> parameter_formats;  // 0 text, 1 binary
    std::vector<std::optional<std::string_view>> values;
    std::vector<std::int16_t> result_formats;
    // The format of parameter i, by the rule of 0, 1 or n codes.
    [[nodiscard]] std::int16_t format(std::size_t i) const;
};
enum class ObjectKind : char { kStatement = 'S', kPortal = 'P' };
struct Describe {
    ObjectKind kind = ObjectKind::kStatement;
    std::string_view name;
};
struct Execute {
    std::string_view portal;
    std::int32_t max_rows = 0;
};
struct Close {
    ObjectKind kind = ObjectKind::kStatement;
    std::string_view name;
};

[[nodiscard]] boost::system::result<PasswordMessage> decode_password(std::string_view payload);
[[nodiscard]] boost::system::result<SASLInitialResponse> decode_sasl_initial_response(
    std::string_view payload);
[[nodiscard]] boost::system::result<Query> decode_query(std::string_view payload);
[[nodiscard]] boost::system::result<Parse> decode_parse(std::string_view payload);
[[nodiscard]] boost::system::result<Bind> decode_bind(std::string_view payload);
[[nodiscard]] boost::system::result<Describe> decode_describe(std::string_view payload);
[[nodiscard]] boost::system::result<Execute> decode_execute(std::string_view payload);
[[nodiscard]] boost::system::result<Close> decode_close(std::string_view payload);
// Sync, Flush, Terminate: nothing in them.
[[nodiscard]] boost::system::result<void> decode_empty(std::string_view payload);

void write_ssl_request(std::string& out);
void write_cancel_request(std::string& out, std::int32_t process_id, std::int32_t secret_key);
void write_startup_message(
    std::string& out, std::span<const std::pair<std::string_view, std::string_view>> parameters);
void write_password_message(std::string& out, std::string_view password);
void write_sasl_initial_response(std::string& out, std::string_view mechanism,
                                 std::string_view response);
void write_sasl_response(std::string& out, std::string_view response);
void write_query(std::string& out, std::string_view sql);
void write_parse(std::string& out, std::string_view name, std::string_view sql,
                 std::span<const std::uint32_t> parameter_types);
void write_bind(std::string& out, const Bind& bind);
void write_describe(std::string& out, ObjectKind kind, std::string_view name);
void write_execute(std::string& out, std::string_view portal, std::int32_t max_rows);
void write_close(std::string& out, ObjectKind kind, std::string_view name);
void write_flush(std::string& out);
void write_sync(std::string& out);
void write_terminate(std::string& out);

}  // namespace vitrine::wire
