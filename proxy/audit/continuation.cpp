#include "proxy/audit/continuation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

using boost::system::result;

namespace {

// The file from its last anchor on.
struct Tail {
    Anchor end;
    std::uint64_t torn_bytes = 0;
    HexDigest torn;
    std::optional<std::string> wrong;  // why the chain cannot go on from `end`
};

bool anchor_holds(int fd, const Anchor& anchor, Sha256& sha) {
    std::string text;
    if (!read_line_before(fd, anchor.bytes, text)) {
        return false;
    }
    const auto line = parse_line(text);
    return line && line->hash == anchor.hash.view() && sha.of(line->hashed) == anchor.hash;
}

result<Tail> read_tail(int fd, const Anchor& known, std::uint64_t size, bool after_crash) {
    Tail tail;
    tail.end = known;
    Sha256 sha;
    if (size < known.bytes) {
        tail.wrong = "its end was cut off: " + std::to_string(size) + " bytes are left of " +
                     std::to_string(known.bytes);
        return tail;
    }
    if (!known.begins_chain && !anchor_holds(fd, known, sha)) {
        tail.wrong = "its record " + std::to_string(known.seq) + " is not the one that was written";
        return tail;
    }
    if (size > known.bytes && !after_crash) {
        tail.wrong = std::to_string(size - known.bytes) + " bytes were added by someone else";
        return tail;
    }
    LineReader reader(LogSource::of(fd), known.bytes);
    std::string_view text;
    while (reader.next(text)) {
        const auto line = parse_line(text);
        if (!line || line->seq != tail.end.seq + 1 || line->prev != tail.end.hash.view() ||
            sha.of(line->hashed).view() != line->hash) {
            tail.wrong =
                "its line " + std::to_string(tail.end.seq + 1) + " is not what was written";
            return tail;
        }
        tail.end.seq = line->seq;
        tail.end.bytes = reader.offset();
        tail.end.hash = *parse_digest(line->hash);
        tail.end.begins_chain = false;
    }
    if (reader.error()) {
        return reader.error();
    }
    tail.torn_bytes = reader.torn().size();
    tail.torn = sha.of(reader.torn());
    return tail;
}

result<void> make_directory(int directory, const std::string& name) {
    if (::mkdirat(directory, name.c_str(), 0700) == 0) {
        return {};
    }
    if (errno != EEXIST) {
        return last_system_error();
    }
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return last_system_error();
    }
    if (!S_ISDIR(status.st_mode)) {
        return AuditError::kNotAFile;
    }
    return {};
}

// A new name is on the disk only once its directory is.
result<void> sync_directories(int directory, const std::string& user_directory) {
    const Descriptor user(
        ::openat(directory, user_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!user.is_open() || ::fsync(user.get()) != 0 || ::fsync(directory) != 0) {
        return last_system_error();
    }
    return {};
}

// Nothing is cut from a file that somebody had a hand in: what stands there is evidence.
result<Anchor> begin_new_chain(int fd, const std::string& name, Ledger& ledger, Microseconds now,
                               std::string_view reason) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return last_system_error();
    }
    auto size = static_cast<std::uint64_t>(status.st_size);
    char last = '\n';
    if (size > 0 && !read_exactly(fd, size - 1, &last, 1)) {
        return last_system_error();
    }
    if (last != '\n') {
        if (::write(fd, "\n", 1) != 1) {
            return last_system_error();
        }
        ++size;
    }
    const auto lines = count_lines(fd);
    if (!lines) {
        return lines.error();
    }
    return ledger.broken(now, name, *lines, size, reason);
}

result<Continuation> adopt(Descriptor file, const Anchor& end, bool unvouched) {
    auto adopted = AppendFile::adopt(std::move(file), end.bytes);
    if (!adopted) {
        return adopted.error();
    }
    return Continuation{std::move(*adopted), end, unvouched};
}

}  // namespace

result<Continuation> continue_file(int directory, const std::string& name, Ledger& ledger,
                                   Microseconds now, bool after_crash, bool sync) {
    const std::string user_directory = name.substr(0, name.find('/'));
    if (const auto made = make_directory(directory, user_directory); !made) {
        return made.error();
    }
    auto known = ledger.last_known(name);
    if (known && ledger.is_sealed(name)) {
        return AuditError::kSealed;
    }
    auto file = open_to_append(directory, name, false);
    if (!file && file.error().value() == ENOENT) {
        if (known && known->seq > 0) {
            auto removed =
                ledger.broken(now, name, 0, 0,
                              "it was removed; it had " + std::to_string(known->seq) + " records");
            if (!removed) {
                return removed.error();
            }
            known = *removed;
        }
        file = open_to_append(directory, name, true);
        if (file && sync) {
            if (const auto synced = sync_directories(directory, user_directory); !synced) {
                return synced.error();
            }
        }
    }
    if (!file) {
        return file.error();
    }
    struct stat status {};
    if (::fstat(file->get(), &status) != 0) {
        return last_system_error();
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);

    const auto new_chain = [&](std::string_view reason) -> result<Continuation> {
        const auto begun = begin_new_chain(file->get(), name, ledger, now, reason);
        if (!begun) {
            return begun.error();
        }
        return adopt(std::move(*file), *begun, false);
    };
    if (!known) {
        if (size > 0) {
            return new_chain("the ledger does not know it");
        }
        const auto opened = ledger.file_opened(now, name);
        if (!opened) {
            return opened.error();
        }
        known = *opened;
    }
    const auto tail = read_tail(file->get(), *known, size, after_crash);
    if (!tail) {
        return tail.error();
    }
    if (tail->wrong) {
        return new_chain(*tail->wrong);
    }
    if (tail->torn_bytes > 0) {
        // On record first: a crash between the two repairs it once more, and hides nothing.
        if (const auto noted = ledger.repaired(now, tail->end, tail->torn_bytes, tail->torn);
            !noted) {
            return noted.error();
        }
        if (::ftruncate(file->get(), static_cast<off_t>(tail->end.bytes)) != 0) {
            return last_system_error();
        }
    }
    return adopt(std::move(*file), tail->end, tail->end.seq > known->seq);
}

}  // namespace vitrine::audit
