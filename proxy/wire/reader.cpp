#include "proxy/wire/reader.h"

namespace vitrine::wire {

void Reader::fail(WireError error) {
    if (!error_) {
        error_ = error;
    }
    rest_ = {};
}

std::uint32_t Reader::integer(std::size_t size) {
    std::uint32_t value = 0;
    for (const char byte : bytes(size)) {
        value = (value << 8) | static_cast<std::uint8_t>(byte);
    }
    return value;
}

std::string_view Reader::bytes(std::size_t size) {
    if (size > rest_.size()) {
        fail(WireError::kTruncated);
        return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

std::string_view Reader::string() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
        fail(WireError::kUnterminated);
        return {};
    }
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return taken;
}

std::int16_t Reader::format() {
    const std::int16_t code = i16();
    if (code != 0 && code != 1) {
        fail(WireError::kBadValue);
        return 0;
    }
    return code;
}

std::size_t Reader::count(std::size_t item_bytes_min) {
    const std::size_t items = u16();
    if (items * item_bytes_min > rest_.size()) {
        fail(WireError::kTruncated);
        return 0;
    }
    return items;
}

std::optional<std::string_view> Reader::value() {
    const std::int32_t size = i32();
    if (size == -1) {
        return std::nullopt;
    }
    if (size < 0) {
        fail(WireError::kBadValue);
        return std::nullopt;
    }
    return bytes(static_cast<std::size_t>(size));
}

}  // namespace vitrine::wire
