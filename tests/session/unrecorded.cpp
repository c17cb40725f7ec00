// Statements that cannot be recorded: what is sent of them, and what the query log says in the end.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/session/stage.h"

using namespace vitrine;
using namespace vitrine::session::test;

namespace {

std::string flush_message() {
    return message('H');
}

struct OnRecord {
    std::multiset<std::uint64_t> statements;
    std::multiset<std::uint64_t> results;
    std::set<std::uint64_t> without_statement;  // results, and Binds without their text
    std::uint64_t rejected = 0;
    std::optional<std::uint64_t> end_statements;
    std::optional<std::uint64_t> end_rejected;
};

// What is on record of one session; empty: of the only one.
OnRecord on_record(const Stage& stage, const std::string& session = {}) {
    OnRecord seen;
    std::istringstream in(stage.records());
    for (std::string line; std::getline(in, line);) {
        const auto record = boost::json::parse(line).as_object();
        if (!session.empty() && record.at("session").as_string() != session) {
            continue;
        }
        const auto number = [&](const char* name) {
            return record.at(name).to_number<std::uint64_t>();
        };
        const auto type = record.at("type").as_string();
        if (type == "statement") {
            seen.statements.insert(number("statement"));
            seen.rejected += record.at("verdict").as_string() == "allow" ? 0 : 1;
            if (record.contains("of") && !seen.statements.contains(number("of"))) {
                seen.without_statement.insert(number("statement"));
            }
        } else if (type == "result") {
            seen.results.insert(number("statement"));
            if (!seen.statements.contains(number("statement"))) {
                seen.without_statement.insert(number("statement"));
            }
        } else if (type == "session_end") {
            seen.end_statements = number("statements");
            seen.end_rejected = number("rejected");
        }
    }
    return seen;
}

void check_true_to_itself(const OnRecord& seen) {
    CHECK(seen.without_statement.empty());
    CHECK(seen.end_statements == seen.statements.size());
    CHECK(seen.end_rejected == seen.rejected);
}

void begin(Stage& stage) {
    stage.client(query("SELECT 0"));
    stage.server(columns() + complete("SELECT 0") + ready());
}

}  // namespace

TEST_CASE("a batch that fails at the server while its rest cannot be recorded", "[conversation]") {
    Stage stage;
    SECTION("the rest is not sent yet when the error comes") {
        CHECK(stage.client(parse("SELECT 1", "a") + flush_message()).size() == 2);
        {
            const Room room(stage, 500);
            stage.conversation->from_client(parse(literal(4000), "b"));
            CHECK(stage.server(error("42601", "syntax error")) == "E42601");
            // It fails as what it stands for would have been skipped.
            CHECK(stage.take_server() == Sent{kFailing});
        }
    }
    SECTION("by the driver's own order of calls") {
        stage.conversation->from_client(parse("SELECT 1", "a") + parse(literal(300'000), "b"));
        stage.conversation->from_client(parse(literal(4000), "c"));  // waits for room
        std::string& out = stage.conversation->server_output();
        const Room room(stage, 500);
        out.clear();
        stage.conversation->output_drained();
        CHECK(stage.server(error("42601", "syntax error")) == "E42601");
        CHECK(stage.take_server() == Sent{kFailing});
    }
    SECTION("then a Parse") {
        stage.client(parse("SELECT 1", "a") + flush_message());
        const Room room(stage, 500);
        stage.conversation->from_client(parse(literal(4000), "b"));
        stage.server(error("42601", "syntax error"));
        stage.take_server();
    }
    // The server skips: so do we, until the Sync.
    CHECK(stage.client(parse("SELECT 3") + query("SELECT 4")).empty());
    CHECK(stage.client(sync_message()) == Sent{"S"});
    CHECK(stage.server(ready()) == "Z");
    CHECK(stage.client(query("SELECT 5")) == Sent{"Q SELECT 5"});
    CHECK(stage.server(columns() + row("1") + complete("SELECT 1") + ready()) == "T D C Z");
    stage.conversation->end({});
    check_true_to_itself(on_record(stage));
}

TEST_CASE("no Bind on record whose text is not", "[conversation]") {
    Stage stage;
    begin(stage);
    SECTION("since a checkpoint found no room") {
        stage.conversation->from_client(parse(literal(4000)));
        {
            const Room room(stage, 500);
            static_cast<void>(stage.log->checkpoint());
        }
        CHECK(stage.client(bind() + execute() + sync_message()) == Sent{kFailing, "S"});
        CHECK(stage.server(kServersError + ready()) == "E58030 Z");
    }
    SECTION("of those that were skipped") {
        CHECK(stage.client(parse("DELETE FROM customers")) == Sent{kFailing});
        {
            const Room room(stage, 500);
            CHECK(stage.client(parse(literal(4000), "a")).empty());
        }
        CHECK(stage.client(bind("a") + sync_message()) == Sent{"S"});
        CHECK(stage.server(kServersError + ready()) == "E25006 Z");
        CHECK(stage.count("Bind of prepared statement") == 1);
    }
    stage.conversation->end({});
    check_true_to_itself(on_record(stage));
}

TEST_CASE("no result of a statement that is not on record", "[conversation]") {
    Stage stage;
    begin(stage);
    SECTION("of a text whose first statement fails with its second") {
        {
            const Room room(stage, 35'000);
            CHECK(stage.client(query(literal(40'000) + "; " + literal(30'000))) ==
                  Sent{"Q vitrine: statement refused"});
            CHECK(stage.server(kServersError + ready()) == "E58030 Z");
        }
        stage.conversation->end({});
    }
    SECTION("of a session that ends when a checkpoint has found no room") {
        stage.conversation->from_client(query(literal(4000)) + query("DELETE FROM customers"));
        {
            const Room room(stage, 500);
            static_cast<void>(stage.log->checkpoint());
        }
        stage.conversation->end({});
        CHECK(on_record(stage).statements.size() == 1);
    }
    SECTION("of a session whose end finds no room for them") {
        const Room room(stage, 30'000);
        stage.conversation->from_client(query(literal(21'600)) + query(literal(21'600)) +
                                        query(literal(20'600)));
        stage.conversation->end({});
    }
    SECTION("and the session's end is, where there is room for that") {
        const Room room(stage, 2000);
        stage.conversation->from_client(query(literal(4000)) + message('X'));
        CHECK(stage.conversation->ended()->log_message.empty());
    }
    check_true_to_itself(on_record(stage));
}

TEST_CASE("a statement that was refused and recorded has a result, whatever comes behind it",
          "[conversation]") {
    Stage stage;
    stage.conversation->from_client(query("DELETE FROM customers"));
    REQUIRE(stage.log->checkpoint().has_value());
    {
        const Room room(stage, 500);
        CHECK(stage.client(query(literal(4000))) ==
              Sent{"Q vitrine: statement refused", "Q vitrine: statement refused"});
    }
    CHECK(stage.server(kServersError + ready() + kServersError + ready()) == "E58030 Z E58030 Z");
    stage.conversation->end({});
    const OnRecord seen = on_record(stage);
    CHECK(seen.statements.size() == 1);
    CHECK(seen.results.size() == 1);
    check_true_to_itself(seen);
}

// --- random clients, disks and drivers, against a model of the server ---------------------------

namespace {

// As much of a server as it takes: what it has prepared, what it skips, and what was run.
class Server {
  public:
    void receive(std::string_view bytes) {
        in_ += bytes;
        while (true) {
            const auto header = wire::peek_frontend(in_);
            REQUIRE(header.has_value());
            if (!*header || in_.size() < (*header)->size) {
                return;
            }
            const std::string one = in_.substr(0, (*header)->size);
            in_.erase(0, one.size());
            take(one[0], std::string_view(one).substr(wire::kHeaderBytes));
        }
    }

    std::string out;
    std::vector<std::string> texts;  // that reached it, but vitrine's own

  private:
    void fail(const char* sqlstate) {
        out += error(sqlstate, "failed");
        skipping_ = true;
    }
    void take(char type, std::string_view payload) {
        if (type == 'S') {
            skipping_ = false;
            portals_.clear();
            out += ready();
            return;
        }
        if (skipping_) {
            return;
        }
        switch (type) {
            case 'Q':
                take_query(std::string(wire::decode_query(payload)->sql));
                return;
            case 'P':
                take_parse(*wire::decode_parse(payload));
                return;
            case 'B': {
                const auto bind = *wire::decode_bind(payload);
                if (!prepared_.contains(std::string(bind.statement))) {
                    fail("26000");
                    return;
                }
                portals_.insert(std::string(bind.portal));
                out += message('2');
                return;
            }
            case 'D': {
                const auto describe = *wire::decode_describe(payload);
                const bool is_portal = describe.kind == wire::ObjectKind::kPortal;
                if (!(is_portal ? portals_ : prepared_).contains(std::string(describe.name))) {
                    fail(is_portal ? "34000" : "26000");
                    return;
                }
                out += (is_portal ? "" : message('t', int16(0))) + columns();
                return;
            }
            case 'E':
                if (!portals_.contains(std::string(wire::decode_execute(payload)->portal))) {
                    fail("34000");
                    return;
                }
                out += row("1") + complete("SELECT 1");
                return;
            case 'C': {
                const auto close = *wire::decode_close(payload);
                (close.kind == wire::ObjectKind::kPortal ? portals_ : prepared_)
                    .erase(std::string(close.name));
                out += message('3');
                return;
            }
            case 'H':
                return;
            default:
                FAIL("the server got a message " << type);
        }
    }
    void take_query(const std::string& sql) {
        portals_.clear();
        if (sql == session::kFailingText) {
            out += kServersError + ready();
            return;
        }
        texts.push_back(sql);
        if (sql.find("1/0") != std::string::npos) {
            out += error("22012", "division by zero") + ready();
            return;
        }
        const auto statements = 1 + std::ranges::count(sql, ';');
        for (std::ptrdiff_t i = 0; i < statements; ++i) {
            out += columns() + row("1") + complete("SELECT 1");
        }
        out += ready();
    }
    void take_parse(const wire::Parse& parse) {
        if (parse.sql == session::kFailingText) {
            if (parse.name.empty()) {
                prepared_.erase("");
            }
            fail("42601");
            return;
        }
        texts.emplace_back(parse.sql);
        if (parse.sql.find("1/0") != std::string_view::npos) {
            fail("22012");
            return;
        }
        if (!parse.name.empty() && prepared_.contains(std::string(parse.name))) {
            fail("42P05");
            return;
        }
        prepared_.insert(std::string(parse.name));
        out += message('1');
    }

    std::set<std::string> prepared_;
    std::set<std::string> portals_;
    bool skipping_ = false;
    std::string in_;
};

// A client that sends anything in any order. Every text has a number of its own.
class Client {
  public:
    explicit Client(std::mt19937& random) : random_(random) {}

    std::string next() {
        const std::string& statement = name();
        const std::string& portal = name();
        std::string out;
        switch (random_() % 12) {
            case 0:
            case 1:
                return query(random_() % 3 == 0 ? text() + "; " + text() : text());
            case 2:
            case 3:
                return parse(text(), statement);
            case 4:
                return parse(text(), statement) + bind(statement, portal) + execute(portal) +
                       sync_message();
            case 5:
                return bind(statement, portal);
            case 6:
                return execute(portal);
            case 7:
                wire::write_describe(out, kind(), statement);
                return out;
            case 8:
                wire::write_close(out, kind(), statement);
                return out;
            case 9:
                return flush_message();
            default:
                return sync_message();
        }
    }

  private:
    const std::string& name() {
        static const std::vector<std::string> kNames{"", "a", "b"};
        return kNames[random_() % kNames.size()];
    }
    wire::ObjectKind kind() {
        return random_() % 2 == 0 ? wire::ObjectKind::kPortal : wire::ObjectKind::kStatement;
    }
    std::string text() {
        const std::string number = std::to_string(++number_);
        switch (random_() % 30) {
            case 0:
            case 1:
                return "SELECT 1/0, " + number;
            case 2:
            case 3:
                return "DELETE FROM customers WHERE id = " + number;
            case 4:
                return "SELECT " + number + ", '" + std::string(50'000, 'x') + "'";
            case 5:
            case 6:
            case 7:
            case 8:
            case 9:
            case 10:
                return "SELECT " + number + ", '" + std::string(random_() % 3000, 'x') + "'";
            default:
                return "SELECT " + number;
        }
    }

    std::mt19937& random_;
    std::uint64_t number_ = 1'000'000;
};

// The numbers of a Client's texts.
std::vector<std::string> numbers_of(const std::string& text) {
    std::vector<std::string> numbers;
    for (std::size_t at = text.find("10"); at != std::string::npos; at = text.find("10", at + 7)) {
        if (text.find_first_not_of("0123456789", at) >= at + 7) {
            numbers.push_back(text.substr(at, 7));
        }
    }
    return numbers;
}

// One session of `random`; `answers_come_early`: also while records wait to be written.
void run_session(std::mt19937& random, bool answers_come_early) {
    const auto chance = [&](unsigned of) { return random() % of == 0; };
    Stage stage;
    Server server;
    Client client(random);
    begin(stage);
    const audit::SessionId other{audit::new_session_id(), "ada"};
    std::string pending;  // of the client's, on the way
    std::optional<Room> room;
    std::uint64_t others = 0;

    const auto flush = [&] {
        std::string& out = stage.conversation->server_output();
        if (out.empty()) {
            return;
        }
        const std::size_t size = chance(3) ? 1 + random() % out.size() : out.size();
        server.receive(out.substr(0, size));
        out.erase(0, size);
        for (const std::string& text : std::exchange(server.texts, {})) {
            for (const std::string& number : numbers_of(text)) {
                CHECK(stage.count(number) > 0);
            }
        }
        stage.conversation->output_drained();
    };
    const auto answer = [&] {
        if (!server.out.empty()) {
            const std::size_t size =
                chance(2) ? 1 + random() % server.out.size() : server.out.size();
            stage.conversation->from_server(server.out.substr(0, size));
            server.out.erase(0, size);
        }
    };
    for (int step = 0; step < 100; ++step) {
        for (unsigned i = random() % 4; i > 0; --i) {
            pending += client.next();
        }
        if (chance(3)) {
            room.reset();
            if (chance(2)) {
                room.emplace(stage, random() % (chance(2) ? 400 : 6000));
            }
        }
        const std::size_t size = chance(3) ? random() % (pending.size() + 1) : pending.size();
        stage.conversation->from_client(pending.substr(0, size));
        pending.erase(0, size);
        if (chance(5)) {
            static_cast<void>(stage.log->checkpoint());
        }
        if (chance(6)) {
            const auto staged = stage.log->stage(
                other, {.statement = ++others, .sql = "SELECT 'other'", .allowed = true});
            if (staged.has_value() && chance(2)) {
                stage.log->write(*staged);
            }
        }
        if (chance(6)) {
            stage.log->drain();
        }
        if (answers_come_early && chance(2)) {
            answer();
        }
        flush();
        answer();
        flush();
        stage.conversation->client_output().clear();
        REQUIRE_FALSE(stage.conversation->ended());
    }
    room.reset();
    stage.conversation->from_client(pending + sync_message());
    for (int i = 0; i < 5000 && (stage.conversation->statement_running() || !server.out.empty() ||
                                 !stage.conversation->server_output().empty());
         ++i) {
        flush();
        answer();
    }
    CHECK_FALSE(stage.conversation->statement_running());
    stage.conversation->client_output().clear();

    // They are in step: a query is answered with its own rows.
    stage.conversation->from_client(query("SELECT 1"));
    while (!stage.conversation->server_output().empty()) {
        flush();
    }
    CHECK(server.out == columns() + row("1") + complete("SELECT 1") + ready());
    CHECK(stage.server(server.out) == "T D C Z");
    REQUIRE_FALSE(stage.conversation->ended());
    stage.conversation->end({});
    static_cast<void>(stage.log->checkpoint());

    std::istringstream records(stage.records());
    std::string first;
    std::getline(records, first);
    const OnRecord seen =
        on_record(stage, boost::json::parse(first).as_object().at("session").as_string().c_str());
    check_true_to_itself(seen);
    CHECK(std::set(seen.statements.begin(), seen.statements.end()).size() ==
          seen.statements.size());
}

}  // namespace

TEST_CASE("random sessions on a disk that is full now and then: the log and the server agree",
          "[conversation]") {
    const bool answers_come_early = GENERATE(false, true);
    for (unsigned seed = 0; seed < 80; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(seed);
        run_session(random, answers_come_early);
    }
}
