#include "tests/auth/forwarder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace vitrine::auth::test {
namespace {

sockaddr_in local(unsigned port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace

Forwarder::Forwarder(unsigned target) : target_(target) {
    listen();
    thread_ = std::thread([this] { run(); });
}

Forwarder::~Forwarder() {
    stop_ = true;
    thread_.join();
    refuse();
}

void Forwarder::listen() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = local(port_);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 64) != 0) {
        throw std::runtime_error("the forwarder cannot listen");
    }
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
}

void Forwarder::end_all() {
    for (const Pair& pair : pairs_) {
        close(pair.client);
        close(pair.server);
    }
    pairs_.clear();
}

void Forwarder::refuse() {
    const std::lock_guard lock(mutex_);
    end_all();
    if (listener_ >= 0) {
        close(listener_);
        listener_ = -1;
    }
}

void Forwarder::serve() {
    const std::lock_guard lock(mutex_);
    listen();
}

void Forwarder::silence(bool silent) {
    const std::lock_guard lock(mutex_);
    silent_ = silent;
    if (!silent) {
        end_all();
    }
}

void Forwarder::cut(Way way, unsigned piece) {
    const std::lock_guard lock(mutex_);
    cut_way_ = way;
    cut_in_ = piece;
}

unsigned Forwarder::pieces(Way way) const {
    const std::lock_guard lock(mutex_);
    return pieces_[static_cast<std::size_t>(way)];
}

void Forwarder::accept_one() {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = local(target_);
    if (client < 0 || connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        close(client);
        close(server);
        return;
    }
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pairs_.push_back({client, server});
}

bool Forwarder::pass(int from, int to, Way way) {
    std::array<char, 65536> piece{};
    const ssize_t size = recv(from, piece.data(), piece.size(), MSG_DONTWAIT);
    if (size <= 0) {
        return false;
    }
    ++pieces_[static_cast<std::size_t>(way)];
    if (cut_in_ > 0 && way == cut_way_ && --cut_in_ == 0) {
        return false;
    }
    return send(to, piece.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

void Forwarder::run() {
    while (!stop_) {
        std::vector<pollfd> descriptors;
        {
            const std::lock_guard lock(mutex_);
            if (!silent_) {
                descriptors.push_back({listener_, POLLIN, 0});
                for (const Pair& pair : pairs_) {
                    descriptors.push_back({pair.client, POLLIN, 0});
                    descriptors.push_back({pair.server, POLLIN, 0});
                }
            }
        }
        (void)poll(descriptors.data(), descriptors.size(), 5);
        const std::lock_guard lock(mutex_);
        if (silent_ || descriptors.empty()) {
            continue;
        }
        const auto readable = [&](int descriptor) {
            for (const pollfd& each : descriptors) {
                if (each.fd == descriptor && each.revents != 0) {
                    return true;
                }
            }
            return false;
        };
        pairs_.remove_if([&](const Pair& pair) {
            const bool goes_on =
                (!readable(pair.client) || pass(pair.client, pair.server, Way::kToServer)) &&
                (!readable(pair.server) || pass(pair.server, pair.client, Way::kToClient));
            if (!goes_on) {
                close(pair.client);
                close(pair.server);
            }
            return !goes_on;
        });
        if (listener_ >= 0 && readable(listener_)) {
            accept_one();
        }
    }
}

}  // namespace vitrine::auth::test
