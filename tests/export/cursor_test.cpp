// The cursor on the disk: what is read back, and what is refused.
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "proxy/export/cursor.h"
#include "tests/audit/log_fixture.h"

using namespace vitrine;
using namespace vitrine::exports;

namespace {

Cursor a_cursor() {
    Cursor cursor;
    cursor.target = "siem";
    cursor.born = 4096;
    cursor.files["ledger.jsonl"] = {1234, 5, std::string(64, 'a'), false};
    cursor.files["%C3%BC/2026-11-24.jsonl"] = {99, 2, std::string(64, 'b'), true};
    cursor.through["ada"] = "2026-11-23";
    cursor.sent = 7;
    cursor.shortened = 1;
    cursor.rejected = 2;
    cursor.lost = 3;
    cursor.replaced = 4;
    cursor.trouble = "a \"b\"\nc";
    cursor.trouble_since = "2026-11-24T13:38:32.123456Z";
    return cursor;
}

}  // namespace

TEST_CASE("a cursor is read back as it was saved, and is its owner's alone") {
    const audit::TemporaryDirectory directory;
    const auto file = directory.path() / "siem.json";
    CHECK_FALSE(load_cursor(file, "siem").cursor);
    CHECK(load_cursor(file, "siem").error.empty());
    const Cursor saved = a_cursor();
    REQUIRE(save_cursor(file, saved));
    REQUIRE(save_cursor(file, saved));
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
    const LoadedCursor loaded = load_cursor(file, "siem");
    INFO(loaded.error);
    REQUIRE(loaded.cursor);
    CHECK(loaded.cursor->born == saved.born);
    CHECK(loaded.cursor->files == saved.files);
    CHECK(loaded.cursor->through == saved.through);
    CHECK(loaded.cursor->sent == 7);
    CHECK(loaded.cursor->shortened == 1);
    CHECK(loaded.cursor->rejected == 2);
    CHECK(loaded.cursor->lost == 3);
    CHECK(loaded.cursor->replaced == 4);
    CHECK(loaded.cursor->trouble == saved.trouble);
    CHECK(loaded.cursor->trouble_since == saved.trouble_since);
    CHECK_FALSE(std::filesystem::exists(file.string() + ".new"));
}

TEST_CASE("a cursor cut at any byte, or of another target, is refused with a way out") {
    const audit::TemporaryDirectory directory;
    const auto file = directory.path() / "siem.json";
    REQUIRE(save_cursor(file, a_cursor()));
    const std::string whole = audit::read_file(file);
    for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
        audit::write_file(file, whole.substr(0, size));
        const LoadedCursor loaded = load_cursor(file, "siem");
        INFO(size);
        CHECK_FALSE(loaded.cursor);
        CHECK(loaded.error.find("remove it") != std::string::npos);
    }
    audit::write_file(file, whole);
    const LoadedCursor other = load_cursor(file, "other");
    CHECK_FALSE(other.cursor);
    CHECK(other.error.find("cursor of another target, siem") != std::string::npos);
}

TEST_CASE("one at a time has the lock, and a directory that is not there is made once") {
    const audit::TemporaryDirectory directory;
    const auto file = directory.path() / ".export" / "siem.json";
    auto first = lock_cursor(file);
    REQUIRE(first.has_value());
    const auto second = lock_cursor(file);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error() == boost::system::errc::resource_unavailable_try_again);
    first->close();
    CHECK(lock_cursor(file).has_value());
    // The log's own directory is not ours to make.
    CHECK_FALSE(lock_cursor(directory.path() / "not" / "there" / "siem.json").has_value());
}
