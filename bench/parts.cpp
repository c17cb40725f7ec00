// What single parts of a statement and of a login cost, by Google Benchmark: framing and decoding,
// the record of the query log, the digest of rows, a token. The judge has a program of its own.
//
//     bench_parts DIRECTORY [--benchmark_…]
//
// The query log is written to DIRECTORY.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "auth/token.h"
#include "proxy/audit/query_log.h"
#include "proxy/audit/rows_digest.h"
#include "proxy/wire/backend.h"
#include "proxy/wire/frame.h"
#include "proxy/wire/frontend.h"
#include "tests/auth/material.h"

namespace {

using namespace vitrine;

std::string directory;

void fail(std::string_view why) {
    std::cerr << "bench_parts: " << why << '\n';
    std::exit(1);
}

// What libpq sends to run a prepared statement.
std::string batch() {
    std::string bytes;
    wire::Bind bind;
    bind.statement = "P0_3";
    bind.values = {"123456"};
    wire::write_bind(bytes, bind);
    wire::write_describe(bytes, wire::ObjectKind::kPortal, "");
    wire::write_execute(bytes, "", 0);
    wire::write_sync(bytes);
    return bytes;
}

void decode_batch(benchmark::State& state) {
    const std::string bytes = batch();
    for (auto _ : state) {
        std::string_view left = bytes;
        while (!left.empty()) {
            const auto header = wire::peek_frontend(left);
            if (!header || !*header) {
                fail("no message");
            }
            const std::string_view payload =
                left.substr(wire::kHeaderBytes, (*header)->size - wire::kHeaderBytes);
            switch ((*header)->type) {
                case 'B':
                    benchmark::DoNotOptimize(wire::decode_bind(payload));
                    break;
                case 'D':
                    benchmark::DoNotOptimize(wire::decode_describe(payload));
                    break;
                case 'E':
                    benchmark::DoNotOptimize(wire::decode_execute(payload));
                    break;
                default:
                    benchmark::DoNotOptimize(wire::decode_empty(payload));
            }
            left.remove_prefix((*header)->size);
        }
    }
}

// 64 kB of rows of four columns, as a worker reads them at once.
std::string rows() {
    std::string bytes;
    while (bytes.size() < 64 * 1024) {
        const std::size_t begin = bytes.size();
        bytes += std::string("D\0\0\0\0\0\4", 7);
        for (const std::string_view value : {"4711", "c4ca4238a0b923820dcc509a6f75849b",
                                             "some text of row 4711", "2026-01-01 00:00:01+00"}) {
            bytes += std::string(3, '\0') + static_cast<char>(value.size()) + std::string(value);
        }
        bytes[begin + 4] = static_cast<char>(bytes.size() - begin - 1);
    }
    return bytes;
}

void frame_rows(benchmark::State& state) {
    const std::string bytes = rows();
    for (auto _ : state) {
        for (std::string_view left = bytes; !left.empty();) {
            const auto header = wire::peek_backend(left);
            if (!header || !*header) {
                fail("no message");
            }
            left.remove_prefix((*header)->size);
        }
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void digest_rows(benchmark::State& state) {
    const std::string bytes = rows();
    const audit::RowsDigest digest(config::Secret("a key of the masks, of 32 characters"));
    for (auto _ : state) {
        audit::RowsSum sum;
        for (std::string_view left = bytes; !left.empty();) {
            const std::size_t size = (*wire::peek_backend(left))->size;
            digest.add(sum, left.substr(0, size));
            left.remove_prefix(size);
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void digest_text(benchmark::State& state) {
    audit::RowsDigest digest(config::Secret("a key of the masks, of 32 characters"));
    audit::RowsSum sum;
    digest.add(sum, "D");
    for (auto _ : state) {
        benchmark::DoNotOptimize(digest.text(sum, 1));
    }
}

// Both records of pgbench's SELECT.
void record(benchmark::State& state) {
    config::Audit settings;
    settings.directory = directory;
    const auto log = audit::QueryLog::open(settings);
    if (!log) {
        fail(log.error().message());
    }
    const audit::SessionId id{audit::new_session_id(), "ada"};
    audit::Statement statement;
    statement.sql = "SELECT abalance FROM pgbench_accounts WHERE aid = 123456;";
    statement.allowed = true;
    statement.rule = "statement: SELECT";
    statement.policy = "0123456789abcdef";
    audit::Result result;
    result.rows = 1;
    result.bytes = 25;
    result.duration = std::chrono::microseconds(150);
    result.sqlstate = "00000";
    result.digest = "0123456789abcdef";
    for (auto _ : state) {
        result.statement = ++statement.statement;
        if (!(*log)->append(id, statement) || !(*log)->append(id, result)) {
            fail("cannot be written");
        }
    }
}

void verify_token(benchmark::State& state) {
    const auth::Time now{std::chrono::seconds(1800000000)};
    const config::Auth settings = auth::test::auth_with(auth::test::ed25519_key());
    auth::TokenRequest request;
    request.user = "ada";
    request.databases = {"shop"};
    request.groups = {"engineering"};
    request.reason = "ticket 17";
    const auto token = auth::issue_token(settings, request, now);
    if (!token) {
        fail(token.error().message());
    }
    const auth::Verifier verifier(settings);
    for (auto _ : state) {
        if (!verifier.verify(*token, "ada", "shop", "127.0.0.1", now)) {
            fail("the token is not taken");
        }
    }
}

BENCHMARK(decode_batch);
BENCHMARK(frame_rows);
BENCHMARK(digest_rows);
BENCHMARK(digest_text);
BENCHMARK(record);
BENCHMARK(verify_token);

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (argc != 2) {
        fail("bench_parts DIRECTORY [--benchmark_…]");
    }
    directory = argv[1];
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
