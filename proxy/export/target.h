// What the log is handed on to. Blocking, for one thread; implementations know one protocol each.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "config/export_target.h"
#include "proxy/export/follower.h"

namespace vitrine::exports {

// How a call of a target's ended.
struct Outcome {
    enum class Kind : std::uint8_t {
        kDone,
        kAgain,  // not now: the same once more, later
        kStop,   // not ever, as things are configured: an operator is needed
    };
    Kind kind = Kind::kDone;
    // The first so many items are handed over, however it ended.
    std::size_t items = 0;
    std::string trouble;                       // kAgain, kStop: one sentence
    std::chrono::milliseconds retry_after{0};  // kAgain: what the target asks for; 0: nothing
    // Of the items that are handed over:
    std::uint64_t shortened = 0;
    std::uint64_t rejected = 0;
};

class Target {
  public:
    virtual ~Target() = default;

    // Hands over the items, or the first of them. Returns soon once `stopping` is set.
    [[nodiscard]] virtual Outcome send(std::span<const Item> items) = 0;

    // Where send() alone does not tell whether the items have arrived: finds out, for all that were
    // sent since the last call. kAgain: none of those may be taken for arrived.
    [[nodiscard]] virtual Outcome confirm() { return {}; }
    [[nodiscard]] virtual bool has_to_confirm() const { return false; }
};

using Say = std::function<void(const std::string&)>;

// Throws std::runtime_error with a sentence where the configuration cannot be used.
[[nodiscard]] std::unique_ptr<Target> make_syslog_target(const config::ExportTarget& target,
                                                         const std::atomic<bool>& stopping,
                                                         const Say& say);
[[nodiscard]] std::unique_ptr<Target> make_otlp_target(const config::ExportTarget& target,
                                                       const std::atomic<bool>& stopping,
                                                       const Say& say);
[[nodiscard]] std::unique_ptr<Target> make_kafka_target(const config::ExportTarget& target,
                                                        const std::atomic<bool>& stopping,
                                                        const Say& say);

}  // namespace vitrine::exports
