#include "proxy/cli/replay_verbs.h"

#include <iostream>
#include <optional>

#include "proxy/audit/names.h"
#include "proxy/cli/moment.h"
#include "proxy/cli/verbs.h"
#include "proxy/net/database.h"
#include "proxy/replay/policy_replay.h"

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

}  // namespace

int audit_replay(const ReplayArguments& arguments) {
    const auto since = time_of(arguments.since, false);
    const auto until = time_of(arguments.until, true);
    if (!since || !until) {
        std::cerr
            << "vitrine: --since and --until take a duration (30d, 2h), a day (2026-11-24) or "
               "a time (2026-11-24T13:38:32Z)\n";
        return kCouldNotRun;
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
        std::cerr << "vitrine: no database \"" << arguments.database << "\" in " << arguments.policy
                  << '\n';
        return kCouldNotRun;
    }
    return replay::replay_policy(
        {.directory = directory,
         .since = *since,
         .until = *until,
         .user = arguments.user,
         .database = arguments.database},
        *candidate,
        [](const config::Database& database, std::string& error) {
            return net::load_catalog(database, error);
        },
        arguments.format, std::cout, std::cerr);
}

}  // namespace vitrine::cli
