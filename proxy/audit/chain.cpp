// The hash itself: EVP around it would cost half as much again for a text as short as a record, and
// a statement has three of them. OpenSSL calls these functions deprecated for EVP's sake.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "proxy/audit/chain.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "proxy/audit/names.h"
#include "proxy/audit/piece.h"

namespace vitrine::audit {

namespace {

constexpr std::string_view kTimeMember = "{\"time\":\"";
constexpr std::string_view kSeqMember = "\",\"seq\":";
constexpr std::string_view kTypeMember = ",\"type\":\"";
constexpr std::string_view kPrevMember = ",\"prev\":\"";
constexpr std::string_view kSignatureMember = ",\"signature\":\"";
constexpr std::string_view kHashMember = ",\"hash\":\"";
constexpr std::size_t kDigestLength = 64;

constexpr auto kHexPairs = [] {
    constexpr char kDigits[] = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> pairs{};
    for (std::size_t byte = 0; byte < pairs.size(); ++byte) {
        pairs[byte] = {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return pairs;
}();

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) {
        return false;
    }
    text.remove_prefix(prefix.size());
    return true;
}

// Takes `member` and `length` hex digits and a quote off the end of the text.
bool take_last(std::string_view& text, std::string_view member, std::size_t length,
               std::string_view& value) {
    const std::size_t whole = member.size() + length + 1;
    if (text.size() < whole || text.back() != '"') {
        return false;
    }
    const auto tail = text.substr(text.size() - whole);
    const auto digits = tail.substr(member.size(), length);
    if (!tail.starts_with(member) || !is_hex(digits)) {
        return false;
    }
    value = digits;
    text.remove_suffix(whole);
    return true;
}

void append_digest(std::string& line, std::string_view member, const HexDigest& digest,
                   std::string_view end) {
    Piece<96> piece;
    piece.put(member);
    piece.put(digest.view());
    piece.put(end);
    line += piece.view();
}

}  // namespace

// Digits are as good as random: a branch for each would be guessed wrong every other time, and
// three digests a line are most of what there is to read.
bool is_hex(std::string_view text) {
    static constexpr auto kOther = [] {
        std::array<std::uint8_t, 256> other{};
        other.fill(1);
        for (const char c : std::string_view("0123456789abcdef")) {
            other[static_cast<unsigned char>(c)] = 0;
        }
        return other;
    }();
    std::uint8_t others = 0;
    for (const char c : text) {
        others = static_cast<std::uint8_t>(others | kOther[static_cast<unsigned char>(c)]);
    }
    return others == 0;
}

std::optional<HexDigest> parse_digest(std::string_view hex) {
    if (hex.size() != kDigestLength || !is_hex(hex)) {
        return std::nullopt;
    }
    HexDigest digest;
    std::copy(hex.begin(), hex.end(), digest.digits.begin());
    return digest;
}

void append_hex(std::string& out, std::string_view bytes) {
    for (const char c : bytes) {
        out.append(kHexPairs[static_cast<unsigned char>(c)].data(), 2);
    }
}

std::string from_hex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
    }
    return bytes;
}

void Sha256::begin() {
    SHA256_Init(&context_);
}

void Sha256::update(std::string_view bytes) {
    SHA256_Update(&context_, bytes.data(), bytes.size());
}

HexDigest Sha256::end() {
    unsigned char raw[SHA256_DIGEST_LENGTH];
    SHA256_Final(raw, &context_);
    HexDigest digest;
    for (std::size_t i = 0; i < kDigestLength / 2; ++i) {
        std::memcpy(&digest.digits[2 * i], kHexPairs[raw[i]].data(), 2);
    }
    return digest;
}

HexDigest Sha256::of(std::string_view bytes) {
    begin();
    update(bytes);
    return end();
}

std::optional<ChainedLine> parse_line(std::string_view line) {
    ChainedLine parsed;
    std::string_view end = line;
    if (end.empty() || end.back() != '}') {
        return std::nullopt;
    }
    end.remove_suffix(1);
    if (!take_last(end, kHashMember, kDigestLength, parsed.hash)) {
        return std::nullopt;
    }
    parsed.hashed = end;
    if (take_last(end, kSignatureMember, kSignatureHexLength, parsed.signature)) {
        parsed.signed_bytes = end;
    }
    if (!take_last(end, kPrevMember, kDigestLength, parsed.prev)) {
        return std::nullopt;
    }

    std::string_view start = end;
    if (!take(start, kTimeMember) || start.size() < kTimeLength) {
        return std::nullopt;
    }
    parsed.time = start.substr(0, kTimeLength);
    start.remove_prefix(kTimeLength);
    if (!parse_time(parsed.time) || !take(start, kSeqMember)) {
        return std::nullopt;
    }
    const auto number = std::from_chars(start.data(), start.data() + start.size(), parsed.seq);
    if (number.ec != std::errc{} || start.front() == '0') {
        return std::nullopt;
    }
    start.remove_prefix(static_cast<std::size_t>(number.ptr - start.data()));
    if (!take(start, kTypeMember)) {
        return std::nullopt;
    }
    parsed.type = start.substr(0, start.find('"'));
    if (parsed.type.size() == start.size()) {
        return std::nullopt;
    }
    return parsed;
}

void begin_line(std::string& out, std::string_view time, std::uint64_t seq, std::string_view type) {
    Piece<64> piece;
    out.append(kTimeMember).append(time);
    piece.put(kSeqMember);
    piece.put_number(seq);
    piece.put(kTypeMember);
    out += piece.view();
    out.append(type) += '"';
}

void append_prev(std::string& line, const HexDigest& prev) {
    append_digest(line, kPrevMember, prev, "\"");
}

void append_signature(std::string& line, std::string_view hex) {
    line.append(kSignatureMember).append(hex).append("\"");
}

HexDigest append_hash(std::string& line, Sha256& sha, std::size_t begin) {
    const HexDigest hash = sha.of(std::string_view(line).substr(begin));
    append_digest(line, kHashMember, hash, "\"}\n");
    return hash;
}

HexDigest seal(std::string& line, const HexDigest& prev, Sha256& sha, std::size_t begin) {
    append_prev(line, prev);
    return append_hash(line, sha, begin);
}

}  // namespace vitrine::audit
