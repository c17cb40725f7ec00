// Kafka, by librdkafka: idempotent, acknowledged by all replicas in sync. A user's records have one
// key, so they stay in one partition, in order.
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "config/files.h"
#include "proxy/audit/names.h"
#include "proxy/export/facts.h"
#include "proxy/export/target.h"

namespace vitrine::exports {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Without a word of the brokers for so long, trouble is said; what is under way stays so.
constexpr milliseconds kSilenceMax{10000};
constexpr milliseconds kStopMax{5000};
constexpr int kPollMs = 50;

// What of message.max.bytes key, headers and framing take.
constexpr std::size_t kFramingBytes = 1024;
constexpr std::size_t kRecordBytesLeast = 1024;
constexpr std::size_t kCountMax = 10000;

struct Destroy {
    void operator()(rd_kafka_t* client) const {
        // What is under way is sent again by the next one: nothing to wait for.
        rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};

bool is_loopback(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        return (ntohl(v4.sin_addr.s_addr) >> 24U) == 127;
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
    }
    return false;
}

std::string user_of(const std::string& file) {
    return file.substr(0, file.find('/'));
}

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : ",") + text;
    }
    return all;
}

class KafkaTarget : public Target {
  public:
    KafkaTarget(const config::ExportTarget& target, const std::atomic<bool>& stopping)
        : configured_(target), stopping_(stopping) {
        line_bytes_max_ = std::max(kRecordBytesLeast, configured_.record_bytes_max - kFramingBytes);
        connect();
    }

    Outcome send(std::span<const Item> items) override {
        if (client_ == nullptr) {
            connect();
        }
        const std::size_t count = std::min(items.size(), count_max_);
        Outcome outcome;
        while (reports_.size() < count && !failed_) {
            produce(items[reports_.size()]);
        }
        wait();
        // In order: what is behind one that has failed is sent again with it.
        while (!reports_.empty() && reports_.front().state == State::kDelivered) {
            outcome.shortened += reports_.front().shortened ? 1 : 0;
            ++outcome.items;
            reports_.pop_front();
            ++first_;
        }
        if (failed_) {
            return start_again(outcome);
        }
        if (outcome.items > 0) {
            count_max_ = std::min(count_max_ * 2, kCountMax);
            least_ = false;
        } else if (!stopping_ && !items.empty()) {
            outcome.kind = Outcome::Kind::kAgain;
            outcome.trouble = "no acknowledgement by " + joined(configured_.brokers) +
                              (trouble_.empty() ? "" : ": " + trouble_) + astray();
        }
        return outcome;
    }

  private:
    enum class State : std::uint8_t { kUnderWay, kDelivered };
    struct Report {
        State state = State::kUnderWay;
        bool shortened = false;
    };

    void connect() {
        std::unique_ptr<rd_kafka_conf_t, Destroy> conf(rd_kafka_conf_new());
        const auto set = [&](const char* name, const std::string& value) {
            char error[512];
            if (rd_kafka_conf_set(conf.get(), name, value.c_str(), error, sizeof error) !=
                RD_KAFKA_CONF_OK) {
                // Of a secret not even a piece.
                const bool secret = std::string_view(name) == "sasl.password";
                throw std::runtime_error("Kafka's client does not take " + std::string(name) +
                                         (secret ? "" : std::string(": ") + error));
            }
        };
        set("bootstrap.servers", joined(configured_.brokers));
        set("client.id", "vitrine");
        set("enable.idempotence", "true");
        set("acks", "all");
        // It tries until it is told to stop: giving up is ours.
        set("message.timeout.ms", "0");
        set("message.max.bytes",
            std::to_string(std::min<std::uint64_t>(configured_.record_bytes_max, 1000000000)));
        set("linger.ms", "5");
        set("partitioner", "murmur2_random");
        const bool sasl = !configured_.sasl_mechanism.empty();
        set("security.protocol", configured_.tls ? (sasl ? "sasl_ssl" : "ssl")
                                                 : (sasl ? "sasl_plaintext" : "plaintext"));
        if (configured_.tls) {
            const config::ExportTls& files = configured_.tls_files;
            set("ssl.ca.location",
                files.ca.empty() ? config::kSystemCertificates : files.ca.string());
            set("ssl.endpoint.identification.algorithm", "https");
            set("enable.ssl.certificate.verification", "true");
            if (!files.certificate.empty()) {
                set("ssl.certificate.location", files.certificate.string());
                set("ssl.key.location", files.key.string());
            }
        }
        if (sasl) {
            set("sasl.mechanism", configured_.sasl_mechanism);
            set("sasl.username", configured_.sasl_user);
            set("sasl.password", std::string(configured_.sasl_password.reveal()));
        }
        rd_kafka_conf_set_opaque(conf.get(), this);
        led_astray_ = false;
        if (!configured_.tls) {
            // In the clear to this machine alone, wherever a broker says that the others are.
            rd_kafka_conf_set_connect_cb(conf.get(), [](int socket, const sockaddr* address,
                                                        int size, const char*, void* self) {
                if (!is_loopback(address)) {
                    static_cast<KafkaTarget*>(self)->led_astray_ = true;
                    return EACCES;
                }
                const bool going = ::connect(socket, address, static_cast<socklen_t>(size)) == 0 ||
                                   errno == EINPROGRESS;
                return going ? 0 : errno;
            });
        }
        rd_kafka_conf_set_dr_msg_cb(conf.get(),
                                    [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
                                        static_cast<KafkaTarget*>(self)->reported(*message);
                                    });
        rd_kafka_conf_set_error_cb(conf.get(),
                                   [](rd_kafka_t*, int error, const char* reason, void* self) {
                                       static_cast<KafkaTarget*>(self)->in_trouble(error, reason);
                                   });
        // What it has to say comes by the two above.
        rd_kafka_conf_set_log_cb(conf.get(),
                                 [](const rd_kafka_t*, int, const char*, const char*) {});
        char error[512];
        client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), error, sizeof error));
        if (client_ == nullptr) {
            throw std::runtime_error("Kafka's client does not start: " + std::string(error));
        }
        static_cast<void>(conf.release());
    }

    void produce(const Item& item) {
        const Facts facts = facts_of(item);
        const std::size_t bytes_max = least_ ? kRecordBytesLeast : line_bytes_max_;
        Report report;
        report.shortened = item.line.size() > bytes_max;
        const std::string line =
            report.shortened ? shortened(item, facts, bytes_max) : std::string();
        const std::string& value = report.shortened ? line : item.line;
        const std::string key = user_of(item.file);
        const auto time = audit::parse_time(facts.time);
        const auto ms =
            time ? std::chrono::duration_cast<milliseconds>(time->time_since_epoch()).count() : 0;
        const std::uint64_t number = first_ + reports_.size();
        // An array of ours: the macros for the other form are not C++.
        std::array<rd_kafka_vu_t, 7> what{};
        what[0].vtype = RD_KAFKA_VTYPE_TOPIC;
        what[0].u.cstr = configured_.topic.c_str();
        what[1].vtype = RD_KAFKA_VTYPE_KEY;
        what[1].u.mem = {const_cast<char*>(key.data()), key.size()};
        what[2].vtype = RD_KAFKA_VTYPE_VALUE;
        what[2].u.mem = {const_cast<char*>(value.data()), value.size()};
        what[3].vtype = RD_KAFKA_VTYPE_HEADER;
        what[3].u.header = {"type", facts.type.data(), static_cast<ssize_t>(facts.type.size())};
        what[4].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
        what[4].u.i64 = ms;
        what[5].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
        what[5].u.i = RD_KAFKA_MSG_F_COPY;
        what[6].vtype = RD_KAFKA_VTYPE_OPAQUE;
        what[6].u.ptr = reinterpret_cast<void*>(number);
        while (true) {
            rd_kafka_error_t* const refused =
                rd_kafka_produceva(client_.get(), what.data(), what.size());
            const rd_kafka_resp_err_t error =
                refused == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(refused);
            if (refused != nullptr) {
                rd_kafka_error_destroy(refused);
            }
            if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && !stopping_) {
                rd_kafka_poll(client_.get(), kPollMs);
                continue;
            }
            if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
                fail(error, rd_kafka_err2str(error));
                return;
            }
            reports_.push_back(report);
            return;
        }
    }

    // Until all is reported, or it makes no sense to wait any longer here.
    void wait() {
        const auto all_in = [this] {
            return std::all_of(reports_.begin(), reports_.end(), [](const Report& report) {
                return report.state == State::kDelivered;
            });
        };
        heard_ = steady_clock::now();
        std::optional<steady_clock::time_point> stopped;
        while (!failed_ && !all_in()) {
            rd_kafka_poll(client_.get(), kPollMs);
            const auto now = steady_clock::now();
            if (stopping_ && !stopped) {
                stopped = now;
            }
            if (now - heard_ >= kSilenceMax || (stopped && now - *stopped >= kStopMax)) {
                return;
            }
        }
    }

    void reported(const rd_kafka_message_t& message) {
        const auto number = reinterpret_cast<std::uintptr_t>(message._private);
        // Of a client that was given up.
        if (number < first_ || number - first_ >= reports_.size()) {
            return;
        }
        heard_ = steady_clock::now();
        if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            reports_[number - first_].state = State::kDelivered;
            if (!failed_) {
                trouble_.clear();
            }
        } else {
            // Not rd_kafka_message_errstr(): of a producer's message that is the record itself.
            fail(message.err, rd_kafka_err2str(message.err));
        }
    }

    void in_trouble(int error, const char* reason) {
        const auto code = static_cast<rd_kafka_resp_err_t>(error);
        // That all are down follows from what was said of each.
        if (!failed_ && (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || trouble_.empty())) {
            trouble_ = reason;
        }
    }

    [[nodiscard]] std::string astray() const {
        return led_astray_ ? "; a broker has an address that is not this machine's, and tls: false "
                             "is for this machine alone"
                           : "";
    }

    void fail(rd_kafka_resp_err_t error, const char* reason) {
        // The first one: what else is under way fails because of it.
        if (!failed_) {
            failed_ = true;
            error_ = error;
            trouble_ = reason;
        }
    }

    Outcome start_again(Outcome outcome) {
        const std::size_t were = reports_.size();
        client_.reset();
        first_ += reports_.size();
        reports_.clear();
        failed_ = false;
        const std::string trouble = std::exchange(trouble_, {});
        if (error_ == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && !least_) {
            // A broker that takes less than what is configured. One by one it is found out which
            // record it was, and that one goes in its shortest form.
            least_ = were <= 1;
            count_max_ = 1;
            return outcome;
        }
        outcome.kind = Outcome::Kind::kAgain;
        outcome.trouble = joined(configured_.brokers) + ": " + trouble + astray();
        return outcome;
    }

    const config::ExportTarget& configured_;
    const std::atomic<bool>& stopping_;
    std::size_t line_bytes_max_ = 0;

    // Of what is under way: the first items that send() is given.
    std::deque<Report> reports_;
    std::uint64_t first_ = 0;  // the number of the first of them
    std::size_t count_max_ = kCountMax;
    bool least_ = false;

    bool failed_ = false;
    rd_kafka_resp_err_t error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::string trouble_;  // the last that was heard of
    std::atomic<bool> led_astray_{false};
    steady_clock::time_point heard_;

    std::unique_ptr<rd_kafka_t, Destroy> client_;  // last: it calls into the others
};

}  // namespace

std::unique_ptr<Target> make_kafka_target(const config::ExportTarget& target,
                                          const std::atomic<bool>& stopping, const Say&) {
    return std::make_unique<KafkaTarget>(target, stopping);
}

}  // namespace vitrine::exports
