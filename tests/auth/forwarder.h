// A wire between a store and its server that can be cut: what a network and a server that is down
// do to a client, at a moment of the test's choosing.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

namespace vitrine::auth::test {

class Forwarder {
  public:
    // To 127.0.0.1:`target`.
    explicit Forwarder(unsigned target);
    ~Forwarder();
    Forwarder(const Forwarder&) = delete;
    Forwarder& operator=(const Forwarder&) = delete;

    [[nodiscard]] unsigned port() const { return port_; }
    // Ends all connections, and takes none until serve(): as of a server that was stopped.
    void refuse();
    void serve();
    // Nothing passes, nothing ends: as of a machine that hangs.
    void silence(bool silent);
    // Once: ends the connection instead of passing on the piece of that number (from 1) that comes
    // from now on. A query and its answer are one piece each.
    enum class Way : std::uint8_t { kToServer, kToClient };
    void cut(Way way, unsigned piece);
    [[nodiscard]] unsigned pieces(Way way) const;

  private:
    struct Pair {
        int client = -1;
        int server = -1;
    };
    void listen();
    void run();
    void accept_one();
    // False where it is at its end.
    bool pass(int from, int to, Way way);
    void end_all();

    const unsigned target_;
    unsigned port_ = 0;
    mutable std::mutex mutex_;
    int listener_ = -1;
    std::list<Pair> pairs_;
    bool silent_ = false;
    Way cut_way_ = Way::kToServer;
    unsigned cut_in_ = 0;  // 0: never
    unsigned pieces_[2] = {0, 0};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace vitrine::auth::test
