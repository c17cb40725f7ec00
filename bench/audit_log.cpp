// Makes a query log of any size with the log's own writer and a clock of ours, for what is measured
// of the auditor's verbs:
//
//     bench_audit_log DIRECTORY MEGABYTES [USERS [DAYS [RECORDS_A_SECOND]]]
//
// Sessions of ten statements with results, the users taking turns; the days follow one another, and
// all but the last two are sealed (and compressed) at the end. Signed with a key of tests; the
// public one is printed.
#include <sys/stat.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "proxy/audit/log_files.h"
#include "proxy/audit/query_log.h"

namespace {

using namespace vitrine;

constexpr const char* kKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINjzfgoFiOV5ViCIIpjS4YpjMnavKt4myvsjzvJSsM8H\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kPublicKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA67cvgshThSLgpVo/xbnKcRN05vvEdn6v47IqwdW8QiU=\n"
    "-----END PUBLIC KEY-----\n";

constexpr int kStatements = 10;

std::uint64_t number(const char* text, std::uint64_t otherwise) {
    std::uint64_t value = otherwise;
    const std::string_view digits(text == nullptr ? "" : text);
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

class Writer {
  public:
    Writer(const char* directory, bool compress, std::uint64_t rate) : rate_(rate) {
        audit_.directory = directory;
        audit_.signing_key = config::Secret(std::string(kKey));
        audit_.compress = compress;
        start_ = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1) + std::chrono::hours(8);
        now_ = start_.time_since_epoch().count();
    }

    bool open() {
        auto log = audit::QueryLog::open(audit_, [this] {
            return std::chrono::sys_time<std::chrono::microseconds>(
                std::chrono::microseconds(now_.load()));
        });
        if (!log) {
            std::cerr << log.error().message() << "\n";
            return false;
        }
        log_ = std::move(*log);
        return true;
    }

    void begin_day(std::uint64_t day) {
        now_ = (start_ + std::chrono::days(day)).time_since_epoch().count();
    }

    bool session(const std::string& user) {
        const audit::SessionId id{audit::new_session_id(), user};
        audit::SessionStart start;
        start.database = "shop";
        start.groups = {"engineering"};
        start.client = "10.0.0.7:50000";
        start.token = "0123abcd";
        start.issuer = "vitrine";
        bool written = put(id, start);
        for (std::uint64_t i = 1; i <= kStatements; ++i) {
            const std::string sql =
                "SELECT c.name, c.email, o.total FROM customers c JOIN orders o ON o.customer = "
                "c.id WHERE c.id = $1 AND o.placed > $2 /* " +
                std::to_string(++count_) + " */ ORDER BY o.placed DESC LIMIT 20";
            audit::Statement statement;
            statement.statement = i;
            statement.sql = sql;
            statement.params = {{std::to_string(count_ * 7919 % 100000), "2026-01-01"}};
            statement.allowed = true;
            statement.rule = "read";
            statement.masked = {"public.customers.email"};
            audit::Result result;
            result.statement = i;
            result.rows = count_ % 20;
            result.bytes = result.rows * 64;
            result.duration = std::chrono::microseconds(800 + count_ % 997);
            result.sqlstate = "00000";
            written = written && put(id, statement) && put(id, result);
        }
        return written && put(id, audit::SessionEnd{.statements = kStatements});
    }

    std::string seal() {
        log_->keep_up_files();
        return log_->trouble_behind();
    }

  private:
    template <class Record>
    bool put(const audit::SessionId& id, const Record& record) {
        now_ += static_cast<std::int64_t>(1000000 / rate_);
        const auto written = log_->append(id, record);
        if (!written) {
            std::cerr << written.error().message() << "\n";
        }
        return written.has_value();
    }

    config::Audit audit_;
    const std::uint64_t rate_;
    std::chrono::sys_time<std::chrono::microseconds> start_;
    std::atomic<std::int64_t> now_;
    std::uint64_t count_ = 0;
    std::unique_ptr<audit::QueryLog> log_;
};

std::uint64_t size_of(const char* directory) {
    std::uint64_t size = 0;
    for (const auto& file : audit::list_log_files(directory).files) {
        size += file.size;
    }
    return size;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) {
        std::cerr << "bench_audit_log DIRECTORY MEGABYTES [USERS [DAYS [RECORDS_A_SECOND "
                     "[plain]]]]\n";
        return 2;
    }
    const auto argument = [&](int i, std::uint64_t otherwise) {
        return number(i < count ? arguments[i] : nullptr, otherwise);
    };
    const std::uint64_t bytes = argument(2, 1000) * 1000000;
    const std::uint64_t users = argument(3, 20);
    const std::uint64_t days = argument(4, 10);
    Writer writer(arguments[1], count < 7, argument(5, 1000));
    if (!writer.open()) {
        return 2;
    }
    for (std::uint64_t day = 0; day < days; ++day) {
        writer.begin_day(day);
        const std::uint64_t enough = bytes / days * (day + 1);
        for (std::uint64_t i = 0; i % 64 != 0 || size_of(arguments[1]) < enough; ++i) {
            if (!writer.session("user" + std::to_string(i % users))) {
                return 2;
            }
        }
    }
    if (const auto trouble = writer.seal(); !trouble.empty()) {
        std::cerr << trouble << "\n";
        return 2;
    }
    std::cout << kPublicKey;
    return 0;
}
