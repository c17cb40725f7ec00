// Syslog over TLS (RFC 5425). The protocol has no acknowledgement: what was sent on a connection
// counts as arrived once the connection has ended well (Connection::close_in_order).
#include <unistd.h>

#include <chrono>
#include <utility>

#include "proxy/audit/names.h"
#include "proxy/export/connection.h"
#include "proxy/export/hostname.h"
#include "proxy/export/syslog_format.h"
#include "proxy/export/target.h"

namespace vitrine::exports {

namespace {

// Written at once: TLS records of 16 KiB.
constexpr std::size_t kPieceBytes = 64 * 1024;

class SyslogTarget : public Target {
  public:
    SyslogTarget(const config::ExportTarget& target, const std::atomic<bool>& stopping)
        : connection_(target, stopping) {
        options_.facility = target.facility;
        options_.hostname = target.hostname.empty() ? own_hostname() : target.hostname;
        options_.message_bytes_max = target.record_bytes_max;
    }

    Outcome send(std::span<const Item> items) override {
        Outcome outcome;
        std::string now;
        audit::append_time(
            now, std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()));
        try {
            if (!connection_.is_open()) {
                connection_.open();
            }
            std::string out;
            for (const Item& item : items) {
                const SyslogMessage message = syslog_message(item, options_, now);
                outcome.shortened += message.shortened ? 1 : 0;
                append_syslog_frame(out, message.text);
                if (out.size() >= kPieceBytes) {
                    connection_.write(out);
                    out.clear();
                }
            }
            if (!out.empty()) {
                connection_.write(out);
            }
        } catch (const ConnectionError& error) {
            return {.kind = Outcome::Kind::kAgain, .trouble = error.what()};
        }
        outcome.items = items.size();
        return outcome;
    }

    Outcome confirm() override {
        try {
            if (!connection_.is_open()) {
                return {.kind = Outcome::Kind::kAgain,
                        .trouble = "the connection to " + connection_.peer() + " was lost"};
            }
            connection_.close_in_order();
        } catch (const ConnectionError& error) {
            return {.kind = Outcome::Kind::kAgain, .trouble = error.what()};
        }
        return {};
    }

    [[nodiscard]] bool has_to_confirm() const override { return true; }

  private:
    Connection connection_;
    SyslogOptions options_;
};

}  // namespace

std::unique_ptr<Target> make_syslog_target(const config::ExportTarget& target,
                                           const std::atomic<bool>& stopping, const Say&) {
    return std::make_unique<SyslogTarget>(target, stopping);
}

}  // namespace vitrine::exports
