// The chain: how a line is sealed and how a sealed line is taken apart (docs/query-log.md, "A
// line", "The chain"). Bytes only; what the fields mean is for others.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::audit {

inline constexpr std::size_t kSignatureHexLength = 128;

// SHA-256 in lower-case hex; by default the 64 zeros from which the ledger starts.
struct HexDigest {
    std::array<char, 64> digits;

    HexDigest() { digits.fill('0'); }
    [[nodiscard]] std::string_view view() const { return {digits.data(), digits.size()}; }
    friend bool operator==(const HexDigest&, const HexDigest&) = default;
};

[[nodiscard]] std::optional<HexDigest> parse_digest(std::string_view hex);
[[nodiscard]] bool is_hex(std::string_view text);  // lower case only
void append_hex(std::string& out, std::string_view bytes);
// Of lower-case hex digits, an even number of them.
[[nodiscard]] std::string from_hex(std::string_view hex);

// Reusable, for one thread at a time.
class Sha256 {
  public:
    [[nodiscard]] HexDigest of(std::string_view bytes);

    // In pieces: begin, any number of update, end.
    void begin();
    void update(std::string_view bytes);
    [[nodiscard]] HexDigest end();

  private:
    SHA256_CTX context_{};
};

// A line taken apart. The views point into the line.
struct ChainedLine {
    std::string_view time;
    std::uint64_t seq = 0;
    std::string_view type;
    std::string_view prev;
    std::string_view signed_bytes;  // what `signature` is over; empty where there is none
    std::string_view signature;     // 128 hex digits, or empty
    std::string_view hashed;        // what `hash` is over
    std::string_view hash;
};

// `line` without its newline. Nothing where the line has not exactly the shape that seal() gives
// it; whether the hash holds is not looked at.
[[nodiscard]] std::optional<ChainedLine> parse_line(std::string_view line);

// Begins a line in `out`: time, seq and type. The caller goes on with `,"name":value` members.
void begin_line(std::string& out, std::string_view time, std::uint64_t seq, std::string_view type);

// Ends it: prev, hash, the closing brace and the newline. Returns the hash.
// `begin`: where the line does in `line`.
HexDigest seal(std::string& line, const HexDigest& prev, Sha256& sha, std::size_t begin = 0);

// The same in two steps, for a signature between prev and hash.
void append_prev(std::string& line, const HexDigest& prev);
void append_signature(std::string& line, std::string_view hex);
HexDigest append_hash(std::string& line, Sha256& sha, std::size_t begin = 0);

}  // namespace vitrine::audit
