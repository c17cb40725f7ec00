// Where the query log is handed on to: `audit.export`, as plain values (docs/export.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "config/secret.h"

namespace vitrine::config {

// How a target is spoken to over TLS. It is always verified: the certificate's chain and its name.
struct ExportTls {
    std::filesystem::path ca;           // PEM; empty: the system's
    std::filesystem::path certificate;  // PEM, ours; empty: none is shown
    std::filesystem::path key;          // its key, where there is one
};

struct ExportTarget {
    enum class Kind : std::uint8_t { kSyslog, kOtlp, kKafka };

    std::string name;  // letters, digits, _ and -; also the cursor's
    Kind kind = Kind::kSyslog;
    std::filesystem::path cursor;  // a file; empty: .export/NAME.json in the log's directory
    // What is handed on at once at most: a longer record goes in a shortened form.
    std::uint64_t record_bytes_max = 0;
    bool tls = true;  // false only for an address of this machine
    ExportTls tls_files;

    // kSyslog and kOtlp
    std::string host;
    std::uint16_t port = 0;

    // kSyslog
    unsigned facility = 13;  // RFC 5424, table 1: log audit
    std::string hostname;    // empty: this machine's name. Of kOtlp too: host.name

    // kOtlp
    std::string target;                                   // path and query
    std::vector<std::pair<std::string, Secret>> headers;  // all are taken for secrets

    // kKafka
    std::vector<std::string> brokers;  // host:port
    std::string topic;
    std::string sasl_mechanism;  // empty: none
    std::string sasl_user;
    Secret sasl_password;
};

}  // namespace vitrine::config
