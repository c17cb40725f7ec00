// What the conversations of one worker with one database come to, for the metrics. Written by that
// worker alone and read by anybody: relaxed, and no instruction that other cores wait for. The sum
// over the workers is whoever's that renders them (net::Metrics).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "proxy/audit/query_log.h"

namespace vitrine::session {

// One thread adds, at a time.
class Counter {
  public:
    void add(std::uint64_t more = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    // Takes over what was counted elsewhere.
    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

// The limit of its user's that a statement met.
enum class LimitMet : std::uint8_t {
    kRows,
    kBytes,
    kHourRows,
    kHourBytes,
    kTime,
    kRate,
    kCost,
};
inline constexpr std::size_t kLimitsMet = static_cast<std::size_t>(LimitMet::kCost) + 1;
inline constexpr std::size_t kEndCauses = static_cast<std::size_t>(audit::EndCause::kShutdown) + 1;

struct alignas(64) Counters {
    Counter sessions;  // begun
    std::array<Counter, kEndCauses> ended;
    Counter allowed;
    Counter rejected;
    // Of the results, as their records have them: counted when a statement has ended.
    Counter rows;
    Counter bytes;
    std::array<Counter, kLimitsMet> limited;

    void end(audit::EndCause cause) { ended[static_cast<std::size_t>(cause)].add(); }
    void limit(LimitMet met) { limited[static_cast<std::size_t>(met)].add(); }
};

}  // namespace vitrine::session
