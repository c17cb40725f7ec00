#include "auth/seen_signatures.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

namespace vitrine::auth {

std::optional<SeenSignatures::Digest> SeenSignatures::digest(std::string_view text,
                                                             std::string_view signature) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free);
    const std::uint64_t size = text.size();
    Digest digest{};
    if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
        EVP_DigestUpdate(context.get(), &size, sizeof size) != 1 ||
        EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
        EVP_DigestUpdate(context.get(), signature.data(), signature.size()) != 1 ||
        EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
        return std::nullopt;
    }
    return digest;
}

bool SeenSignatures::contains(const Digest& digest) const {
    const std::lock_guard lock(mutex_);
    const auto end = digests_.begin() + static_cast<std::ptrdiff_t>(size_);
    return std::find(digests_.begin(), end, digest) != end;
}

void SeenSignatures::add(const Digest& digest) {
    const std::lock_guard lock(mutex_);
    digests_.at(next_) = digest;
    next_ = (next_ + 1) % kMax;
    size_ = std::min(size_ + 1, kMax);
}

}  // namespace vitrine::auth
