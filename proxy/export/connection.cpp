#include "proxy/export/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>
#include <system_error>

#include "config/files.h"

namespace vitrine::exports {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kConnectMax{10000};
// A receiver that is busy writing to its disk.
constexpr milliseconds kWriteMax{30000};
constexpr milliseconds kCloseMax{30000};

// How soon a wait is given up once the process is to stop, and how long what confirms may still
// take then: without it all would be sent again.
constexpr milliseconds kLook{50};
constexpr milliseconds kCloseWhenStopping{5000};

asio::ssl::context make_authorities(const config::ExportTarget& target) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    if (!target.tls) {
        return context;
    }
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    context.set_verify_mode(asio::ssl::verify_peer);
    const config::ExportTls& files = target.tls_files;
    const std::string ca = files.ca.empty() ? config::kSystemCertificates : files.ca.string();
    error_code error;
    context.load_verify_file(ca, error);
    if (!error && !files.certificate.empty()) {
        context.use_certificate_chain_file(files.certificate.string(), error);
        if (!error) {
            context.use_private_key_file(files.key.string(), asio::ssl::context::pem, error);
        }
    }
    if (error) {
        throw std::runtime_error("the certificates cannot be used (" + ca +
                                 (files.key.empty() ? "" : ", " + files.key.string()) +
                                 "): " + error.message());
    }
    return context;
}

}  // namespace

Connection::Connection(const config::ExportTarget& target, const std::atomic<bool>& stopping)
    : host_(target.host),
      port_(std::to_string(target.port)),
      peer_((host_.find(':') != std::string::npos ? "[" + host_ + "]" : host_) + ":" + port_),
      with_tls_(target.tls),
      stopping_(stopping),
      authorities_(make_authorities(target)) {}

Connection::~Connection() = default;

void Connection::open() {
    close();
    plain_ = std::make_unique<Plain>(context_);
    error_code error;
    asio::ip::tcp::resolver resolver(context_);
    const auto found = resolver.resolve(host_, port_, error);
    if (error) {
        fail("cannot find", error.message());
    }
    run("cannot connect to", kConnectMax,
        [&](auto&, auto done) { asio::async_connect(*plain_, found, done); });
    plain_->set_option(asio::ip::tcp::no_delay(true), error);
    plain_->set_option(asio::socket_base::keep_alive(true), error);
    if (!with_tls_) {
        return;
    }
    tls_ = std::make_unique<Tls>(std::move(*plain_), authorities_);
    plain_.reset();
    tls_->set_verify_callback(asio::ssl::host_name_verification(host_));
    error_code no_address;
    asio::ip::make_address(host_, no_address);
    if (no_address) {
        SSL_set_tlsext_host_name(tls_->native_handle(), host_.c_str());
    }
    std::optional<error_code> ended;
    tls_->async_handshake(asio::ssl::stream_base::client,
                          [&ended](error_code result) { ended = result; });
    wait("no TLS with", kConnectMax, ended);
}

void Connection::write(std::string_view bytes) {
    run("cannot send to", kWriteMax, [bytes](auto& stream, auto done) {
        asio::async_write(stream, asio::buffer(bytes.data(), bytes.size()), done);
    });
}

// That the peer's kernel has acknowledged bytes does not say that anybody read them. But whoever
// closes a socket with something unread in it resets the connection (RFC 9293, 3.6.1 with RFC 2525,
// 2.17; all kernels do). So: what ends well on both sides was read, to the end.
void Connection::close_in_order() {
    const char* const what = "cannot tell what has arrived at";
    const auto until = steady_clock::now() + kCloseMax;
    std::optional<steady_clock::time_point> hurry;
    const auto time_is_up = [&] {
        const auto now = steady_clock::now();
        if (stopping_ && !hurry) {
            hurry = now + kCloseWhenStopping;
        }
        return now >= until || (hurry && now >= *hurry);
    };
    const auto finish = [&](const std::optional<error_code>& ended) {
        while (!ended && !time_is_up()) {
            context_.restart();
            context_.run_for(kLook);
        }
        if (!ended) {
            fail(what, "it does not end the connection when asked to");
        }
    };
    if (tcp_state() != TCP_ESTABLISHED) {
        fail(what, "it has ended the connection");
    }
    if (tls_ != nullptr) {
        std::optional<error_code> ended;
        tls_->async_shutdown([&ended](error_code result) { ended = result; });
        finish(ended);
        // A peer may leave its close_notify out; that the connection ends well is looked at below.
        if (*ended && *ended != asio::error::eof && *ended != asio::ssl::error::stream_truncated) {
            fail(what, why(*ended));
        }
    }
    error_code error;
    socket().shutdown(Plain::shutdown_send, error);
    std::array<char, 4096> dropped;
    while (true) {
        std::optional<error_code> ended;
        socket().async_read_some(asio::buffer(dropped),
                                 [&ended](error_code result, std::size_t) { ended = result; });
        finish(ended);
        if (*ended == asio::error::eof) {
            break;
        }
        if (*ended) {
            fail(what, why(*ended));
        }
    }
    // Our own end must be acknowledged, too: the peer may have gone before what we sent last came.
    while (tcp_state() != TCP_CLOSE) {
        if (time_is_up()) {
            fail(what, "it does not acknowledge the end of the connection");
        }
        ::poll(nullptr, 0, 1);
    }
    int problem = 0;
    socklen_t size = sizeof problem;
    if (::getsockopt(socket().native_handle(), SOL_SOCKET, SO_ERROR, &problem, &size) != 0 ||
        problem != 0) {
        fail(what, std::error_code(problem, std::system_category()).message());
    }
    close();
}

int Connection::tcp_state() {
    struct tcp_info info {};
    socklen_t size = sizeof info;
    return ::getsockopt(socket().native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0
               ? info.tcpi_state
               : -1;
}

void Connection::close() {
    tls_.reset();
    plain_.reset();
}

bool Connection::is_quiet() {
    struct pollfd look {};
    look.fd = socket().native_handle();
    look.events = POLLIN;
    return ::poll(&look, 1, 0) == 0;
}

void Connection::wait(const char* what, milliseconds limit, std::optional<error_code>& ended) {
    const auto until = steady_clock::now() + limit;
    while (!ended && steady_clock::now() < until && !stopping_) {
        context_.restart();
        context_.run_for(kLook);
    }
    if (ended && !*ended) {
        return;
    }
    const std::string reason =
        ended       ? why(*ended)
        : stopping_ ? std::string("interrupted")
                    : "no answer within " + std::to_string(limit.count() / 1000) + " s";
    if (!ended) {
        // What waits refers to this call: it has to end first.
        error_code ignored;
        socket().close(ignored);
        while (!ended) {
            context_.restart();
            context_.run();
        }
    }
    fail(what, reason);
}

void Connection::fail(const char* what, const std::string& reason) {
    close();
    throw ConnectionError(std::string(what) + " " + peer_ + ": " + reason);
}

std::string Connection::why(const error_code& error) const {
    if (tls_ != nullptr && error.category() == asio::error::get_ssl_category()) {
        const long verified = SSL_get_verify_result(tls_->native_handle());
        if (verified != X509_V_OK) {
            return "its certificate is not to be trusted (" +
                   std::string(X509_verify_cert_error_string(verified)) +
                   "); name its authority with ca:, and call it by the name in the certificate";
        }
    }
    return error.message();
}

}  // namespace vitrine::exports
