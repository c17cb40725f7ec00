// The metrics: what is summed over the workers, and the text that Prometheus reads.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "proxy/admin/metrics_text.h"
#include "proxy/admin/start_admin.h"
#include "proxy/net/metrics.h"

using namespace vitrine;
using admin::MetricsText;
using admin::Readings;
using audit::EndCause;
using net::LoginCause;

namespace {

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> found;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        found.push_back(line);
    }
    return found;
}

bool has(const std::string& text, const std::string& line) {
    const auto found = lines(text);
    return std::find(found.begin(), found.end(), line) != found.end();
}

}  // namespace

TEST_CASE("a family is HELP, TYPE and its samples") {
    MetricsText text;
    text.begin("vitrine_x_total", MetricsText::Kind::kCounter, "What x is.");
    text.add(3, {{"database", "shop"}, {"cause", "client"}});
    text.add(18446744073709551615U, {{"database", "shop"}, {"cause", "error"}});
    text.add_family("vitrine_y", MetricsText::Kind::kGauge, "What y is.", 0);
    CHECK(text.take() ==
          "# HELP vitrine_x_total What x is.\n"
          "# TYPE vitrine_x_total counter\n"
          "vitrine_x_total{database=\"shop\",cause=\"client\"} 3\n"
          "vitrine_x_total{database=\"shop\",cause=\"error\"} 18446744073709551615\n"
          "# HELP vitrine_y What y is.\n"
          "# TYPE vitrine_y gauge\n"
          "vitrine_y 0\n");
}

TEST_CASE("no name breaks out of its label, and no help out of its line") {
    MetricsText text;
    text.begin("vitrine_x", MetricsText::Kind::kGauge, "a \"b\" \\ c\nd");
    text.add(1, {{"database", "a\"} 7\nvitrine_y{b=\"\\"}});
    CHECK(text.take() ==
          "# HELP vitrine_x a \"b\" \\\\ c\\nd\n"
          "# TYPE vitrine_x gauge\n"
          "vitrine_x{database=\"a\\\"} 7\\nvitrine_y{b=\\\"\\\\\"} 1\n");
}

TEST_CASE("every family once, every sample once, counters end in _total") {
    Readings readings;
    readings.version = "1.2.3";
    readings.totals.databases["shop"].sessions = 2;
    readings.totals.databases["other"];
    readings.catalogs["shop"] = {.loads = 4, .failures = 1, .usable = true};
    readings.store = {.available = true, .errors = 5, .unreviewed = 6};
    readings.certificate_end = std::chrono::sys_seconds(std::chrono::seconds(1234567890));
    std::set<std::string> seen;
    std::string family;
    std::string type;
    for (const std::string& line : lines(render(readings))) {
        INFO(line);
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK(family.starts_with("vitrine_"));
            CHECK(seen.insert(family).second);
            type.clear();
        } else if (line.starts_with("# TYPE ")) {
            REQUIRE(line.starts_with("# TYPE " + family + " "));
            type = line.substr(8 + family.size());
            CHECK((type == "counter") == family.ends_with("_total"));
        } else {
            REQUIRE_FALSE(type.empty());
            const std::string sample = line.substr(0, line.rfind(' '));
            CHECK(sample.substr(0, sample.find('{')) == family);
            CHECK((sample == family || seen.insert(sample).second));
        }
    }
    CHECK(seen.contains("vitrine_certificate_expiry_timestamp_seconds"));
}

TEST_CASE("each reading stands where it belongs") {
    Readings readings;
    readings.version = "1.2.3";
    readings.connections = 11;
    readings.kept_servers = 12;
    auto& shop = readings.totals.databases["shop"];
    shop.sessions = 9;
    shop.ended[static_cast<std::size_t>(EndCause::kExpired)] = 4;
    shop.ended[static_cast<std::size_t>(EndCause::kClient)] = 2;
    shop.allowed = 21;
    shop.rejected = 22;
    shop.rows = 23;
    shop.bytes = 24;
    shop.limited[static_cast<std::size_t>(session::LimitMet::kTime)] = 25;
    readings.totals.refused[static_cast<std::size_t>(LoginCause::kRevoked)] = 31;
    readings.totals.judgement_hits = 32;
    readings.totals.judgement_misses = 33;
    readings.audit_records = 41;
    readings.audit_failures = 42;
    readings.catalogs["shop"] = {.loads = 51, .failures = 52, .usable = true};
    readings.grants_made = 61;
    readings.grants_denied = 62;
    readings.grants_revoked = 63;
    readings.emergency_grants = 64;
    readings.revocations = 65;
    readings.store = {.available = true, .errors = 66, .unreviewed = 67};
    readings.certificate_end = std::chrono::sys_seconds(std::chrono::seconds(1234567890));
    const std::string text = render(readings);
    for (const char* const line :
         {"vitrine_build_info{version=\"1.2.3\"} 1",
          "vitrine_connections 11",
          "vitrine_kept_server_connections 12",
          "vitrine_sessions{database=\"shop\"} 3",
          "vitrine_sessions_begun_total{database=\"shop\"} 9",
          "vitrine_sessions_ended_total{database=\"shop\",cause=\"expired\"} 4",
          "vitrine_sessions_ended_total{database=\"shop\",cause=\"shutdown\"} 0",
          "vitrine_statements_total{database=\"shop\",verdict=\"allow\"} 21",
          "vitrine_statements_total{database=\"shop\",verdict=\"reject\"} 22",
          "vitrine_result_rows_total{database=\"shop\"} 23",
          "vitrine_result_bytes_total{database=\"shop\"} 24",
          "vitrine_statements_limited_total{database=\"shop\",cause=\"statement_timeout\"} 25",
          "vitrine_statements_limited_total{database=\"shop\",cause=\"max_rows\"} 0",
          "vitrine_logins_refused_total{cause=\"revoked\"} 31",
          "vitrine_logins_refused_total{cause=\"token\"} 0",
          "vitrine_judgement_cache_hits_total 32",
          "vitrine_judgement_cache_misses_total 33",
          "vitrine_audit_writable 0",
          "vitrine_audit_records_total 41",
          "vitrine_audit_write_failures_total 42",
          "vitrine_catalog_usable{database=\"shop\"} 1",
          "vitrine_catalog_loads_total{database=\"shop\"} 51",
          "vitrine_catalog_load_failures_total{database=\"shop\"} 52",
          "vitrine_grants_made_total 61",
          "vitrine_grants_denied_total 62",
          "vitrine_grants_revoked_total 63",
          "vitrine_emergency_grants_total 64",
          "vitrine_revocations_total 65",
          "vitrine_store_available 1",
          "vitrine_store_errors_total 66",
          "vitrine_emergency_grants_unreviewed 67",
          "vitrine_certificate_expiry_timestamp_seconds 1234567890"}) {
        INFO(line);
        CHECK(has(text, line));
    }
}

TEST_CASE("what is not known is not said") {
    Readings readings;
    CHECK(render(readings).find("vitrine_store_") == std::string::npos);
    CHECK(render(readings).find("vitrine_certificate_") == std::string::npos);
    readings.store = {.available = false, .errors = 1, .unreviewed = {}};
    const std::string text = render(readings);
    CHECK(has(text, "vitrine_store_available 0"));
    // 0 would say that all were reviewed.
    CHECK(text.find("unreviewed") == std::string::npos);
}

TEST_CASE("the workers' counters are summed by database, while they count") {
    constexpr std::uint64_t kEach = 100000;
    net::Metrics metrics;
    std::vector<std::thread> workers;
    for (int i = 0; i < 3; ++i) {
        net::WorkerMetrics& worker = metrics.add_worker();
        workers.emplace_back([&worker] {
            session::Counters& shop = worker.of("shop");
            for (std::uint64_t n = 0; n < kEach; ++n) {
                shop.allowed.add();
                shop.rows.add(7);
            }
            worker.of("other").rejected.add();
            worker.refused(LoginCause::kTls);
            worker.tick(10, 20);
            worker.tick(11, 22);
        });
    }
    std::uint64_t before = 0;
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t seen = metrics.totals().databases["shop"].allowed;
        CHECK(seen >= before);
        before = seen;
    }
    for (std::thread& worker : workers) {
        worker.join();
    }
    net::Totals totals = metrics.totals();
    CHECK(totals.databases.size() == 2);
    CHECK(totals.databases["shop"].allowed == 3 * kEach);
    CHECK(totals.databases["shop"].rows == 3 * 7 * kEach);
    CHECK(totals.databases["shop"].rejected == 0);
    CHECK(totals.databases["other"].rejected == 3);
    CHECK(totals.refused[static_cast<std::size_t>(LoginCause::kTls)] == 3);
    CHECK(totals.refused[static_cast<std::size_t>(LoginCause::kToken)] == 0);
    CHECK(totals.judgement_hits == 33);
    CHECK(totals.judgement_misses == 66);
    CHECK(metrics.longest_silence() <= std::chrono::seconds(2));
}

TEST_CASE("each cause of a refused login has a name of its own") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < net::kLoginCauses; ++i) {
        names.insert(to_string(static_cast<LoginCause>(i)));
    }
    CHECK(names.size() == net::kLoginCauses);
    CHECK_FALSE(names.contains(""));
}

TEST_CASE("each limit has a name of its own") {
    Readings readings;
    readings.totals.databases["shop"];
    std::set<std::string> names;
    for (const std::string& line : lines(render(readings))) {
        if (line.starts_with("vitrine_statements_limited_total{")) {
            CHECK(line.find("cause=\"\"") == std::string::npos);
            names.insert(line);
        }
    }
    CHECK(names.size() == session::kLimitsMet);
}

TEST_CASE("an address that others reach is warned of") {
    const auto warned = [](const std::string& address) {
        return !admin::reach_warning({.address = address, .port = 9187, .position = {}}).empty();
    };
    for (const char* const here : {"", "localhost", "127.0.0.1", "127.3.2.1", "::1"}) {
        INFO(here);
        CHECK_FALSE(warned(here));
    }
    for (const char* const reached : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example",
                                      "127.0.0.1.example", "fe80::1"}) {
        INFO(reached);
        CHECK(warned(reached));
    }
}
