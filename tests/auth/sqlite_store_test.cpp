// The store in one file, and what can happen to a file: killed in the middle, a full disk, no
// rights, another process, damage.
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "auth/handle.h"
#include "auth/lifecycle.h"
#include "tests/auth/store_place.h"

using namespace vitrine::auth;
using namespace vitrine;
using namespace std::chrono_literals;
using test::Folder;
using test::Place;

namespace {

std::atomic<unsigned> synced{0};

}  // namespace

// In the place of the C library's, for all of this program: SQLite calls this one.
extern "C" int fdatasync(int descriptor) {
    ++synced;
    return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

namespace {

using Kind = Revocation::Kind;

constexpr Time kNow{std::chrono::seconds(1800000000)};

Grant pending_grant(std::string id, std::string user) {
    Grant grant;
    grant.id = std::move(id);
    grant.user = std::move(user);
    grant.issuer = "local";
    grant.groups = {"engineering"};
    grant.database = "shop";
    grant.duration = 1h;
    grant.reason = std::string(500, 'r');
    grant.policy = "on-call";
    grant.approvals_needed = 2;
    grant.approver_groups = {"dba"};
    grant.requested = kNow;
    grant.ends = kNow + 24h;
    return grant;
}

Store::Change approve_by(std::string user) {
    return [identity = Identity{std::move(user), {"dba"}, "local", ""}](Grant& grant) {
        return approve(grant, identity, kNow + 1s);
    };
}

boost::system::error_code end_it(Grant& grant) {
    return end(grant, config::Access(), {grant.user, {}, "local", ""}, "done", kNow + 2s);
}

std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    std::filesystem::permissions(file, std::filesystem::perms(0600));
}

unsigned mode_of(const std::filesystem::path& file) {
    struct stat status {};
    REQUIRE(stat(file.c_str(), &status) == 0);
    return status.st_mode & 0777U;
}

StoreError error_of(const result<std::unique_ptr<Store>>& store) {
    REQUIRE(store.has_error());
    return static_cast<StoreError>(store.error().value());
}

class Disk {
  public:
    Disk(std::filesystem::path path, const char* options) : path_(std::move(path)) {
        std::filesystem::create_directories(path_);
        mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, options) == 0;
    }
    ~Disk() {
        if (mounted_) {
            umount2(path_.c_str(), MNT_DETACH);
        }
    }
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    [[nodiscard]] bool mounted() const { return mounted_; }
    [[nodiscard]] bool make_read_only() const {
        return mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0;
    }

  private:
    std::filesystem::path path_;
    bool mounted_ = false;
};

// Runs `body` in a child with one end of a pipe, which it writes lines to.
template <class Body>
std::pair<pid_t, int> in_child(Body body) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(ends[0]);
        body(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    return {child, ends[0]};
}

void say(int pipe, const std::string& line) {
    const std::string whole = line + '\n';
    if (write(pipe, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) {
        _exit(3);
    }
}

// All that was written, once the child is gone. What was written by one call is there whole.
std::vector<std::string> lines_of(int pipe) {
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t size = 0; (size = read(pipe, piece.data(), piece.size())) > 0;) {
        text.append(piece.data(), static_cast<std::size_t>(size));
    }
    close(pipe);
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

// --- killed at any moment ---

struct Acknowledged {
    std::map<std::string, std::set<std::string>> approvals;  // by grant
    std::set<std::string> added;
    std::set<std::string> ended;
    std::set<std::string> used;     // jti
    std::set<std::string> revoked;  // users
    std::set<std::string> handles;
};

// What a proxy does all day, in the child. Each line is written once the store has said yes.
void work(const std::filesystem::path& file, unsigned round, int pipe) {
    std::string error;
    const auto opened = open_sqlite_store(file, error);
    if (opened.has_error()) {
        say(pipe, "! " + error);
        return;
    }
    Store& store = **opened;
    std::mt19937 random(round);
    for (unsigned i = 0;; ++i) {
        const std::string name = std::to_string(round) + "-" + std::to_string(i);
        const std::string id = "g_" + name;
        const auto step = [&](bool done, const std::string& line) {
            say(pipe, done ? line : "! " + line + ": " + store.last_problem());
        };
        step(store.add_grant(pending_grant(id, "u-" + name)).has_value(), "add " + id);
        const auto approvals = random() % 3;
        for (unsigned j = 0; j < approvals; ++j) {
            const std::string by = "dba" + std::to_string(j);
            step(store.change_grant(id, approve_by(by)).has_value(), "approve " + id + " " + by);
        }
        switch (random() % 4) {
            case 0:
                step(store.change_grant(id, end_it).has_value(), "end " + id);
                break;
            case 1:
                step(store.revoke({Kind::kUser, "u-" + name, kNow, "root", ""}, kNow + 24h)
                         .has_value(),
                     "revoke u-" + name);
                break;
            case 2: {
                const auto used = store.use_token("vitrine", name, kNow + 1h);
                step(used.has_value() && *used, "use " + name);
                break;
            }
            default: {
                HandleRecord handle;
                handle.hash = hash_handle(name);
                handle.principal = {"ada", "", {}, "t", "vitrine", id, "", kNow, kNow + 1h};
                handle.databases = {"shop"};
                step(store.add_handle(handle).has_value(), "handle " + handle.hash);
                break;
            }
        }
    }
}

void take(const std::vector<std::string>& lines, Acknowledged& all) {
    for (const std::string& line : lines) {
        CAPTURE(line);
        REQUIRE(line.front() != '!');
        std::istringstream in(line);
        std::string what;
        std::string name;
        std::string by;
        in >> what >> name >> by;
        if (what == "add") {
            all.added.insert(name);
        } else if (what == "approve") {
            all.approvals[name].insert(by);
        } else if (what == "end") {
            all.ended.insert(name);
        } else if (what == "use") {
            all.used.insert(name);
        } else if (what == "revoke") {
            all.revoked.insert(name);
        } else {
            all.handles.insert(name);
        }
    }
}

// Every change that was acknowledged is there, and none is there by half, acknowledged or not.
void check_truth(Store& store, const Acknowledged& all) {
    const auto grants = store.grants({.most = 1000000});
    REQUIRE(grants.has_value());
    std::map<std::string, const Revocation*> revocations;
    const auto list = store.revocations().value();
    for (const Revocation& revocation : list) {
        revocations[revocation.value] = &revocation;
    }
    unsigned wrong = 0;
    std::map<std::string, const Grant*> by_id;
    for (const Grant& grant : *grants) {
        by_id[grant.id] = &grant;
        const bool enough = grant.approvals.size() >= grant.approvals_needed;
        const bool live = grant.state == GrantState::kPending || grant.state == GrantState::kActive;
        wrong += enough != (grant.started != Time()) ? 1 : 0;
        wrong += grant.state == GrantState::kPending && enough ? 1 : 0;
        wrong +=
            (grant.state == GrantState::kRevoked) != (revocations.count(grant.id) == 1) ? 1 : 0;
        wrong += live && revocations.count(grant.user) == 1 ? 1 : 0;
        wrong += live == !grant.ended_by.empty() ? 1 : 0;
    }
    CHECK(wrong == 0);
    std::vector<std::string> lost;
    for (const std::string& id : all.added) {
        if (by_id.count(id) == 0) {
            lost.push_back("add " + id);
        }
    }
    for (const auto& [id, by] : all.approvals) {
        std::set<std::string> there;
        for (const Approval& approval : by_id.at(id)->approvals) {
            there.insert(approval.by);
        }
        if (!std::includes(there.begin(), there.end(), by.begin(), by.end())) {
            lost.push_back("approve " + id);
        }
    }
    for (const std::string& id : all.ended) {
        const GrantState state = by_id.at(id)->state;
        if (state != GrantState::kRevoked && state != GrantState::kWithdrawn) {
            lost.push_back("end " + id);
        }
    }
    for (const std::string& user : all.revoked) {
        if (revocations.count(user) == 0) {
            lost.push_back("revoke " + user);
        }
    }
    for (const std::string& hash : all.handles) {
        if (!store.handle(hash).has_value()) {
            lost.push_back("handle " + hash);
        }
    }
    CHECK(lost == std::vector<std::string>());
}

}  // namespace

TEST_CASE("killed at any moment, the store says the truth about each change", "[sqlite]") {
    const auto seed =
        static_cast<unsigned>(Catch::rngSeed() != 0 ? Catch::rngSeed() : std::random_device()());
    CAPTURE(seed);
    std::printf("seed of the kills: %u (run with --rng-seed)\n", seed);
    std::mt19937 random(seed);
    const Folder folder;
    const auto file = folder.path() / "access.db";
    Acknowledged all;
    std::size_t changes = 0;
    constexpr unsigned kKills = 300;
    for (unsigned round = 1; round <= kKills; ++round) {
        const auto [child, pipe] =
            in_child([&, round = round](int end) { work(file, round, end); });
        // Some in the first moments, while it opens the store; the others at work.
        if (round % 5 != 0) {
            pollfd first{pipe, POLLIN, 0};
            REQUIRE(poll(&first, 1, 60000) == 1);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 25000));
        REQUIRE(kill(child, SIGKILL) == 0);
        REQUIRE(waitpid(child, nullptr, 0) == child);
        const auto lines = lines_of(pipe);
        changes += lines.size();
        take(lines, all);
        if (round % 10 == 0 || round < 10) {
            std::string error;
            const auto store = open_sqlite_store(file, error);
            CAPTURE(error, round);
            REQUIRE(store.has_value());
            check_truth(**store, all);
        }
    }
    std::string error;
    const auto store = open_sqlite_store(file, error);
    REQUIRE(store.has_value());
    check_truth(**store, all);
    for (const std::string& jti : all.used) {
        CHECK_FALSE((*store)->use_token("vitrine", jti, kNow + 1h).value());
    }
    std::printf("%zu changes acknowledged, %u kills\n", changes, kKills);
    CHECK(changes >= kKills / 2);  // four of five rounds wait for one
}

TEST_CASE("a log that a power cut left short opens as far as it goes", "[sqlite]") {
    const Folder folder;
    const auto file = folder.path() / "access.db";
    std::string error;
    const auto store = open_sqlite_store(file, error);
    REQUIRE(store.has_value());
    constexpr int kGrants = 12;
    for (int i = 0; i < kGrants; ++i) {
        REQUIRE((*store)->add_grant(pending_grant("g_" + std::to_string(100 + i), "ada")));
    }
    const std::string database = bytes_of(file);
    const std::string log = bytes_of(file.string() + "-wal");
    REQUIRE(log.size() > 4096 * kGrants);
    std::size_t before = 0;
    bool grows = true;
    for (std::size_t cut = 0; cut <= log.size(); cut += 1021) {
        const Folder other;
        const auto copy = other.path() / "access.db";
        write_file(copy, database);
        write_file(copy.string() + "-wal", log.substr(0, cut));
        const auto opened = open_sqlite_store(copy, error);
        CAPTURE(cut, error);
        REQUIRE(opened.has_value());
        const auto grants = (*opened)->grants({});
        REQUIRE(grants.has_value());
        // The first ones, and not one behind a hole.
        for (std::size_t i = 0; i < grants->size(); ++i) {
            grows = grows && (*grants)[grants->size() - 1 - i].id == "g_" + std::to_string(100 + i);
        }
        grows = grows && grants->size() >= before;
        before = grants->size();
        REQUIRE((*opened)->add_grant(pending_grant("g_new", "bob")));
    }
    CHECK(grows);
    CHECK(before >= kGrants - 1);
}

TEST_CASE("what is acknowledged is on the disk", "[sqlite]") {
    const Folder folder;
    std::string error;
    const auto opened = open_sqlite_store(folder.path() / "access.db", error);
    REQUIRE(opened.has_value());
    for (int i = 0; i < 20; ++i) {
        const std::string id = "g_" + std::to_string(i);
        const auto syncs_of = [](const auto& change) {
            const unsigned before = synced;
            REQUIRE(change());
            return synced - before;
        };
        Store& store = **opened;
        CHECK(syncs_of([&] { return !store.add_grant(pending_grant(id, "ada")).has_error(); }) >=
              1);
        CHECK(syncs_of([&] { return !store.change_grant(id, approve_by("bob")).has_error(); }) >=
              1);
        CHECK(syncs_of([&] { return store.use_token("vitrine", id, kNow).value(); }) >= 1);
        CHECK(syncs_of([&] {
                  return !store.revoke({Kind::kToken, id, kNow, "", ""}, kNow).has_error();
              }) >= 1);
    }
}

TEST_CASE("the file is its owner's alone", "[sqlite]") {
    const Folder folder;
    const auto file = folder.path() / "access.db";
    const mode_t before = umask(0);
    std::string error;
    auto store = open_sqlite_store(file, error);
    REQUIRE(store.has_value());
    REQUIRE((*store)->add_grant(pending_grant("g_1", "ada")));
    umask(before);
    CHECK(mode_of(file) == 0600);
    CHECK(mode_of(file.string() + "-wal") == 0600);
    CHECK(mode_of(file.string() + "-shm") == 0600);
    store->reset();
    for (const unsigned mode : {0640U, 0604U, 0620U, 0602U, 0666U}) {
        std::filesystem::permissions(file, std::filesystem::perms(mode));
        CHECK(error_of(open_sqlite_store(file, error)) == StoreError::kUnavailable);
        CHECK_THAT(error,
                   Catch::Contains("access.db is open to others") && Catch::EndsWith("chmod 600"));
    }
    std::filesystem::permissions(file, std::filesystem::perms(0600));
    CHECK(open_sqlite_store(file, error).value()->grants({}).value().size() == 1);
}

TEST_CASE("what is no store is refused, and left as it is", "[sqlite]") {
    const Folder folder;
    const auto file = folder.path() / "access.db";
    std::string error;
    SECTION("a text") {
        write_file(file, std::string(5000, 'x'));
    }
    SECTION("a short text") {
        write_file(file, "listen: {address: 0.0.0.0:6432}\n");
    }
    SECTION("the head of a database, and then nothing of one") {
        write_file(file, std::string("SQLite format 3\0", 16) + std::string(5000, 'x'));
    }
    SECTION("another program's database") {
        sqlite3* made = nullptr;
        REQUIRE(sqlite3_open(file.c_str(), &made) == SQLITE_OK);
        REQUIRE(sqlite3_exec(made, "CREATE TABLE grants (a); INSERT INTO grants VALUES (1)",
                             nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(made);
        std::filesystem::permissions(file, std::filesystem::perms(0600));
    }
    const std::string before = bytes_of(file);
    CHECK(error_of(open_sqlite_store(file, error)) == StoreError::kCorrupt);
    CHECK_THAT(error, Catch::Contains("access.db") && Catch::Contains("; "));
    CHECK(bytes_of(file) == before);
    CHECK_FALSE(std::filesystem::exists(file.string() + "-wal"));
}

TEST_CASE("where no store can be, the sentence says what to do", "[sqlite]") {
    const Folder folder;
    std::string error;
    CHECK(error_of(open_sqlite_store(folder.path() / "no" / "access.db", error)) ==
          StoreError::kUnavailable);
    CHECK_THAT(error, Catch::Contains("No such file or directory; make its directory"));
    CHECK(error_of(open_sqlite_store(folder.path(), error)) == StoreError::kUnavailable);
    CHECK_THAT(error, Catch::Contains("is no file"));
    // An empty file is a new store.
    write_file(folder.path() / "empty.db", "");
    CHECK(open_sqlite_store(folder.path() / "empty.db", error).has_value());
}

TEST_CASE("a file that is taken away is not written to any more", "[sqlite]") {
    const Folder folder;
    const auto file = folder.path() / "access.db";
    std::string error;
    const auto opened = open_sqlite_store(file, error);
    REQUIRE(opened.has_value());
    Store& store = **opened;
    REQUIRE(store.add_grant(pending_grant("g_1", "ada")));
    SECTION("deleted") {
        std::filesystem::remove(file);
    }
    SECTION("moved") {
        std::filesystem::rename(file, folder.path() / "other.db");
    }
    SECTION("replaced") {
        std::filesystem::remove(file);
        CHECK(open_sqlite_store(file, error).has_value());
    }
    CHECK(store.add_grant(pending_grant("g_2", "ada")).has_error());
    CHECK(store.revocations().has_error());
    CHECK(store.wait_for_change(0, 0s).has_error());
    CHECK_THAT(store.last_problem(), Catch::Contains("moved, deleted or replaced"));
}

TEST_CASE("a full disk is an error, and over once there is room", "[sqlite]") {
    const Folder folder;
    const Disk disk(folder.path() / "disk", "size=8m");
    if (!disk.mounted()) {
        WARN("no tmpfs can be mounted here");
        return;
    }
    const auto file = folder.path() / "disk" / "access.db";
    const auto ballast = folder.path() / "disk" / "ballast";
    write_file(ballast, std::string(2000000, 'x'));
    std::string error;
    const auto opened = open_sqlite_store(file, error);
    REQUIRE(opened.has_value());
    Store& store = **opened;
    std::size_t added = 0;
    result<void> last;
    while (added < 10000 && !last.has_error()) {
        last = store.add_grant(pending_grant("g_" + std::to_string(100000 + added), "ada"));
        added += last.has_error() ? 0 : 1;
    }
    REQUIRE(last.has_error());
    CHECK(last.error() == StoreError::kUnavailable);
    CHECK_THAT(store.last_problem(),
               Catch::Contains("full") && Catch::EndsWith("make room on its disk"));
    CHECK(added > 500);
    // What takes less may still fit for a while; then nothing does, and what was said stays true.
    std::size_t used = 0;
    while (used < 10000) {
        const auto first = store.use_token("vitrine", std::to_string(used), kNow);
        if (first.has_error()) {
            break;
        }
        CHECK(*first);
        ++used;
    }
    CHECK(store.use_token("vitrine", std::to_string(used), kNow).has_error());
    CHECK(store.revoke({Kind::kAll, "", kNow, "", ""}, kNow).has_error());
    CHECK(store.revocations().value().empty());
    CHECK(store.grants({.most = 100000}).value().size() == added);
    std::filesystem::remove(ballast);
    CHECK(store.use_token("vitrine", std::to_string(used), kNow).value());
    CHECK(store.last_problem().empty());
    for (std::size_t i = 0; i <= used; ++i) {
        CHECK_FALSE(store.use_token("vitrine", std::to_string(i), kNow).value());
    }
    REQUIRE(store.add_grant(pending_grant("g_new", "ada")));
    CHECK(open_sqlite_store(file, error).value()->grants({.most = 100000}).value().size() ==
          added + 1);
}

TEST_CASE("a disk without any room at all", "[sqlite]") {
    const Folder folder;
    const Disk disk(folder.path() / "disk", "size=64k");
    if (!disk.mounted()) {
        WARN("no tmpfs can be mounted here");
        return;
    }
    // From nothing at all to what is just not enough to make the tables in.
    for (std::size_t room = 0; room <= 60; room += 4) {
        write_file(folder.path() / "disk" / "ballast", std::string((64 - room) * 1024, 'x'));
        std::string error;
        const auto opened = open_sqlite_store(folder.path() / "disk" / "access.db", error);
        CAPTURE(room);
        if (opened.has_error()) {
            CHECK(opened.error() == StoreError::kUnavailable);
            CHECK_FALSE(error.empty());
        } else {
            CHECK((*opened)->grants({}).value().empty());
        }
        for (const char* const name : {"ballast", "access.db", "access.db-wal", "access.db-shm"}) {
            std::filesystem::remove(folder.path() / "disk" / name);
        }
    }
}

TEST_CASE("files that may not grow are an error, and no signal", "[sqlite]") {
    const Folder folder;
    std::string error;
    const auto opened = open_sqlite_store(folder.path() / "access.db", error);
    REQUIRE(opened.has_value());
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    auto* const before = signal(SIGXFSZ, SIG_IGN);
    const rlimit lower{rlim_t{200} * 1024, limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &lower) == 0);
    std::size_t added = 0;
    result<void> last;
    while (added < 10000 && !last.has_error()) {
        last = (*opened)->add_grant(pending_grant("g_" + std::to_string(added), "ada"));
        added += last.has_error() ? 0 : 1;
    }
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, before);
    REQUIRE(last.has_error());
    CHECK(last.error() == StoreError::kUnavailable);
    CHECK((*opened)->grants({.most = 100000}).value().size() == added);
    CHECK((*opened)->add_grant(pending_grant("g_new", "ada")));
}

TEST_CASE("a disk that may only be read", "[sqlite]") {
    const Folder folder;
    const Disk disk(folder.path() / "disk", "size=1m");
    if (!disk.mounted()) {
        WARN("no tmpfs can be mounted here");
        return;
    }
    const auto file = folder.path() / "disk" / "access.db";
    std::string error;
    REQUIRE(open_sqlite_store(file, error).value()->add_grant(pending_grant("g_1", "ada")));
    REQUIRE(disk.make_read_only());
    CHECK(error_of(open_sqlite_store(file, error)) == StoreError::kUnavailable);
    CHECK_THAT(error, Catch::Contains("must be able to write"));
}

TEST_CASE("another process that keeps the file locked is waited for, and not forever", "[sqlite]") {
    const Place place(Place::Kind::kSqlite);
    const auto store = place.open();
    sqlite3* other = nullptr;
    REQUIRE(sqlite3_open(place.file().c_str(), &other) == SQLITE_OK);
    REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
    const auto start = std::chrono::steady_clock::now();
    const auto added = store->add_grant(pending_grant("g_1", "ada"));
    const auto took = std::chrono::steady_clock::now() - start;
    REQUIRE(added.has_error());
    CHECK(added.error() == StoreError::kUnavailable);
    CHECK(took > 2s);
    CHECK(took < 5s);
    CHECK_THAT(store->last_problem(), Catch::Contains("keeps it locked"));
    CHECK(store->grants({}).has_value());  // who only reads does not wait

    std::thread release([&] {
        std::this_thread::sleep_for(200ms);
        sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
    });
    CHECK(store->add_grant(pending_grant("g_1", "ada")).has_value());
    release.join();
    sqlite3_close(other);
}

TEST_CASE("several processes on one file: exactly the approvals, each token once", "[sqlite]") {
    const Place place(Place::Kind::kSqlite);
    constexpr unsigned kProcesses = 4;
    constexpr unsigned kTokens = 40;
    {
        Grant grant = pending_grant("g_1", "ada");
        grant.approvals_needed = 3;
        REQUIRE(place.open()->add_grant(grant));
    }
    std::vector<std::pair<pid_t, int>> children;
    for (unsigned i = 0; i < kProcesses; ++i) {
        children.push_back(in_child([&, i](int pipe) {
            std::string error;
            const auto store = open_sqlite_store(place.file(), error);
            if (store.has_error()) {
                say(pipe, "! " + error);
                return;
            }
            const auto approved =
                (*store)->change_grant("g_1", approve_by("dba" + std::to_string(i)));
            say(pipe, approved.has_value()                          ? "approved"
                      : approved.error() == GrantError::kNotPending ? "late"
                                                                    : "! approve");
            for (unsigned j = 0; j < kTokens; ++j) {
                const auto used = (*store)->use_token("vitrine", std::to_string(j), kNow);
                say(pipe, used.has_error() ? "! use" : *used ? "first" : "again");
            }
        }));
    }
    std::map<std::string, unsigned> counts;
    for (const auto& [child, pipe] : children) {
        for (const std::string& line : lines_of(pipe)) {
            ++counts[line];
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    CHECK(counts["approved"] == 3);
    CHECK(counts["late"] == 1);
    CHECK(counts["first"] == kTokens);
    CHECK(counts["again"] == kTokens * (kProcesses - 1));
    CHECK(counts.size() == 4);
    CHECK(place.open()->grant("g_1").value().approvals.size() == 3);
}

TEST_CASE("a damaged file is an error or right, and never a crash", "[sqlite]") {
    const auto seed =
        static_cast<unsigned>(Catch::rngSeed() != 0 ? Catch::rngSeed() : std::random_device()());
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::string whole;
    std::string error;
    {
        const Folder folder;
        const auto file = folder.path() / "access.db";
        {
            const auto store = open_sqlite_store(file, error);
            REQUIRE(store.has_value());
            for (int i = 0; i < 60; ++i) {
                REQUIRE((*store)->add_grant(pending_grant("g_" + std::to_string(i), "ada")));
            }
            REQUIRE(
                (*store)->revoke({Kind::kUser, "ada", kNow - 1s, "root", ""}, kNow).has_value());
        }
        whole = bytes_of(file);
    }
    unsigned errors = 0;
    for (int round = 0; round < 150; ++round) {
        std::string bytes = whole;
        const std::size_t at = random() % bytes.size();
        const std::size_t size = std::min<std::size_t>(1 + random() % 64, bytes.size() - at);
        for (std::size_t i = 0; i < size; ++i) {
            bytes[at + i] = static_cast<char>(random());
        }
        if (round % 10 == 0) {
            bytes.resize(bytes.size() - random() % (bytes.size() / 2));
        }
        const Folder folder;
        const auto file = folder.path() / "access.db";
        write_file(file, bytes);
        const auto store = open_sqlite_store(file, error);
        if (store.has_error()) {
            CHECK_FALSE(error.empty());
            ++errors;
            continue;
        }
        const std::array outcomes = {(*store)->grants({.most = 1000}).has_error(),
                                     (*store)->revocations().has_error(),
                                     (*store)->grant("g_7").has_error(),
                                     (*store)->change_grant("g_8", approve_by("bob")).has_error(),
                                     (*store)->add_grant(pending_grant("g_x", "bob")).has_error()};
        if (std::any_of(outcomes.begin(), outcomes.end(), [](bool failed) { return failed; })) {
            ++errors;
        }
    }
    CHECK(errors > 20);
}
