// A statement's record that is made, and not in its file yet (QueryLog::stage).
#pragma once

#include <cstdint>
#include <memory>

namespace vitrine::audit {

struct Stage;

enum class StageState : std::uint8_t { kOpen, kWritten, kFailed };

// Cheap to copy. Those that were staged one after the other share one stage, until it is written.
class Staged {
  public:
    Staged() = default;  // written
    explicit Staged(std::shared_ptr<Stage> stage) : stage_(std::move(stage)) {}

    // kFailed: nothing of the record is in the file, and never will be. From any thread.
    [[nodiscard]] StageState state() const;
    [[nodiscard]] bool shares_stage_with(const Staged& other) const {
        return stage_ == other.stage_;
    }

  private:
    friend class QueryLog;
    std::shared_ptr<Stage> stage_;
};

}  // namespace vitrine::audit
