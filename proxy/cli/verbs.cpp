#include "proxy/cli/verbs.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "auth/network.h"
#include "auth/token.h"
#include "config/duration.h"
#include "parser/judge.h"
#include "parser/masking/rewrite.h"
#include "parser/masking/written_sql.h"
#include "proxy/admin/start_admin.h"
#include "proxy/admin/start_api.h"
#include "proxy/net/database.h"
#include "proxy/net/proxy.h"

namespace vitrine::cli {

namespace {

void complain(const std::string& sentence) {
    std::cerr << "vitrine: " << sentence << "\n";
}

std::string joined(const std::vector<std::string>& texts) {
    return fmt::format("{}", fmt::join(texts, ", "));
}

// The public half of a PKCS#8 private key, as SubjectPublicKeyInfo in PEM; empty: there is none.
std::string public_key_pem(const config::Secret& private_key) {
    if (private_key.empty()) {
        return {};
    }
    const std::string_view pem = private_key.reveal();
    BIO* in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    std::string text;
    if (BIO* out = BIO_new(BIO_s_mem()); key != nullptr && out != nullptr) {
        char* bytes = nullptr;
        if (PEM_write_bio_PUBKEY(out, key) == 1) {
            const long size = BIO_get_mem_data(out, &bytes);
            text.assign(bytes, static_cast<std::size_t>(size));
        }
        BIO_free(out);
    }
    EVP_PKEY_free(key);
    return text;
}

// What is asked of the real databases by `check --connect`; `serve` asks the same when it has
// loaded a catalog.
std::vector<parser::PolicyWarning> connected_problems(const config::Database& database,
                                                      const config::Config& config) {
    std::vector<parser::PolicyWarning> problems;
    std::string error;
    const auto catalog = net::load_catalog(database, error);
    if (catalog == nullptr) {
        problems.push_back({"cannot be used: " + error, database.position});
        return problems;
    }
    // Somebody has vouched for it: no problem, and not passed over either.
    const std::string newer = net::version_warning(database, catalog->server_version() / 10000);
    if (!newer.empty()) {
        std::cerr << "warning: database " << database.name << ": " << newer << "\n";
    }
    return net::database_warnings(config, database, catalog);
}

}  // namespace

std::shared_ptr<const config::Config> load_or_complain(const std::string& file) {
    config::Loaded loaded = config::load(file);
    for (const auto& problem : loaded.problems) {
        std::cerr << config::to_string(problem) << "\n";
    }
    return loaded.config;
}

int serve(const std::string& file) {
    auto config = load_or_complain(file);
    if (config == nullptr) {
        complain("the configuration has problems; `vitrine check --config " + file +
                 "` lists them");
        return kCouldNotRun;
    }
    return net::serve(std::move(config), [](net::Shared& shared) -> net::Companion {
        // Health first: it is there while the rest begins.
        auto health = admin::start_admin(shared);
        return std::make_shared<std::pair<net::Companion, net::Companion>>(
            std::move(health), admin::start_api(shared));
    });
}

namespace {

// What is as it should be and must be known all the same.
void warn(const config::Config& config) {
    if (const std::string reach = admin::reach_warning(config.admin); !reach.empty()) {
        std::cerr << "warning: " << config::to_string({config.admin.position, reach}) << "\n";
    }
    for (const config::MaskRule& rule : config.masking.rules.rules) {
        if (rule.mask.kind == config::MaskKind::kExpression) {
            std::cerr << "warning: "
                      << config::to_string({rule.position,
                                            rule.name +
                                                " is an expression; where it fails on a value, the "
                                                "server's error may show the value to the user"})
                      << "\n";
        }
    }
}

// What the DBA's own SQL lacks whatever the catalog says.
template <class Add>
void check_written(const config::Config& config, Add add) {
    for (const config::MaskRule& rule : config.masking.rules.rules) {
        if (rule.mask.kind == config::MaskKind::kExpression) {
            const std::string why = parser::written_problem(rule.mask.expression);
            if (!why.empty()) {
                add(rule.position, rule.name + ".mask.expression cannot be used: " + why);
            }
        }
    }
    for (const config::RowRule& rule : config.masking.rules.rows) {
        const std::string why = parser::written_problem(rule.filter);
        if (!why.empty()) {
            add(rule.filter_position, rule.name + ".filter cannot be used: " + why);
        }
    }
}

}  // namespace

int check(const std::string& file, bool connect, audit::Format format) {
    const config::Loaded loaded = config::load(file);
    struct Line {
        config::Position position;
        std::string message;
    };
    std::vector<Line> lines;
    for (const auto& problem : loaded.problems) {
        lines.push_back({problem.position, problem.message});
    }
    if (loaded.config != nullptr) {
        warn(*loaded.config);
        for (const auto& problem : auth::key_problems(loaded.config->auth)) {
            lines.push_back({problem.position, problem.message});
        }
        check_written(*loaded.config, [&](const config::Position& position, std::string message) {
            lines.push_back({position, std::move(message)});
        });
    }
    if (loaded.config != nullptr && connect) {
        for (const auto& [name, database] : loaded.config->databases) {
            for (const auto& problem : connected_problems(database, *loaded.config)) {
                const bool placed = problem.position.line != 0;
                lines.push_back({placed ? problem.position : database.position,
                                 "database " + name + ": " + problem.text});
            }
        }
    }
    if (format == audit::Format::kJson) {
        boost::json::array array;
        for (const auto& line : lines) {
            array.push_back({{"file", line.position.file},
                             {"line", line.position.line},
                             {"column", line.position.column},
                             {"message", line.message}});
        }
        std::cout << boost::json::serialize(array) << "\n";
    } else {
        for (const auto& line : lines) {
            // Line 0: there was no file to find problems in.
            (line.position.line == 0 ? std::cerr : std::cout)
                << config::to_string({line.position, line.message}) << "\n";
        }
        if (lines.empty()) {
            std::cout << file << ": no problem found\n";
        }
    }
    const bool unreadable = !loaded.problems.empty() && loaded.problems.front().position.line == 0;
    return lines.empty() ? kDone : unreadable ? kCouldNotRun : kNotSo;
}

namespace {

// A masked column that a statement reads, and by which rule.
struct ExplainedColumn {
    std::string column;
    std::string rule;                     // "masking.rules[1]", or what else masks it
    std::string place;                    // "vitrine.yaml:37:7"; empty: the rule is in no file
    std::vector<std::string> instead_of;  // rules that would stand without it, the last first
};

class ColumnExplainer {
  public:
    ColumnExplainer(const config::Config& config,
                    std::shared_ptr<const parser::CatalogSnapshot> catalog,
                    const std::vector<std::string>& groups)
        : config_(config), catalog_(std::move(catalog)), groups_(groups) {}

    std::vector<ExplainedColumn> explain(const std::vector<std::string>& masked) {
        std::vector<ExplainedColumn> columns;
        for (const std::string& name : masked) {
            ExplainedColumn& column = columns.emplace_back(ExplainedColumn{.column = name});
            const auto& rules = config_.masking.rules.rules;
            column.rule = standing(name, rules.size());
            for (std::size_t index = index_of(column.rule); index < rules.size();) {
                if (column.place.empty()) {
                    column.place = place(rules[index].position);
                }
                const std::string before = standing(name, index);
                index = index_of(before);
                if (!before.empty()) {
                    column.instead_of.push_back(before);
                }
            }
        }
        return columns;
    }

  private:
    static std::string place(const config::Position& position) {
        return fmt::format("{}:{}:{}", position.file, position.line, position.column);
    }
    std::size_t index_of(const std::string& rule) const {
        const auto& rules = config_.masking.rules.rules;
        return static_cast<std::size_t>(std::ranges::find(rules, rule, &config::MaskRule::name) -
                                        rules.begin());
    }
    // What masks a column where only the first so many rules are there; empty: nothing does.
    std::string standing(const std::string& name, std::size_t count) {
        auto& rules_of = rules_of_[count];
        if (rules_of.empty()) {
            config::MaskingRules rules = config_.masking.rules;
            rules.rules.resize(std::min(count, rules.rules.size()));
            const auto policy = parser::compile_policy(catalog_, rules, config_.functions, groups_);
            for (const auto& relation : catalog_->relations()) {
                if (const auto* masked = policy->relation(relation.oid)) {
                    for (const auto& column : masked->masked) {
                        rules_of[parser::column_title(relation, *column.column)] = column.rule;
                    }
                }
            }
        }
        const auto found = rules_of.find(name);
        return found == rules_of.end() ? std::string() : found->second;
    }

    const config::Config& config_;
    std::shared_ptr<const parser::CatalogSnapshot> catalog_;
    const std::vector<std::string>& groups_;
    std::map<std::size_t, std::map<std::string, std::string>> rules_of_;
};

void print_columns(const std::vector<ExplainedColumn>& columns) {
    std::size_t width = 0;
    for (const auto& column : columns) {
        width = std::max(width, column.column.size());
    }
    for (const auto& column : columns) {
        fmt::print("{:<11}{:<{}}  {}{}{}\n", &column == &columns.front() ? "masked" : "",
                   column.column, width, column.rule,
                   column.place.empty() ? "" : " (" + column.place + ")",
                   column.instead_of.empty() ? "" : ", and not " + joined(column.instead_of));
    }
}

boost::json::array columns_json(const std::vector<ExplainedColumn>& columns) {
    boost::json::array array;
    for (const auto& column : columns) {
        array.push_back({{"column", column.column},
                         {"rule", column.rule},
                         {"place", column.place},
                         {"instead_of", boost::json::value_from(column.instead_of)}});
    }
    return array;
}

}  // namespace

int explain(const ExplainArguments& arguments) {
    const auto config = load_or_complain(arguments.config);
    if (config == nullptr) {
        return kCouldNotRun;
    }
    const auto database = config->databases.find(arguments.database);
    if (database == config->databases.end()) {
        std::vector<std::string> names;
        for (const auto& [name, ignored] : config->databases) {
            names.push_back(name);
        }
        complain("no database \"" + arguments.database + "\" in the configuration; it has " +
                 joined(names));
        return kCouldNotRun;
    }
    std::string error;
    const auto catalog = net::load_catalog(database->second, error);
    if (catalog == nullptr) {
        complain("cannot load the catalog of " + arguments.database + ": " + error);
        return kCouldNotRun;
    }
    parser::SessionContext context;
    context.search_path = arguments.search_path;
    if (context.search_path.empty()) {
        if (!net::load_search_path(database->second, context.search_path, error)) {
            complain("cannot ask for the search_path of " + arguments.database + ": " + error);
            return kCouldNotRun;
        }
    } else if (std::ranges::find(context.search_path, "pg_catalog") == context.search_path.end()) {
        context.search_path.insert(context.search_path.begin(), "pg_catalog");
    }
    const auto policy =
        parser::compile_policy(catalog, config->masking.rules, config->functions, arguments.groups);
    const parser::Judgement judgement = parser::judge(arguments.sql, *policy, context);

    ColumnExplainer explainer(*config, catalog, arguments.groups);
    boost::json::array array;
    for (const auto& statement : judgement.statements) {
        const std::string text = arguments.sql.substr(statement.begin, statement.size);
        const bool allowed = !statement.refusal;
        const std::vector<ExplainedColumn> columns = explainer.explain(statement.masked);
        if (arguments.format == audit::Format::kJson) {
            boost::json::object object{{"sql", text},
                                       {"verdict", allowed ? "allow" : "reject"},
                                       {"rule", statement.rule},
                                       {"masked", boost::json::value_from(statement.masked)},
                                       {"columns", columns_json(columns)},
                                       {"filtered", boost::json::value_from(statement.filtered)}};
            if (statement.refusal) {
                const auto& refusal = *statement.refusal;
                object["sqlstate"] = refusal.sqlstate;
                object["message"] = refusal.message;
                object["detail"] = refusal.detail;
                object["hint"] = refusal.hint;
                object["position"] = parser::character_position(arguments.sql, refusal.position);
            }
            if (statement.forwarded) {
                object["forwarded"] = *statement.forwarded;
            }
            array.push_back(std::move(object));
            continue;
        }
        fmt::print("verdict    {}\n", allowed ? "allow" : "reject");
        fmt::print("rule       {}\n", statement.rule);
        if (statement.refusal) {
            const auto& refusal = *statement.refusal;
            fmt::print("error      {}: {}\n", refusal.sqlstate, refusal.message);
            if (!refusal.detail.empty()) {
                fmt::print("detail     {}\n", refusal.detail);
            }
            if (!refusal.hint.empty()) {
                fmt::print("hint       {}\n", refusal.hint);
            }
            fmt::print("position   {}\n",
                       parser::character_position(arguments.sql, refusal.position));
        }
        print_columns(columns);
        if (!statement.filtered.empty()) {
            fmt::print("filtered   {}\n", joined(statement.filtered));
        }
        fmt::print("sent       {}\n", !allowed              ? "nothing"
                                      : statement.forwarded ? *statement.forwarded
                                                            : "as it is");
        if (&statement != &judgement.statements.back()) {
            fmt::print("\n");
        }
    }
    if (arguments.format == audit::Format::kJson) {
        std::cout << boost::json::serialize(array) << "\n";
    } else if (judgement.statements.empty()) {
        fmt::print("nothing to judge: no statement in the text\n");
    }
    return judgement.allowed() ? kDone : kNotSo;
}

int issue_token(const TokenArguments& arguments) {
    const auto config = load_or_complain(arguments.config);
    if (config == nullptr) {
        return kCouldNotRun;
    }
    const auto ttl = config::parse_duration(arguments.ttl);
    if (!ttl) {
        complain("--ttl " + arguments.ttl + " is not a duration; write 90s, 15m, 4h or 1d");
        return kCouldNotRun;
    }
    for (const auto& database : arguments.databases) {
        if (!config->databases.contains(database)) {
            complain("no database \"" + database + "\" in the configuration");
            return kCouldNotRun;
        }
    }
    if (!arguments.client_address.empty() && !auth::is_network(arguments.client_address)) {
        complain("--client-address " + arguments.client_address +
                 " is no address or network; write 192.0.2.7 or 10.0.0.0/8 (host bits zero)");
        return kCouldNotRun;
    }
    auth::TokenRequest request{.user = arguments.user,
                               .databases = arguments.databases,
                               .groups = arguments.groups,
                               .reason = arguments.reason,
                               .grant = {},
                               .client_address = arguments.client_address,
                               .single_use = arguments.single_use,
                               .ttl = std::chrono::duration_cast<std::chrono::seconds>(*ttl)};
    const auto token = auth::issue_token(
        config->auth, request,
        std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
    if (!token) {
        complain(token.error().message());
        return kCouldNotRun;
    }
    std::cout << *token << "\n";
    return kDone;
}

std::string log_directory(const std::string& file, const std::string& directory,
                          std::string* public_key) {
    if (file.empty() && directory.empty()) {
        complain("say where the log is: --config FILE or --directory DIR");
        return {};
    }
    if (file.empty()) {
        return directory;
    }
    const auto config = load_or_complain(file);
    if (config == nullptr) {
        return {};
    }
    if (public_key != nullptr && public_key->empty()) {
        *public_key = public_key_pem(config->audit.signing_key);
    }
    return directory.empty() ? config->audit.directory.string() : directory;
}

bool read_public_key(const std::string& file, std::string& pem) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    pem = text.str();
    if (!in || pem.empty()) {
        complain("cannot read the public key " + file);
        return false;
    }
    return true;
}

int audit_list(const std::string& file, const std::string& directory, audit::Format format) {
    const std::string log = log_directory(file, directory, nullptr);
    return log.empty() ? kCouldNotRun : audit::list_sessions(log, format, std::cout, std::cerr);
}

int audit_show(const std::string& file, const std::string& directory, const std::string& session,
               audit::Format format) {
    const std::string log = log_directory(file, directory, nullptr);
    return log.empty() ? kCouldNotRun
                       : audit::show_session(log, session, format, std::cout, std::cerr);
}

int audit_verify(const std::string& file, const std::string& directory,
                 const std::string& public_key, const std::string& anchor, audit::Format format) {
    std::string pem;
    if (!public_key.empty() && !read_public_key(public_key, pem)) {
        return kCouldNotRun;
    }
    const std::string log = log_directory(file, directory, &pem);
    return log.empty() ? kCouldNotRun
                       : audit::verify_directory(log, pem, format, std::cout, std::cerr, anchor);
}

}  // namespace vitrine::cli
