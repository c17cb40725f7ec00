// A thread with an io_context. A connection handed to a worker lives and dies on it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <thread>

#include "proxy/net/connection.h"
#include "proxy/net/shared.h"

namespace vitrine::net {

class Worker {
  public:
    explicit Worker(Shared& shared);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    [[nodiscard]] boost::asio::io_context& context() { return context_; }
    // The socket must belong to context(). From any thread.
    void adopt(boost::asio::ip::tcp::socket socket);
    // Ends all sessions. From any thread.
    void shut_down();

  private:
    void tick();

    Shared& shared_;
    WorkerMetrics& metrics_;
    parser::JudgementCache judgements_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    boost::asio::steady_timer timer_;
    std::list<std::shared_ptr<Connection>> connections_;
    std::thread thread_;
};

}  // namespace vitrine::net
