// A Kafka cluster of librdkafka's own making (rdkafka_mock.h), for test_export.py: three brokers in
// this process, in the clear. Prints `host:port,…`; then takes a command a line on stdin:
//   down | up         all brokers
//   error CODE COUNT  the answer to the next so many Produce requests
//   rtt MILLISECONDS  how long each answer takes
// and answers each with `done`. Ends with its stdin.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr int kBrokers = 3;
constexpr int kPartitions = 4;
constexpr std::int16_t kProduce = 0;

}  // namespace

int main(int argc, char** argv) {
    char error[512];
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    rd_kafka_t* const client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (client == nullptr || argc != 2) {
        std::cerr << "kafka_mock TOPIC: " << (client == nullptr ? error : "no topic") << "\n";
        return 2;
    }
    rd_kafka_mock_cluster_t* const cluster = rd_kafka_mock_cluster_new(client, kBrokers);
    rd_kafka_mock_topic_create(cluster, argv[1], kPartitions, 1);
    std::cout << rd_kafka_mock_cluster_bootstraps(cluster) << std::endl;
    std::string command;
    while (std::cin >> command) {
        if (command == "error") {
            int code = 0;
            std::size_t count = 0;
            std::cin >> code >> count;
            const std::vector<rd_kafka_resp_err_t> errors(count,
                                                          static_cast<rd_kafka_resp_err_t>(code));
            rd_kafka_mock_push_request_errors_array(cluster, kProduce, count, errors.data());
        } else {
            int rtt = 0;
            if (command == "rtt") {
                std::cin >> rtt;
            }
            for (int broker = 1; broker <= kBrokers; ++broker) {
                if (command == "rtt") {
                    rd_kafka_mock_broker_set_rtt(cluster, broker, rtt);
                } else if (command == "down") {
                    rd_kafka_mock_broker_set_down(cluster, broker);
                } else {
                    rd_kafka_mock_broker_set_up(cluster, broker);
                }
            }
        }
        std::cout << "done" << std::endl;
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(client);
    return 0;
}
