#include "proxy/audit/ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "proxy/audit/json_text.h"
#include "proxy/audit/ledger_entry.h"
#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

using boost::system::result;

namespace {

constexpr int kFormat = 1;
const std::string kLedgerPath(kLedgerName);

void append_anchor(std::string& out, const Anchor& anchor) {
    out += "{\"file\":";
    // File names are ASCII: names.h.
    static_cast<void>(append_json_string(out, anchor.file));
    append_member(out, "seq", anchor.seq);
    append_member(out, "bytes", anchor.bytes);
    append_member(out, "hash", anchor.hash.view());
    out += '}';
}

std::string members_of_repaired(const Anchor& kept, std::uint64_t cut_bytes, const HexDigest& cut) {
    std::string members = ",\"kept\":";
    append_anchor(members, kept);
    append_member(members, "cut_bytes", cut_bytes);
    append_member(members, "cut_sha256", cut.view());
    return members;
}

// `end`: the file as it was found.
std::string members_of_broken(const Anchor& end, std::string_view reason) {
    std::string members;
    append_member(members, "file", end.file);
    append_member(members, "lines", end.seq);
    append_member(members, "bytes", end.bytes);
    append_member(members, "reason", reason);
    return members;
}

// How the ledger's end was found.
struct End {
    std::uint64_t size = 0;
    std::string torn;                  // behind the last newline
    std::optional<std::string> wrong;  // why the last line cannot be chained to
    std::uint64_t seq = 0;
    HexDigest hash;
    std::optional<Microseconds> time;  // of the last entry
    bool closed = true;
};

// The bytes behind the last newline.
result<std::string> read_torn(int fd, std::uint64_t size) {
    std::string torn;
    std::uint64_t begin = size;
    while (begin > 0) {
        const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(begin, 64 * 1024));
        std::string block(piece, '\0');
        if (!read_exactly(fd, begin - piece, block.data(), piece)) {
            return last_system_error();
        }
        const auto newline = block.rfind('\n');
        if (newline != std::string::npos) {
            return block.substr(newline + 1) + torn;
        }
        torn.insert(0, block);
        begin -= piece;
    }
    return torn;
}

result<End> examine_end(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return last_system_error();
    }
    End end;
    end.size = static_cast<std::uint64_t>(status.st_size);
    auto torn = read_torn(fd, end.size);
    if (!torn) {
        return torn.error();
    }
    end.torn = std::move(*torn);
    const std::uint64_t whole = end.size - end.torn.size();
    if (whole == 0) {
        return end;
    }
    std::string text;
    if (!read_line_before(fd, whole, text)) {
        return last_system_error();
    }
    end.closed = false;
    const auto line = parse_line(text);
    if (!line || Sha256().of(line->hashed).view() != line->hash) {
        end.wrong = "its last line is not what was written";
        return end;
    }
    end.seq = line->seq;
    end.hash = *parse_digest(line->hash);
    end.time = parse_time(line->time);
    end.closed = line->type == "log_closed";
    return end;
}

// A bad last line stays as evidence, on a line of its own.
result<void> leave_as_evidence(int fd, End& end) {
    if (!end.torn.empty()) {
        if (::write(fd, "\n", 1) != 1) {
            return last_system_error();
        }
        end.size += 1;
    }
    const auto lines = count_lines(fd);
    if (!lines) {
        return lines.error();
    }
    end.seq = *lines;
    end.hash = HexDigest{};
    return {};
}

}  // namespace

result<std::uint64_t> count_lines(int fd) {
    LineReader reader(LogSource::of(fd));
    std::string_view line;
    std::uint64_t lines = 0;
    while (reader.next(line)) {
        ++lines;
    }
    if (reader.error()) {
        return reader.error();
    }
    return lines;
}

result<std::unique_ptr<Ledger>> Ledger::open(int directory, const config::Audit& audit,
                                             Microseconds now) {
    std::unique_ptr<Ledger> ledger(new Ledger());
    ledger->directory_ = directory;
    ledger->sync_ = audit.durability == config::Durability::kFsync;
    if (!audit.signing_key.empty()) {
        auto key = SigningKey::load(audit.signing_key);
        if (!key) {
            return key.error();
        }
        ledger->key_ = std::move(*key);
    }

    auto file = open_to_append(directory, kLedgerPath, true);
    if (!file) {
        return file.error();
    }
    ledger->reading_ = Descriptor(::fcntl(file->get(), F_DUPFD_CLOEXEC, 0));
    if (!ledger->reading_.is_open()) {
        return last_system_error();
    }
    auto end = examine_end(file->get());
    if (!end) {
        return end.error();
    }
    if (end->wrong) {
        if (const auto left = leave_as_evidence(file->get(), *end); !left) {
            return left.error();
        }
    } else if (!end->torn.empty()) {
        end->size -= end->torn.size();
        if (::ftruncate(file->get(), static_cast<off_t>(end->size)) != 0) {
            return last_system_error();
        }
    }
    ledger->was_closed_ = end->closed;
    ledger->seq_ = end->seq;
    ledger->hash_ = end->hash;
    ledger->horizon_ = end->size;
    auto adopted = AppendFile::adopt(std::move(*file), end->size);
    if (!adopted) {
        return adopted.error();
    }
    ledger->file_ = std::move(*adopted);

    // A process writes a file of its own day, or of the day before if that has just ended.
    const auto today = std::chrono::floor<std::chrono::days>(now);
    auto day = today;
    if (!end->closed) {
        day = std::min(today, std::chrono::floor<std::chrono::days>(end->time.value_or(now))) -
              std::chrono::days(1);
    }
    ledger->load_back_to(day);

    std::string members;
    append_member(members, "format", kFormat);
    append_member(members, "durability", std::string_view(ledger->sync_ ? "fsync" : "write"));
    if (ledger->key_) {
        append_member(members, "public_key", ledger->key_->public_key());
    }
    // What is wrong with the end goes on record with the same write: no end of this process comes
    // between the two.
    Lines lines = ledger->next_lines();
    ledger->add_line(lines, now, "log_opened", members);
    Anchor kept{kLedgerPath, end->seq, end->size, end->hash, false};
    if (end->wrong) {
        ledger->add_line(lines, now, "broken", members_of_broken(kept, *end->wrong));
        kept.hash = lines.hash;
        kept.begins_chain = true;
    } else if (!end->torn.empty()) {
        ledger->add_line(lines, now, "repaired",
                         members_of_repaired(kept, end->torn.size(), Sha256().of(end->torn)));
    }
    if (const auto written = ledger->append(lines); !written) {
        if (!end->wrong && !end->torn.empty()) {
            // There was room for it: the next start shall see it too.
            static_cast<void>(ledger->file_.append(end->torn, false));
        }
        return written.error();
    }
    if (end->wrong || !end->torn.empty()) {
        ledger->known_[kLedgerPath] = {kept, true};
    }
    return ledger;
}

Ledger::Lines Ledger::next_lines() const {
    return {.text = {}, .seq = seq_, .hash = hash_};
}

void Ledger::add_line(Lines& lines, Microseconds time, std::string_view type,
                      std::string_view members) {
    std::string when;
    append_time(when, time);
    std::string line;
    begin_line(line, when, lines.seq + 1, type);
    line += members;
    append_prev(line, lines.hash);
    if (key_) {
        append_signature(line, key_->sign(line));
    }
    lines.hash = append_hash(line, sha_);
    ++lines.seq;
    lines.text += line;
}

result<void> Ledger::append(const Lines& lines) {
    if (const auto written = file_.append(lines.text, sync_); !written) {
        return written.error();
    }
    seq_ = lines.seq;
    hash_ = lines.hash;
    return {};
}

result<HexDigest> Ledger::append(Microseconds time, std::string_view type,
                                 std::string_view members) {
    Lines lines = next_lines();
    add_line(lines, time, type, members);
    if (const auto written = append(lines); !written) {
        return written.error();
    }
    return hash_;
}

result<Anchor> Ledger::file_opened(Microseconds time, const std::string& file) {
    std::string members;
    append_member(members, "file", file);
    const std::lock_guard lock(mutex_);
    const auto hash = append(time, "file_opened", members);
    if (!hash) {
        return hash.error();
    }
    const Anchor anchor{file, 0, 0, *hash, true};
    known_[file] = {anchor, true};
    return anchor;
}

result<void> Ledger::checkpoint(Microseconds time, const std::vector<Anchor>& files) {
    std::string members = ",\"files\":[";
    for (const Anchor& file : files) {
        if (&file != &files.front()) {
            members += ',';
        }
        append_anchor(members, file);
    }
    members += ']';
    const std::lock_guard lock(mutex_);
    if (const auto hash = append(time, "checkpoint", members); !hash) {
        return hash.error();
    }
    for (const Anchor& file : files) {
        Known& known = known_[file.file];
        if (file.seq >= known.anchor.seq) {
            known = {file, true};
        }
    }
    return {};
}

result<void> Ledger::repaired(Microseconds time, const Anchor& kept, std::uint64_t cut_bytes,
                              const HexDigest& cut) {
    const std::lock_guard lock(mutex_);
    const auto hash = append(time, "repaired", members_of_repaired(kept, cut_bytes, cut));
    if (!hash) {
        return hash.error();
    }
    known_[kept.file] = {kept, true};
    return {};
}

result<Anchor> Ledger::broken(Microseconds time, const std::string& file, std::uint64_t lines,
                              std::uint64_t bytes, std::string_view reason) {
    Anchor anchor{file, lines, bytes, {}, true};
    const std::lock_guard lock(mutex_);
    const auto hash = append(time, "broken", members_of_broken(anchor, reason));
    if (!hash) {
        return hash.error();
    }
    anchor.hash = *hash;
    known_[file] = {anchor, true};
    return anchor;
}

result<void> Ledger::append_seal(Microseconds time, std::string_view type, const Seal& seal,
                                 std::string_view reason) {
    std::string members = ",\"end\":";
    append_anchor(members, seal.end);
    append_member(members, "sha256", seal.sha256.view());
    if (!reason.empty()) {
        append_member(members, "reason", reason);
    }
    {
        const std::lock_guard lock(mutex_);
        if (const auto hash = append(time, type, members); !hash) {
            return hash.error();
        }
        known_[seal.end.file] = {seal.end, true, true};
    }
    // Not under the lock: checkpoints do not wait for it.
    if (::fdatasync(reading_.get()) != 0) {
        return last_system_error();
    }
    return {};
}

result<void> Ledger::sealed(Microseconds time, const Seal& seal) {
    return append_seal(time, "sealed", seal, {});
}

result<void> Ledger::removed(Microseconds time, const Seal& seal, std::string_view reason) {
    return append_seal(time, "removed", seal, reason);
}

result<void> Ledger::closed(Microseconds time) {
    const std::lock_guard lock(mutex_);
    if (const auto hash = append(time, "log_closed", ""); !hash) {
        return hash.error();
    }
    return {};
}

std::uint64_t Ledger::size() const {
    const std::lock_guard lock(mutex_);
    return file_.size();
}

result<void> Ledger::check_place() const {
    const std::lock_guard lock(mutex_);
    return file_.check_place(directory_, kLedgerPath);
}

const Ledger::Known* Ledger::find_known(const std::string& file) {
    auto found = known_.find(file);
    if (found == known_.end()) {
        // Only after the clock went back by more than a day is there anything left to load.
        load_back_to(day_of(file).value_or(std::chrono::sys_days{}));
        found = known_.find(file);
    }
    return found == known_.end() ? nullptr : &found->second;
}

std::optional<Anchor> Ledger::last_known(const std::string& file) {
    const std::lock_guard lock(mutex_);
    const Known* known = find_known(file);
    return known == nullptr ? std::nullopt : std::optional(known->anchor);
}

bool Ledger::is_sealed(const std::string& file) {
    const std::lock_guard lock(mutex_);
    const Known* known = find_known(file);
    return known != nullptr && known->sealed;
}

std::vector<Anchor> Ledger::maybe_torn() {
    const std::lock_guard lock(mutex_);
    std::vector<Anchor> files;
    for (const auto& [file, known] : known_) {
        if (!was_closed_ && file != kLedgerName && !known.sealed) {
            files.push_back(known.anchor);
        }
    }
    return files;
}

void Ledger::forget_before(std::chrono::sys_days day) {
    const std::lock_guard lock(mutex_);
    std::erase_if(known_, [&](const auto& known) {
        const auto written = day_of(known.first);
        return written && *written < day;
    });
    horizon_ = file_.size();
}

void Ledger::load_back_to(std::chrono::sys_days day) {
    std::string text;
    while (read_line_before(reading_.get(), horizon_, text)) {
        const auto line = parse_line(text);
        if (line && *parse_time(line->time) < Microseconds(day)) {
            return;
        }
        horizon_ -= text.size() + 1;
        learn_from_older(text);
    }
}

// Entries come newest first here. Two checkpoints written at the same time may stand in the
// wrong order, so the higher seq counts, back to where the file's chain began.
void Ledger::learn_from_older(std::string_view text) {
    const auto entry = read_entry(text);
    const auto line = parse_line(text);
    if (!entry || !line) {
        return;  // for verify to complain of
    }
    const auto hash = parse_digest(line->hash);
    if (const auto* checkpoint = std::get_if<Checkpoint>(&*entry)) {
        for (const Anchor& file : checkpoint->files) {
            learn(file, false);
        }
    } else if (const auto* repaired = std::get_if<Repaired>(&*entry)) {
        learn(repaired->kept, false);
    } else if (const auto* opened = std::get_if<FileOpened>(&*entry)) {
        learn({opened->file, 0, 0, *hash, true}, true);
    } else if (const auto* broken = std::get_if<Broken>(&*entry)) {
        learn({broken->file, broken->lines, broken->bytes, *hash, true}, true);
    } else if (const auto* sealed = std::get_if<Sealed>(&*entry)) {
        learn(sealed->seal.end, true, true);
    } else if (const auto* removed = std::get_if<Removed>(&*entry)) {
        learn(removed->seal.end, true, true);
    }
}

void Ledger::learn(Anchor anchor, bool complete, bool sealed) {
    const auto [at, is_new] = known_.try_emplace(anchor.file);
    Known& known = at->second;
    if (known.complete) {
        return;
    }
    known.complete = complete;
    known.sealed = sealed;
    if (is_new || anchor.seq > known.anchor.seq) {
        known.anchor = std::move(anchor);
    }
}

}  // namespace vitrine::audit
