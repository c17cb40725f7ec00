#include "proxy/audit/log_files.h"

#include <algorithm>
#include <system_error>

#include "proxy/audit/names.h"

namespace vitrine::audit {

namespace fs = std::filesystem;

namespace {

void list_user(const fs::path& directory, const std::string& user, LogFiles& found) {
    std::error_code error;
    for (fs::directory_iterator at(directory / user, error), end; !error && at != end;
         at.increment(error)) {
        const std::string name = user + "/" + at->path().filename().string();
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
            found.files.push_back({name, status_error ? 0 : size});
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
        }
    }
    if (error) {
        found.not_checkable.push_back({directory, 0, "cannot be read: " + error.message()});
    }
    std::sort(found.files.begin(), found.files.end(),
              [](const LogFile& a, const LogFile& b) { return a.name < b.name; });
    return found;
}

}  // namespace vitrine::audit
