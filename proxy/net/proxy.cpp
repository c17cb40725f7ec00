#include "proxy/net/proxy.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include "config/limits.h"
#include "proxy/net/log_format.h"
#include "proxy/net/worker.h"
#include "proxy/session/rewriting.h"

namespace vitrine::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

void set_up_log(const config::Log& log) {
    auto logger = std::make_shared<spdlog::logger>(
        "vitrine", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    switch (log.level) {
        case config::Log::Level::kDebug:
            logger->set_level(spdlog::level::debug);
            break;
        case config::Log::Level::kInfo:
            logger->set_level(spdlog::level::info);
            break;
        case config::Log::Level::kWarn:
            logger->set_level(spdlog::level::warn);
            break;
        case config::Log::Level::kError:
            logger->set_level(spdlog::level::err);
            break;
    }
    logger->set_formatter(make_log_formatter(log.format == config::Log::Format::kJson));
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

void set_process_limits() {
    // A core dump would hold the service role's password and the keys.
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

class Proxy {
  public:
    explicit Proxy(std::shared_ptr<const config::Config> config);
    ~Proxy() { shared_.kept.close_all(); }  // before the workers, whose contexts they belong to
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;
    void run(const MakeCompanion& make_companion);

  private:
    // Throws std::runtime_error where something of the configuration cannot be set up; nothing has
    // changed then.
    void use(std::shared_ptr<const config::Config> config);
    // Keys came from an issuer: from now on its tokens are held against them.
    void use_new_keys();
    void refuse_newer_servers() const;
    void listen();
    void accept();
    void wait_for_signal();
    void reload();
    void drain();
    void check_drained();

    asio::io_context context_;
    tcp::acceptor acceptor_;
    asio::signal_set signals_;
    asio::steady_timer timer_;
    Shared shared_;
    // Databases that a reload took out; their sessions go on.
    std::map<std::string, std::shared_ptr<Database>> retired_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::size_t next_worker_ = 0;
    bool draining_ = false;
    bool ending_ = false;
};

Proxy::Proxy(std::shared_ptr<const config::Config> config)
    : acceptor_(context_), signals_(context_, SIGTERM, SIGINT, SIGHUP), timer_(context_) {
    auto log = audit::QueryLog::open(config->audit, {}, [](std::string_view trouble) {
        spdlog::warn("the query log: {}", trouble);
    });
    if (!log) {
        throw std::runtime_error(fmt::format("cannot open the query log in {}: {}",
                                             config->audit.directory.string(),
                                             log.error().message()));
    }
    shared_.log = std::move(*log);
    if (config->access.configured()) {
        shared_.access = std::make_unique<AccessControl>(config->access);
    }
    shared_.jwks = std::make_unique<JwksFetcher>(context_, [this] { use_new_keys(); });
    use(std::move(config));
}

void Proxy::use(std::shared_ptr<const config::Config> config) {
    auto next = std::make_shared<Current>();
    next->config = config;
    next->verifier =
        std::make_shared<const auth::Verifier>(config->auth, shared_.jwks->keys(config->auth));
    next->listener_tls = std::shared_ptr<SSL_CTX>(
        make_listener_context(config->listen.tls).release(), SslContextDeleter());
    // All that can fail comes before the first change.
    const auto before = shared_.current();
    std::vector<std::pair<std::shared_ptr<Database>, DatabaseSettings>> kept;
    for (const auto& [name, database] : config->databases) {
        if (before && before->databases.contains(name)) {
            const auto& running = before->databases.at(name);
            kept.emplace_back(running, Database::make_settings(config, name));
            next->databases[name] = running;
        } else if (retired_.contains(name)) {
            // It is back: the sessions that it still has get its rules again.
            const auto& running = retired_.at(name);
            kept.emplace_back(running, Database::make_settings(config, name));
            next->databases[name] = running;
        } else {
            next->databases[name] = std::make_shared<Database>(
                config, name, [this] { return shared_.kept.make_room(KeptServers::Clock::now()); });
        }
    }
    for (auto& [database, settings] : kept) {
        database->reconfigure(std::move(settings));
    }
    if (before) {
        for (const auto& [name, database] : before->databases) {
            if (!next->databases.contains(name)) {
                database->retire();
                retired_[name] = database;
            }
        }
    }
    for (const std::string& warning : next->verifier->warnings()) {
        spdlog::warn("{}", warning);
    }
    shared_.replace(std::move(next));
    shared_.kept.clear();  // of before nobody will take one
    shared_.jwks->configure(config->auth);
}

void Proxy::use_new_keys() {
    auto next = std::make_shared<Current>(*shared_.current());
    const config::Auth& auth = next->config->auth;
    next->verifier = std::make_shared<const auth::Verifier>(auth, shared_.jwks->keys(auth));
    for (const std::string& warning : next->verifier->warnings()) {
        spdlog::warn("{}", warning);
    }
    shared_.replace(std::move(next));
}

// A server that nobody vouched for is found at the start, not by the first who connects. One that
// does not answer in time is left to the sessions: they are refused for the same reason.
void Proxy::refuse_newer_servers() const {
    const auto deadline = std::chrono::steady_clock::now() + limits::kStartUpMax;
    for (const auto& [name, database] : shared_.current()->databases) {
        if (const std::string refusal = database->version_refusal(deadline); !refusal.empty()) {
            throw std::runtime_error(fmt::format("database {}: {}", name, refusal));
        }
    }
}

void Proxy::listen() {
    const config::Listen& listen = shared_.current()->config->listen;
    try {
        tcp::resolver resolver(context_);
        const auto addresses =
            resolver.resolve(listen.address, std::to_string(listen.port), tcp::resolver::passive);
        const tcp::endpoint endpoint = addresses.begin()->endpoint();
        acceptor_.open(endpoint.protocol());
        acceptor_.set_option(tcp::acceptor::reuse_address(true));
        acceptor_.bind(endpoint);
        acceptor_.listen();
    } catch (const boost::system::system_error& error) {
        throw std::runtime_error(fmt::format("cannot listen on {}:{} (listen.address): {}",
                                             listen.address, listen.port, error.code().message()));
    }
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const unsigned workers = listen.workers == 0 ? cores : listen.workers;
    for (unsigned i = 0; i < workers; ++i) {
        workers_.push_back(std::make_unique<Worker>(shared_));
    }
    spdlog::info("listening on {} with {} workers", describe(acceptor_.local_endpoint()), workers);
}

void Proxy::accept() {
    Worker& worker = *workers_[next_worker_++ % workers_.size()];
    acceptor_.async_accept(worker.context(),
                           [this, &worker](boost::system::error_code error, tcp::socket socket) {
                               if (error == asio::error::operation_aborted) {
                                   return;
                               }
                               if (error) {
                                   // Most often: no file descriptor left. Those that are open go
                                   // on.
                                   spdlog::error("cannot accept a connection: {}", error.message());
                                   timer_.expires_after(std::chrono::milliseconds(100));
                                   timer_.async_wait([this](boost::system::error_code cancelled) {
                                       if (!cancelled && acceptor_.is_open()) {
                                           accept();
                                       }
                                   });
                                   return;
                               }
                               worker.adopt(std::move(socket));
                               accept();
                           });
}

void Proxy::wait_for_signal() {
    signals_.async_wait([this](boost::system::error_code error, int number) {
        if (error) {
            return;
        }
        if (number == SIGHUP) {
            reload();
        } else {
            drain();
        }
        wait_for_signal();
    });
}

void Proxy::reload() {
    const auto before = shared_.current()->config;
    config::Loaded loaded = config::load(before->file);
    for (const auto& problem : loaded.problems) {
        spdlog::error("{}", config::to_string(problem));
    }
    if (!loaded.config) {
        spdlog::error("the configuration was not reloaded: what was in force stays in force");
        return;
    }
    const config::Config& now = *loaded.config;
    if (now.listen.address != before->listen.address || now.listen.port != before->listen.port ||
        now.listen.workers != before->listen.workers ||
        now.audit.directory != before->audit.directory ||
        now.audit.durability != before->audit.durability ||
        now.audit.anchor != before->audit.anchor || now.audit.compress != before->audit.compress ||
        now.audit.retain != before->audit.retain ||
        now.audit.retain_bytes != before->audit.retain_bytes ||
        now.access.sqlite != before->access.sqlite ||
        now.access.postgres.reveal() != before->access.postgres.reveal() ||
        now.access.api_address != before->access.api_address ||
        now.access.api_port != before->access.api_port ||
        now.admin.address != before->admin.address || now.admin.port != before->admin.port) {
        spdlog::warn(
            "listen.address, listen.workers, audit, access.store, access.api and admin.address "
            "take effect at the next start only");
    }
    try {
        use(std::move(loaded.config));
        spdlog::info("the configuration was reloaded");
    } catch (const std::exception& error) {
        spdlog::error("the configuration was not reloaded, what was in force stays in force: {}",
                      error.what());
    }
}

void Proxy::drain() {
    if (!draining_) {
        draining_ = true;
        shared_.draining.store(true);
        shared_.kept.close_all();
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        spdlog::info("draining: {} connections; a second signal ends them",
                     shared_.connections.load());
    } else {
        ending_ = true;
        spdlog::info("ending {} connections", shared_.connections.load());
        for (const auto& worker : workers_) {
            worker->shut_down();
        }
    }
    check_drained();
}

void Proxy::check_drained() {
    if (shared_.connections.load() == 0) {
        context_.stop();
        return;
    }
    timer_.expires_after(std::chrono::milliseconds(50));
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error) {
            check_drained();
        }
    });
}

void Proxy::run(const MakeCompanion& make_companion) {
    refuse_newer_servers();
    listen();
    Companion companion = make_companion(shared_);
    accept();
    wait_for_signal();
    context_.run();
    companion.reset();
    shared_.kept.close_all();
    // An accept that was aborted still holds a socket of a worker's context: it goes before that.
    context_.restart();
    context_.poll();
    workers_.clear();
    spdlog::info("stopped");
}

}  // namespace

int serve(std::shared_ptr<const config::Config> config, const MakeCompanion& make_companion) {
    set_up_log(config->log);
    if (const auto missing = session::missing_defence(); !missing.empty()) {
        spdlog::critical("{}", missing);
    }
    set_process_limits();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    try {
        Proxy proxy(std::move(config));
        proxy.run(make_companion);
        return 0;
    } catch (const std::exception& error) {
        spdlog::critical("{}", error.what());
        return 2;
    }
}

}  // namespace vitrine::net
