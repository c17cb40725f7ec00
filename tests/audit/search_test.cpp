// `audit search`: each condition, what stands in other records and other files, and that the index
// changes nothing but the time.
#include "proxy/audit/search.h"

#include <sys/stat.h>

#include <boost/json.hpp>
#include <iomanip>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "log_fixture.h"
#include "proxy/audit/search_index.h"
#include "proxy/audit/search_report.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace {

namespace fs = std::filesystem;

SessionId session_number(const std::string& user, std::uint32_t number) {
    std::ostringstream id;
    id << std::hex << std::setfill('0') << std::setw(8) << (number * 2654435761U | 1U)
       << std::string(16, '0') << std::setw(8) << number;
    return {id.str(), user};
}

Statement bound(std::uint64_t number, std::uint64_t of,
                std::vector<std::optional<std::string>> values) {
    Statement statement;
    statement.statement = number;
    statement.of = of;
    statement.params = std::move(values);
    statement.allowed = true;
    statement.rule = "read";
    return statement;
}

Subject word_subject(const std::string& word) {
    Subject subject;
    subject.name = word;
    subject.words = {word};
    subject.mentions = [word](const std::string& sql) {
        return folded(sql).find(word) == std::string::npos ? Mention::kNo : Mention::kName;
    };
    return subject;
}

struct Found {
    std::vector<std::string> lines;  // "alice:3 SELECT … 00000 shop"
    Searched searched;
    std::string said;
};

Found find(const fs::path& directory, const fs::path& index, const Question& question) {
    Found found;
    std::ostringstream err;
    found.searched = search(
        directory, list_log_files(directory), index, question,
        [&](const Hit& hit) {
            std::ostringstream line;
            line << hit.record.text("user") << ':' << hit.record.number("statement") << ' '
                 << hit.sql << ' ' << (hit.result == nullptr ? "-" : hit.result->sqlstate) << ' '
                 << (hit.result == nullptr ? 0 : hit.result->rows) << ' ' << hit.session.database
                 << ' ' << hit.session.grant << ' ' << hit.file << ':' << hit.line;
            for (const Mention mention : hit.mentions) {
                line << ' ' << text_of(mention);
            }
            found.lines.push_back(line.str());
            return true;
        },
        err);
    found.said = err.str();
    return found;
}

// alice's session goes past midnight, carol's is cut off, bob is refused.
struct SearchFixture : LogFixture {
    fs::path index = temporary.path() / "index";

    SearchFixture() {
        time = SetClock(noon() + std::chrono::hours(11) + std::chrono::minutes(59) +
                        std::chrono::seconds(59));
        const auto log = open();
        const auto alice = session_number("alice", 1);
        const auto bob = session_number("bob", 2);
        const auto carol = session_number("carol", 3);
        SessionStart start = a_start();
        start.grant = "g_1";
        start.approvers = {"dora"};
        add(*log, alice, start);
        add(*log, alice, a_statement(1, "SELECT email FROM Customers WHERE id = $1"));
        add(*log, alice, a_result(1, 0));
        Statement run = bound(2, 1, {{"4711"}, std::nullopt});
        run.masked = {"public.customers.email"};
        add(*log, alice, run);
        time.advance(std::chrono::seconds(2));
        Result result = a_result(2, 7);
        add(*log, alice, result);
        add(*log, alice, bound(3, 1, {{"it's \"quoted\"\n\x01"}}));
        result = a_result(3, 0);
        result.sqlstate = "22P02";
        result.message = "invalid input syntax";
        add(*log, alice, result);
        SessionStart other = a_start();
        other.database = "books";
        add(*log, bob, other);
        add(*log, bob, a_statement(1, "DELETE FROM library.books", false));
        result = a_result(1, 0);
        result.sqlstate = "25006";
        add(*log, bob, result);
        add(*log, bob, a_statement(2, std::string_view("SELECT 'bytes \xff here'")));
        add(*log, bob, a_result(2, 1));
        add(*log, bob,
            bound(3, 2,
                  {{std::string("raw\xff"
                                "Bytes\0end",
                                13)}}));
        add(*log, bob, a_result(3, 1));
        add(*log, bob, SessionEnd{});
        add(*log, carol, start);
        add(*log, carol, a_statement(1, "SELECT pg_sleep(3600)"));
        add(*log, alice, SessionEnd{});
    }

    template <typename R>
    void add(QueryLog& log, const SessionId& id, const R& record) const {
        REQUIRE(log.append(id, record));
        time.advance(std::chrono::milliseconds(1));
    }

    // The same with the index and without.
    [[nodiscard]] std::vector<std::string> ask(const Question& question) const {
        const Found scanned = find(directory, {}, question);
        const Found indexed = find(directory, index, question);
        CHECK(scanned.lines == indexed.lines);
        CHECK(scanned.searched.complete);
        CHECK(indexed.searched.complete);
        CHECK(scanned.said + indexed.said == "");
        return indexed.lines;
    }
};

using Lines = std::vector<std::string>;
const std::string kBound = " SELECT email FROM Customers WHERE id = $1 ";
const std::string kAlice2 = "alice:2" + kBound + "00000 7 shop g_1 alice/2026-11-24.jsonl:4";
const std::string kAlice3 = "alice:3" + kBound + "22P02 0 shop g_1 alice/2026-11-25.jsonl:2";
const std::string kBob1 = "bob:1 DELETE FROM library.books 25006 0 books  bob/2026-11-25.jsonl:2";
const std::string kCarol1 = "carol:1 SELECT pg_sleep(3600) - 0 shop g_1 carol/2026-11-25.jsonl:2";

}  // namespace

TEST_CASE("a search finds by each condition, and by all of them together") {
    const SearchFixture log;
    CHECK(log.ask({}).size() == 7);
    CHECK(log.ask({.user = "alice"}).size() == 3);
    CHECK(log.ask({.user = "alic"}).empty());
    CHECK(log.ask({.database = "books"}).size() == 3);
    CHECK(log.ask({.grant = "g_1"}).size() == 4);
    CHECK(log.ask({.sqlstate = "22P02"}) == Lines{kAlice3});
    CHECK(log.ask({.sqlstate = "25006"}) == Lines{kBob1});
    CHECK(log.ask({.sqlstate = "99999"}).empty());
    CHECK(log.ask({.masked = "customers.EMAIL"}) == Lines{kAlice2});
    CHECK(log.ask({.masked = "public.customers.email"}) == Lines{kAlice2});
    CHECK(log.ask({.masked = "mail"}).empty());
    CHECK(log.ask({.allowed = false}) == Lines{kBob1});
    CHECK(log.ask({.session = session_number("carol", 3).session}) == Lines{kCarol1});
    CHECK(log.ask({.session = session_number("carol", 3).session.substr(0, 5)}) == Lines{kCarol1});
    CHECK(log.ask({.since = Microseconds(noon() + std::chrono::hours(12)),
                   .until = Microseconds(noon() + std::chrono::hours(24))})
              .size() == 5);
    CHECK(log.ask({.since = Microseconds(noon() + std::chrono::hours(24))}).empty());
    CHECK(log.ask({.until = Microseconds(noon() + std::chrono::hours(12))}).size() == 2);
    CHECK(log.ask({.user = "alice", .sqlstate = "22P02", .words = {"customers", "quoted"}}) ==
          Lines{kAlice3});
    CHECK(log.ask({.user = "bob", .sqlstate = "22P02"}).empty());
    CHECK(log.ask({.limit = 2}).size() == 2);
}

TEST_CASE("words are found in SQL, in that of a prepared statement, in values and masked columns") {
    const SearchFixture log;
    CHECK(log.ask({.words = {"LIBRARY.books"}}) == Lines{kBob1});
    CHECK(log.ask({.words = {"4711"}}) == Lines{kAlice2});
    // One in the text of another file, one in the value.
    CHECK(log.ask({.words = {"from customers", "\"QUOTED\""}}) == Lines{kAlice3});
    CHECK(log.ask({.words = {"\n\x01"}}) == Lines{kAlice3});
    CHECK(log.ask({.words = {"public.customers.email"}}) == Lines{kAlice2});
    CHECK(log.ask({.words = {"rawx"}}).empty());
    // Bytes that were not valid UTF-8 are searched as they are.
    CHECK(log.ask({.words = {std::string("\xff"
                                         "bytes")}})
              .size() == 1);
    CHECK(log.ask({.words = {"e"}}).size() == 7);
    CHECK(log.ask({.words = {"params"}}).empty());
}

TEST_CASE("what a subject says is taken, by text and by masked column") {
    const SearchFixture log;
    Subject customers = word_subject("customers");
    CHECK(log.ask({.subjects = {customers}}).size() == 3);
    // A column that is masked counts even where the text says no.
    customers.mentions = [](const std::string&) { return Mention::kNo; };
    CHECK(log.ask({.subjects = {customers}}).empty());
    customers.is_masked = [](std::string_view column) {
        return column == "public.customers.email";
    };
    CHECK(log.ask({.subjects = {customers}}) == Lines{kAlice2 + " masked"});
    CHECK(log.ask({.subjects = {customers, word_subject("books")}}).empty());
    // Only texts with one of the words are shown to it.
    std::size_t asked = 0;
    Subject counted = word_subject("library");
    counted.mentions = [&](const std::string&) {
        ++asked;
        return Mention::kStar;
    };
    CHECK(log.ask({.subjects = {counted}}).size() == 1);
    CHECK(asked == 2);
}

TEST_CASE("what cannot be read makes the answer less than whole") {
    const SearchFixture log;
    auto lines = lines_of(log.file("bob", "2026-11-25"));
    lines[1] = "{\"time\":";
    write_lines(log.file("bob", "2026-11-25"), lines);
    for (const fs::path& index : {fs::path(), log.index}) {
        const Found found = find(log.directory, index, {.words = {"4711"}});
        CHECK(found.lines == Lines{kAlice2});
        CHECK_FALSE(found.searched.complete);
        CHECK(found.said.find("bob/2026-11-25.jsonl:2: the line cannot be read") !=
              std::string::npos);
    }
    std::ostringstream out;
    std::ostringstream err;
    CHECK(search_directory(log.directory, {}, {.words = {"4711"}}, Format::kJson, {}, out, err) ==
          2);
    CHECK(search_directory(log.directory / "none", {}, {}, Format::kJson, {}, out, err) == 2);
}

namespace {

// A log large enough for many blocks, in which sessions overlap, cross midnight and break off.
class RandomLog {
  public:
    explicit RandomLog(std::uint64_t seed) : random_(seed), log_(fixture.open()) {
        for (const char* user : {"alice", "bob", "carol"}) {
            for (int i = 0; i < 3; ++i) {
                sessions_.push_back(begin(user));
            }
        }
    }
    void write(std::size_t records) {
        for (std::size_t i = 0; i < records; ++i) {
            one(sessions_[random_() % sessions_.size()]);
            fixture.time.advance(std::chrono::milliseconds(i % 2'000 == 0 ? 3'600'000 : 1));
        }
        REQUIRE(log_->checkpoint());
    }
    [[nodiscard]] Question question() {
        Question question;
        const auto maybe = [&](int of) { return random_() % static_cast<unsigned>(of) == 0; };
        if (maybe(4))
            question.user = pick({"alice", "bob", "carol", "nobody"});
        if (maybe(5))
            question.database = pick({"db1", "db2", "db7"});
        if (maybe(6))
            question.grant = pick({"g_1", "g_2", "g_9"});
        if (maybe(4))
            question.sqlstate = pick({"22P02", "42501", "57014", "XX000"});
        if (maybe(6))
            question.allowed = maybe(2);
        if (maybe(6))
            question.masked = pick({"customers.email", "cards.number"});
        if (maybe(2))
            question.words.push_back(random_word());
        if (maybe(5))
            question.words.push_back(random_word());
        if (maybe(4))
            question.subjects.push_back(word_subject(pick({"customers", "rare_9", "cards"})));
        if (maybe(6))
            question.session = used_[random_() % used_.size()].substr(0, maybe(2) ? 6 : 32);
        if (maybe(5))
            question.since = hours_on(random_() % 60);
        if (maybe(5))
            question.until = hours_on(random_() % 60);
        if (maybe(6))
            question.limit = random_() % 20 + 1;
        return question;
    }

    LogFixture fixture;

  private:
    struct Live {
        SessionId id;
        std::uint64_t next = 1;
        std::vector<std::uint64_t> prepared;
        std::vector<std::uint64_t> running;
    };

    static Microseconds hours_on(std::uint64_t hours) {
        return Microseconds(noon() + std::chrono::hours(static_cast<int>(hours)));
    }
    std::string pick(std::vector<std::string> of) { return of[random_() % of.size()]; }
    std::string random_word() {
        switch (random_() % 5) {
            case 0:
                return "rare_" + std::to_string(random_() % 40);
            case 1:
                return std::to_string(4'000'000'000 + random_() % 30'000);
            case 2:
                return pick({"CUSTOMERS", "card", "ma", "email from", "\"x", "nowhere"});
            case 3:
                return "value-" + std::to_string(random_() % 300);
            default:
                return pick({"customers", "cards", "orders"});
        }
    }
    Live begin(const std::string& user) {
        Live live{session_number(user, ++number_), 1, {}, {}};
        used_.push_back(live.id.session);
        SessionStart start = a_start();
        start.database = pick({"db1", "db2", "db3"});
        start.grant = pick({"g_1", "g_2", ""});
        REQUIRE(log_->append(live.id, start));
        return live;
    }
    void one(Live& live) {
        const std::uint64_t what = random_() % 100;
        if (what < 45 && !live.running.empty()) {
            const std::size_t at = random_() % live.running.size();
            Result result = a_result(live.running[at], random_() % 100);
            live.running.erase(live.running.begin() + static_cast<std::ptrdiff_t>(at));
            if (random_() % 50 == 0) {
                result.sqlstate = pick({"22P02", "42501"});
            } else if (random_() % 2'000 == 0) {
                result.sqlstate = "57014";
            }
            REQUIRE(log_->append(live.id, result));
        } else if (what < 65 && !live.prepared.empty()) {
            Statement statement = bound(live.next, live.prepared[random_() % live.prepared.size()],
                                        {{"value-" + std::to_string(random_() % 100'000)}});
            if (random_() % 10 == 0) {
                statement.masked = {"public.customers.email"};
            }
            REQUIRE(log_->append(live.id, statement));
            live.running.push_back(live.next++);
        } else if (what < 99) {
            std::string sql =
                "SELECT id, Email FROM " + pick({"customers", "cards", "orders"}) +
                " WHERE number = " + std::to_string(4'000'000'000 + random_() % 100'000'000);
            if (random_() % 500 == 0) {
                sql += " AND \"x\" = 'Rare_" + std::to_string(random_() % 40) + "'";
            }
            sql += std::string(random_() % 300, ' ') + "-- end";
            const bool allowed = random_() % 30 != 0;
            REQUIRE(log_->append(live.id, a_statement(live.next, sql, allowed)));
            if (random_() % 4 == 0) {
                live.prepared.push_back(live.next);
            }
            live.running.push_back(live.next++);
        } else {
            if (random_() % 3 != 0) {
                REQUIRE(log_->append(live.id, SessionEnd{}));
            }
            live = begin(live.id.user);
        }
    }

    std::mt19937_64 random_;
    std::unique_ptr<QueryLog> log_;
    std::vector<Live> sessions_;
    std::vector<std::string> used_;
    std::uint32_t number_ = 0;
};

}  // namespace

TEST_CASE("the index never changes an answer: random logs, random questions, while the log grows") {
    const auto seed = GENERATE(std::uint64_t{1}, std::uint64_t{2});
    INFO("seed " << seed);
    RandomLog log(seed);
    const fs::path& directory = log.fixture.directory;
    const fs::path index = log.fixture.temporary.path() / "index";
    std::size_t hits = 0;
    std::size_t skipped = 0;
    for (int growth = 0; growth < 4; ++growth) {
        log.write(6'000);
        for (int i = 0; i < 40; ++i) {
            const Question question = log.question();
            INFO("growth " << growth << ", question " << i);
            const Found scanned = find(directory, {}, question);
            const Found indexed = find(directory, index, question);
            REQUIRE(scanned.lines == indexed.lines);
            CHECK(indexed.searched.complete);
            hits += scanned.lines.size();
            skipped += indexed.searched.records < scanned.searched.records ? 1 : 0;
        }
    }
    CHECK(hits > 1'000);
    CHECK(skipped > 40);  // it is used at all
    CHECK(log.fixture.verified().broken.empty());
}

TEST_CASE("an index that is damaged, foreign or out of date is not believed") {
    RandomLog log(7);
    log.write(8'000);
    const fs::path& directory = log.fixture.directory;
    const fs::path index = log.fixture.temporary.path() / "index";
    const Question question{.words = {"rare_"}};
    const Found right = find(directory, {}, question);
    REQUIRE(!right.lines.empty());
    REQUIRE(find(directory, index, question).lines == right.lines);
    const fs::path file = index / "bob.vidx";
    const std::string good = read_file(file);
    REQUIRE(load_index(index, "bob"));

    SECTION("damaged anywhere") {
        std::mt19937_64 random(3);
        for (int i = 0; i < 60; ++i) {
            std::string bytes = good;
            if (i % 3 == 0) {
                bytes.resize(random() % bytes.size());
            } else {
                bytes[i < 40 ? static_cast<std::size_t>(i) : random() % bytes.size()] ^=
                    static_cast<char>(1 + random() % 255);
            }
            write_file(file, bytes);
            ::chmod(file.c_str(), 0600);
            CHECK_FALSE(load_index(index, "bob"));
            if (i % 10 == 0) {
                CHECK(find(directory, index, question).lines == right.lines);
                CHECK(read_file(file) == good);
            }
        }
    }
    SECTION("another user's") {
        fs::copy_file(index / "alice.vidx", file, fs::copy_options::overwrite_existing);
        CHECK(find(directory, index, question).lines == right.lines);
    }
    SECTION("somebody else can write to it") {
        ::chmod(file.c_str(), 0666);
        CHECK_FALSE(load_index(index, "bob"));
        CHECK(find(directory, index, question).lines == right.lines);
    }
    SECTION("a line was changed in place: the same size, and the same time of modification") {
        const fs::path changed = directory / "bob" / "2026-11-24.jsonl";
        std::string bytes = read_file(changed);
        const std::size_t at = bytes.find("FROM customers");
        REQUIRE(at != std::string::npos);
        bytes.replace(at, 14, "FROM zzzomers_");
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const auto before = fs::last_write_time(changed);
        write_file(changed, bytes);
        fs::last_write_time(changed, before);  // who hides that may set this one
        CHECK(find(directory, index, {.words = {"zzzomers"}}).lines ==
              find(directory, {}, {.words = {"zzzomers"}}).lines);
        CHECK(find(directory, index, {.words = {"zzzomers"}}).lines.size() >= 1);
    }
    SECTION("it has grown, and the line that was its last is another one") {
        const fs::path changed = directory / "bob" / "2026-11-24.jsonl";
        std::string bytes = read_file(changed);
        for (std::size_t at = 0; (at = bytes.find("FROM customers", at)) != std::string::npos;) {
            bytes.replace(at, 14, "FROM zzzomers_");
        }
        char& digit = bytes[bytes.size() - 4];  // of its hash
        digit = digit == '0' ? '1' : '0';
        write_file(changed, bytes + bytes.substr(bytes.rfind('\n', bytes.size() - 2) + 1));
        const Question other{.user = "bob", .words = {"zzzomers"}};
        CHECK(find(directory, index, other).lines == find(directory, {}, other).lines);
        CHECK(!find(directory, index, other).lines.empty());
    }
    SECTION("a file is another one that is longer") {
        const fs::path changed = directory / "bob" / "2026-11-24.jsonl";
        std::string bytes = read_file(changed);
        for (std::size_t at = 0; (at = bytes.find("FROM c", at)) != std::string::npos; ++at) {
            bytes.replace(at, 6, "FROM ccc");
        }
        write_file(changed, bytes + bytes);
        const Question other{.user = "bob", .words = {"cccust"}};
        CHECK(find(directory, index, other).lines == find(directory, {}, other).lines);
        CHECK(!find(directory, index, other).lines.empty());
    }
    SECTION("a file is gone") {
        fs::remove(directory / "bob" / "2026-11-24.jsonl");
        const Question all{.user = "bob", .words = {"rare"}};
        CHECK(find(directory, index, all).lines == find(directory, {}, all).lines);
        CHECK_FALSE(fs::exists(file));  // nothing is kept of what is gone
    }
    SECTION("it cannot be kept: said once, and every file is read") {
        write_file(log.fixture.temporary.path() / "plain", "");
        const Found found = find(directory, log.fixture.temporary.path() / "plain", question);
        CHECK(found.lines == right.lines);
        CHECK(found.said.find("the index cannot be kept here") != std::string::npos);
    }
}

TEST_CASE("an index beside the log is none of the log's business") {
    const SearchFixture log;
    const fs::path beside = log.directory / kIndexDirectory;
    CHECK(find(log.directory, beside, {.words = {"4711"}}).lines == Lines{kAlice2});
    CHECK(fs::exists(beside / "alice.vidx"));
    const Verified verified = log.verified();
    CHECK(all_of(verified.broken) + all_of(verified.not_checkable) == "");
    CHECK(log.open() != nullptr);
}

namespace {

std::string report(const fs::path& directory, const Question& question, Format format,
                   int status = 0) {
    std::ostringstream out;
    std::ostringstream err;
    ReportHead head;
    head.asked = {{"Text", "<b>asked</b>"}};
    head.made = "2026-11-25T00:00:00.000000Z";
    CHECK(search_directory(directory, {}, question, format, head, out, err) == status);
    CHECK(err.str().empty());
    return out.str();
}

// A log with one statement of this text.
struct OneStatement : LogFixture {
    SessionId id = session_number("mallory", 1);

    explicit OneStatement(const std::string& sql) {
        const auto log = open();
        SessionStart start = a_start();
        start.reason = sql;
        start.application = sql;
        REQUIRE(log->append(id, start));
        Statement statement = a_statement(1, sql);
        statement.params = {{sql}};
        statement.masked = {sql};
        statement.forwarded = sql;
        REQUIRE(log->append(id, statement));
        Result result = a_result(1, 1);
        result.sqlstate = "22P02";
        result.message = sql;
        REQUIRE(log->append(id, result));
        REQUIRE(log->append(id, SessionEnd{}));
    }
};

}  // namespace

TEST_CASE("JSON has a line a statement with all fields") {
    const SearchFixture log;
    const auto object =
        boost::json::parse(report(log.directory, {.sqlstate = "22P02"}, Format::kJson)).as_object();
    for (const char* name :
         {"time",    "user",      "session",     "statement", "database", "grant",
          "groups",  "approvers", "reason",      "sql",       "of",       "params",
          "verdict", "rule",      "masked",      "prev",      "hash",     "sqlstate",
          "rows",    "bytes",     "duration_us", "message",   "file",     "line"}) {
        INFO(name);
        CHECK(object.contains(name));
    }
    CHECK(object.at("sql") == "SELECT email FROM Customers WHERE id = $1");
    CHECK(object.at("grant") == "g_1");
    CHECK(report(log.directory, {.words = {"nowhere to be found"}}, Format::kJson, 1).empty());
}

TEST_CASE("CSV is quoted, and no cell of it is a formula") {
    for (const char* sql : {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK(\"x\")",
                            "\xEF\xBC\x9D"
                            "1"}) {
        INFO(sql);
        const OneStatement log(sql);
        const std::string csv = report(log.directory, {}, Format::kCsv);
        std::string quoted;
        for (const char c : std::string(sql)) {
            quoted.append(c == '"' ? 2 : 1, c);
        }
        CHECK(csv.find(",\"'" + quoted + "\"") != std::string::npos);
        CHECK(csv.find(",\"" + quoted + "\"") == std::string::npos);
    }
    const OneStatement log("SELECT \"a\",\r\n'b'");
    const std::string csv = report(log.directory, {}, Format::kCsv);
    CHECK(csv.starts_with("time,user,"));
    CHECK(csv.find(",\"SELECT \"\"a\"\",\r\n'b'\",") != std::string::npos);
    CHECK(csv.ends_with("\r\n"));
}

TEST_CASE("in a page a stranger's text is text") {
    const std::vector<std::string> attacks{
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</pre></style><style>body{display:none}</style>",
        "\" onmouseover=\"alert(1)",
        "' onmouseover='alert(1)",
        "&lt;script&gt;",
        "<!-- ",
        "]]><svg/onload=alert(1)>",
        "evil\xE2\x80\xAEtxt.exe\xE2\x81\xA6",
        std::string("\x1b[31m\x07 nul:\0 c1:\xC2\x9B", 18),
        "bad \xff\xfe\xC0\xBC"
        "script>",
        "\xEF\xBB\xBF\xE2\x80\xA8line\xE2\x80\xA9",
    };
    for (const std::string& attack : attacks) {
        INFO(attack);
        const OneStatement log(attack);
        std::ostringstream shown;
        std::ostringstream err;
        CHECK(show_session_page(log.directory, "last", {}, shown, err) == 0);
        for (const std::string& page : {report(log.directory, {}, Format::kHtml), shown.str()}) {
            CHECK(page.starts_with("<!DOCTYPE html>\n"));
            CHECK(page.ends_with("</html>\n"));
            CHECK(page.find("default-src 'none'") != std::string::npos);
            CHECK(valid_utf8(page) == page);
            // No tag, attribute or entity but ours: the only tags are of this list.
            const std::set<std::string> ours{
                "!DOCTYPE", "html",  "head",  "meta",  "title",   "style", "body", "h1",
                "h2",       "table", "thead", "tbody", "tr",      "th",    "td",   "pre",
                "code",     "span",  "p",     "br",    "section", "b"};
            for (std::size_t at = 0; (at = page.find('<', at)) != std::string::npos; ++at) {
                std::size_t begin = at + (page[at + 1] == '/' ? 2 : 1);
                const std::string tag =
                    page.substr(begin, page.find_first_of(" >\n", begin) - begin);
                INFO(tag);
                CHECK(ours.contains(tag));
                const std::string inside = page.substr(at, page.find('>', at) - at);
                CHECK(inside.find(" on") == std::string::npos);
            }
            CHECK(page.find("alert(1)</script") == std::string::npos);
            CHECK(page.find("<style>", page.find("</style>")) == std::string::npos);
            for (const char* hidden : {"\xE2\x80\xAE", "\xE2\x81\xA6", "\x1b", "\x07", "\xC2\x9B",
                                       "\xEF\xBB\xBF", "\xE2\x80\xA8"}) {
                CHECK(page.find(hidden) == std::string::npos);
            }
            CHECK(page.find('\0') == std::string::npos);
        }
    }
}

TEST_CASE("a session's page has its facts, its statements and what verify says") {
    const SearchFixture log;
    std::ostringstream out;
    std::ostringstream err;
    ReportHead head;
    head.public_key_pem = kTestPublicKey;
    CHECK(show_session_page(log.directory, session_number("alice", 1).session, head, out, err) ==
          0);
    const std::string page = out.str();
    for (const char* part :
         {"<td>dora</td>", "<td>engineering, fraud</td>", "<td>g_1</td>", "<td>INC-1</td>",
          "2026-11-24 12:15:00", "runs #1", "$1 = '4711'", "$2 = NULL",
          "masked: public.customers.email", "7 rows, 70 bytes, 1.234 ms", "<b>ERROR 22P02</b>",
          "invalid input syntax", "verified: ", "signatures checked"}) {
        INFO(part);
        CHECK(page.find(part) != std::string::npos);
    }
    auto lines = lines_of(log.file());
    std::swap(lines[1], lines[2]);
    write_lines(log.file(), lines);
    out.str("");
    CHECK(show_session_page(log.directory, "last", head, out, err) == 0);
    CHECK(out.str().find("BROKEN: ") != std::string::npos);
    CHECK(show_session_page(log.directory, "ffffffff", head, out, err) == 2);
}

}  // namespace vitrine::audit
