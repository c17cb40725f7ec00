#include "proxy/cli/replay_verbs.h"

#include <chrono>
#include <iostream>
#include <optional>

#include "config/duration.h"
#include "proxy/audit/names.h"
#include "proxy/cli/verbs.h"
#include "proxy/net/database.h"
#include "proxy/replay/policy_replay.h"

namespace vitrine::cli {

namespace {

// "30d" (back from now), "2026-11-24" or "2026-11-24T13:38:32.5Z", as the records' times begin;
// nullopt: none of these.
std::optional<std::string> time_of(const std::string& text) {
    if (text.empty()) {
        return text;
    }
    if (const auto back = config::parse_duration(text)) {
        std::string time;
        audit::append_time(time, std::chrono::floor<std::chrono::microseconds>(
                                     std::chrono::system_clock::now() - *back));
        return time;
    }
    const std::string day = text.substr(0, 10);
    std::string full = text;
    if (full.size() == day.size()) {
        full += "T00:00:00.000000Z";
    } else if (full.ends_with('Z') && full.size() == 20) {
        full.insert(19, ".000000");
    }
    if (!audit::parse_time(full)) {
        return std::nullopt;
    }
    return full;
}

}  // namespace

int audit_replay(const ReplayArguments& arguments) {
    const auto since = time_of(arguments.since);
    const auto until = time_of(arguments.until);
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
