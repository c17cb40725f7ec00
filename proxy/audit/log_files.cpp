#include "proxy/audit/log_files.h"

#include <algorithm>
#include <system_error>
#include <tuple>

#include "proxy/audit/compressed_file.h"
#include "proxy/audit/names.h"

namespace vitrine::audit {

namespace fs = std::filesystem;

namespace {

void list_user(const fs::path& directory, const std::string& user, LogFiles& found) {
    std::error_code error;
    for (fs::directory_iterator at(directory / user, error), end; !error && at != end;
         at.increment(error)) {
        std::string name = user + "/" + at->path().filename().string();
        const bool compressed = name.ends_with(std::string(kLogSuffix).append(kCompressedSuffix));
        if (compressed) {
            name.resize(name.size() - kCompressedSuffix.size());
        }
        std::error_code status_error;
        const auto status = at->symlink_status(status_error);
        if (!name.ends_with(kLogSuffix)) {
            continue;
        }
        if (!day_of(name)) {
            found.broken.push_back({at->path(), 0, "the name is not that of a log file"});
        } else if (!fs::is_regular_file(status)) {
            found.broken.push_back({at->path(), 0, "this is not a regular file"});
        } else {
            const auto size = at->file_size(status_error);
            found.files.push_back({name, status_error ? 0 : size, compressed, false});
        }
    }
    if (error) {
        found.not_checkable.push_back({directory / user, 0, "cannot be read: " + error.message()});
    }
}

}  // namespace

bool LogFiles::has(std::string_view name) const {
    const auto at = std::lower_bound(
        files.begin(), files.end(), name,
        [](const LogFile& file, std::string_view wanted) { return file.name < wanted; });
    return at != files.end() && at->name == name;
}

LogFiles list_log_files(const fs::path& directory) {
    LogFiles found;
    std::error_code error;
    for (fs::directory_iterator at(directory, error), end; !error && at != end;
         at.increment(error)) {
        std::error_code status_error;
        if (fs::is_directory(at->symlink_status(status_error))) {
            list_user(directory, at->path().filename().string(), found);
        } else if (fs::is_symlink(at->symlink_status(status_error))) {
            found.broken.push_back(
                {at->path(), 0,
                 "this is a symbolic link, and what is behind it is no part of the log"});
        }
    }
    if (error) {
        found.not_checkable.push_back({directory, 0, "cannot be read: " + error.message()});
    }
    std::sort(found.files.begin(), found.files.end(), [](const LogFile& a, const LogFile& b) {
        return std::tie(a.name, a.compressed) < std::tie(b.name, b.compressed);
    });
    // One file, the plain one standing first.
    for (std::size_t i = 1; i < found.files.size(); ++i) {
        LogFile& plain = found.files[i - 1];
        if (found.files[i].name == plain.name) {
            plain.both = true;
            plain.size += found.files[i].size;
        }
    }
    const auto twice =
        std::unique(found.files.begin(), found.files.end(),
                    [](const LogFile& a, const LogFile& b) { return a.name == b.name; });
    found.files.erase(twice, found.files.end());
    return found;
}

}  // namespace vitrine::audit
