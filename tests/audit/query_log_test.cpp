// Writing the query log when nothing goes wrong.
#include <sys/stat.h>

#include <boost/json.hpp>
#include <set>
#include <thread>

#include "proxy/audit/errors.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("A log verifies while it is open and after it was closed") {
    LogFixture fixture;
    auto log = fixture.open();
    write_session(*log, fixture.time, session_of("alice"), 3);
    write_session(*log, fixture.time, session_of("bob", 'b'), 2);
    check_sound(fixture);
    log.reset();
    check_sound(fixture);
    const Verified verified = fixture.verified();
    CHECK(verified.files == 2);
    CHECK(verified.records == 8 + 6);
    CHECK(verified.checkpoints >= 1);
    CHECK(fixture.verified("").broken.empty());
    CHECK_FALSE(fixture.verified("").signatures_checked);
}

TEST_CASE("Nobody but the proxy may read the log") {
    LogFixture fixture;
    auto log = fixture.open();
    write_session(*log, fixture.time, session_of("alice"), 1);
    CHECK(mode_of(fixture.directory) == 0700);
    CHECK(mode_of(fixture.directory / "alice") == 0700);
    CHECK(mode_of(fixture.file()) == 0600);
    CHECK(mode_of(fixture.ledger()) == 0600);
}

TEST_CASE("One process at a time") {
    LogFixture fixture;
    auto log = fixture.open();
    const auto second = QueryLog::open(fixture.audit, fixture.time.clock());
    REQUIRE_FALSE(second);
    CHECK(second.error() == AuditError::kInUse);
    log.reset();
    CHECK(QueryLog::open(fixture.audit, fixture.time.clock()));
}

TEST_CASE("A signing key that is none is refused") {
    LogFixture fixture("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    const auto log = QueryLog::open(fixture.audit, fixture.time.clock());
    REQUIRE_FALSE(log);
    CHECK(log.error() == AuditError::kSigningKey);
}

TEST_CASE("Reopening goes on with the chain") {
    LogFixture fixture;
    for (int i = 0; i < 5; ++i) {
        auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice", static_cast<char>('0' + i)), 2);
        fixture.time.advance(std::chrono::minutes(1));
    }
    CHECK(lines_of(fixture.file()).size() == 5 * 6);
    check_sound(fixture);
}

TEST_CASE("Past midnight a session writes on in the new day's file") {
    LogFixture fixture;
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    REQUIRE(log->append(id, a_start()));
    fixture.time.advance(std::chrono::hours(12) - std::chrono::microseconds(1));
    REQUIRE(log->append(id, a_statement(1, "SELECT 'last of the day'")));
    fixture.time.advance(std::chrono::microseconds(1));
    REQUIRE(log->append(id, a_statement(2, "SELECT 'first of the day'")));
    CHECK(lines_of(fixture.file()).size() == 2);
    CHECK(lines_of(fixture.file("alice", "2026-11-25")).size() == 1);
    check_sound(fixture);

    SECTION("and back, where the clock is set back") {
        fixture.time.advance(-std::chrono::minutes(5));
        REQUIRE(log->append(id, a_statement(3, "SELECT 'again'")));
        CHECK(lines_of(fixture.file()).size() == 3);
        fixture.time.advance(std::chrono::minutes(10));
        REQUIRE(log->append(id, a_statement(4, "SELECT 'and on'")));
        CHECK(lines_of(fixture.file("alice", "2026-11-25")).size() == 2);
        log.reset();
        check_sound(fixture);
    }
    SECTION("and back by days") {
        // The round at the start, by a thread of the log's own, must not seal what is written here.
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        for (int day = 0; day < 4; ++day) {
            fixture.time.advance(std::chrono::hours(24));
            REQUIRE(log->append(id, a_statement(3, "SELECT 'on'")));
            REQUIRE(log->checkpoint());
        }
        fixture.time.advance(-std::chrono::hours(24 * 5));
        REQUIRE(log->append(id, a_statement(4, "SELECT 'back'")));
        CHECK(lines_of(fixture.file()).size() == 3);
        log.reset();
        check_sound(fixture);
    }
}

TEST_CASE("Strange names stay inside the directory") {
    LogFixture fixture;
    const std::vector<std::string> names{"..",
                                         ".",
                                         "../../escape",
                                         "a/b",
                                         "ledger.jsonl",
                                         std::string("a\0b", 3),
                                         "\n\x1b[2J",
                                         "\xFF\xFE",
                                         "%2e%2e",
                                         std::string(5000, '/'),
                                         std::string(300, 'x'),
                                         ""};
    auto log = fixture.open();
    for (const std::string& name : names) {
        write_session(*log, fixture.time, session_of(name), 1);
    }
    log.reset();
    check_sound(fixture);
    CHECK(fixture.verified().files == names.size());
    std::size_t outside = 0;
    for (const auto& entry : std::filesystem::directory_iterator(fixture.temporary.path())) {
        outside += entry.path().filename() == "log" ? 0 : 1;
    }
    CHECK(outside == 0);
}

TEST_CASE("A scan with made-up names does not fill the disk with directories") {
    LogFixture fixture;
    auto log = fixture.open();
    write_session(*log, fixture.time, session_of("alice"), 1);
    for (int i = 0; i < 1100; ++i) {
        REQUIRE(log->append(session_of("stranger" + std::to_string(i)),
                            LoginRefused{"shop", "10.0.0.1:1", "signature"}));
    }
    CHECK(lines_of(fixture.directory / "%" / "2026-11-24.jsonl").size() == 100);
    // Those who are known are not strangers.
    REQUIRE(log->append(session_of("alice"), LoginRefused{"shop", "10.0.0.1:1", "expired"}));
    CHECK(lines_of(fixture.file()).size() == 5);
    check_sound(fixture);
}

TEST_CASE("More users than descriptors") {
    LogFixture fixture;
    auto log = fixture.open();
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 600; ++i) {
            REQUIRE(log->append(session_of("user" + std::to_string(i)), a_result(1, 1)));
        }
    }
    std::size_t open_files = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code ignored;
        const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
        open_files += target.starts_with(fixture.directory.string()) ? 1 : 0;
    }
    CHECK(open_files <= 260);
    log.reset();
    check_sound(fixture);
    CHECK(fixture.verified().records == 1800);
}

TEST_CASE("A statement of ten megabytes is recorded whole") {
    LogFixture fixture;
    std::string sql = "SELECT '";
    sql.append(10 << 20, 'x');
    sql += "'";
    auto log = fixture.open();
    REQUIRE(log->append(session_of("alice"), a_statement(1, sql)));
    REQUIRE(log->append(session_of("alice"), a_result(1, 1)));
    const auto record = boost::json::parse(lines_of(fixture.file()).at(0)).as_object();
    CHECK(record.at("sql").as_string() == sql);
    check_sound(fixture);
}

TEST_CASE("Eight threads, a shared user and their own") {
    LogFixture fixture;
    auto log = fixture.open();
    constexpr int kThreads = 8;
    constexpr int kRecords = 300;
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            for (int i = 0; i < kRecords; ++i) {
                const auto number = static_cast<std::uint64_t>(thread * kRecords + i);
                const SessionId shared = session_of("shared");
                const SessionId own = session_of("own" + std::to_string(thread));
                const bool good = log->append(shared, a_result(number, 1)).has_value() &&
                                  log->append(own, a_result(number, 1)).has_value() &&
                                  (i % 50 != 0 || log->append(own, SessionEnd{}).has_value()) &&
                                  (i % 70 != 0 || log->checkpoint().has_value());
                failed += good ? 0 : 1;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failed == 0);
    log->drain();
    std::set<std::uint64_t> seen;
    for (const std::string& line : lines_of(fixture.file("shared"))) {
        seen.insert(boost::json::parse(line).at("statement").to_number<std::uint64_t>());
    }
    CHECK(seen.size() == kThreads * kRecords);
    check_sound(fixture);
    log.reset();
    check_sound(fixture);
}

TEST_CASE("The log's own thread writes checkpoints") {
    LogFixture fixture;
    auto log = fixture.open();
    const auto checkpoints = [&] { return fixture.verified().checkpoints; };
    const auto wait_for = [&](std::uint64_t count, std::chrono::milliseconds limit) {
        const auto until = std::chrono::steady_clock::now() + limit;
        while (checkpoints() < count && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return checkpoints() >= count;
    };
    REQUIRE(log->append(session_of("alice"), a_start()));
    CHECK(wait_for(1, std::chrono::seconds(5)));
    REQUIRE(log->append(session_of("alice"), SessionEnd{}));
    CHECK(wait_for(2, std::chrono::milliseconds(900)));
    // Nothing new, no checkpoint.
    std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    CHECK(checkpoints() == 2);
}

TEST_CASE("With fsync the log is the same") {
    LogFixture fixture;
    fixture.audit.durability = config::Durability::kFsync;
    auto log = fixture.open();
    write_session(*log, fixture.time, session_of("alice"), 3);
    check_sound(fixture);
}

TEST_CASE("Session ids are random and 32 hex digits") {
    std::set<std::string> ids;
    for (int i = 0; i < 100; ++i) {
        const std::string id = new_session_id();
        CHECK(id.size() == 32);
        CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
        ids.insert(id);
    }
    CHECK(ids.size() == 100);
}

}  // namespace vitrine::audit
