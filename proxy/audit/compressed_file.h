// A sealed file, compressed: `NAME.jsonl.zst` (docs/query-log.md, "Sealed files").
//
// Independent zstd frames of at most kFrameBytes, a checksum in each, and behind them zstd's
// "seekable format" (contrib/seekable_format in its sources): a skippable frame with the sizes of
// all frames. `zstd -d` reads it like any other file.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/audit/append_file.h"
#include "proxy/audit/chain.h"

struct ZSTD_DCtx_s;

namespace vitrine::audit {

inline constexpr std::string_view kCompressedSuffix = ".zst";

// Read at once and kept: what a reader of a compressed file needs of memory. Frames end with a
// line, but for lines that are longer.
inline constexpr std::size_t kFrameBytes = 1024 * 1024;

class CompressedFile {
  public:
    // Reads the table. kDamaged where it does not fit the file.
    [[nodiscard]] static boost::system::result<CompressedFile> open(Descriptor file);

    // Of what was compressed. The table's word for it: nothing was decompressed yet.
    [[nodiscard]] std::uint64_t size() const;

    // As LogSource::read. kDamaged where a frame is not what the table says.
    [[nodiscard]] boost::system::result<std::size_t> read(std::uint64_t offset, char* out,
                                                          std::size_t size);

  private:
    struct Frame {
        std::uint64_t at = 0;     // in the file
        std::uint64_t begin = 0;  // in what was compressed
        std::uint32_t compressed = 0;
        std::uint32_t bytes = 0;
    };
    struct ContextDeleter {
        void operator()(ZSTD_DCtx_s* context) const;
    };

    CompressedFile() = default;
    [[nodiscard]] boost::system::result<void> load(const Frame& frame);

    Descriptor file_;
    std::vector<Frame> frames_;
    std::unique_ptr<ZSTD_DCtx_s, ContextDeleter> context_;
    std::string in_;
    std::string content_;  // of the frame loaded last
    const Frame* loaded_ = nullptr;
};

// Writes what `from` has into `to`, to the end of it, and gives the SHA-256 of it. `go_on` is asked
// between frames; where it says no the error is std::errc::operation_canceled.
[[nodiscard]] boost::system::result<HexDigest> compress(int from, int to,
                                                        const std::function<bool()>& go_on);

}  // namespace vitrine::audit
