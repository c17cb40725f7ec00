#include "proxy/admin/http_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "config/limits.h"
#include "proxy/net/throttle.h"

namespace vitrine::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

std::string described(const tcp::endpoint& endpoint) {
    const auto address = endpoint.address();
    return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), endpoint.port())
                           : fmt::format("{}:{}", address.to_string(), endpoint.port());
}

std::shared_ptr<asio::ssl::context> make_context(const config::ListenTls& tls) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    SSL_CTX* const native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, tls.min_version == config::ListenTls::Version::kTls13
                                              ? TLS1_3_VERSION
                                              : TLS1_2_VERSION);
    SSL_CTX_set_options(
        native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    error_code error;
    context->use_certificate_chain_file(tls.certificate.string(), error);
    if (!error) {
        context->use_private_key_file(tls.key.string(), asio::ssl::context::pem, error);
    }
    if (error) {
        throw std::runtime_error("the API cannot use the certificate " + tls.certificate.string() +
                                 " with its key: " + error.message());
    }
    return context;
}

}  // namespace

struct HttpServer::State {
    State(HttpListener where, Tls get_tls, Handler handle)
        : listener(std::move(where)),
          tls(std::move(get_tls)),
          handler(std::move(handle)),
          acceptor(context) {}

    void accept();
    // Null: there are too many, of all or of the peer's. Counted for as long as it lives.
    [[nodiscard]] std::shared_ptr<void> count(const tcp::socket& socket);
    void begin(tcp::socket socket, const std::shared_ptr<void>& counted);

    // Before the context, whose handlers hold the connections, which count and use them.
    std::atomic<unsigned> connections{0};
    std::mutex sources_mutex;
    std::map<std::string, unsigned> sources;  // connections of each
    const HttpListener listener;
    const Tls tls;
    const Handler handler;
    asio::io_context context{1};
    tcp::acceptor acceptor;
    // Handlers block on the store and derive passwords: two, so that one slow call holds up no
    // other, and no more, so that nobody makes the machine derive passwords alone.
    asio::thread_pool workers{limits::kApiThreads};
    std::thread thread;
    std::atomic<bool> stopping{false};
};

namespace {

using OverTls = beast::ssl_stream<beast::tcp_stream>;
using InTheClear = beast::tcp_stream;

// One connection: a request after the other.
template <class Stream>
class Exchange : public std::enable_shared_from_this<Exchange<Stream>> {
  public:
    // `tls` is null for a stream in the clear.
    Exchange(const HttpListener& listener, const HttpServer::Handler& handler,
             asio::thread_pool& workers, std::shared_ptr<asio::ssl::context> tls,
             tcp::socket socket, std::shared_ptr<void> counted)
        : listener_(listener),
          handler_(handler),
          workers_(workers),
          tls_(std::move(tls)),
          stream_(make_stream(std::move(socket), tls_.get())),
          timer_(stream_.get_executor()),
          counted_(std::move(counted)) {
        error_code error;
        const auto peer = beast::get_lowest_layer(stream_).socket().remote_endpoint(error);
        if (!error) {
            client_ = described(peer);
        }
    }

    void start() {
        if constexpr (std::is_same_v<Stream, OverTls>) {
            beast::get_lowest_layer(stream_).expires_after(limits::kApiHandshakeMax);
            stream_.async_handshake(asio::ssl::stream_base::server,
                                    [self = this->shared_from_this()](error_code error) {
                                        if (!error) {
                                            self->read();
                                        }
                                    });
        } else {
            read();
        }
    }

  private:
    static Stream make_stream(tcp::socket socket, [[maybe_unused]] asio::ssl::context* tls) {
        if constexpr (std::is_same_v<Stream, OverTls>) {
            return Stream(std::move(socket), *tls);
        } else {
            return Stream(std::move(socket));
        }
    }

    void read() {
        head_ = false;
        parser_.emplace();
        parser_->header_limit(listener_.header_bytes_max);
        parser_->body_limit(listener_.body_bytes_max);
        beast::get_lowest_layer(stream_).expires_after(listener_.idle_max);
        http::async_read(stream_, buffer_, *parser_,
                         [self = this->shared_from_this()](error_code error, std::size_t) {
                             self->have_read(error);
                         });
    }

    void have_read(error_code error) {
        if (error == http::error::body_limit || error == http::error::header_limit) {
            keep_alive_ = false;
            write({413, {{"error", "the request is too large"}}, {}});
            return;
        }
        if (error) {
            shut_down();
            return;
        }
        const auto& message = parser_->get();
        keep_alive_ = message.keep_alive();
        request_ = {};
        request_.method = std::string(message.method_string());
        const std::string target(message.target());
        const std::size_t mark = target.find('?');
        request_.path = target.substr(0, mark);
        request_.query = mark == std::string::npos ? "" : target.substr(mark + 1);
        request_.authorization = std::string(message[http::field::authorization]);
        request_.body = message.body();
        request_.content_type = std::string(message[http::field::content_type]);
        request_.from_a_page = message.find(http::field::origin) != message.end() ||
                               message.find("Sec-Fetch-Site") != message.end();
        head_ = message.method() == http::verb::head;
        request_.client = client_;
        request_.came = std::chrono::steady_clock::now();
        handle();
    }

    void handle() {
        beast::get_lowest_layer(stream_).expires_never();
        asio::post(workers_, [self = this->shared_from_this()] {
            HttpAnswer answer;
            try {
                answer = self->handler_(self->request_);
            } catch (const std::exception& failure) {
                spdlog::error("{} failed: {} {}: {}", self->listener_.key, self->request_.method,
                              self->request_.path, failure.what());
                answer = {
                    500, {{"error", "vitrine failed; the operator's log has the reason"}}, {}};
            }
            asio::post(self->stream_.get_executor(),
                       [self, answer = std::move(answer)] { self->answered(answer); });
        });
    }

    void answered(const HttpAnswer& answer) {
        if (!answer.again) {
            write(answer);
            return;
        }
        timer_.expires_after(*answer.again);
        timer_.async_wait([self = this->shared_from_this()](error_code error) {
            if (!error) {
                self->handle();
            }
        });
    }

    void write(const HttpAnswer& answer) {
        response_ = {};
        response_.version(11);
        response_.result(answer.status);
        response_.set(http::field::content_type, answer.text
                                                     ? "text/plain; version=0.0.4; charset=utf-8"
                                                     : "application/json");
        response_.set(http::field::cache_control, "no-store");
        if (answer.status == 401) {
            // Basic is taken, and not named: a browser would ask, and remember the password.
            response_.set(http::field::www_authenticate, "Bearer");
        }
        if (answer.status == 405 && answer.text) {
            response_.set(http::field::allow, "GET, HEAD");
        }
        if (answer.cut) {
            response_.set(kListHeader, kListCut);
        }
        response_.keep_alive(keep_alive_);
        std::string body = answer.text ? *answer.text : boost::json::serialize(answer.body) + "\n";
        response_.content_length(body.size());
        if (!head_) {
            response_.body() = std::move(body);
        }
        beast::get_lowest_layer(stream_).expires_after(listener_.idle_max);
        http::async_write(stream_, response_,
                          [self = this->shared_from_this()](error_code error, std::size_t) {
                              self->request_ = {};
                              if (!error && self->keep_alive_) {
                                  self->read();
                              } else {
                                  self->shut_down();
                              }
                          });
    }

    void shut_down() {
        if constexpr (std::is_same_v<Stream, OverTls>) {
            beast::get_lowest_layer(stream_).expires_after(limits::kLastWordsMax);
            stream_.async_shutdown([self = this->shared_from_this()](error_code) {});
        } else {
            error_code ignored;
            stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        }
    }

    const HttpListener& listener_;
    const HttpServer::Handler& handler_;
    asio::thread_pool& workers_;
    std::shared_ptr<asio::ssl::context> tls_;
    Stream stream_;
    asio::steady_timer timer_;
    std::shared_ptr<void> counted_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    http::response<http::string_body> response_;
    HttpRequest request_;
    std::string client_;
    bool keep_alive_ = false;
    bool head_ = false;  // the answer has no body (RFC 9110, 9.3.2)
};

}  // namespace

void HttpServer::State::begin(tcp::socket socket, const std::shared_ptr<void>& counted) {
    if (tls) {
        std::make_shared<Exchange<OverTls>>(listener, handler, workers, make_context(tls()),
                                            std::move(socket), counted)
            ->start();
    } else {
        std::make_shared<Exchange<InTheClear>>(listener, handler, workers, nullptr,
                                               std::move(socket), counted)
            ->start();
    }
}

std::shared_ptr<void> HttpServer::State::count(const tcp::socket& socket) {
    error_code error;
    const auto peer = socket.remote_endpoint(error);
    if (error || connections.load() >= listener.connections_max) {
        return nullptr;
    }
    std::string source = net::source_of(peer.address().to_string());
    const std::lock_guard lock(sources_mutex);
    if (sources[source] >= listener.connections_of_source_max) {
        return nullptr;
    }
    ++sources[source];
    connections.fetch_add(1);
    return {this, [this, source](void*) {
                connections.fetch_sub(1);
                const std::lock_guard counting(sources_mutex);
                if (--sources[source] == 0) {
                    sources.erase(source);
                }
            }};
}

void HttpServer::State::accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
        if (stopping || error == asio::error::operation_aborted) {
            return;
        }
        if (error) {
            spdlog::error("{} cannot accept a connection: {}", listener.key, error.message());
            auto timer =
                std::make_shared<asio::steady_timer>(context, std::chrono::milliseconds(100));
            timer->async_wait([this, timer](error_code) { accept(); });
            return;
        }
        if (const auto counted = count(socket)) {
            try {
                begin(std::move(socket), counted);
            } catch (const std::exception& failure) {
                spdlog::error("{} refuses a connection: {}", listener.key, failure.what());
            }
        }
        accept();
    });
}

HttpServer::HttpServer(const HttpListener& listener, Tls tls, Handler handler)
    : state_(std::make_unique<State>(listener, std::move(tls), std::move(handler))) {
    if (state_->tls) {
        (void)make_context(state_->tls());
    }
    try {
        tcp::resolver resolver(state_->context);
        const auto found = resolver.resolve(listener.address, std::to_string(listener.port),
                                            tcp::resolver::passive);
        const tcp::endpoint endpoint = found.begin()->endpoint();
        state_->acceptor.open(endpoint.protocol());
        state_->acceptor.set_option(tcp::acceptor::reuse_address(true));
        state_->acceptor.bind(endpoint);
        state_->acceptor.listen();
    } catch (const boost::system::system_error& error) {
        throw std::runtime_error(fmt::format("cannot listen on {}:{} ({}): {}", listener.address,
                                             listener.port, listener.key, error.code().message()));
    }
    state_->accept();
    state_->thread = std::thread([state = state_.get()] { state->context.run(); });
}

HttpServer::~HttpServer() {
    state_->stopping = true;
    state_->workers.stop();
    state_->workers.join();
    state_->context.stop();
    state_->thread.join();
}

std::string HttpServer::address() const {
    return described(state_->acceptor.local_endpoint());
}

}  // namespace vitrine::admin
