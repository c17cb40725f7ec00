#include "proxy/net/access_control.h"

#include <spdlog/spdlog.h>

#include <stdexcept>
#include <utility>

#include "config/limits.h"

namespace vitrine::net {

namespace {

std::int64_t steady_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

auth::Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::unique_ptr<auth::Store> open_or_throw(const config::Access& access) {
    std::string error;
    auto store = open_store(access, error);
    if (!store) {
        throw std::runtime_error("the store of access.store cannot be used: " + error);
    }
    return std::move(*store);
}

}  // namespace

boost::system::result<std::unique_ptr<auth::Store>> open_store(const config::Access& access,
                                                               std::string& error) {
    return access.sqlite.empty()
               ? auth::open_postgres_store(std::string(access.postgres.reveal()), error)
               : auth::open_sqlite_store(access.sqlite, error);
}

AccessControl::AccessControl(const config::Access& access)
    : store_(open_or_throw(access)),
      looked_at_(0),
      watcher_([this] { watch(); }),
      answerer_([this] { answer(); }) {}

AccessControl::~AccessControl() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    watcher_.join();
    answerer_.join();
}

std::shared_ptr<const auth::RevocationList> AccessControl::revocations() const {
    const std::lock_guard lock(mutex_);
    return revocations_;
}

bool AccessControl::current() const {
    const std::int64_t looked = looked_at_.load(std::memory_order_acquire);
    return looked != 0 && steady_ms() - looked <= limits::kRevocationsAgeMax.count();
}

std::string AccessControl::trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
}

void AccessControl::take_revocations() {
    const std::lock_guard looking(looking_);
    // Before the question: what changes while it is answered is looked for again.
    const std::int64_t asked = steady_ms();
    auto revocations = store_->revocations();
    if (!revocations) {
        count_error();
        const std::string problem = store_->last_problem();
        const std::lock_guard lock(mutex_);
        if (trouble_.empty()) {
            spdlog::error("the store of access.store does not answer: {}", problem);
        }
        trouble_ = problem.empty() ? revocations.error().message() : problem;
        return;
    }
    auto list = std::make_shared<const auth::RevocationList>(std::move(*revocations));
    {
        const std::lock_guard lock(mutex_);
        if (!trouble_.empty()) {
            spdlog::info("the store of access.store answers again");
        }
        trouble_.clear();
        revocations_ = std::move(list);
    }
    looked_at_.store(asked, std::memory_order_release);
    revision_.fetch_add(1, std::memory_order_release);
}

void AccessControl::look_now() {
    take_revocations();
}

void AccessControl::watch() {
    std::uint64_t seen = 0;
    auto cleaned = std::chrono::steady_clock::now();
    bool fresh = false;
    while (true) {
        {
            const std::lock_guard lock(mutex_);
            if (stop_) {
                return;
            }
        }
        try {
            const std::int64_t asked = steady_ms();
            const auto change = store_->wait_for_change(seen, limits::kRevocationsLook);
            if (change && (*change != seen || !fresh)) {
                fresh = false;
                take_revocations();
                seen = *change;
                fresh = trouble().empty();
            } else if (change) {
                looked_at_.store(asked, std::memory_order_release);
            } else {
                fresh = false;
                take_revocations();  // says what is wrong, or that it is over
                std::unique_lock lock(mutex_);
                wake_.wait_for(lock, limits::kRevocationsLook, [this] { return stop_; });
            }
            if (std::chrono::steady_clock::now() - cleaned > limits::kStoreCleanUp) {
                cleaned = std::chrono::steady_clock::now();
                if (const auto done = store_->clean_up(now()); !done) {
                    count_error();
                    spdlog::warn("the store was not cleaned up: {}", store_->last_problem());
                }
            }
        } catch (const std::exception& error) {
            spdlog::error("watching the store of access.store: {}", error.what());
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, limits::kRevocationsLook, [this] { return stop_; });
        }
    }
}

bool AccessControl::ask(std::function<void(auth::Store&)> question) {
    {
        const std::lock_guard lock(mutex_);
        if (stop_ || questions_.size() >= limits::kStoreQuestionsMax) {
            return false;
        }
        questions_.push_back(std::move(question));
    }
    wake_.notify_all();
    return true;
}

void AccessControl::answer() {
    while (true) {
        std::function<void(auth::Store&)> question;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stop_ || !questions_.empty(); });
            if (stop_) {
                return;
            }
            question = std::move(questions_.front());
            questions_.pop_front();
        }
        try {
            question(*store_);
        } catch (const std::exception& error) {
            spdlog::error("a question to the store of access.store: {}", error.what());
        }
    }
}

}  // namespace vitrine::net
