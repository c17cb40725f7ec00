#include "proxy/wire/writer.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace vitrine::wire {
namespace {

// Stays on in release: a wrong length would let one message be read as several.
void ensure(bool holds) {
    if (!holds) {
        std::abort();
    }
}

constexpr std::size_t kLengthBytes = 4;

}  // namespace

Writer::Writer(std::string& out) : out_(out), length_at_(out.size()) {
    out_.append(kLengthBytes, '\0');
}

Writer::Writer(std::string& out, char type) : out_(out), length_at_(out.size() + 1) {
    out_.push_back(type);
    out_.append(kLengthBytes, '\0');
}

Writer::~Writer() {
    const std::size_t size = out_.size() - length_at_;
    ensure(size <= std::numeric_limits<std::int32_t>::max());
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
        out_[length_at_ + i] = static_cast<char>((size >> (8 * (kLengthBytes - 1 - i))) & 0xff);
    }
}

void Writer::count(std::size_t items) {
    ensure(items <= std::numeric_limits<std::uint16_t>::max());
    integer(static_cast<std::uint32_t>(items), 2);
}

void Writer::length(std::size_t size) {
    ensure(size <= std::numeric_limits<std::int32_t>::max());
    integer(static_cast<std::uint32_t>(size), 4);
}

void Writer::string(std::string_view value) {
    out_.append(value.substr(0, value.find('\0')));
    out_.push_back('\0');
}

void Writer::text(std::string_view value) {
    const std::size_t start = out_.size();
    out_.append(value);
    std::replace(out_.begin() + static_cast<std::ptrdiff_t>(start), out_.end(), '\0', '?');
    out_.push_back('\0');
}

void Writer::integer(std::uint32_t value, unsigned size) {
    for (unsigned i = size; i-- > 0;) {
        out_.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
    }
}

}  // namespace vitrine::wire
