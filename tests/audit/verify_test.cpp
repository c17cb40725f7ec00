// Tampering: every kind is found, and found where it was done.
#include <functional>
#include <sstream>

#include "proxy/audit/chain.h"
#include "proxy/audit/json_text.h"
#include "tests/audit/log_fixture.h"
#include "tests/audit/tampering.h"

namespace vitrine::audit {

namespace {

// Two users, two days, three processes; 20 seconds between sessions, so that whatever a checkpoint
// no longer covers is too old to be merely not yet covered.
void write_history(LogFixture& fixture) {
    const auto pause = [&] { fixture.time.advance(std::chrono::seconds(20)); };
    for (int day = 0; day < 2; ++day) {
        auto log = fixture.open();
        for (char digit = '1'; digit <= '3'; ++digit) {
            write_session(*log, fixture.time, session_of("alice", digit), 2);
            REQUIRE(log->checkpoint());
            pause();
            write_session(*log, fixture.time, session_of("bob", digit), 2);
            REQUIRE(log->checkpoint());
            pause();
        }
        log.reset();
        fixture.time.advance(std::chrono::hours(24));
    }
}

// The log's own thread may have put in checkpoints that the test did not ask for: so lines of the
// ledger are counted from its end, and a record that only a checkpoint can vouch for is
// found at the first checkpoint behind it.
constexpr std::uint64_t kLastLine = UINT64_MAX - 100;
constexpr std::uint64_t kFirstCheckpointFrom = UINT64_MAX - 1000;

struct Tampering {
    const char* what;
    std::function<void(const LogFixture&)> change;
    const char* file;    // where it must be found, relative
    std::uint64_t line;  // and at which line
};

// The seq of alice's first record from `seq` on that a checkpoint names.
std::uint64_t vouched_from(const LogFixture& fixture, std::uint64_t seq) {
    std::uint64_t first = UINT64_MAX;
    for (const std::string& line : lines_of(fixture.ledger())) {
        const std::string file = "{\"file\":\"alice/2026-11-24.jsonl\",\"seq\":";
        const auto at = line.find(file);
        if (at != std::string::npos) {
            const std::uint64_t vouched = std::stoull(line.substr(at + file.size()));
            first = vouched >= seq ? std::min(first, vouched) : first;
        }
    }
    return first;
}

const std::vector<Tampering>& tamperings() {
    static const char* const alice = "alice/2026-11-24.jsonl";
    static const char* const bob = "bob/2026-11-24.jsonl";
    static const char* const ledger = "ledger.jsonl";
    static const auto in_alice = [](std::function<void(Lines&)> change) {
        return [change](const LogFixture& fixture) { change_lines(fixture.file(), change); };
    };
    static const auto in_ledger = [](std::function<void(Lines&)> change) {
        return [change](const LogFixture& fixture) { change_lines(fixture.ledger(), change); };
    };
    static const std::vector<Tampering> all{
        {"a statement's text changed",
         in_alice([](Lines& lines) { replace_in(lines[1], "SELECT 1", "SELECT 9"); }), alice, 2},
        {"a statement's text changed, hash made to fit", in_alice([](Lines& lines) {
             replace_in(lines[1], "SELECT 1", "SELECT 9");
             Lines one{lines[0], lines[1]};
             rechain(one, 1);
             lines[1] = one[1];
         }),
         alice, 3},
        {"a statement's text changed, all hashes made to fit", in_alice([](Lines& lines) {
             replace_in(lines[1], "SELECT 1", "SELECT 9");
             rechain(lines, 1);
         }),
         alice, kFirstCheckpointFrom + 2},
        {"the last record changed, hash made to fit", in_alice([](Lines& lines) {
             replace_in(lines[17], "\"rows\":2", "\"rows\":0");
             rechain(lines, 17);
         }),
         alice, 18},
        {"a time changed", in_alice([](Lines& lines) { replace_in(lines[4], "T12", "T11"); }),
         alice, 5},
        {"a user changed",
         in_alice([](Lines& lines) { replace_in(lines[4], "\"alice\"", "\"carol\""); }), alice, 5},
        {"the verdict changed",
         in_alice([](Lines& lines) { replace_in(lines[1], "\"allow\"", "\"reject\""); }), alice, 2},
        {"a hash changed", in_alice([](Lines& lines) {
             char& digit = lines[6][lines[6].size() - 10];
             digit = digit == '0' ? '1' : '0';
         }),
         alice, 7},
        {"a prev changed", in_alice([](Lines& lines) {
             char& digit = lines[6][lines[6].rfind("\"prev\":\"") + 12];
             digit = digit == '0' ? '1' : '0';
         }),
         alice, 7},
        {"white space added behind a line", in_alice([](Lines& lines) { lines[3] += " "; }), alice,
         4},
        {"white space added inside a line",
         in_alice([](Lines& lines) { replace_in(lines[3], ",\"user\"", ", \"user\""); }), alice, 4},
        {"the first line removed", in_alice([](Lines& lines) { lines.erase(lines.begin()); }),
         alice, 1},
        {"the first line removed, the rest numbered and chained anew", in_alice([](Lines& lines) {
             lines.erase(lines.begin());
             replace_in(lines[0], "\"seq\":2", "\"seq\":1");
             rechain(lines, 1);
         }),
         alice, 1},
        {"a line removed in the middle",
         in_alice([](Lines& lines) { lines.erase(lines.begin() + 8); }), alice, 9},
        {"three lines removed in the middle",
         in_alice([](Lines& lines) { lines.erase(lines.begin() + 8, lines.begin() + 11); }), alice,
         9},
        {"the last line removed", in_alice([](Lines& lines) { lines.pop_back(); }), alice, 18},
        {"the last session removed", in_alice([](Lines& lines) { lines.resize(12); }), alice, 13},
        {"all lines removed", in_alice([](Lines& lines) { lines.clear(); }), alice, 1},
        {"the last newline removed",
         [](const LogFixture& fixture) {
             std::string bytes = read_file(fixture.file());
             bytes.pop_back();
             write_file(fixture.file(), bytes);
         },
         alice, 18},
        {"two lines exchanged", in_alice([](Lines& lines) { std::swap(lines[5], lines[6]); }),
         alice, 6},
        {"the last two lines exchanged",
         in_alice([](Lines& lines) { std::swap(lines[16], lines[17]); }), alice, 17},
        {"a line repeated",
         in_alice([](Lines& lines) { lines.insert(lines.begin() + 5, lines[4]); }), alice, 6},
        {"the first line repeated at the end",
         in_alice([](Lines& lines) { lines.push_back(lines[0]); }), alice, 19},
        {"an empty line inserted",
         in_alice([](Lines& lines) { lines.insert(lines.begin() + 5, ""); }), alice, 6},
        {"a line of another file inserted",
         [](const LogFixture& fixture) {
             const Lines others = lines_of(fixture.file("bob"));
             change_lines(fixture.file(),
                          [&](Lines& lines) { lines.insert(lines.begin() + 5, others[5]); });
         },
         alice, 6},
        {"a record inserted, the rest numbered and chained anew", in_alice([](Lines& lines) {
             lines.insert(lines.begin() + 8, lines[7]);
             for (std::size_t i = 8; i < lines.size(); ++i) {
                 replace_in(lines[i], "\"seq\":" + std::to_string(i),
                            "\"seq\":" + std::to_string(i + 1));
             }
             rechain(lines, 8);
         }),
         alice, kFirstCheckpointFrom + 9},
        {"a record added at the end, chained", in_alice([](Lines& lines) {
             lines.push_back(lines.back());
             replace_in(lines.back(), "\"seq\":18", "\"seq\":19");
             rechain(lines, 18);
         }),
         alice, 19},
        {"half a line added at the end",
         [](const LogFixture& fixture) {
             write_file(fixture.file(), read_file(fixture.file()) + "{\"time\":\"2026");
         },
         alice, 19},
        {"NUL bytes added at the end",
         [](const LogFixture& fixture) {
             write_file(fixture.file(), read_file(fixture.file()) + std::string(512, '\0'));
         },
         alice, 19},
        {"a file removed",
         [](const LogFixture& fixture) { std::filesystem::remove(fixture.file()); }, alice, 0},
        {"a user's directory removed",
         [](const LogFixture& fixture) {
             std::filesystem::remove_all(fixture.directory / "alice");
         },
         alice, 0},
        {"a file renamed to another day",
         [](const LogFixture& fixture) {
             std::filesystem::rename(fixture.file(), fixture.file("alice", "2026-11-20"));
         },
         alice, 0},
        {"two users' files exchanged",
         [](const LogFixture& fixture) {
             const std::string bytes = read_file(fixture.file());
             write_file(fixture.file(), read_file(fixture.file("bob")));
             write_file(fixture.file("bob"), bytes);
         },
         bob, 1},
        {"two days' files exchanged",
         [](const LogFixture& fixture) {
             const std::string bytes = read_file(fixture.file());
             write_file(fixture.file(), read_file(fixture.file("alice", "2026-11-25")));
             write_file(fixture.file("alice", "2026-11-25"), bytes);
         },
         "alice/2026-11-25.jsonl", 1},
        {"a file replaced by a symbolic link",
         [](const LogFixture& fixture) {
             const auto elsewhere = fixture.temporary.path() / "elsewhere";
             std::filesystem::rename(fixture.file(), elsewhere);
             std::filesystem::create_symlink(elsewhere, fixture.file());
         },
         alice, 0},
        {"a file that the ledger does not know",
         [](const LogFixture& fixture) {
             write_file(fixture.file("carol"), read_file(fixture.file()));
         },
         "carol/2026-11-24.jsonl", 0},
        {"a file with a name that is none",
         [](const LogFixture& fixture) {
             write_file(fixture.directory / "alice" / "2026-11-31.jsonl", "x\n");
         },
         "alice/2026-11-31.jsonl", 0},
        {"the ledger removed",
         [](const LogFixture& fixture) { std::filesystem::remove(fixture.ledger()); }, ledger, 0},
        {"a checkpoint changed", in_ledger([](Lines& lines) {
             replace_in(lines[find_entry(lines, "checkpoint")], "\"bytes\":", "\"bytes\":1");
         }),
         ledger, 3},
        {"a checkpoint changed, all hashes made to fit", in_ledger([](Lines& lines) {
             replace_in(lines[find_entry(lines, "checkpoint")], "\"bytes\":", "\"bytes\":1");
             // The signatures are kept: prev and hash alone are made anew.
             Sha256 sha;
             for (std::size_t i = 2; i < lines.size(); ++i) {
                 const std::string& before = lines[i - 1];
                 const auto at = lines[i].rfind("\"prev\":\"") + 8;
                 lines[i].replace(at, 64, before.substr(before.size() - 66, 64));
                 std::string line = lines[i].substr(0, lines[i].rfind(",\"hash\":\""));
                 append_hash(line, sha);
                 line.pop_back();
                 lines[i] = line;
             }
         }),
         ledger, 3},
        {"a checkpoint removed", in_ledger([](Lines& lines) {
             lines.erase(lines.begin() + static_cast<long>(find_entry(lines, "checkpoint")));
         }),
         ledger, 3},
        {"the ledger's first entry removed",
         in_ledger([](Lines& lines) { lines.erase(lines.begin()); }), ledger, 1},
        {"a file_opened removed", in_ledger([](Lines& lines) {
             lines.erase(lines.begin() + static_cast<long>(find_entry(lines, "file_opened")));
         }),
         ledger, 2},
        {"two ledger entries exchanged",
         in_ledger([](Lines& lines) { std::swap(lines[3], lines[4]); }), ledger, 4},
        {"a ledger entry repeated",
         in_ledger([](Lines& lines) { lines.insert(lines.begin() + 3, lines[2]); }), ledger, 4},
        {"a signature taken out, the hash made to fit", in_ledger([](Lines& lines) {
             std::string& last = lines.back();
             std::string line = last.substr(0, last.rfind(",\"signature\":\""));
             Sha256 sha;
             append_hash(line, sha);
             line.pop_back();
             last = line;
         }),
         ledger, kLastLine},
        {"a ledger entry added without a signature", in_ledger([](Lines& lines) {
             std::string line;
             begin_line(line, "2026-11-25T13:00:00.000000Z", lines.size() + 1, "log_closed");
             Sha256 sha;
             const std::string& last = lines.back();
             seal(line, *parse_digest(last.substr(last.size() - 66, 64)), sha);
             line.pop_back();
             lines.push_back(line);
         }),
         ledger, kLastLine + 1},
        {"an unknown entry, well chained", in_ledger([](Lines& lines) {
             std::string line;
             begin_line(line, "2026-11-25T13:00:00.000000Z", lines.size() + 1, "pardon");
             Sha256 sha;
             const std::string& last = lines.back();
             seal(line, *parse_digest(last.substr(last.size() - 66, 64)), sha);
             line.pop_back();
             lines.push_back(line);
         }),
         ledger, kLastLine + 1},
        {"the ledger cut back by a run",
         in_ledger([](Lines& lines) { lines.resize(find_entry(lines, "log_closed") + 1); }),
         "alice/2026-11-25.jsonl", 0},
        {"the ledger cut back by two checkpoints, to the middle of the last run",
         in_ledger([](Lines& lines) { lines.resize(lines.size() - 3); }), "alice/2026-11-25.jsonl",
         13},
        {"the ledger torn",
         [](const LogFixture& fixture) {
             const std::string bytes = read_file(fixture.ledger());
             write_file(fixture.ledger(), bytes.substr(0, bytes.size() - 20));
         },
         ledger, kLastLine},
    };
    return all;
}

bool has(const Verified& verified, const std::filesystem::path& file, std::uint64_t line) {
    for (const Finding& finding : verified.broken) {
        if (finding.file == file && finding.line == line) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("Tampering is found, with file and line") {
    for (const Tampering& tampering : tamperings()) {
        LogFixture fixture;
        write_history(fixture);
        const Verified before = fixture.verified();
        REQUIRE(all_of(before.broken).empty());
        REQUIRE(all_of(before.not_checkable).empty());
        std::uint64_t line = tampering.line;
        if (line >= kLastLine) {
            line = lines_of(fixture.ledger()).size() + (line - kLastLine);
        } else if (line >= kFirstCheckpointFrom) {
            line = vouched_from(fixture, line - kFirstCheckpointFrom);
        }
        tampering.change(fixture);
        const Verified after = fixture.verified();
        INFO(tampering.what << " must be found at " << tampering.file << ':' << line << "; found:\n"
                            << all_of(after.broken) << all_of(after.not_checkable));
        CHECK(has(after, fixture.directory / tampering.file, line));
        std::ostringstream out;
        std::ostringstream err;
        CHECK(verify_directory(fixture.directory, kTestPublicKey, Format::kTable, out, err) == 1);
        // Where only the signature tells, nothing is claimed without the key.
        if (std::string(tampering.what).find("all hashes") == std::string::npos) {
            CHECK(verify_directory(fixture.directory, "", Format::kTable, out, err) == 1);
        }
    }
}

TEST_CASE("One change is one finding") {
    const auto found = [](const std::function<void(Lines&)>& change) {
        LogFixture fixture;
        write_history(fixture);
        change_lines(fixture.file(), change);
        const Verified verified = fixture.verified();
        INFO(all_of(verified.broken));
        CHECK(verified.broken.size() == 1);
    };
    found([](Lines& lines) { replace_in(lines[1], "SELECT 1", "SELECT 9"); });
    found([](Lines& lines) { replace_in(lines[4], "\"seq\":5", "\"seq\":9"); });
    found([](Lines& lines) { lines.erase(lines.begin() + 8); });
    found([](Lines& lines) { lines.erase(lines.begin()); });
    found([](Lines& lines) { lines.resize(10); });
    found([](Lines& lines) { lines[7].back() = ']'; });
    found([](Lines& lines) {
        char& digit = lines[6][lines[6].size() - 10];
        digit = digit == '0' ? '1' : '0';
    });
}

TEST_CASE("Every byte of every file, changed, is found") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        write_session(*log, fixture.time, session_of("alice"), 1);
        write_session(*log, fixture.time, session_of("b\xC3\xB6\xFF", 'b'), 1);
    }
    REQUIRE(fixture.verified().broken.empty());
    std::size_t missed = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture.directory)) {
        if (!entry.is_regular_file()) {
            continue;
        }
        // In place: rewriting the file each time would wait for the disk.
        const std::string bytes = read_file(entry.path());
        std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
        const auto put = [&](std::size_t at, char byte) {
            file.seekp(static_cast<std::streamoff>(at));
            file.put(byte).flush();
        };
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            // The lowest bit turns a digit or letter into its neighbour, the other changes its
            // case.
            for (const int bit : {1, 0x20}) {
                put(i, static_cast<char>(bytes[i] ^ bit));
                if (fixture.verified("").broken.empty()) {
                    UNSCOPED_INFO(entry.path() << " byte " << i << " bit " << bit);
                    ++missed;
                }
            }
            put(i, bytes[i]);
        }
    }
    CHECK(missed == 0);
    CHECK(fixture.verified().broken.empty());
}

TEST_CASE("A file cut at any byte is found") {
    LogFixture fixture;
    write_history(fixture);
    // From the longest to the shortest, in place.
    for (const auto& file : {fixture.file(), fixture.file("bob", "2026-11-25")}) {
        const std::string bytes = read_file(file);
        for (std::size_t size = bytes.size(); size-- > 0;) {
            std::filesystem::resize_file(file, size);
            if (fixture.verified("").broken.empty()) {
                FAIL_CHECK(file << " cut to " << size << " of " << bytes.size());
            }
        }
        write_file(file, bytes);
    }
    const std::string ledger = read_file(fixture.ledger());
    const std::size_t last = ledger.rfind('\n', ledger.size() - 2) + 1;
    for (std::size_t size = ledger.size() - 1; size > last;
         size -= std::min<std::size_t>(11, size)) {
        std::filesystem::resize_file(fixture.ledger(), size);
        CHECK_FALSE(fixture.verified("").broken.empty());
    }
    write_file(fixture.ledger(), ledger);
    // Whole entries: only what a killed process may not have come to write can be cut unseen, the
    // log_closed and the checkpoint of the last second.
    Lines entries = lines_of(fixture.ledger());
    std::size_t missed = 0;
    while (entries.size() > 1) {
        entries.pop_back();
        write_lines(fixture.ledger(), entries);
        missed += fixture.verified("").broken.empty() ? 1 : 0;
    }
    CHECK(missed <= 2);
}

TEST_CASE("What cannot be checked is not called broken") {
    LogFixture fixture;
    write_history(fixture);
    std::ostringstream out;
    std::ostringstream err;
    const auto status = [&](const std::filesystem::path& directory, const char* key) {
        return verify_directory(directory, key, Format::kTable, out, err);
    };
    CHECK(status(fixture.directory, kTestPublicKey) == 0);
    CHECK(status(fixture.directory, "") == 0);
    CHECK(status(fixture.directory, kOtherPublicKey) == 2);
    CHECK(status(fixture.directory, "no key") == 2);
    CHECK(status(fixture.directory / "nowhere", kTestPublicKey) == 2);
    CHECK(status(fixture.temporary.path(), kTestPublicKey) == 2);
    // Several keys: after an exchange of keys the auditor brings both.
    CHECK(status(fixture.directory, (std::string(kOtherPublicKey) + kTestPublicKey).c_str()) == 0);
    CHECK(err.str().find("another key") != std::string::npos);

    LogFixture unsigned_log("");
    write_history(unsigned_log);
    CHECK(status(unsigned_log.directory, "") == 0);
    CHECK(status(unsigned_log.directory, kTestPublicKey) == 2);
}

TEST_CASE("The answer as JSON") {
    LogFixture fixture;
    write_history(fixture);
    std::ostringstream out;
    std::ostringstream err;
    CHECK(verify_directory(fixture.directory, kTestPublicKey, Format::kJson, out, err) == 0);
    const std::string checkpoints = std::to_string(fixture.verified().checkpoints);
    CHECK(out.str() ==
          "{\"verdict\":\"ok\",\"files\":4,\"records\":72,\"removed\":0,\"checkpoints\":" +
              checkpoints + ",\"signatures_checked\":true,\"broken\":[],\"not_checkable\":[]}\n");
    CHECK(err.str().empty());
}

TEST_CASE("A copy of a live log verifies while it grows") {
    LogFixture fixture;
    auto log = fixture.open();
    for (int i = 0; i < 20; ++i) {
        write_session(*log, fixture.time, session_of("alice"), 3);
        write_session(*log, fixture.time, session_of("bob"), 3);
        fixture.time.advance(std::chrono::milliseconds(700));
        const Verified verified = fixture.verified();
        INFO(all_of(verified.broken));
        CHECK(verified.broken.empty());
    }
}

}  // namespace vitrine::audit
