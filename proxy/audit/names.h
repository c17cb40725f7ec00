// Where a user's records stand: names of directories and files (docs/query-log.md, "Files").
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::audit {

inline constexpr std::string_view kLedgerName = "ledger.jsonl";
inline constexpr std::string_view kLogSuffix = ".jsonl";

// Takes the records of the empty user name and of strangers beyond the limit.
inline constexpr std::string_view kStrangersDirectory = "%";

// One directory name for each user's name; never empty, never a path, never the ledger's name.
[[nodiscard]] std::string directory_name(std::string_view user);

// "2026-11-24"
[[nodiscard]] std::string day_text(std::chrono::sys_days day);
[[nodiscard]] std::optional<std::chrono::sys_days> parse_day(std::string_view text);

// "alice/2026-11-24.jsonl", and back to its day.
[[nodiscard]] std::string file_name(std::string_view directory, std::chrono::sys_days day);
[[nodiscard]] std::optional<std::chrono::sys_days> day_of(std::string_view file);

// RFC 3339 in UTC: "2026-11-24T13:38:32.123456Z". Always 27 characters for years up to 9999.
using Microseconds = std::chrono::sys_time<std::chrono::microseconds>;
void append_time(std::string& out, Microseconds time);
[[nodiscard]] std::optional<Microseconds> parse_time(std::string_view text);
inline constexpr std::size_t kTimeLength = 27;

// The same for one time after the other: within a second only six digits change.
class TimeText {
  public:
    // Valid until the next call.
    [[nodiscard]] std::string_view of(Microseconds time);

  private:
    std::optional<std::chrono::sys_seconds> second_;
    std::string text_;
};

}  // namespace vitrine::audit
