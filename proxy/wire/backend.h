// Messages a server sends, named as in the PostgreSQL documentation, "Message Formats".
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
#include <vector>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

enum class AuthenticationKind : std::int32_t {
    kOk = 0,
    kCleartextPassword = 3,
    kMD5Password = 5,
    kSASL = 10,
    kSASLContinue = 11,
    kSASLFinal = 12,
};
struct Authentication {
    std::int32_t kind = 0;  // may be one vitrine does not know
    std::string_view body;  // MD5: the 4 bytes of salt; SASLContinue and SASLFinal: the data
    std::vector<std::string_view> mechanisms;  // SASL
};
struct BackendKeyData {
    std::int32_t process_id = 0;
    std::int32_t secret_key = 0;
};
struct ParameterStatus {
    std::string_view name;
    std::string_view value;
};
enum class TransactionStatus : char { kIdle = 'I', kInTransaction = 'T', kFailed = 'E' };
struct ReadyForQuery {
    TransactionStatus status = TransactionStatus::kIdle;
};
struct CommandComplete {
    std::string_view tag;
    // The count at the tag's end ("SELECT 3", "INSERT 0 3", "FETCH 2"); 0 where there is none.
    [[nodiscard]] std::uint64_t rows() const;
};
struct FieldDescription {
    std::string_view name;
    std::uint32_t table = 0;  // OID, or 0
    std::int16_t column = 0;  // attribute number, or 0
    std::uint32_t type = 0;
    std::int16_t type_size = 0;
    std::int32_t type_modifier = -1;
    std::int16_t format = 0;
};
struct RowDescription {
    std::vector<FieldDescription> fields;
};
struct DataRow {
    std::vector<std::optional<std::string_view>> values;
};

// ErrorResponse and NoticeResponse: fields by their one-letter code (documentation, "Error and
// Notice Message Fields"). A field that comes twice keeps its first value.
struct Fields {
    std::vector<std::pair<char, std::string_view>> fields;
    [[nodiscard]] std::string_view get(char code) const;  // empty: not there
};

[[nodiscard]] boost::system::result<Authentication> decode_authentication(std::string_view payload);
[[nodiscard]] boost::system::result<BackendKeyData> decode_backend_key_data(
    std::string_view payload);
// ParameterDescription: the type of each parameter.
[[nodiscard]] boost::system::result<std::vector<std::uint32_t>> decode_parameter_description(
    std::string_view payload);
[[nodiscard]] boost::system::result<ParameterStatus> decode_parameter_status(
    std::string_view payload);
[[nodiscard]] boost::system::result<ReadyForQuery> decode_ready_for_query(std::string_view payload);
[[nodiscard]] boost::system::result<CommandComplete> decode_command_complete(
    std::string_view payload);
[[nodiscard]] boost::system::result<RowDescription> decode_row_description(
    std::string_view payload);
[[nodiscard]] boost::system::result<DataRow> decode_data_row(std::string_view payload);
[[nodiscard]] boost::system::result<Fields> decode_fields(std::string_view payload);

// What vitrine itself says to a client.
struct ErrorFields {
    std::string severity = "ERROR";  // ERROR, FATAL, NOTICE, WARNING; sent as S and V
    std::string sqlstate;
    std::string message;
    std::string detail;  // empty members are left out
    std::string hint;
    std::size_t position = 0;  // characters, from 1; 0: none
};

void write_authentication_ok(std::string& out);
void write_authentication_cleartext_password(std::string& out);
void write_authentication_sasl(std::string& out, std::string_view mechanism);
void write_authentication_sasl_continue(std::string& out, std::string_view challenge);
void write_backend_key_data(std::string& out, std::int32_t process_id, std::int32_t secret_key);
void write_parameter_status(std::string& out, std::string_view name, std::string_view value);
void write_ready_for_query(std::string& out, TransactionStatus status);
void write_error_response(std::string& out, const ErrorFields& fields);
void write_notice_response(std::string& out, const ErrorFields& fields);
// A message of `type` ('E' or 'N') with exactly these fields, in this order.
void write_fields(std::string& out, char type,
                  std::span<const std::pair<char, std::string_view>> fields);
// `minor`: the newest minor version of 3 that is spoken here; `unknown`: options not recognised.
void write_negotiate_protocol_version(std::string& out, std::int32_t minor,
                                      std::span<const std::string_view> unknown);
void write_empty_query_response(std::string& out);

}  // namespace vitrine::wire
