// The HTTPS listener of the API (HTTP/1.1, RFC 9112; by Boost.Beast): TLS alone, JSON alone, small
// requests, slow clients ended. What a request means is the handler's.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"

namespace vitrine::admin {

struct HttpRequest {
    std::string method;
    std::string path;           // without the query
    std::string query;          // behind the `?`, as it came
    std::string authorization;  // of the header of that name
    std::string body;
    std::string client;  // "address:port"
    std::string content_type;
    bool from_a_page = false;  // a browser sends it for a page of another site, or may
    // What the handler keeps of it for the next time, where it has asked for one.
    std::shared_ptr<const void> known;
    std::chrono::steady_clock::time_point came;
};

struct HttpAnswer {
    unsigned status = 200;
    boost::json::value body;
    // Set: nothing is sent, and the handler is asked again after so long.
    std::optional<std::chrono::milliseconds> again;
};

class HttpServer {
  public:
    // Called on threads of the server's own, several at a time; may block.
    using Handler = std::function<HttpAnswer(HttpRequest&)>;
    // The certificate and key to begin a connection with.
    using Tls = std::function<config::ListenTls()>;

    // Throws std::runtime_error where it cannot listen there or the certificate is none.
    HttpServer(const std::string& address, std::uint16_t port, Tls tls, Handler handler);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] std::string address() const;  // "127.0.0.1:6443"

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vitrine::admin
