// The digest of a result: what it tells, and what it does not.
#include "proxy/audit/rows_digest.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace vitrine::audit;
using vitrine::config::Secret;

namespace {

std::string digest(RowsDigest& by, const std::vector<std::string>& rows) {
    RowsSum sum;
    for (const std::string& row : rows) {
        by.add(sum, row);
    }
    return by.text(sum, rows.size());
}

}  // namespace

TEST_CASE("rows have one digest in any order, and another with any change") {
    RowsDigest by(Secret("a key of the masks, of 32 characters"));
    const std::string then = digest(by, {"one", "two", "three"});
    CHECK(then.size() == 16);
    CHECK(is_hex(then));
    CHECK(digest(by, {"three", "one", "two"}) == then);
    std::set<std::string> others{then};
    for (const auto& rows : std::vector<std::vector<std::string>>{{},
                                                                  {"one", "two"},
                                                                  {"one", "two", "thref"},
                                                                  {"one", "two", "three", "three"},
                                                                  {"one", "two", "three", ""},
                                                                  {"onetwo", "three"},
                                                                  {"", "onetwo", "three"}}) {
        CHECK(others.insert(digest(by, rows)).second);
    }
}

TEST_CASE("a row that comes in pieces is the same row") {
    RowsDigest by(Secret("a key of the masks, of 32 characters"));
    std::mt19937 random(7);
    for (const std::size_t size : {0UL, 1UL, 15UL, 16UL, 17UL, 128UL, 129UL, 240UL, 241UL, 1024UL,
                                   1025UL, 100000UL}) {
        std::string row(size, '\0');
        for (char& c : row) {
            c = static_cast<char>(random());
        }
        RowsSum whole;
        by.add(whole, row);
        RowsSum pieces;
        by.begin();
        for (std::size_t at = 0; at < size;) {
            const std::size_t piece = std::min<std::size_t>(1 + random() % 700, size - at);
            by.piece(std::string_view(row).substr(at, piece));
            at += piece;
        }
        by.end(pieces);
        INFO(size);
        CHECK(pieces == whole);
    }
}

TEST_CASE("digests under two keys have nothing in common") {
    RowsDigest one(Secret("a key of the masks, of 32 characters"));
    RowsDigest same(Secret("a key of the masks, of 32 characters"));
    RowsDigest other(Secret("a key of the masks, of 32 characterS"));
    CHECK(one.key_id() == same.key_id());
    CHECK(one.key_id() != other.key_id());
    CHECK(digest(one, {"row"}) == digest(same, {"row"}));
    CHECK(digest(one, {"row"}) != digest(other, {"row"}));
    // What is on record of no rows at all is no digest of any.
    CHECK(digest(one, {""}) != one.key_id());
}
