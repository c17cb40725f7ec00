#include "proxy/export/follower.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "proxy/audit/chain.h"
#include "proxy/audit/errors.h"
#include "proxy/audit/ledger_entry.h"
#include "proxy/audit/log_files.h"
#include "proxy/audit/names.h"

namespace vitrine::exports {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

// How often the files that grow are looked at, and all others at most. To list a log of many users
// and years takes a second; it is to be a small part of the time.
constexpr std::chrono::milliseconds kSizesEvery{200};
constexpr std::chrono::milliseconds kListEvery{1000};
constexpr int kListingShare = 20;

// Files of days before yesterday are sealed, by the writer's clock (docs/query-log.md, "Sealed
// files"). By ours it is only worth a look: what is over is said by the ledger alone.
constexpr std::chrono::days kWrittenFor{2};

constexpr std::uint64_t kUnknownSize = ~std::uint64_t{0};

std::string user_of(std::string_view name) {
    const std::size_t slash = name.find('/');
    return slash == std::string_view::npos ? std::string() : std::string(name.substr(0, slash));
}

std::string day_text_of(std::string_view name) {
    const auto day = audit::day_of(name);
    return day ? audit::day_text(*day) : std::string();
}

}  // namespace

std::string hash_of_line(std::string_view line) {
    if (const auto parsed = audit::parse_line(line)) {
        return std::string(parsed->hash);
    }
    audit::Sha256 sha;
    return std::string(sha.of(line).view());
}

bool line_before(audit::LogSource& source, std::uint64_t end, std::string& line) {
    line.clear();
    std::size_t piece = 4096;
    std::uint64_t begin = end;
    while (begin > 0) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece, begin));
        std::string block(size, '\0');
        for (std::size_t got = 0; got < size;) {
            const auto read = source.read(begin - size + got, block.data() + got, size - got);
            if (!read || *read == 0) {
                return false;
            }
            got += *read;
        }
        line.insert(0, block);
        begin -= size;
        if (line.back() != '\n') {
            return false;
        }
        const std::size_t at =
            line.size() < 2 ? std::string::npos : line.rfind('\n', line.size() - 2);
        if (at != std::string::npos) {
            line.erase(0, at + 1);
            break;
        }
        piece *= 2;
    }
    if (line.empty()) {
        return false;
    }
    line.pop_back();
    return true;
}

Follower::Follower(fs::path directory, Cursor& cursor, bool once, Say say)
    : directory_(std::move(directory)), cursor_(cursor), once_(once), say_(std::move(say)) {}

Follower::~Follower() = default;

// What cannot be looked at is not gone.
bool Follower::is_gone(const std::string& name) {
    // In this order: the compressed one is there before the plain one goes.
    const std::string path = (directory_ / name).string();
    for (const std::string& one : {path, path + ".zst"}) {
        struct stat status {};
        if (::lstat(one.c_str(), &status) == 0) {
            return false;
        }
        if (errno != ENOENT && errno != ENOTDIR) {
            cannot_read(path, audit::last_system_error().message());
            return false;
        }
    }
    return true;
}

// Without the ledger, or with another log's, nothing that is gone means anything: it may be that
// the log is not mounted.
bool Follower::is_ledger_there() const {
    struct stat status {};
    const auto known = cursor_.files.find(audit::kLedgerName);
    return ::lstat((directory_ / audit::kLedgerName).c_str(), &status) == 0 &&
           static_cast<std::uint64_t>(status.st_size) >=
               (known == cursor_.files.end() ? 0 : known->second.bytes);
}

void Follower::cannot_read(const std::string& what, const std::string& why) {
    if (unreadable_.insert(what).second && !unreadable_before_.contains(what)) {
        say_(what + " cannot be read, and is not sent until it can: " + why);
    }
}

void Follower::refresh() {
    const auto now = steady_clock::now();
    if (!listed_ || (!once_ && now >= list_next_)) {
        list();
    } else if (!once_ && now >= sizes_next_) {
        look_at_sizes();
        sizes_next_ = steady_clock::now() + kSizesEvery;
    }
}

void Follower::list() {
    const auto began = steady_clock::now();
    unreadable_before_ = std::exchange(unreadable_, {});
    vanished_ = false;
    struct stat status {};
    const audit::LogFiles found = audit::list_log_files(directory_);
    for (const audit::Finding& finding : found.not_checkable) {
        cannot_read(finding.file.string(), finding.message);
    }
    std::set<std::string> with_files;
    for (const audit::LogFile& file : found.files) {
        const std::string user = user_of(file.name);
        with_files.insert(user);
        const auto through = cursor_.through.find(user);
        if (through != cursor_.through.end() && day_text_of(file.name) <= through->second) {
            continue;
        }
        auto [at, is_new] = users_[user].try_emplace(file.name);
        File& known = at->second;
        if (is_new) {
            if (const auto place = cursor_.files.find(file.name); place != cursor_.files.end()) {
                known.read = place->second;
            }
        }
        known.gone = false;
        if (file.compressed) {
            if (!known.compressed) {
                known.compressed = true;
                known.size = kUnknownSize;
                known.visited = false;
            }
        } else {
            // With both there, `size` is that of both: the plain one's is asked for on its own.
            const std::string path = (directory_ / file.name).string();
            known.size = ::lstat(path.c_str(), &status) == 0
                             ? static_cast<std::uint64_t>(status.st_size)
                             : file.size;
        }
    }
    // What the cursor knows and the directory has no more.
    for (const auto& [name, place] : cursor_.files) {
        if (name != audit::kLedgerName && !found.has(name)) {
            File& file = users_[user_of(name)].try_emplace(name).first->second;
            file.read.bytes = std::max(file.read.bytes, place.bytes);
            file.read.seq = std::max(file.read.seq, place.seq);
            file.gone = is_gone(name);
        }
    }
    for (auto& [user, files] : users_) {
        for (auto& [name, file] : files) {
            if (!user.empty() && !found.has(name)) {
                file.gone = is_gone(name);
            }
        }
    }
    // After that: whatever retention has removed by now, the ledger has said up to here.
    const fs::path ledger = directory_ / audit::kLedgerName;
    const bool has_ledger = ::lstat(ledger.c_str(), &status) == 0;
    if (!has_ledger) {
        cannot_read(ledger.string(), audit::last_system_error().message() +
                                         "; is the log's directory mounted? Nothing in it is "
                                         "taken for removed meanwhile");
    }
    ledger_at_listing_ = has_ledger ? static_cast<std::uint64_t>(status.st_size) : 0;
    is_certain_ = found.not_checkable.empty() && is_ledger_there();
    File& own = users_[""][std::string(audit::kLedgerName)];
    if (const auto known = cursor_.files.find(audit::kLedgerName);
        !listed_ && known != cursor_.files.end()) {
        own.read = known->second;
    }
    own.size = ledger_at_listing_;
    own.gone = !has_ledger;

    // Users of whom nothing is left. Twice: a listing can miss a file that is being renamed.
    if (is_certain_) {
        std::set<std::string> empty;
        for (auto at = cursor_.through.begin(); at != cursor_.through.end();) {
            if (with_files.contains(at->first)) {
                ++at;
            } else if (empty_.contains(at->first)) {
                at = cursor_.through.erase(at);
            } else {
                empty.insert(at->first);
                ++at;
            }
        }
        empty_ = std::move(empty);
    }
    if (!listed_) {
        read_seals(own.read.bytes);
    }
    listed_ = true;
    const auto now = steady_clock::now();
    list_next_ = now + std::max<steady_clock::duration>(kListEvery, (now - began) * kListingShare);
    sizes_next_ = now + kSizesEvery;
}

// What the ledger has said of files before the place from which it is read.
void Follower::read_seals(std::uint64_t end) {
    const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
    const bool asked = std::any_of(users_.begin(), users_.end(), [&](const auto& user) {
        return std::any_of(user.second.begin(), user.second.end(), [&](const auto& file) {
            const auto day = audit::day_of(file.first);
            return day && !file.second.compressed && *day + kWrittenFor <= today;
        });
    });
    if (!asked || end == 0) {
        return;
    }
    auto source = audit::LogSource::open((directory_ / audit::kLedgerName).string());
    if (!source) {
        return;  // as it will be said when it is its turn
    }
    audit::LineReader reader(std::move(*source));
    std::string_view line;
    while (reader.offset() < end && reader.next(line)) {
        note_seal(line);
    }
}

void Follower::note_seal(std::string_view line) {
    if (line.find("\"type\":\"sealed\"") == std::string_view::npos) {
        return;
    }
    const auto entry = audit::read_entry(line);
    if (const auto* sealed = entry ? std::get_if<audit::Sealed>(&*entry) : nullptr) {
        const audit::Anchor& end = sealed->seal.end;
        const auto files = users_.find(user_of(end.file));
        if (files == users_.end()) {
            return;
        }
        if (const auto file = files->second.find(end.file); file != files->second.end()) {
            file->second.sealed = end.bytes;
        }
    }
}

void Follower::look_at_sizes() {
    for (auto& [user, files] : users_) {
        for (auto& [name, file] : files) {
            if (file.compressed || file.gone) {
                continue;
            }
            struct stat status {};
            if (::lstat((directory_ / name).c_str(), &status) == 0) {
                file.size = static_cast<std::uint64_t>(status.st_size);
            } else {
                list_next_ = steady_clock::now();
            }
        }
    }
}

std::vector<Item> Follower::next(std::size_t records_max, std::size_t bytes_max) {
    Batch batch;
    batch.records_max = records_max;
    batch.bytes_max = bytes_max;
    refresh();
    settle();
    ledger_held_ = false;
    // Everybody in turn, so that nobody's backlog holds up all others'.
    auto user = users_.upper_bound(turn_);
    for (std::size_t asked = 0; asked < users_.size(); ++asked, ++user) {
        if (user == users_.end()) {
            user = users_.begin();
        }
        for (auto& [name, file] : user->second) {
            const Visit came = visit(name, file, batch);
            if (came == Visit::kFull) {
                turn_ = user->first;
                return std::move(batch.items);
            }
            // The next day waits for the rest of this one, be that not listed yet or not readable.
            if (came == Visit::kHeld) {
                break;
            }
        }
    }
    if (batch.items.empty()) {
        report_gone();
    }
    return std::move(batch.items);
}

// Opens it at file.read, or leaves the reason why not behind.
bool Follower::open(const std::string& name, File& file) {
    if (reader_ != nullptr && open_name_ == name && reader_->offset() == file.read.bytes &&
        open_compressed_ == file.compressed) {
        return true;
    }
    reader_.reset();
    const std::string path = (directory_ / name).string();
    auto source = audit::LogSource::open(path);
    if (!source) {
        if (source.error() == boost::system::errc::no_such_file_or_directory) {
            // Whose work that was, is known once the files are listed anew.
            if (once_ && !vanished_) {
                say_(path + " went away before it was its turn; start the export once more");
            }
            vanished_ = true;
            list_next_ = {};
        } else {
            cannot_read(path, source.error().message());
        }
        return false;
    }
    if (const auto bytes = source->compressed_size()) {
        file.compressed = true;
        file.size = *bytes;
    }
    std::string line;
    if (file.read.bytes > 0 &&
        (!line_before(*source, file.read.bytes, line) || hash_of_line(line) != file.read.hash)) {
        say_(path + " is not the file that was sent up to byte " + std::to_string(file.read.bytes) +
             ": it was exchanged or changed. It is sent again from its beginning; look into it "
             "(vitrine audit verify)");
        ++cursor_.replaced;
        cursor_.files.erase(name);
        file.read = {};
    }
    reader_ = std::make_unique<audit::LineReader>(std::move(*source), file.read.bytes);
    open_name_ = name;
    open_compressed_ = file.compressed;
    return true;
}

Follower::Visit Follower::visit(const std::string& name, File& file, Batch& batch) {
    if (file.visited && file.read.bytes == file.size) {
        file.torn = false;  // what there was has been taken back
        return Visit::kDone;
    }
    if (file.gone) {
        return Visit::kDone;
    }
    if (!open(name, file)) {
        return Visit::kHeld;
    }
    file.visited = true;
    const bool is_ledger = name == audit::kLedgerName;
    std::string_view line;
    while (true) {
        if (batch.items.size() >= batch.records_max || batch.bytes >= batch.bytes_max) {
            return Visit::kFull;
        }
        const std::uint64_t begin = reader_->offset();
        if (!reader_->next(line)) {
            break;
        }
        // Not yet known of: in its time.
        const bool beyond = reader_->offset() > file.size;
        if (beyond || (is_ledger && must_wait(line, begin))) {
            ledger_held_ |= !beyond;
            reader_.reset();
            return Visit::kHeld;
        }
        if (is_ledger) {
            note_seal(line);
        }
        Item item;
        item.file = name;
        item.line = line;
        item.seq = file.read.seq + 1;
        item.end = reader_->offset();
        item.hash = hash_of_line(line);
        file.read = {item.end, item.seq, item.hash, false};
        batch.bytes += item.line.size();
        batch.items.push_back(std::move(item));
    }
    if (reader_->error()) {
        cannot_read((directory_ / name).string(), reader_->error().message());
        reader_.reset();
        file.visited = false;
        return Visit::kHeld;
    }
    file.torn = !reader_->torn().empty();
    if (file.torn) {
        // It is read anew: the writer may take it back, and write another line in its place.
        reader_.reset();
    }
    // A reader that has met the end of a file would be kept for each; the last one is enough.
    return Visit::kDone;
}

// A ledger's entry that says that a file was removed: not before that file's fate is known.
bool Follower::must_wait(std::string_view line, std::uint64_t begin) {
    if (begin < cursor_.born || line.find("\"type\":\"removed\"") == std::string_view::npos) {
        return false;
    }
    const auto entry = audit::read_entry(line);
    const auto* removed = entry ? std::get_if<audit::Removed>(&*entry) : nullptr;
    if (removed == nullptr) {
        return false;
    }
    const audit::Anchor& end = removed->seal.end;
    const std::string user = user_of(end.file);
    const auto through = cursor_.through.find(user);
    if (through != cursor_.through.end() && day_text_of(end.file) <= through->second) {
        return false;
    }
    const auto arrived = cursor_.files.find(end.file);
    if (arrived != cursor_.files.end() && arrived->second.bytes >= end.bytes) {
        arrived->second.removed = true;
        return false;
    }
    // In one piece: what is under way to the target is known to have arrived, or not, soon.
    if (is_under_way(end.file) || !is_gone(end.file) || !is_ledger_there()) {
        return true;
    }
    lose(end.file, end.seq);
    return false;
}

// Read further than is known to have arrived.
bool Follower::is_under_way(const std::string& name) const {
    const auto files = users_.find(user_of(name));
    if (files == users_.end()) {
        return false;
    }
    const auto known = files->second.find(name);
    const auto arrived = cursor_.files.find(name);
    return known != files->second.end() &&
           known->second.read.bytes > (arrived == cursor_.files.end() ? 0 : arrived->second.bytes);
}

void Follower::lose(const std::string& name, std::optional<std::uint64_t> last_seq) {
    const auto place = cursor_.files.find(name);
    const std::uint64_t sent = place == cursor_.files.end() ? 0 : place->second.seq;
    const std::uint64_t records = last_seq ? *last_seq - std::min(*last_seq, sent) : 0;
    say_((directory_ / name).string() +
         (last_seq
              ? " was removed by the log's retention before it was sent: " +
                    std::to_string(records) + " records are lost to this target, from number " +
                    std::to_string(sent + 1) + " on"
              : " is gone, and the ledger does not say why; what it had behind record " +
                    std::to_string(sent) + " was not sent. Look into it (vitrine audit verify)"));
    cursor_.lost += std::max<std::uint64_t>(records, 1);
    cursor_.files.erase(name);
    const auto files = users_.find(user_of(name));
    if (files != users_.end()) {
        files->second.erase(name);
    }
}

// All that the ledger said when the files were listed has been read: whose removal is not in it
// went in another way.
void Follower::report_gone() {
    const Files& own = users_[""];
    const auto ledger = own.find(audit::kLedgerName);
    if (!is_certain_ || ledger_held_ || ledger == own.end() ||
        ledger->second.read.bytes < ledger_at_listing_) {
        return;
    }
    std::vector<std::string> gone;
    for (const auto& [user, files] : users_) {
        for (const auto& [name, file] : files) {
            if (!user.empty() && file.gone && !is_under_way(name) && is_gone(name)) {
                gone.push_back(name);
            }
        }
    }
    if (!is_ledger_there()) {
        return;  // it went while they were looked for
    }
    for (const std::string& name : gone) {
        const auto place = cursor_.files.find(name);
        if (place != cursor_.files.end() && place->second.removed) {
            cursor_.files.erase(place);
            users_[user_of(name)].erase(name);
        } else {
            lose(name, std::nullopt);
        }
    }
}

void Follower::acknowledge(std::span<const Item> items) {
    for (const Item& item : items) {
        const auto files = users_.find(user_of(item.file));
        // Else it was given up meanwhile, and what arrives of it changes nothing.
        if (files != users_.end() && files->second.contains(item.file)) {
            cursor_.files[item.file] = {item.end, item.seq, item.hash, false};
        }
    }
    cursor_.sent += items.size();
    settle();
}

// What is done with for good is remembered by its day alone.
void Follower::settle() {
    for (auto at = users_.begin(); at != users_.end();) {
        auto& [user, files] = *at;
        while (!user.empty() && !files.empty()) {
            const auto& [name, file] = *files.begin();
            const auto place = cursor_.files.find(name);
            const std::uint64_t arrived = place == cursor_.files.end() ? 0 : place->second.bytes;
            // Never by the clock: one that is ahead for a second would end a file under way.
            const bool is_over = file.compressed || file.sealed == arrived;
            if (file.gone || !file.visited || file.torn || !is_over || arrived != file.size) {
                break;
            }
            cursor_.through[user] = day_text_of(name);
            cursor_.files.erase(name);
            files.erase(files.begin());
        }
        at = !user.empty() && files.empty() ? users_.erase(at) : std::next(at);
    }
}

}  // namespace vitrine::exports
