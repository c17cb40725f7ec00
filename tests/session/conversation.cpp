// The conversation against a scripted server.
#include "proxy/session/conversation.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/session/stage.h"

using namespace vitrine;
using namespace vitrine::session::test;

TEST_CASE("a read passes as it is, and is on record before it passes", "[conversation]") {
    Stage stage;
    CHECK(stage.client(query("SELECT 1")) == Sent{"Q SELECT 1"});
    CHECK(stage.count("\"sql\":\"SELECT 1\"") == 1);
    CHECK(stage.count("\"type\":\"result\"") == 0);
    CHECK(stage.server(columns() + row("1") + complete("SELECT 1") + ready()) == "T D C Z");
    CHECK(stage.count("\"rows\":1") == 1);
}

TEST_CASE("what is sent again is on record again, whether it is judged anew or not",
          "[conversation]") {
    Stage stage;
    const std::string sql = "SELECT email FROM customers";
    Sent first;
    for (std::size_t times = 1; times <= 5; ++times) {
        const Sent got = stage.client(query(sql));
        first = times == 1 ? got : first;
        CHECK(got == first);
        CHECK(stage.count("\"sql\":\"" + sql + "\"") == times);
        CHECK(stage.count("\"masked\":[\"public.customers.email\"") == times);
        stage.server(columns() + complete("SELECT 0") + ready());
    }
    CHECK(stage.judgements.hits() == 3);
    // Under other rules it is another one.
    stage.rules.rules.clear();
    stage.policy = parser::compile_policy(parser::test::fixture_catalog(), stage.rules, {}, {});
    const Sent now = stage.client(query(sql));
    REQUIRE(!now.empty());
    CHECK(now.back() != first.back());
    CHECK(stage.judgements.hits() == 3);
}

TEST_CASE("byte by byte comes to the same, from both sides", "[conversation]") {
    Stage stage;
    Sent got;
    for (const char byte :
         query("SELECT 1") + parse("SELECT 2") + bind() + execute() + sync_message()) {
        for (auto& each : stage.client(std::string(1, byte))) {
            got.push_back(std::move(each));
        }
    }
    CHECK(got == Sent{"Q SELECT 1", "P SELECT 2", "B", "D", "E", "S"});
    const std::string answers =
        columns() + row("1") + complete("SELECT 1") + ready() + message('1') + message('2');
    const std::string more = row("2") + complete("SELECT 1") + ready();
    for (const char byte : answers + columns() + more) {
        stage.conversation->from_server(std::string(1, byte));
    }
    CHECK(stage.conversation->client_output() == answers + more);
}

TEST_CASE("a refused statement fails in its place, the ones before it run", "[conversation]") {
    Stage stage;
    CHECK(stage.client(query("DELETE FROM customers")) == Sent{"Q vitrine: statement refused"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E25006 Z");

    const Sent got = stage.client(query("SELECT 1; SELECT 2; DELETE FROM customers; SELECT 3"));
    CHECK(got == Sent{"Q SELECT 1; SELECT 2\n;SHOW vitrine.statement_refused"});
    CHECK(stage.server(columns() + row("1") + complete("SELECT 1") + columns() + row("2") +
                       complete("SELECT 1") + error("42704", "unrecognized") + ready()) ==
          "T D C T D C E25006 Z");
    CHECK(stage.count("\"verdict\":\"reject\"") == 3);
    CHECK(stage.count("not run: an earlier statement was refused") == 1);
}

TEST_CASE("an error before the refused statement is the server's own", "[conversation]") {
    Stage stage;
    stage.client(query("SELECT 1/0; DELETE FROM customers"));
    CHECK(stage.server(error("22012", "division by zero") + ready()) == "E22012 Z");
}

TEST_CASE("a refused Parse: what follows it is dropped to the Sync", "[conversation]") {
    Stage stage;
    CHECK(stage.client(parse("DELETE FROM customers") + bind() + execute() +
                       parse("SELECT 1", "later") + query("SELECT 4") + sync_message()) ==
          Sent{kFailing, "S"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E25006 Z");
    // What was dropped is on record as what it is.
    CHECK(stage.count("not run: an earlier message of the batch failed") == 3);
    // And the session goes on.
    CHECK(stage.client(parse("SELECT 1") + bind() + execute() + sync_message()) ==
          Sent{"P SELECT 1", "B", "D", "E", "S"});
    CHECK(stage.server(message('1') + message('2') + columns() + row("1") + complete("SELECT 1") +
                       ready()) == "1 2 D C Z");
}

TEST_CASE("an error of the server's: the rest of the batch was not run", "[conversation]") {
    Stage stage;
    stage.client(parse("SELECT 1/0") + bind() + execute() + parse("SELECT 2") + bind() + execute() +
                 sync_message() + query("SELECT 3"));
    CHECK(stage.server(message('1') + message('2') + error("22012", "division by zero") + ready() +
                       columns() + row("3") + complete("SELECT 1") + ready()) ==
          "1 2 E22012 Z T D C Z");
    CHECK(stage.count("\"sqlstate\":\"22012\"") == 1);
    CHECK(stage.count("not run: an earlier message of the batch failed") == 2);
}

TEST_CASE("messages after an error that came before the Sync are not forwarded", "[conversation]") {
    Stage stage;
    stage.client(parse("SELECT 1/0") + bind() + execute());
    CHECK(stage.server(message('1') + message('2') + error("22012", "division by zero")) ==
          "1 2 E22012");
    CHECK(stage.client(parse("SELECT 2") + bind() + execute()).empty());
    CHECK(stage.client(sync_message()) == Sent{"S"});
    CHECK(stage.server(ready()) == "Z");
}

TEST_CASE("the tripwire: a masked column that comes back as itself ends the session",
          "[conversation]") {
    Stage stage;
    const auto* customers = stage.policy->catalog().relation("public", "customers");
    REQUIRE(customers != nullptr);
    const auto number = customers->column("email")->number;
    const bool extended = GENERATE(false, true);
    if (extended) {
        stage.client(parse("SELECT 1") + message('D', "S" + z("")) + sync_message());
        stage.server(message('1') + message('t', int16(0)));
    } else {
        stage.client(query("SELECT 1"));
    }
    const std::string got = stage.server(columns(customers->oid, static_cast<unsigned>(number)) +
                                         row("raw") + complete("SELECT 1"));
    CHECK(got == "E42501");
    CHECK(stage.last.find("raw") == std::string::npos);
    REQUIRE(stage.conversation->ended());
    CHECK(stage.conversation->ended()->cause == audit::EndCause::kError);
    CHECK(stage.count("\"type\":\"session_end\"") == 1);
}

TEST_CASE("the tripwire: rows that nobody asked the columns of", "[conversation]") {
    Stage stage;
    const auto* customers = stage.policy->catalog().relation("public", "customers");
    REQUIRE(customers != nullptr);
    const auto number = static_cast<unsigned>(customers->column("email")->number);
    const std::string describe = message('D', "P" + z("p"));

    SECTION("vitrine asks for them itself") {
        CHECK(stage.client(parse("SELECT 1") + bind("", "p") + execute("p") + sync_message()) ==
              Sent{"P SELECT 1", "B", "D", "E", "S"});
        CHECK(stage.server(message('1') + message('2') + columns(customers->oid, number) +
                           row("raw") + complete("SELECT 1")) == "1 2 E42501");
        CHECK(stage.last.find("raw") == std::string::npos);
        REQUIRE(stage.conversation->ended());
        CHECK(stage.count("a masked column would have been shown") == 1);
        CHECK(stage.count("\"type\":\"result\"") == 1);
    }
    SECTION("not where the client has, and once a portal") {
        CHECK(stage.client(parse("SELECT 1") + bind("", "p") + describe + execute("p") +
                           execute("p")) == Sent{"P SELECT 1", "B", "D", "E", "E"});
        CHECK(stage.server(message('1') + message('2') + columns() + row("1") + message('s') +
                           row("2") + message('s')) == "1 2 T D s D s");
        CHECK(stage.client(execute("p")) == Sent{"E"});
        CHECK(stage.server(row("3") + complete("SELECT 3")) == "D C");
    }
    SECTION("the Describe of another portal, or of one of before, is none") {
        CHECK(stage.client(parse("SELECT 1") + bind() + message('D', "P" + z("")) + bind("", "p") +
                           execute("p") + bind() + execute()) ==
              Sent{"P SELECT 1", "B", "D", "B", "D", "E", "B", "D", "E"});
    }
    SECTION("nor is one that may fail without the Execute") {
        stage.client(parse("SELECT 1") + bind("", "p") + sync_message());
        stage.server(message('1') + message('2') + ready('T'));
        CHECK(stage.client(describe + sync_message() + execute("p")) == Sent{"D", "S", "D", "E"});
    }
    SECTION("what fails in it has failed in the Execute") {
        stage.client(parse("SELECT 1") + bind("", "p") + execute("p") + sync_message());
        CHECK(stage.server(message('1') + message('2') + error("57014", "cancelled") + ready()) ==
              "1 2 E57014 Z");
        CHECK(stage.count("\"sqlstate\":\"57014\"") == 1);
    }
    SECTION("a cancel is for what runs behind it") {
        stage.client(parse("SELECT 1") + bind("", "p") + sync_message());
        stage.server(message('1') + message('2') + ready('T'));
        stage.client(execute("p"));
        CHECK(stage.conversation->cancel_requested());
    }
}

TEST_CASE("the tripwire: a pinned setting that changes ends the session", "[conversation]") {
    const auto [name, value] = GENERATE(table<std::string, std::string>({
        {"standard_conforming_strings", "off"},
        {"client_encoding", "LATIN1"},
        {"client_encoding", "SQL_ASCII"},
        {"default_transaction_read_only", "off"},
        {"session_authorization", "postgres"},
        {"is_superuser", "on"},
        {"server_encoding", "SJIS"},
        {"server_version", "16.1"},  // which the login did not report
        {"integer_datetimes", "off"},
    }));
    CAPTURE(name);
    Stage stage;
    stage.client(query("SELECT 1"));
    const std::string status = message('S', z(name) + z(value));
    SECTION("before the rows") {
        CHECK(stage.server(status + columns() + row("raw") + complete("SELECT 1") + ready()) ==
              "E42501");
        CHECK(stage.last.find("raw") == std::string::npos);
    }
    SECTION("while nothing runs, and a byte at a time") {
        CHECK(stage.server(complete("SELECT 1") + ready()) == "C Z");
        for (const char byte : status) {
            stage.conversation->from_server(std::string(1, byte));
        }
        CHECK(stage.take_client() == "E42501");
    }
    REQUIRE(stage.conversation->ended());
    CHECK(stage.conversation->ended()->cause == audit::EndCause::kError);
    CHECK(stage.conversation->ended()->log_message.find(name + " = " + value) != std::string::npos);
    CHECK(stage.client(query("SELECT 2")).empty());
    CHECK(stage.server(row("more")).empty());
    CHECK(stage.count("\"type\":\"session_end\"") == 1);
}

TEST_CASE("the tripwire: what may change, changes", "[conversation]") {
    Stage stage;
    stage.client(query("SELECT 1"));
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"TimeZone", "UTC"},
                                                          {"DateStyle", "ISO, DMY"},
                                                          {"in_hot_standby", "off"},
                                                          {"in_hot_standby", "on"},
                                                          {"search_path", "crm"},
                                                          {"client_encoding", "UTF8"},
                                                          {"default_transaction_read_only", "on"},
                                                          {"session_authorization", "reader"},
                                                          {"is_superuser", "off"}}) {
        CAPTURE(name);
        CHECK(stage.server(message('S', z(name) + z(value))) == "S");
    }
    CHECK_FALSE(stage.conversation->ended());
}

TEST_CASE("a masked relation is rewritten before it is sent, on record too", "[conversation]") {
    Stage stage;
    const Sent got = stage.client(query("SELECT email FROM customers"));
    REQUIRE(got.size() == 1);
    CHECK(got[0].find("NULL") != std::string::npos);
    CHECK(got[0].find("\"public\".\"customers\"") != std::string::npos);
    CHECK(stage.count("\"masked\":[\"public.customers.email\"") == 1);
    // An error of the server's points into the client's text.
    stage.server(columns() + complete("SELECT 0") + ready());
    const Sent again = stage.client(query("SELECT email, nosuch FROM customers"));
    const std::size_t at = again[0].find("nosuch") - std::string("Q ").size() + 1;
    stage.server(message('E', "S" + z("ERROR") + "V" + z("ERROR") + "C" + z("42703") + "M" +
                                  z("column does not exist") + "W" + z("a context that quotes") +
                                  "P" + z(std::to_string(at)) + std::string(1, '\0')) +
                 ready());
    const auto fields = wire::decode_fields(
        std::string_view(stage.last)
            .substr(wire::kHeaderBytes,
                    wire::peek_backend(stage.last)->value().size - wire::kHeaderBytes));
    REQUIRE(fields.has_value());
    CHECK(fields->get('P') == "15");
    CHECK(fields->get('W').empty());
}

TEST_CASE("SET search_path: the server is asked before the next judgement", "[conversation]") {
    Stage stage;
    CHECK(stage.client(query("SET search_path = crm") + query("SELECT * FROM customers")) ==
          Sent{"Q SET search_path = crm"});
    CHECK(stage.server(complete("SET") + ready()) == "C Z");
    CHECK(stage.take_server() ==
          Sent{"P SELECT pg_catalog.current_schemas(true)", "B", "E", "C", "C", "S"});
    // The answers are vitrine's own; the statement that waited is judged by them: crm.customers is
    // not masked.
    CHECK(stage.server(message('1') + message('2') + row("{pg_catalog,crm}") +
                       complete("SELECT 1") + message('3') + message('3') + ready()) == "");
    CHECK(stage.take_server() == Sent{"Q SELECT * FROM customers"});
    CHECK(stage.server(columns() + complete("SELECT 0") + ready()) == "T C Z");
}

TEST_CASE("a path set inside a batch is asked for inside the batch", "[conversation]") {
    Stage stage;
    CHECK(stage.client(parse("SET search_path = crm") + bind() + execute() +
                       parse("SELECT * FROM customers")) ==
          Sent{"P SET search_path = crm", "B", "D", "E", "H"});
    CHECK(stage.server(message('1') + message('2') + message('n') + complete("SET")) == "1 2 C");
    CHECK(stage.take_server() ==
          Sent{"P SELECT pg_catalog.current_schemas(true)", "B", "E", "C", "C", "H"});
    CHECK(stage.server(message('1') + message('2') + row("{pg_catalog,crm}") +
                       complete("SELECT 1") + message('3') + message('3')) == "");
    CHECK(stage.take_server() == Sent{"P SELECT * FROM customers"});
}

TEST_CASE("a statement prepared under another search_path is not run", "[conversation]") {
    Stage stage;
    stage.client(query("SET search_path = crm"));
    stage.server(complete("SET") + ready());
    const std::string crm = message('1') + message('2') + row("{pg_catalog,crm}") +
                            complete("SELECT 1") + message('3') + message('3') + ready();
    const std::string shop = message('1') + message('2') + row("{pg_catalog,public}") +
                             complete("SELECT 1") + message('3') + message('3') + ready();
    stage.client(parse("SELECT email FROM customers", "plain"));  // crm's: not masked
    stage.server(crm);
    CHECK(stage.take_server() == Sent{"P SELECT email FROM customers"});
    stage.client(parse("SELECT email FROM public.customers", "named") + sync_message());
    stage.server(message('1') + message('1') + ready());

    // The server plans both anew under the path of the moment: in public, the first is the masked
    // table, raw. The Bind waits until the server has said its path.
    stage.client(query("SET search_path = public"));
    stage.server(complete("SET") + ready());
    CHECK(stage.client(bind("plain") + execute() + sync_message()) ==
          Sent{"P SELECT pg_catalog.current_schemas(true)", "B", "E", "C", "C", "S"});
    CHECK(stage.server(shop) == "");
    CHECK(stage.take_server() == Sent{kFailing, "S"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E26000 Z");
    CHECK(stage.take_server() == Sent{});
    // What does not depend on the path goes on.
    const Sent named = stage.client(bind("named") + execute() + sync_message());
    CHECK(named.back() == "S");
}

TEST_CASE("the fast-path call and COPY data", "[conversation]") {
    Stage stage;
    CHECK(stage.client(message('F', int32(1) + int16(0) + int16(0) + int16(0))) ==
          Sent{"Q vitrine: statement refused"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E0A000 Z");
    CHECK(stage.client(message('d', "data") + message('c') + message('f', z("no"))).empty());
    CHECK_FALSE(stage.conversation->ended());
}

TEST_CASE("malformed messages end the session with 08P01", "[conversation]") {
    const std::string bad =
        GENERATE(message('Q', "no end"), message('Q', z("a") + "b"), message('P', "x"),
                 message('B', z("") + z("") + int16(1) + int16(7) + int16(0) + int16(0)),
                 message('D', "Z" + z("")), message('E', z("")), message('S', "x"),
                 message('H', "x"), message('p', z("token")), std::string("Q\0\0\0\3", 5),
                 std::string("~\0\0\0\4", 5), std::string("Q\x7f\xff\xff\xff", 5));
    Stage stage;
    CHECK(stage.client(bad).empty());
    CHECK(stage.take_client() == "E08P01");
    CHECK(stage.conversation->ended());
}

TEST_CASE("nothing that the server should not say passes", "[conversation]") {
    const std::string bad = GENERATE(message('G', std::string(3, '\0')),  // CopyInResponse
                                     message('W', std::string(3, '\0')),  // CopyBothResponse
                                     message('V', int32(0xffffffff)),     // FunctionCallResponse
                                     message('R', int32(0)), message('K', int32(1) + int32(2)));
    Stage stage;
    stage.client(query("SELECT 1"));
    CHECK(stage.server(bad) == "E08P01");
    CHECK(stage.conversation->ended());
}

TEST_CASE("notifications are nobody's", "[conversation]") {
    Stage stage;
    CHECK(stage.server(message('A', int32(1) + z("channel") + z("payload"))) == "");
    CHECK_FALSE(stage.conversation->ended());
}

TEST_CASE("the end comes at a message's boundary", "[conversation]") {
    Stage stage;
    stage.client(query("SELECT 1"));
    const std::string big = row(std::string(1000, 'x'));
    stage.conversation->from_server(columns() + big.substr(0, 500));
    session::Ending expired;
    expired.cause = audit::EndCause::kExpired;
    expired.sqlstate = "57P01";
    expired.message = "expired";
    stage.conversation->end(expired);
    CHECK_FALSE(stage.conversation->ended());
    stage.conversation->from_server(big.substr(500) + row("never seen"));
    REQUIRE(stage.conversation->ended());
    CHECK(stage.take_client() == "T D E57P01");
    CHECK(stage.count("the session ended before the statement did") == 1);
}

TEST_CASE("a cancel holds what comes after it until it has been delivered", "[conversation]") {
    Stage stage;
    CHECK_FALSE(stage.conversation->cancel_requested());
    stage.client(query("SELECT 1"));
    REQUIRE(stage.conversation->cancel_requested());
    CHECK(stage.client(query("SELECT 2")).empty());
    CHECK(stage.server(error("57014", "canceling statement") + ready()) == "E57014 Z");
    CHECK(stage.take_server().empty());
    stage.conversation->cancel_delivered();
    CHECK(stage.take_server() == Sent{"Q SELECT 2"});
}

TEST_CASE("a log that cannot be written to: nothing is forwarded", "[conversation]") {
    Stage stage;
    const auto log = stage.directory / "log";
    stage.client(query("SELECT 0"));
    stage.server(columns() + complete("SELECT 0") + ready());
    std::filesystem::remove_all(log / "ada");
    // append_file.h: the file is not looked at for each record.
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK(stage.client(query("SELECT 1")) == Sent{"Q vitrine: statement refused"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E58030 Z");
    CHECK(stage.client(parse("SELECT 1") + bind() + execute() + sync_message()) ==
          Sent{kFailing, "S"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E58030 Z");
    CHECK_FALSE(stage.conversation->ended());
}

TEST_CASE("room for a part of a text: nothing of it is sent, and the log says so",
          "[conversation]") {
    Stage stage;
    stage.client(query("SELECT 0"));
    stage.server(columns() + complete("SELECT 0") + ready());
    {
        // A long statement is written at once, with what stands before it.
        const Room room(stage, 103000);
        CHECK(stage.client(query("SELECT 1; DELETE FROM customers; " + literal(100'000) + "; " +
                                 literal(70'000))) == Sent{"Q vitrine: statement refused"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
        CHECK(stage.client(query("SELECT 2; " + literal(4000))) ==
              Sent{"Q vitrine: statement refused"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
        stage.conversation->end({});
    }
    CHECK(stage.count("\"type\":\"statement\"") == 4);
    // Of 1, which was allowed, and of the one refused; of 2 there is nothing.
    CHECK(stage.count("not run: a statement of the text could not be recorded") == 2);
    CHECK(stage.count("SELECT 2") == 0);
    CHECK(stage.count("\"sqlstate\":\"00000\"") == 1);
    CHECK(stage.count("\"statements\":4,\"rejected\":2,") == 1);
}

TEST_CASE("a batch that cannot be recorded: the server gets nothing of it, the session stays",
          "[conversation]") {
    Stage stage;
    stage.client(parse("SELECT 1", "kept") + sync_message());
    stage.server(message('1') + ready());

    SECTION("of a Parse and what belongs to it") {
        const Room room(stage, 1000);
        CHECK(stage.client(parse(literal(4000)) + bind() + execute() + sync_message()) ==
              Sent{kFailing, "S"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
    }
    SECTION("of what was prepared before") {
        const Room room(stage, 10);
        CHECK(stage.client(bind("kept") + execute() + sync_message()) == Sent{kFailing, "S"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
    }
    SECTION("each of a pipeline, though there is room for some of it") {
        const Room room(stage, 3000);
        const std::string one = bind("kept") + execute() + sync_message();
        CHECK(stage.client(one + query("SELECT 2") + one + parse(literal(4000)) + bind() + one +
                           sync_message()) == Sent{kFailing, "S", "Q vitrine: statement refused",
                                                   kFailing, "S", kFailing, "S", "S"});
        CHECK(stage.server(kServersError + ready() + kServersError + ready() + kServersError +
                           ready() + kServersError + ready() + ready()) ==
              "E58030 Z E58030 Z E58030 Z E58030 Z Z");
    }
    SECTION("one whose Sync has not come yet: the rest is skipped, and on record as that") {
        {
            const Room room(stage, 1000);
            CHECK(stage.client(parse(literal(4000)) + bind()) == Sent{kFailing});
        }
        CHECK(stage.client(parse("SELECT 3") + query("SELECT 4")).empty());
        CHECK(stage.server(kServersError) == "E58030");
        CHECK(stage.client(sync_message()) == Sent{"S"});
        CHECK(stage.server(ready()) == "Z");
        CHECK(stage.count("not run: an earlier message of the batch failed") == 2);
    }
    SECTION("behind messages of the same batch that are at the server") {
        CHECK(stage.client(bind("kept", "a") + execute("a")).size() == 3);
        const Room room(stage, 1000);
        CHECK(stage.client(parse(literal(4000)) + bind() + execute() + sync_message()) ==
              Sent{kFailing, "S"});
        CHECK(stage.server(message('2') + columns() + row("1") + complete("SELECT 1") +
                           kServersError + ready()) == "2 D C E58030 Z");
    }
    SECTION("a Query behind it in the same batch is skipped, as the server does it") {
        const Room room(stage, 1000);
        CHECK(stage.client(parse(literal(4000)) + query("SELECT 2") + sync_message()) ==
              Sent{kFailing, "S"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
    }
    SECTION("whose first message a cursor's Execute is") {
        const Room room(stage, 10);
        CHECK(stage.client(execute("cursor") + sync_message()) == Sent{kFailing, "S"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
    }
    CHECK_FALSE(stage.conversation->ended());
    CHECK(stage.count("xxxx") == 0);
    // It goes on when there is room.
    CHECK(stage.client(bind("kept") + execute() + sync_message()).size() == 4);
    CHECK(stage.server(message('2') + columns() + row("1") + complete("SELECT 1") + ready()) ==
          "2 D C Z");
    stage.conversation->end({});
    const auto statements = stage.count("\"type\":\"statement\"");
    CHECK(stage.count("\"statements\":" + std::to_string(statements) + ",") == 1);
}

TEST_CASE("what came together is on record before any of it is at the server", "[conversation]") {
    Stage stage;
    stage.conversation->from_client(parse("SELECT 1") + bind() + execute() + sync_message() +
                                    query("SELECT 2"));
    CHECK(stage.count("\"type\":\"statement\"") == 0);
    CHECK(stage.conversation->server_output().size() > 50);
    CHECK(stage.count("\"type\":\"statement\"") == 3);
}

TEST_CASE("a session that ends with messages unsent has them on record", "[conversation]") {
    Stage stage;
    stage.conversation->from_client(query("SELECT 1") + query("SELECT 2") + message('X'));
    REQUIRE(stage.conversation->ended());
    CHECK(stage.take_server().empty());
    CHECK(stage.count("\"type\":\"statement\"") == 2);
    CHECK(stage.count("the session ended before the statement did") == 2);
    CHECK(stage.count("\"statements\":2,") == 1);
}

TEST_CASE("comments alone reach nobody", "[conversation]") {
    Stage stage;
    CHECK(stage.client(query("/* unseen */ -- words")) == Sent{"Q "});
    CHECK(stage.client(parse("-- unseen") + sync_message()) == Sent{"P ", "S"});
}

TEST_CASE("the user's name stands before whatever the client calls itself", "[conversation]") {
    const auto [sql, expected] = GENERATE(table<std::string, std::string>(
        {{"SET application_name = 'psql'", "Q SET application_name = 'ada via vitrine: psql'"},
         {"SET SESSION application_name TO it /* x */; SELECT 1",
          "Q SET SESSION application_name TO 'ada via vitrine: it' /* x */; SELECT 1"},
         {"set local \"Application_Name\" to E'it\\'s' -- x",
          "Q set local \"Application_Name\" to 'ada via vitrine: it''s' -- x"},
         {"SET application_name = U&'d!0061ta' UESCAPE '!'",
          "Q SET application_name = 'ada via vitrine: data'"},
         {"SET application_name = 7", "Q SET application_name = 'ada via vitrine: 7'"},
         {"SET application_name TO DEFAULT", "Q SET application_name TO DEFAULT"}}));
    Stage stage;
    CHECK(stage.client(query(sql)) == Sent{expected});
    CHECK(stage.server(message('S', z("application_name") + z("ada via vitrine: psql"))) == "S");
    CHECK(stage.last == message('S', z("application_name") + z("psql")));
    CHECK(stage.client(query("SELECT set_config('application_name', 'x', false)")).front() ==
          "Q SELECT set_config('application_name', 'ada via vitrine: x' , false)");
}

TEST_CASE("names of vitrine's own are not the client's", "[conversation]") {
    Stage stage;
    CHECK(stage.client(parse("SELECT 1", "vitrine:search_path") + sync_message()) ==
          Sent{kFailing, "S"});
    CHECK(stage.server(error("42601", "syntax error") + ready()) == "E42939 Z");
}

TEST_CASE("results are counted for the statement they belong to", "[conversation]") {
    Stage stage;
    stage.client(parse("SELECT 1", "a") + parse("SELECT 2", "b") + bind("a", "pa") +
                 bind("b", "pb") + execute("pa") + execute("pb") + sync_message());
    CHECK(stage.server(message('1') + message('1') + message('2') + message('2') + columns() +
                       row("1") + message('s') + columns() + row("2") + row("2") +
                       complete("SELECT 2") + ready()) == "1 1 2 2 D s D D C Z");
    // pa was left unfinished, and ended with its transaction.
    const std::string text = stage.records();
    CHECK(text.find("\"statement\":4,\"rows\":2") != std::string::npos);
    CHECK(text.find("\"statement\":3,\"rows\":1") != std::string::npos);
}

// --- the limits of a user ----------------------------------------------------------------------

namespace {

using namespace std::chrono_literals;

std::string execute_some(std::int32_t rows, const std::string& portal = "") {
    std::string out;
    wire::write_execute(out, portal, rows);
    return out;
}

std::string rows(std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += row("x");
    }
    return all;
}

std::string suspended() {
    return message('s');
}

}  // namespace

namespace {

// The server's answer to a question for the cost, and to a batch of one.
std::string cost(const std::string& total) {
    return message('3') + message('1') + message('2') +
           row("[\n  {\n    \"Plan\": {\n      \"Alias\": \"\\\"Total Cost\\\": 1\",\n"
               "      \"Startup Cost\": 1.00,\n      \"Total Cost\": " +
               total + ",\n      \"Plans\": [{\"Total Cost\": 1.00}]\n    }\n  }\n]") +
           complete("EXPLAIN") + message('3') + message('3');
}

const Sent kAsked{"C", "P EXPLAIN (FORMAT JSON) SELECT 1", "B", "E", "C", "C", "S"};

}  // namespace

TEST_CASE("limits: the cost of a statement is asked for once, and before it is sent", "[limits]") {
    Stage stage({.max_cost = 100});
    CHECK(stage.client(query("SELECT 1") + query("SHOW server_version")) == kAsked);
    // It is on record before anything of it is sent.
    CHECK(stage.count("\"sql\":\"SELECT 1\"") == 1);
    SECTION("below") {
        CHECK(stage.server(cost("100.00") + ready()).empty());
        CHECK(stage.take_server() == Sent{"Q SELECT 1", "Q SHOW server_version"});
        CHECK(stage.server(columns() + rows(1) + complete("SELECT 1") + ready()) == "T D C Z");
        CHECK(stage.server(columns() + rows(1) + complete("SHOW") + ready()) == "T D C Z");
        CHECK(stage.client(query("SELECT 1")) == Sent{"Q SELECT 1"});
        CHECK(stage.server(columns() + rows(1) + complete("SELECT 1") + ready()) == "T D C Z");
        // Another path, and the text may mean something else.
        CHECK(stage.client(query("SET search_path = public")).size() == 1);
        CHECK(stage.server(complete("SET") + ready()) == "C Z");
        CHECK(stage.client(query("SELECT 1")) == kAsked);
    }
    SECTION("above, and above that") {
        for (const std::string total : {"100.01", "1e300", "inf", "nan", "-nan", ""}) {
            INFO(total);
            CHECK(stage.server(cost(total) + ready()).empty());
            CHECK(stage.take_server() ==
                  Sent{"Q vitrine: statement refused", "Q SHOW server_version"});
            CHECK(stage.server(error("42601", "syntax error") + ready()) == "E53400 Z");
            CHECK(stage.server(columns() + rows(1) + complete("SHOW") + ready()) == "T D C Z");
            CHECK(stage.client(query("SELECT 1") + query("SHOW server_version")) == kAsked);
        }
    }
    SECTION("the session ends meanwhile: what is held has a result") {
        stage.conversation->client_closed();
        CHECK(stage.count("\"sqlstate\":\"57P01\"") == 1);
    }
    SECTION("an answer that is none") {
        CHECK(stage
                  .server(message('3') + message('1') + message('2') + complete("EXPLAIN") +
                          message('3') + message('3') + ready())
                  .empty());
        CHECK(stage.take_server().front() == "Q vitrine: statement refused");
    }
}

TEST_CASE("limits: the rows of a query", "[limits]") {
    Stage stage({.max_rows = 3});
    SECTION("as many as there may be") {
        stage.client(query("SELECT 1"));
        CHECK(stage.server(columns() + rows(3) + complete("SELECT 3") + ready()) == "T D D D C Z");
        CHECK_FALSE(stage.conversation->enforce_limits());
    }
    SECTION("one more, and the server had ended before it could be cancelled") {
        stage.client(query("SELECT 1"));
        CHECK(stage.server(columns() + rows(4) + complete("SELECT 4") + ready('T')) ==
              "T D D D E53400 Z");
        CHECK(stage.last.find("more than 3 rows (limits.max_rows)") != std::string::npos);
        CHECK(stage.count("\"rows\":3,") == 1);
        CHECK(stage.count("\"sqlstate\":\"53400\"") == 1);
        // The session goes on, and counts anew.
        CHECK(stage.client(query("SELECT 2")) == Sent{"Q SELECT 2"});
        CHECK(stage.server(columns() + rows(3) + complete("SELECT 3") + ready()) == "T D D D C Z");
    }
    SECTION("one more, and the server is cancelled") {
        stage.client(query("SELECT 1"));
        CHECK(stage.server(columns() + rows(5)) == "T D D D");
        // What comes now waits: the cancel must not hit it.
        CHECK(stage.client(query("SELECT 2")).empty());
        // More is read all the same, up to a bound: so it is noticed when the client leaves.
        CHECK(stage.conversation->wants_client_bytes());
        CHECK(stage.client(query("SELECT '" + std::string(300000, 'x') + "'")).empty());
        CHECK_FALSE(stage.conversation->wants_client_bytes());
        CHECK(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.server(rows(2) + error("57014", "canceling statement due to user request") +
                           ready()) == "E53400 Z");
        CHECK(stage.take_server().empty());
        stage.conversation->cancel_delivered();
        CHECK(stage.take_server().front() == "Q SELECT 2");
        CHECK(stage.server(columns() + rows(1) + complete("SELECT 1") + ready()) == "T D C Z");
    }
    SECTION("another error of the server's, behind the limit") {
        stage.client(query("SELECT 1"));
        CHECK(stage.server(columns() + rows(4) + error("22012", "division by zero") + ready()) ==
              "T D D D E53400 Z");
    }
    SECTION("COPY") {
        stage.client(query("COPY (SELECT 1) TO STDOUT"));
        CHECK(stage.server(message('H', std::string(3, '\0')) + message('d', "1\n") +
                           message('d', "1\n") + message('d', "1\n") + message('d', "1\n") +
                           message('c') + complete("COPY 4") + ready()) == "H d d d E53400 Z");
    }
    SECTION("the first of two statements: the client hears nothing of the second") {
        stage.client(query("SELECT 1; SELECT 2"));
        CHECK(stage.server(columns() + rows(4) + complete("SELECT 4") + columns() + rows(2) +
                           complete("SELECT 2") + ready()) == "T D D D E53400 Z");
        CHECK(stage.count("\"sqlstate\":\"53400\"") == 1);
        CHECK(stage.count("withheld") == 1);
    }
    SECTION("the second of two statements") {
        stage.client(query("SELECT 1; SELECT 2"));
        CHECK(stage.server(columns() + rows(3) + complete("SELECT 3") + columns() + rows(4) +
                           complete("SELECT 4") + ready()) == "T D D D C T D D D E53400 Z");
    }
    SECTION("an error of the second's is not told: one error a query") {
        stage.client(query("SELECT 1; SELECT 2"));
        CHECK(stage.server(columns() + rows(4) + complete("SELECT 4") +
                           error("22012", "division by zero") + ready()) == "T D D D E53400 Z");
    }
}

TEST_CASE("limits: a row is passed whole or not at all, in whatever pieces it comes", "[limits]") {
    Stage stage({.max_result_bytes = 40});
    stage.client(query("SELECT 1"));
    // A message of 12 bytes with one of text: three of them, and not four.
    const std::string answer = columns() + rows(5) + complete("SELECT 5") + ready();
    std::string got;
    for (const char byte : answer) {
        stage.conversation->from_server(std::string(1, byte));
        got += stage.conversation->client_output();
        stage.conversation->client_output().clear();
    }
    CHECK(outline(got) == "T D D D E53400 Z");
    CHECK(got.find("more than 40 bytes (limits.max_result_size)") != std::string::npos);

    // One row larger than all.
    stage.client(query("SELECT 2"));
    CHECK(stage.server(columns() + row(std::string(1000, 'x')) + complete("SELECT 1") + ready()) ==
          "T E53400 Z");
}

TEST_CASE("limits: the rows of a portal, in whatever pieces it is fetched", "[limits]") {
    Stage stage({.max_rows = 3});
    SECTION("the sum counts") {
        stage.client(parse("SELECT 1") + bind("", "p") + execute_some(2, "p") + sync_message());
        CHECK(stage.server(message('1') + message('2') + columns() + rows(2) + suspended() +
                           ready('T')) == "1 2 D D s Z");
        stage.client(execute_some(2, "p") + sync_message());
        CHECK(stage.server(rows(2) + suspended() + ready('T')) == "D E53400 Z");
        // And goes on counting where the transaction has not failed.
        stage.client(execute_some(2, "p") + sync_message());
        CHECK(stage.server(rows(1) + complete("SELECT 1") + ready('T')) == "E53400 Z");
    }
    SECTION("what follows in the batch has not run, and is not run") {
        CHECK(stage.client(parse("SELECT 1") + bind() + execute() + parse("SELECT 2", "s") +
                           bind("s") + execute() + sync_message() + query("SELECT 3")) ==
              Sent{"P SELECT 1", "B", "D", "E", "H"});
        CHECK(stage.server(message('1') + message('2') + columns() + rows(4) +
                           complete("SELECT 4")) == "1 2 D D D E53400");
        CHECK(stage.take_server() == Sent{"S", "Q SELECT 3"});
        CHECK(stage.server(ready() + columns() + rows(1) + complete("SELECT 1") + ready()) ==
              "Z T D C Z");
        CHECK(stage.count("not run: an earlier message of the batch failed") == 2);
    }
    SECTION("what follows in the batch of one that stays below runs") {
        stage.client(parse("SELECT 1") + bind() + execute() + bind() + execute() + sync_message());
        CHECK(stage.server(message('1') + message('2') + columns() + rows(3) +
                           complete("SELECT 3")) == "1 2 D D D C");
        CHECK(stage.take_server() == Sent{"B", "D", "E", "S"});
        CHECK(stage.server(message('2') + columns() + rows(1) + complete("SELECT 1") + ready()) ==
              "2 D C Z");
    }
    SECTION("a batch behind a Sync is on its way already, and untouched") {
        CHECK(stage.client(parse("SELECT 1") + bind() + execute() + sync_message() +
                           parse("SELECT 2") + bind() + execute() + sync_message()) ==
              Sent{"P SELECT 1", "B", "D", "E", "S", "P SELECT 2", "B", "D", "E", "S"});
        CHECK(stage.server(message('1') + message('2') + columns() + rows(4) +
                           complete("SELECT 4") + ready() + message('1') + message('2') +
                           columns() + rows(3) + complete("SELECT 3") + ready()) ==
              "1 2 D D D E53400 Z 1 2 D D D C Z");
    }
    SECTION("a cancel that hits such a one says whom it was meant for") {
        stage.client(parse("SELECT 1") + bind() + execute() + sync_message() + query("SELECT 2"));
        stage.server(message('1') + message('2') + columns() + rows(4));
        CHECK(stage.conversation->enforce_limits());
        CHECK(stage.server(complete("SELECT 4") + ready() +
                           error("57014", "canceling statement due to user request") + ready()) ==
              "E53400 Z E57014 Z");
        CHECK(stage.last.find("was cancelled; run this one again") != std::string::npos);
    }
}

TEST_CASE("limits: without limits of rows, a batch goes through in one", "[limits]") {
    Stage stage;
    CHECK(stage.client(parse("SELECT 1") + bind() + execute() + bind() + execute() +
                       sync_message()) == Sent{"P SELECT 1", "B", "D", "E", "B", "D", "E", "S"});
}

TEST_CASE("limits: the time of a statement", "[limits]") {
    Stage stage({.statement_timeout = 30s});
    SECTION("in time") {
        stage.client(query("SELECT 1"));
        stage.now += 29s;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.server(columns() + rows(1) + complete("SELECT 1") + ready()) == "T D C Z");
        stage.now += 1h;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->ended());
    }
    SECTION("too late") {
        stage.client(query("SELECT 1"));
        stage.now += 30s;
        CHECK(stage.conversation->enforce_limits());
        CHECK(stage.server(error("57014", "canceling statement due to user request") +
                           ready('E')) == "E57014 Z");
        CHECK(stage.last.find("after 30 s (limits.statement_timeout)") != std::string::npos);
        CHECK(stage.last.find("user request") == std::string::npos);
        CHECK(stage.count("\"sqlstate\":\"57014\"") == 1);
    }
    SECTION("too late, and the answers to what was before it come with its error") {
        stage.client(parse("SELECT 1") + bind() + execute() + sync_message() + query("SELECT 2"));
        stage.now += 30s;
        CHECK(stage.conversation->enforce_limits());
        stage.now += 200ms;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.server(message('1') + message('2') + columns() +
                           error("57014", "canceling statement due to user request") + ready()) ==
              "1 2 E57014 Z");
        CHECK(stage.last.find("after 30 s (limits.statement_timeout)") != std::string::npos);
        // The next one has its own time.
        stage.now += 29s;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.server(columns() + rows(1) + complete("SELECT 1") + ready()) == "T D C Z");
    }
    SECTION("too late, and it has just ended") {
        stage.client(parse("SELECT 1") + bind() + execute() + sync_message());
        stage.server(message('1') + message('2') + columns());
        stage.now += 31s;
        CHECK(stage.conversation->enforce_limits());
        CHECK(stage.server(rows(1) + complete("SELECT 1") + ready()) == "E57014 Z");
    }
    SECTION("an error of its own comes first") {
        stage.client(query("SELECT 1"));
        stage.now += 30s;
        CHECK(stage.conversation->enforce_limits());
        CHECK(stage.server(error("22012", "division by zero") + ready()) == "E22012 Z");
    }
    SECTION("each statement of a text has its own") {
        stage.client(query("SELECT 1; SELECT 2"));
        stage.now += 20s;
        stage.server(columns() + rows(1) + complete("SELECT 1"));
        stage.now += 20s;
        CHECK_FALSE(stage.conversation->enforce_limits());
        stage.now += 10s;
        CHECK(stage.conversation->enforce_limits());
    }
    SECTION("a statement waits for the one before it without losing time") {
        stage.client(query("SELECT 1") + query("SELECT 2"));
        stage.now += 20s;
        stage.server(columns() + rows(1) + complete("SELECT 1") + ready());
        stage.now += 20s;
        CHECK_FALSE(stage.conversation->enforce_limits());
    }
    SECTION("the answers of a batch without an end are asked for, and it is no statement then") {
        CHECK(stage.client(parse("SELECT 1") + bind()) == Sent{"P SELECT 1", "B"});
        stage.now += 200ms;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.take_server() == Sent{"H"});
        stage.server(message('1') + message('2'));
        stage.now += 1h;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->ended());
    }
    SECTION("one that does not take the cancel takes its session along") {
        stage.client(query("SELECT 1"));
        stage.now += 30s;
        CHECK(stage.conversation->enforce_limits());
        stage.now += 4s;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->ended());
        stage.now += 1s;
        CHECK_FALSE(stage.conversation->enforce_limits());
        REQUIRE(stage.conversation->ended());
        CHECK(stage.conversation->ended()->cause == audit::EndCause::kLimit);
        CHECK(stage.take_client() == "E57014");
    }
}

TEST_CASE("limits: a client that does not read does not keep its statement running", "[limits]") {
    Stage stage({.statement_timeout = 30s});
    stage.client(query("SELECT 1"));
    const std::string large = row(std::string(300 * 1024, 'x'));
    stage.conversation->from_server(columns() + large);
    CHECK_FALSE(stage.conversation->wants_server_bytes());
    stage.now += 30s;
    CHECK(stage.conversation->enforce_limits());
    CHECK(stage.conversation->wants_server_bytes());
    const std::size_t before = stage.conversation->client_output().size();
    stage.conversation->from_server(large);
    CHECK(stage.conversation->client_output().size() == before);
    CHECK(stage.server(error("57014", "canceling statement due to user request") + ready()) ==
          "T D E57014 Z");
}

TEST_CASE("limits: idle", "[limits]") {
    Stage stage({.idle_timeout = 15min});
    SECTION("nothing comes") {
        stage.now += 14min;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->ended());
        stage.now += 1min;
        CHECK_FALSE(stage.conversation->enforce_limits());
        REQUIRE(stage.conversation->ended());
        CHECK(stage.conversation->ended()->cause == audit::EndCause::kLimit);
        CHECK(stage.take_client() == "E57P05");
        CHECK(stage.count("\"cause\":\"limit\"") == 1);
    }
    SECTION("a statement that runs, and the time since it ended") {
        stage.client(query("SELECT 1"));
        stage.now += 1h;
        CHECK_FALSE(stage.conversation->enforce_limits());
        stage.server(columns() + rows(1) + complete("SELECT 1") + ready('T'));
        stage.now += 14min;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->ended());
        stage.now += 1min;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.conversation->ended());
    }
    SECTION("a client that has yet to read") {
        stage.client(query("SELECT 1"));
        stage.conversation->from_server(columns() + rows(1) + complete("SELECT 1") + ready());
        stage.now += 1h;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK_FALSE(stage.conversation->ended());
    }
    SECTION("a batch left open") {
        stage.client(parse("SELECT 1") + bind());
        stage.now += 1min;
        CHECK_FALSE(stage.conversation->enforce_limits());
        stage.server(message('1') + message('2'));
        stage.now += 15min;
        CHECK_FALSE(stage.conversation->enforce_limits());
        CHECK(stage.conversation->ended());
    }
}

TEST_CASE("limits: statements a minute", "[limits]") {
    Stage stage({.statements_per_minute = 2});
    stage.allowance = 2;
    const std::string rule = "\"verdict\":\"reject\",\"rule\":\"limits: statements_per_minute\"";
    SECTION("a text counts by its statements, and is refused as a whole") {
        CHECK(stage.client(query("SELECT 1; SELECT 2; SELECT 3")) ==
              Sent{"Q vitrine: statement refused"});
        CHECK(stage.server(error("42601", "syntax error") + ready('I')) == "E53400 Z");
        CHECK(stage.last.find("more than 2 statements a minute") != std::string::npos);
        CHECK(stage.count(rule) == 1);
        CHECK(stage.count("not run: an earlier statement was refused") == 2);
    }
    SECTION("an empty text is none") {
        stage.client(query(" -- nothing"));
        CHECK(stage.asked == 0);
    }
    SECTION("a Bind counts, a Parse and a portal's further Executes do not") {
        stage.client(parse("SELECT 1", "s") + sync_message());
        stage.server(message('1') + ready());
        CHECK(stage.asked == 0);
        stage.client(bind("s", "p") + execute_some(1, "p") + execute_some(1, "p") + sync_message());
        CHECK(stage.asked == 1);
        stage.server(message('2') + columns() + rows(1) + suspended() + rows(1) + suspended() +
                     ready());
        stage.client(bind("s") + execute() + sync_message());
        stage.server(message('2') + columns() + rows(1) + complete("SELECT 1") + ready());
        CHECK(stage.client(bind("s") + execute() + sync_message()) == Sent{kFailing, "S"});
        CHECK(stage.server(error("42601", "syntax error") + ready()) == "E53400 Z");
        CHECK(stage.count(rule) == 1);
    }
    SECTION("an Execute of a cursor counts") {
        stage.allowance = 0;
        CHECK(stage.client(execute("c") + sync_message()) == Sent{kFailing, "S"});
        CHECK(stage.server(error("42601", "syntax error") + ready()) == "E53400 Z");
        CHECK(stage.count(rule) == 1);
    }
    SECTION("what is refused anyway counts too") {
        stage.client(query("DELETE FROM customers"));
        CHECK(stage.asked == 1);
    }
}
