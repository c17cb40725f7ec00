#include "proxy/export/status.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <ostream>
#include <string>

#include "proxy/audit/chain.h"
#include "proxy/audit/json_text.h"
#include "proxy/audit/log_files.h"
#include "proxy/audit/names.h"
#include "proxy/audit/records.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/export/cursor.h"
#include "proxy/export/exporter.h"
#include "proxy/export/follower.h"

namespace vitrine::exports {

namespace fs = std::filesystem;

namespace {

struct Behind {
    std::uint64_t records = 0;
    std::string oldest;  // the time of the first record that has not arrived; empty: there is none
    bool complete = true;
};

// What `name` has behind `place`. Each line has its number, so that only the last one is read.
void add_file(const fs::path& directory, const std::string& name, const Place& place,
              Behind& behind, std::ostream& err) {
    const std::string path = (directory / name).string();
    const auto complain = [&](const std::string& why) {
        behind.complete = false;
        err << audit::printable(path) << ": cannot be read: " << audit::printable(why) << '\n';
    };
    auto source = audit::LogSource::open(path);
    if (!source) {
        if (source.error() != boost::system::errc::no_such_file_or_directory) {
            complain(source.error().message());
        }
        return;
    }
    struct stat status {};
    const auto compressed = source->compressed_size();
    if (!compressed && ::lstat(path.c_str(), &status) != 0) {
        return;
    }
    const std::uint64_t size =
        compressed ? *compressed : static_cast<std::uint64_t>(status.st_size);
    if (size <= place.bytes) {
        return;
    }
    std::string last;
    std::optional<audit::ChainedLine> parsed;
    if (line_before(*source, size, last)) {
        parsed = audit::parse_line(last);
    }
    audit::LineReader reader(std::move(*source), place.bytes);
    std::string_view line;
    std::uint64_t count = 0;
    while ((count == 0 || !parsed) && reader.next(line)) {
        if (++count == 1) {
            const auto first = audit::parse_line(line);
            if (first && (behind.oldest.empty() || first->time < behind.oldest)) {
                behind.oldest = first->time;
            }
        }
    }
    if (reader.error()) {
        complain(reader.error().message());
    }
    behind.records += parsed && parsed->seq > place.seq ? parsed->seq - place.seq : count;
}

Behind behind_of(const fs::path& directory, const Cursor& cursor, std::ostream& err) {
    Behind behind;
    const audit::LogFiles found = audit::list_log_files(directory);
    for (const audit::Finding& finding : found.not_checkable) {
        behind.complete = false;
        err << audit::printable(finding.file.string()) << ": " << audit::printable(finding.message)
            << '\n';
    }
    const auto place_of = [&](std::string_view name) {
        const auto at = cursor.files.find(name);
        return at == cursor.files.end() ? Place() : at->second;
    };
    for (const audit::LogFile& file : found.files) {
        const auto through = cursor.through.find(file.name.substr(0, file.name.find('/')));
        const auto day = audit::day_of(file.name);
        if (through == cursor.through.end() || !day || audit::day_text(*day) > through->second) {
            add_file(directory, file.name, place_of(file.name), behind, err);
        }
    }
    add_file(directory, std::string(audit::kLedgerName), place_of(audit::kLedgerName), behind, err);
    return behind;
}

bool is_running(const fs::path& cursor) {
    const std::string name = cursor.string() + ".lock";
    const audit::Descriptor lock(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return lock.is_open() && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

const char* kind_of(const config::ExportTarget& target) {
    switch (target.kind) {
        case config::ExportTarget::Kind::kSyslog:
            return "syslog";
        case config::ExportTarget::Kind::kOtlp:
            return "otlp";
        case config::ExportTarget::Kind::kKafka:
            return "kafka";
    }
    return "";
}

}  // namespace

int print_status(const fs::path& directory, const std::vector<const config::ExportTarget*>& targets,
                 audit::Format format, std::ostream& out, std::ostream& err) {
    bool complete = true;
    audit::Table table({"TARGET", "KIND", "RUNS", "SENT", "BEHIND", "OLDEST UNSENT", "SHORTENED",
                        "REJECTED", "LOST", "TROUBLE"});
    std::string list;
    for (const config::ExportTarget* target : targets) {
        const fs::path file = cursor_file(directory, *target);
        const LoadedCursor loaded = load_cursor(file, target->name);
        if (!loaded.error.empty()) {
            err << "vitrine: export " << target->name << ": " << audit::printable(loaded.error)
                << '\n';
            complete = false;
            continue;
        }
        const Cursor cursor = loaded.cursor.value_or(Cursor());
        const Behind behind = behind_of(directory, cursor, err);
        complete = complete && behind.complete;
        const bool runs = is_running(file);
        table.row({target->name, kind_of(*target), runs ? "yes" : "no", std::to_string(cursor.sent),
                   std::to_string(behind.records), audit::readable_time(behind.oldest),
                   std::to_string(cursor.shortened), std::to_string(cursor.rejected),
                   std::to_string(cursor.lost), cursor.trouble});
        std::string object = "{\"target\":\"" + target->name + "\"";
        audit::append_member(object, "kind", std::string_view(kind_of(*target)));
        object += runs ? ",\"running\":true" : ",\"running\":false";
        audit::append_member(object, "sent", cursor.sent);
        audit::append_member(object, "behind", behind.records);
        audit::append_member(object, "oldest_unsent", behind.oldest);
        audit::append_member(object, "shortened", cursor.shortened);
        audit::append_member(object, "rejected", cursor.rejected);
        audit::append_member(object, "lost", cursor.lost);
        audit::append_member(object, "replaced", cursor.replaced);
        audit::append_member(object, "trouble", cursor.trouble);
        audit::append_member(object, "trouble_since", cursor.trouble_since);
        list += (list.empty() ? "" : ",") + object + "}";
    }
    if (format == audit::Format::kJson) {
        out << "[" << list << "]\n";
    } else {
        table.print(out);
    }
    return complete ? 0 : 2;
}

}  // namespace vitrine::exports
