// Indexes one log file: reads it line by line and cuts it into blocks (search_index.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/audit/search_index.h"

namespace vitrine::audit {

class Grams;

class IndexBuilder {
  public:
    IndexBuilder();
    ~IndexBuilder();
    IndexBuilder(const IndexBuilder&) = delete;
    IndexBuilder& operator=(const IndexBuilder&) = delete;

    struct Built {
        IndexedFile file;
        std::vector<std::string> grams;  // the new blocks' filters, in order, from `kept` on
        std::size_t kept = 0;            // blocks of `before` that stand
    };
    // `before`: what is known of the file, or nullptr. `read` counts bytes. Nothing where the file
    // cannot be read.
    [[nodiscard]] std::optional<Built> build(const std::filesystem::path& directory,
                                             const std::string& name, const IndexedFile* before,
                                             std::atomic<std::uint64_t>& read);

  private:
    std::unique_ptr<Grams> grams_;
};

struct FileStamp {
    std::uint64_t size_on_disk = 0;
    std::int64_t changed_ns = 0;
};
// Of the file as it stands, compressed or not.
[[nodiscard]] std::optional<FileStamp> stamp_of(const std::filesystem::path& directory,
                                                const std::string& name);

}  // namespace vitrine::audit
