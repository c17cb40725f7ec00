#include "proxy/export/syslog_format.h"

#include "proxy/audit/terminal_text.h"

namespace vitrine::exports {

namespace {

constexpr unsigned kWarning = 4;
constexpr unsigned kInformational = 6;
constexpr std::string_view kBom = "\xEF\xBB\xBF";

// RFC 5424, section 6.3.3. What our texts have of control, line-breaking, invisible and
// direction-changing characters becomes a space: many receivers take a line break for the end, and
// whoever reads what they keep on a terminal is not to be deceived. The line has them.
void append_param(std::string& out, std::string_view name, std::string_view value) {
    out.append(" ").append(name).append("=\"");
    for (const char c : audit::blanked(value)) {
        if (c == '"' || c == '\\' || c == ']') {
            out += '\\';
        }
        out += c;
    }
    out += '"';
}

}  // namespace

SyslogMessage syslog_message(const Item& item, const SyslogOptions& options, std::string_view now) {
    const Facts facts = facts_of(item);
    const unsigned severity = facts.warning ? kWarning : kInformational;
    SyslogMessage message;
    std::string& out = message.text;
    out = "<" + std::to_string(options.facility * 8 + severity) + ">1 ";
    out.append(facts.time.empty() ? now : std::string_view(facts.time)).append(" ");
    out.append(options.hostname).append(" vitrine - ").append(facts.type);
    const std::size_t head = out.size();
    out.append(" [").append(kSyslogDataId);
    append_param(out, "file", item.file);
    append_param(out, "seq", std::to_string(item.seq));
    append_param(out, "hash", item.hash);
    const std::size_t least = out.size();
    for (const auto& [name, text] : facts.texts) {
        if (name != "file") {
            append_param(out, name, text);
        }
    }
    for (const auto& [name, number] : facts.numbers) {
        append_param(out, name, std::to_string(number));
    }
    const std::size_t tail = sizeof("] ") - 1 + kBom.size();
    // A long line goes without what is in it anyway.
    if (out.size() + tail + item.line.size() > options.message_bytes_max) {
        out.resize(least);
    }
    out.append("] ").append(kBom);
    if (out.size() + item.line.size() <= options.message_bytes_max) {
        out += item.line;
        return message;
    }
    message.shortened = true;
    // The name of a file can be 220 bytes, and is in what follows, too.
    if (out.size() + 1024 > options.message_bytes_max) {
        out.resize(head);
        out.append(" - ").append(kBom);
    }
    out += shortened(item, facts, options.message_bytes_max - out.size());
    return message;
}

void append_syslog_frame(std::string& out, std::string_view message) {
    out.append(std::to_string(message.size())).append(" ").append(message);
}

}  // namespace vitrine::exports
