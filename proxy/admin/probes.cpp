#include "proxy/admin/probes.h"

#include <fmt/format.h>

#include "config/limits.h"

namespace vitrine::admin {

std::vector<std::string> health_problems(net::Shared& shared) {
    std::vector<std::string> problems;
    if (const std::string trouble = shared.log->try_to_write(); !trouble.empty()) {
        // Without the directory, which is a user's name.
        problems.push_back("the query log cannot be written: " +
                           trouble.substr(trouble.rfind('/', trouble.find(": ")) + 1));
    }
    if (const auto silence = shared.metrics.longest_silence(); silence > limits::kWorkerSilentMax) {
        problems.push_back(
            fmt::format("a worker has not looked at its sessions for {} s", silence.count()));
    }
    return problems;
}

std::vector<std::string> readiness_problems(net::Shared& shared) {
    std::vector<std::string> problems = health_problems(shared);
    if (shared.draining) {
        problems.emplace_back("draining: no more logins are taken");
    }
    const auto current = shared.current();
    for (const auto& [name, database] : current->databases) {
        // A catalog is believed for minutes after the server is gone; no login would get there.
        if (const std::string why = database->catalog_error(); !why.empty()) {
            problems.push_back("database " + name + ": " + why);
        } else if (database->policy({}) == nullptr) {
            problems.push_back("database " + name + ": its catalog is too old to be believed");
        }
    }
    if (shared.access != nullptr && !shared.access->current() &&
        !current->config->access.accept_without_store) {
        const std::string trouble = shared.access->trouble();
        problems.push_back("the store of access.store does not answer" +
                           (trouble.empty() ? "" : ": " + trouble));
    }
    return problems;
}

Readings read_metrics(net::Shared& shared) {
    const auto current = shared.current();
    Readings readings;
    readings.version = VITRINE_VERSION;
    readings.connections = shared.connections.load();
    readings.kept_servers = shared.kept.size();
    readings.audit_writable = shared.log->try_to_write().empty();
    readings.totals = shared.metrics.totals();
    readings.audit_records = shared.log->records();
    readings.audit_failures = shared.log->failures();
    for (const auto& [name, database] : current->databases) {
        readings.totals.databases.try_emplace(name);  // 0, and not nothing, before the first one
        readings.catalogs[name] = {.loads = database->catalog_loads(),
                                   .failures = database->catalog_failures(),
                                   .usable = database->policy({}) != nullptr};
    }
    if (shared.access != nullptr) {
        auto& store = readings.store.emplace();
        store.available = shared.access->current();
        if (store.available) {
            const auto grants = shared.access->store().grants(
                {.unreviewed_emergencies = true, .most = limits::kUnreviewedCountMax});
            if (grants) {
                store.unreviewed = grants->size();
            } else {
                shared.access->count_error();
            }
        }
        store.errors = shared.access->errors();
    }
    readings.grants_made = shared.metrics.grants_made;
    readings.grants_denied = shared.metrics.grants_denied;
    readings.grants_revoked = shared.metrics.grants_revoked;
    readings.emergency_grants = shared.metrics.emergency_grants;
    readings.revocations = shared.metrics.revocations;
    readings.certificate_end = net::certificate_end(current->listener_tls.get());
    return readings;
}

}  // namespace vitrine::admin
