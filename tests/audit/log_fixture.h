// A directory that is gone after the test, a clock that the test sets, and records to write.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "proxy/audit/query_log.h"
#include "proxy/audit/reader.h"

namespace vitrine::audit {

// Test vectors, made with `openssl genpkey -algorithm ed25519`; they protect nothing.
inline constexpr const char* kTestKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINjzfgoFiOV5ViCIIpjS4YpjMnavKt4myvsjzvJSsM8H\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr const char* kTestPublicKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA67cvgshThSLgpVo/xbnKcRN05vvEdn6v47IqwdW8QiU=\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr const char* kOtherPublicKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA8jPhuMKY+QwjBFq5n4OwSCPBvvJMml8IOCs8ADJwW1k=\n"
    "-----END PUBLIC KEY-----\n";

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

inline void write_lines(const std::filesystem::path& path, const std::vector<std::string>& lines) {
    std::string bytes;
    for (const std::string& line : lines) {
        bytes += line + "\n";
    }
    write_file(path, bytes);
}

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name =
            (std::filesystem::temp_directory_path() / "vitrine-audit-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// The clock stands until the test moves it. Shared with the log's own thread.
struct SetClock {
    std::shared_ptr<std::atomic<std::int64_t>> micros =
        std::make_shared<std::atomic<std::int64_t>>(0);

    explicit SetClock(std::chrono::sys_seconds start) {
        *micros =
            std::chrono::duration_cast<std::chrono::microseconds>(start.time_since_epoch()).count();
    }
    void advance(std::chrono::microseconds by) const { *micros += by.count(); }
    [[nodiscard]] Clock clock() const {
        return [at = micros] {
            return std::chrono::system_clock::time_point(std::chrono::microseconds(at->load()));
        };
    }
};

inline std::chrono::sys_seconds noon() {
    using namespace std::chrono;
    return sys_days(year(2026) / 11 / 24) + hours(12);
}

struct LogFixture {
    TemporaryDirectory temporary;
    std::filesystem::path directory = temporary.path() / "log";
    SetClock time{noon()};
    config::Audit audit;

    explicit LogFixture(const char* key = kTestKey) {
        audit.directory = directory;
        audit.signing_key = config::Secret(std::string(key));
    }

    [[nodiscard]] std::unique_ptr<QueryLog> open() const {
        auto log = QueryLog::open(audit, time.clock());
        INFO(log.error().message());
        REQUIRE(log);
        return std::move(*log);
    }

    [[nodiscard]] std::filesystem::path file(const std::string& user = "alice",
                                             const std::string& day = "2026-11-24") const {
        return directory / user / (day + ".jsonl");
    }
    [[nodiscard]] std::filesystem::path ledger() const { return directory / "ledger.jsonl"; }

    [[nodiscard]] Verified verified(const char* key = kTestPublicKey) const {
        return verify(directory, key);
    }
};

inline SessionId session_of(const std::string& user, char digit = 'a') {
    return {std::string(32, digit), user};
}

inline SessionStart a_start() {
    SessionStart start;
    start.database = "shop";
    start.groups = {"engineering", "fraud"};
    start.client = "127.0.0.1:50000";
    start.application = "psql";
    start.token = "0123abcd";
    start.issuer = "vitrine";
    start.reason = "INC-1";
    start.expires = noon() + std::chrono::minutes(15);
    return start;
}

inline Statement a_statement(std::uint64_t number, std::string_view sql, bool allowed = true) {
    Statement statement;
    statement.statement = number;
    statement.sql = sql;
    statement.allowed = allowed;
    statement.rule = allowed ? "read" : "read-only";
    return statement;
}

inline Result a_result(std::uint64_t number, std::uint64_t rows) {
    Result result;
    result.statement = number;
    result.rows = rows;
    result.bytes = rows * 10;
    result.duration = std::chrono::microseconds(1234);
    result.sqlstate = "00000";
    return result;
}

// A whole session: start, `count` statements with results, end. A millisecond a record.
inline void write_session(QueryLog& log, const SetClock& time, const SessionId& id,
                          std::uint64_t count) {
    const auto tick = [&] { time.advance(std::chrono::milliseconds(1)); };
    REQUIRE(log.append(id, a_start()));
    tick();
    for (std::uint64_t i = 1; i <= count; ++i) {
        REQUIRE(log.append(id, a_statement(i, "SELECT " + std::to_string(i))));
        tick();
        REQUIRE(log.append(id, a_result(i, 1)));
        tick();
    }
    SessionEnd end;
    end.statements = count;
    end.rows = count;
    REQUIRE(log.append(id, end));
    tick();
}

inline std::string all_of(const std::vector<Finding>& findings) {
    std::ostringstream all;
    for (const Finding& finding : findings) {
        all << finding.file.string() << ':' << finding.line << ": " << finding.message << '\n';
    }
    return all.str();
}

inline void check_sound(const LogFixture& fixture) {
    const Verified verified = fixture.verified();
    INFO(all_of(verified.broken) << all_of(verified.not_checkable));
    CHECK(verified.broken.empty());
    CHECK(verified.not_checkable.empty());
    CHECK(verified.signatures_checked);
}

// Files of this process cannot grow beyond that many bytes.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) : before_(::signal(SIGXFSZ, SIG_IGN)) {
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit_) == 0);
        const rlimit lower{bytes, limit_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &lower) == 0);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &limit_);
        ::signal(SIGXFSZ, before_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit limit_{};
    void (*before_)(int);
};

// Runs `write` in a process of its own, which says what it has been told is written by `tell`,
// until it is killed some milliseconds later: the last number that it told.
inline std::uint64_t killed_after(
    unsigned milliseconds,
    const std::function<void(const std::function<void(std::uint64_t)>& tell)>& write) {
    int pipe_ends[2];
    REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        write([&](std::uint64_t number) {
            if (::write(pipe_ends[1], &number, sizeof number) != sizeof number) {
                ::_exit(1);
            }
        });
        ::_exit(1);
    }
    ::close(pipe_ends[1]);
    // The pipe is read all the time: the child must not wait for us.
    std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        ::kill(child, SIGKILL);
    });
    std::uint64_t told = 0;
    for (std::uint64_t number = 0; ::read(pipe_ends[0], &number, sizeof number) == sizeof number;) {
        told = number;
    }
    killer.join();
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    ::close(pipe_ends[0]);
    return told;
}

}  // namespace vitrine::audit
