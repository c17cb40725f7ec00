// A record as a syslog message (RFC 5424), framed for a TLS connection (RFC 5425, section 4.3).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "proxy/export/facts.h"

namespace vitrine::exports {

// The private enterprise number of our structured data: the one that RFC 5612 sets aside for
// examples. vitrine has none of its own.
inline constexpr std::string_view kSyslogDataId = "vitrine@32473";

struct SyslogOptions {
    unsigned facility = 13;
    std::string hostname;
    std::size_t message_bytes_max = 8192;  // 2,048 at least
};

struct SyslogMessage {
    std::string text;
    bool shortened = false;
};

// `now`: RFC 3339, for a line that has no time of its own.
[[nodiscard]] SyslogMessage syslog_message(const Item& item, const SyslogOptions& options,
                                           std::string_view now);

// `MSG-LEN SP SYSLOG-MSG`
void append_syslog_frame(std::string& out, std::string_view message);

}  // namespace vitrine::exports
