// load(): the values it gives, the example for the DBA, and files made to hurt it.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "config/config.h"
#include "config/limits.h"
#include "tests/config/material.h"

using namespace vitrine::config;
using namespace std::chrono_literals;

namespace {

constexpr const char* kMinimal =
    "listen: {tls: {certificate: server.crt, key: server.key}}\n"
    "databases: {shop: {servers: [db:5432], user: reader}}\n"
    "auth: {issuers: [{name: vitrine, signing_key: {file: signing.pem}}]}\n"
    "audit: {directory: log}\n";

std::filesystem::path golden(const std::string& name) {
    return std::filesystem::path(VITRINE_SOURCE_DIR) / "tests/config/valid" / name;
}

std::string joined(const Loaded& loaded) {
    std::string text;
    for (const Problem& problem : loaded.problems) {
        text += to_string(problem) + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("defaults are those of the contract") {
    const test::Directory directory;
    test::fill(directory);
    const Loaded loaded = load(directory.write("vitrine.yaml", kMinimal));
    INFO(joined(loaded));
    REQUIRE(loaded.config);
    const Config& config = *loaded.config;
    CHECK(config.file == directory.path() / "vitrine.yaml");
    CHECK(config.listen.address == "127.0.0.1");
    CHECK(config.listen.port == 6432);
    CHECK(config.listen.tls.certificate == directory.path() / "server.crt");
    CHECK(config.listen.tls.min_version == ListenTls::Version::kTls12);
    CHECK(config.listen.max_connections == 10000);
    CHECK(config.listen.login_timeout == 10s);
    CHECK(config.listen.workers == 0);
    const Database& shop = config.databases.at("shop");
    CHECK(shop.name == "shop");
    CHECK(shop.dbname == "shop");
    CHECK(shop.password.empty());
    CHECK(shop.tls_mode == TlsMode::kVerifyFull);
    CHECK(shop.tls_ca.empty());
    CHECK(shop.position.line == 2);
    CHECK(shop.position.column == 13);
    CHECK(config.auth.audience == "vitrine");
    CHECK(config.auth.max_token_lifetime == 12h);
    CHECK(config.masking.key.empty());
    CHECK(config.masking.rules.rules.empty());
    CHECK(config.audit.directory == directory.path() / "log");
    CHECK(config.audit.durability == Durability::kWrite);
    CHECK(config.audit.parameters == Parameters::kFull);
    CHECK(config.audit.signing_key.empty());
    CHECK(config.audit.anchor == LedgerAnchor{});
    CHECK(config.audit.compress);
    CHECK_FALSE(config.audit.retain);
    CHECK_FALSE(config.audit.retain_bytes);
    CHECK(config.log.level == Log::Level::kInfo);
    // The query log's directory is made by who opens it.
    CHECK_FALSE(std::filesystem::exists(directory.path() / "log"));
}

TEST_CASE("every value arrives where it belongs") {
    const test::Directory directory;
    test::fill(directory);
    const Loaded loaded = load(directory.write("vitrine.yaml", test::read(golden("full.yaml"))));
    INFO(joined(loaded));
    REQUIRE(loaded.config);
    const Config& config = *loaded.config;
    CHECK(config.listen.address == "::1");
    CHECK(config.listen.port == 6433);
    CHECK(config.listen.tls.min_version == ListenTls::Version::kTls13);
    CHECK(config.listen.tls.client_ca == directory.path() / "db-ca.crt");
    CHECK(config.listen.max_connections == 5);
    CHECK(config.listen.login_timeout == 90s);
    CHECK(config.listen.workers == 3);

    const Database& shop = config.databases.at("shop");
    REQUIRE(shop.servers.size() == 4);
    CHECK(shop.servers[1].host == "db2.internal");
    CHECK(shop.servers[1].port == 5433);
    CHECK(shop.servers[2].host == "fe80::1%eth0");
    CHECK(shop.dbname == "Shop DB");
    CHECK(shop.user == "vitrine_reader");
    CHECK(shop.password.equals("s3cret"));
    CHECK(shop.tls_mode == TlsMode::kVerifyCa);
    CHECK(shop.tls_ca == directory.path() / "db-ca.crt");
    const Database& local = config.databases.at("local");
    CHECK(local.password.equals("s3cret"));
    CHECK(local.tls_mode == TlsMode::kDisable);
    CHECK(shop.server_version == 0);
    CHECK(local.server_version == 17);
    CHECK(shop.server_idle == 0s);
    CHECK(local.server_idle == 90s);

    CHECK(config.auth.audience == "vitrine-test");
    CHECK(config.auth.max_token_lifetime == 400 * 24h);
    CHECK(config.auth.clock_skew == 15s);
    REQUIRE(config.auth.issuers.size() == 4);
    CHECK(config.auth.issuers[0].user_claim == "sub");
    CHECK(config.auth.issuers[0].groups_claim == "groups");
    CHECK(config.auth.issuers[2].jwks_url == "https://idp.example.com:8443/keys?a=1");
    CHECK(config.auth.issuers[2].jwks_ca == directory.path() / "db-ca.crt");
    CHECK(config.auth.issuers[2].audience == "client");
    CHECK(config.auth.issuers[2].user_claim == "email");
    CHECK(config.auth.issuers[2].groups_claim == "https://x.example.com/roles");
    CHECK(config.auth.issuers[2].groups ==
          std::vector<NamePattern>{{{"contractors"}}, {{"App-", "-\"x\""}}, {{"", ""}}});
    CHECK(config.auth.issuers[3].groups.empty());
    CHECK(config.auth.issuers[3].jwks_file == directory.path() / "nonsense");
    CHECK(config.auth.issuers[3].jwks == test::read(directory.path() / "nonsense"));
    CHECK(config.auth.oauth.issuer == "https://idp.example.com");
    CHECK(config.auth.oauth.scope == "openid email");
    CHECK(config.auth.oauth.offer == OAuth::Offer::kAlways);
    CHECK(config.auth.issuers[1].name == "https://second.example.com");
    CHECK(config.auth.issuers[0].signing_key.reveal().starts_with("-----BEGIN PRIVATE KEY"));
    CHECK(config.audit.directory == "/nonexistent/vitrine");
    CHECK(config.audit.durability == Durability::kFsync);
    CHECK(config.audit.parameters == Parameters::kNone);
    CHECK_FALSE(config.audit.signing_key.empty());
    CHECK(config.audit.anchor.command ==
          std::vector<std::string>{"/usr/local/bin/keep", "--from", "vitrine"});
    CHECK_FALSE(config.audit.compress);
    CHECK(config.audit.retain == std::chrono::hours(24 * 400));
    CHECK(config.audit.retain_bytes == std::uint64_t{100} << 30);
    CHECK(config.admin.address == "::1");
    CHECK(config.admin.port == 9188);
    CHECK(config.log.level == Log::Level::kDebug);
    CHECK(config.log.format == Log::Format::kJson);

    // The trailing newline is not part of the key.
    CHECK(config.masking.key.equals("0123456789abcdef0123456789abcdef"));
    const auto& rules = config.masking.rules.rules;
    REQUIRE(rules.size() == 8);
    CHECK(rules[0].name == "masking.rules[0]");
    CHECK(rules[0].mask.kind == MaskKind::kEmail);
    CHECK(rules[0].except_groups == std::vector<std::string>{"fraud", "the DBAs"});
    REQUIRE(rules[0].columns.size() == 3);
    CHECK(rules[0].columns[0].matches("public", "customers", "email"));
    CHECK_FALSE(rules[0].columns[0].matches("public", "customers", "Email"));
    CHECK(rules[0].columns[0].position.line == 37);
    CHECK(rules[0].columns[1].matches("x", "y", "e_mail"));
    CHECK(rules[0].columns[2].text == "Mixed.\"Client Data\".\"E-Mail\"");
    CHECK(rules[0].columns[2].matches("mixed", "Client Data", "E-Mail"));
    CHECK(rules[1].mask.kind == MaskKind::kPartial);
    CHECK(rules[1].mask.keep_start == 0);
    CHECK(rules[1].mask.keep_end == 4);
    CHECK(rules[1].mask.with == "#");
    CHECK(rules[2].mask.kind == MaskKind::kConstant);
    CHECK(rules[2].mask.constant.empty());
    CHECK(rules[2].columns[0].matches("public", "customers", "a*b"));
    CHECK_FALSE(rules[2].columns[0].matches("public", "customers", "axb"));
    CHECK(rules[2].columns[1].matches("public", "xylophone", "yz"));
    CHECK(rules[2].columns[1].matches("public", "x", "y…z"));
    CHECK_FALSE(rules[2].columns[1].matches("public", "X", "yz"));
    CHECK(rules[3].mask.kind == MaskKind::kNull);
    CHECK(rules[4].mask.kind == MaskKind::kNull);
    CHECK(rules[5].mask.kind == MaskKind::kHash);
    CHECK(rules[6].mask.constant == "0");
    CHECK(rules[7].mask == Mask{.kind = MaskKind::kPartial});

    const auto& allow = config.functions.allow;
    REQUIRE(allow.size() == 4);
    CHECK(allow[0].has_arguments);
    CHECK(allow[0].arguments == std::vector<std::string>{"numeric"});
    CHECK_FALSE(allow[1].has_arguments);
    CHECK(allow[1].parts[0].matches("reporting"));
    CHECK(allow[1].parts[1].matches("anything"));
    CHECK(allow[2].parts[1].matches("Do It"));
    CHECK(allow[2].arguments ==
          std::vector<std::string>{"integer", "character varying[]", "public.\"My Type\""});
    CHECK(allow[3].has_arguments);
    CHECK(allow[3].arguments.empty());
}

TEST_CASE("rules by type, row filters and what is open") {
    const test::Directory directory;
    test::fill(directory);
    const auto file = directory.write(
        "rows.yaml",
        test::read(std::filesystem::path(VITRINE_SOURCE_DIR) / "tests/config/valid/rows.yaml"));
    const Loaded loaded = load(file);
    REQUIRE(loaded.config != nullptr);
    const MaskingRules& masking = loaded.config->masking.rules;
    REQUIRE(masking.rules.size() == 2);
    CHECK(masking.rules[0].columns.empty());
    REQUIRE(masking.rules[0].types.size() == 2);
    CHECK(masking.rules[0].types[0].matches("pg_catalog", "inet"));
    CHECK_FALSE(masking.rules[0].types[0].matches("public", "inet"));
    CHECK_FALSE(masking.rules[0].types[0].array);
    CHECK(masking.rules[0].types[1].matches("public", "ssn_t"));
    CHECK(masking.rules[0].types[1].text == "public.ssn_t");
    CHECK(masking.rules[0].types[1].position.line == 7);
    const auto& types = masking.rules[1].types;
    const std::vector<std::pair<const char*, const char*>> named{
        {"pg_catalog", "int4"},   {"pg_catalog", "varchar"}, {"pg_catalog", "timestamptz"},
        {"pg_catalog", "float8"}, {"pg_catalog", "text"},    {"public", "anything"},
        {"mixed", "Post Code"},   {"pg_catalog", "char"},    {"pg_catalog", "int2"},
        {"crm", "ssn_t"},         {"pg_catalog", "numeric"}, {"pg_catalog", "varchar"}};
    REQUIRE(types.size() == named.size());
    for (std::size_t i = 0; i < types.size(); ++i) {
        INFO(types[i].text);
        CHECK(types[i].matches(named[i].first, named[i].second));
        CHECK(types[i].array == types[i].text.ends_with("[]"));
    }
    CHECK_FALSE(types[7].matches("pg_catalog", "bpchar"));
    REQUIRE(masking.rows.size() == 3);
    CHECK(masking.rows[0].name == "masking.rows[0]");
    CHECK(masking.rows[0].table.matches("public", "orders"));
    CHECK(masking.rows[0].filter == "region = 'EU'");
    CHECK(masking.rows[0].filter_position.line == 26);
    CHECK(masking.rows[0].filter_position.column == 15);
    CHECK(masking.rows[0].except_groups == std::vector<std::string>{"dba"});
    CHECK(masking.rows[1].table.matches("public", "Client *"));
    CHECK_FALSE(masking.rows[1].table.matches("public", "Client Data"));
    CHECK(masking.rows[1].filter == "true");
    CHECK(masking.rows[2].filter == "tenant = 3\nAND NOT hidden\n");
    CHECK(masking.mask_by_default);
    REQUIRE(masking.open.size() == 2);
    CHECK(masking.open[1].matches("crm", "any", "thing"));
}

TEST_CASE("the example for the DBA loads as soon as its files exist") {
    const test::Directory directory;
    test::fill(directory);
    ::setenv("SHOP_PASSWORD", "s3cret", 1);
    const auto example = std::filesystem::path(VITRINE_SOURCE_DIR) / "config/example.yaml";
    const Loaded loaded = load(directory.write("example.yaml", test::read(example)));
    CHECK(joined(loaded).empty());
    REQUIRE(loaded.config);
    CHECK(loaded.config->masking.rules.rules.size() == 12);
    CHECK(loaded.config->masking.rules.rows.size() == 1);
    ::unsetenv("SHOP_PASSWORD");
    CHECK(load(directory.path() / "example.yaml").problems.size() == 1);
}

TEST_CASE("a file that cannot be read is a problem at line 0") {
    const test::Directory directory;
    test::fill(directory);
    for (const auto* name : {"missing.yaml", "directory", "fifo"}) {
        const Loaded loaded = load(directory.path() / name);
        CHECK(loaded.config == nullptr);
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems[0].position.line == 0);
        CHECK(to_string(loaded.problems[0]).find(name) != std::string::npos);
    }
    const Loaded large =
        load(directory.write("large.yaml", std::string(vitrine::limits::kConfigBytesMax + 1, '#')));
    REQUIRE(large.problems.size() == 1);
    CHECK(large.problems[0].message.find("too large") != std::string::npos);
    CHECK(load("").config == nullptr);
}

TEST_CASE("files made to exhaust the reader end quickly, with a problem") {
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 30; ++i) {
        const std::string last = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
        for (int j = 0; j < 9; ++j) {
            bomb += ", " + last;
        }
        bomb += "]\n";
    }
    std::string product = std::string(kMinimal) + "masking: {rules: [";
    // One rule of many columns, named many times.
    product += "&r {mask: 5, columns: [&c x";
    for (int i = 0; i < 5000; ++i) {
        product += ", *c";
    }
    product += "]}";
    for (int i = 0; i < 5000; ++i) {
        product += ", *r";
    }
    product += "]}\n";
    std::string flat = "log: [";
    for (int i = 0; i < 500000; ++i) {
        flat += "1,";
    }
    flat += "1]\n";
    std::string wide_key(2000000, 'k');
    std::string one_line = "{";
    for (int i = 0; i < 90000; ++i) {
        one_line += "k" + std::to_string(i) + ": é, ";
    }
    one_line += "}";
    std::string anchors = "log: [";
    for (int i = 0; i < 90000; ++i) {
        anchors += "&a" + std::to_string(i) + " 1, ";
    }
    anchors += "]";
    const std::vector<std::pair<std::string, std::string>> files = {
        {"aliases", bomb},
        {"product", product},
        {"nested lists", "log: " + std::string(1000000, '[')},
        {"nested maps", "log: " + std::string(1000000, '{')},
        {"nested closed", std::string(100000, '[') + std::string(100000, ']')},
        {"nested blocks", std::string(500000, '-')},
        {"dashes",
         [] {
             std::string text;
             for (int i = 0; i < 500000; ++i) {
                 text += "- ";
             }
             return text;
         }()},
        {"question marks",
         [] {
             std::string text;
             for (int i = 0; i < 500000; ++i) {
                 text += "? ";
             }
             return text;
         }()},
        {"flat", flat},
        {"wide key", wide_key + ": 1\n"},
        {"quoted wide key", "\"" + wide_key + "\": 1\n"},
        {"one line", one_line},
        {"anchors", anchors},
        {"quotes", std::string(1000000, '"')},
        {"colons", std::string(1000000, ':')},
        {"newlines", std::string(4000000, '\n')},
        {"bars", "log: |\n" + std::string(1000000, ' ')},
    };
    const test::Directory directory;
    test::fill(directory);
    for (const auto& [name, text] : files) {
        INFO(name);
        const auto file = directory.write("hostile.yaml", text);
        const std::clock_t start = std::clock();  // CPU time: others may be on the machine
        const Loaded loaded = load(file);
        const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
        CHECK(loaded.config == nullptr);
        CHECK_FALSE(loaded.problems.empty());
        CHECK(took < 20);  // generous: sanitizers
    }
}

TEST_CASE("masks with arguments come out as values") {
    const test::Directory directory;
    test::fill(directory);
    const auto file = directory.write(
        "masks.yaml",
        test::read(std::filesystem::path(VITRINE_SOURCE_DIR) / "tests/config/valid/masks.yaml"));
    const Loaded loaded = load(file);
    REQUIRE(loaded.config != nullptr);
    const auto& rules = loaded.config->masking.rules.rules;
    REQUIRE(rules.size() == 12);
    const std::vector<std::string> multiples{
        "1", "100000000", "0.05", "25", "0.000000000000000001", "999999999999999999"};
    for (std::size_t i = 0; i < multiples.size(); ++i) {
        CHECK(rules[i].mask.kind == MaskKind::kRound);
        CHECK(rules[i].mask.multiple == multiples[i]);
    }
    CHECK(rules[6].mask.kind == MaskKind::kTruncate);
    CHECK(rules[6].mask.unit == TruncateUnit::kYear);
    CHECK(rules[7].mask.unit == TruncateUnit::kHour);
    CHECK(rules[8].mask.kind == MaskKind::kNetwork);
    CHECK(rules[8].mask.network_bits == 0);
    CHECK(rules[9].mask.network_bits == 128);
    const Mask& json = rules[10].mask;
    CHECK(json.kind == MaskKind::kJson);
    REQUIRE(json.json.size() == 7);
    CHECK(json.json[0].keys == std::vector<std::string>{"phone"});
    CHECK(json.json[1].keys == std::vector<std::string>{"address", "street"});
    CHECK(json.json[1].mask.kind == MaskKind::kHash);
    CHECK(json.json[2].keys == std::vector<std::string>{"address", "post code"});
    CHECK(json.json[2].mask.keep_start == 2);
    CHECK(json.json[3].keys == std::vector<std::string>{"it's.\"\\"});
    CHECK(json.json[3].mask.constant == "gone");
    CHECK(json.json[4].keys == std::vector<std::string>{"größe-in_cm"});
    CHECK(json.json[4].mask.multiple == "10");
    CHECK(rules[11].mask.kind == MaskKind::kExpression);
    CHECK(rules[11].mask.expression == "left(value, 1)");
    CHECK_FALSE(rules[8].mask == rules[9].mask);
}

TEST_CASE("a good file cut anywhere is never taken for a good one with fewer rules") {
    // Every prefix that loads must hold every rule whose first line it has whole.
    const test::Directory directory;
    test::fill(directory);
    const std::string text = std::string(kMinimal) +
                             "masking:\n"
                             "  rules:\n"
                             "    - columns: ['a.b.c']\n"
                             "      mask: {constant: \"x\"}\n"
                             "log:\n"
                             "  level: \"info\"\n";
    const auto mask_end = text.find("log:");
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const Loaded loaded = load(directory.write("cut.yaml", text.substr(0, size)));
        INFO(size);
        REQUIRE((loaded.config == nullptr) == !loaded.problems.empty());
        if (loaded.config && size >= mask_end) {
            REQUIRE(loaded.config->masking.rules.rules.size() == 1);
        }
    }
}

TEST_CASE("load may run in several threads at once") {
    const test::Directory directory;
    test::fill(directory);
    const auto file = directory.write("vitrine.yaml", kMinimal);
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int j = 0; j < 20; ++j) {
                good += load(file).config != nullptr ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(good == 80);
}
