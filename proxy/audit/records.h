// Records as the readers see them: one after the other, parsed.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "proxy/audit/log_files.h"

namespace vitrine::audit {

// A parsed record. The accessors never fail: what is missing or of another kind is empty or 0.
class Record {
  public:
    explicit Record(const boost::json::object& fields) : fields_(&fields) {}

    [[nodiscard]] std::string_view text(std::string_view name) const;
    [[nodiscard]] std::uint64_t number(std::string_view name) const;
    [[nodiscard]] const boost::json::object& fields() const { return *fields_; }
    [[nodiscard]] const boost::json::value* find(std::string_view name) const {
        return fields_->if_contains(name);
    }
    // The elements of a list of texts; one that was not valid UTF-8 as `\x…` in hex digits.
    [[nodiscard]] std::vector<std::string> list(std::string_view name) const;

  private:
    const boost::json::object* fields_;
};

struct RecordPlace {
    std::string_view file;  // "alice/2026-11-24.jsonl"
    std::uint64_t line = 0;
    std::string_view text;  // without its newline
};

// Reads every record of a file. Lines that are no JSON object are complained of on `err`. False
// where there was such a complaint.
bool read_records(const std::filesystem::path& directory, const std::string& name,
                  const std::function<void(const RecordPlace&, const Record&)>& each,
                  std::ostream& err);

// The log's files, or exit status 2 said on `err`.
[[nodiscard]] bool find_log(const std::filesystem::path& directory, LogFiles& files,
                            std::ostream& err);

// "2026-11-24T13:38:32.123456Z" as people read it: "2026-11-24 13:38:32.123456".
[[nodiscard]] std::string readable_time(std::string_view time);

}  // namespace vitrine::audit
