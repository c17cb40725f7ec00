#include "proxy/audit/index_file.h"

#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace vitrine::audit {

namespace {

// The version: another one is another magic, and its files are made anew. The order of bytes is the
// machine's, which the magic's last number shows.
constexpr std::string_view kMagic = "vitrine index 1\n";
constexpr std::uint64_t kByteOrder = 0x0102030405060708U;
constexpr std::size_t kHeadBytes = kMagic.size() + 2 * sizeof(std::uint64_t);

// Against accidents, not against people (those are kept out by the file's owner and mode): fast.
std::uint64_t checksum(std::string_view bytes) {
    std::uint64_t lanes[4] = {1, 2, 3, 4};
    std::size_t at = 0;
    for (; at + 32 <= bytes.size(); at += 32) {
        for (std::size_t lane = 0; lane < 4; ++lane) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + at + lane * 8, sizeof word);
            lanes[lane] = std::rotl((lanes[lane] ^ word) * 0x9E3779B97F4A7C15U, 29);
        }
    }
    std::uint64_t sum = bytes.size();
    for (; at < bytes.size(); ++at) {
        sum = std::rotl((sum ^ static_cast<unsigned char>(bytes[at])) * 0xBF58476D1CE4E5B9U, 31);
    }
    for (const std::uint64_t lane : lanes) {
        sum = std::rotl((sum ^ lane) * 0x94D049BB133111EBU, 27);
    }
    return sum;
}

class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}

    template <typename Number>
    void number(Number value) {
        static_assert(std::is_trivially_copyable_v<Number>);
        out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void text(std::string_view text) {
        number(std::uint64_t{text.size()});
        out_ += text;
    }
    template <typename T>
    void list(const std::vector<T>& list) {
        static_assert(std::is_trivially_copyable_v<T>);
        number(std::uint64_t{list.size()});
        if (!list.empty()) {
            out_.append(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T));
        }
    }

  private:
    std::string& out_;
};

// Once something did not fit, all that follows is empty.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    template <typename Number>
    Number number() {
        Number value{};
        const std::string_view raw = take(sizeof value);
        if (good_) {
            std::memcpy(&value, raw.data(), sizeof value);
        }
        return value;
    }
    std::string_view text() { return take(number<std::uint64_t>()); }
    template <typename T>
    std::vector<T> list() {
        const auto count = number<std::uint64_t>();
        if (count > rest_.size() / sizeof(T)) {
            good_ = false;
            return {};
        }
        std::vector<T> list(static_cast<std::size_t>(count));
        const std::string_view raw = take(count * sizeof(T));
        if (good_ && !list.empty()) {
            std::memcpy(static_cast<void*>(list.data()), raw.data(), raw.size());
        }
        return list;
    }
    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] bool at_end() const { return good_ && rest_.empty(); }

  private:
    std::string_view take(std::uint64_t size) {
        if (!good_ || size > rest_.size()) {
            good_ = false;
            return {};
        }
        const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(static_cast<std::size_t>(size));
        return taken;
    }

    std::string_view rest_;
    bool good_ = true;
};

void write_block(Writer& writer, const IndexedBlock& block) {
    writer.number(block.offset);
    writer.number(block.size);
    writer.number(block.first_line);
    writer.number(block.lines);
    writer.number(block.unreadable);
    writer.number(block.first_time);
    writer.number(block.last_time);
    writer.number(block.flags);
    writer.list(block.sessions);
    writer.list(block.unended);
    writer.list(block.borrowing);
    writer.list(block.sqlstates);
    writer.list(block.starts);
    writer.text(block.grams);
}

IndexedBlock read_block(Reader& reader) {
    IndexedBlock block;
    block.offset = reader.number<std::uint64_t>();
    block.size = reader.number<std::uint64_t>();
    block.first_line = reader.number<std::uint64_t>();
    block.lines = reader.number<std::uint64_t>();
    block.unreadable = reader.number<std::uint64_t>();
    block.first_time = reader.number<std::int64_t>();
    block.last_time = reader.number<std::int64_t>();
    block.flags = reader.number<std::uint32_t>();
    block.sessions = reader.list<std::uint32_t>();
    block.unended = reader.list<std::uint32_t>();
    block.borrowing = reader.list<std::uint32_t>();
    block.sqlstates = reader.list<std::uint32_t>();
    block.starts = reader.list<IndexedBlock::Start>();
    block.grams = reader.text();
    return block;
}

// A filter is a power of two of bytes, and the blocks cover the file without a gap.
bool holds_together(const IndexedFile& file) {
    std::uint64_t offset = 0;
    std::uint64_t line = 1;
    for (const IndexedBlock& block : file.blocks) {
        if (block.offset != offset || block.first_line != line || block.size == 0 ||
            (!block.grams.empty() && !std::has_single_bit(block.grams.size()))) {
            return false;
        }
        offset += block.size;
        line += block.lines;
    }
    return offset == file.end;
}

}  // namespace

std::string index_bytes(const UserIndex& index) {
    std::string bytes(kMagic);
    Writer writer(bytes);
    writer.number(kByteOrder);
    writer.number(std::uint64_t{0});  // the checksum's place
    writer.number(std::uint64_t{index.files.size()});
    for (const auto& [name, file] : index.files) {
        writer.text(name);
        writer.number(file.size_on_disk);
        writer.number(file.changed_ns);
        writer.number(file.end);
        writer.text(file.last_line_hash);
        writer.number(std::uint64_t{file.blocks.size()});
        for (const IndexedBlock& block : file.blocks) {
            write_block(writer, block);
        }
    }
    const std::uint64_t sum = checksum(std::string_view(bytes).substr(kHeadBytes));
    std::memcpy(bytes.data() + kHeadBytes - sizeof sum, &sum, sizeof sum);
    return bytes;
}

std::optional<UserIndex> read_index_bytes(std::string bytes) {
    UserIndex index;
    index.bytes = std::move(bytes);
    const std::string_view all = index.bytes;
    if (all.size() < kHeadBytes || !all.starts_with(kMagic)) {
        return std::nullopt;
    }
    Reader head(all.substr(kMagic.size()));
    if (head.number<std::uint64_t>() != kByteOrder ||
        head.number<std::uint64_t>() != checksum(all.substr(kHeadBytes))) {
        return std::nullopt;
    }
    Reader reader(all.substr(kHeadBytes));
    const auto count = reader.number<std::uint64_t>();
    for (std::uint64_t i = 0; i < count && reader.good(); ++i) {
        IndexedFile file;
        file.name = reader.text();
        file.size_on_disk = reader.number<std::uint64_t>();
        file.changed_ns = reader.number<std::int64_t>();
        file.end = reader.number<std::uint64_t>();
        file.last_line_hash = reader.text();
        const auto blocks = reader.number<std::uint64_t>();
        for (std::uint64_t block = 0; block < blocks && reader.good(); ++block) {
            file.blocks.push_back(read_block(reader));
        }
        if (!reader.good() || !holds_together(file)) {
            return std::nullopt;
        }
        index.files.insert_or_assign(file.name, std::move(file));
    }
    if (!reader.at_end()) {
        return std::nullopt;
    }
    return index;
}

}  // namespace vitrine::audit
