// What a crash or a power cut leaves of a file: cut at every byte of its end, the log opens, says
// so, and goes on; cut further than a crash can, that is on record as broken.
#include <sys/resource.h>

#include <csignal>

#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

// The bytes of a log as a killed process leaves them.
struct Left {
    std::string records;  // alice's file
    std::string ledger;
    std::size_t last_record = 0;  // where it begins
    std::size_t last_entry = 0;
    std::size_t vouched = 0;  // of `records`, by the last checkpoint

    void put(const LogFixture& fixture, std::size_t records_size, std::size_t ledger_size) const {
        write_file(fixture.file(), records.substr(0, records_size));
        write_file(fixture.ledger(), ledger.substr(0, ledger_size));
    }
};

std::size_t begin_of_last_line(const std::string& bytes) {
    return bytes.rfind('\n', bytes.size() - 2) + 1;
}

// Two checkpoints, and behind the last one two records.
Left killed_in(LogFixture& fixture) {
    Left left;
    auto log = fixture.open();
    write_session(*log, fixture.time, session_of("alice"), 2);
    REQUIRE(log->checkpoint());
    fixture.time.advance(std::chrono::milliseconds(1));
    REQUIRE(log->append(session_of("alice", 'b'), a_start()));
    REQUIRE(log->append(session_of("alice", 'b'), a_statement(1, "SELECT 1")));
    REQUIRE(log->checkpoint());
    left.vouched = read_file(fixture.file()).size();
    REQUIRE(log->append(session_of("alice", 'b'), a_result(1, 1)));
    REQUIRE(log->append(session_of("alice", 'b'), a_statement(2, "SELECT 2")));
    left.records = read_file(fixture.file());
    left.ledger = read_file(fixture.ledger());
    left.last_record = begin_of_last_line(left.records);
    left.last_entry = begin_of_last_line(left.ledger);
    REQUIRE(left.ledger.find("\"type\":\"checkpoint\"", left.last_entry) != std::string::npos);
    return left;
}

// What the ledger says, behind its first `from` bytes, of having cut `bytes` off `file`.
bool says_repaired(const LogFixture& fixture, std::size_t from, const std::string& file,
                   std::size_t bytes) {
    const std::string said = read_file(fixture.ledger()).substr(from);
    for (std::size_t at = 0; (at = said.find("\"type\":\"repaired\"", at)) != std::string::npos;
         ++at) {
        const std::string entry = said.substr(at, said.find('\n', at) - at);
        if (entry.find("\"file\":\"" + file + "\"") != std::string::npos &&
            entry.find("\"cut_bytes\":" + std::to_string(bytes) + ",") != std::string::npos) {
            return true;
        }
    }
    return false;
}

constexpr const char* kAlice = "alice/2026-11-24.jsonl";

// Opens, goes on, ends.
void go_on(const LogFixture& fixture) {
    auto log = fixture.open();
    REQUIRE(log->append(session_of("alice", 'c'), a_start()));
}

}  // namespace

TEST_CASE("A ledger cut at every byte of its last entry is repaired, and says so") {
    LogFixture fixture;
    const Left left = killed_in(fixture);
    const auto records =
        static_cast<std::size_t>(std::count(left.records.begin(), left.records.end(), '\n'));
    for (std::size_t size = left.last_entry; size <= left.ledger.size(); ++size) {
        INFO(size);
        left.put(fixture, left.records.size(), size);
        go_on(fixture);
        const bool torn = size > left.last_entry && size < left.ledger.size();
        CHECK(says_repaired(fixture, left.last_entry, "ledger.jsonl", size - left.last_entry) ==
              torn);
        CHECK(lines_of(fixture.file()).size() == records + 1);
        check_sound(fixture);
    }
}

TEST_CASE("Both cut: the file at every byte of its last record, the ledger in its last entry") {
    LogFixture fixture;
    const Left left = killed_in(fixture);
    const auto records =
        static_cast<std::size_t>(std::count(left.records.begin(), left.records.end(), '\n'));
    std::size_t entry_bytes = 1;
    for (std::size_t size = left.last_record; size < left.records.size(); ++size) {
        // Each record's cut with another of the ledger's.
        entry_bytes = entry_bytes % (left.ledger.size() - left.last_entry - 1) + 1;
        INFO(size << ", " << entry_bytes);
        left.put(fixture, size, left.last_entry + entry_bytes);
        go_on(fixture);
        CHECK(says_repaired(fixture, left.last_entry, "ledger.jsonl", entry_bytes));
        CHECK(says_repaired(fixture, left.last_entry, kAlice, size - left.last_record) ==
              (size > left.last_record));
        // The torn one is gone, another has come.
        CHECK(lines_of(fixture.file()).size() == records);
        check_sound(fixture);
    }
}

TEST_CASE("A file cut to before its last checkpoint is not what a crash leaves, and stays broken") {
    LogFixture fixture;
    const Left left = killed_in(fixture);
    for (std::size_t size = 0; size < left.vouched; size += 31) {
        INFO(size);
        left.put(fixture, size, left.ledger.size());
        // Found as it lies, and still found when it has been gone on with.
        CHECK_FALSE(fixture.verified().broken.empty());
        go_on(fixture);
        const std::string said = read_file(fixture.ledger()).substr(left.ledger.size());
        CHECK(said.find("\"type\":\"repaired\"") == std::string::npos);
        CHECK(said.find("its end was cut off: " + std::to_string(size) + " bytes are left of " +
                        std::to_string(left.vouched)) != std::string::npos);
        // What is left of it is evidence.
        CHECK(read_file(fixture.file()).substr(0, size) == left.records.substr(0, size));
        const Verified verified = fixture.verified();
        REQUIRE_FALSE(verified.broken.empty());
        for (const Finding& finding : verified.broken) {
            CHECK(finding.file == fixture.file());
        }
    }
}

TEST_CASE("An empty file: the first record of a user never came to be") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        REQUIRE(log->append(session_of("alice"), a_start()));
        const std::string ledger = read_file(fixture.ledger());
        log.reset();
        write_file(fixture.file(), "");
        SECTION("and the ledger knows of the file") {
            write_file(fixture.ledger(), ledger);
        }
        SECTION("and the entry of the file is torn") {
            write_file(fixture.ledger(), ledger.substr(0, ledger.size() - 9));
        }
        SECTION("and the ledger is as before") {
            write_file(fixture.ledger(), ledger.substr(0, begin_of_last_line(ledger)));
        }
    }
    go_on(fixture);
    CHECK(lines_of(fixture.file()).size() == 1);
    check_sound(fixture);
}

TEST_CASE("An empty ledger beside records: they are not vouched for, and that is said") {
    LogFixture fixture;
    const Left left = killed_in(fixture);
    left.put(fixture, left.records.size(), 0);
    CHECK_FALSE(fixture.verified().broken.empty());
    go_on(fixture);
    const Verified verified = fixture.verified();
    INFO(all_of(verified.broken));
    REQUIRE_FALSE(verified.broken.empty());
    CHECK(verified.broken.front().file == fixture.file());
    CHECK(read_file(fixture.ledger()).find("the ledger does not know it") != std::string::npos);
}

TEST_CASE("A torn ledger that there is no room to repair is torn as before") {
    LogFixture fixture;
    const Left left = killed_in(fixture);
    const std::size_t torn = left.last_entry + 40;
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
    for (std::size_t room = 0; room < 900; room += 50) {
        left.put(fixture, left.records.size(), torn);
        const rlimit lower{torn + room, limit.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &lower) == 0);
        const auto log = QueryLog::open(fixture.audit, fixture.time.clock());
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        INFO(room);
        REQUIRE_FALSE(log);
        CHECK(log.error().value() == EFBIG);
        // Nothing was kept of the try, or all of it.
        if (read_file(fixture.ledger()) != left.ledger.substr(0, torn)) {
            CHECK(says_repaired(fixture, left.last_entry, "ledger.jsonl", 40));
        }
        go_on(fixture);
        CHECK(says_repaired(fixture, left.last_entry, "ledger.jsonl", 40));
        check_sound(fixture);
    }
    std::signal(SIGXFSZ, before);
}

}  // namespace vitrine::audit
