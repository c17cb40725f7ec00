// One TCP connection, with or without TLS, driven by readiness: try to read or write, and wait for
// the socket where that would block. TLS runs on the socket itself (socket_bio.h), so no byte goes
// through a memory BIO.
//
// Belongs to one worker. A wait's handler runs on it, unless the stream was closed before.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/net/socket_bio.h"
#include "proxy/net/tls.h"

namespace vitrine::net {

enum class Io : std::uint8_t { kDone, kWantRead, kWantWrite, kClosed };

class Stream {
  public:
    explicit Stream(boost::asio::ip::tcp::socket socket);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Takes the bytes that were read before TLS started (a direct TLS start peeks, so there are
    // none to take): the handshake is run by handshake().
    void start_tls(Ssl ssl);
    [[nodiscard]] Io handshake();
    [[nodiscard]] bool encrypted() const { return ssl_ != nullptr; }
    [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

    // Looks at the bytes that are there without taking them; only without TLS.
    [[nodiscard]] Io peek(char* buffer, std::size_t size, std::size_t& read);
    // `read`: how many bytes came, with kDone at least one.
    [[nodiscard]] Io read(char* buffer, std::size_t size, std::size_t& read);
    // After a read that was done: may there be more without waiting?
    [[nodiscard]] bool more_to_read() const { return more_to_read_; }
    // Writes as much of `out` as goes, and takes that out of it.
    [[nodiscard]] Io write(std::string& out);

    [[nodiscard]] boost::asio::ip::tcp::socket& socket() { return socket_; }
    // Nobody waits for it any more; those who did are told so.
    void stop_waiting();
    // From then on it is waited for on that one's thread. Nobody waits for it now. Throws
    // boost::system::system_error.
    void move_to(boost::asio::io_context& context);
    [[nodiscard]] bool open() const { return socket_.is_open(); }
    // What the last kClosed was about; empty: the peer closed in order.
    [[nodiscard]] const std::string& error() const { return error_; }
    // Says that nothing more will be sent (close_notify, FIN).
    void half_close();
    // Reads and drops what the peer still sends: kWantRead, or kClosed once it has closed too.
    [[nodiscard]] Io drain();
    // Closes at once; TLS's close_notify is sent if it goes without waiting.
    void close();

  private:
    [[nodiscard]] Io tls_result(int result);

    boost::asio::ip::tcp::socket socket_;
    BioSocket bio_;  // outlives the TLS over it
    Ssl ssl_;
    bool more_to_read_ = false;
    bool tls_failed_ = false;
    bool half_closed_ = false;
    std::string error_;
};

// "address:port", an IPv6 address in brackets; empty where the peer is gone.
[[nodiscard]] std::string describe(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace vitrine::net
