#include "proxy/net/metrics.h"

#include <algorithm>

namespace vitrine::net {

namespace {

std::int64_t steady_seconds() {
    return std::chrono::floor<std::chrono::seconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace

std::string_view to_string(LoginCause cause) {
    switch (cause) {
        case LoginCause::kToken:
            return "token";
        case LoginCause::kNoToken:
            return "no_token";
        case LoginCause::kRevoked:
            return "revoked";
        case LoginCause::kNotAllowed:
            return "not_allowed";
        case LoginCause::kCertificate:
            return "certificate";
        case LoginCause::kProtocol:
            return "protocol";
        case LoginCause::kTls:
            return "tls";
        case LoginCause::kSetting:
            return "setting";
        case LoginCause::kLimit:
            return "limit";
        case LoginCause::kStore:
            return "store";
        case LoginCause::kDatabase:
            return "database";
        case LoginCause::kQueryLog:
            return "query_log";
        case LoginCause::kTimeout:
            return "timeout";
        case LoginCause::kUnsupported:
            return "unsupported";
    }
    return "";
}

session::Counters& WorkerMetrics::of(const std::string& database) {
    const std::lock_guard lock(mutex_);
    auto& counters = databases_[database];
    if (counters == nullptr) {
        counters = std::make_unique<session::Counters>();
    }
    return *counters;
}

void WorkerMetrics::tick(std::uint64_t hits, std::uint64_t misses) {
    judgement_hits.set(hits);
    judgement_misses.set(misses);
    ticked_.store(steady_seconds(), std::memory_order_relaxed);
}

std::uint64_t DatabaseTotals::open() const {
    std::uint64_t over = 0;
    for (const std::uint64_t count : ended) {
        over += count;
    }
    // The two are not read at one instant.
    return sessions - std::min(sessions, over);
}

WorkerMetrics& Metrics::add_worker() {
    const std::lock_guard lock(mutex_);
    WorkerMetrics& worker = *workers_.emplace_back(std::make_unique<WorkerMetrics>());
    worker.ticked_.store(steady_seconds(), std::memory_order_relaxed);
    return worker;
}

Totals Metrics::totals() const {
    Totals totals;
    const std::lock_guard lock(mutex_);
    for (const auto& worker : workers_) {
        for (std::size_t i = 0; i < kLoginCauses; ++i) {
            totals.refused[i] += worker->refused_[i].value();
        }
        totals.judgement_hits += worker->judgement_hits.value();
        totals.judgement_misses += worker->judgement_misses.value();
        const std::lock_guard databases_lock(worker->mutex_);
        for (const auto& [name, counters] : worker->databases_) {
            DatabaseTotals& sum = totals.databases[name];
            for (std::size_t i = 0; i < session::kEndCauses; ++i) {
                sum.ended[i] += counters->ended[i].value();
            }
            for (std::size_t i = 0; i < session::kLimitsMet; ++i) {
                sum.limited[i] += counters->limited[i].value();
            }
            sum.sessions += counters->sessions.value();
            sum.allowed += counters->allowed.value();
            sum.rejected += counters->rejected.value();
            sum.rows += counters->rows.value();
            sum.bytes += counters->bytes.value();
        }
    }
    return totals;
}

std::chrono::seconds Metrics::longest_silence() const {
    const std::int64_t now = steady_seconds();
    std::int64_t longest = 0;
    const std::lock_guard lock(mutex_);
    for (const auto& worker : workers_) {
        longest = std::max(longest, now - worker->ticked_.load(std::memory_order_relaxed));
    }
    return std::chrono::seconds(longest);
}

}  // namespace vitrine::net
