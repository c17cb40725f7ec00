#include "proxy/audit/records.h"

#include <ostream>

#include "proxy/audit/json_text.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/names.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace json = boost::json;

std::string_view Record::text(std::string_view name) const {
    const json::value* value = find(name);
    const json::string* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

std::uint64_t Record::number(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr || !value->is_number()) {
        return 0;
    }
    json::error_code error;
    const auto number = value->to_number<std::uint64_t>(error);
    return error ? 0 : number;
}

std::vector<std::string> Record::list(std::string_view name) const {
    std::vector<std::string> texts;
    const json::value* value = find(name);
    const json::array* elements = value == nullptr ? nullptr : value->if_array();
    if (elements == nullptr) {
        return texts;
    }
    for (const json::value& element : *elements) {
        if (const json::string* text = element.if_string()) {
            texts.emplace_back(text->data(), text->size());
        } else if (const json::object* object = element.if_object()) {
            texts.push_back("base64 " + std::string(Record(*object).text("base64")));
        } else {
            texts.emplace_back("NULL");
        }
    }
    return texts;
}

bool read_records(const std::filesystem::path& directory, const std::string& name,
                  const std::function<void(const RecordPlace&, const Record&)>& each,
                  std::ostream& err) {
    const auto path = directory / name;
    const auto complain = [&](std::uint64_t line, std::string_view what) {
        err << printable(path.string()) << ':' << line << ": " << what << '\n';
        return false;
    };
    auto file = LogSource::open(path.string());
    if (!file) {
        return complain(0, "cannot be read: " + file.error().message());
    }
    bool good = true;
    LineReader reader(std::move(*file));
    std::string_view text;
    for (std::uint64_t line = 1; reader.next_settled(text); ++line) {
        json::error_code error;
        json::monotonic_resource memory;
        const json::value value = json::parse({text.data(), text.size()}, error, &memory);
        const json::object* fields = error ? nullptr : value.if_object();
        if (fields == nullptr) {
            good = complain(line, "the line cannot be read; see `vitrine audit verify`");
            continue;
        }
        each({name, line, text}, Record(*fields));
    }
    if (reader.error()) {
        good = complain(0, "cannot be read: " + reader.error().message());
    }
    return good;
}

bool find_log(const std::filesystem::path& directory, LogFiles& files, std::ostream& err) {
    files = list_log_files(directory);
    for (const Finding& finding : files.not_checkable) {
        err << printable(finding.file.string()) << ": " << printable(finding.message) << '\n';
    }
    std::error_code error;
    if (files.files.empty() && files.not_checkable.empty() &&
        !std::filesystem::exists(directory / kLedgerName, error)) {
        err << printable(directory.string())
            << ": there is no query log here; give the directory that audit.directory names\n";
        return false;
    }
    return files.not_checkable.empty();
}

std::string readable_time(std::string_view time) {
    std::string text(time);
    if (text.size() > 10 && text[10] == 'T') {
        text[10] = ' ';
    }
    if (text.ends_with('Z')) {
        text.pop_back();
    }
    return text;
}

}  // namespace vitrine::audit
