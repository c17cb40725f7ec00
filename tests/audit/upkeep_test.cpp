// What becomes of files when their day is over: sealed, compressed, removed.
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <random>

#include "proxy/audit/compressed_file.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/log_files.h"
#include "proxy/audit/run_program.h"
#include "proxy/audit/upkeep.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

// A day of two users' sessions in a process of its own; then it is tomorrow.
void write_day(const LogFixture& fixture, char digit) {
    {
        const auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice", digit), 3);
        write_session(*log, fixture.time, session_of("bob", static_cast<char>(digit + 4)), 3);
    }
    fixture.time.advance(std::chrono::hours(24));
}

// 24, 25 and 26 November are written; it is noon on the 27th: two days are over for good.
void write_days(LogFixture& fixture) {
    // The first day is sealed on the third, and is not to be compressed behind the test's back.
    const bool compress = std::exchange(fixture.audit.compress, false);
    for (const char digit : {'1', '2', '3'}) {
        write_day(fixture, digit);
    }
    fixture.audit.compress = compress;
}

void keep_up(const LogFixture& fixture) {
    const auto log = fixture.open();
    log->keep_up_files();
    INFO(log->trouble_behind());
    REQUIRE(log->trouble_behind().empty());
}

std::filesystem::path compressed(std::filesystem::path path) {
    return path += kCompressedSuffix;
}

std::string all_of_source(const std::filesystem::path& path) {
    auto source = LogSource::open(path.string());
    REQUIRE(source.has_value());
    std::string all;
    std::string piece(100000, '\0');
    while (true) {
        const auto got = source->read(all.size(), piece.data(), piece.size());
        REQUIRE(got.has_value());
        if (*got == 0) {
            return all;
        }
        all.append(piece, 0, *got);
    }
}

void check_whole(const LogFixture& fixture, std::uint64_t removed = 0) {
    const Verified verified = fixture.verified();
    INFO(all_of(verified.broken) << all_of(verified.not_checkable));
    CHECK(verified.broken.empty());
    CHECK(verified.not_checkable.empty());
    CHECK(verified.removed == removed);
}

std::string shown(const LogFixture& fixture) {
    std::ostringstream out;
    std::ostringstream err;
    CHECK(list_sessions(fixture.directory, Format::kJson, out, err) == 0);
    CHECK(show_session(fixture.directory, std::string(32, '1'), Format::kTable, out, err) == 0);
    CHECK(show_session(fixture.directory, "last", Format::kTable, out, err) == 0);
    return out.str() + err.str();
}

std::size_t count_entries(const LogFixture& fixture, const std::string& type) {
    const auto lines = lines_of(fixture.ledger());
    return static_cast<std::size_t>(
        std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
            return line.find("\"type\":\"" + type + "\"") != std::string::npos;
        }));
}

// Runs `work` in a child that is killed when it is about to make its system call number `calls`.
// False where it ended before that.
template <class Work>
bool killed_at_call(std::size_t calls, const Work& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        work();
        ::_exit(0);
    }
    REQUIRE(child > 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSTOPPED(status));
    // Two stops a call, on its way in and out.
    for (std::size_t stop = 0; stop < 2 * calls + 1; ++stop) {
        REQUIRE(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
        REQUIRE(::waitpid(child, &status, 0) == child);
        if (WIFEXITED(status)) {
            return false;
        }
        REQUIRE(WIFSTOPPED(status));
    }
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, &status, 0) == child);
    return true;
}

}  // namespace

TEST_CASE("Files whose day is over are sealed and compressed, and read as before") {
    LogFixture fixture;
    fixture.audit.compress = false;
    write_days(fixture);
    const std::string before = shown(fixture);
    const std::string bytes = read_file(fixture.file());
    keep_up(fixture);
    CHECK(count_entries(fixture, "sealed") == 4);  // alice and bob, the 24th and the 25th
    CHECK(read_file(fixture.file()) == bytes);
    check_whole(fixture);

    fixture.audit.compress = true;
    keep_up(fixture);
    CHECK(count_entries(fixture, "sealed") == 4);  // once
    for (const char* user : {"alice", "bob"}) {
        for (const char* day : {"2026-11-24", "2026-11-25"}) {
            CHECK_FALSE(std::filesystem::exists(fixture.file(user, day)));
            CHECK(std::filesystem::exists(compressed(fixture.file(user, day))));
        }
        CHECK(std::filesystem::exists(fixture.file(user, "2026-11-26")));
    }
    CHECK(all_of_source(fixture.file()) == bytes);
    CHECK(shown(fixture) == before);
    check_whole(fixture);
    const auto ledger = read_file(fixture.ledger());
    CHECK(ledger.find("\"sha256\":\"" + std::string(Sha256().of(bytes).view()) + "\"") !=
          std::string::npos);
    // Nothing else stands in the directory.
    for (const auto& entry : std::filesystem::directory_iterator(fixture.directory / "alice")) {
        CHECK(entry.path().extension() != ".new");
    }
    // As the zstd program reads it, where there is one.
    if (std::filesystem::exists("/usr/bin/zstd")) {
        const auto out = fixture.temporary.path() / "out";
        CHECK(run_program({"/usr/bin/zstd", "-q", "-d", "-o", out.string(),
                           compressed(fixture.file()).string()},
                          "", std::chrono::seconds(10))
                  .empty());
        CHECK(read_file(out) == bytes);
    }
}

TEST_CASE("A compressed file is read from anywhere, its long lines too") {
    TemporaryDirectory directory;
    const auto path = directory.path() / "long.jsonl";
    std::mt19937 random(20261124);
    std::string bytes;
    for (std::size_t length : {10UL, 900000UL, 200000UL, 2500000UL, 5UL, 1048575UL, 1048576UL}) {
        for (std::size_t i = 0; i < length; ++i) {
            bytes += static_cast<char>('a' + random() % 16);
        }
        bytes += '\n';
    }
    write_file(path, bytes);
    const auto plain = open_to_read(path.string());
    REQUIRE(plain.has_value());
    const Descriptor out(::open(compressed(path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const auto sha = compress(plain->get(), out.get(), [] { return true; });
    REQUIRE(sha.has_value());
    CHECK(*sha == Sha256().of(bytes));
    std::filesystem::remove(path);
    REQUIRE(all_of_source(path) == bytes);
    auto source = LogSource::open(path.string());
    REQUIRE(source.has_value());
    CHECK(source->compressed_size() == bytes.size());
    std::string piece(70000, '\0');
    for (int i = 0; i < 2000; ++i) {
        const std::size_t offset = random() % (bytes.size() + 10);
        const std::size_t size = 1 + random() % piece.size();
        const auto got = source->read(offset, piece.data(), size);
        REQUIRE(got.has_value());
        REQUIRE(*got <= size);
        REQUIRE((*got > 0 || offset >= bytes.size()));
        REQUIRE(bytes.compare(std::min(offset, bytes.size()), *got, piece, 0, *got) == 0);
    }
    // And by its lines.
    LineReader reader(std::move(*source));
    std::string_view line;
    std::size_t lines = 0;
    while (reader.next(line)) {
        ++lines;
    }
    CHECK(lines == 7);
    CHECK_FALSE(reader.error());
    CHECK(compress(plain->get(), out.get(), [] { return false; }).error() ==
          boost::system::errc::operation_canceled);
}

TEST_CASE("A clock that goes back to a sealed day writes nothing there") {
    LogFixture fixture;
    write_days(fixture);
    auto log = fixture.open();
    log->keep_up_files();
    const std::string before = read_file(compressed(fixture.file()));
    fixture.time.advance(std::chrono::hours(-72));
    const auto refused = log->append(session_of("alice"), a_start());
    CHECK(refused.error() == AuditError::kSealed);
    CHECK_FALSE(log->trouble().empty());
    fixture.time.advance(std::chrono::hours(72));
    CHECK(log->append(session_of("alice"), a_start()).has_value());
    CHECK(log->trouble().empty());
    log.reset();
    // Another process, which knows it from the ledger.
    fixture.time.advance(std::chrono::hours(-72));
    log = fixture.open();
    CHECK(log->append(session_of("alice"), a_start()).error() == AuditError::kSealed);
    log.reset();
    CHECK_FALSE(std::filesystem::exists(fixture.file()));
    CHECK(read_file(compressed(fixture.file())) == before);
    check_whole(fixture);
}

TEST_CASE("A file that is not as the ledger says is not sealed") {
    LogFixture fixture;
    write_days(fixture);
    auto lines = lines_of(fixture.file("alice", "2026-11-25"));
    lines.pop_back();
    write_lines(fixture.file("alice", "2026-11-25"), lines);
    {
        const auto log = fixture.open();
        log->keep_up_files();
        CHECK(log->trouble_behind().find("alice/2026-11-25.jsonl") != std::string::npos);
        CHECK(log->trouble().empty());
    }
    CHECK(count_entries(fixture, "sealed") == 3);
    CHECK(lines_of(fixture.file("alice", "2026-11-25")) == lines);
    CHECK_FALSE(fixture.verified().broken.empty());
}

TEST_CASE("Killed at any system call while it compresses, the log is whole, and goes on") {
    LogFixture fixture;
    fixture.audit.compress = false;
    write_days(fixture);
    keep_up(fixture);
    const std::string bytes = read_file(fixture.file());
    const std::string before = shown(fixture);
    const Descriptor directory(::open(fixture.directory.c_str(), O_RDONLY | O_DIRECTORY));
    Seal seal;
    seal.end.file = "alice/2026-11-24.jsonl";
    seal.end.bytes = bytes.size();
    seal.sha256 = Sha256().of(bytes);
    std::size_t calls = 0;
    std::size_t both = 0;
    const auto compress_it = [&] {
        if (!compress_sealed(directory.get(), seal, [] { return true; }).empty()) {
            ::_exit(3);
        }
    };
    while (killed_at_call(calls, compress_it)) {
        INFO("killed before call " << calls);
        both += std::filesystem::exists(fixture.file()) &&
                        std::filesystem::exists(compressed(fixture.file()))
                    ? 1
                    : 0;
        REQUIRE(all_of_source(fixture.file()) == bytes);
        check_whole(fixture);
        REQUIRE(shown(fixture) == before);
        // The next one goes on from what this one left.
        if (std::filesystem::exists(fixture.file())) {
            REQUIRE(compress_sealed(directory.get(), seal, [] { return true; }).empty());
        }
        REQUIRE_FALSE(std::filesystem::exists(fixture.file()));
        REQUIRE(all_of_source(fixture.file()) == bytes);
        check_whole(fixture);
        write_file(fixture.file(), bytes);
        std::filesystem::remove(compressed(fixture.file()));
        ++calls;
    }
    CHECK(calls > 15);
    CHECK(both >= 2);  // the moments between rename and unlink
    keep_up(fixture);
}

TEST_CASE("What a crash leaves between the steps is cleared up") {
    LogFixture fixture;
    write_days(fixture);
    const std::string bytes = read_file(fixture.file());
    keep_up(fixture);
    write_file(fixture.file(), bytes);  // killed before the plain one went
    write_file(compressed(fixture.file("bob")).string() + ".new", "half");
    check_whole(fixture);
    const LogFiles listed = list_log_files(fixture.directory);
    REQUIRE(listed.files.size() == 6);
    CHECK(listed.files[0].both);
    CHECK_FALSE(listed.files[0].compressed);
    CHECK(listed.files[1].compressed);
    keep_up(fixture);
    CHECK_FALSE(std::filesystem::exists(fixture.file()));
    check_whole(fixture);

    // Not the same bytes: somebody's work, and evidence.
    write_file(fixture.file(), bytes + "x");
    {
        const auto log = fixture.open();
        log->keep_up_files();
        CHECK(log->trouble_behind().find("not what was sealed") != std::string::npos);
    }
    CHECK(read_file(fixture.file()) == bytes + "x");
    CHECK(all_of(fixture.verified().broken).find("2026-11-24.jsonl") != std::string::npos);
}

TEST_CASE("Retention by age: sealed files go, with an entry, and the rest verifies") {
    LogFixture fixture;
    write_days(fixture);
    // The 24th ended on the 25th at midnight: 60 hours ago. The 25th: 36 hours.
    fixture.audit.retain = std::chrono::hours(61);
    keep_up(fixture);
    CHECK(count_entries(fixture, "removed") == 0);
    fixture.audit.retain = std::chrono::hours(60);
    keep_up(fixture);
    CHECK(count_entries(fixture, "removed") == 2);
    CHECK_FALSE(std::filesystem::exists(compressed(fixture.file())));
    CHECK(std::filesystem::exists(compressed(fixture.file("alice", "2026-11-25"))));
    check_whole(fixture, 2);
    // Nothing that is not sealed goes, however old.
    fixture.audit.retain = std::chrono::seconds(1);
    keep_up(fixture);
    CHECK(std::filesystem::exists(fixture.file("alice", "2026-11-26")));
    CHECK(count_entries(fixture, "removed") == 4);
    check_whole(fixture, 4);

    SECTION("a file that is gone without an entry was taken") {
        std::filesystem::remove(fixture.file("bob", "2026-11-26"));
        const Verified verified = fixture.verified();
        REQUIRE(verified.broken.size() == 1);
        CHECK(verified.broken[0].file == fixture.file("bob", "2026-11-26"));
        CHECK(verified.broken[0].message.find("is gone") != std::string::npos);
    }
    SECTION("killed between the entry and the removal: it goes the next time") {
        write_file(fixture.file(), "x\n");
        keep_up(fixture);
        CHECK_FALSE(std::filesystem::exists(fixture.file()));
        check_whole(fixture, 4);
    }
}

TEST_CASE("Retention by size: the oldest first, until it fits") {
    LogFixture fixture;
    write_days(fixture);
    keep_up(fixture);
    std::uint64_t total = 0;
    for (const LogFile& file : list_log_files(fixture.directory).files) {
        CHECK(file.size > 0);
        total += file.size;
    }
    fixture.audit.retain_bytes = total;
    keep_up(fixture);
    CHECK(count_entries(fixture, "removed") == 0);
    fixture.audit.retain_bytes = total - 1;
    keep_up(fixture);
    CHECK(count_entries(fixture, "removed") == 1);
    CHECK_FALSE(std::filesystem::exists(compressed(fixture.file("alice", "2026-11-24"))));
    CHECK(std::filesystem::exists(compressed(fixture.file("bob", "2026-11-24"))));
    check_whole(fixture, 1);
    fixture.audit.retain_bytes = 1;
    keep_up(fixture);
    CHECK(count_entries(fixture, "removed") == 4);
    CHECK(read_file(fixture.ledger()).find("\"reason\":\"size\"") != std::string::npos);
    check_whole(fixture, 4);
}

TEST_CASE("A process that was killed after it had sealed opens the log again") {
    LogFixture fixture;
    write_days(fixture);
    auto log = fixture.open();
    log->keep_up_files();
    write_session(*log, fixture.time, session_of("alice", '4'), 1);
    REQUIRE(log->checkpoint());
    // As a kill leaves it: no log_closed.
    LogFixture copy;
    std::filesystem::copy(fixture.directory, copy.directory,
                          std::filesystem::copy_options::recursive);
    log.reset();
    copy.time.advance(std::chrono::hours(73));
    keep_up(copy);
    write_day(copy, '5');
    check_whole(copy);
    CHECK(count_entries(copy, "sealed") == 4);
}

TEST_CASE("A compressed file that nobody sealed is not unpacked") {
    LogFixture fixture;
    write_days(fixture);
    const auto zeros = fixture.temporary.path() / "zeros";
    write_file(zeros, "");
    std::filesystem::resize_file(zeros, std::uintmax_t{1} << 30);
    const auto in = open_to_read(zeros.string());
    const auto bomb = compressed(fixture.file("alice", "2026-11-20"));
    const Descriptor out(::open(bomb.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(compress(in->get(), out.get(), [] { return true; }).has_value());
    const auto before = std::chrono::steady_clock::now();
    const Verified verified = fixture.verified();
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(1));
    CHECK(all_of(verified.broken).find("has not sealed it") != std::string::npos);
    // In the place of a file that was: it says how much it has, and the ledger how much it had.
    keep_up(fixture);
    std::filesystem::rename(bomb, compressed(fixture.file()));
    CHECK(all_of(fixture.verified().broken).find("sealed") != std::string::npos);
}

}  // namespace vitrine::audit
