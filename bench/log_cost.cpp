// What the query log itself costs a statement: one record before, one behind, and the digest of a
// row, as pgbench's SELECT has them.
//
//     bench_log_cost DIRECTORY [BLOCKS]
//
// Prints microseconds of CPU a statement: the median over blocks of the thread that writes, and of
// the whole process, the log's own threads included.
//
//     bench_log_cost DIRECTORY group SESSIONS
//
// With `durability: fsync`: so many sessions of one user, a thread each, that wait for the record
// of each statement. Prints statements a second, over a second.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/audit/query_log.h"
#include "proxy/audit/rows_digest.h"

namespace {

namespace audit = vitrine::audit;

constexpr int kStatements = 2000;  // a block

double microseconds(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void fail(const std::string& why) {
    std::fprintf(stderr, "bench_log_cost: %s\n", why.c_str());
    std::exit(2);
}

std::vector<std::string> make_texts() {
    std::vector<std::string> texts;
    for (int i = 0; i < kStatements; ++i) {
        texts.push_back("SELECT abalance FROM pgbench_accounts WHERE aid = " +
                        std::to_string(10000 + 37 * i) + ";");
    }
    return texts;
}

audit::Statement statement_of(const std::string& sql, std::uint64_t number) {
    audit::Statement statement;
    statement.statement = number;
    statement.sql = sql;
    statement.allowed = true;
    statement.rule = "read";
    statement.policy = "0123456789abcdef";
    return statement;
}

audit::Result result_of(std::uint64_t number) {
    audit::Result result;
    result.statement = number;
    result.rows = 1;
    result.bytes = 25;
    result.duration = std::chrono::microseconds(150);
    result.sqlstate = "00000";
    return result;
}

void block(audit::QueryLog& log, audit::RowsDigest& digest, const audit::SessionId& id,
           const std::vector<std::string>& texts, std::uint64_t& number) {
    const std::string row(
        "D\0\0\0\x0b\0\1\0\0\0\1"
        "0",
        12);
    for (const std::string& sql : texts) {
        const audit::Statement statement = statement_of(sql, ++number);
        audit::RowsSum sum;
        digest.add(sum, row);
        audit::Result result = result_of(number);
        result.digest = digest.text(sum, 1);
        if (!log.append(id, statement) || !log.append(id, result)) {
            fail("cannot be written");
        }
    }
}

std::uint64_t group(audit::QueryLog& log, int sessions) {
    const std::vector<std::string> texts = make_texts();
    std::atomic<bool> over = false;
    std::atomic<std::uint64_t> all = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < sessions; ++i) {
        threads.emplace_back([&] {
            const audit::SessionId id{audit::new_session_id(), "ada"};
            std::uint64_t number = 0;
            while (!over) {
                ++number;
                const auto recorded =
                    log.append(id, statement_of(texts[number % texts.size()], number));
                if (!recorded || !recorded->wait() || !log.append(id, result_of(number))) {
                    fail("cannot be written");
                }
            }
            all += number;
        });
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    over = true;
    threads.clear();
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        fail("DIRECTORY [BLOCKS | group SESSIONS]");
    }
    const bool grouped = argc > 3 && std::string_view(argv[2]) == "group";
    vitrine::config::Audit settings;
    settings.directory = argv[1];
    if (grouped) {
        settings.durability = vitrine::config::Durability::kFsync;
    }
    auto log = audit::QueryLog::open(settings);
    if (!log) {
        fail(log.error().message());
    }
    if (grouped) {
        std::printf("%llu\n", static_cast<unsigned long long>(group(**log, std::stoi(argv[3]))));
        return 0;
    }
    const int blocks = argc > 2 ? std::stoi(argv[2]) : 200;
    audit::RowsDigest digest(vitrine::config::Secret("a key of the masks, of 32 characters"));
    const audit::SessionId id{audit::new_session_id(), "ada"};
    const std::vector<std::string> texts = make_texts();
    std::uint64_t number = 0;
    block(**log, digest, id, texts, number);
    const double process = microseconds(CLOCK_PROCESS_CPUTIME_ID);
    std::vector<double> samples;
    for (int i = 0; i < blocks; ++i) {
        const double before = microseconds(CLOCK_THREAD_CPUTIME_ID);
        block(**log, digest, id, texts, number);
        samples.push_back((microseconds(CLOCK_THREAD_CPUTIME_ID) - before) / kStatements);
    }
    const double whole = (microseconds(CLOCK_PROCESS_CPUTIME_ID) - process) / kStatements / blocks;
    std::nth_element(samples.begin(), samples.begin() + blocks / 2, samples.end());
    std::printf("%.3f\t%.3f\n", samples[static_cast<std::size_t>(blocks / 2)], whole);
    return 0;
}
