#include "proxy/net/stream.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

namespace vitrine::net {

Stream::Stream(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.native_non_blocking(true, ignored);
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    socket_.set_option(boost::asio::socket_base::keep_alive(true), ignored);
}

Stream::~Stream() {
    close();
}

void Stream::start_tls(Ssl ssl) {
    bio_.descriptor = socket_.native_handle();
    BIO* const bio = make_socket_bio(bio_);
    ssl_ = std::move(ssl);
    SSL_set_bio(ssl_.get(), bio, bio);
}

Io Stream::tls_result(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return Io::kWantRead;
        case SSL_ERROR_WANT_WRITE:
            return Io::kWantWrite;
        case SSL_ERROR_ZERO_RETURN:
            return Io::kClosed;
        case SSL_ERROR_SYSCALL:
            tls_failed_ = true;
            error_ = errno == 0 ? "" : std::generic_category().message(errno);
            ERR_clear_error();
            return Io::kClosed;
        default:
            tls_failed_ = true;
            error_ = last_tls_error();
            if (const long verified = SSL_get_verify_result(ssl_.get()); verified != X509_V_OK) {
                error_ = std::string("certificate: ") + X509_verify_cert_error_string(verified);
            }
            return Io::kClosed;
    }
}

Io Stream::handshake() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    return result == 1 ? Io::kDone : tls_result(result);
}

Io Stream::peek(char* buffer, std::size_t size, std::size_t& read) {
    const ssize_t got = ::recv(socket_.native_handle(), buffer, size, MSG_PEEK);
    if (got > 0) {
        read = static_cast<std::size_t>(got);
        return Io::kDone;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return Io::kWantRead;
    }
    error_ = got == 0 ? "" : std::generic_category().message(errno);
    return Io::kClosed;
}

Io Stream::read(char* buffer, std::size_t size, std::size_t& read) {
    read = 0;
    if (ssl_) {
        ERR_clear_error();
        errno = 0;
        std::size_t got = 0;
        // A record gives 16 KB at most: fill the buffer from all those that are there. Where the
        // socket was emptied, to ask it once more would be a system call that ends in EAGAIN.
        while (read < size) {
            const int result = SSL_read_ex(ssl_.get(), buffer + read, size - read, &got);
            if (result == 1) {
                read += got;
                if (bio_.drained && SSL_has_pending(ssl_.get()) == 0) {
                    more_to_read_ = false;
                    return Io::kDone;
                }
                continue;
            }
            const Io io = tls_result(result);
            if (read == 0) {
                return io;
            }
            more_to_read_ = io != Io::kWantRead;
            return Io::kDone;
        }
        more_to_read_ = true;
        return Io::kDone;
    }
    const ssize_t got = ::recv(socket_.native_handle(), buffer, size, 0);
    if (got > 0) {
        read = static_cast<std::size_t>(got);
        more_to_read_ = read == size;
        return Io::kDone;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return Io::kWantRead;
    }
    error_ = got == 0 ? "" : std::generic_category().message(errno);
    return Io::kClosed;
}

Io Stream::write(std::string& out) {
    std::size_t done = 0;
    Io io = Io::kDone;
    while (done < out.size() && io == Io::kDone) {
        if (ssl_) {
            ERR_clear_error();
            errno = 0;
            std::size_t written = 0;
            // A record at a time, so that it is known of each whether it is the last one.
            const std::size_t left = out.size() - done;
            const std::size_t size = std::min<std::size_t>(left, SSL3_RT_MAX_PLAIN_LENGTH);
            bio_.more_follows = size < left;
            const int result = SSL_write_ex(ssl_.get(), out.data() + done, size, &written);
            if (result == 1) {
                done += written;
            } else {
                io = tls_result(result);
            }
        } else {
            const ssize_t written =
                ::send(socket_.native_handle(), out.data() + done, out.size() - done, MSG_NOSIGNAL);
            if (written >= 0) {
                done += static_cast<std::size_t>(written);
            } else if (errno == EAGAIN) {
                io = Io::kWantWrite;
            } else if (errno != EINTR) {
                error_ = std::generic_category().message(errno);
                io = Io::kClosed;
            }
        }
    }
    out.erase(0, done);
    return io;
}

void Stream::stop_waiting() {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Stream::move_to(boost::asio::io_context& context) {
    if (&socket_.get_executor().target<boost::asio::io_context::executor_type>()->context() ==
        &context) {
        return;
    }
    const auto protocol = socket_.local_endpoint().protocol();
    const int descriptor = socket_.release();
    boost::asio::ip::tcp::socket moved(context);
    boost::system::error_code failed;
    moved.assign(protocol, descriptor, failed);
    if (failed) {
        ::close(descriptor);
        throw boost::system::system_error(failed);
    }
    socket_ = std::move(moved);
    socket_.native_non_blocking(true, failed);
}

void Stream::half_close() {
    if (half_closed_) {
        return;
    }
    half_closed_ = true;
    bio_.more_follows = false;
    if (ssl_ && !tls_failed_ && SSL_is_init_finished(ssl_.get())) {
        ERR_clear_error();
        SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }
    boost::system::error_code ignored;
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
}

Io Stream::drain() {
    std::array<char, 16 * 1024> dropped;
    while (true) {
        const ssize_t got = ::recv(socket_.native_handle(), dropped.data(), dropped.size(), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return Io::kClosed;
        }
        if (got < 0 && errno == EAGAIN) {
            return Io::kWantRead;
        }
    }
}

void Stream::close() {
    if (!socket_.is_open()) {
        return;
    }
    half_close();
    boost::system::error_code ignored;
    socket_.close(ignored);
}

std::string describe(const boost::asio::ip::tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    const std::string port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

}  // namespace vitrine::net
