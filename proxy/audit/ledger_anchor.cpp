#include "proxy/audit/ledger_anchor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "proxy/audit/chain.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/run_program.h"

namespace vitrine::audit {

using boost::system::result;

namespace {

// A checkpoint is written each second: more often there is nothing to copy.
constexpr std::chrono::milliseconds kLookEvery{1000};
// After a failure the next try comes later and later, up to this.
constexpr std::chrono::seconds kRetryMax{60};

// Handed on at once: a program's input, or one write. At least a line.
constexpr std::uint64_t kPieceBytes = 1024 * 1024;

// Also how long a program that hangs can hold up the end of the process.
constexpr std::chrono::seconds kProgramMax{10};

std::string said(std::string_view place, const boost::system::error_code& error) {
    return std::string(place) + ": " + error.message();
}

// The hash in a line of the ledger; nothing where it is none.
std::optional<HexDigest> hash_of(std::string_view text) {
    const auto line = parse_line(text);
    return line ? parse_digest(line->hash) : std::nullopt;
}

}  // namespace

LedgerAnchor::LedgerAnchor(const config::LedgerAnchor& anchor, int directory, Ledger& ledger,
                           Report report)
    : anchor_(anchor), directory_(directory), ledger_(ledger), report_(std::move(report)) {
    thread_ = std::thread([this] { run(); });
}

LedgerAnchor::~LedgerAnchor() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wakes_.notify_all();
    thread_.join();
}

void LedgerAnchor::run() {
    std::chrono::milliseconds pause = kLookEvery;
    std::unique_lock lock(mutex_);
    while (true) {
        const bool last = stopping_;
        lock.unlock();
        const std::string trouble = advance();
        report_(trouble);
        lock.lock();
        if (last) {
            return;
        }
        pause = trouble.empty() ? kLookEvery
                                : std::min<std::chrono::milliseconds>(pause * 2, kRetryMax);
        wakes_.wait_for(lock, pause, [this] { return stopping_; });
    }
}

// Hands on what has come since; what went wrong, or empty.
std::string LedgerAnchor::advance() {
    const std::uint64_t size = ledger_.size();
    if (placed_ && done_ == size) {
        return {};
    }
    if (!reading_.is_open()) {
        reading_ =
            Descriptor(::openat(directory_, kLedgerName.data(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!reading_.is_open()) {
            return said(kLedgerName, last_system_error());
        }
    }
    // The copy must not be ahead of the disk: after a power cut the ledger would go on elsewhere,
    // and look as if it had been cut back by hand.
    if (::fdatasync(reading_.get()) != 0) {
        return said(kLedgerName, last_system_error());
    }
    if (!placed_) {
        if (auto trouble = find_place(); !trouble.empty()) {
            return trouble;
        }
        placed_ = true;
    }
    while (done_ < size) {
        LineReader reader(LogSource::of(reading_.get()), done_);
        std::string lines;
        std::string_view line;
        // The copy may have half of a line: then the first one here is its other half.
        while (reader.offset() < size && lines.size() < kPieceBytes && reader.next(line)) {
            lines.append(line) += '\n';
        }
        if (reader.error()) {
            return said(kLedgerName, reader.error());
        }
        if (lines.empty()) {
            return std::string(kLedgerName) + ": it is shorter than what was written to it";
        }
        if (auto trouble = hand_on(lines); !trouble.empty()) {
            return trouble;
        }
        done_ += lines.size();
    }
    return {};
}

std::string LedgerAnchor::find_place() {
    return anchor_.directory.empty() ? find_place_of_command() : find_place_in_copy();
}

// The copy must be a beginning of the ledger. Its last whole line says so for all before it, by
// their hashes; what is torn behind that is compared as it stands.
std::string LedgerAnchor::find_place_in_copy() {
    const std::string place = (anchor_.directory / kLedgerName).string();
    const Descriptor directory(
        ::open(anchor_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open()) {
        return said(anchor_.directory.string(), last_system_error());
    }
    auto file = open_to_append(directory.get(), std::string(kLedgerName), true);
    if (!file) {
        return said(place, file.error());
    }
    struct stat status {};
    if (::fsync(directory.get()) != 0 || ::fstat(file->get(), &status) != 0) {
        return said(place, last_system_error());
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    // Two lines back at most are read: from the start of the last whole line to the end.
    std::string line;
    std::uint64_t begin = size;
    char last = '\n';
    while (begin > 0 && read_exactly(file->get(), begin - 1, &last, 1) && last != '\n') {
        --begin;
    }
    if (read_line_before(file->get(), begin, line)) {
        begin -= line.size() + 1;
    }
    std::string theirs(static_cast<std::size_t>(size - begin), '\0');
    std::string ours = theirs;
    if (!read_exactly(file->get(), begin, theirs.data(), theirs.size())) {
        return said(place, last_system_error());
    }
    if (size > ledger_.size() || !read_exactly(reading_.get(), begin, ours.data(), ours.size()) ||
        ours != theirs) {
        return place +
               " is not a copy of this ledger's beginning: one of them was exchanged or "
               "cut; look into it (vitrine audit verify --anchor), and name another "
               "directory to begin a new copy";
    }
    auto copy = AppendFile::adopt(std::move(*file), size);
    if (!copy) {
        return said(place, copy.error());
    }
    copy_ = std::move(*copy);
    done_ = size;
    return {};
}

// "BYTES HASH": of the ledger, and of the line that ends there. Whatever else stands there, the
// whole ledger is handed on once more: twice does no harm, and not at all does.
std::string LedgerAnchor::find_place_of_command() {
    done_ = 0;
    const Descriptor file(
        ::openat(directory_, kAnchorCursor, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    char text[128];
    const ssize_t got = file.is_open() ? ::read(file.get(), text, sizeof text) : 0;
    if (got <= 0) {
        return {};
    }
    const std::string_view cursor(text, static_cast<std::size_t>(got));
    std::uint64_t bytes = 0;
    const auto number = std::from_chars(cursor.data(), cursor.data() + cursor.size(), bytes);
    const auto rest = cursor.substr(static_cast<std::size_t>(number.ptr - cursor.data()));
    std::string line;
    if (number.ec == std::errc{} && bytes <= ledger_.size() &&
        read_line_before(reading_.get(), bytes, line)) {
        const auto hash = hash_of(line);
        if (hash && rest == " " + std::string(hash->view()) + "\n") {
            done_ = bytes;
        }
    }
    return {};
}

std::string LedgerAnchor::hand_on(const std::string& lines) {
    if (anchor_.directory.empty()) {
        auto trouble = run_program(anchor_.command, lines, kProgramMax);
        if (!trouble.empty()) {
            return trouble;
        }
        const auto last = lines.rfind('\n', lines.size() - 2) + 1;
        const auto hash = hash_of(std::string_view(lines).substr(last, lines.size() - 1 - last));
        const auto saved =
            save_cursor(done_ + lines.size(), hash ? hash->view() : std::string_view("-"));
        return saved ? std::string() : said(kAnchorCursor, saved.error());
    }
    const std::string place = (anchor_.directory / kLedgerName).string();
    auto written = copy_.check_place(AT_FDCWD, place);
    if (written) {
        written = copy_.append(lines, true);
    }
    if (!written) {
        // Found anew next time: a file that only grows may have kept a part of it.
        placed_ = false;
        copy_ = AppendFile();
        return said(place, written.error());
    }
    return {};
}

result<void> LedgerAnchor::save_cursor(std::uint64_t bytes, std::string_view hash) {
    const std::string text = std::to_string(bytes) + " " + std::string(hash) + "\n";
    const std::string next = std::string(kAnchorCursor) + ".new";
    ::unlinkat(directory_, next.c_str(), 0);
    const Descriptor file(::openat(directory_, next.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open() ||
        ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(file.get()) != 0 ||
        ::renameat(directory_, next.c_str(), directory_, kAnchorCursor) != 0) {
        return last_system_error();
    }
    return {};
}

}  // namespace vitrine::audit
