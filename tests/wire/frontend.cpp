#include "proxy/wire/frontend.h"

#include "proxy/wire/frame.h"
#include "tests/wire/payload.h"

namespace vitrine::wire {
namespace {

// The parts of a Bind, each replaceable by something worse.
struct BindBytes {
    std::string names = bytes("portal\0statement\0");
    std::string formats = be16(2) + be16(0) + be16(1);
    std::string values = be16(2) + be32(3) + "abc" + be32(0xffffffff);
    std::string results = be16(1) + be16(1);
    [[nodiscard]] std::string all() const { return names + formats + values + results; }
};

boost::system::error_code bind_error(const BindBytes& bind) {
    return decode_exactly(bind.all(), decode_bind);
}

// What a writer wrote: one message of this type, whose payload comes back.
std::string payload_of(const std::string& out, char type) {
    const auto header = peek_frontend(out).value();
    REQUIRE(header);
    CHECK(header->type == type);
    CHECK(header->size == out.size());
    return out.substr(kHeaderBytes);
}

}  // namespace

TEST_CASE("frontend: Query") {
    const std::string payload = bytes("SELECT 1\0");
    CHECK(decode_query(payload).value().sql == "SELECT 1");
    CHECK(decode_query(bytes("\0")).value().sql.empty());
    check_whole_only(payload, decode_query);
    // A NUL hides nothing behind it.
    CHECK(decode_query(bytes("SELECT 1\0; DROP TABLE t\0")).error() ==
          code(WireError::kTrailingBytes));

    std::string out;
    write_query(out, "SELECT 1");
    CHECK(out == bytes("Q\0\0\0\x0dSELECT 1\0"));
}

TEST_CASE("frontend: Parse") {
    const std::string payload = bytes("s1\0SELECT $1\0\0\2\0\0\0\x17\xff\xff\xff\xff");
    const Parse parse = decode_parse(payload).value();
    CHECK(parse.name == "s1");
    CHECK(parse.sql == "SELECT $1");
    CHECK(parse.parameter_types == std::vector<std::uint32_t>{23, 0xffffffff});
    check_whole_only(payload, decode_parse);

    std::string out;
    write_parse(out, "s1", "SELECT $1", parse.parameter_types);
    CHECK(payload_of(out, 'P') == payload);
}

TEST_CASE("frontend: Bind") {
    const std::string payload = BindBytes{}.all();
    const Bind bind = decode_bind(payload).value();
    CHECK(bind.portal == "portal");
    CHECK(bind.statement == "statement");
    REQUIRE(bind.values.size() == 2);
    CHECK(bind.values[0] == "abc");
    CHECK_FALSE(bind.values[1]);
    CHECK(bind.format(0) == 0);
    CHECK(bind.format(1) == 1);
    CHECK(bind.result_formats == std::vector<std::int16_t>{1});
    check_whole_only(payload, decode_bind);
}

TEST_CASE("frontend: Bind takes 0, 1 or n parameter formats") {
    BindBytes bind;
    bind.formats = be16(0);
    const std::string none = bind.all();
    CHECK(decode_bind(none).value().format(1) == 0);
    bind.formats = be16(1) + be16(1);
    const std::string one = bind.all();
    CHECK(decode_bind(one).value().format(1) == 1);
    bind.formats = be16(3) + be16(0) + be16(0) + be16(0);
    CHECK(bind_error(bind) == code(WireError::kBadValue));
    // One format for no value at all: PostgreSQL takes it.
    bind.formats = be16(1) + be16(1);
    bind.values = be16(0);
    CHECK_FALSE(bind_error(bind));
    bind.formats = be16(2) + be16(1) + be16(1);
    CHECK(bind_error(bind) == code(WireError::kBadValue));
}

TEST_CASE("frontend: Bind refuses format codes other than 0 and 1") {
    for (const std::uint16_t format : {std::uint16_t{2}, std::uint16_t{7}, std::uint16_t{0xffff}}) {
        BindBytes bind;
        bind.formats = be16(1) + be16(format);
        CHECK(bind_error(bind) == code(WireError::kBadValue));
        bind = {};
        bind.results = be16(1) + be16(format);
        CHECK(bind_error(bind) == code(WireError::kBadValue));
    }
}

TEST_CASE("frontend: Bind refuses negative lengths but NULL's") {
    for (const std::uint32_t length : {0xfffffffeu, 0x80000000u}) {
        BindBytes bind;
        bind.values = be16(2) + be32(length) + be32(0xffffffff);
        CHECK(bind_error(bind) == code(WireError::kBadValue));
    }
}

TEST_CASE("frontend: counts are unsigned, and believed only as far as the bytes go") {
    BindBytes bind;
    for (const std::uint16_t count :
         {std::uint16_t{3}, std::uint16_t{0x8000}, std::uint16_t{65535}}) {
        bind = {};
        bind.values = be16(count) + be32(0xffffffff);
        CHECK(bind_error(bind) == code(WireError::kTruncated));
        bind = {};
        bind.formats = be16(count);
        bind.values = "";
        bind.results = "";
        CHECK(bind_error(bind) == code(WireError::kTruncated));
        CHECK(decode_parse(bytes("\0\0") + be16(count) + be32(23)).error() ==
              code(WireError::kTruncated));
    }
    // 65,535 of them, really there.
    bind = {};
    bind.formats = be16(0);
    bind.values = be16(65535);
    for (int i = 0; i < 65535; ++i) {
        bind.values += be32(0);
    }
    const std::string all = bind.all();
    CHECK(decode_bind(all).value().values.size() == 65535);
}

TEST_CASE("frontend: Describe and Close") {
    CHECK(decode_describe(bytes("Sname\0")).value().kind == ObjectKind::kStatement);
    CHECK(decode_describe(bytes("Pname\0")).value().kind == ObjectKind::kPortal);
    CHECK(decode_describe(bytes("Pname\0")).value().name == "name");
    CHECK(decode_close(bytes("S\0")).value().kind == ObjectKind::kStatement);
    CHECK(decode_close(bytes("Pc1\0")).value().name == "c1");
    for (const std::string& kind : {bytes("Tname\0"), bytes("sname\0"), bytes("\0\0")}) {
        CHECK(decode_describe(kind).error() == code(WireError::kBadValue));
        CHECK(decode_close(kind).error() == code(WireError::kBadValue));
    }
    // An empty payload has no kind to be wrong.
    check_whole_only(bytes("Sname\0"), decode_describe);
    check_whole_only(bytes("Pname\0"), decode_close);

    std::string out;
    write_describe(out, ObjectKind::kStatement, "s1");
    CHECK(out == bytes("D\0\0\0\x08Ss1\0"));
    out.clear();
    write_close(out, ObjectKind::kPortal, "");
    CHECK(out == bytes("C\0\0\0\x06P\0"));
}

TEST_CASE("frontend: Execute") {
    const std::string payload = bytes("c1\0\0\0\x01\0");
    CHECK(decode_execute(payload).value().portal == "c1");
    CHECK(decode_execute(payload).value().max_rows == 256);
    // PostgreSQL: max_rows <= 0 is all rows.
    CHECK(decode_execute(bytes("\0\xff\xff\xff\xff")).value().max_rows == 0);
    check_whole_only(payload, decode_execute);

    std::string out;
    write_execute(out, "c1", 256);
    CHECK(payload_of(out, 'E') == payload);
}

TEST_CASE("frontend: PasswordMessage") {
    CHECK(decode_password(bytes("secret\0")).value().password == "secret");
    check_whole_only(bytes("secret\0"), decode_password);
    CHECK(decode_password(bytes("se\0cret\0")).error() == code(WireError::kTrailingBytes));

    std::string out;
    write_password_message(out, "secret");
    CHECK(out == bytes("p\0\0\0\x0bsecret\0"));
}

TEST_CASE("frontend: Sync, Flush and Terminate hold nothing") {
    CHECK(decode_empty(""));
    CHECK(decode_empty("x").error() == code(WireError::kTrailingBytes));

    std::string out;
    write_sync(out);
    write_flush(out);
    write_terminate(out);
    CHECK(out == bytes("S\0\0\0\4H\0\0\0\4X\0\0\0\4"));
}

TEST_CASE("frontend: a Bind without parameters asks for text") {
    std::string out;
    write_bind(out, {.portal = "p", .statement = "s"});
    CHECK(out == bytes("B\0\0\0\x0ep\0s\0\0\0\0\0\0\0"));
    const std::string payload = payload_of(out, 'B');
    CHECK(decode_bind(payload).value().values.empty());
}

TEST_CASE("frontend: a Bind is written as it was read") {
    const std::string zeros("\0\0", 2);
    const Bind bind{.portal = "p",
                    .statement = "",
                    .parameter_formats = {1, 0, 1},
                    .values = {zeros, std::nullopt, ""},
                    .result_formats = {1}};
    std::string out;
    write_bind(out, bind);
    const std::string payload = payload_of(out, 'B');
    const auto read = decode_bind(payload).value();
    CHECK(read.portal == "p");
    CHECK(read.parameter_formats == bind.parameter_formats);
    CHECK(read.values == bind.values);
    CHECK(read.result_formats == bind.result_formats);
}

TEST_CASE("frontend: SASL responses") {
    std::string out;
    write_sasl_initial_response(out, "SCRAM-SHA-256", "n,,n=,r=x");
    CHECK(out == bytes("p\0\0\0\x1fSCRAM-SHA-256\0\0\0\0\x09n,,n=,r=x"));
    out.clear();
    write_sasl_response(out, "c=biws");
    CHECK(out == bytes("p\0\0\0\x0a"
                       "c=biws"));
}

TEST_CASE("frontend: messages are appended, one behind the other") {
    std::string out = "already there";
    write_query(out, "a");
    write_query(out, "b");
    CHECK(out == bytes("already thereQ\0\0\0\6a\0Q\0\0\0\6b\0"));
}

}  // namespace vitrine::wire
