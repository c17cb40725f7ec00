// Signatures that were found good a moment ago: who connects again with the same token need not
// wait for the same arithmetic. For the keys of one Verifier, which never change.
//
// Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

namespace vitrine::auth {

class SeenSignatures {
  public:
    // Of a text and a signature over it: SHA-256, with the text's length before it, so that no
    // other pair has the same. Nothing where it could not be computed.
    using Digest = std::array<unsigned char, 32>;
    [[nodiscard]] static std::optional<Digest> digest(std::string_view text,
                                                      std::string_view signature);

    [[nodiscard]] bool contains(const Digest& digest) const;
    // In place of the oldest one.
    void add(const Digest& digest);

  private:
    static constexpr std::size_t kMax = 256;

    mutable std::mutex mutex_;
    std::array<Digest, kMax> digests_{};
    std::size_t size_ = 0;
    std::size_t next_ = 0;
};

}  // namespace vitrine::auth
