#include "proxy/audit/json_text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace vitrine::audit {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What may be copied without a look: ASCII without controls, quote and backslash.
constexpr std::array<bool, 256> kPlain = [] {
    std::array<bool, 256> plain{};
    for (std::size_t c = 0x20; c < 0x7F; ++c) {
        plain[c] = c != '"' && c != '\\';
    }
    return plain;
}();

// Whether one of eight bytes may not be copied without a look.
bool needs_a_look(std::uint64_t eight) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kHighs = 0x8080808080808080;
    // For bytes below 0x80 each term has a high bit where the byte is the quote, the backslash,
    // below a space, or 0x7F; a borrow only ever comes from such a byte.
    const std::uint64_t quote = (eight ^ (kOnes * '"')) - kOnes;
    const std::uint64_t backslash = (eight ^ (kOnes * '\\')) - kOnes;
    const std::uint64_t control = eight - kOnes * 0x20;
    const std::uint64_t last = eight + kOnes;
    return ((quote | backslash | control | last | eight) & kHighs) != 0;
}

// How many bytes from the start may be copied without a look, eight at a time: most texts are such
// as a whole. May stop up to seven short of the first that may not.
std::size_t plain_bytes(std::string_view text) {
    std::uint64_t eight = 0;
    std::size_t at = 0;
    for (; at + sizeof eight <= text.size(); at += sizeof eight) {
        std::memcpy(&eight, text.data() + at, sizeof eight);
        if (needs_a_look(eight)) {
            break;
        }
    }
    return at;
}

bool is_plain(std::string_view text) {
    std::uint64_t eight = 0;
    if (text.size() < sizeof eight) {
        return std::all_of(text.begin(), text.end(),
                           [](char c) { return kPlain[static_cast<unsigned char>(c)]; });
    }
    // What is left over at the end is looked at with some of what is before it.
    std::memcpy(&eight, text.data() + text.size() - sizeof eight, sizeof eight);
    return !needs_a_look(eight) && plain_bytes(text) + sizeof eight > text.size();
}

// `,"name":"text"` in one piece, where it is short and nothing in it needs a look: what most
// members are. False: it was not appended.
bool append_short_member(std::string& out, std::string_view name, std::string_view text) {
    constexpr std::size_t kTextMax = 72;
    if (name.size() > kShortNameMax || text.size() > kTextMax || !is_plain(text)) {
        return false;
    }
    Piece<kShortNameMax + kTextMax + 6> piece;
    piece.put(",\"");
    piece.put(name);
    piece.put("\":\"");
    piece.put(text);
    piece.put("\"");
    out += piece.view();
    return true;
}

void append_unicode_escape(std::string& out, unsigned char code) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += "\\u00";
    out += kDigits[code >> 4];
    out += kDigits[code & 15];
}

void append_escaped(std::string& out, unsigned char c) {
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            append_unicode_escape(out, c);
    }
}

void append_element(std::string& out, std::string_view text) {
    const std::size_t start = out.size();
    if (!append_json_string(out, text)) {
        out.resize(start);
        out += "{\"base64\":\"";
        append_base64(out, text);
        out += "\"}";
    }
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    if (text.empty()) {
        return 0;
    }
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return continues(1) ? 2 : 0;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = lead == 0xED ? 0x9F : 0xBF;
        return continues(1, low, high) && continues(2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
        return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

bool append_json_string(std::string& out, std::string_view text) {
    bool valid = true;
    std::size_t at = plain_bytes(text);
    out += '"';
    std::size_t copied = 0;
    const auto copy_run = [&] { out.append(text.substr(copied, at - copied)); };
    while (at < text.size()) {
        const auto c = static_cast<unsigned char>(text[at]);
        if (kPlain[c]) {
            ++at;
            continue;
        }
        if (c < 0x80) {
            copy_run();
            append_escaped(out, c);
            copied = ++at;
            at += plain_bytes(text.substr(at));
            continue;
        }
        const std::size_t length = utf8_length(text.substr(at));
        if (length == 0) {
            valid = false;
            copy_run();
            out += kReplacement;
            copied = ++at;
        } else if (c == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0) {
            // U+0080 to U+009F: control characters to a terminal that somebody `cat`s the file to.
            copy_run();
            append_unicode_escape(out, static_cast<unsigned char>(text[at + 1]));
            copied = at += 2;
        } else {
            at += length;
        }
    }
    copy_run();
    out += '"';
    return valid;
}

void append_base64(std::string& out, std::string_view bytes) {
    // EVP_EncodeBlock takes an int: in pieces, each a multiple of three bytes.
    constexpr std::size_t kPiece = 3 * 1024;
    unsigned char block[kPiece / 3 * 4 + 1];
    while (!bytes.empty()) {
        const auto piece = bytes.substr(0, kPiece);
        const int length =
            EVP_EncodeBlock(block, reinterpret_cast<const unsigned char*>(piece.data()),
                            static_cast<int>(piece.size()));
        out.append(reinterpret_cast<const char*>(block), static_cast<std::size_t>(length));
        bytes.remove_prefix(piece.size());
    }
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
    if (append_short_member(out, name, text)) {
        return;
    }
    out.append(",\"").append(name).append("\":");
    if (!append_json_string(out, text)) {
        out.append(",\"").append(name).append("_base64\":\"");
        append_base64(out, text);
        out += '"';
    }
}

void append_member(std::string& out, std::string_view name, const std::vector<std::string>& list) {
    out.append(",\"").append(name).append("\":[");
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (i > 0) {
            out += ',';
        }
        append_element(out, list[i]);
    }
    out += ']';
}

void append_member(std::string& out, std::string_view name,
                   const std::vector<std::optional<std::string>>& list) {
    out.append(",\"").append(name).append("\":[");
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (i > 0) {
            out += ',';
        }
        if (list[i]) {
            append_element(out, *list[i]);
        } else {
            out += "null";
        }
    }
    out += ']';
}

}  // namespace vitrine::audit
