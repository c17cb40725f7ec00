// Writes a large query log as vitrine would have: through QueryLog, with a clock of its own.
//
//     bench_audit_generator DIRECTORY RECORDS [USERS [DAYS [SEED]]]
//
// Half of the statements are prepared once and run with values, a few are refused, a few fail; the
// first users are services, which do most of it. What a search can look for is planted here and
// there, and printed as JSON. Not signed: a signature is a checkpoint's, and none of a search.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "proxy/audit/query_log.h"

namespace {

namespace audit = vitrine::audit;

using std::chrono::microseconds;

constexpr std::size_t kAtATime = 16;  // sessions that run side by side
constexpr std::size_t kServices = 4;
constexpr std::uint64_t kServiceWeight = 20;

class Generator {
  public:
    Generator(const std::string& directory, std::uint64_t records, std::size_t users, unsigned days,
              std::uint64_t seed)
        : random_(seed), records_(records), users_(users), days_(days) {
        vitrine::config::Audit settings;
        settings.directory = directory;
        auto log = audit::QueryLog::open(settings, [this] {
            return std::chrono::system_clock::time_point(microseconds(now_.load()));
        });
        if (!log) {
            std::cerr << directory << ": " << log.error().message() << "\n";
            std::exit(2);
        }
        log_ = std::move(*log);
    }

    void run() {
        for (unsigned day = 0; day < days_; ++day) {
            const auto date = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1) +
                              std::chrono::days(day) + std::chrono::hours(8);
            now_ = std::chrono::duration_cast<microseconds>(date.time_since_epoch()).count();
            for (std::size_t first = 0; first < users_; first += kAtATime) {
                group(first, std::min(users_, first + kAtATime));
            }
        }
    }
    [[nodiscard]] std::uint64_t written() const { return written_; }

  private:
    struct Session {
        audit::SessionId id;
        std::uint64_t next = 1;
        std::uint64_t left = 0;
        std::uint64_t prepared = 0;
        audit::SessionEnd sums;
    };

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    template <typename R>
    void add(const audit::SessionId& id, const R& record) {
        now_ += 300;
        if (const auto done = log_->append(id, record); !done) {
            std::cerr << "cannot be written: " << done.error().message() << "\n";
            std::exit(2);
        }
        ++written_;
    }
    // How many records a user writes a day.
    [[nodiscard]] std::uint64_t share(std::size_t user) const {
        const std::uint64_t parts = kServices * kServiceWeight + (users_ - kServices);
        return records_ / days_ * (user < kServices ? kServiceWeight : 1) / parts;
    }
    std::string session_id() { return fmt::format("{:016x}{:016x}", random_(), random_()); }
    void group(std::size_t begin, std::size_t end);
    void statement(Session& session);
    std::string sql();

    std::mt19937_64 random_;
    std::uint64_t records_;
    std::size_t users_;
    unsigned days_;
    std::atomic<std::int64_t> now_{0};
    std::unique_ptr<audit::QueryLog> log_;
    std::uint64_t written_ = 0;
    std::string planted_grant_;
    std::uint64_t planted_ = 0;
    std::uint64_t planted_states_ = 0;
};

void Generator::group(std::size_t begin, std::size_t end) {
    std::vector<Session> sessions;
    for (std::size_t user = begin; user < end; ++user) {
        Session& session = sessions.emplace_back();
        session.id = {session_id(), user < kServices ? fmt::format("service{}", user)
                                                     : fmt::format("user{:03}", user)};
        session.left = share(user) < 8 ? 3 : share(user) / 2 - 1;
        audit::SessionStart start;
        start.database = user % 5 == 0 ? "warehouse" : user % 7 == 0 ? "billing" : "shop";
        start.groups = {"engineering", user % 2 == 0 ? "fraud" : "support"};
        start.client = fmt::format("10.1.{}.{}:{}", user % 256, below(256), 1024 + below(60000));
        start.application = user < kServices ? "reports" : "psql";
        start.token = fmt::format("{:016x}", random_());
        start.issuer = "vitrine";
        start.grant = written_ > records_ / 3 && planted_grant_.empty()
                          ? (planted_grant_ = "g_planted")
                          : fmt::format("g_{}", below(1000));
        start.reason = fmt::format("INC-{}", below(5000));
        start.expires = std::chrono::floor<std::chrono::seconds>(
            std::chrono::sys_time<microseconds>(microseconds(now_.load())) + std::chrono::hours(4));
        add(session.id, start);
    }
    while (!sessions.empty()) {
        const std::size_t at = below(sessions.size());
        Session& session = sessions[at];
        if (session.left == 0) {
            add(session.id, session.sums);
            sessions.erase(sessions.begin() + static_cast<std::ptrdiff_t>(at));
            continue;
        }
        --session.left;
        statement(session);
    }
}

std::string Generator::sql() {
    switch (below(9)) {
        case 0:
            return fmt::format("SELECT id, name, email FROM public.customers WHERE id = {}",
                               below(10'000'000));
        case 1:
            return fmt::format(
                "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = "
                "o.customer_id WHERE o.created > '2026-{:02}-{:02}' ORDER BY o.total DESC LIMIT {}",
                1 + below(12), 1 + below(28), 10 + below(90));
        case 2:
            return fmt::format("SELECT count(*) FROM events WHERE kind = 'login' AND account = {}",
                               below(1'000'000));
        case 3:
            return fmt::format("SELECT holder, number FROM cards WHERE number = '4{:015}'",
                               below(1'000'000'000'000'000));
        case 4:
            return fmt::format("SELECT * FROM shipments WHERE tracking = '{:016x}'", random_());
        case 5:
            return "SELECT c.oid, c.relname FROM pg_catalog.pg_class c WHERE c.relkind = 'r' "
                   "ORDER BY 2";
        case 6:
            return fmt::format(
                "SELECT sum(amount) FROM payments WHERE account = {} AND state = "
                "'settled' GROUP BY currency",
                below(1'000'000));
        case 7:
            return fmt::format("SELECT name FROM products WHERE sku IN ('{:08X}', '{:08X}')",
                               below(1U << 31U), below(1U << 31U));
        default:
            return fmt::format("SELECT t.id FROM tickets t WHERE t.subject ILIKE '%{:05}%'",
                               below(100'000));
    }
}

void Generator::statement(Session& session) {
    audit::Statement statement;
    audit::Result result;
    statement.statement = result.statement = session.next++;
    statement.allowed = true;
    statement.rule = "read";
    std::string text;
    result.sqlstate = "00000";
    result.rows = below(100);
    if (session.prepared != 0 && below(2) == 0) {
        statement.of = session.prepared;
        statement.params = {{std::to_string(below(10'000'000))}};
        statement.masked = {"public.customers.email"};
    } else {
        text = sql();
        // Ten of each, over the whole log.
        const std::uint64_t part = records_ / 20;
        if (written_ / part > planted_ && planted_ < 10) {
            ++planted_;
            text = fmt::format("SELECT zebra FROM salaries_2019 WHERE employee = {}", planted_);
        } else if (below(8) == 0) {
            text = "SELECT name, email FROM customers WHERE id = $1";
            session.prepared = statement.statement;
        } else if (below(50) == 0) {
            text = fmt::format("DELETE FROM orders WHERE id = {}", below(1'000'000));
            statement.allowed = false;
            statement.rule = "read-only";
            result.sqlstate = "25006";
        }
        statement.sql = text;
    }
    if (statement.allowed && below(100) == 0) {
        result.sqlstate = "57014";
        result.message = "canceling statement due to statement timeout";
    } else if (planted_ > planted_states_) {
        ++planted_states_;
        result.sqlstate = "22012";
        result.message = "division by zero";
    }
    result.rows = result.sqlstate == "00000" ? result.rows : 0;
    result.bytes = result.rows * 60;
    result.duration = microseconds(200 + below(20'000));
    add(session.id, statement);
    add(session.id, result);
    ++session.sums.statements;
    session.sums.rejected += statement.allowed ? 0 : 1;
    session.sums.rows += result.rows;
    session.sums.bytes += result.bytes;
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at, std::uint64_t otherwise) {
        return argc > at ? std::stoull(argv[at]) : otherwise;
    };
    const std::uint64_t records = number(2, 0);
    if (records < 1000) {
        std::cerr
            << "bench_audit_generator DIRECTORY RECORDS(1000 or more) [USERS [DAYS [SEED]]]\n";
        return 2;
    }
    Generator generator(argv[1], records, number(3, 200), static_cast<unsigned>(number(4, 90)),
                        number(5, 1));
    generator.run();
    std::cout << fmt::format(
        "{{\"records\": {}, \"text\": \"zebra\", \"relation\": "
        "\"salaries_2019\", \"sqlstate\": \"22012\", \"grant\": "
        "\"g_planted\"}}\n",
        generator.written());
    return 0;
}
