#include "proxy/wire/backend.h"

#include <limits>

#include "proxy/wire/frame.h"
#include "tests/wire/payload.h"

namespace vitrine::wire {
namespace {

std::string field_description(std::string_view name, std::uint16_t format) {
    return std::string(name) + '\0' + be32(16384) + be16(2) + be32(25) + be16(0xffff) +
           be32(0xffffffff) + be16(format);
}

std::uint64_t rows(std::string_view tag) {
    return CommandComplete{tag}.rows();
}

// The fields of the one message in `out`.
std::vector<std::pair<char, std::string_view>> fields_in(std::string_view out, char type) {
    const auto header = peek_backend(out).value();
    REQUIRE(header);
    CHECK(header->type == type);
    REQUIRE(header->size == out.size());
    return decode_fields(out.substr(kHeaderBytes)).value().fields;
}

}  // namespace

TEST_CASE("backend: Authentication of every kind") {
    CHECK(decode_authentication(be32(0)).value().kind == 0);
    check_whole_only(be32(0), decode_authentication);
    check_whole_only(be32(3), decode_authentication);

    const std::string md5 = be32(5) + bytes("\x01\0\xff\x02");
    CHECK(decode_authentication(md5).value().body == bytes("\x01\0\xff\x02"));
    check_whole_only(md5, decode_authentication);

    const std::string sasl = be32(10) + bytes("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    CHECK(decode_authentication(sasl).value().mechanisms ==
          std::vector<std::string_view>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"});
    check_whole_only(sasl, decode_authentication);
    CHECK(decode_authentication(be32(10) + bytes("\0")).value().mechanisms.empty());

    for (const std::uint32_t kind : {11u, 12u}) {
        const std::string with_body = be32(kind) + "v=abc";
        CHECK(decode_authentication(with_body).value().body == "v=abc");
    }
    // Kerberos V5, GSSAPI, GSSContinue, SSPI, and what nobody has defined.
    for (const std::uint32_t kind : {2u, 7u, 8u, 9u, 4711u, 0x80000000u, 0xffffffffu}) {
        const std::string unknown = be32(kind) + "token";
        const Authentication decoded = decode_authentication(unknown).value();
        CHECK(decoded.kind == static_cast<std::int32_t>(kind));
        CHECK(decoded.body == "token");
        CHECK(decode_authentication(be32(kind)).value().body.empty());
    }
    // A kind that is cut short is not AuthenticationOk.
    for (std::size_t size = 0; size < 4; ++size) {
        CHECK(decode_exactly(be32(0).substr(0, size), decode_authentication) ==
              code(WireError::kTruncated));
    }
}

TEST_CASE("backend: BackendKeyData, ParameterStatus, ReadyForQuery") {
    const std::string key = be32(4711) + be32(0xfffffffe);
    CHECK(decode_backend_key_data(key).value().process_id == 4711);
    CHECK(decode_backend_key_data(key).value().secret_key == -2);
    check_whole_only(key, decode_backend_key_data);

    const std::string status = bytes("TimeZone\0Etc/UTC\0");
    CHECK(decode_parameter_status(status).value().name == "TimeZone");
    CHECK(decode_parameter_status(status).value().value == "Etc/UTC");
    check_whole_only(status, decode_parameter_status);

    CHECK(decode_ready_for_query("I").value().status == TransactionStatus::kIdle);
    CHECK(decode_ready_for_query("T").value().status == TransactionStatus::kInTransaction);
    CHECK(decode_ready_for_query("E").value().status == TransactionStatus::kFailed);
    CHECK(decode_ready_for_query("X").error() == code(WireError::kBadValue));
    CHECK(decode_ready_for_query(bytes("\0")).error() == code(WireError::kBadValue));
    check_whole_only("I", decode_ready_for_query);
}

TEST_CASE("backend: the count of a CommandComplete") {
    check_whole_only(bytes("SELECT 3\0"), decode_command_complete);
    CHECK(decode_command_complete(bytes("SELECT 3\0")).value().rows() == 3);
    CHECK(rows("SELECT 0") == 0);
    CHECK(rows("INSERT 0 3") == 3);
    CHECK(rows("UPDATE 12") == 12);
    CHECK(rows("DELETE 1") == 1);
    CHECK(rows("MERGE 7") == 7);
    CHECK(rows("FETCH 2") == 2);
    CHECK(rows("MOVE 5") == 5);
    CHECK(rows("COPY 100000") == 100000);
    CHECK(rows("SELECT 18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    CHECK(rows("SELECT 18446744073709551616") == std::numeric_limits<std::uint64_t>::max());
    CHECK(rows("SELECT 99999999999999999999999") == std::numeric_limits<std::uint64_t>::max());
    CHECK(rows("SELECT 18446744073709551614") == std::numeric_limits<std::uint64_t>::max() - 1);
    for (const std::string_view tag : {"", "BEGIN", "SELECT", "SELECT ", "SELECT x", "SELECT -1",
                                       "SELECT 3x", "SET 5", "CREATE TABLE", "SELECTED 3", " 3"}) {
        CAPTURE(tag);
        CHECK(rows(tag) == 0);
    }
}

TEST_CASE("backend: RowDescription") {
    const std::string payload = be16(2) + field_description("id", 0) + field_description("e", 1);
    const RowDescription description = decode_row_description(payload).value();
    REQUIRE(description.fields.size() == 2);
    CHECK(description.fields[0].name == "id");
    CHECK(description.fields[0].table == 16384);
    CHECK(description.fields[0].column == 2);
    CHECK(description.fields[0].type == 25);
    CHECK(description.fields[0].type_size == -1);
    CHECK(description.fields[0].type_modifier == -1);
    CHECK(description.fields[0].format == 0);
    CHECK(description.fields[1].name == "e");
    CHECK(description.fields[1].format == 1);
    check_whole_only(payload, decode_row_description);

    CHECK(decode_row_description(be16(0)).value().fields.empty());
    CHECK(decode_row_description(be16(1) + field_description("id", 2)).error() ==
          code(WireError::kBadValue));
    CHECK(decode_row_description(be16(65535) + field_description("id", 0)).error() ==
          code(WireError::kTruncated));
}

TEST_CASE("backend: DataRow") {
    const std::string payload = be16(3) + be32(1) + "1" + be32(0xffffffff) + be32(0);
    const DataRow row = decode_data_row(payload).value();
    REQUIRE(row.values.size() == 3);
    CHECK(row.values[0] == "1");
    CHECK_FALSE(row.values[1]);
    CHECK(row.values[2] == "");
    check_whole_only(payload, decode_data_row);

    CHECK(decode_data_row(be16(0)).value().values.empty());
    CHECK(decode_data_row(be16(65535) + be32(0)).error() == code(WireError::kTruncated));
    CHECK(decode_data_row(be16(1) + be32(0xfffffffe)).error() == code(WireError::kBadValue));
    CHECK(decode_data_row(be16(1) + be32(0x7fffffff) + "x").error() == code(WireError::kTruncated));
}

TEST_CASE("backend: the fields of an error") {
    const std::string payload = bytes("SERROR\0C42501\0Mno\0Mtwice\0P7\0\0");
    const Fields decoded = decode_fields(payload).value();
    CHECK(decoded.get('C') == "42501");
    CHECK(decoded.get('M') == "no");
    CHECK(decoded.get('P') == "7");
    CHECK(decoded.get('H').empty());
    CHECK(decoded.fields.size() == 4);
    check_whole_only(payload, decode_fields);
    CHECK(decode_fields(bytes("\0")).value().fields.empty());
}

TEST_CASE("backend: what vitrine says, byte for byte") {
    std::string out;
    write_authentication_ok(out);
    CHECK(out == bytes("R\0\0\0\x08\0\0\0\0"));
    out.clear();
    write_authentication_cleartext_password(out);
    CHECK(out == bytes("R\0\0\0\x08\0\0\0\3"));
    out.clear();
    write_backend_key_data(out, 1, -1);
    CHECK(out == bytes("K\0\0\0\x0c\0\0\0\1\xff\xff\xff\xff"));
    out.clear();
    write_parameter_status(out, "a", "b");
    CHECK(out == bytes("S\0\0\0\x08"
                       "a\0b\0"));
    out.clear();
    write_ready_for_query(out, TransactionStatus::kFailed);
    CHECK(out == bytes("Z\0\0\0\5E"));
    out.clear();
    write_empty_query_response(out);
    CHECK(out == bytes("I\0\0\0\4"));
}

// As PostgreSQL 15 answers a start-up of version 3.9: the whole version number, not the minor.
TEST_CASE("backend: NegotiateProtocolVersion") {
    std::string out;
    write_negotiate_protocol_version(out, 0, {});
    CHECK(out == bytes("v\0\0\0\x0c\0\3\0\0\0\0\0\0"));
    out.clear();
    const std::vector<std::string_view> unknown = {"_pq_.a", "_pq_.b"};
    write_negotiate_protocol_version(out, 0, unknown);
    CHECK(out == bytes("v\0\0\0\x1a\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0"));
}

TEST_CASE("backend: an error has PostgreSQL's fields in PostgreSQL's order") {
    std::string out;
    write_error_response(out, {"FATAL", "28P01", "no", "because", "do this", 17});
    CHECK(out == message('E', bytes("SFATAL\0VFATAL\0C28P01\0Mno\0Dbecause\0Hdo this\0P17\0\0")));
    out.clear();
    write_error_response(out, {"ERROR", "25006", "no", "", "", 0});
    CHECK(out == message('E', bytes("SERROR\0VERROR\0C25006\0Mno\0\0")));
    out.clear();
    write_notice_response(out, {"NOTICE", "00000", "welcome", "", "", 0});
    CHECK(out == message('N', bytes("SNOTICE\0VNOTICE\0C00000\0Mwelcome\0\0")));
}

TEST_CASE("backend: an error is never without SQLSTATE and message") {
    std::string out;
    write_error_response(out, {});
    CHECK(out == message('E', bytes("SERROR\0VERROR\0CXX000\0Mmissing error text\0\0")));
}

TEST_CASE("backend: a NUL in an error's text does not break the framing") {
    std::string out;
    // What a token's claim or a statement may carry: a field, and a whole message.
    const std::string evil = bytes("a\0Hrun this\0\0Z\0\0\0\5I");
    write_error_response(out, {"ERROR", "42501", evil, evil, evil, 1});
    const auto fields = fields_in(out, 'E');
    REQUIRE(fields.size() == 7);
    CHECK(fields[3].first == 'M');
    CHECK(fields[3].second == "a?Hrun this??Z???\5I");
    CHECK(fields[5].first == 'H');
    CHECK(fields[6].second == "1");
}

TEST_CASE("backend: fields are written as they are given") {
    const std::vector<std::pair<char, std::string_view>> given = {
        {'M', "m"}, {'S', "ERROR"}, {'R', "routine"}, {'W', ""}};
    std::string out;
    write_fields(out, 'N', given);
    CHECK(out == message('N', bytes("Mm\0SERROR\0Rroutine\0W\0\0")));
    CHECK(fields_in(out, 'N') == given);
}

// Recorded from PostgreSQL 15.20: SELECT 1::int4 AS a, NULL::text, 'x'::bytea.
TEST_CASE("backend: what PostgreSQL sent") {
    const std::string description = bytes(
        "\0\3a\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0text\0\0\0\0\0\0\0\0\0\0\x19\xff"
        "\xff\xff\xff\xff\xff\0\0bytea\0\0\0\0\0\0\0\0\0\0\x11\xff\xff\xff\xff\xff\xff\0\0");
    const RowDescription decoded = decode_row_description(description).value();
    REQUIRE(decoded.fields.size() == 3);
    CHECK(decoded.fields[0].name == "a");
    CHECK(decoded.fields[0].type == 23);
    CHECK(decoded.fields[0].type_size == 4);
    CHECK(decoded.fields[2].name == "bytea");
    CHECK(decoded.fields[2].type == 17);

    const std::string row = bytes(
        "\0\3\0\0\0\1"
        "1\xff\xff\xff\xff\0\0\0\4\\x78");
    CHECK(decode_data_row(row).value().values ==
          std::vector<std::optional<std::string_view>>{"1", std::nullopt, "\\x78"});
}

}  // namespace vitrine::wire
