// Records as an OTLP request, JSON encoding (OTLP 1.x, "OTLP/HTTP", "JSON Protobuf Encoding").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proxy/export/facts.h"

namespace vitrine::exports {

struct OtlpOptions {
    std::string hostname;
    std::size_t record_bytes_max = 0;  // of a record's line; a longer one goes shortened
};

struct OtlpRequest {
    std::string body;
    std::uint64_t shortened = 0;
};

// `observed_ns`: now, since the epoch; also the time of a line that has none.
[[nodiscard]] OtlpRequest otlp_request(std::span<const Item> items, const OtlpOptions& options,
                                       std::int64_t observed_ns);

// What an answer of 200 says of records that were rejected: how many, and why.
struct OtlpRejected {
    std::uint64_t records = 0;
    std::string message;
};
[[nodiscard]] OtlpRejected otlp_rejected(std::string_view answer);

}  // namespace vitrine::exports
