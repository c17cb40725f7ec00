#include "proxy/net/worker.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <chrono>

namespace vitrine::net {

namespace {

// Sessions must end within a second of their token's end; a tick over idle connections is cheap.
constexpr std::chrono::milliseconds kTick{200};

}  // namespace

Worker::Worker(Shared& shared)
    : shared_(shared),
      metrics_(shared.metrics.add_worker()),
      work_(context_.get_executor()),
      timer_(context_),
      thread_([this] {
          tick();
          while (true) {
              try {
                  context_.run();
                  return;
              } catch (const std::exception& error) {
                  // Out of memory or of random bytes, in a handler: the other sessions go on.
                  spdlog::error("a worker: {}", error.what());
              }
          }
      }) {}

Worker::~Worker() {
    boost::asio::post(context_, [this] {
        timer_.cancel();
        connections_.clear();
        work_.reset();
        context_.stop();
    });
    thread_.join();
    // Nobody waits for the log any more; who did is told by way of this context.
    if (shared_.log) {
        shared_.log->drain();
    }
}

void Worker::adopt(boost::asio::ip::tcp::socket socket) {
    auto connection =
        std::make_shared<Connection>(context_, shared_, metrics_, judgements_, std::move(socket));
    boost::asio::post(context_, [this, connection] {
        connections_.push_back(connection);
        connection->start();
    });
}

void Worker::shut_down() {
    boost::asio::post(context_, [this] {
        for (const auto& connection : connections_) {
            connection->shut_down();
        }
    });
}

void Worker::tick() {
    // Set first: whatever comes of the looks, the next ones come, or no session would end any more.
    timer_.expires_after(kTick);
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error) {
            tick();
        }
    });
    for (auto it = connections_.begin(); it != connections_.end();) {
        (*it)->tick();
        it = (*it)->closed() ? connections_.erase(it) : std::next(it);
    }
    shared_.kept.close_expired(KeptServers::Clock::now());
    metrics_.tick(judgements_.hits(), judgements_.misses());
}

}  // namespace vitrine::net
