// vitrine: the command line (INTERFACE: "The program").
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <string>

#include "proxy/cli/access_verbs.h"
#include "proxy/cli/export_verbs.h"
#include "proxy/cli/replay_verbs.h"
#include "proxy/cli/search_verbs.h"
#include "proxy/cli/verbs.h"
#include "proxy/session/rewriting.h"

namespace {

using vitrine::audit::Format;

const std::map<std::string, Format> kFormats = {{"table", Format::kTable}, {"json", Format::kJson}};
const std::map<std::string, Format> kShowFormats = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"html", Format::kHtml}};
const std::map<std::string, Format> kSearchFormats = {{"table", Format::kTable},
                                                      {"json", Format::kJson},
                                                      {"csv", Format::kCsv},
                                                      {"html", Format::kHtml}};

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

void add_search(CLI::App* audit, vitrine::cli::SearchArguments& search, std::function<int()>& run) {
    namespace cli = vitrine::cli;
    const auto add_place = [&](CLI::App* verb) {
        add_config(verb, search.config, false);
        verb->add_option("--directory", search.directory, "the log's directory, or a copy of it");
        verb->add_option("--index", search.index,
                         "where the index is kept (default .index beside the log, or in ~/.cache)");
    };
    auto* verb = audit->add_subcommand("search", "find statements; all that is asked must hold");
    add_place(verb);
    verb->add_flag("--no-index", search.no_index, "read every file");
    verb->add_option("--user", search.user, "who");
    verb->add_option("--database", search.database, "the name after dbname=");
    verb->add_option("--relation", search.relations, "[SCHEMA.]RELATION that it mentions");
    verb->add_option("--column", search.columns,
                     "[SCHEMA.]RELATION.COLUMN that it names, masks or reads with *");
    verb->add_option("--verdict", search.verdict, "allow or reject")
        ->check(CLI::IsMember({"allow", "reject"}));
    verb->add_option("--sqlstate", search.sqlstate, "how it ended; 00000: well");
    verb->add_option("--grant", search.grant, "the grant's id");
    verb->add_option("--text", search.texts, "words that all stand in its SQL or its values");
    verb->add_option("--since", search.since, "30d, 2h, 2026-11-24 or 2026-11-24T13:00:00Z");
    verb->add_option("--until", search.until, "the same; a day is included");
    verb->add_option("--session", search.session, "a session's id, or the beginning of it");
    verb->add_option("--masked", search.masked, "a column that was masked in it");
    verb->add_option("--limit", search.limit, "stop after so many");
    verb->add_option("--public-key", search.public_key, "for html: the checkpoints' public key");
    verb->add_option("--format", search.format, "table (default), json, csv or html")
        ->transform(CLI::CheckedTransformer(kSearchFormats, CLI::ignore_case));
    verb->callback([&] { run = [&] { return cli::audit_search(search); }; });

    auto* index = audit->add_subcommand("index", "bring the search's index up to date");
    add_place(index);
    index->add_flag("--rebuild", search.rebuild, "throw it away and make it anew");
    index->callback([&] { run = [&] { return cli::audit_index(search); }; });
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
    std::string anchor;
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

    cli::SearchArguments search;
    auto* audit = app.add_subcommand("audit", "the query log");
    audit->require_subcommand(1);
    const auto add_place = [&](const char* name, const char* text) {
        auto* verb = audit->add_subcommand(name, text);
        add_config(verb, config, false);
        verb->add_option("--directory", directory, "the log's directory, or a copy of it");
        return verb;
    };
    const auto add_audit = [&](const char* name, const char* text) {
        auto* verb = add_place(name, text);
        add_format(verb, format);
        return verb;
    };
    add_audit("list", "the sessions on record")->callback([&] {
        run = [&] { return cli::audit_list(config, directory, format); };
    });
    auto* show = add_place("show", "one session as a transcript");
    show->add_option("--format", format, "table (default), json or html")
        ->transform(CLI::CheckedTransformer(kShowFormats, CLI::ignore_case));
    show->add_option("session", session, "its id, the beginning of it, or last")->required();
    show->callback([&] {
        run = [&] {
            return format == Format::kHtml ? cli::audit_page(config, directory, session)
                                           : cli::audit_show(config, directory, session, format);
        };
    });
    auto* verify = add_audit("verify", "prove that the log is what was written");
    verify->add_option("--public-key", public_key, "PEM file of the checkpoints' public key");
    verify->add_option(
        "--anchor", anchor,
        "what was copied of the ledger elsewhere: a file, or audit.anchor.directory");
    verify->callback([&] {
        run = [&] { return cli::audit_verify(config, directory, public_key, anchor, format); };
    });

    add_search(audit, search, run);
    cli::ReplayArguments replay;
    auto* again = add_audit("replay",
                            "run a session again, or judge what is on record by another "
                            "configuration");
    again->add_option("session", replay.session, "its id, the beginning of it, or last");
    again->add_option("--against", replay.against,
                      "where the session is run again: a connection string");
    again->add_flag("--through-proxy", replay.through_proxy,
                    "a vitrine is there: send the texts as they were written");
    again->add_flag("--original-pace", replay.original_pace, "wait as long as the user did");
    again->add_option("--policy", replay.policy, "the configuration to judge by");
    again->add_option("--since", replay.since, "from then on: 30d, 2026-11-24, or a time");
    again->add_option("--until", replay.until, "before then");
    again->add_option("--user", replay.user, "this user's statements alone");
    again->add_option("--database", replay.database, "this database's alone");
    again->callback([&] {
        run = [&] {
            replay.config = config;
            replay.directory = directory;
            replay.format = format;
            return cli::audit_replay(replay);
        };
    });
    cli::ExportArguments exported;
    auto* onward = audit->add_subcommand("export", "hand the log on, as it grows, to audit.export");
    add_config(onward, exported.config);
    onward->add_option("--to", exported.targets, "these targets alone, by their names")
        ->delimiter(',');
    onward->add_flag("--once", exported.once, "end when all that is there now has arrived");
    onward
        ->add_option("--give-up", exported.give_up_seconds,
                     "with --once: seconds without progress, until a target is given up")
        ->check(CLI::Range(1, 86400));
    onward->add_flag("--status", exported.status, "only say how far they have been served");
    add_format(onward, exported.format);
    onward->callback([&] { run = [&] { return cli::audit_export(exported); }; });

    cli::AccessArguments access;
    std::string end_reason;
    const auto add_api = [](CLI::App* verb, cli::ApiArguments& api) {
        verb->add_option("--api", api.api, "the API, https://HOST:PORT (default $VITRINE_API)");
        verb->add_option(
            "--ca", api.ca,
            "PEM file of the authority of its certificate (default $VITRINE_CA, or the "
            "system's)");
        verb->add_option("--config", api.config, "on the proxy's machine: its configuration file");
        verb->add_option("--user", api.user,
                         "a local account; its password from $VITRINE_PASSWORD, or typed");
        verb->add_option("--token-file", api.token_file,
                         "a token of your identity provider (default $VITRINE_TOKEN)");
        add_format(verb, api.format);
    };
    auto* grants = app.add_subcommand("access", "access that developers give themselves");
    grants->require_subcommand(1);
    const auto add_access = [&](const char* name, const char* text) {
        auto* verb = grants->add_subcommand(name, text);
        add_api(verb, access.api);
        return verb;
    };
    const auto add_request = [&](const char* name, const char* text) {
        auto* verb = add_access(name, text);
        verb->add_option("--database", access.database, "a name under databases:")->required();
        verb->add_option("--for", access.duration, "for how long: 30m, 1h (default 1h)");
        verb->add_option("--reason", access.reason, "why, for the query log");
        verb->add_flag("--emergency", access.emergency,
                       "by an emergency policy: at once, and "
                       "reviewed afterwards");
        return verb;
    };
    auto* asked = add_request("request", "ask for access, and print the line to connect with");
    asked->add_flag("--wait", access.wait, "until somebody has decided");
    asked->add_flag("--handle", access.handle, "a short password instead of the token");
    asked->callback([&] { run = [&] { return cli::access_request(access); }; });
    auto* psql = add_request("psql", "ask for access, and start psql with it");
    psql->add_option("arguments", access.psql, "further arguments of psql's, after --");
    psql->callback([&] { run = [&] { return cli::access_psql(access); }; });
    auto* listed = add_access("list", "grants: mine, or those that concern me");
    for (const char* const scope : {"pending", "all", "emergencies"}) {
        listed->add_flag_callback(std::string("--") + scope,
                                  [&access, scope] { access.scope = scope; });
    }
    listed->callback([&] { run = [&] { return cli::access_list(access); }; });
    for (const char* const name : {"approve", "deny", "review"}) {
        auto* verb = add_access(name, std::string(name) == "review"
                                          ? "say that an emergency has been looked at"
                                          : "decide on somebody else's request");
        verb->add_option("grant", access.grant, "its id")->required();
        verb->add_option("--reason", access.reason, "why");
        verb->callback([&, name] { run = [&, name] { return cli::access_decide(access, name); }; });
    }
    auto* revoked = add_access("revoke", "end a grant, or whatever a user, a group or a token has");
    auto* which = revoked->add_option_group("what", "what is revoked");
    which->add_option("grant", access.grant, "a grant's id");
    std::string whole;
    for (const char* const kind : {"user", "group", "token"}) {
        which->add_option_function<std::string>(
            std::string("--of-") + kind,
            [&access, kind](const std::string& value) {
                access.kind = kind;
                access.value = value;
            },
            std::string("everything that this ") + kind + " came by until now");
    }
    which->add_flag_callback("--everything", [&access] { access.kind = "all"; });
    which->require_option(1);
    revoked->add_option("--reason", access.reason, "why; those whose sessions end are told");
    revoked->callback([&] {
        run = [&] {
            return access.kind.empty() ? cli::access_decide(access, "revoke")
                                       : cli::access_revoke_many(access);
        };
    });
    auto* token_of =
        add_access("token", "print the line to connect with, of a grant that is active");
    token_of->add_option("grant", access.grant, "its id")->required();
    token_of->add_flag("--handle", access.handle, "a short password instead of the token");
    token_of->callback([&] { run = [&] { return cli::access_token(access); }; });

    auto* sessions = app.add_subcommand("sessions", "the sessions that run now");
    sessions->require_subcommand(1);
    auto* running = sessions->add_subcommand("list", "who is connected");
    add_api(running, access.api);
    running->callback([&] { run = [&] { return cli::sessions_list(access.api); }; });
    auto* killed = sessions->add_subcommand("kill", "end one, whatever it is doing");
    add_api(killed, access.api);
    killed->add_option("session", session, "its id")->required();
    killed->add_option("--reason", end_reason, "why; its client is told");
    killed->callback(
        [&] { run = [&] { return cli::sessions_kill(access.api, session, end_reason); }; });

    cli::UserArguments account;
    auto* users = app.add_subcommand("user",
                                     "local accounts, for teams without an identity "
                                     "provider");
    users->require_subcommand(1);
    const auto add_user = [&](const char* name, const char* text, bool named,
                              int (*verb)(const cli::UserArguments&)) {
        auto* added = users->add_subcommand(name, text);
        add_config(added, account.config);
        if (named) {
            added->add_option("user", account.user, "the account's name")->required();
        }
        added->callback(
            [&run, &account, verb] { run = [&account, verb] { return verb(account); }; });
        return added;
    };
    add_user("add", "make one; its password from $VITRINE_PASSWORD, or typed", true, cli::user_add)
        ->add_option("--groups", account.groups, "the groups that policies go by")
        ->delimiter(',');
    add_user("password", "change its password", true, cli::user_password)
        ->add_option("--groups", account.groups, "and the groups")
        ->delimiter(',');
    add_user("remove", "remove it, and end what it has", true, cli::user_remove);
    add_format(add_user("list", "those there are", false, cli::user_list), account.format);

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
