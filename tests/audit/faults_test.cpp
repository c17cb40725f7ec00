// Disks that fill up, processes that are killed, files that others lay hands on.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <random>
#include <thread>

#include "proxy/audit/errors.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

void check_says(const LogFixture& fixture, const std::filesystem::path& file,
                const std::string& words) {
    const Verified verified = fixture.verified();
    INFO(all_of(verified.broken));
    bool said = false;
    for (const Finding& finding : verified.broken) {
        said = said || (finding.file == file && finding.message.find(words) != std::string::npos);
    }
    CHECK(said);
}

std::string ledger_text(const LogFixture& fixture) {
    return read_file(fixture.ledger());
}

bool ends_whole(const std::filesystem::path& file) {
    const std::string bytes = read_file(file);
    return bytes.empty() || bytes.back() == '\n';
}

class SmallDisk {
  public:
    explicit SmallDisk(std::filesystem::path path) : path_(std::move(path)) {
        std::filesystem::create_directories(path_);
        mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=128k") == 0;
    }
    ~SmallDisk() {
        if (mounted_) {
            ::umount2(path_.c_str(), MNT_DETACH);
        }
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    [[nodiscard]] bool mounted() const { return mounted_; }

  private:
    std::filesystem::path path_;
    bool mounted_ = false;
};

// A log as a killed process leaves it: a copy of the directory taken while it was open.
void leave_as_if_killed(LogFixture& fixture, std::unique_ptr<QueryLog> log) {
    const auto copy = fixture.temporary.path() / "copy";
    std::filesystem::copy(fixture.directory, copy, std::filesystem::copy_options::recursive);
    log.reset();
    std::filesystem::remove_all(fixture.directory);
    std::filesystem::rename(copy, fixture.directory);
}

}  // namespace

TEST_CASE("A record that does not fit leaves nothing behind") {
    LogFixture fixture;
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    REQUIRE(log->append(id, a_start()));
    const std::string before = read_file(fixture.file());
    for (rlim_t room = 0; room < 500; room += 7) {
        const FileSizeLimit limit(before.size() + room);
        const auto refused = log->append(id, a_statement(1, std::string(1000, 'x')));
        REQUIRE_FALSE(refused);
        CHECK(refused.error().value() == EFBIG);
        CHECK(read_file(fixture.file()) == before);
        CHECK(log->trouble().find("alice/2026-11-24.jsonl") == 0);
    }
    // When the disk is back it goes on.
    REQUIRE(log->append(id, a_statement(1, "SELECT 1")));
    CHECK(log->trouble().empty());
    check_sound(fixture);
}

TEST_CASE("A full disk refuses, and goes on when there is room again") {
    LogFixture fixture;
    const SmallDisk disk(fixture.directory);
    const auto ballast = fixture.directory / "ballast";
    if (disk.mounted()) {
        write_file(ballast, std::string(64 * 1024, 'x'));
    }
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    std::uint64_t written = 0;
    {
        // Where nothing can be mounted, the limit stands in for the disk.
        std::unique_ptr<FileSizeLimit> limit;
        if (!disk.mounted()) {
            limit = std::make_unique<FileSizeLimit>(64 * 1024);
        }
        while (written < 1000 && log->append(id, a_statement(written + 1, std::string(500, 'x')))) {
            ++written;
        }
        REQUIRE(written < 1000);
        CHECK(written > 10);
        CHECK(ends_whole(fixture.file()));
        CHECK(lines_of(fixture.file()).size() == written);
        CHECK_FALSE(log->append(id, a_statement(written + 1, std::string(500, 'x'))));
        CHECK_FALSE(log->append(session_of("newcomer"), a_statement(1, std::string(99000, 'x'))));
        CHECK_FALSE(log->trouble().empty());
    }
    std::filesystem::remove(ballast);
    REQUIRE(log->append(id, a_statement(written + 1, std::string(500, 'x'))));
    REQUIRE(log->append(session_of("newcomer"), a_statement(1, "SELECT 1")));
    CHECK(lines_of(fixture.file()).size() == written + 1);
    CHECK(log->trouble().empty());
    REQUIRE(log->checkpoint());
    check_sound(fixture);
    log.reset();
    check_sound(fixture);
}

TEST_CASE("Whether there is room is found out without a record") {
    LogFixture fixture;
    const SmallDisk disk(fixture.directory);
    if (!disk.mounted()) {
        WARN("no tmpfs can be mounted here");
        return;
    }
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    REQUIRE(log->append(id, a_start()));
    CHECK(log->try_to_write().empty());
    CHECK(log->records() == 1);
    CHECK(log->failures() == 0);
    const auto ballast = fixture.directory / "ballast";
    {
        std::ofstream fills(ballast, std::ios::binary);
        while (fills << 'x' && fills.flush()) {
        }
    }
    // Nobody has tried to write: appends know of nothing.
    CHECK(log->trouble().empty());
    const std::string said = log->try_to_write();
    CHECK(said.find(fixture.directory.string() + ": No space left") == 0);
    CHECK_FALSE(log->append(id, a_statement(1, std::string(5000, 'x'))));
    CHECK_FALSE(log->trouble().empty());
    CHECK(log->records() == 1);
    CHECK(log->failures() == 1);
    std::filesystem::remove(ballast);
    // Alice does not come back, and it is well all the same.
    CHECK_FALSE(log->trouble().empty());
    CHECK(log->try_to_write().empty());
    CHECK(log->trouble().empty());
    // Nothing is left of the tries: they are no files of the log.
    REQUIRE(log->checkpoint());
    check_sound(fixture);
    // What is wrong with one file and not with the disk stays.
    std::filesystem::rename(fixture.file(), fixture.directory / "elsewhere");
    write_file(fixture.file(), "");
    REQUIRE(log->append(id, a_statement(2, "SELECT 1")));
    REQUIRE(log->checkpoint());
    CHECK_FALSE(log->append(id, a_statement(3, "SELECT 1")));
    CHECK(log->try_to_write().find("alice/2026-11-24.jsonl: ") == 0);
}

TEST_CASE("Whether files may grow again is found out without a record") {
    LogFixture fixture;
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    REQUIRE(log->append(id, a_statement(1, std::string(200'000, 'x'))));
    {
        const FileSizeLimit limit(200'000);
        CHECK_FALSE(log->append(id, a_statement(2, "SELECT 1")));
        CHECK_FALSE(log->append(session_of("newcomer"), a_statement(1, std::string(300'000, 'x'))));
        // A short file may still be made.
        CHECK(log->try_to_write().find(fixture.directory.string() + ": File too large") == 0);
        CHECK_FALSE(log->trouble().empty());
    }
    // Neither comes back, and it is well all the same.
    CHECK(log->try_to_write().empty());
    CHECK(log->trouble().empty());
}

TEST_CASE("A ledger that cannot be written stops the records two seconds later") {
    LogFixture fixture;
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    REQUIRE(log->append(id, a_start()));
    REQUIRE(log->checkpoint());
    REQUIRE(std::filesystem::file_size(fixture.ledger()) >
            std::filesystem::file_size(fixture.file()));
    {
        const FileSizeLimit limit(std::filesystem::file_size(fixture.ledger()) + 10);
        REQUIRE(log->append(id, a_result(1, 1)));
        CHECK_FALSE(log->checkpoint());
        fixture.time.advance(std::chrono::seconds(3));
        CHECK_FALSE(log->append(id, a_result(2, 1)));
        CHECK(log->trouble().find("ledger.jsonl") == 0);
    }
    REQUIRE(log->append(id, a_result(2, 1)));
    CHECK(log->trouble().empty());
    log.reset();
    check_sound(fixture);
}

TEST_CASE("Files that were changed under the log are not written to") {
    LogFixture fixture;
    auto log = fixture.open();
    const SessionId id = session_of("alice");
    REQUIRE(log->append(id, a_start()));
    REQUIRE(log->append(session_of("bob"), a_start()));
    REQUIRE(log->checkpoint());
    const auto refused = [&] {
        const auto appended = log->append(id, a_statement(1, "SELECT 1"));
        return !appended && appended.error() == AuditError::kChanged;
    };
    const std::string bytes = read_file(fixture.file());
    // By then the last look at the file is old (AppendFile::append).
    std::this_thread::sleep_for(std::chrono::milliseconds(20));

    SECTION("removed") {
        std::filesystem::remove(fixture.file());
        CHECK(refused());
        CHECK(refused());
        CHECK(log->append(session_of("bob"), a_statement(1, "SELECT 1")));
        CHECK_FALSE(log->trouble().empty());
        log.reset();
        check_says(fixture, fixture.file(), "gone");
        log = fixture.open();
        CHECK(log->append(id, a_statement(1, "SELECT 1")));
        check_says(fixture, fixture.file(), "it was removed");
        check_says(fixture, fixture.file(), "found the file broken");
    }
    SECTION("cut") {
        std::filesystem::resize_file(fixture.file(), 10);
        CHECK(refused());
        log.reset();
        log = fixture.open();
        CHECK(log->append(id, a_statement(1, "SELECT 1")));
        check_says(fixture, fixture.file(), "its end was cut off");
        CHECK(lines_of(fixture.file()).size() == 2);
        // Once on record it stays on record, and the new chain holds.
        log.reset();
        log = fixture.open();
        CHECK(log->append(id, a_statement(2, "SELECT 1")));
        log.reset();
        CHECK(lines_of(fixture.file()).size() == 3);
        const Verified verified = fixture.verified();
        INFO(all_of(verified.broken));
        CHECK(verified.broken.size() == 2);
    }
    SECTION("added to") {
        write_file(fixture.file(), bytes + "x");
        CHECK(refused());
        SECTION("and put back") {
            std::filesystem::resize_file(fixture.file(), bytes.size());
            CHECK(log->append(id, a_statement(1, "SELECT 1")));
            log.reset();
            check_sound(fixture);
        }
        SECTION("and gone on with") {
            log.reset();
            log = fixture.open();
            CHECK(log->append(id, a_statement(1, "SELECT 1")));
            check_says(fixture, fixture.file(), "added");
        }
    }
    SECTION("renamed, found by the next checkpoint, and put back") {
        const auto elsewhere = fixture.directory / "alice" / "x";
        std::filesystem::rename(fixture.file(), elsewhere);
        CHECK(log->append(id, a_statement(1, "SELECT 1")));
        REQUIRE(log->checkpoint());
        CHECK(refused());
        CHECK_FALSE(log->trouble().empty());
        std::filesystem::rename(elsewhere, fixture.file());
        CHECK(log->append(id, a_statement(2, "SELECT 1")));
        CHECK(log->trouble().empty());
        log.reset();
        check_sound(fixture);
    }
    SECTION("the last record exchanged while the log was closed") {
        log.reset();
        std::string changed = bytes;
        changed.replace(changed.find("INC-1"), 5, "INC-2");
        write_file(fixture.file(), changed);
        log = fixture.open();
        CHECK(log->append(id, a_statement(1, "SELECT 1")));
        check_says(fixture, fixture.file(), "is not the one that was written");
    }
    SECTION("the directory removed") {
        std::filesystem::remove_all(fixture.directory);
        CHECK(refused());
        CHECK_FALSE(log->append(session_of("newcomer"), a_start()));
        CHECK_FALSE(log->checkpoint());
    }
    SECTION("the directory renamed: nobody may write, until it is back") {
        const auto elsewhere = fixture.temporary.path() / "elsewhere";
        std::filesystem::rename(fixture.directory, elsewhere);
        CHECK_FALSE(log->checkpoint());
        CHECK(refused());
        CHECK_FALSE(log->append(session_of("bob"), a_start()));
        std::filesystem::rename(elsewhere, fixture.directory);
        CHECK(log->append(id, a_statement(1, "SELECT 1")));
        log.reset();
        check_sound(fixture);
    }
    SECTION("the ledger removed") {
        std::filesystem::remove(fixture.ledger());
        CHECK_FALSE(log->checkpoint());
        CHECK(refused());
        log.reset();
        log = fixture.open();
        CHECK(log->append(id, a_statement(1, "SELECT 1")));
        check_says(fixture, fixture.file(), "the ledger does not know it");
        CHECK_FALSE(fixture.verified().broken.empty());
    }
    SECTION("a symbolic link, a FIFO or a directory in place of the file") {
        log.reset();
        std::filesystem::remove(fixture.file());
        const auto outside = fixture.temporary.path() / "outside";
        write_file(outside, "");
        SECTION("link") {
            std::filesystem::create_symlink(outside, fixture.file());
        }
        SECTION("fifo") {
            REQUIRE(::mkfifo(fixture.file().c_str(), 0600) == 0);
        }
        SECTION("directory") {
            std::filesystem::create_directory(fixture.file());
        }
        log = fixture.open();
        const auto appended = log->append(id, a_statement(1, "SELECT 1"));
        REQUIRE_FALSE(appended);
        CHECK(appended.error() == AuditError::kNotAFile);
        CHECK(read_file(outside).empty());
    }
}

TEST_CASE("A user's directory that is a link leads nowhere") {
    LogFixture fixture;
    auto log = fixture.open();
    const auto outside = fixture.temporary.path() / "outside";
    std::filesystem::create_directory(outside);
    std::filesystem::create_directory_symlink(outside, fixture.directory / "alice");
    CHECK_FALSE(log->append(session_of("alice"), a_start()));
    CHECK(std::filesystem::is_empty(outside));
}

TEST_CASE("A result waits for the next record of its user, and not for long") {
    LogFixture fixture;
    const SessionId alice = session_of("alice");
    const auto records = [&](const std::string& day = "2026-11-24") {
        return lines_of(fixture.file("alice", day)).size();
    };
    const auto within_moments = [](const auto& holds) {
        for (int i = 0; i < 500 && !holds(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return holds();
    };
    auto log = fixture.open();
    REQUIRE(log->append(alice, a_start()));
    REQUIRE(log->append(alice, a_statement(1, "SELECT 1")));
    CHECK(records() == 2);

    SECTION("written with it, in their order") {
        for (std::uint64_t i = 1; i < 100; ++i) {
            REQUIRE(log->append(alice, a_result(i, 1)));
            REQUIRE(log->append(alice, a_statement(i + 1, "SELECT 1")));
            REQUIRE(records() == 2 + 2 * i);
        }
        REQUIRE(log->append(alice, a_result(100, 1)));
        REQUIRE(log->append(alice, SessionEnd{}));
        CHECK(records() == 202);
        check_sound(fixture);
    }
    SECTION("written though none comes") {
        REQUIRE(log->append(alice, a_result(1, 1)));
        CHECK(within_moments([&] { return records() == 3; }));
        check_sound(fixture);
    }
    SECTION("many of them, and one that is long") {
        Result result = a_result(1, 1);
        for (int i = 0; i < 300; ++i) {
            result.message = std::string(1000, 'x');
            REQUIRE(log->append(alice, result));
        }
        CHECK(records() > 200);
        result.message = std::string(300'000, 'x');
        REQUIRE(log->append(alice, result));
        CHECK(records() == 303);
        REQUIRE(log->append(alice, a_result(1, 1)));
        REQUIRE(log->append(alice, a_statement(2, std::string(300'000, 'x'))));
        CHECK(records() == 305);
        check_sound(fixture);
    }
    SECTION("written before a checkpoint, which vouches for it") {
        REQUIRE(log->checkpoint());
        REQUIRE(log->append(alice, a_result(1, 1)));
        REQUIRE(log->checkpoint());
        CHECK(records() == 3);
        log->drain();
        fixture.time.advance(std::chrono::hours(1));
        check_sound(fixture);
        CHECK(ledger_text(fixture).find("\"seq\":3,\"bytes\"") != std::string::npos);
    }
    SECTION("to its own day, and with the log's end") {
        // Just before midnight, so that no checkpoint is due in between.
        fixture.time.advance(std::chrono::hours(12) - std::chrono::milliseconds(500));
        REQUIRE(log->checkpoint());
        REQUIRE(log->append(alice, a_result(1, 1)));
        fixture.time.advance(std::chrono::seconds(1));
        REQUIRE(log->append(alice, a_result(2, 1)));
        CHECK(records() == 3);
        log.reset();
        CHECK(records("2026-11-25") == 1);
        check_sound(fixture);
    }
    SECTION("a process that is killed has lost it, and nothing else") {
        REQUIRE(log->append(alice, a_result(1, 1)));
        leave_as_if_killed(fixture, std::move(log));
        const std::size_t left = records();
        CHECK((left == 2 || left == 3));
        log = fixture.open();
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        CHECK(records() == left + 1);
        log.reset();
        check_sound(fixture);
    }
    SECTION("lost where the disk is full, counted, and the chain goes on") {
        const std::uint64_t recorded = log->records();
        {
            const FileSizeLimit limit(std::filesystem::file_size(fixture.file()) + 10);
            REQUIRE(log->append(alice, a_result(1, 1)));
            log->drain();
            CHECK(log->failures() == 1);
            CHECK_FALSE(log->trouble().empty());
            REQUIRE(log->append(alice, a_result(1, 2)));
            CHECK_FALSE(log->append(alice, a_statement(2, "SELECT 1")));
            CHECK(log->failures() == 3);
            REQUIRE(log->append(alice, a_result(1, 3)));
            // With one that is longer than what is held at most.
            CHECK_FALSE(log->append(alice, a_statement(2, std::string(100'000, 'x'))));
            CHECK(log->failures() == 5);
            CHECK(log->records() == recorded);
            CHECK(records() == 2);
            // The end that the ledger has is the file's.
            REQUIRE(log->append(alice, a_result(1, 4)));
            static_cast<void>(log->checkpoint());
        }
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        CHECK(records() == 3);
        REQUIRE(log->checkpoint());
        CHECK(log->trouble().empty());
        log.reset();
        check_sound(fixture);
    }
    SECTION("written where there is room for it alone") {
        {
            const FileSizeLimit limit(std::filesystem::file_size(fixture.file()) + 600);
            REQUIRE(log->append(alice, a_result(1, 1)));
            CHECK_FALSE(log->append(alice, a_statement(2, std::string(2000, 'x'))));
            CHECK(log->failures() == 1);
            CHECK_FALSE(log->trouble().empty());
            CHECK(records() == 3);
        }
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        log.reset();
        CHECK(records() == 4);
        check_sound(fixture);
    }
}

TEST_CASE("Nobody's results keep a file from being vouched for, sealed or gone on with") {
    LogFixture fixture;
    const SessionId alice = session_of("alice");
    auto log = fixture.open();
    REQUIRE(log->append(alice, a_start()));
    REQUIRE(log->append(session_of("bob"), a_start()));
    REQUIRE(log->checkpoint());

    SECTION("the first record of a day is a result, and the disk takes none") {
        fixture.time.advance(std::chrono::hours(13));
        // The ledger has room for an entry or two, and the new file for nothing.
        REQUIRE(log->append(alice, a_result(1, 1)));
        const auto next_day = fixture.file("alice", "2026-11-25");
        {
            // Its name leads to a file that this process cannot write to: seq 0 stays its end.
            const FileSizeLimit limit(10);
            log->drain();
        }
        CHECK(log->failures() == 1);
        REQUIRE(log->checkpoint());
        CHECK(read_file(next_day).empty());
        leave_as_if_killed(fixture, std::move(log));
        log = fixture.open();
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        log.reset();
        CHECK(lines_of(next_day).size() == 1);
        check_sound(fixture);
    }
    SECTION("the day ends behind a result that could not be written") {
        {
            const FileSizeLimit limit(std::filesystem::file_size(fixture.file()) + 10);
            REQUIRE(log->append(alice, a_result(1, 1)));
            log->drain();
        }
        fixture.time.advance(std::chrono::hours(13));
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        fixture.time.advance(std::chrono::hours(24) * 3);
        log->keep_up_files();
        REQUIRE(log->append(alice, a_statement(3, "SELECT 1")));
        log.reset();
        CHECK(read_file(fixture.file()).empty());  // compressed
        check_sound(fixture);
    }
    SECTION("its day is sealed before it is written") {
        REQUIRE(log->append(alice, a_result(1, 1)));
        fixture.time.advance(std::chrono::hours(24) * 3);
        log->keep_up_files();
        log->drain();
        // In the file before it was sealed where the moment was over, else not at all.
        const std::uint64_t lost = log->failures();
        CHECK(lost <= 1);
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        log.reset();
        CHECK(fixture.verified().records == 4 - lost);
        check_sound(fixture);
    }
    SECTION("the next day's file cannot be opened") {
        // Around midnight, so that no checkpoint is due in between.
        fixture.time.advance(std::chrono::hours(12) - std::chrono::milliseconds(500));
        REQUIRE(log->append(alice, a_statement(1, "SELECT 1")));
        fixture.time.advance(std::chrono::seconds(1));
        const auto next_day = fixture.file("alice", "2026-11-25");
        std::filesystem::create_directory(next_day);
        CHECK_FALSE(log->append(alice, a_statement(2, "SELECT 1")));
        const auto entries = lines_of(fixture.ledger()).size();
        for (int i = 0; i < 20; ++i) {
            CHECK_FALSE(log->append(alice, a_statement(2, "SELECT 1")));
        }
        CHECK(lines_of(fixture.ledger()).size() == entries);
        std::filesystem::remove(next_day);
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        log.reset();
        check_sound(fixture);
    }
    SECTION("the file is another's by then") {
        // By then the last look at the file is old (AppendFile::append).
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const std::string bytes = read_file(fixture.file());
        write_file(fixture.file(), bytes + "x");
        REQUIRE(log->append(alice, a_result(1, 1)));
        log->drain();
        CHECK(log->failures() == 1);
        CHECK_FALSE(log->append(alice, a_statement(2, "SELECT 1")));
        std::filesystem::resize_file(fixture.file(), bytes.size());
        REQUIRE(log->append(alice, a_statement(2, "SELECT 1")));
        CHECK(lines_of(fixture.file()).size() == 2);
        log.reset();
        check_sound(fixture);
    }
}

TEST_CASE("After a crash at any byte of the last record the log opens, verifies, and says so") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice"), 1);
        REQUIRE(log->checkpoint());
        // Behind the checkpoint: a whole record and one to be cut.
        REQUIRE(log->append(session_of("alice"), a_statement(8, "SELECT 1")));
        REQUIRE(log->append(session_of("alice"), a_statement(9, "SELECT 1")));
        leave_as_if_killed(fixture, std::move(log));
    }
    const std::string bytes = read_file(fixture.file());
    const std::string ledger = ledger_text(fixture);
    const std::size_t last = bytes.rfind('\n', bytes.size() - 2) + 1;
    const auto records = static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    for (std::size_t size = last; size <= bytes.size(); ++size) {
        write_file(fixture.file(), bytes.substr(0, size));
        write_file(fixture.ledger(), ledger);
        const bool torn = size > last && size < bytes.size();
        {
            auto log = fixture.open();
            CHECK((ledger_text(fixture).find("\"type\":\"repaired\"") != std::string::npos) ==
                  torn);
            CHECK((ledger_text(fixture).find("\"cut_bytes\":" + std::to_string(size - last) +
                                             ",") != std::string::npos) == torn);
            REQUIRE(log->append(session_of("alice"), a_statement(10, "SELECT 1")));
        }
        CHECK(lines_of(fixture.file()).size() == (size == bytes.size() ? records + 1 : records));
        check_sound(fixture);
    }
}

TEST_CASE("A ledger torn at any byte of its last entry is repaired, and says so") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice"), 1);
        REQUIRE(log->checkpoint());
    }
    const std::string bytes = ledger_text(fixture);
    const std::string records = read_file(fixture.file());
    const std::size_t last = bytes.rfind('\n', bytes.size() - 2) + 1;
    for (std::size_t size = last + 1; size < bytes.size(); size += 3) {
        write_file(fixture.file(), records);
        write_file(fixture.ledger(), bytes.substr(0, size));
        {
            auto log = fixture.open();
            CHECK(ledger_text(fixture).find("\"kept\":{\"file\":\"ledger.jsonl\"") !=
                  std::string::npos);
            REQUIRE(log->append(session_of("alice"), a_result(10, 1)));
        }
        check_sound(fixture);
    }
}

TEST_CASE("A ledger whose end was changed is gone on with, and stays broken") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice"), 1);
    }
    std::string bytes = ledger_text(fixture);
    const std::size_t lines = lines_of(fixture.ledger()).size();
    bytes[bytes.rfind("log_closed")] = 'L';
    write_file(fixture.ledger(), bytes);
    {
        auto log = fixture.open();
        REQUIRE(log->append(session_of("alice"), a_result(10, 1)));
    }
    const Verified verified = fixture.verified();
    INFO(all_of(verified.broken));
    REQUIRE(verified.broken.size() >= 2);
    CHECK(verified.broken.front().line == lines);
    for (const Finding& finding : verified.broken) {
        CHECK(finding.file == fixture.ledger());
    }
}

TEST_CASE("A killed writer: what it was told is written is in the file") {
    std::mt19937 random(20261124);
    std::uint64_t acknowledged_in_all = 0;
    for (int round = 0; round < 25; ++round) {
        LogFixture fixture;
        fixture.audit.durability =
            round % 5 == 0 ? config::Durability::kFsync : config::Durability::kWrite;
        const std::uint64_t acknowledged =
            killed_after(5 + static_cast<unsigned>(random() % 60), [&](const auto& tell) {
                auto log = QueryLog::open(fixture.audit);
                for (std::uint64_t i = 1; log; ++i) {
                    const std::string sql(i % 97 * 50, 'x');
                    if (!(*log)->append(session_of("alice"), a_statement(i, sql))) {
                        return;
                    }
                    tell(i);
                }
            });
        acknowledged_in_all += acknowledged;

        std::uint64_t lines = 0;
        std::filesystem::path file;
        {
            auto log = QueryLog::open(fixture.audit);
            REQUIRE(log);
            for (const auto& entry :
                 std::filesystem::recursive_directory_iterator(fixture.directory)) {
                if (entry.is_regular_file() && entry.path() != fixture.ledger()) {
                    file = entry.path();
                    for (const std::string& line : lines_of(file)) {
                        ++lines;
                        CHECK(boost::json::parse(line).at("statement").to_number<std::uint64_t>() ==
                              lines);
                    }
                }
            }
            REQUIRE((*log)->append(session_of("alice"), a_result(1, 1)));
        }
        CHECK(lines >= acknowledged);
        CHECK(lines <= acknowledged + 1);
        check_sound(fixture);
    }
    CHECK(acknowledged_in_all > 100);
}

}  // namespace vitrine::audit
