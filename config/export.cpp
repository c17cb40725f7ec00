#include "config/export.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "config/key_files.h"
#include "config/keys.h"
#include "config/url.h"

namespace vitrine::config {
namespace {

using Kind = ExportTarget::Kind;

constexpr std::size_t kTargetNameMax = 63;
constexpr std::size_t kTopicMax = 249;      // Kafka's own
constexpr std::size_t kHostnameMax = 255;   // RFC 5424, section 6
constexpr std::uint64_t kRecordMin = 2048;  // RFC 5425, section 4.3.1: what every receiver takes
constexpr std::uint64_t kRecordMax = 1024ULL * 1024 * 1024;

// RFC 5425: what a receiver should take. Many cut longer messages off without a word.
constexpr std::uint64_t kSyslogRecordBytes = 8192;
// Well below the 20 MiB that a collector takes as a request.
constexpr std::uint64_t kOtlpRecordBytes = 4ULL * 1024 * 1024;
// A broker's own default (message.max.bytes) is 1,048,588, with what Kafka adds.
constexpr std::uint64_t kKafkaRecordBytes = 1000000;

constexpr std::array<std::string_view, 24> kFacilities{
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};

bool is_word(std::string_view text, std::string_view more) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [more](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               more.find(c) != std::string_view::npos;
    });
}

// By the address as it is written: what a name leads to may change.
bool is_this_machine(std::string_view host) {
    return host == "localhost" || host == "::1" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

void read_tls_files(Reader& reader, const Fields& fields, ExportTls& tls) {
    if (const auto ca = fields.find("ca")) {
        read_certificates(reader, *ca, tls.ca);
    }
    const auto certificate = fields.find("certificate");
    const auto key = fields.find("key");
    if (fields.is_map() && certificate.has_value() != key.has_value()) {
        reader.problem_at_key(fields.value(), certificate
                                                  ? "has a certificate without its key; name both"
                                                  : "has a key without its certificate; name both");
        return;
    }
    if (!certificate) {
        return;
    }
    const auto chain_path = read_path(reader, *certificate);
    const auto key_path = read_path(reader, *key);
    if (!chain_path || !key_path) {
        return;
    }
    tls.certificate = *chain_path;
    tls.key = *key_path;
    const auto chain = read_named_file(reader, *certificate, *chain_path);
    auto pem = read_named_file(reader, *key, *key_path);
    if (!chain || !pem) {
        return;
    }
    const Secret secret(std::move(*pem));
    if (const auto problem = chain_problem(*chain)) {
        reader.problem(*certificate, *problem);
    } else if (const auto key_problem = tls_key_problem(secret.reveal())) {
        reader.problem(*key, *key_problem);
    } else if (!key_fits(*chain, secret.reveal())) {
        reader.problem(*key,
                       "does not belong to the certificate; name the key that it was made "
                       "for");
    }
}

void read_hostname(Reader& reader, const Fields& fields, ExportTarget& target) {
    const auto hostname = fields.find("hostname");
    if (!hostname) {
        return;
    }
    target.hostname = read_text(reader, *hostname).value_or("");
    const bool plain = std::all_of(target.hostname.begin(), target.hostname.end(),
                                   [](char c) { return c > ' ' && c < '\x7f'; });
    if (!plain || target.hostname.size() > kHostnameMax) {
        reader.problem(*hostname, "is no host's name; write printable ASCII without blanks");
    }
}

void read_syslog(Reader& reader, const Value& value, ExportTarget& target) {
    Fields fields(reader, value, {"address", "ca", "certificate", "key", "facility", "hostname"});
    if (const auto address = fields.require("address", "write address: host:6514")) {
        if (auto read = read_address(reader, *address)) {
            target.host = std::move(read->host);
            target.port = read->port;
        }
    }
    read_tls_files(reader, fields, target.tls_files);
    read_hostname(reader, fields, target);
    if (const auto facility = fields.find("facility")) {
        const auto text = read_text(reader, *facility);
        const auto* const at =
            text ? std::find(kFacilities.begin(), kFacilities.end(), *text) : kFacilities.end();
        if (at != kFacilities.end()) {
            target.facility = static_cast<unsigned>(at - kFacilities.begin());
        } else if (text) {
            reader.problem(
                *facility,
                "is " + shown(*text) + ", which is no facility; the nearest is " +
                    std::string(nearest(*text, {kFacilities.begin(), kFacilities.end()}).word));
        }
    }
}

// A header's name is a token (RFC 9110, section 5.6.2); those that make up the request are ours.
void read_headers(Reader& reader, const Value& value, ExportTarget& target) {
    constexpr std::string_view kOurs[] = {"host",           "content-type",      "connection",
                                          "content-length", "transfer-encoding", "user-agent"};
    for (const auto& [name, entry] : read_named(reader, value)) {
        std::string lower = name;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        if (!is_word(name, "!#$%&'*+-.^_`|~") ||
            std::find(std::begin(kOurs), std::end(kOurs), lower) != std::end(kOurs)) {
            reader.problem_at(*entry.key, value.path + " has the name " + shown(name) +
                                              ", which is no header that can be set; leave it out");
            continue;
        }
        auto secret = read_secret(reader, entry);
        if (!secret) {
            continue;
        }
        const std::string_view text = secret->reveal();
        if (std::any_of(text.begin(), text.end(), [](char c) {
                return static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
            })) {
            reader.problem(entry, "has control characters in it; put one line there");
            continue;
        }
        target.headers.emplace_back(name, std::move(*secret));
    }
}

void read_otlp(Reader& reader, const Value& value, ExportTarget& target) {
    Fields fields(reader, value, {"url", "ca", "certificate", "key", "headers", "hostname"});
    if (const auto value_of_url = fields.require("url", "write url: https://host:4318/v1/logs")) {
        constexpr std::string_view kPlain = "http://";
        const auto text = read_text(reader, *value_of_url);
        const bool plain = text && text->starts_with(kPlain);
        const auto url =
            text ? parse_https_url(plain ? "https://" + text->substr(kPlain.size()) : *text)
                 : std::nullopt;
        if (text && !url) {
            reader.problem(*value_of_url,
                           "is no address that begins with https://, without a user's name and a "
                           "fragment; write https://host:4318/v1/logs");
        } else if (plain && !is_this_machine(url->host)) {
            reader.problem(*value_of_url,
                           "is in the clear, which is only for this machine (127.0.0.1, ::1, "
                           "localhost); write https://");
        } else if (url) {
            const std::size_t authority = text->find("//") + 2;
            const bool has_port = text->find(':', text->find(']', authority) == std::string::npos
                                                      ? authority
                                                      : text->find(']', authority)) <
                                  std::min(text->find('/', authority), text->size());
            target.host = url->host;
            target.port = plain && !has_port ? std::uint16_t{80} : url->port;
            target.target = url->target;
            target.tls = !plain;
        }
    }
    read_tls_files(reader, fields, target.tls_files);
    read_hostname(reader, fields, target);
    if (const auto headers = fields.find("headers")) {
        read_headers(reader, *headers, target);
    }
    if (!target.tls && (fields.find("ca") || fields.find("certificate"))) {
        reader.problem_at_key(value,
                              "has certificates for an address without TLS; write https://, "
                              "or leave them out");
    }
}

void read_sasl(Reader& reader, const Value& value, ExportTarget& target) {
    Fields fields(reader, value, {"mechanism", "user", "password"});
    if (const auto mechanism = fields.require("mechanism", "write mechanism: SCRAM-SHA-512")) {
        constexpr std::string_view kWords[] = {"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"};
        if (const auto word = read_word(reader, *mechanism, {kWords[0], kWords[1], kWords[2]})) {
            target.sasl_mechanism = kWords[*word];
        }
    }
    if (const auto user = fields.require("user", "name who logs in")) {
        target.sasl_user = read_text(reader, *user).value_or("");
    }
    if (const auto password = fields.require("password", "write password: {file: PATH}")) {
        if (auto secret = read_secret(reader, *password)) {
            target.sasl_password = std::move(*secret);
        }
    }
}

void read_kafka(Reader& reader, const Value& value, ExportTarget& target) {
    Fields fields(reader, value, {"brokers", "topic", "tls", "ca", "certificate", "key", "sasl"});
    const auto tls = fields.find("tls");
    target.tls = !tls || read_word(reader, *tls, {"true", "false"}) != 1;
    if (const auto brokers = fields.require("brokers", "name one: brokers: [host:9093]")) {
        for (const Value& item : read_list(reader, *brokers, "name a broker: host:9093")) {
            const auto read = read_address(reader, item);
            if (!read) {
                continue;
            }
            if (!target.tls && !is_this_machine(read->host)) {
                reader.problem(item,
                               "is in the clear, which is only for this machine (127.0.0.1, ::1, "
                               "localhost); leave tls: false out");
            }
            const bool is_v6 = read->host.find(':') != std::string::npos;
            target.brokers.push_back((is_v6 ? "[" + read->host + "]" : read->host) + ":" +
                                     std::to_string(read->port));
        }
    }
    if (const auto topic = fields.require("topic", "name the topic")) {
        target.topic = read_text(reader, *topic).value_or("");
        if (!target.topic.empty() &&
            (!is_word(target.topic, "._-") || target.topic.size() > kTopicMax ||
             target.topic == "." || target.topic == "..")) {
            reader.problem(*topic, "is " + shown(target.topic) +
                                       ", which is no topic's name; write letters, digits, ., _ "
                                       "and -");
        }
    }
    read_tls_files(reader, fields, target.tls_files);
    if (const auto sasl = fields.find("sasl")) {
        read_sasl(reader, *sasl, target);
    }
    if (!target.tls && fields.find("sasl")) {
        reader.problem_at_key(value,
                              "has sasl and tls: false, and a password does not go in the clear; "
                              "leave one of them out");
    }
    if (!target.tls && (fields.find("ca") || fields.find("certificate"))) {
        reader.problem_at_key(value, "has certificates and tls: false; leave one of them out");
    }
}

ExportTarget read_target(Reader& reader, const Value& value) {
    ExportTarget target;
    Fields fields(reader, value, {"name", "cursor", "max_record_size", "syslog", "otlp", "kafka"});
    if (const auto name = fields.require("name", "give it one: name: siem")) {
        target.name = read_text(reader, *name).value_or("");
        if (!target.name.empty() &&
            (!is_word(target.name, "_-") || target.name.size() > kTargetNameMax)) {
            reader.problem(*name, "is " + shown(target.name) +
                                      ", which is no target's name; write at most 63 letters, "
                                      "digits, _ and -");
        }
    }
    if (const auto cursor = fields.find("cursor")) {
        target.cursor = read_path(reader, *cursor).value_or(std::filesystem::path{});
    }
    const auto syslog = fields.find("syslog");
    const auto otlp = fields.find("otlp");
    const auto kafka = fields.find("kafka");
    const int kinds = int{syslog.has_value()} + int{otlp.has_value()} + int{kafka.has_value()};
    if (fields.is_map() && kinds != 1) {
        reader.problem_at(*value.node, value.path + " has " +
                                           (kinds == 0 ? "none" : "more than one") +
                                           " of syslog, otlp and kafka; write one of them");
    }
    if (syslog) {
        target.kind = Kind::kSyslog;
        target.record_bytes_max = kSyslogRecordBytes;
        read_syslog(reader, *syslog, target);
    }
    if (otlp) {
        target.kind = Kind::kOtlp;
        target.record_bytes_max = kOtlpRecordBytes;
        read_otlp(reader, *otlp, target);
    }
    if (kafka) {
        target.kind = Kind::kKafka;
        target.record_bytes_max = kKafkaRecordBytes;
        read_kafka(reader, *kafka, target);
    }
    if (const auto size = fields.find("max_record_size")) {
        if (const auto bytes = read_size(reader, *size)) {
            target.record_bytes_max = *bytes;
            if (*bytes < kRecordMin || *bytes > kRecordMax) {
                reader.problem(*size, "is out of range; write 2KiB to 1GiB");
            }
        }
    }
    return target;
}

}  // namespace

std::vector<ExportTarget> read_export(Reader& reader, const Value& value) {
    std::vector<ExportTarget> targets;
    std::set<std::string> names;
    for (const Value& item : read_list(reader, value)) {
        targets.push_back(read_target(reader, item));
        const std::string& name = targets.back().name;
        if (!name.empty() && !names.insert(name).second) {
            reader.problem(item, "has the name of another target, " + shown(name) +
                                     "; the cursor goes by it: give it one of its own");
        }
    }
    return targets;
}

}  // namespace vitrine::config
