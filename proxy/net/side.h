// One of a connection's two sides: the stream, and what is known of its readiness.
#pragma once

#include <utility>

#include "proxy/net/stream.h"

namespace vitrine::net {

struct Side {
    explicit Side(boost::asio::ip::tcp::socket socket) : stream(std::move(socket)) {}

    Stream stream;
    bool readable = true;  // no read has said otherwise since the last wait
    bool writable = true;
    bool waiting_read = false;
    bool waiting_write = false;
};

}  // namespace vitrine::net
