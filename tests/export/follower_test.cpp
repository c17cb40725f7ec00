// The log's lines as they grow, are sealed, exchanged and removed.
#include <catch2/catch.hpp>
#include <random>

#include "proxy/audit/names.h"
#include "proxy/export/follower.h"
#include "tests/audit/log_fixture.h"

using namespace vitrine;
using namespace vitrine::exports;

namespace {

struct Followed {
    audit::LogFixture log;
    Cursor cursor;
    std::vector<std::string> said;

    [[nodiscard]] Follower follow() {
        return {log.directory, cursor, true,
                [this](const std::string& sentence) { said.push_back(sentence); }};
    }

    // All that a follower made anew finds, in batches; each acknowledged, or none.
    std::vector<Item> read(std::size_t records_max = 1000, bool acknowledged = true) {
        Follower follower = follow();
        std::vector<Item> all;
        while (true) {
            const auto items = follower.next(records_max, 1 << 20);
            if (items.empty()) {
                return all;
            }
            if (acknowledged) {
                follower.acknowledge(items);
            }
            all.insert(all.end(), items.begin(), items.end());
        }
    }

    std::vector<std::string> lines_of(const std::vector<Item>& items, const std::string& file) {
        std::vector<std::string> lines;
        for (const Item& item : items) {
            if (item.file == file) {
                lines.push_back(item.line);
                CHECK(item.seq == lines.size() + before_[file]);
            }
        }
        before_[file] += lines.size();
        return lines;
    }

  private:
    std::map<std::string, std::size_t> before_;
};

constexpr const char* kAlice = "alice/2026-11-24.jsonl";

}  // namespace

TEST_CASE("each line comes once, in the order of its file, however small the batches are") {
    for (const std::size_t batch : {1UL, 2UL, 7UL, 1000UL}) {
        Followed followed;
        {
            auto log = followed.log.open();
            audit::write_session(*log, followed.log.time, audit::session_of("alice"), 9);
            audit::write_session(*log, followed.log.time, audit::session_of("bob", 'b'), 4);
        }
        const auto items = followed.read(batch);
        CHECK(followed.lines_of(items, kAlice) == audit::lines_of(followed.log.file()));
        CHECK(followed.lines_of(items, "bob/2026-11-24.jsonl") ==
              audit::lines_of(followed.log.file("bob")));
        CHECK(followed.lines_of(items, "ledger.jsonl") == audit::lines_of(followed.log.ledger()));
        CHECK(items.size() == followed.cursor.sent);
        CHECK(followed.read(batch).empty());
        CHECK(followed.said.empty());
    }
}

TEST_CASE("what was not acknowledged comes again") {
    Followed followed;
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 9);
    }
    const auto first = followed.read(1000, false);
    CHECK(followed.cursor.files.empty());
    const auto again = followed.read(3);
    CHECK(again.size() == first.size());
    // From the middle of a file, by a cursor that went with it.
    Followed other;
    {
        auto log = other.log.open();
        audit::write_session(*log, other.log.time, audit::session_of("alice"), 9);
    }
    Follower follower = other.follow();
    const auto some = follower.next(5, 1 << 20);
    REQUIRE(some.size() == 5);
    follower.acknowledge(some);
    const auto rest = other.read();
    CHECK(rest.size() == first.size() - 5);
}

TEST_CASE("a line that is being written is not sent before it is whole") {
    Followed followed;
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
    }
    const std::string whole = audit::read_file(followed.log.file());
    const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
    const std::size_t lines = audit::lines_of(followed.log.file()).size();
    for (const std::size_t cut : {last + 1, last + 50, whole.size() - 1}) {
        followed.cursor = Cursor();
        audit::write_file(followed.log.file(), whole.substr(0, cut));
        const auto items = followed.read();
        const auto count = [](const std::vector<Item>& all) {
            return std::count_if(all.begin(), all.end(),
                                 [](const Item& item) { return item.file == kAlice; });
        };
        CHECK(count(items) == static_cast<std::ptrdiff_t>(lines - 1));
        audit::write_file(followed.log.file(), whole);
        const auto rest = followed.read();
        REQUIRE(count(rest) == 1);
        CHECK(rest.front().line + "\n" == whole.substr(last));
    }
    CHECK(followed.said.empty());
}

TEST_CASE("a torn line that was taken back is not glued to the one in its place") {
    Followed followed;
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
    }
    const std::string whole = audit::read_file(followed.log.file());
    const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
    Follower follower(followed.log.directory, followed.cursor, false, [](const std::string&) {});
    audit::write_file(followed.log.file(), whole.substr(0, last) + "{\"torn\":");
    follower.acknowledge(follower.next(1000, 1 << 20));
    // The ledger has nothing new now: the torn file is the one that stays open.
    CHECK(follower.next(1000, 1 << 20).empty());
    audit::write_file(followed.log.file(), whole);
    std::vector<Item> rest;
    for (int look = 0; look < 10 && rest.empty(); ++look) {
        ::usleep(250'000);  // so that its size is asked for first
        rest = follower.next(1000, 1 << 20);
    }
    REQUIRE(rest.size() == 1);
    CHECK(rest.front().line + "\n" == whole.substr(last));
}

TEST_CASE("a file that was exchanged or cut behind the cursor is said, and begun anew") {
    Followed followed;
    // A day that is not over: of the others only the day is remembered.
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    followed.log.time = audit::SetClock(now);
    const auto file =
        followed.log.file("alice", audit::day_text(std::chrono::floor<std::chrono::days>(now)));
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 5);
    }
    auto lines = audit::lines_of(file);
    static_cast<void>(followed.read());
    SECTION("a line less in front") {
        lines.erase(lines.begin());
    }
    SECTION("cut at its end") {
        lines.pop_back();
    }
    SECTION("other lines of the same length") {
        lines.back()[lines.back().size() - 3] ^= 1;
    }
    audit::write_lines(file, lines);
    const auto again = followed.read();
    CHECK(again.size() == lines.size());
    REQUIRE(followed.said.size() == 1);
    CHECK(followed.said[0].find("is not the file that was sent") != std::string::npos);
    CHECK(followed.cursor.replaced == 1);
    CHECK(followed.read().empty());
}

TEST_CASE("of days that are over the cursor keeps a day, and drops it with the user's files") {
    Followed followed;
    followed.log.time = audit::SetClock(audit::noon() - std::chrono::days(300));
    {
        auto log = followed.log.open();
        for (int day = 0; day < 5; ++day) {
            audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
            followed.log.time.advance(std::chrono::days(1));
        }
    }
    followed.log.time.advance(std::chrono::days(3));
    {
        const auto log = followed.log.open();
        const auto last = followed.log.file("alice", "2026-02-01");
        for (int look = 0; look < 100 && std::filesystem::exists(last); ++look) {
            ::usleep(50'000);
        }
    }
    static_cast<void>(followed.read());
    CHECK(followed.cursor.through == decltype(Cursor::through){{"alice", "2026-02-01"}});
    CHECK(followed.cursor.files.size() == 1);  // the ledger
    CHECK(followed.read().empty());
    std::filesystem::remove_all(followed.log.directory / "alice");
    Cursor& cursor = followed.cursor;
    Follower follower(followed.log.directory, cursor, false, [](const std::string&) {});
    for (int look = 0; look < 30 && !cursor.through.empty(); ++look) {
        static_cast<void>(follower.next(10, 1 << 20));
        ::usleep(100'000);
    }
    CHECK(cursor.through.empty());
}

TEST_CASE("a file is over when the ledger says that it is sealed, and not by any clock") {
    Followed followed;
    followed.log.audit.compress = false;
    // Long ago by our clock; to the writer it is today.
    followed.log.time = audit::SetClock(audit::noon() - std::chrono::days(300));
    const auto write = [&](std::uint64_t statements) {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), statements);
    };
    const auto of_alice = [](const std::vector<Item>& items) {
        return std::count_if(items.begin(), items.end(),
                             [](const Item& item) { return item.file.starts_with("alice/"); });
    };
    write(2);
    CHECK(of_alice(followed.read()) == 6);
    CHECK(followed.cursor.through.empty());
    write(3);
    CHECK(of_alice(followed.read()) == 8);
    CHECK(followed.cursor.through.empty());
    followed.log.time.advance(std::chrono::days(3));
    {
        const auto log = followed.log.open();
        for (int look = 0; look < 100; ++look) {
            if (audit::read_file(followed.log.ledger()).find("\"type\":\"sealed\"") !=
                std::string::npos) {
                break;
            }
            ::usleep(50'000);
        }
    }
    CHECK(of_alice(followed.read()) == 0);
    const auto first_day = decltype(Cursor::through){{"alice", "2026-01-28"}};
    CHECK(followed.cursor.through == first_day);
    // The same where the ledger was read that far before.
    followed.cursor.through.clear();
    CHECK(of_alice(followed.read()) == 14);
    CHECK(followed.cursor.through == first_day);
}

TEST_CASE("a file that is gone without a word in the ledger is said, and does not block the rest") {
    Followed followed;
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
        audit::write_session(*log, followed.log.time, audit::session_of("bob", 'b'), 2);
    }
    Follower follower = followed.follow();
    follower.acknowledge(follower.next(3, 1 << 20));
    std::filesystem::remove(followed.log.file());
    const auto rest = followed.read();
    CHECK(followed.lines_of(rest, "bob/2026-11-24.jsonl") ==
          audit::lines_of(followed.log.file("bob")));
    REQUIRE(followed.said.size() == 1);
    CHECK(followed.said[0].find("alice/2026-11-24.jsonl is gone") != std::string::npos);
    CHECK(followed.cursor.lost == 1);
    CHECK(followed.read().empty());
    CHECK(followed.said.size() == 1);
}

TEST_CASE("a log that is not mounted is not taken for one whose files are gone") {
    Followed followed;
    followed.log.time = audit::SetClock(audit::noon() - std::chrono::days(300));
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
    }
    static_cast<void>(followed.read());
    followed.cursor.through["carol"] = "2025-11-24";
    const auto files = followed.cursor.files;
    const auto through = followed.cursor.through;
    CHECK(files.size() == 2);
    const auto aside = followed.log.temporary.path() / "aside";
    std::filesystem::rename(followed.log.directory, aside);
    SECTION("an empty directory") {
        std::filesystem::create_directory(followed.log.directory);
    }
    SECTION("none"){} {
        Follower follower(followed.log.directory, followed.cursor, false,
                          [&](const std::string& text) { followed.said.push_back(text); });
        // Long enough to be listed twice.
        for (int look = 0; look < 13; ++look) {
            static_cast<void>(follower.next(10, 1 << 20));
            CHECK(follower.is_blocked());
            ::usleep(200'000);
        }
    }
    CHECK(followed.cursor.files == files);
    CHECK(followed.cursor.through == through);
    CHECK(followed.cursor.lost == 0);
    CHECK_FALSE(followed.said.empty());
    std::filesystem::remove_all(followed.log.directory);
    std::filesystem::rename(aside, followed.log.directory);
    CHECK(followed.read().empty());
}

TEST_CASE("a day that cannot be read holds back the user's next one, and nobody else") {
    Followed followed;
    const auto write = [&] {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
        audit::write_session(*log, followed.log.time, audit::session_of("bob", 'b'), 2);
    };
    write();
    followed.log.time.advance(std::chrono::days(1));
    write();
    const auto aside = followed.log.directory / "aside";
    std::filesystem::rename(followed.log.file(), aside);
    const std::filesystem::path broken = followed.log.file().string() + ".zst";
    audit::write_file(broken, "no such thing");
    const auto items = followed.read();
    const auto count = [&](std::string_view user) {
        return std::count_if(items.begin(), items.end(),
                             [&](const Item& item) { return item.file.starts_with(user); });
    };
    CHECK(count("alice/") == 0);
    CHECK(count("bob/") == 12);
    REQUIRE(followed.said.size() == 1);
    CHECK(followed.said[0].find("alice/2026-11-24.jsonl cannot be read") != std::string::npos);
    std::filesystem::remove(broken);
    std::filesystem::rename(aside, followed.log.file());
    const auto rest = followed.read();
    CHECK(followed.lines_of(rest, kAlice) == audit::lines_of(followed.log.file()));
    CHECK(std::count_if(rest.begin(), rest.end(),
                        [](const Item& item) { return item.file.starts_with("alice/"); }) == 12);
}

TEST_CASE("a file that is removed while the first half of it is under way is lost once, and half") {
    Followed followed;
    followed.log.audit.compress = false;
    followed.log.audit.retain = std::chrono::days(30);
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 2);
    }
    Follower follower(followed.log.directory, followed.cursor, false,
                      [&](const std::string& sentence) { followed.said.push_back(sentence); });
    auto under_way = follower.next(3, 1 << 20);
    REQUIRE(under_way.size() == 3);
    followed.log.time.advance(std::chrono::days(60));
    {
        const auto log = followed.log.open();
        for (int look = 0; look < 100 && std::filesystem::exists(followed.log.file()); ++look) {
            ::usleep(50'000);
        }
    }
    REQUIRE_FALSE(std::filesystem::exists(followed.log.file()));
    const auto go_on = [&] {
        for (int look = 0; look < 8; ++look) {
            ::usleep(200'000);
            auto more = follower.next(1000, 1 << 20);
            std::move(more.begin(), more.end(), std::back_inserter(under_way));
        }
    };
    go_on();
    CHECK(followed.said.empty());
    CHECK(follower.is_blocked());
    follower.acknowledge(under_way);
    under_way.clear();
    go_on();
    follower.acknowledge(under_way);
    go_on();
    REQUIRE(followed.said.size() == 1);
    CHECK(followed.said[0].find("3 records are lost to this target, from number 4 on") !=
          std::string::npos);
    CHECK(followed.cursor.lost == 3);
    CHECK_FALSE(follower.is_blocked());
}

TEST_CASE("nobody's backlog holds up all others") {
    Followed followed;
    {
        auto log = followed.log.open();
        audit::write_session(*log, followed.log.time, audit::session_of("alice"), 500);
        audit::write_session(*log, followed.log.time, audit::session_of("bob", 'b'), 2);
    }
    Follower follower = followed.follow();
    std::size_t batches = 0;
    bool bob = false;
    while (!bob) {
        const auto items = follower.next(20, 1 << 20);
        REQUIRE_FALSE(items.empty());
        bob = std::any_of(items.begin(), items.end(),
                          [](const Item& item) { return item.file.starts_with("bob/"); });
        ++batches;
    }
    CHECK(batches <= 3);
}
