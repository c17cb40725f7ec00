#include "proxy/net/canceller.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>

#include "config/limits.h"
#include "proxy/wire/frontend.h"

namespace vitrine::net {

namespace {

namespace asio = boost::asio;

struct Delivery : std::enable_shared_from_this<Delivery> {
    Delivery(asio::io_context& context, std::function<void()> when_done)
        : socket(context), deadline(context), done(std::move(when_done)) {}

    void finish() {
        deadline.cancel();
        boost::system::error_code ignored;
        socket.close(ignored);
        if (done) {
            std::exchange(done, nullptr)();
        }
    }

    void start(const asio::ip::tcp::endpoint& server) {
        auto self = shared_from_this();
        deadline.expires_after(limits::kCancelMax);
        deadline.async_wait([self](boost::system::error_code error) {
            if (!error) {
                self->finish();
            }
        });
        socket.async_connect(server, [self](boost::system::error_code error) {
            error ? self->finish() : self->send();
        });
    }

    void send() {
        auto self = shared_from_this();
        asio::async_write(socket, asio::buffer(packet),
                          [self](boost::system::error_code error, std::size_t) {
                              error ? self->finish() : self->wait_for_close();
                          });
    }

    void wait_for_close() {
        auto self = shared_from_this();
        asio::async_read(socket, asio::buffer(rest),
                         [self](boost::system::error_code, std::size_t) { self->finish(); });
    }

    asio::ip::tcp::socket socket;
    asio::steady_timer deadline;
    std::string packet;
    std::array<char, 1> rest{};
    std::function<void()> done;
};

}  // namespace

void deliver_cancel(asio::io_context& context, const asio::ip::tcp::endpoint& server,
                    const wire::BackendKeyData& key, std::function<void()> done) {
    auto delivery = std::make_shared<Delivery>(context, std::move(done));
    wire::write_cancel_request(delivery->packet, key.process_id, key.secret_key);
    delivery->start(server);
}

}  // namespace vitrine::net
