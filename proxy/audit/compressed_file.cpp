#include "proxy/audit/compressed_file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "proxy/audit/errors.h"
#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

using boost::system::result;

namespace {

constexpr int kLevel = 6;

// zstd's "seekable format", version 0.1.0.
constexpr std::uint32_t kTableMagic = 0x184D2A5E;
constexpr std::uint32_t kFooterMagic = 0x8F92EAB1;
constexpr std::size_t kTableHead = 8;    // magic, size of what follows
constexpr std::size_t kTableEntry = 8;   // compressed size, size
constexpr std::size_t kTableFooter = 9;  // number of frames, descriptor, magic

void append_number(std::string& out, std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) {
        out += static_cast<char>((number >> shift) & 0xFF);
    }
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;) {
        number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return number;
}

struct CompressionDeleter {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

}  // namespace

void CompressedFile::ContextDeleter::operator()(ZSTD_DCtx_s* context) const {
    ZSTD_freeDCtx(context);
}

result<CompressedFile> CompressedFile::open(Descriptor file) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return last_system_error();
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    std::string footer(kTableFooter, '\0');
    if (size < kTableHead + kTableFooter ||
        !read_exactly(file.get(), size - kTableFooter, footer.data(), footer.size()) ||
        number_at(footer, 5) != kFooterMagic || footer[4] != 0) {
        return AuditError::kDamaged;
    }
    const std::uint64_t count = number_at(footer, 0);
    const std::uint64_t table_bytes = kTableHead + count * kTableEntry + kTableFooter;
    if (table_bytes > size) {
        return AuditError::kDamaged;
    }
    std::string table(static_cast<std::size_t>(table_bytes), '\0');
    if (!read_exactly(file.get(), size - table_bytes, table.data(), table.size()) ||
        number_at(table, 0) != kTableMagic || number_at(table, 4) != table_bytes - kTableHead) {
        return AuditError::kDamaged;
    }
    CompressedFile opened;
    Frame next;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(kTableHead + i * kTableEntry);
        next.compressed = number_at(table, at);
        next.bytes = number_at(table, at + 4);
        if (next.bytes == 0 || next.bytes > kFrameBytes ||
            next.compressed > ZSTD_compressBound(kFrameBytes)) {
            return AuditError::kDamaged;
        }
        opened.frames_.push_back(next);
        next.at += next.compressed;
        next.begin += next.bytes;
    }
    // Nothing may hide between the frames and the table.
    if (next.at != size - table_bytes) {
        return AuditError::kDamaged;
    }
    opened.context_.reset(ZSTD_createDCtx());
    if (opened.context_ == nullptr) {
        throw std::bad_alloc();
    }
    opened.file_ = std::move(file);
    return opened;
}

std::uint64_t CompressedFile::size() const {
    return frames_.empty() ? 0 : frames_.back().begin + frames_.back().bytes;
}

result<void> CompressedFile::load(const Frame& frame) {
    loaded_ = nullptr;
    in_.resize(frame.compressed);
    content_.resize(frame.bytes);
    errno = 0;
    if (!read_exactly(file_.get(), frame.at, in_.data(), in_.size())) {
        return errno != 0 ? last_system_error() : make_error_code(AuditError::kDamaged);
    }
    // One frame and not several, so that what is compressed is there once and nothing else.
    const std::size_t whole = ZSTD_findFrameCompressedSize(in_.data(), in_.size());
    const std::size_t got = ZSTD_decompressDCtx(context_.get(), content_.data(), content_.size(),
                                                in_.data(), in_.size());
    if (whole != in_.size() || ZSTD_isError(got) != 0 || got != frame.bytes) {
        return AuditError::kDamaged;
    }
    loaded_ = &frame;
    return {};
}

result<std::size_t> CompressedFile::read(std::uint64_t offset, char* out, std::size_t size) {
    if (offset >= this->size() || size == 0) {
        return std::size_t{0};
    }
    const auto behind = std::upper_bound(
        frames_.begin(), frames_.end(), offset,
        [](std::uint64_t wanted, const Frame& frame) { return wanted < frame.begin; });
    const Frame& frame = *std::prev(behind);
    if (loaded_ != &frame) {
        if (const auto loaded = load(frame); !loaded) {
            return loaded.error();
        }
    }
    const auto at = static_cast<std::size_t>(offset - frame.begin);
    const std::size_t got = std::min(size, content_.size() - at);
    std::memcpy(out, content_.data() + at, got);
    return got;
}

result<HexDigest> compress(int from, int to, const std::function<bool()>& go_on) {
    const std::unique_ptr<ZSTD_CCtx, CompressionDeleter> context(ZSTD_createCCtx());
    if (context == nullptr) {
        throw std::bad_alloc();
    }
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);

    Sha256 sha;
    sha.begin();
    LogSource source = LogSource::of(from);
    std::string content;
    std::string out(ZSTD_compressBound(kFrameBytes), '\0');
    std::string entries;
    std::uint32_t count = 0;
    std::uint64_t offset = 0;
    bool at_end = false;
    while (true) {
        if (!go_on()) {
            return boost::system::errc::make_error_code(boost::system::errc::operation_canceled);
        }
        while (!at_end && content.size() < kFrameBytes) {
            const std::size_t had = content.size();
            content.resize(kFrameBytes);
            const auto got = source.read(offset, content.data() + had, kFrameBytes - had);
            if (!got) {
                return got.error();
            }
            content.resize(had + *got);
            offset += *got;
            at_end = *got == 0;
        }
        if (content.empty()) {
            break;
        }
        const auto newline = content.rfind('\n');
        const std::size_t take =
            at_end || newline == std::string::npos ? content.size() : newline + 1;
        const std::size_t size =
            ZSTD_compress2(context.get(), out.data(), out.size(), content.data(), take);
        if (ZSTD_isError(size) != 0) {
            throw std::bad_alloc();  // the room is enough for any content
        }
        if (const auto error = write_all(to, {out.data(), size})) {
            return error;
        }
        sha.update(std::string_view(content).substr(0, take));
        append_number(entries, static_cast<std::uint32_t>(size));
        append_number(entries, static_cast<std::uint32_t>(take));
        ++count;
        content.erase(0, take);
    }
    std::string table;
    append_number(table, kTableMagic);
    append_number(table, static_cast<std::uint32_t>(entries.size() + kTableFooter));
    table += entries;
    append_number(table, count);
    table += '\0';
    append_number(table, kFooterMagic);
    if (const auto error = write_all(to, table)) {
        return error;
    }
    return sha.end();
}

}  // namespace vitrine::audit
