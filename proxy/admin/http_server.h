// A listener for HTTP/1.1 (RFC 9112; by Boost.Beast): small requests, so many connections and no
// more, slow clients ended. Over TLS and with JSON for the API, in the clear and with plain text
// for machines (admin.address). What a request means is the handler's.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "config/limits.h"

namespace vitrine::admin {

// The header that says of a list that it is cut.
inline constexpr const char* kListHeader = "Vitrine-List";
inline constexpr const char* kListCut = "cut";

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
    std::shared_ptr<void> waits;  // and what it waits for
    std::chrono::steady_clock::time_point came;
};

struct HttpAnswer {
    unsigned status = 200;
    boost::json::value body;
    // Set: nothing is sent, and the handler is asked again after so long.
    std::optional<std::chrono::milliseconds> again;
    // Of a list: there is more than is in it, which kListHeader says.
    bool cut = false;
    // Set: sent in place of `body`, as text/plain in the version of Prometheus' format.
    std::optional<std::string> text;
};

// Where it listens, and what it bears.
struct HttpListener {
    std::string key;  // of the configuration, for errors: "access.api"
    std::string address;
    std::uint16_t port = 0;
    unsigned connections_max = limits::kApiConnectionsMax;
    unsigned connections_of_source_max = limits::kApiConnectionsOfSourceMax;
    std::uint32_t header_bytes_max = limits::kApiHeaderBytesMax;
    std::uint64_t body_bytes_max = limits::kApiBodyBytesMax;
    std::chrono::seconds idle_max = limits::kApiIdleMax;  // for a request, and for its answer
};

class HttpServer {
  public:
    // Called on threads of the server's own, several at a time; may block.
    using Handler = std::function<HttpAnswer(HttpRequest&)>;
    // The certificate and key to begin a connection with; empty: there is no TLS.
    using Tls = std::function<config::ListenTls()>;

    // Throws std::runtime_error where it cannot listen there or the certificate is none.
    HttpServer(const HttpListener& listener, Tls tls, Handler handler);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] std::string address() const;  // "127.0.0.1:6443"

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vitrine::admin
