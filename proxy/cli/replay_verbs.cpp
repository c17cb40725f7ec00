#include "proxy/cli/replay_verbs.h"

#include <iostream>
#include <memory>
#include <optional>

#include "proxy/audit/names.h"
#include "proxy/cli/moment.h"
#include "proxy/cli/verbs.h"
#include "proxy/net/database.h"
#include "proxy/replay/policy_replay.h"
#include "proxy/replay/session_replay.h"

namespace vitrine::cli {

namespace {

// As the records write times; empty: none was asked for. nullopt: that is no time.
std::optional<std::string> time_of(const std::string& text, bool until) {
    std::string time;
    if (!text.empty()) {
        const auto moment = parse_moment(text, until);
        if (!moment) {
            return std::nullopt;
        }
        audit::append_time(time, *moment);
    }
    return time;
}

int complain(const std::string& sentence) {
    std::cerr << "vitrine: " << sentence << '\n';
    return kCouldNotRun;
}

std::shared_ptr<const parser::CatalogSnapshot> load_catalog(const config::Database& database,
                                                            std::string& error) {
    return net::load_catalog(database, error);
}

int by_policy(const ReplayArguments& arguments) {
    const auto since = time_of(arguments.since, false);
    const auto until = time_of(arguments.until, true);
    if (!since || !until) {
        return complain(
            "--since and --until take a duration (30d, 2h), a day (2026-11-24) or a time "
            "(2026-11-24T13:38:32Z)");
    }
    const auto candidate = load_or_complain(arguments.policy);
    if (candidate == nullptr) {
        return kCouldNotRun;
    }
    std::string directory = arguments.directory;
    if (directory.empty()) {
        const auto config =
            arguments.config.empty() ? candidate : load_or_complain(arguments.config);
        if (config == nullptr) {
            return kCouldNotRun;
        }
        directory = config->audit.directory.string();
    }
    if (!arguments.database.empty() && !candidate->databases.contains(arguments.database)) {
        return complain("no database \"" + arguments.database + "\" in " + arguments.policy);
    }
    return replay::replay_policy({.directory = directory,
                                  .since = *since,
                                  .until = *until,
                                  .user = arguments.user,
                                  .database = arguments.database},
                                 *candidate, load_catalog, arguments.format, std::cout, std::cerr);
}

int by_session(const ReplayArguments& arguments) {
    if (arguments.against.empty() || arguments.config.empty()) {
        return complain(
            "a session is run again --against a database (a connection string), and judged by the "
            "rules of --config");
    }
    const auto config = load_or_complain(arguments.config);
    if (config == nullptr) {
        return kCouldNotRun;
    }
    return replay::replay_session(
        {.directory =
             arguments.directory.empty() ? config->audit.directory.string() : arguments.directory,
         .session = arguments.session,
         .against = arguments.against,
         .through_proxy = arguments.through_proxy,
         .original_pace = arguments.original_pace},
        *config, load_catalog, arguments.format, std::cout, std::cerr);
}

}  // namespace

int audit_replay(const ReplayArguments& arguments) {
    if (arguments.policy.empty() == arguments.session.empty()) {
        return complain(
            "say what to replay: a session (`replay last --against ...`), or what is on record by "
            "another configuration (`replay --policy FILE`)");
    }
    return arguments.policy.empty() ? by_session(arguments) : by_policy(arguments);
}

}  // namespace vitrine::cli
