#include "proxy/wire/base64.h"

#include <openssl/evp.h>

#include <limits>

namespace vitrine::wire {
namespace {

unsigned char* octets(std::string& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

const unsigned char* octets(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

std::string to_base64(std::string_view bytes) {
    // EVP_EncodeBlock writes a NUL behind the text: into the string's own.
    std::string text((bytes.size() + 2) / 3 * 4, '\0');
    EVP_EncodeBlock(octets(text), octets(bytes), static_cast<int>(bytes.size()));
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.empty()) {
        return std::string();
    }
    if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max()) {
        return std::nullopt;
    }
    std::string bytes(text.size() / 4 * 3, '\0');
    if (EVP_DecodeBlock(octets(bytes), octets(text), static_cast<int>(text.size())) < 0) {
        return std::nullopt;
    }
    // EVP_DecodeBlock counts the padding as bytes, and forgives spaces and stray bits.
    const std::size_t last = text.find_last_not_of('=');
    const std::size_t padding = text.size() - (last == std::string_view::npos ? 0 : last + 1);
    if (padding > 2) {
        return std::nullopt;
    }
    bytes.resize(bytes.size() - padding);
    if (to_base64(bytes) != text) {
        return std::nullopt;
    }
    return bytes;
}

}  // namespace vitrine::wire
