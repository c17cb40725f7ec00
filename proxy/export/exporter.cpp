#include "proxy/export/exporter.h"

#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <memory>
#include <mutex>
#include <ostream>
#include <random>
#include <stdexcept>
#include <thread>

#include "proxy/audit/names.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/export/cursor.h"
#include "proxy/export/follower.h"
#include "proxy/export/target.h"

namespace vitrine::exports {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int kDone = 0;
constexpr int kNotSo = 1;
constexpr int kCouldNotRun = 2;

// Read and handed over at once. A record is some hundred bytes to some kilobytes; one alone may be
// larger.
constexpr std::size_t kBatchRecordsMax = 1000;
constexpr std::size_t kBatchBytesMax = std::size_t{1024} * 1024;

// Sent and not confirmed, where that takes a call of its own: what is sent again after a crash. The
// time bounds how often a quiet log makes a new connection; at first it is short, so that one that
// is ended again and again gets on.
constexpr std::size_t kWindowRecordsMax = 10000;
constexpr std::size_t kWindowBytesMax = std::size_t{8} * 1024 * 1024;
constexpr milliseconds kWindowMin{100};
constexpr milliseconds kWindowMax{5000};

constexpr milliseconds kLookEvery{200};
constexpr milliseconds kSaveEvery{1000};
constexpr milliseconds kRetryMin{500};
constexpr milliseconds kRetryMax{60000};
// The same trouble, or another one behind it, is not said more often.
constexpr std::chrono::minutes kSayTroubleEvery{10};

std::string now_text() {
    std::string text;
    audit::append_time(
        text, std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()));
    return text;
}

// What all exporters share.
struct Shared {
    std::atomic<bool> stopping{false};
    std::mutex mutex;  // of what is below
    std::condition_variable wakes;
    std::ostream* err = nullptr;
    bool progress = false;

    void say(const std::string& target, const std::string& sentence) {
        const std::lock_guard lock(mutex);
        *err << (progress ? "\r\x1b[K" : "") << "vitrine: export " << target << ": "
             << audit::printable(sentence) << std::endl;
    }
    void stop() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        wakes.notify_all();
    }
    void sleep(milliseconds time) {
        std::unique_lock lock(mutex);
        wakes.wait_for(lock, time, [this] { return stopping.load(); });
    }
};

class Exporter {
  public:
    Exporter(fs::path directory, const config::ExportTarget& target, const ExportOptions& options,
             Shared& shared)
        : directory_(std::move(directory)),
          configured_(target),
          options_(options),
          shared_(shared),
          file_(cursor_file(directory_, target)) {}

    // To the end; the exit status. Nobody is kept away from the cursor behind it.
    int run() {
        const int ended = run_to_end();
        lock_.close();
        return ended;
    }

    [[nodiscard]] std::uint64_t sent() const { return sent_total_; }
    [[nodiscard]] const std::string& name() const { return configured_.name; }

  private:
    void say(const std::string& sentence) { shared_.say(configured_.name, sentence); }
    [[nodiscard]] bool prepare();
    [[nodiscard]] int run_to_end();
    void make_target();
    template <typename Call>
    [[nodiscard]] Outcome outcome_of(Call call);
    void serve();
    void send();
    void confirm();
    void arrived(std::size_t count);
    void failed(const Outcome& outcome);
    void well_again();
    void save(bool now);
    [[nodiscard]] bool window_is_full() const;
    [[nodiscard]] int status();

    const fs::path directory_;
    const config::ExportTarget& configured_;
    const ExportOptions options_;
    Shared& shared_;
    const fs::path file_;

    audit::Descriptor lock_;
    Cursor cursor_;
    std::unique_ptr<Follower> follower_;
    std::unique_ptr<Target> target_;

    std::vector<Item> pending_;  // read, and not known to have arrived
    std::size_t sent_ = 0;       // the first of them: handed over
    std::size_t sent_bytes_ = 0;
    steady_clock::time_point window_began_;
    milliseconds window_ = kWindowMin;

    unsigned failures_ = 0;  // since the last progress
    steady_clock::time_point failing_since_;
    steady_clock::time_point trouble_said_;
    steady_clock::time_point rejection_said_;
    bool given_up_ = false;
    bool shortening_said_ = false;
    bool reached_end_ = false;  // with `once`
    bool left_behind_ = false;  // something could not be read
    std::uint64_t lost_before_ = 0;
    std::uint64_t rejected_before_ = 0;
    std::uint64_t replaced_before_ = 0;

    bool unsaved_ = false;
    bool cannot_save_ = false;
    steady_clock::time_point saved_;
    std::atomic<std::uint64_t> sent_total_{0};
    std::minstd_rand jitter_{std::random_device{}()};
};

bool Exporter::prepare() {
    auto lock = lock_cursor(file_);
    if (!lock) {
        say(lock.error() == boost::system::errc::resource_unavailable_try_again
                ? "another process exports to it (" + file_.string() + ".lock is held)"
                : "its cursor cannot be kept in " + file_.parent_path().string() + ": " +
                      lock.error().message() + "; name a place for it with cursor:");
        return false;
    }
    lock_ = std::move(*lock);
    auto loaded = load_cursor(file_, configured_.name);
    if (!loaded.error.empty()) {
        say(loaded.error);
        return false;
    }
    if (loaded.cursor) {
        cursor_ = std::move(*loaded.cursor);
    } else {
        cursor_.target = configured_.name;
        struct stat status {};
        if (::lstat((directory_ / audit::kLedgerName).c_str(), &status) == 0) {
            cursor_.born = static_cast<std::uint64_t>(status.st_size);
        }
    }
    lost_before_ = cursor_.lost;
    rejected_before_ = cursor_.rejected;
    replaced_before_ = cursor_.replaced;
    sent_total_ = cursor_.sent;
    follower_ = std::make_unique<Follower>(directory_, cursor_, options_.once,
                                           [this](const std::string& text) { say(text); });
    try {
        make_target();
    } catch (const std::exception& error) {
        say(error.what());
        return false;
    }
    // Written once before anything is sent: where that fails, nothing is ever remembered.
    if (const auto saved = save_cursor(file_, cursor_); !saved) {
        say(file_.string() + " cannot be written: " + saved.error().message() +
            "; name another place with cursor:");
        return false;
    }
    return true;
}

int Exporter::run_to_end() {
    try {
        if (!prepare()) {
            return kCouldNotRun;
        }
        serve();
        // What was sent, and is only not known to have arrived.
        if (sent_ > 0 && !given_up_) {
            confirm();
        }
        save(true);
        return status();
    } catch (const std::exception& error) {
        say(error.what());
        return kCouldNotRun;
    }
}

void Exporter::make_target() {
    const auto speak = [this](const std::string& text) { say(text); };
    switch (configured_.kind) {
        case config::ExportTarget::Kind::kSyslog:
            target_ = make_syslog_target(configured_, shared_.stopping, speak);
            break;
        case config::ExportTarget::Kind::kOtlp:
            target_ = make_otlp_target(configured_, shared_.stopping, speak);
            break;
        case config::ExportTarget::Kind::kKafka:
            target_ = make_kafka_target(configured_, shared_.stopping, speak);
            break;
    }
}

// What a target's libraries throw ends no export: it is tried again, and seen in the status. By
// then nobody knows what is under way in it, so the next one is a new one.
template <typename Call>
Outcome Exporter::outcome_of(Call call) {
    try {
        if (target_ == nullptr) {
            make_target();
        }
        return call();
    } catch (const std::exception& error) {
        target_.reset();
        return {.kind = Outcome::Kind::kAgain, .trouble = error.what()};
    }
}

void Exporter::serve() {
    while (!shared_.stopping && !given_up_) {
        bool nothing_new = false;
        if (sent_ == pending_.size()) {
            auto items = follower_->next(kBatchRecordsMax, kBatchBytesMax);
            nothing_new = items.empty();
            std::move(items.begin(), items.end(), std::back_inserter(pending_));
        }
        if (sent_ < pending_.size()) {
            send();
        }
        if (sent_ > 0 && ((nothing_new && options_.once) || window_is_full())) {
            confirm();
            nothing_new = false;  // the ledger may have waited for that
        }
        if (nothing_new && pending_.empty() && options_.once) {
            reached_end_ = true;
            left_behind_ = follower_->is_blocked();
            return;
        }
        save(false);
        if (nothing_new) {
            shared_.sleep(kLookEvery);
        }
    }
}

void Exporter::send() {
    const Outcome outcome =
        outcome_of([&] { return target_->send(std::span(pending_).subspan(sent_)); });
    if (outcome.items > 0) {
        if (sent_ == 0) {
            window_began_ = steady_clock::now();
        }
        for (std::size_t i = 0; i < outcome.items; ++i) {
            sent_bytes_ += pending_[sent_ + i].line.size();
        }
        sent_ += outcome.items;
        cursor_.shortened += outcome.shortened;
        cursor_.rejected += outcome.rejected;
        if (outcome.shortened > 0 && !shortening_said_) {
            shortening_said_ = true;
            say("some records are longer than it takes (max_record_size), and go in a shortened "
                "form; the whole ones are in the log's files");
        }
        if (!target_->has_to_confirm()) {
            arrived(sent_);
        }
    }
    if (outcome.kind != Outcome::Kind::kDone) {
        failed(outcome);
    } else if (!outcome.trouble.empty() &&
               (rejection_said_ == steady_clock::time_point() ||
                steady_clock::now() - rejection_said_ >= kSayTroubleEvery)) {
        rejection_said_ = steady_clock::now();
        say(outcome.trouble + " (all of them are counted: --status)");
    }
}

void Exporter::confirm() {
    const Outcome outcome = outcome_of([&] { return target_->confirm(); });
    if (outcome.kind == Outcome::Kind::kDone) {
        arrived(sent_);
        window_ = std::min(window_ * 2, kWindowMax);
        return;
    }
    failed(outcome);
}

void Exporter::arrived(std::size_t count) {
    follower_->acknowledge(std::span(pending_).first(count));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    sent_ = 0;
    sent_bytes_ = 0;
    sent_total_ = cursor_.sent;
    unsaved_ = true;
    well_again();
}

void Exporter::well_again() {
    failures_ = 0;
    if (!cursor_.trouble.empty()) {
        cursor_.trouble.clear();
        cursor_.trouble_since.clear();
        trouble_said_ = {};
        say("it takes records again");
    }
}

void Exporter::failed(const Outcome& outcome) {
    // What is not known to have arrived is sent again.
    sent_ = 0;
    sent_bytes_ = 0;
    const auto now = steady_clock::now();
    if (shared_.stopping) {
        return;
    }
    if (failures_++ == 0) {
        failing_since_ = now;
    }
    const bool stops = outcome.kind == Outcome::Kind::kStop;
    given_up_ = stops || (options_.once && now - failing_since_ >= options_.give_up);
    if (cursor_.trouble.empty()) {
        cursor_.trouble_since = now_text();
    }
    if (cursor_.trouble != outcome.trouble) {
        unsaved_ = true;
    }
    cursor_.trouble = outcome.trouble;
    if (given_up_ || trouble_said_ == steady_clock::time_point() ||
        now - trouble_said_ >= kSayTroubleEvery) {
        trouble_said_ = now;
        say(outcome.trouble + (stops       ? "; nothing more is sent to it until this is put right "
                                             "and the export started again"
                               : given_up_ ? "; given up"
                                           : "; trying again, and nothing is left out meanwhile"));
    }
    save(false);
    if (!given_up_) {
        const auto pause = std::min(kRetryMax, kRetryMin * (1U << std::min(failures_ - 1, 10U)));
        // Between half and all of it: many exporters are not to come back at one moment.
        std::uniform_int_distribution<milliseconds::rep> some(pause.count() / 2, pause.count());
        shared_.sleep(outcome.retry_after.count() > 0
                          ? std::min<milliseconds>(outcome.retry_after, kRetryMax)
                          : milliseconds(some(jitter_)));
    }
}

bool Exporter::window_is_full() const {
    return sent_ >= kWindowRecordsMax || sent_bytes_ >= kWindowBytesMax ||
           steady_clock::now() - window_began_ >= window_;
}

void Exporter::save(bool now) {
    if (!now && (!unsaved_ || steady_clock::now() - saved_ < kSaveEvery)) {
        return;
    }
    const auto saved = save_cursor(file_, cursor_);
    saved_ = steady_clock::now();
    if (saved) {
        unsaved_ = false;
    }
    if (!saved && !cannot_save_) {
        say(file_.string() + " cannot be written: " + saved.error().message() +
            "; what is sent from now on is sent again after a restart");
    }
    cannot_save_ = !saved;
}

int Exporter::status() {
    if (given_up_ || left_behind_ || cannot_save_ || (options_.once && !reached_end_)) {
        return kCouldNotRun;
    }
    const bool incomplete = cursor_.lost > lost_before_ || cursor_.rejected > rejected_before_ ||
                            cursor_.replaced > replaced_before_;
    return options_.once && incomplete ? kNotSo : kDone;
}

void show_progress(const std::vector<std::unique_ptr<Exporter>>& exporters, Shared& shared) {
    std::string line = "\r\x1b[K";
    for (const auto& exporter : exporters) {
        line += (line.size() > 4 ? " · " : "") + exporter->name() + ": " +
                std::to_string(exporter->sent()) + " sent";
    }
    const std::lock_guard lock(shared.mutex);
    *shared.err << line << std::flush;
}

}  // namespace

fs::path cursor_file(const fs::path& directory, const config::ExportTarget& target) {
    return target.cursor.empty() ? directory / ".export" / (target.name + ".json") : target.cursor;
}

int run_export(const fs::path& directory, const std::vector<const config::ExportTarget*>& targets,
               const ExportOptions& options, std::ostream& err) {
    Shared shared;
    shared.err = &err;
    shared.progress = options.progress;
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    // Whoever reads what is said here, or a broker, may go at any time.
    ::signal(SIGPIPE, SIG_IGN);

    std::vector<std::unique_ptr<Exporter>> exporters;
    for (const config::ExportTarget* target : targets) {
        exporters.push_back(std::make_unique<Exporter>(directory, *target, options, shared));
    }
    std::atomic<std::size_t> running{exporters.size()};
    std::vector<int> statuses(exporters.size(), kDone);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < exporters.size(); ++i) {
        threads.emplace_back([&, i] {
            statuses[i] = exporters[i]->run();
            --running;
        });
    }
    auto shown = steady_clock::now();
    while (running > 0) {
        const struct timespec wait { 0, 100'000'000 };
        if (::sigtimedwait(&signals, nullptr, &wait) > 0) {
            shared.stop();
        }
        if (options.progress && steady_clock::now() - shown >= std::chrono::seconds(1)) {
            shown = steady_clock::now();
            show_progress(exporters, shared);
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    if (options.progress) {
        show_progress(exporters, shared);
        err << std::endl;
    }
    return *std::max_element(statuses.begin(), statuses.end());
}

}  // namespace vitrine::exports
