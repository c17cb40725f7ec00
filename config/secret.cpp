#include "config/secret.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

namespace vitrine::config {

void wipe(std::string& text) {
    // Up to the capacity: a string that was shortened still has its old end behind it, and the
    // small buffer inside the object is not cleared by a move.
    text.resize(text.capacity());
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

Secret::Secret(std::string text) : text_(std::move(text)) {
    wipe(text);
}

Secret::~Secret() {
    wipe(text_);
}

Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {
    wipe(other.text_);
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe(text_);
        text_.swap(other.text_);
        wipe(other.text_);
    }
    return *this;
}

bool Secret::equals(std::string_view other) const {
    const std::string_view mine = text_;
    const std::size_t common = std::min(mine.size(), other.size());
    const std::string_view rest = (mine.size() > other.size() ? mine : other).substr(common);
    const int differs = CRYPTO_memcmp(mine.data(), other.data(), common);
    // The rest is compared with itself: what the longer text costs must not tell where they part.
    const int rest_differs = CRYPTO_memcmp(rest.data(), rest.data(), rest.size());
    return ((differs | rest_differs) == 0) & (mine.size() == other.size());
}

Secret Secret::clone() const {
    return Secret(std::string(text_));
}

}  // namespace vitrine::config
