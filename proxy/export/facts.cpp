#include "proxy/export/facts.h"

#include <algorithm>
#include <boost/json.hpp>

#include "proxy/audit/chain.h"
#include "proxy/audit/json_text.h"
#include "proxy/audit/records.h"

namespace vitrine::exports {

namespace json = boost::json;

namespace {

// What is short, and what people look for. All else is in the line.
constexpr std::string_view kTexts[] = {
    "session", "user",    "database", "client", "application", "issuer", "grant",  "reason",
    "action",  "subject", "verdict",  "rule",   "sqlstate",    "cause",  "policy", "file"};
constexpr std::string_view kNumbers[] = {"statement",   "of",       "rows",      "bytes",
                                         "duration_us", "rejected", "statements"};

// A name or a reason; whoever wrote more finds it in the line.
constexpr std::size_t kTextBytesMax = 256;

// The longest beginning of `text` that is whole characters.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) {
        return text;
    }
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
        --end;
    }
    return text.substr(0, end);
}

bool is_type(std::string_view text) {
    return !text.empty() && text.size() <= 32 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

}  // namespace

Facts facts_of(const Item& item) {
    Facts facts;
    facts.type = "unreadable";
    facts.warning = true;
    const auto parsed = audit::parse_line(item.line);
    json::error_code error;
    json::monotonic_resource memory;
    const json::value value = json::parse(item.line, error, &memory);
    const json::object* fields = error ? nullptr : value.if_object();
    if (!parsed || fields == nullptr || !is_type(parsed->type)) {
        return facts;
    }
    facts.time = parsed->time;
    facts.type = parsed->type;
    const audit::Record record(*fields);
    for (const std::string_view name : kTexts) {
        const std::string_view text = record.text(name);
        if (!text.empty()) {
            facts.texts.emplace_back(name, cut(text, kTextBytesMax));
        }
    }
    for (const std::string_view name : kNumbers) {
        if (record.find(name) != nullptr && record.find(name)->is_number()) {
            facts.numbers.emplace_back(name, record.number(name));
        }
    }
    facts.warning = record.text("verdict") == "reject" || facts.type == "login_refused" ||
                    facts.type == "broken" || facts.type == "repaired";
    return facts;
}

std::string shortened(const Item& item, const Facts& facts, std::size_t bytes_max) {
    std::string out = "{\"time\":";
    static_cast<void>(audit::append_json_string(out, facts.time));
    audit::append_member(out, "seq", item.seq);
    audit::append_member(out, "type", facts.type);
    for (const auto& [name, text] : facts.texts) {
        if (name == "session" || name == "user") {
            // A user's name can have characters that take six bytes each here.
            audit::append_member(out, name, cut(text, 32));
        }
    }
    out += ",\"shortened\":true";
    audit::append_member(out, "file", cut(item.file, 240));
    audit::append_member(out, "bytes", item.line.size());
    audit::Sha256 sha;
    audit::append_member(out, "sha256", sha.of(item.line).view());
    const std::string end = ",\"hash\":\"" + item.hash + "\"}";
    const std::size_t rest = bytes_max - std::min(bytes_max, out.size() + end.size());
    // Each byte of it can take six.
    constexpr std::size_t kMember = sizeof(",\"beginning\":\"\"");
    constexpr std::size_t kBeginningMax = 4096;
    if (rest > kMember + 64) {
        std::string beginning;
        const std::string_view line = item.line;
        std::size_t bytes = std::min(kBeginningMax, rest - kMember);
        do {
            beginning.clear();
            audit::append_member(beginning, "beginning", cut(line, bytes));
            bytes /= 2;
        } while (beginning.size() > rest && bytes > 0);
        if (beginning.size() <= rest) {
            out += beginning;
        }
    }
    return out + end;
}

}  // namespace vitrine::exports
