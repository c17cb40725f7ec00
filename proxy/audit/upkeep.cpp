#include "proxy/audit/upkeep.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "proxy/audit/compressed_file.h"
#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

using boost::system::result;

namespace {

constexpr std::chrono::hours kRoundEvery{1};

// Behind the workers' threads, and behind other programs of the machine.
constexpr int kNice = 10;

constexpr std::size_t kPieceBytes = 1024 * 1024;

std::string said(const std::string& name, const boost::system::error_code& error) {
    return name + ": " + error.message();
}

result<Descriptor> open_sealed(int directory, const std::string& name) {
    Descriptor file(
        ::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (!file.is_open() || ::fstat(file.get(), &status) != 0) {
        return errno == ELOOP ? make_error_code(AuditError::kNotAFile) : last_system_error();
    }
    if (!S_ISREG(status.st_mode)) {
        return AuditError::kNotAFile;
    }
    return file;
}

result<HexDigest> digest_of(LogSource& source, const std::function<bool()>& go_on) {
    Sha256 sha;
    sha.begin();
    std::string piece(kPieceBytes, '\0');
    std::uint64_t offset = 0;
    while (true) {
        if (!go_on()) {
            return boost::system::errc::make_error_code(boost::system::errc::operation_canceled);
        }
        const auto got = source.read(offset, piece.data(), piece.size());
        if (!got) {
            return got.error();
        }
        if (*got == 0) {
            return sha.end();
        }
        sha.update(std::string_view(piece).substr(0, *got));
        offset += *got;
    }
}

// The directory of `name`'s user, to put names into it.
result<Descriptor> open_directory_of(int directory, const std::string& name) {
    Descriptor user(::openat(directory, name.substr(0, name.find('/')).c_str(),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!user.is_open()) {
        return last_system_error();
    }
    return user;
}

// Compressed, on the disk, and read back.
result<HexDigest> write_compressed(int from, int to, const std::function<bool()>& go_on) {
    const auto sha = compress(from, to, go_on);
    if (!sha) {
        return sha.error();
    }
    if (::fsync(to) != 0) {
        return last_system_error();
    }
    Descriptor reading(::fcntl(to, F_DUPFD_CLOEXEC, 0));
    if (!reading.is_open()) {
        return last_system_error();
    }
    auto written = LogSource::of_compressed(std::move(reading));
    return written ? digest_of(*written, go_on) : written.error();
}

}  // namespace

std::string compress_sealed(int directory, const Seal& seal, const std::function<bool()>& go_on) {
    const std::string& name = seal.end.file;
    const auto plain = open_sealed(directory, name);
    if (!plain) {
        return said(name, plain.error());
    }
    const auto user = open_directory_of(directory, name);
    if (!user) {
        return said(name, user.error());
    }
    const std::string day = name.substr(name.find('/') + 1);
    const std::string compressed = day + std::string(kCompressedSuffix);
    const std::string next = compressed + ".new";
    ::unlinkat(user->get(), next.c_str(), 0);
    const Descriptor out(::openat(user->get(), next.c_str(),
                                  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out.is_open()) {
        return said(next, last_system_error());
    }
    const auto sha = write_compressed(plain->get(), out.get(), go_on);
    if (!sha || *sha != seal.sha256) {
        ::unlinkat(user->get(), next.c_str(), 0);
        return sha ? name + ": it is not what was sealed; it stays as it is"
                   : said(next, sha.error());
    }
    // The one is known to be on the disk, under its name, before the other goes.
    if (::renameat(user->get(), next.c_str(), user->get(), compressed.c_str()) != 0 ||
        ::fsync(user->get()) != 0 || ::unlinkat(user->get(), day.c_str(), 0) != 0 ||
        ::fsync(user->get()) != 0) {
        return said(name, last_system_error());
    }
    return {};
}

Upkeep::Upkeep(const config::Audit& audit, int directory, Ledger& ledger, Clock clock,
               Report report)
    : path_(audit.directory),
      compress_(audit.compress),
      retain_(audit.retain),
      retain_bytes_(audit.retain_bytes),
      directory_(directory),
      ledger_(ledger),
      clock_(std::move(clock)),
      report_(std::move(report)) {
    thread_ = std::thread([this] { run(); });
}

Upkeep::~Upkeep() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wakes_.notify_all();
    thread_.join();
}

void Upkeep::run() {
    static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice));
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        run_round();
        lock.lock();
        wakes_.wait_for(lock, kRoundEvery, [this] { return stopping_; });
    }
}

bool Upkeep::go_on() {
    const std::lock_guard lock(mutex_);
    return !stopping_;
}

void Upkeep::run_round() {
    std::string trouble = round();
    if (go_on()) {
        report_(trouble);
    }
}

// The first thing that could not be done does not keep the rest from being done.
std::string Upkeep::round() {
    const std::lock_guard one_at_a_time(round_mutex_);
    const auto now = std::chrono::floor<std::chrono::microseconds>(clock_());
    if (const auto read = read_ledger(); !read) {
        return said(std::string(kLedgerName), read.error());
    }
    // A process writes files of today, and of yesterday just after midnight.
    const auto horizon = std::chrono::floor<std::chrono::days>(now) - std::chrono::days(1);
    horizon_ = std::max(horizon, horizon_.load());

    LogFiles listed = list_log_files(path_);
    std::string trouble;
    for (LogFile& file : listed.files) {
        if (!go_on()) {
            return trouble;
        }
        if (*day_of(file.name) < horizon) {
            std::string wrong = care_for(file, now);
            trouble = trouble.empty() ? std::move(wrong) : trouble;
        }
    }
    std::string wrong = retain(list_log_files(path_).files, now);
    return trouble.empty() ? wrong : trouble;
}

// What was written to the ledger since the last round.
result<void> Upkeep::read_ledger() {
    const Descriptor file(
        ::openat(directory_, kLedgerName.data(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.is_open()) {
        return last_system_error();
    }
    const std::uint64_t size = ledger_.size();
    LineReader reader(LogSource::of(file.get()), ledger_read_);
    std::string_view text;
    while (reader.offset() < size && reader.next(text)) {
        const auto line = parse_line(text);
        const auto entry = line ? read_entry(text) : std::nullopt;
        if (entry) {
            learn(*line, *entry);
        }
        ledger_read_ = reader.offset();
    }
    return reader.error() ? result<void>(reader.error()) : result<void>();
}

void Upkeep::learn(const ChainedLine& line, const LedgerEntry& entry) {
    const auto begin = [&](const std::string& file, std::uint64_t seq, std::uint64_t bytes) {
        known_[file].end = {file, seq, bytes, *parse_digest(line.hash), true};
    };
    const auto grow = [&](const Anchor& anchor) {
        Anchor& end = known_[anchor.file].end;
        if (anchor.seq >= end.seq) {
            end = anchor;
        }
    };
    if (const auto* opened = std::get_if<FileOpened>(&entry)) {
        begin(opened->file, 0, 0);
    } else if (const auto* broken = std::get_if<Broken>(&entry)) {
        begin(broken->file, broken->lines, broken->bytes);
    } else if (const auto* checkpoint = std::get_if<Checkpoint>(&entry)) {
        for (const Anchor& anchor : checkpoint->files) {
            grow(anchor);
        }
    } else if (const auto* repaired = std::get_if<Repaired>(&entry)) {
        known_[repaired->kept.file].end = repaired->kept;
    } else if (const auto* sealed = std::get_if<Sealed>(&entry)) {
        known_[sealed->seal.end.file] = {sealed->seal.end, sealed->seal, false};
    } else if (const auto* removed = std::get_if<Removed>(&entry)) {
        known_[removed->seal.end.file] = {removed->seal.end, removed->seal, true};
    }
}

// A file whose day is over.
std::string Upkeep::care_for(LogFile& file, Microseconds now) {
    const auto at = known_.find(file.name);
    if (at == known_.end()) {
        return {};  // for verify to complain of
    }
    Known& known = at->second;
    if (known.removed) {
        // The process before was killed between the entry and the removal.
        return remove(file.name, {}, now);
    }
    if (!known.seal) {
        if (known.end.begins_chain) {
            return {};  // nothing was written since: there is no record to seal
        }
        if (auto wrong = seal(file.name, known, now); !wrong.empty()) {
            return wrong;
        }
    }
    if (compress_ && !file.compressed && go_on()) {
        return compress_sealed(directory_, *known.seal, [this] { return go_on(); });
    }
    return {};
}

std::string Upkeep::seal(const std::string& name, Known& known, Microseconds now) {
    const auto file = open_sealed(directory_, name);
    if (!file) {
        return said(name, file.error());
    }
    struct stat status {};
    std::string text;
    if (::fstat(file->get(), &status) != 0) {
        return said(name, last_system_error());
    }
    const std::string changed = name +
                                ": it is not as the ledger says, and is not sealed; `vitrine "
                                "audit verify` says what is wrong";
    if (static_cast<std::uint64_t>(status.st_size) != known.end.bytes ||
        !read_line_before(file->get(), known.end.bytes, text)) {
        return changed;
    }
    const auto line = parse_line(text);
    if (!line || line->hash != known.end.hash.view() ||
        Sha256().of(line->hashed) != known.end.hash) {
        return changed;
    }
    LogSource source = LogSource::of(file->get());
    const auto sha = digest_of(source, [this] { return go_on(); });
    if (!sha) {
        return said(name, sha.error());
    }
    const Seal made{known.end, *sha};
    if (const auto written = ledger_.sealed(now, made); !written) {
        return said(std::string(kLedgerName), written.error());
    }
    known.seal = made;
    return {};
}

std::string Upkeep::retain(std::vector<LogFile> files, Microseconds now) {
    if (!retain_ && !retain_bytes_) {
        return {};
    }
    std::sort(files.begin(), files.end(), [](const LogFile& a, const LogFile& b) {
        return std::tuple(*day_of(a.name), a.name) < std::tuple(*day_of(b.name), b.name);
    });
    std::uint64_t total = 0;
    for (const LogFile& file : files) {
        total += file.size;
    }
    for (const LogFile& file : files) {
        const auto known = known_.find(file.name);
        if (known == known_.end() || !known->second.seal || !go_on()) {
            continue;
        }
        std::string reason;
        // Counted from the end of the file's day: a record is never younger than that.
        if (retain_ && Microseconds(*day_of(file.name)) + std::chrono::days(1) + *retain_ <= now) {
            reason = "age";
        } else if (retain_bytes_ && total > *retain_bytes_) {
            reason = "size";
        }
        if (!reason.empty()) {
            if (auto wrong = remove(file.name, reason, now); !wrong.empty()) {
                return wrong;
            }
            total -= file.size;
        }
    }
    return {};
}

// The entry first: a file that is gone without one was taken by somebody else. `reason` empty: the
// entry is there.
std::string Upkeep::remove(const std::string& name, const std::string& reason, Microseconds now) {
    const auto known = known_.find(name);
    if (!reason.empty()) {
        if (const auto noted = ledger_.removed(now, *known->second.seal, reason); !noted) {
            return said(std::string(kLedgerName), noted.error());
        }
        known->second.removed = true;
    }
    for (const std::string& file : {name, name + std::string(kCompressedSuffix)}) {
        if (::unlinkat(directory_, file.c_str(), 0) != 0 && errno != ENOENT) {
            return said(file, last_system_error());
        }
    }
    const auto user = open_directory_of(directory_, name);
    if (!user || ::fsync(user->get()) != 0) {
        return said(name, user ? last_system_error() : user.error());
    }
    known_.erase(known);
    return {};
}

}  // namespace vitrine::audit
