// The beginning of a record's line, read without parsing all of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vitrine::audit {

struct LineHead {
    std::string_view time;
    std::string_view type;
    std::string_view session;
    std::uint64_t statement = 0;  // 0: the record has none
    bool has_sql = false;
    std::uint64_t of = 0;  // of a statement that runs another: which

    // The views point into `line`, or into this where the line is not as vitrine writes it and had
    // to be parsed. False: it is no record.
    [[nodiscard]] bool read(std::string_view line);

  private:
    [[nodiscard]] bool read_written(std::string_view line);

    std::string own_;
};

}  // namespace vitrine::audit
