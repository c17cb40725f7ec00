// Group commit: what is settled when, and what becomes of it where a sync fails.
#include "proxy/audit/file_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

using namespace vitrine::audit;

namespace {

struct Pipe {
    Pipe() { REQUIRE(::pipe(ends) == 0); }
    ~Pipe() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2] = {-1, -1};
};

}  // namespace

TEST_CASE("tickets of one file settle in order, whoever waits") {
    char name[] = "/tmp/vitrine-sync-XXXXXX";
    const Descriptor file(::mkstemp(name));
    REQUIRE(file.is_open());
    constexpr std::uint64_t kRecords = 500;
    std::atomic<unsigned> told = 0;
    {
        SyncThreads threads(4);
        const auto sync = std::make_shared<FileSync>(threads);
        std::vector<Ticket> tickets;
        for (std::uint64_t i = 0; i < kRecords; ++i) {
            REQUIRE(::write(file.get(), "x", 1) == 1);
            tickets.push_back(sync->appended(file.get(), i, "x"));
            tickets.back().when_settled([&] { ++told; });
        }
        CHECK(tickets.back().wait());
        for (const Ticket& ticket : tickets) {
            CHECK(ticket.state() == Ticket::State::kDone);
        }
        threads.drain();
        CHECK(told == kRecords);
        // Settled already: told at once.
        tickets.front().when_settled([&] { ++told; });
        CHECK(told == kRecords + 1);
    }
    std::filesystem::remove(name);
}

TEST_CASE("without a file there is nothing to wait for") {
    const Ticket none;
    CHECK(none.state() == Ticket::State::kDone);
    CHECK(none.wait());
}

TEST_CASE("a sync that fails: who waits is told so, and nothing goes on before it is made good") {
    SyncThreads threads(2);
    const auto sync = std::make_shared<FileSync>(threads);
    const Pipe pipe;  // no fdatasync() for it, and no pwrite()
    const Ticket ticket = sync->appended(pipe.ends[1], 0, "x");
    CHECK_FALSE(ticket.wait());
    CHECK(ticket.state() == Ticket::State::kFailed);
    CHECK_FALSE(sync->make_good(pipe.ends[1]));
    CHECK_FALSE(sync->make_good(pipe.ends[1]));
    // What is appended all the same fails too.
    CHECK_FALSE(sync->appended(pipe.ends[1], 1, "y").wait());
}

TEST_CASE("many threads append to many files") {
    SyncThreads threads(3);
    std::vector<std::thread> writers;
    std::atomic<unsigned> done = 0;
    for (int writer = 0; writer < 6; ++writer) {
        writers.emplace_back([&] {
            char name[] = "/tmp/vitrine-sync-XXXXXX";
            const Descriptor file(::mkstemp(name));
            const auto sync = std::make_shared<FileSync>(threads);
            for (std::uint64_t i = 0; i < 50; ++i) {
                if (::write(file.get(), "abc", 3) == 3 &&
                    sync->appended(file.get(), 3 * i, "abc").wait()) {
                    ++done;
                }
            }
            std::filesystem::remove(name);
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    CHECK(done == 300);
}
