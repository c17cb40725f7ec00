// More kinds of tampering (verify_test.cpp has the first fifty): in sealed and compressed files,
// in the ledger by somebody who knows the format, with keys, links and encodings.
#include <fcntl.h>
#include <sys/stat.h>

#include "proxy/audit/compressed_file.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/signing.h"
#include "tests/audit/tampering.h"

namespace vitrine::audit {

namespace fs = std::filesystem;

namespace {

// Another one than kTestKey.
constexpr const char* kAttackersKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIDVF9S2pBoF5W1pYr1bvLD4zovEzTcQvCeb4Lm+W7mF5\n"
    "-----END PRIVATE KEY-----\n";

// Three days of two users, in three processes; the first two days are sealed by a fourth. A
// statement of the first day is larger than two frames.
struct History {
    LogFixture fixture;

    History(bool compress, const char* key) : fixture(key) {
        fixture.audit.compress = false;
        for (const char digit : {'1', '2', '3'}) {
            const auto log = fixture.open();
            write_session(*log, fixture.time, session_of("alice", digit), 3);
            if (digit == '1') {
                const std::string sql = "SELECT '" + noise(2'500'000) + "'";
                REQUIRE(log->append(session_of("alice", '9'), a_statement(1, sql)));
                write_session(*log, fixture.time, session_of("alice", '8'), 3);
            }
            write_session(*log, fixture.time, session_of("bob", static_cast<char>(digit + 3)), 3);
            fixture.time.advance(std::chrono::hours(24));
        }
        fixture.audit.compress = compress;
        const auto log = fixture.open();
        log->keep_up_files();
        REQUIRE(log->trouble_behind().empty());
    }

    static std::string noise(std::size_t size) {
        std::uint32_t state = 1;
        std::string text;
        while (text.size() < size) {
            state = state * 1664525U + 1013904223U;
            text += static_cast<char>('a' + (state >> 24) % 26);
        }
        return text;
    }
};

enum class Kind : std::uint8_t { kPlain, kCompressed, kUnsigned };

// Where verify must say that something is wrong.
struct Place {
    std::string file;  // relative
    std::uint64_t line = 0;
    int status = 1;
};

// Changes the log in a directory.
struct Row {
    const char* what;
    Kind kind;
    std::function<Place(const fs::path&)> change;
};

const std::string kAlice = "alice/2026-11-26.jsonl";   // open, 8 lines
const std::string kSealed = "alice/2026-11-25.jsonl";  // sealed, 8 lines
const std::string kLarge = "alice/2026-11-24.jsonl";   // sealed, several frames
const std::string kBob = "bob/2026-11-26.jsonl";
const std::string kLedger = "ledger.jsonl";
const std::string kZst = ".zst";

// A change to the lines of a file, found at a line of it.
std::function<Place(const fs::path&)> in(const std::string& file, std::uint64_t line,
                                         std::function<void(Lines&)> change) {
    return [=](const fs::path& log) {
        change_lines(log / file, change);
        return Place{file, line};
    };
}

// The line of the first record from `seq` on that a checkpoint names.
std::uint64_t vouched_from(const fs::path& log, const std::string& name, std::uint64_t seq) {
    std::uint64_t first = UINT64_MAX;
    const std::string file = "{\"file\":\"" + name + "\",\"seq\":";
    for (const std::string& line : lines_of(log / kLedger)) {
        if (const auto at = line.find(file); at != std::string::npos) {
            const std::uint64_t vouched = std::stoull(line.substr(at + file.size()));
            first = vouched >= seq ? std::min(first, vouched) : first;
        }
    }
    return first;
}

// The same, with all hashes made to fit: only the ledger knows.
std::function<Place(const fs::path&)> rechained(std::uint64_t line,
                                                std::function<void(std::string&)> change) {
    return [=](const fs::path& log) {
        change_lines(log / kAlice, [&](Lines& lines) {
            change(lines[line - 1]);
            rechain(lines, line - 1);
        });
        return Place{kAlice, vouched_from(log, kAlice, line)};
    };
}

std::string hash_in(const std::string& line) {
    return line.substr(line.size() - 66, 64);
}

// Entries from `from` (an index) on numbered, chained and, with a key, signed anew; without one
// they keep the signature that they have.
void relink(Lines& lines, std::size_t from, const char* pem = nullptr) {
    Sha256 sha;
    std::optional<SigningKey> key;
    if (pem != nullptr) {
        auto loaded = SigningKey::load(config::Secret(std::string(pem)));
        REQUIRE(loaded.has_value());
        key = std::move(*loaded);
    }
    for (std::size_t i = from; i < lines.size(); ++i) {
        std::string& line = lines[i];
        const auto signature_at = line.rfind(",\"signature\":\"");
        const std::string signature =
            signature_at == std::string::npos ? "" : line.substr(signature_at + 14, 128);
        line.resize(line.rfind(",\"prev\":\""));
        const auto seq = line.find("\"seq\":") + 6;
        line.replace(seq, line.find(',', seq) - seq, std::to_string(i + 1));
        append_prev(line, i == 0 ? HexDigest{} : *parse_digest(hash_in(lines[i - 1])));
        if (key || !signature.empty()) {
            append_signature(line, key ? key->sign(line) : signature);
        }
        append_hash(line, sha);
        line.pop_back();
    }
}

// An entry as somebody else would write it; relink() makes the rest.
std::string entry_of(const std::string& type, const std::string& members, bool with_signature) {
    std::string line;
    begin_line(line, "2026-11-27T12:00:01.000000Z", 1, type);
    line += members + ",\"prev\":\"";
    if (with_signature) {
        line += "\",\"signature\":\"" + std::string(128, 'a');
    }
    return line;
}

// Put before the last entry (log_closed), or at the end.
std::function<Place(const fs::path&)> forged(const std::string& type, const std::string& members,
                                             const char* key, bool with_signature = true) {
    return [=](const fs::path& log) {
        Lines lines = lines_of(log / kLedger);
        lines.push_back(entry_of(type, members, with_signature));
        relink(lines, lines.size() - 1, key);
        write_lines(log / kLedger, lines);
        return Place{kLedger, lines.size()};
    };
}

std::string anchor_json(const std::string& file, std::uint64_t seq, std::uint64_t bytes) {
    return "{\"file\":\"" + file + "\",\"seq\":" + std::to_string(seq) +
           ",\"bytes\":" + std::to_string(bytes) + ",\"hash\":\"" + std::string(64, 'b') + "\"}";
}

std::string content_of(const fs::path& path) {
    auto source = LogSource::open(path.string());
    REQUIRE(source.has_value());
    std::string all(static_cast<std::size_t>(source->compressed_size().value()), '\0');
    for (std::size_t at = 0; at < all.size();) {
        const auto got = source->read(at, all.data() + at, all.size() - at);
        REQUIRE(got.has_value());
        REQUIRE(*got > 0);
        at += *got;
    }
    return all;
}

void compress_as(const fs::path& path, const std::string& content) {
    const fs::path plain = path.string() + ".plain";
    write_file(plain, content);
    const auto from = open_to_read(plain.string());
    REQUIRE(from.has_value());
    const Descriptor to(
        ::open((path.string() + kZst).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    REQUIRE(compress(from->get(), to.get(), [] { return true; }).has_value());
    fs::remove(plain);
}

// Another content in the compressed file.
std::function<Place(const fs::path&)> recompressed(std::uint64_t line,
                                                   std::function<void(Lines&)> change) {
    return [=](const fs::path& log) {
        const fs::path path = log / kSealed;
        write_file(path, content_of(path));
        change_lines(path, change);
        const std::string content = read_file(path);
        fs::remove(path);
        compress_as(path, content);
        return Place{line == 0 ? kSealed + kZst : kSealed, line};
    };
}

void flip(const fs::path& path, std::size_t at) {
    std::string bytes = read_file(path);
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    write_file(path, bytes);
}

// The bytes of the compressed file itself.
std::function<Place(const fs::path&)> in_bytes(std::function<void(std::string&)> change) {
    return [=](const fs::path& log) {
        std::string bytes = read_file(log / (kLarge + kZst));
        change(bytes);
        write_file(log / (kLarge + kZst), bytes);
        return Place{kLarge + kZst, 0};
    };
}

std::vector<Row> rows() {
    using enum Kind;
    const auto first = [](const std::string& what, const std::string& with) {
        return [=](std::string& line) { replace_in(line, what, with); };
    };
    const auto each = [](std::function<void(std::string&)> change) {
        return [=](Lines& lines) { std::for_each(lines.begin(), lines.end(), change); };
    };
    return {
        {"line ends made CR LF", kPlain, in(kAlice, 1, each([](std::string& l) { l += '\r'; }))},
        {"a byte order mark", kPlain,
         in(kAlice, 1, [](Lines& l) { l[0].insert(0, "\xEF\xBB\xBF"); })},
        {"invalid UTF-8", kPlain,
         in(kAlice, 2, [](Lines& l) { replace_in(l[1], "SELECT", "SELEC\xFF"); })},
        {"a NUL inside a line", kPlain, in(kAlice, 3, [](Lines& l) { l[2][40] = '\0'; })},
        {"white space between all members", kPlain,
         in(kAlice, 1, each([](std::string& l) { replace_in(l, ",\"", ", \""); }))},
        {"a hash in upper case", kPlain,
         in(kAlice, 4,
            [](Lines& l) {
                for (std::size_t i = l[3].size() - 66; i < l[3].size() - 2; ++i) {
                    l[3][i] = static_cast<char>(std::toupper(l[3][i]));
                }
            })},
        {"a number with a zero before it", kPlain,
         in(kAlice, 4, [](Lines& l) { replace_in(l[3], "\"seq\":4", "\"seq\":04"); })},
        {"a number beyond 64 bits", kPlain,
         in(kAlice, 4,
            [](Lines& l) { replace_in(l[3], "\"seq\":4", "\"seq\":99999999999999999999"); })},
        {"the largest number", kPlain,
         in(kAlice, 4,
            [](Lines& l) {
                replace_in(l[3], "\"seq\":4", "\"seq\":18446744073709551615");
                Lines one{l[2], l[3]};
                rechain(one, 1);
                l[3] = one[1];
            })},
        {"a second member of the same name", kPlain,
         in(kAlice, 3,
            [](Lines& l) { replace_in(l[2], ",\"rows\":1", ",\"rows\":1,\"rows\":0"); })},
        {"a second member of the same name, hashes made to fit", kPlain,
         rechained(3, first(",\"rows\":1", ",\"rows\":1,\"rows\":0"))},
        {"a member removed, hashes made to fit", kPlain, rechained(3, first(",\"rows\":1", ""))},
        {"a member added, hashes made to fit", kPlain,
         rechained(3, first(",\"rows\":1", ",\"rows\":1,\"note\":\"\""))},
        {"a time set back, hashes made to fit", kPlain,
         rechained(2, first("T12:00:00", "T11:00:00"))},
        {"a session's id changed, hashes made to fit", kPlain, rechained(2, first("3333", "4444"))},
        {"a record of another day, hashes made to fit", kPlain,
         [](const fs::path& log) {
             change_lines(log / kAlice, [](Lines& l) {
                 replace_in(l[4], "2026-11-26T", "2026-11-27T");
                 rechain(l, 4);
             });
             return Place{kAlice, 5};
         }},
        {"a record of another user, hashes made to fit", kPlain,
         [](const fs::path& log) {
             change_lines(log / kAlice, [](Lines& l) {
                 replace_in(l[4], "\"user\":\"alice\"", "\"user\":\"bob\"");
                 rechain(l, 4);
             });
             return Place{kAlice, 5};
         }},
        {"a record of an unknown type, hashes made to fit", kPlain,
         [](const fs::path& log) {
             change_lines(log / kAlice, [](Lines& l) {
                 replace_in(l[4], "\"type\":\"result\"", "\"type\":\"remark\"");
                 rechain(l, 4);
             });
             return Place{kAlice, 5};
         }},
        {"a gap in the numbers, hashes made to fit", kPlain,
         [](const fs::path& log) {
             change_lines(log / kAlice, [](Lines& l) {
                 for (std::size_t i = 4; i < l.size(); ++i) {
                     replace_in(l[i], "\"seq\":" + std::to_string(i + 1),
                                "\"seq\":" + std::to_string(i + 11));
                 }
                 rechain(l, 4);
             });
             return Place{kAlice, 5};
         }},
        {"the chain of another file's beginning", kPlain,
         [](const fs::path& log) {
             const Lines others = lines_of(log / kBob);
             change_lines(log / kAlice, [&](Lines& l) {
                 const auto at = others[0].rfind("\"prev\":\"") + 8;
                 l[0].replace(l[0].rfind("\"prev\":\"") + 8, 64, others[0].substr(at, 64));
                 l[0].resize(l[0].rfind(",\"hash\":\""));
                 Sha256 sha;
                 append_hash(l[0], sha);
                 l[0].pop_back();
                 rechain(l, 1);
             });
             return Place{kAlice, 1};
         }},
        {"garbage behind the end", kPlain,
         [](const fs::path& log) {
             write_file(log / kAlice, read_file(log / kAlice) + "\xDE\xAD\n");
             return Place{kAlice, 9};
         }},
        {"an empty file in its place", kPlain,
         [](const fs::path& log) {
             write_file(log / kAlice, "");
             return Place{kAlice, 1};
         }},
        {"a hard link to another file in its place", kPlain,
         [](const fs::path& log) {
             fs::remove(log / kAlice);
             fs::create_hard_link(log / kBob, log / kAlice);
             return Place{kAlice, 1};
         }},
        {"a FIFO in its place", kPlain,
         [](const fs::path& log) {
             fs::remove(log / kAlice);
             REQUIRE(::mkfifo((log / kAlice).c_str(), 0600) == 0);
             return Place{kAlice, 0};
         }},
        {"a directory in its place", kPlain,
         [](const fs::path& log) {
             fs::remove(log / kAlice);
             fs::create_directory(log / kAlice);
             return Place{kAlice, 0};
         }},
        {"a user's directory moved away behind a symbolic link", kPlain,
         [](const fs::path& log) {
             fs::rename(log / "alice", log.parent_path() / "moved");
             fs::create_symlink(log.parent_path() / "moved", log / "alice");
             return Place{"alice", 0};
         }},
        {"a user's directory renamed", kPlain,
         [](const fs::path& log) {
             fs::rename(log / "alice", log / "carol");
             return Place{"carol/2026-11-26.jsonl", 0};
         }},
        {"a file copied to another user", kPlain,
         [](const fs::path& log) {
             fs::create_directory(log / "carol");
             fs::copy_file(log / kAlice, log / "carol/2026-11-26.jsonl");
             return Place{"carol/2026-11-26.jsonl", 1};
         }},

        // Sealed files.
        {"a record added behind the seal, chained", kPlain,
         in(kSealed, 9,
            [](Lines& l) {
                l.push_back(l.back());
                replace_in(l.back(), "\"seq\":8", "\"seq\":9");
                rechain(l, 8);
            })},
        {"a sealed file cut", kPlain, in(kSealed, 6, [](Lines& l) { l.resize(5); })},
        {"a sealed file changed, hashes made to fit", kPlain,
         [](const fs::path& log) {
             change_lines(log / kSealed, [](Lines& l) {
                 replace_in(l[1], "SELECT 1", "SELECT 9");
                 rechain(l, 1);
             });
             return Place{kSealed, vouched_from(log, kSealed, 2)};
         }},
        {"the sealed entry changed, hashes made to fit", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             const std::size_t at = find_entry(lines, "sealed");
             replace_in(lines[at], "\"sha256\":\"", "\"sha256\":\"a");
             lines[at].erase(lines[at].find("\"sha256\":\"") + 74, 1);
             relink(lines, at);
             write_lines(log / kLedger, lines);
             return Place{kLedger, at + 1};
         }},
        {"the sealed entry removed", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             const std::size_t at = find_entry(lines, "sealed");
             lines.erase(lines.begin() + static_cast<long>(at));
             write_lines(log / kLedger, lines);
             return Place{kLedger, at + 1};
         }},
        {"the sealed entry removed, the rest made to fit", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             const std::size_t at = find_entry(lines, "sealed");
             lines.erase(lines.begin() + static_cast<long>(at));
             relink(lines, at);
             write_lines(log / kLedger, lines);
             return Place{kLedger, at + 1};
         }},

        // The ledger, by somebody who knows how but has not the key.
        {"two signatures exchanged, hashes made to fit", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             const auto at = [&](std::size_t i) { return lines[i].rfind("\"signature\":\"") + 13; };
             const std::string one = lines[2].substr(at(2), 128);
             lines[2].replace(at(2), 128, lines[3].substr(at(3), 128));
             lines[3].replace(at(3), 128, one);
             relink(lines, 2);
             write_lines(log / kLedger, lines);
             return Place{kLedger, 3};
         }},
        {"a checkpoint forged in the middle", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             lines.insert(
                 lines.begin() + 4,
                 entry_of("checkpoint", ",\"files\":[" + anchor_json(kAlice, 3, 900) + "]", true));
             relink(lines, 4);
             write_lines(log / kLedger, lines);
             return Place{kLedger, 5};
         }},
        {"a checkpoint forged at the end, signed with another key", kPlain,
         forged("checkpoint", ",\"files\":[" + anchor_json(kAlice, 9, 9000) + "]", kAttackersKey)},
        {"a repair forged", kPlain,
         forged("repaired",
                ",\"kept\":" + anchor_json(kAlice, 4, 1000) +
                    ",\"cut_bytes\":900,\"cut_sha256\":\"" + std::string(64, 'c') + "\"",
                kAttackersKey)},
        {"a breakage forged", kPlain,
         forged("broken",
                ",\"file\":\"" + kAlice + "\",\"lines\":2,\"bytes\":600,\"reason\":\"it happens\"",
                kAttackersKey)},
        {"a removal forged, and the file taken", kPlain,
         [](const fs::path& log) {
             fs::remove(log / kSealed);
             return forged("removed",
                           ",\"end\":" + anchor_json(kSealed, 8, 3000) + ",\"sha256\":\"" +
                               std::string(64, 'c') + "\",\"reason\":\"age\"",
                           kAttackersKey)(log);
         }},
        {"an entry without a signature", kPlain, forged("log_closed", "", nullptr, false)},
        {"a run of another key behind the end", kPlain,
         [](const fs::path& log) {
             Place place = forged("log_opened",
                                  ",\"format\":1,\"durability\":\"write\",\"public_key\":\"" +
                                      std::string(64, '1') + "\"",
                                  kAttackersKey)(log);
             place.status = 2;  // so it would look after an exchange of keys
             return place;
         }},
        {"the key exchanged in log_opened, signatures kept", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             const auto at = lines[0].find("\"public_key\":\"") + 14;
             lines[0].replace(at, 64, std::string(64, '1'));
             relink(lines, 0);
             write_lines(log / kLedger, lines);
             return Place{kLedger, find_entry(lines, "log_opened", 1) + 1};
         }},
        {"the whole ledger signed with another key", kPlain,
         [](const fs::path& log) {
             Lines lines = lines_of(log / kLedger);
             auto key = SigningKey::load(config::Secret(std::string(kAttackersKey)));
             REQUIRE(key.has_value());
             for (std::string& line : lines) {
                 if (const auto at = line.find("\"public_key\":\""); at != std::string::npos) {
                     line.replace(at + 14, 64, key->public_key());
                 }
             }
             relink(lines, 0, kAttackersKey);
             write_lines(log / kLedger, lines);
             return Place{kLarge, 1};  // the files begin where the real one says
         }},
        {"a removal of what was never sealed, in a log without signatures", kUnsigned,
         [](const fs::path& log) {
             fs::remove(log / kAlice);
             return forged("removed",
                           ",\"end\":" + anchor_json(kAlice, 8, 3000) + ",\"sha256\":\"" +
                               std::string(64, 'c') + "\",\"reason\":\"age\"",
                           nullptr, false)(log);
         }},
        {"a checkpoint of a sealed file, in a log without signatures", kUnsigned,
         forged("checkpoint", ",\"files\":[" + anchor_json(kSealed, 9, 9000) + "]", nullptr,
                false)},

        // Compressed files.
        {"a byte of the first frame changed", kCompressed,
         [](const fs::path& log) {
             flip(log / (kLarge + kZst), 300);
             return Place{kLarge, 1};
         }},
        {"a byte of the last frame changed", kCompressed,
         [](const fs::path& log) {
             const std::string content = content_of(log / kLarge);
             const std::string bytes = read_file(log / (kLarge + kZst));
             const auto number = [&](std::size_t at) {
                 return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])) |
                        static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 1])) << 8 |
                        static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 2])) << 16;
             };
             const std::size_t frames = number(bytes.size() - 9);
             REQUIRE(frames >= 4);
             const std::size_t begin = content.size() - number(bytes.size() - 13);
             const auto line =
                 std::count(content.begin(), content.begin() + static_cast<long>(begin), '\n') + 1;
             REQUIRE(line > 8);
             flip(log / (kLarge + kZst), bytes.size() - 9 - frames * 8 - 8 - 20);
             return Place{kLarge, static_cast<std::uint64_t>(line)};
         }},
        {"a byte of the table changed", kCompressed,
         in_bytes([](std::string& bytes) { bytes[bytes.size() - 17] ^= 1; })},
        {"the last byte changed", kCompressed,
         in_bytes([](std::string& bytes) { bytes.back() ^= 1; })},
        {"the compressed file cut", kCompressed,
         in_bytes([](std::string& bytes) { bytes.resize(bytes.size() / 2); })},
        {"the compressed file emptied", kCompressed, in_bytes([](std::string& b) { b.clear(); })},
        {"garbage behind the compressed file", kCompressed,
         in_bytes([](std::string& bytes) { bytes += "garbage"; })},
        {"something between the frames and the table", kCompressed,
         in_bytes([](std::string& bytes) { bytes.insert(bytes.size() - 60, "x"); })},
        {"the compressed file replaced by plain lines", kCompressed,
         in_bytes([](std::string& bytes) { bytes = "{}\n"; })},
        {"the compressed file removed", kCompressed,
         [](const fs::path& log) {
             fs::remove(log / (kSealed + kZst));
             return Place{kSealed, 0};
         }},
        {"the compressed file behind a symbolic link", kCompressed,
         [](const fs::path& log) {
             fs::rename(log / (kSealed + kZst), log.parent_path() / "elsewhere");
             fs::create_symlink(log.parent_path() / "elsewhere", log / (kSealed + kZst));
             return Place{kSealed + kZst, 0};
         }},
        {"compressed anew with a statement changed", kCompressed,
         recompressed(2, [](Lines& l) { replace_in(l[1], "SELECT 1", "SELECT 9"); })},
        {"compressed anew with a line left out", kCompressed,
         recompressed(4, [](Lines& l) { l.erase(l.begin() + 3); })},
        {"compressed anew without the end", kCompressed,
         recompressed(6, [](Lines& l) { l.resize(5); })},
        {"compressed anew with a record added", kCompressed,
         recompressed(0,
                      [](Lines& l) {
                          l.push_back(l.back());
                          replace_in(l.back(), "\"seq\":8", "\"seq\":9");
                          rechain(l, 8);
                      })},
        {"two users' compressed files exchanged", kCompressed,
         [](const fs::path& log) {
             const std::string other = "bob/2026-11-25.jsonl.zst";
             const std::string bytes = read_file(log / other);
             write_file(log / other, read_file(log / (kSealed + kZst)));
             write_file(log / (kSealed + kZst), bytes);
             return Place{kSealed, 1};
         }},
        {"two days' compressed files exchanged", kCompressed,
         [](const fs::path& log) {
             const std::string other = kLarge + kZst;
             const std::string bytes = read_file(log / other);
             write_file(log / other, read_file(log / (kSealed + kZst)));
             write_file(log / (kSealed + kZst), bytes);
             return Place{kLarge, 1};
         }},
        {"another plain file put beside the compressed one", kCompressed,
         [](const fs::path& log) {
             std::string content = content_of(log / kSealed);
             content[content.find("SELECT 2") + 7] = '7';
             write_file(log / kSealed, content);
             return Place{kSealed + kZst, 4};
         }},
        {"an open file compressed by somebody else", kCompressed,
         [](const fs::path& log) {
             compress_as(log / kAlice, read_file(log / kAlice));
             fs::remove(log / kAlice);
             return Place{kAlice + kZst, 0};
         }},
        {"the ledger compressed", kCompressed,
         [](const fs::path& log) {
             compress_as(log / kLedger, read_file(log / kLedger));
             fs::remove(log / kLedger);
             return Place{kLedger, 0};
         }},
    };
}

bool names(const std::vector<Finding>& findings, const fs::path& file, std::uint64_t line) {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
        return finding.file == file && finding.line == line;
    });
}

}  // namespace

TEST_CASE("More kinds of tampering are found, with file and line") {
    const History plain(false, kTestKey);
    const History compressed(true, kTestKey);
    const History unsigned_log(false, "");
    for (const Row& row : rows()) {
        const LogFixture& history = row.kind == Kind::kPlain        ? plain.fixture
                                    : row.kind == Kind::kCompressed ? compressed.fixture
                                                                    : unsigned_log.fixture;
        const char* key = row.kind == Kind::kUnsigned ? "" : kTestPublicKey;
        const TemporaryDirectory temporary;
        const fs::path log = temporary.path() / "log";
        fs::copy(history.directory, log, fs::copy_options::recursive);
        const Verified before = verify(log, key);
        REQUIRE(all_of(before.broken) + all_of(before.not_checkable) == "");

        const Place place = row.change(log);
        const Verified after = verify(log, key);
        INFO(row.what << " must be found at " << place.file << ':' << place.line << "; found:\n"
                      << all_of(after.broken) << "not checkable:\n"
                      << all_of(after.not_checkable));
        CHECK(names(place.status == 1 ? after.broken : after.not_checkable, log / place.file,
                    place.line));
        std::ostringstream out;
        std::ostringstream err;
        CHECK(verify_directory(log, key, Format::kTable, out, err) == place.status);
    }
    // The whole log written anew by somebody with a key of their own: so it would look after an
    // exchange of keys, too, and the auditor is told which key that is.
    const History another(false, kAttackersKey);
    const Verified verified = another.fixture.verified();
    CHECK(verified.broken.empty());
    CHECK(names(verified.not_checkable, another.fixture.ledger(), 1));
}

}  // namespace vitrine::audit
