// Delivers one CancelRequest to a server over a connection of its own, and says when that is over:
// the server has closed the connection (it has signalled the backend by then), or could not be
// reached within limits::kCancelMax.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>

#include "proxy/wire/backend.h"

namespace vitrine::net {

// `done` runs on `context`, once. In the clear, as libpq up to version 16 does it whatever the
// session's connection uses; the key is good for one backend and for cancelling only.
void deliver_cancel(boost::asio::io_context& context, const boost::asio::ip::tcp::endpoint& server,
                    const wire::BackendKeyData& key, std::function<void()> done);

}  // namespace vitrine::net
