// The ledger's copy elsewhere: made, kept up, and held against the ledger.
#include <sys/stat.h>

#include <thread>

#include "proxy/audit/ledger_anchor.h"
#include "proxy/audit/run_program.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct AnchoredLog : LogFixture {
    std::filesystem::path away = temporary.path() / "away";
    std::filesystem::path copy = away / "ledger.jsonl";

    AnchoredLog() {
        std::filesystem::create_directory(away);
        audit.anchor.directory = away;
    }
    void write(char digit) const {
        const auto log = open();
        write_session(*log, time, session_of("alice", digit), 2);
        time.advance(seconds(20));
    }
    [[nodiscard]] Verified against(const std::filesystem::path& anchor) const {
        return verify(directory, kTestPublicKey, anchor);
    }
};

// A shell script that vitrine runs as a program.
std::filesystem::path script(const LogFixture& fixture, const std::string& body) {
    const auto path = fixture.temporary.path() / "keep";
    write_file(path, "#!/bin/sh\n" + body + "\n");
    REQUIRE(::chmod(path.c_str(), 0700) == 0);
    return path;
}

template <class Condition>
bool comes_true(const Condition& condition) {
    for (int i = 0; i < 500; ++i) {
        if (condition()) {
            return true;
        }
        std::this_thread::sleep_for(milliseconds(20));
    }
    return false;
}

bool says(const std::vector<Finding>& findings, const std::filesystem::path& file,
          std::uint64_t line) {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
        return finding.file == file && finding.line == line;
    });
}

}  // namespace

TEST_CASE("A directory gets the ledger as it grows, and no line that may be taken back") {
    AnchoredLog fixture;
    auto log = fixture.open();
    write_session(*log, fixture.time, session_of("alice"), 2);
    REQUIRE(log->checkpoint());
    const std::string ledger = read_file(fixture.ledger());
    CHECK(comes_true([&] { return read_file(fixture.copy).size() >= ledger.size(); }));
    CHECK(log->trouble_behind().empty());
    log.reset();
    CHECK(read_file(fixture.copy) == read_file(fixture.ledger()));
    CHECK(read_file(fixture.copy).find("log_closed") != std::string::npos);
    // Goes on where it was, also behind half a line.
    std::filesystem::resize_file(fixture.copy, std::filesystem::file_size(fixture.copy) - 30);
    fixture.write('b');
    CHECK(read_file(fixture.copy) == read_file(fixture.ledger()));
    std::filesystem::resize_file(fixture.copy, 7);
    fixture.write('c');
    CHECK(read_file(fixture.copy) == read_file(fixture.ledger()));
    for (const auto& anchor : {fixture.away, fixture.copy}) {
        const Verified verified = fixture.against(anchor);
        CHECK(all_of(verified.broken).empty());
        CHECK(all_of(verified.not_checkable).empty());
    }
}

TEST_CASE("A directory that is not there stops no record, is said, and is caught up with") {
    AnchoredLog fixture;
    std::filesystem::remove(fixture.away);
    std::mutex mutex;
    std::vector<std::string> reported;
    auto opened = QueryLog::open(fixture.audit, fixture.time.clock(), [&](std::string_view text) {
        const std::lock_guard lock(mutex);
        reported.emplace_back(text);
    });
    REQUIRE(opened);
    const auto log = std::move(*opened);
    write_session(*log, fixture.time, session_of("alice"), 2);
    CHECK(comes_true([&] { return !log->trouble_behind().empty(); }));
    CHECK(log->trouble_behind().find(fixture.away.string()) != std::string::npos);
    CHECK(log->trouble().empty());
    CHECK_FALSE(std::filesystem::exists(fixture.away));
    write_session(*log, fixture.time, session_of("alice", 'b'), 2);
    REQUIRE(log->checkpoint());
    std::filesystem::create_directory(fixture.away);
    CHECK(comes_true([&] { return log->trouble_behind().empty(); }));
    CHECK(read_file(fixture.copy) == read_file(fixture.ledger()));
    const std::lock_guard lock(mutex);
    CHECK(reported.size() == 1);  // once, not at each try
}

TEST_CASE("A copy of another ledger is left as it is") {
    AnchoredLog fixture;
    fixture.write('a');
    std::string other = read_file(fixture.copy);
    other[other.size() - 40] ^= 1;
    write_file(fixture.copy, other);
    auto log = fixture.open();
    CHECK(comes_true([&] { return !log->trouble_behind().empty(); }));
    CHECK(log->trouble_behind().find("not a copy") != std::string::npos);
    write_session(*log, fixture.time, session_of("alice", 'b'), 1);
    log.reset();
    CHECK(read_file(fixture.copy) == other);
}

TEST_CASE("A program gets each line, in order, at least once") {
    LogFixture fixture;
    const auto kept = fixture.temporary.path() / "kept";
    const auto door = fixture.temporary.path() / "door";
    // Fails while there is no door, after it has taken the lines: they come once more.
    fixture.audit.anchor.command = {
        script(fixture, "cat >> \"$1\"; test -e \"$2\" || exit 3; test -z \"$HOME$SECRET\""),
        kept.string(), door.string()};
    REQUIRE(::setenv("SECRET", "of ours", 1) == 0);
    {
        auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice"), 2);
        CHECK(comes_true([&] { return !log->trouble_behind().empty(); }));
        CHECK(log->trouble_behind().find("exited with 3") != std::string::npos);
        write_session(*log, fixture.time, session_of("alice", 'b'), 2);
        write_file(door, "");
        CHECK(comes_true([&] { return log->trouble_behind().empty(); }));
    }
    Verified verified = verify(fixture.directory, kTestPublicKey, kept);
    CHECK(all_of(verified.broken).empty());
    CHECK(all_of(verified.not_checkable).empty());
    const auto entries = lines_of(fixture.ledger());
    auto all = lines_of(kept);
    CHECK(all.size() > entries.size());
    CHECK(std::vector<std::string>(all.end() - 1, all.end()).front() == entries.back());

    // The next process goes on where this one was; where that is unknown, all comes once more.
    write_file(kept, "");
    fixture.time.advance(seconds(20));
    fixture.open().reset();
    CHECK(lines_of(kept).size() == lines_of(fixture.ledger()).size() - entries.size());
    write_file(kept, "");
    write_file(fixture.directory / kAnchorCursor, "12 " + std::string(64, 'a') + "\n");
    fixture.time.advance(seconds(20));
    fixture.open().reset();
    CHECK(read_file(kept) == read_file(fixture.ledger()));
    CHECK(::unsetenv("SECRET") == 0);
}

TEST_CASE("A program is bounded in time, and is what was written and no shell's idea of it") {
    LogFixture fixture;
    const auto run = [&](const std::vector<std::string>& command, const std::string& input = "x") {
        return run_program(command, input, milliseconds(300));
    };
    const auto before = std::chrono::steady_clock::now();
    CHECK(run({"/bin/sleep", "60"}) == "/bin/sleep took too long");
    // It does not read what is more than a pipe holds.
    CHECK(run({"/bin/sleep", "60"}, std::string(1 << 20, 'x')) == "/bin/sleep took too long");
    // Its children go with it.
    CHECK(run({script(fixture, "sleep 60 & sleep 60").string()}).find("took too long") !=
          std::string::npos);
    CHECK(std::chrono::steady_clock::now() - before < seconds(10));
    CHECK(run({"/bin/true"}, std::string(1 << 20, 'x')) ==
          "/bin/true did not read all of its input");
    CHECK(run({"/bin/cat"}, std::string(1 << 20, 'x')).empty());
    CHECK(run({"/bin/false"}, "") == "/bin/false exited with 1");
    CHECK(run({"/nonexistent/keep"}) ==
          "/nonexistent/keep could not be started: No such file or directory");
    const auto touched = fixture.temporary.path() / "touched";
    CHECK(run({"/bin/echo", "$(touch " + touched.string() + ")", "; touch " + touched.string()}, "")
              .empty());
    CHECK_FALSE(std::filesystem::exists(touched));
}

TEST_CASE("A ledger that was cut back or rewritten behind the anchor") {
    AnchoredLog fixture;
    fixture.write('a');
    const std::string early = read_file(fixture.ledger());
    const std::string early_file = read_file(fixture.file());
    const auto early_lines = lines_of(fixture.ledger()).size();
    fixture.write('b');
    REQUIRE(fixture.against(fixture.away).broken.empty());
    const auto ledger = fixture.ledger();
    std::ostringstream out;
    std::ostringstream err;
    const auto status = [&](const std::filesystem::path& anchor) {
        return verify_directory(fixture.directory, kTestPublicKey, Format::kTable, out, err,
                                anchor);
    };

    SECTION("cut back together with its files: the anchor alone tells") {
        write_file(ledger, early);
        write_file(fixture.file(), early_file);
        CHECK(status({}) == 0);
        CHECK(status(fixture.away) == 1);
        CHECK(says(fixture.against(fixture.away).broken, ledger, early_lines + 1));
    }
    SECTION("gone") {
        std::filesystem::remove_all(fixture.directory);
        std::filesystem::create_directory(fixture.directory);
        CHECK(status(fixture.away) == 1);
        CHECK(says(fixture.against(fixture.away).broken, ledger, 1));
    }
    SECTION("another history, of the same key, in its place") {
        write_file(ledger, early);
        write_file(fixture.file(), early_file);
        const auto copy = read_file(fixture.copy);
        fixture.audit.anchor = {};
        fixture.write('c');
        CHECK(status({}) == 0);
        CHECK(status(fixture.away) == 1);
        CHECK(says(fixture.against(fixture.away).broken, ledger, early_lines + 1));
        CHECK(read_file(fixture.copy) == copy);
    }
    SECTION("an anchor that is missing, empty, damaged or has gaps is no broken ledger") {
        CHECK(status(fixture.temporary.path() / "nowhere") == 2);
        const auto other = fixture.temporary.path() / "other";
        write_file(other, "");
        CHECK(status(other) == 2);
        auto lines = lines_of(fixture.copy);
        auto changed = lines;
        changed[3][30] ^= 1;
        write_lines(other, changed);
        CHECK(status(other) == 2);
        CHECK(says(fixture.against(other).not_checkable, other, 4));
        changed = lines;
        changed.erase(changed.begin() + 2);
        write_lines(other, changed);
        CHECK(status(other) == 2);
        CHECK(says(fixture.against(other).not_checkable, other, 3));
        // From the middle on: that is when the anchor was set up.
        changed = lines;
        changed.erase(changed.begin(), changed.begin() + 3);
        write_lines(other, changed);
        CHECK(status(other) == 0);
    }
}

}  // namespace vitrine::audit
