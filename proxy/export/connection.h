// A connection to a target, with TLS or (to this machine) without. Blocking, with a time limit on
// everything; what waits is given up within a moment once `stopping` is set. For one thread.
//
// TLS is at least 1.2, and the peer is verified always: its chain, and the name it was called by.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "config/export_target.h"

namespace vitrine::exports {

// One sentence. The peer could not be reached, or has gone; or `stopping` was set.
class ConnectionError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class Connection {
  public:
    using Plain = boost::asio::ip::tcp::socket;
    using Tls = boost::asio::ssl::stream<Plain>;

    // Throws std::runtime_error where the certificates' files cannot be used.
    Connection(const config::ExportTarget& target, const std::atomic<bool>& stopping);
    ~Connection();

    // Each of them throws ConnectionError, and the connection is closed then.
    void open();
    void write(std::string_view bytes);
    // Ends our side, and waits until the peer has ended its own. A peer that does so has read
    // all that was written: one that closes with something unread resets the connection.
    void close_in_order();

    void close();
    [[nodiscard]] bool is_open() const { return plain_ != nullptr || tls_ != nullptr; }
    // Nothing of the peer's that waits to be read, an end or an alert included.
    [[nodiscard]] bool is_quiet();

    // Runs an asynchronous operation to its end: `start(stream, done)`, done(error_code, …).
    template <class Start>
    void run(const char* what, std::chrono::milliseconds limit, Start start) {
        std::optional<boost::system::error_code> ended;
        const auto done = [&ended](boost::system::error_code error, auto&&...) { ended = error; };
        if (tls_ != nullptr) {
            start(*tls_, done);
        } else {
            start(*plain_, done);
        }
        wait(what, limit, ended);
    }

    [[nodiscard]] const std::string& peer() const { return peer_; }

  private:
    void wait(const char* what, std::chrono::milliseconds limit,
              std::optional<boost::system::error_code>& ended);
    [[noreturn]] void fail(const char* what, const std::string& reason);
    [[nodiscard]] int tcp_state();
    [[nodiscard]] Plain& socket() { return tls_ != nullptr ? tls_->next_layer() : *plain_; }
    [[nodiscard]] std::string why(const boost::system::error_code& error) const;

    const std::string host_;
    const std::string port_;
    const std::string peer_;  // "siem:6514"
    const bool with_tls_;
    const std::atomic<bool>& stopping_;
    boost::asio::io_context context_;
    boost::asio::ssl::context authorities_;
    std::unique_ptr<Plain> plain_;
    std::unique_ptr<Tls> tls_;
};

}  // namespace vitrine::exports
