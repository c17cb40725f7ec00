#include "proxy/audit/search_index.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <ostream>
#include <set>
#include <thread>

#include "proxy/audit/errors.h"
#include "proxy/audit/grams.h"
#include "proxy/audit/index_builder.h"
#include "proxy/audit/index_file.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kKeyDigits = 8;
// Before that nobody asks what takes so long.
constexpr std::chrono::seconds kQuiet{2};
constexpr std::chrono::seconds kBetween{2};

fs::path path_of(const fs::path& index, std::string_view user) {
    return index / (std::string(user) + std::string(kIndexSuffix));
}

std::string user_of(const std::string& file) {
    return file.substr(0, file.find('/'));
}

std::optional<std::string> read_own_file(const fs::path& path) {
    const auto file = open_to_read(path.string());
    struct stat status {};
    if (!file || ::fstat(file->get(), &status) != 0) {
        return std::nullopt;
    }
    // What somebody else can write would decide what an auditor gets to see.
    if ((status.st_uid != ::geteuid() && status.st_uid != 0) || (status.st_mode & 022) != 0) {
        return std::nullopt;
    }
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    if (!read_exactly(file->get(), 0, bytes.data(), bytes.size())) {
        return std::nullopt;
    }
    return bytes;
}

bool replace_file(const fs::path& path, std::string_view bytes) {
    std::string name = path.string() + ".XXXXXX";
    const Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
    if (!file.is_open()) {
        return false;
    }
    const auto failed = write_all(file.get(), bytes);
    if (!failed && ::rename(name.c_str(), path.c_str()) == 0) {
        return true;
    }
    const int error = failed ? failed.value() : errno;
    ::unlink(name.c_str());
    errno = error;
    return false;
}

// A user whose index is being made: its files are dealt out, and the last one to be ready writes
// it.
struct Work {
    std::string user;
    std::optional<UserIndex> before;
    UserIndex after;
    std::size_t missing = 0;
};
struct Task {
    Work* work;
    std::string file;
};

class Refresher {
  public:
    Refresher(const fs::path& directory, const fs::path& index, std::ostream& err)
        : directory_(directory), index_(index), err_(err) {}

    void user(const std::string& name, const std::vector<const LogFile*>& files, bool rebuild);
    IndexRefreshed run();

  private:
    void work();
    void done(const Task& task, std::optional<IndexBuilder::Built> built);
    void write(Work& work);
    void say(std::string_view text);
    void follow(std::uint64_t bytes);

    const fs::path& directory_;
    const fs::path& index_;
    std::ostream& err_;
    std::deque<Work> works_;
    std::vector<Task> tasks_;
    std::uint64_t bytes_ = 0;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::uint64_t> read_{0};
    std::mutex mutex_;
    std::condition_variable ended_;
    unsigned running_ = 0;
    IndexRefreshed refreshed_;
};

void Refresher::user(const std::string& name, const std::vector<const LogFile*>& files,
                     bool rebuild) {
    Work work;
    work.user = name;
    if (!rebuild) {
        work.before = load_index(index_, name);
    }
    std::vector<const LogFile*> changed;
    for (const LogFile* file : files) {
        const IndexedFile* known = work.before ? work.before->find(file->name) : nullptr;
        if (known != nullptr && is_unchanged(directory_, *known)) {
            work.after.files[file->name] = *known;
        } else {
            changed.push_back(file);
        }
    }
    const bool gone = work.before && work.before->files.size() > files.size();
    if (changed.empty() && !gone) {
        return;
    }
    work.missing = changed.size();
    works_.push_back(std::move(work));
    for (const LogFile* file : changed) {
        tasks_.push_back({&works_.back(), file->name});
        bytes_ += file->size;
    }
    if (changed.empty()) {
        write(works_.back());
    }
}

void Refresher::done(const Task& task, std::optional<IndexBuilder::Built> built) {
    Work& work = *task.work;
    std::unique_lock lock(mutex_);
    if (built) {
        ++refreshed_.files;
        for (std::size_t i = 0; i < built->grams.size(); ++i) {
            work.after.made.push_back(std::move(built->grams[i]));
            built->file.blocks[built->kept + i].grams = work.after.made.back();
        }
        work.after.files[task.file] = std::move(built->file);
    }
    if (--work.missing > 0) {
        return;
    }
    lock.unlock();
    write(work);
}

// Called for each user once, by whoever has the last of its files.
void Refresher::write(Work& work) {
    const bool written = replace_file(path_of(index_, work.user), index_bytes(work.after));
    const auto why = last_system_error();
    const std::lock_guard lock(mutex_);
    if (!written && refreshed_.usable) {
        refreshed_.usable = false;
        say(printable(index_.string()) + ": the index cannot be written: " + why.message() +
            "; every file is read (--index names another place)\n");
    }
    work.before.reset();
    work.after = {};
}

void Refresher::say(std::string_view text) {
    err_ << text << std::flush;
}

void Refresher::work() {
    IndexBuilder builder;
    while (true) {
        const std::size_t at = next_.fetch_add(1);
        if (at >= tasks_.size()) {
            break;
        }
        const Task& task = tasks_[at];
        const IndexedFile* before =
            task.work->before ? task.work->before->find(task.file) : nullptr;
        done(task, builder.build(directory_, task.file, before, read_));
    }
    const std::lock_guard lock(mutex_);
    --running_;
    ended_.notify_all();
}

// Says how far it is, until all have ended.
void Refresher::follow(std::uint64_t bytes) {
    std::unique_lock lock(mutex_);
    auto wait = kQuiet;
    while (!ended_.wait_for(lock, wait, [&] { return running_ == 0; })) {
        const std::uint64_t part = bytes == 0 ? 0 : read_.load() * 100 / bytes;
        say("making the index: " + std::to_string(std::min<std::uint64_t>(part, 100)) + " % of " +
            std::to_string(bytes / 1'000'000) + " MB\n");
        wait = kBetween;
    }
}

IndexRefreshed Refresher::run() {
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::thread> threads;
    running_ = static_cast<unsigned>(std::min(cores, tasks_.size()));
    for (unsigned i = running_; i > 0; --i) {
        threads.emplace_back([this] { work(); });
    }
    if (!threads.empty()) {
        follow(bytes_);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    refreshed_.bytes = read_;
    return refreshed_;
}

}  // namespace

std::uint32_t session_key(std::string_view id) {
    std::uint32_t key = 0;
    const std::string_view digits = id.substr(0, kKeyDigits);
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), key, 16);
    const bool whole = digits.size() == kKeyDigits && end.ptr == digits.data() + digits.size();
    // An upper-case digit would have the key of another id.
    return whole && std::ranges::none_of(digits, [](char c) { return c >= 'A' && c <= 'F'; }) ? key
                                                                                              : 0;
}

std::uint32_t sqlstate_key(std::string_view sqlstate) {
    std::uint32_t key = 1;
    if (sqlstate.size() != 5) {
        return 0;
    }
    for (const char c : sqlstate) {
        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')) {
            return 0;
        }
        key = key * 36 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : c - 'A' + 10);
    }
    return key;
}

// FNV-1a, 32 bits.
std::uint32_t name_key(std::string_view name) {
    std::uint32_t key = 2166136261U;
    for (const char c : name) {
        key = (key ^ static_cast<unsigned char>(c)) * 16777619U;
    }
    return key;
}

bool IndexedBlock::may_contain(std::string_view word) const {
    return audit::may_contain(grams, word);
}

bool IndexedBlock::has_session(std::uint32_t key) const {
    return std::ranges::binary_search(sessions, key) || (!sessions.empty() && sessions[0] == 0);
}

const IndexedFile* UserIndex::find(std::string_view name) const {
    const auto found = files.find(name);
    return found == files.end() ? nullptr : &found->second;
}

std::optional<UserIndex> load_index(const fs::path& index, std::string_view user_directory) {
    auto bytes = read_own_file(path_of(index, user_directory));
    return bytes ? read_index_bytes(std::move(*bytes)) : std::nullopt;
}

bool is_unchanged(const fs::path& directory, const IndexedFile& file) {
    const auto stamp = stamp_of(directory, file.name);
    return stamp && stamp->size_on_disk == file.size_on_disk &&
           stamp->changed_ns == file.changed_ns;
}

void forget_gone_users(const fs::path& index, const LogFiles& files) {
    std::set<std::string> names;
    for (const LogFile& file : files.files) {
        names.insert(user_of(file.name) + std::string(kIndexSuffix));
    }
    std::vector<fs::path> gone;
    std::error_code error;
    for (fs::directory_iterator at(index, error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (name.ends_with(kIndexSuffix) && !names.contains(name)) {
            gone.push_back(at->path());
        }
    }
    for (const fs::path& path : gone) {
        fs::remove(path, error);
    }
}

IndexRefreshed refresh_index(const fs::path& directory, const LogFiles& files,
                             const fs::path& index, bool rebuild, std::ostream& err) {
    std::error_code error;
    const bool made = fs::create_directories(index, error);
    if (made) {
        fs::permissions(index, fs::perms::owner_all, error);
    }
    if (error || ::access(index.c_str(), W_OK) != 0) {
        err << printable(index.string()) << ": the index cannot be kept here: "
            << (error ? error.message() : last_system_error().message())
            << "; every file is read (--index names another place)\n";
        return {.usable = false};
    }
    std::map<std::string, std::vector<const LogFile*>> users;
    for (const LogFile& file : files.files) {
        users[user_of(file.name)].push_back(&file);
    }
    Refresher refresher(directory, index, err);
    for (const auto& [user, list] : users) {
        refresher.user(user, list, rebuild);
    }
    return refresher.run();
}

}  // namespace vitrine::audit
