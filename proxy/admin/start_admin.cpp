#include "proxy/admin/start_admin.h"

#include <spdlog/spdlog.h>

#include <boost/asio/ip/address.hpp>

#include "config/limits.h"
#include "proxy/admin/http_server.h"
#include "proxy/admin/probes.h"

namespace vitrine::admin {

namespace {

HttpAnswer say(unsigned status, std::string text) {
    HttpAnswer answer;
    answer.status = status;
    answer.text = std::move(text);
    return answer;
}

HttpAnswer say(const std::vector<std::string>& problems) {
    if (problems.empty()) {
        return say(200, "ok\n");
    }
    std::string text;
    for (const std::string& problem : problems) {
        // A server's error may have lines.
        for (const char c : problem) {
            text += c == '\n' || c == '\r' ? ' ' : c;
        }
        text += '\n';
    }
    return say(503, std::move(text));
}

HttpAnswer answer(net::Shared& shared, const HttpRequest& request) {
    const bool health = request.path == "/healthz";
    const bool readiness = request.path == "/readyz";
    if (!health && !readiness && request.path != "/metrics") {
        return say(404, "there are /healthz, /readyz and /metrics; the API is at access.api\n");
    }
    if (request.method != "GET" && request.method != "HEAD") {
        return say(405, "GET or HEAD\n");
    }
    if (health) {
        return say(health_problems(shared));
    }
    if (readiness) {
        return say(readiness_problems(shared));
    }
    return say(200, render(read_metrics(shared)));
}

}  // namespace

std::shared_ptr<void> start_admin(net::Shared& shared) {
    const config::Admin& admin = shared.current()->config->admin;
    if (admin.address.empty()) {
        return nullptr;
    }
    if (const std::string warning = reach_warning(admin); !warning.empty()) {
        spdlog::warn("{}", warning);
    }
    HttpListener listener;
    listener.key = "admin.address";
    listener.address = admin.address;
    listener.port = admin.port;
    listener.connections_max = limits::kAdminConnectionsMax;
    listener.connections_of_source_max = limits::kAdminConnectionsMax;
    listener.header_bytes_max = limits::kAdminHeaderBytesMax;
    listener.body_bytes_max = 0;
    listener.idle_max = limits::kAdminIdleMax;
    auto server = std::make_shared<HttpServer>(
        listener, HttpServer::Tls{},
        [&shared](HttpRequest& request) { return answer(shared, request); });
    spdlog::info("health and metrics are at http://{}", server->address());
    return server;
}

std::string reach_warning(const config::Admin& admin) {
    if (admin.address.empty() || admin.address == "localhost") {
        return {};
    }
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(admin.address, error);
    if (!error && address.is_loopback()) {
        return {};
    }
    return "admin.address is " + admin.address +
           ", which is not this machine's loopback; whoever reaches it reads the health and the "
           "metrics, so write 127.0.0.1, or let a firewall keep others away";
}

}  // namespace vitrine::admin
