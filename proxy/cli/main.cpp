// vitrine: the command line (INTERFACE: "The program").
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <string>

#include "proxy/cli/verbs.h"
#include "proxy/session/rewriting.h"

namespace {

using vitrine::audit::Format;

const std::map<std::string, Format> kFormats = {{"table", Format::kTable}, {"json", Format::kJson}};

void add_config(CLI::App* verb, std::string& config, bool required = true) {
    auto* option = verb->add_option("--config", config, "the configuration file");
    if (required) {
        option->required();
    }
}

void add_format(CLI::App* verb, Format& format) {
    verb->add_option("--format", format, "table (default) or json")
        ->transform(CLI::CheckedTransformer(kFormats, CLI::ignore_case));
}

}  // namespace

int main(int argc, char** argv) {
    namespace cli = vitrine::cli;
    CLI::App app{"vitrine: look into a production database, don't touch it"};
    std::string version = std::string("vitrine ") + VITRINE_VERSION;
    if (const auto missing = vitrine::session::missing_defence(); !missing.empty()) {
        version += "\n" + std::string(missing);
        std::fprintf(stderr, "vitrine: %s\n", std::string(missing).c_str());
    }
    app.set_version_flag("--version", version);
    app.require_subcommand(1);
    std::function<int()> run;

    std::string config;
    std::string directory;
    std::string session;
    std::string public_key;
    Format format = Format::kTable;
    bool connect = false;
    cli::ExplainArguments explain;
    cli::TokenArguments token;

    auto* serve = app.add_subcommand("serve", "run the proxy");
    add_config(serve, config);
    serve->callback([&] { run = [&] { return cli::serve(config); }; });

    auto* check = app.add_subcommand("check", "find every problem of a configuration file");
    add_config(check, config);
    check->add_flag("--connect", connect, "also ask the real databases");
    add_format(check, format);
    check->callback([&] { run = [&] { return cli::check(config, connect, format); }; });

    auto* explained =
        app.add_subcommand("explain", "say what the policy does with one statement, and why");
    add_config(explained, explain.config);
    explained->add_option("--database", explain.database, "a name under databases:")->required();
    explained->add_option("--user", explain.user, "the user it would run for")->required();
    explained->add_option("--groups", explain.groups, "the user's groups")->delimiter(',');
    explained
        ->add_option("--search-path", explain.search_path,
                     "schemas in their order; default: the service role's")
        ->delimiter(',');
    explained->add_option("sql", explain.sql, "the statement")->required();
    add_format(explained, explain.format);
    explained->callback([&] { run = [&] { return cli::explain(explain); }; });

    auto* tokens = app.add_subcommand("token", "short-lived tokens");
    tokens->require_subcommand(1);
    auto* issue = tokens->add_subcommand("issue", "mint a token and print it alone on stdout");
    add_config(issue, token.config);
    issue->add_option("--user", token.user, "who it is for")->required();
    issue->add_option("--database", token.databases, "which databases it opens")
        ->required()
        ->delimiter(',');
    issue->add_option("--groups", token.groups, "the user's groups")->delimiter(',');
    issue->add_option("--ttl", token.ttl, "how long it is good for: 90s, 15m, 4h (default 15m)");
    issue->add_option("--reason", token.reason, "why, for the query log");
    issue->add_option("--client-address", token.client_address,
                      "good from this address or network alone: 192.0.2.7, 10.0.0.0/8");
    issue->add_flag("--single-use", token.single_use, "good for one login");
    issue->callback([&] { run = [&] { return cli::issue_token(token); }; });

    auto* audit = app.add_subcommand("audit", "the query log");
    audit->require_subcommand(1);
    const auto add_audit = [&](const char* name, const char* text) {
        auto* verb = audit->add_subcommand(name, text);
        add_config(verb, config, false);
        verb->add_option("--directory", directory, "the log's directory, or a copy of it");
        add_format(verb, format);
        return verb;
    };
    add_audit("list", "the sessions on record")->callback([&] {
        run = [&] { return cli::audit_list(config, directory, format); };
    });
    auto* show = add_audit("show", "one session as a transcript");
    show->add_option("session", session, "its id, the beginning of it, or last")->required();
    show->callback(
        [&] { run = [&] { return cli::audit_show(config, directory, session, format); }; });
    auto* verify = add_audit("verify", "prove that the log is what was written");
    verify->add_option("--public-key", public_key, "PEM file of the checkpoints' public key");
    verify->callback(
        [&] { run = [&] { return cli::audit_verify(config, directory, public_key, format); }; });

    // Known, and not there yet: whatever follows the verb is taken, so that the answer is the same.
    const auto later = [&](CLI::App* parent, const std::string& path, const char* text) {
        auto* verb = parent->add_subcommand(path.substr(path.rfind(' ') + 1), text);
        verb->prefix_command();
        verb->callback([&run, path] { run = [path] { return cli::not_supported(path); }; });
    };
    later(audit, "audit search", "find records (not supported yet)");
    later(audit, "audit replay", "run a session again (not supported yet)");
    later(audit, "audit export", "hand the log on (not supported yet)");
    later(&app, "access", "self-service grants (not supported yet)");
    later(&app, "sessions", "live sessions (not supported yet)");

    try {
        app.parse(argc, argv);
        return run();
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? cli::kDone : cli::kCouldNotRun;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vitrine: %s\n", error.what());
        return cli::kCouldNotRun;
    }
}
