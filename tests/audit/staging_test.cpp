// Statements that share a system call: in the file together, or not at all, and nobody is told
// otherwise.

#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

Staged stage(QueryLog& log, const SessionId& id, std::uint64_t number, std::string_view sql) {
    auto staged = log.stage(id, a_statement(number, sql));
    REQUIRE(staged.has_value());
    return *staged;
}

// The numbers of the statements and results in a file, in their order.
std::vector<std::uint64_t> statements_of(const std::filesystem::path& file) {
    std::vector<std::uint64_t> numbers;
    for (const std::string& line : lines_of(file)) {
        const auto record = boost::json::parse(line).as_object();
        if (record.contains("statement")) {
            numbers.push_back(record.at("statement").to_number<std::uint64_t>());
        }
    }
    return numbers;
}

using Numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("Statements that are staged go into the file together") {
    LogFixture fixture;
    const SessionId alice = session_of("alice");
    auto log = fixture.open();
    REQUIRE(log->stages());
    REQUIRE(log->append(alice, a_start()));
    const std::uint64_t recorded = log->records();
    const Staged one = stage(*log, alice, 1, "SELECT 1");
    const Staged two = stage(*log, alice, 2, "SELECT 2");
    CHECK(one.state() == StageState::kOpen);
    CHECK(one.shares_stage_with(two));
    CHECK(statements_of(fixture.file()).empty());

    SECTION("by writing one of them") {
        log->write(one);
        CHECK(one.state() == StageState::kWritten);
        CHECK(two.state() == StageState::kWritten);
        CHECK(statements_of(fixture.file()) == Numbers{1, 2});
        CHECK(log->records() == recorded + 2);
        // What comes later is another stage, and is not written by the old one.
        const Staged three = stage(*log, alice, 3, "SELECT 3");
        CHECK_FALSE(three.shares_stage_with(two));
        log->write(one);
        CHECK(three.state() == StageState::kOpen);
        log->write(three);
        CHECK(statements_of(fixture.file()) == Numbers{1, 2, 3});
    }
    SECTION("with the next record of anybody's of that user") {
        REQUIRE(log->append(session_of("alice", 'b'), a_start()));
        CHECK(two.state() == StageState::kWritten);
        CHECK(statements_of(fixture.file()) == Numbers{1, 2});
    }
    SECTION("with results between and behind them, in their order") {
        REQUIRE(log->append(session_of("alice", 'b'), a_result(7, 1)));
        const Staged three = stage(*log, alice, 3, "SELECT 3");
        log->write(three);
        CHECK(statements_of(fixture.file()) == Numbers{1, 2, 7, 3});
    }
    SECTION("before a checkpoint, which vouches for them") {
        REQUIRE(log->checkpoint());
        CHECK(two.state() == StageState::kWritten);
        fixture.time.advance(std::chrono::hours(1));
    }
    SECTION("into the file of their own day") {
        fixture.time.advance(std::chrono::hours(12) - std::chrono::milliseconds(500));
        REQUIRE(log->checkpoint());
        const Staged late = stage(*log, alice, 3, "SELECT 3");
        fixture.time.advance(std::chrono::seconds(1));
        const Staged early = stage(*log, alice, 4, "SELECT 4");
        CHECK(late.state() == StageState::kWritten);
        log->write(early);
        CHECK(statements_of(fixture.file()) == Numbers{1, 2, 3});
        CHECK(statements_of(fixture.file("alice", "2026-11-25")) == Numbers{4});
    }
    SECTION("at once, where they are long") {
        const Staged three = stage(*log, alice, 3, std::string(100'000, 'x'));
        CHECK(three.state() == StageState::kWritten);
        CHECK(two.state() == StageState::kWritten);
        CHECK(statements_of(fixture.file()) == Numbers{1, 2, 3});
    }
    log.reset();
    check_sound(fixture);
}

TEST_CASE("Statements that cannot be written are not in the file, and never will be") {
    LogFixture fixture;
    const SessionId alice = session_of("alice");
    auto log = fixture.open();
    REQUIRE(log->append(alice, a_start()));
    REQUIRE(log->append(alice, a_statement(1, "SELECT 1")));
    const std::uint64_t recorded = log->records();
    const std::uintmax_t size = std::filesystem::file_size(fixture.file());
    const std::string long_text(3000, 'x');
    std::optional<Staged> failed;
    std::optional<Staged> beside;
    {
        const FileSizeLimit limit(size + 1000);
        SECTION("none of a stage, though there is room for its first") {
            beside = stage(*log, alice, 2, "SELECT 2");
            failed = stage(*log, alice, 3, long_text);
            log->write(*failed);
            CHECK(log->failures() == 2);
            CHECK(log->records() == recorded);
        }
        SECTION("but the results before it are, where there is room") {
            REQUIRE(log->append(alice, a_result(1, 1)));
            failed = stage(*log, alice, 2, long_text);
            REQUIRE(log->append(alice, a_result(1, 2)));  // of a later one: lost with it
            log->write(*failed);
            CHECK(log->failures() == 2);
            CHECK(log->records() == recorded + 1);
        }
        SECTION("by a record of another session's that comes first") {
            failed = stage(*log, alice, 2, long_text);
            CHECK_FALSE(log->append(session_of("alice", 'b'), a_statement(1, long_text)));
            CHECK(failed->state() == StageState::kFailed);
        }
        SECTION("by a checkpoint") {
            failed = stage(*log, alice, 2, long_text);
            static_cast<void>(log->checkpoint());
            CHECK(failed->state() == StageState::kFailed);
        }
        bool file_is_left = false;
        SECTION("by the end of the day") {
            file_is_left = true;
            failed = stage(*log, alice, 2, long_text);
            fixture.time.advance(std::chrono::hours(13));
            static_cast<void>(log->stage(alice, a_statement(3, "SELECT 3")));
            CHECK(failed->state() == StageState::kFailed);
        }
        CHECK(log->trouble().empty() == file_is_left);
        CHECK(failed->state() == StageState::kFailed);
        CHECK((!beside || beside->state() == StageState::kFailed));
        log->write(*failed);
        CHECK(failed->state() == StageState::kFailed);
    }
    // With room again the chain goes on, and what failed stays away.
    const Staged next = stage(*log, alice, 9, "SELECT 9");
    log->write(next);
    CHECK(next.state() == StageState::kWritten);
    CHECK(failed->state() == StageState::kFailed);
    CHECK(read_file(fixture.file()).find("xxxx") == std::string::npos);
    REQUIRE(log->checkpoint());
    CHECK(log->trouble().empty());
    log.reset();
    check_sound(fixture);
}

TEST_CASE("With fsync nothing is staged") {
    LogFixture fixture;
    fixture.audit.durability = config::Durability::kFsync;
    CHECK_FALSE(fixture.open()->stages());
}

TEST_CASE("Threads that stage for one user, on a disk that is full now and then") {
    LogFixture fixture;
    auto log = fixture.open();
    REQUIRE(log->append(session_of("shared"), a_start()));
    constexpr std::uint64_t kThreads = 6;
    constexpr std::uint64_t kBatches = 200;
    std::array<std::vector<std::uint64_t>, kThreads> written;
    std::array<std::vector<std::uint64_t>, kThreads> failed;
    std::atomic<bool> stopping = false;
    std::atomic<unsigned> odd = 0;
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            const SessionId id = session_of("shared", static_cast<char>('0' + thread));
            for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
                std::vector<std::pair<std::uint64_t, Staged>> staged;
                for (std::uint64_t i = 0; i <= batch % 4; ++i) {
                    const std::uint64_t number = (thread * kBatches + batch) * 10 + i;
                    const auto made = log->stage(id, a_statement(number, "SELECT 1"));
                    if (made) {
                        staged.emplace_back(number, *made);
                    } else {
                        failed[thread].push_back(number);
                    }
                }
                static_cast<void>(log->append(id, a_result(1, 1)));
                for (const auto& [number, one] : staged) {
                    log->write(one);
                    odd += one.state() == StageState::kOpen ? 1 : 0;
                    (one.state() == StageState::kWritten ? written : failed)[thread].push_back(
                        number);
                }
            }
        });
    }
    std::thread disk([&] {
        for (int i = 0; !stopping; ++i) {
            {
                const FileSizeLimit limit(std::filesystem::file_size(fixture.file("shared")));
                std::this_thread::sleep_for(std::chrono::microseconds(300));
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    for (std::thread& thread : threads) {
        thread.join();
    }
    stopping = true;
    disk.join();
    CHECK(odd == 0);
    REQUIRE(log->append(session_of("shared"), SessionEnd{}));

    std::map<std::uint64_t, unsigned> found;
    for (const std::string& line : lines_of(fixture.file("shared"))) {
        const auto record = boost::json::parse(line).as_object();
        if (record.at("type") == "statement") {
            ++found[record.at("statement").to_number<std::uint64_t>()];
        }
    }
    std::size_t all = 0;
    std::size_t wrong = 0;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        for (const std::uint64_t number : written[thread]) {
            wrong += found[number] == 1 ? 0 : 1;
        }
        for (const std::uint64_t number : failed[thread]) {
            wrong += found[number] == 0 ? 0 : 1;
        }
        all += written[thread].size();
        CHECK_FALSE(written[thread].empty());
    }
    CHECK(wrong == 0);
    CHECK(all > 0);
    log.reset();
    check_sound(fixture);
}

TEST_CASE("A killed writer: what it was told is written is in the file, staged or not") {
    std::mt19937 random(20261129);
    for (int round = 0; round < 15; ++round) {
        LogFixture fixture;
        const std::uint64_t acknowledged =
            killed_after(5 + static_cast<unsigned>(random() % 60), [&](const auto& tell) {
                auto log = QueryLog::open(fixture.audit);
                for (std::uint64_t i = 0; log;) {
                    Staged last;
                    for (const std::uint64_t upto = i + 1 + i % 20; i < upto;) {
                        const auto staged =
                            (*log)->stage(session_of("alice"), a_statement(++i, "SELECT 1"));
                        if (!staged.has_value()) {
                            return;
                        }
                        last = *staged;
                    }
                    (*log)->write(last);
                    if (last.state() != StageState::kWritten) {
                        return;
                    }
                    tell(i);
                }
            });

        REQUIRE(QueryLog::open(fixture.audit));
        std::uint64_t lines = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture.directory)) {
            if (entry.is_regular_file() && entry.path() != fixture.ledger()) {
                for (const std::uint64_t number : statements_of(entry.path())) {
                    CHECK(number == ++lines);
                }
            }
        }
        CHECK(lines >= acknowledged);
        check_sound(fixture);
    }
}

}  // namespace vitrine::audit
