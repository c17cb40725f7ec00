// What a result record says of the rows themselves: a keyed digest, by which a replay sees that
// they are not what they were, and from which nobody learns what they are.
//
// It is over the DataRow (or CopyData) messages as the client gets them, masks included, in
// whatever order they come: a table that was restored gives its rows in another.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "config/secret.h"
#include "proxy/audit/chain.h"

struct XXH3_state_s;

namespace vitrine::audit {

// The sum of the hashes of rows.
class RowsSum {
  public:
    RowsSum& operator+=(const RowsSum& other) {
        low_ += other.low_;
        high_ += other.high_;
        return *this;
    }
    friend bool operator==(const RowsSum&, const RowsSum&) = default;

  private:
    friend class RowsDigest;
    std::uint64_t low_ = 0;
    std::uint64_t high_ = 0;
};

// One for each session; for one thread at a time.
class RowsDigest {
  public:
    // `key`: masking.key, not empty. What is used of it is another function of it than a mask's
    // or a value's digest.
    explicit RowsDigest(const config::Secret& key);
    ~RowsDigest();
    RowsDigest(const RowsDigest&) = delete;
    RowsDigest& operator=(const RowsDigest&) = delete;

    // A whole message, its type and length included.
    void add(RowsSum& sum, std::string_view message) const;

    // The same in pieces: begin, any number of pieces, end.
    void begin();
    void piece(std::string_view bytes);
    void end(RowsSum& sum);

    // 16 hex digits of SHA-256 over 24 secret bytes, the sum and the number of rows: one block, so
    // that it costs a statement a fraction of a microsecond. The hash of a row is quick and not
    // cryptographic (XXH3, seeded from the key); it is never seen but through this.
    [[nodiscard]] std::string text(const RowsSum& sum, std::uint64_t rows);

    // Tells keys apart: digests under two keys say nothing of each other.
    [[nodiscard]] std::string key_id() { return text({}, 0); }

  private:
    std::uint64_t seed_ = 0;
    std::string secret_;
    Sha256 sha_;
    XXH3_state_s* state_ = nullptr;  // made for the first row that comes in pieces
};

}  // namespace vitrine::audit
