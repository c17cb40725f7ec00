#include "proxy/export/cursor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "config/files.h"
#include "proxy/audit/chain.h"
#include "proxy/audit/json_text.h"
#include "proxy/audit/names.h"

namespace vitrine::exports {

namespace json = boost::json;
using boost::system::result;

namespace {

constexpr std::uint64_t kFormat = 1;

// A thousand users, with a month each that could not be sent, are 5 MB.
constexpr std::size_t kCursorBytesMax = std::size_t{256} * 1024 * 1024;

std::string text(const json::object& from, std::string_view name) {
    const json::string& value = from.at(name).as_string();
    return {value.data(), value.size()};
}

std::uint64_t number(const json::object& from, std::string_view name) {
    return from.at(name).to_number<std::uint64_t>();
}

// Throws where it is not what append_json wrote.
Cursor cursor_of(const json::object& from) {
    if (number(from, "format") != kFormat) {
        throw std::invalid_argument("another format");
    }
    Cursor cursor;
    cursor.target = text(from, "target");
    cursor.born = number(from, "born");
    cursor.sent = number(from, "sent");
    cursor.shortened = number(from, "shortened");
    cursor.rejected = number(from, "rejected");
    cursor.lost = number(from, "lost");
    cursor.replaced = number(from, "replaced");
    cursor.trouble = text(from, "trouble");
    cursor.trouble_since = text(from, "trouble_since");
    for (const auto& member : from.at("files").as_object()) {
        const json::object& place = member.value().as_object();
        Place read{number(place, "bytes"), number(place, "seq"), text(place, "hash"),
                   place.contains("removed")};
        if (!audit::parse_digest(read.hash)) {
            throw std::invalid_argument("no hash");
        }
        cursor.files.emplace(std::string(member.key()), std::move(read));
    }
    for (const auto& member : from.at("through").as_object()) {
        const json::string& day = member.value().as_string();
        if (!audit::parse_day({day.data(), day.size()})) {
            throw std::invalid_argument("no day");
        }
        cursor.through.emplace(std::string(member.key()), std::string(day.data(), day.size()));
    }
    return cursor;
}

void append_name(std::string& out, std::string_view name, bool first) {
    out += first ? "" : ",";
    // Names of files: bytes that are no UTF-8 are never among them (docs/query-log.md, "Files").
    static_cast<void>(audit::append_json_string(out, name));
    out += ':';
}

std::string json_of(const Cursor& cursor) {
    std::string out = "{\"format\":" + std::to_string(kFormat);
    audit::append_member(out, "target", cursor.target);
    audit::append_member(out, "born", cursor.born);
    audit::append_member(out, "sent", cursor.sent);
    audit::append_member(out, "shortened", cursor.shortened);
    audit::append_member(out, "rejected", cursor.rejected);
    audit::append_member(out, "lost", cursor.lost);
    audit::append_member(out, "replaced", cursor.replaced);
    audit::append_member(out, "trouble", cursor.trouble);
    audit::append_member(out, "trouble_since", cursor.trouble_since);
    out += ",\"files\":{";
    bool first = true;
    for (const auto& [name, place] : cursor.files) {
        append_name(out, name, first);
        out += "{\"bytes\":" + std::to_string(place.bytes);
        audit::append_member(out, "seq", place.seq);
        audit::append_member(out, "hash", place.hash);
        out += place.removed ? ",\"removed\":true}" : "}";
        first = false;
    }
    out += "},\"through\":{";
    first = true;
    for (const auto& [user, day] : cursor.through) {
        append_name(out, user, first);
        out += "\"" + day + "\"";
        first = false;
    }
    return out + "}}\n";
}

}  // namespace

LoadedCursor load_cursor(const std::filesystem::path& file, std::string_view target) {
    const auto bytes = config::read_file(file, kCursorBytesMax);
    if (!bytes) {
        if (bytes.error() == boost::system::errc::no_such_file_or_directory) {
            return {};
        }
        return {std::nullopt, file.string() + " cannot be read: " + bytes.error().message()};
    }
    const std::string way_out =
        "; put back a copy of it, or remove it, and everything that the log has is sent once more";
    json::error_code error;
    const json::value value = json::parse(*bytes, error);
    try {
        Cursor cursor = cursor_of(error ? json::object() : value.as_object());
        if (cursor.target != target) {
            return {std::nullopt, file.string() + " is the cursor of another target, " +
                                      cursor.target + "; name another file with cursor:"};
        }
        return {std::move(cursor), {}};
    } catch (const std::exception&) {
        return {std::nullopt, file.string() + " is no cursor that this version can read" + way_out};
    }
}

result<void> save_cursor(const std::filesystem::path& file, const Cursor& cursor) {
    const std::string text = json_of(cursor);
    const std::string next = file.string() + ".new";
    const audit::Descriptor directory(
        ::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open()) {
        return audit::last_system_error();
    }
    ::unlink(next.c_str());
    const audit::Descriptor out(
        ::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out.is_open()) {
        return audit::last_system_error();
    }
    if (const auto error = audit::write_all(out.get(), text)) {
        return error;
    }
    if (::fsync(out.get()) != 0 || ::rename(next.c_str(), file.c_str()) != 0 ||
        ::fsync(directory.get()) != 0) {
        return audit::last_system_error();
    }
    return {};
}

result<audit::Descriptor> lock_cursor(const std::filesystem::path& file) {
    // The directory alone: if the log's own is not there, it is not ours to make.
    if (::mkdir(file.parent_path().c_str(), 0700) != 0 && errno != EEXIST) {
        return audit::last_system_error();
    }
    const std::string name = file.string() + ".lock";
    audit::Descriptor lock(
        ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!lock.is_open()) {
        return audit::last_system_error();
    }
    // Whoever only asks whether an exporter runs has it for a moment.
    for (int tries = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
        if (errno != EWOULDBLOCK || tries == 10) {
            return audit::last_system_error();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return lock;
}

}  // namespace vitrine::exports
