#include "proxy/audit/line_head.h"

#include <boost/json.hpp>
#include <charconv>

#include "proxy/audit/names.h"
#include "proxy/audit/records.h"

namespace vitrine::audit {

namespace {

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) {
        return false;
    }
    text.remove_prefix(prefix.size());
    return true;
}

bool take_number(std::string_view& text, std::uint64_t& number) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end.ec != std::errc{}) {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end.ptr - text.data()));
    return true;
}

// Up to the closing quote, which is taken too. A text with an escape in it is not read here.
bool take_plain(std::string_view& text, std::string_view& value) {
    const std::size_t end = text.find('"');
    if (end == std::string_view::npos) {
        return false;
    }
    value = text.substr(0, end);
    text.remove_prefix(end + 1);
    return value.find('\\') == std::string_view::npos;
}

}  // namespace

bool LineHead::read_written(std::string_view line) {
    std::uint64_t seq = 0;
    std::string_view user;
    if (!line.ends_with("\"}") || !take(line, "{\"time\":\"") || !take_plain(line, time) ||
        time.size() != kTimeLength || !take(line, ",\"seq\":") || !take_number(line, seq) ||
        !take(line, ",\"type\":\"") || !take_plain(line, type) || !take(line, ",\"session\":\"") ||
        !take_plain(line, session) || !take(line, ",\"user\":\"") || !take_plain(line, user)) {
        return false;
    }
    statement = 0;
    has_sql = false;
    of = 0;
    if (type != "statement" && type != "result") {
        return true;
    }
    if (!take(line, ",\"statement\":") || !take_number(line, statement)) {
        return false;
    }
    has_sql = line.starts_with(",\"sql\":");
    return !take(line, ",\"of\":") || take_number(line, of);
}

bool LineHead::read(std::string_view line) {
    if (read_written(line)) {
        return true;
    }
    boost::json::error_code error;
    boost::json::monotonic_resource memory;
    const auto value = boost::json::parse({line.data(), line.size()}, error, &memory);
    const auto* fields = error ? nullptr : value.if_object();
    if (fields == nullptr) {
        return false;
    }
    const Record record(*fields);
    const std::string_view texts[] = {record.text("time"), record.text("type"),
                                      record.text("session")};
    own_.clear();
    for (const std::string_view text : texts) {
        own_ += text;
    }
    const std::string_view own = own_;
    time = own.substr(0, texts[0].size());
    type = own.substr(time.size(), texts[1].size());
    session = own.substr(time.size() + type.size());
    statement = record.number("statement");
    has_sql = record.find("sql") != nullptr;
    of = record.number("of");
    return true;
}

}  // namespace vitrine::audit
