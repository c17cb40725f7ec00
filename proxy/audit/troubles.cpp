#include "proxy/audit/troubles.h"

#include <algorithm>
#include <cerrno>

namespace vitrine::audit {

using boost::system::error_code;

namespace {

bool is_of_the_disk(const error_code& error) {
    return error.category() == boost::system::system_category() &&
           (error.value() == ENOSPC || error.value() == EDQUOT || error.value() == EROFS ||
            error.value() == EFBIG);
}

}  // namespace

void Troubles::set(const std::string& file, const error_code& error, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    by_file_[file] = {file + ": " + error.message(), is_of_the_disk(error), size};
    any_ = true;
}

std::uint64_t Troubles::largest() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t size = 0;
    for (const auto& [file, trouble] : by_file_) {
        size = std::max(size, trouble.of_the_disk ? trouble.size : 0);
    }
    return size;
}

void Troubles::disk_is_well() {
    if (any_) {
        const std::lock_guard lock(mutex_);
        std::erase_if(by_file_, [](const auto& entry) { return entry.second.of_the_disk; });
        any_ = !by_file_.empty();
    }
}

void Troubles::erase(const std::string& file) {
    const std::lock_guard lock(mutex_);
    by_file_.erase(file);
    any_ = !by_file_.empty();
}

std::string Troubles::first() const {
    const std::lock_guard lock(mutex_);
    return by_file_.empty() ? std::string() : by_file_.begin()->second.sentence;
}

void TroublesBehind::set(const std::string& what, const std::string& trouble) {
    {
        const std::lock_guard lock(mutex_);
        std::string& before = by_work_[what];
        if (before == trouble) {
            return;
        }
        before = trouble;
    }
    if (report_ && !trouble.empty()) {
        report_(what + ": " + trouble);
    }
}

std::string TroublesBehind::first() const {
    const std::lock_guard lock(mutex_);
    for (const auto& [what, trouble] : by_work_) {
        if (!trouble.empty()) {
            return what + ": " + trouble;
        }
    }
    return {};
}

}  // namespace vitrine::audit
