#include "proxy/admin/start_api.h"

#include <spdlog/spdlog.h>

#include "proxy/admin/access_api.h"
#include "proxy/admin/http_server.h"

namespace vitrine::admin {

namespace {

struct Api {
    explicit Api(net::Shared& shared)
        : calls(shared),
          server(
              {.key = "access.api",
               .address = shared.current()->config->access.api_address,
               .port = shared.current()->config->access.api_port},
              // As a reload has it.
              [&shared] { return shared.current()->config->listen.tls; },
              [this](HttpRequest& request) { return calls.handle(request); }) {}

    AccessApi calls;
    HttpServer server;
};

}  // namespace

std::shared_ptr<void> start_api(net::Shared& shared) {
    if (shared.access == nullptr || shared.current()->config->access.api_address.empty()) {
        return nullptr;
    }
    auto api = std::make_shared<Api>(shared);
    spdlog::info("the API listens on {}", api->server.address());
    return api;
}

}  // namespace vitrine::admin
