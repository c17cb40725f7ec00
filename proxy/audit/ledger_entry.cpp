#include "proxy/audit/ledger_entry.h"

#include <boost/json.hpp>

namespace vitrine::audit {

namespace json = boost::json;

namespace {

// The accessors throw where a field is missing or of another kind; read_entry catches.
std::string text(const json::object& entry, std::string_view name) {
    const json::string& value = entry.at(name).as_string();
    return {value.data(), value.size()};
}

std::uint64_t number(const json::object& entry, std::string_view name) {
    return entry.at(name).to_number<std::uint64_t>();
}

Anchor anchor(const json::object& entry) {
    Anchor read{text(entry, "file"), number(entry, "seq"), number(entry, "bytes"), {}, false};
    read.hash = parse_digest(text(entry, "hash")).value();
    return read;
}

Seal seal(const json::object& entry) {
    return {anchor(entry.at("end").as_object()), parse_digest(text(entry, "sha256")).value()};
}

LedgerEntry entry_of(const json::object& entry) {
    const std::string type = text(entry, "type");
    if (type == "log_opened") {
        return LogOpened{entry.contains("public_key") ? text(entry, "public_key") : ""};
    }
    if (type == "file_opened") {
        return FileOpened{text(entry, "file")};
    }
    if (type == "checkpoint") {
        Checkpoint checkpoint;
        for (const json::value& file : entry.at("files").as_array()) {
            checkpoint.files.push_back(anchor(file.as_object()));
        }
        return checkpoint;
    }
    if (type == "repaired") {
        return Repaired{anchor(entry.at("kept").as_object()), number(entry, "cut_bytes")};
    }
    if (type == "broken") {
        return Broken{text(entry, "file"), number(entry, "lines"), number(entry, "bytes"),
                      text(entry, "reason")};
    }
    if (type == "sealed") {
        return Sealed{seal(entry)};
    }
    if (type == "removed") {
        return Removed{seal(entry), text(entry, "reason")};
    }
    if (type == "log_closed") {
        return LogClosed{};
    }
    throw std::invalid_argument("unknown type");
}

}  // namespace

std::optional<LedgerEntry> read_entry(std::string_view line) {
    try {
        json::error_code error;
        const json::value value = json::parse({line.data(), line.size()}, error);
        if (error) {
            return std::nullopt;
        }
        return entry_of(value.as_object());
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

}  // namespace vitrine::audit
