#include "proxy/audit/query_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include "proxy/audit/append_file.h"
#include "proxy/audit/chain.h"
#include "proxy/audit/continuation.h"
#include "proxy/audit/file_sync.h"
#include "proxy/audit/held_records.h"
#include "proxy/audit/ledger.h"
#include "proxy/audit/ledger_anchor.h"
#include "proxy/audit/names.h"
#include "proxy/audit/record.h"
#include "proxy/audit/trails.h"
#include "proxy/audit/troubles.h"
#include "proxy/audit/upkeep.h"

namespace vitrine::audit {

using boost::system::error_code;
using boost::system::result;

namespace {

// Files that are synced at once: the file system's journal takes what comes together as one.
constexpr unsigned kSyncThreads = 8;

// How long a record may be without a checkpoint before no more are taken. The reader allows more
// (verify.cpp), so that a slow moment is not called tampering.
constexpr std::chrono::seconds kUnvouchedMax{2};

// The same while a checkpoint is being brought to a slow disk: nobody's worker waits for that.
constexpr std::chrono::seconds kUnderWayMax{4};

constexpr std::chrono::milliseconds kCheckpointEvery{1000};
// Sessions' ends closer together than this share a checkpoint.
constexpr std::chrono::milliseconds kCheckpointGap{50};

// Directories made for names that are only claimed: docs/query-log.md, "Directory names".
constexpr unsigned kStrangersMax = 1000;

// Out of memory in the middle of a record: what stands before it must not go on with half of it.
struct CutBack {
    std::string& text;
    std::size_t size;
    bool is_finished = false;

    ~CutBack() {
        if (!is_finished) {
            text.resize(size);
        }
    }
};

std::int64_t micros(Microseconds time) {
    return time.time_since_epoch().count();
}

}  // namespace

struct QueryLog::State {
    std::filesystem::path path;
    bool sync = false;
    Clock clock;
    Descriptor directory;
    std::unique_ptr<Ledger> ledger;
    std::optional<SyncThreads> threads;  // before the trails, whose files they sync
    Trails trails;
    Troubles troubles;
    std::atomic<unsigned> strangers = 0;
    std::atomic<std::uint64_t> records = 0;
    std::atomic<std::uint64_t> failures = 0;

    // Checkpoints. `oldest_unvouched`: the time of the oldest record without one, 0: there is none.
    std::mutex checkpoint_mutex;
    std::atomic<std::int64_t> oldest_unvouched = 0;
    std::atomic<bool> checkpoint_under_way = false;
    std::atomic<bool> out_of_place = false;  // the directory or the ledger: nothing may be written
    std::chrono::sys_days swept{};
    std::mutex grown_mutex;
    std::vector<TrailPointer> grown;
    std::unique_ptr<HeldRecords> held;  // durability: write

    std::mutex thread_mutex;
    std::condition_variable thread_wakes;
    bool session_ended = false;
    bool stopping = false;
    std::thread thread;

    // Behind the files. Ends before the ledger does.
    std::unique_ptr<TroublesBehind> behind;
    std::unique_ptr<LedgerAnchor> anchor;
    std::unique_ptr<Upkeep> upkeep;

    [[nodiscard]] Microseconds now() const {
        return std::chrono::floor<std::chrono::microseconds>(clock());
    }

    template <class Record>
    result<Ticket> append(const SessionId& id, const std::string& user, const Record& record);
    // `staged`: the record may wait; where it does, it is part of that stage then.
    template <class Record>
    result<Ticket> write(const SessionId& id, const std::string& user, const Record& record,
                         std::shared_ptr<Stage>* staged = nullptr);

    result<void> try_disk() const;
    result<void> make_ready(const TrailPointer& trail, Microseconds time);
    result<void> open_day(Trail& trail, std::chrono::sys_days day, Microseconds time);
    void write_held(Trail& trail);
    void note_growth(const TrailPointer& trail, Microseconds time);
    [[nodiscard]] const std::string& file_of_stranger(const std::string& user);

    [[nodiscard]] bool is_behind(Microseconds time) const;
    result<void> keep_up(Microseconds time);
    result<void> checkpoint();
    result<void> write_checkpoint();
    [[nodiscard]] bool is_due() const;
    result<void> check_places();
    void put_back(std::vector<TrailPointer> trails_grown, std::int64_t oldest);
    result<void> recover(Microseconds time);
    void run();
};

// ---- Appending

template <class Record>
result<Ticket> QueryLog::State::append(const SessionId& id, const std::string& user,
                                       const Record& record) {
    auto written = write(id, user, record);
    if (!written) {
        failures.fetch_add(1, std::memory_order_relaxed);
    }
    return written;
}

template <class Record>
result<Ticket> QueryLog::State::write(const SessionId& id, const std::string& user,
                                      const Record& record, std::shared_ptr<Stage>* staged) {
    const TrailPointer trail = trails.find(user);
    std::unique_lock lock(trail->mutex);
    // Under the lock: a checkpoint that takes its time later sees this record.
    Microseconds time = now();
    if (is_behind(time)) {
        lock.unlock();
        if (const auto kept_up = keep_up(time); !kept_up) {
            return kept_up.error();
        }
        lock.lock();
        time = now();
    }
    if (const auto ready = make_ready(trail, time); !ready) {
        // A new file's first entry is in the ledger.
        troubles.set(trail->name.empty() ? trail->directory : trail->name, ready.error(),
                     ledger->size());
        return ready.error();
    }

    std::string& line = trail->held;
    const std::size_t begin = line.size();
    CutBack unfinished{line, begin};
    begin_line(line, trail->time.of(time), trail->end.seq + 1, record_type(record));
    append_fields(line, id, record);
    const HexDigest hash = seal(line, trail->end.hash, trail->sha, begin);

    if (staged != nullptr && trail->hold_staged(trail, begin, hash)) {
        unfinished.is_finished = true;
        *staged = trail->stage;
        note_growth(trail, time);
        return Ticket{};
    }
    unfinished.is_finished = true;
    if (std::is_same_v<Record, Result> && held && trail->hold(hash)) {
        held->add(trail);
        note_growth(trail, time);
        return Ticket{};
    }
    const std::uint64_t offset = trail->file.size();
    const std::uint64_t seq = trail->in_file.seq;
    const auto written = trail->write(begin, hash);
    records.fetch_add(trail->in_file.seq - seq, std::memory_order_relaxed);
    Ticket ticket;
    if (written && trail->sync) {
        // Where records are synced none is held: it is this one alone, and in the file for good.
        const CutBack in_the_file{line, 0};
        ticket = trail->sync->appended(trail->file.descriptor(), offset, line);
        trail->last = ticket;
    }
    if (!written) {
        write_held(*trail);  // there may be room for that
        troubles.set(trail->name, written.error(), offset);
        return written.error();
    }
    trail->cut_held(0);
    note_growth(trail, time);
    troubles.clear(trail->name);
    return ticket;
}

// Under the trail's lock. Where they cannot be written they are lost, and counted: nobody acted
// upon them, and in a file they would stand with a time that the ledger has passed.
void QueryLog::State::write_held(Trail& trail) {
    if (trail.held.empty()) {
        return;
    }
    result<void> written;
    const bool released = !trail.file.is_open();
    if (upkeep != nullptr && trail.day < upkeep->horizon()) {
        written = AuditError::kSealed;
    } else if (released) {
        written = trail.file.reopen(directory.get(), trail.name);
    }
    const std::uint64_t made = trail.end.seq;
    const std::uint64_t seq = trail.in_file.seq;
    if (written) {
        written = trail.write_held();
        if (!written && !trail.held.empty()) {
            (void)trail.write_held();  // there may be room for what stands before the stage
        }
    }
    records.fetch_add(trail.in_file.seq - seq, std::memory_order_relaxed);
    if (!written) {
        troubles.set(trail.name, written.error(), trail.file.size());
        failures.fetch_add(made - trail.in_file.seq, std::memory_order_relaxed);
        trail.drop_held();
    } else {
        troubles.clear(trail.name);
    }
    if (released) {
        trail.file.release();
    }
}

// Makes sure that the trail's file is that of the day, and open.
result<void> QueryLog::State::make_ready(const TrailPointer& trail, Microseconds time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    if (upkeep != nullptr && day < upkeep->horizon()) {
        return AuditError::kSealed;
    }
    if (trail->name.empty() || trail->day != day) {
        if (const auto opened = open_day(*trail, day, time); !opened) {
            return opened.error();
        }
    }
    if (!trail->file.is_open()) {
        if (const auto again = trail->file.reopen(directory.get(), trail->name); !again) {
            return again.error();
        }
    }
    if (trail->sync) {
        if (const auto good = trail->sync->make_good(trail->file.descriptor()); !good) {
            return good.error();
        }
    }
    if (trail->misplaced) {
        if (const auto placed = trail->file.check_place(directory.get(), trail->name); !placed) {
            return placed.error();
        }
        trail->misplaced = false;
    }
    return {};
}

result<void> QueryLog::State::open_day(Trail& trail, std::chrono::sys_days day, Microseconds time) {
    write_held(trail);
    if (trail.file.size() != trail.vouched) {
        // The ledger must have the end of the day that is left behind.
        if (const auto left = ledger->checkpoint(time, {trail.anchor()}); !left) {
            return left.error();
        }
        trail.vouched = trail.file.size();
        trail.grown = false;
    }
    const std::string name = file_name(trail.directory, day);
    auto next = continue_file(directory.get(), name, *ledger, time, false, sync);
    if (!next) {
        troubles.set(name, next.error());
        return next.error();
    }
    troubles.clear(trail.name);
    troubles.clear(trail.directory);
    troubles.clear(name);
    if (sync) {
        // What was written to the day that is left behind is on the disk first: of a session's
        // tickets the last one stands for all.
        if (trail.sync) {
            if (!trail.file.is_open()) {
                if (const auto again = trail.file.reopen(directory.get(), trail.name); !again) {
                    return again.error();
                }
            }
            if (const auto good = trail.sync->make_good(trail.file.descriptor()); !good) {
                return good.error();
            }
        }
        if (trail.last && !trail.last->wait()) {
            return error_code(EIO, boost::system::system_category());
        }
        trail.last.reset();
        trail.sync = std::make_shared<FileSync>(*threads);
    }
    trail.begin(day, name, std::move(next->file), next->end);
    return {};
}

void QueryLog::State::note_growth(const TrailPointer& trail, Microseconds time) {
    if (trail->grown) {
        return;
    }
    trail->grown = true;
    const std::lock_guard lock(grown_mutex);
    grown.push_back(trail);
    std::int64_t none = 0;
    oldest_unvouched.compare_exchange_strong(none, micros(time));
}

// A name that never logged in gets a directory of its own only while there are few such names.
const std::string& QueryLog::State::file_of_stranger(const std::string& user) {
    static const std::string nobody;
    if (trails.knows(user)) {
        return user;
    }
    const std::string name = directory_name(user);
    struct stat status {};
    if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return user;
    }
    return strangers.fetch_add(1) < kStrangersMax ? user : nobody;
}

// ---- Checkpoints

// Before a record: the files must not run away from the ledger.
bool QueryLog::State::is_behind(Microseconds time) const {
    const std::int64_t oldest = oldest_unvouched;
    const bool late =
        oldest != 0 && micros(time) - oldest > std::chrono::microseconds(kUnvouchedMax).count();
    return late || out_of_place;
}

result<void> QueryLog::State::keep_up(Microseconds time) {
    const std::int64_t oldest = oldest_unvouched;
    if (oldest == 0 && !out_of_place) {
        return {};  // there was a checkpoint since
    }
    const bool much_too_late =
        micros(time) - oldest > std::chrono::microseconds(kUnderWayMax).count();
    if (checkpoint_under_way && !out_of_place && !much_too_late) {
        return {};
    }
    return checkpoint();
}

result<void> QueryLog::State::checkpoint() {
    const std::lock_guard one_at_a_time(checkpoint_mutex);
    checkpoint_under_way = true;
    const auto written = write_checkpoint();
    checkpoint_under_way = false;
    return written;
}

result<void> QueryLog::State::write_checkpoint() {
    const Microseconds time = now();
    if (const auto placed = check_places(); !placed) {
        out_of_place = true;
        troubles.set(path.string(), placed.error());
        return placed.error();
    }
    out_of_place = false;
    troubles.clear(path.string());

    std::vector<TrailPointer> collected;
    std::int64_t oldest = 0;
    {
        const std::lock_guard lock(grown_mutex);
        collected.swap(grown);
        oldest = oldest_unvouched.exchange(0);
    }
    std::vector<Anchor> anchors;
    std::vector<TrailPointer> vouched;
    for (const TrailPointer& trail : collected) {
        const std::lock_guard lock(trail->mutex);
        if (!trail->grown) {
            continue;  // open_day has seen to it
        }
        write_held(*trail);
        trail->grown = false;
        if (trail->file.size() != trail->vouched) {
            anchors.push_back(trail->anchor());
            vouched.push_back(trail);
        }
        const auto placed = trail->file.check_place(directory.get(), trail->name);
        if (!placed) {
            trail->misplaced = true;
            troubles.set(trail->name, placed.error());
        }
    }
    if (!anchors.empty()) {
        if (const auto written = ledger->checkpoint(time, anchors); !written) {
            put_back(std::move(vouched), oldest);
            troubles.set(std::string(kLedgerName), written.error());
            return written.error();
        }
        for (std::size_t i = 0; i < anchors.size(); ++i) {
            const std::lock_guard lock(vouched[i]->mutex);
            if (vouched[i]->name == anchors[i].file) {
                vouched[i]->vouched = anchors[i].bytes;
            }
        }
    }
    troubles.clear(std::string(kLedgerName));

    const auto day = std::chrono::floor<std::chrono::days>(time) - std::chrono::days(1);
    if (day > swept) {
        swept = day;
        trails.forget_before(day);
        ledger->forget_before(day);
    }
    return {};
}

result<void> QueryLog::State::check_places() {
    struct stat opened {};
    struct stat named {};
    if (::fstat(directory.get(), &opened) != 0) {
        return last_system_error();
    }
    if (::stat(path.c_str(), &named) != 0) {
        return errno == ENOENT || errno == ENOTDIR ? error_code(AuditError::kChanged)
                                                   : last_system_error();
    }
    if (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino) {
        return AuditError::kChanged;
    }
    return ledger->check_place();
}

// The checkpoint could not be written: these are without one as before.
void QueryLog::State::put_back(std::vector<TrailPointer> trails_grown, std::int64_t oldest) {
    for (TrailPointer& trail : trails_grown) {
        const std::lock_guard lock(trail->mutex);
        if (!trail->grown) {
            trail->grown = true;
            const std::lock_guard grown_lock(grown_mutex);
            grown.push_back(std::move(trail));
        }
    }
    const std::lock_guard lock(grown_mutex);
    oldest_unvouched = oldest;
}

bool QueryLog::State::is_due() const {
    const std::int64_t oldest = oldest_unvouched;
    return oldest != 0 &&
           micros(now()) - oldest > std::chrono::microseconds(kCheckpointEvery).count();
}

void QueryLog::State::run() {
    bool well = true;
    std::unique_lock lock(thread_mutex);
    while (!stopping) {
        // Where the last one took long, the next is due already; where it failed, a while later.
        if (!well || !is_due()) {
            thread_wakes.wait_for(lock, kCheckpointEvery,
                                  [&] { return session_ended || stopping; });
        }
        if (session_ended && !stopping) {
            thread_wakes.wait_for(lock, kCheckpointGap, [&] { return stopping; });
        }
        session_ended = false;
        if (!stopping) {
            lock.unlock();
            // An error is in `troubles`, and refuses appends by keep_up().
            well = static_cast<bool>(checkpoint());
            lock.lock();
        }
    }
}

// ---- Opening and closing

// After a crash: files that may be ahead of the ledger get a checkpoint, torn ones are repaired.
result<void> QueryLog::State::recover(Microseconds time) {
    std::vector<Anchor> unvouched;
    for (const Anchor& known : ledger->maybe_torn()) {
        struct stat status {};
        const bool is_there =
            ::fstatat(directory.get(), known.file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (known.seq == 0 && !is_there) {
            continue;  // nothing to go on with, and nothing that continue_file would not say
        }
        auto file = continue_file(directory.get(), known.file, *ledger, time, true, sync);
        if (!file) {
            return file.error();
        }
        if (file->unvouched) {
            unvouched.push_back(file->end);
        }
    }
    if (unvouched.empty()) {
        return {};
    }
    return ledger->checkpoint(time, unvouched);
}

QueryLog::QueryLog() : state_(std::make_unique<State>()) {}

result<std::unique_ptr<QueryLog>> QueryLog::open(const config::Audit& audit, Clock clock,
                                                 Report report) {
    std::unique_ptr<QueryLog> log(new QueryLog());
    State& state = *log->state_;
    state.path = audit.directory;
    state.sync = audit.durability == config::Durability::kFsync;
    state.clock = clock ? std::move(clock) : Clock([] { return std::chrono::system_clock::now(); });

    std::error_code made;
    std::filesystem::create_directories(audit.directory.parent_path(), made);
    if (::mkdir(audit.directory.c_str(), 0700) != 0 && errno != EEXIST) {
        return last_system_error();
    }
    state.directory =
        Descriptor(::open(audit.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!state.directory.is_open()) {
        return last_system_error();
    }
    if (::flock(state.directory.get(), LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? error_code(AuditError::kInUse) : last_system_error();
    }
    const Microseconds time = state.now();
    auto ledger = Ledger::open(state.directory.get(), audit, time);
    if (!ledger) {
        return ledger.error();
    }
    state.ledger = std::move(*ledger);
    if (state.sync) {
        state.threads.emplace(kSyncThreads);
    }
    if (const auto recovered = state.recover(time); !recovered) {
        return recovered.error();
    }

    state.behind = std::make_unique<TroublesBehind>(std::move(report));
    if (audit.anchor != config::LedgerAnchor{}) {
        state.anchor = std::make_unique<LedgerAnchor>(
            audit.anchor, state.directory.get(), *state.ledger,
            [&state](const std::string& trouble) { state.behind->set("audit.anchor", trouble); });
    }
    state.upkeep = std::make_unique<Upkeep>(
        audit, state.directory.get(), *state.ledger, state.clock,
        [&state](const std::string& trouble) { state.behind->set("sealed files", trouble); });
    if (!state.sync) {
        state.held =
            std::make_unique<HeldRecords>([&state](Trail& trail) { state.write_held(trail); });
    }
    state.thread = std::thread([&state] { state.run(); });
    return log;
}

QueryLog::~QueryLog() {
    State& state = *state_;
    if (!state.thread.joinable()) {
        return;  // open() failed
    }
    {
        const std::lock_guard lock(state.thread_mutex);
        state.stopping = true;
    }
    state.thread_wakes.notify_all();
    state.thread.join();
    state.held.reset();     // before the last checkpoint
    state.threads.reset();  // the files are on the disk before the ledger says so
    state.upkeep.reset();
    // Where the last checkpoint fails there is no log_closed either, and the next open() looks at
    // the files as after a crash.
    if (state.checkpoint()) {
        static_cast<void>(state.ledger->closed(state.now()));
    }
    for (const TrailPointer& trail : state.grown) {
        const std::lock_guard lock(trail->mutex);
        state.write_held(*trail);  // or drops it: a stage and its trail hold each other
    }
    state.anchor.reset();
}

result<Ticket> QueryLog::append(const SessionId& id, const SessionStart& r) {
    return state_->append(id, id.user, r);
}

result<Ticket> QueryLog::append(const SessionId& id, const Statement& r) {
    return state_->append(id, id.user, r);
}

result<Staged> QueryLog::stage(const SessionId& id, const Statement& r) {
    if (!stages()) {
        return error_code(EINVAL, boost::system::system_category());
    }
    Staged staged;
    const auto made = state_->write(id, id.user, r, &staged.stage_);
    if (!made) {
        state_->failures.fetch_add(1, std::memory_order_relaxed);
        return made.error();
    }
    return staged;
}

void QueryLog::write(const Staged& staged) {
    if (!staged.stage_ || staged.stage_->state != StageState::kOpen) {
        return;
    }
    Trail& trail = *staged.stage_->trail;
    const std::lock_guard lock(trail.mutex);
    if (trail.stage == staged.stage_) {
        state_->write_held(trail);
    }
}

bool QueryLog::stages() const {
    return state_->held != nullptr;
}

result<Ticket> QueryLog::append(const SessionId& id, const Result& r) {
    return state_->append(id, id.user, r);
}

result<Ticket> QueryLog::append(const SessionId& id, const SessionEnd& r) {
    const auto appended = state_->append(id, id.user, r);
    if (appended) {
        bool first = false;
        {
            const std::lock_guard lock(state_->thread_mutex);
            first = !std::exchange(state_->session_ended, true);
        }
        if (first) {  // the others share its checkpoint
            state_->thread_wakes.notify_one();
        }
    }
    return appended;
}

result<Ticket> QueryLog::append(const SessionId& id, const LoginRefused& r) {
    return state_->append(id, state_->file_of_stranger(id.user), r);
}

result<Ticket> QueryLog::append(const SessionId& id, const AccessCall& r) {
    auto appended = state_->append(id, id.user, r);
    if (appended && !appended->wait()) {
        return error_code(EIO, boost::system::system_category());
    }
    return appended;
}

void QueryLog::drain() {
    if (state_->held) {
        state_->held->write();
    }
    if (state_->threads) {
        state_->threads->drain();
    }
}

result<void> QueryLog::checkpoint() {
    return state_->checkpoint();
}

std::string QueryLog::trouble() const {
    return state_->troubles.first();
}

// A file without a name, gone when it is closed, with room for a few records that are long behind
// as many bytes as a file had that could not be made longer.
result<void> QueryLog::State::try_disk() const {
    static constexpr std::array<char, std::size_t{64} * 1024> kBlock{};
    const Descriptor file(
        ::openat(directory.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file.is_open()) {
        // Few file systems cannot do this; there, what the appends say has to do.
        const bool unknown = errno == EOPNOTSUPP || errno == EISDIR;
        return unknown ? result<void>() : last_system_error();
    }
    // A short write does not say what is short; the next one does.
    const auto begin = static_cast<off_t>(troubles.largest());
    for (std::size_t size = 0; size < kBlock.size();) {
        const ssize_t written = ::pwrite(file.get(), kBlock.data() + size, kBlock.size() - size,
                                         begin + static_cast<off_t>(size));
        if (written <= 0) {
            return written < 0 ? last_system_error()
                               : error_code(ENOSPC, boost::system::system_category());
        }
        size += static_cast<std::size_t>(written);
    }
    if (sync && ::fdatasync(file.get()) != 0) {
        return last_system_error();
    }
    return {};
}

std::string QueryLog::try_to_write() {
    if (const auto tried = state_->try_disk(); !tried) {
        return state_->path.string() + ": " + tried.error().message();
    }
    state_->troubles.disk_is_well();
    return trouble();
}

std::uint64_t QueryLog::records() const {
    return state_->records.load(std::memory_order_relaxed);
}

std::uint64_t QueryLog::failures() const {
    return state_->failures.load(std::memory_order_relaxed);
}

void QueryLog::keep_up_files() {
    state_->upkeep->run_round();
}

std::string QueryLog::trouble_behind() const {
    return state_->behind->first();
}

std::string new_session_id() {
    std::array<char, 16> raw{};
    std::size_t filled = 0;
    while (filled < raw.size()) {
        const ssize_t got = ::getrandom(raw.data() + filled, raw.size() - filled, 0);
        if (got < 0 && errno != EINTR) {
            throw std::system_error(errno, std::system_category(), "getrandom");
        }
        filled += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    std::string id;
    append_hex(id, {raw.data(), raw.size()});
    return id;
}

}  // namespace vitrine::audit
