#include "proxy/export/otlp_format.h"

#include <boost/json.hpp>
#include <charconv>
#include <chrono>

#include "proxy/audit/json_text.h"
#include "proxy/audit/names.h"

namespace vitrine::exports {

namespace json = boost::json;

namespace {

// The semantic conventions' names where they have one; all others are under `vitrine.`.
struct Convention {
    std::string_view ours;
    std::string_view theirs;
};
constexpr Convention kConventions[] = {{"session", "session.id"},
                                       {"user", "user.name"},
                                       {"database", "db.namespace"},
                                       {"client", "client.address"},
                                       {"sqlstate", "db.response.status_code"},
                                       {"rows", "db.response.returned_rows"}};

std::string attribute_name(std::string_view ours) {
    for (const Convention& convention : kConventions) {
        if (convention.ours == ours) {
            return std::string(convention.theirs);
        }
    }
    return "vitrine." + std::string(ours);
}

// `{"key":…,"value":{KIND:` and the caller's value and `}}`.
void begin_attribute(std::string& out, std::string_view name, std::string_view kind) {
    if (out.back() == '}') {
        out += ',';
    }
    out.append("{\"key\":\"").append(name).append("\",\"value\":{\"").append(kind).append("\":");
}

void append_attribute(std::string& out, std::string_view name, std::string_view text) {
    begin_attribute(out, name, "stringValue");
    // The exact bytes are in the record, under the same name.
    static_cast<void>(audit::append_json_string(out, text));
    out += "}}";
}

// 64 bits as a decimal string: the encoding's rule.
void append_attribute(std::string& out, std::string_view name, std::uint64_t number) {
    begin_attribute(out, name, "intValue");
    out += "\"" + std::to_string(number) + "\"}}";
}

std::int64_t nanoseconds(std::string_view time, std::int64_t otherwise) {
    const auto parsed = audit::parse_time(time);
    return parsed ? std::chrono::nanoseconds(parsed->time_since_epoch()).count() : otherwise;
}

bool append_record(std::string& out, const Item& item, const OtlpOptions& options,
                   std::int64_t observed_ns) {
    const Facts facts = facts_of(item);
    out += "{\"timeUnixNano\":\"" + std::to_string(nanoseconds(facts.time, observed_ns));
    out += "\",\"observedTimeUnixNano\":\"" + std::to_string(observed_ns);
    out += facts.warning ? R"(","severityNumber":13,"severityText":"WARN","body":{"stringValue":)"
                         : R"(","severityNumber":9,"severityText":"INFO","body":{"stringValue":)";
    const bool whole = item.line.size() <= options.record_bytes_max;
    static_cast<void>(audit::append_json_string(
        out, whole ? item.line : shortened(item, facts, options.record_bytes_max)));
    out += "},\"attributes\":[";
    append_attribute(out, "vitrine.type", facts.type);
    append_attribute(out, "vitrine.log_file", item.file);
    append_attribute(out, "vitrine.seq", item.seq);
    append_attribute(out, "vitrine.hash", item.hash);
    if (item.file.find('/') != std::string::npos) {
        append_attribute(out, "db.system.name", "postgresql");
    }
    for (const auto& [name, text] : facts.texts) {
        append_attribute(out, attribute_name(name), text);
    }
    for (const auto& [name, number] : facts.numbers) {
        append_attribute(out, attribute_name(name), number);
    }
    out += "]}";
    return whole;
}

}  // namespace

OtlpRequest otlp_request(std::span<const Item> items, const OtlpOptions& options,
                         std::int64_t observed_ns) {
    OtlpRequest request;
    std::string& out = request.body;
    out = "{\"resourceLogs\":[{\"resource\":{\"attributes\":[";
    append_attribute(out, "service.name", "vitrine");
    append_attribute(out, "host.name", options.hostname);
    out += "]},\"scopeLogs\":[{\"scope\":{\"name\":\"vitrine.audit\"},\"logRecords\":[";
    bool first = true;
    for (const Item& item : items) {
        out += first ? "" : ",";
        first = false;
        request.shortened += append_record(out, item, options, observed_ns) ? 0 : 1;
    }
    out += "]}]}]}";
    return request;
}

OtlpRejected otlp_rejected(std::string_view answer) {
    OtlpRejected rejected;
    json::error_code error;
    const json::value value = json::parse({answer.data(), answer.size()}, error);
    const json::object* whole = error ? nullptr : value.if_object();
    const json::value* partial = whole == nullptr ? nullptr : whole->if_contains("partialSuccess");
    const json::object* fields = partial == nullptr ? nullptr : partial->if_object();
    if (fields == nullptr) {
        return rejected;
    }
    if (const json::value* count = fields->if_contains("rejectedLogRecords")) {
        if (const json::string* text = count->if_string()) {
            std::from_chars(text->data(), text->data() + text->size(), rejected.records);
        } else if (count->is_number()) {
            const auto number = count->to_number<std::uint64_t>(error);
            rejected.records = error ? 0 : number;
        }
    }
    if (const json::value* message = fields->if_contains("errorMessage");
        message != nullptr && message->is_string()) {
        rejected.message = message->as_string().c_str();
    }
    return rejected;
}

}  // namespace vitrine::exports
