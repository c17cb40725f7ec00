// Writes one message at the end of a buffer: the type byte and a place for the length when it is
// made, the fields one by one, the length when it dies. Fields are not checked against what a
// message may hold; they come from vitrine itself or from a decoder, which did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vitrine::wire {

class Writer {
  public:
    // A start-up packet, which has no type byte.
    explicit Writer(std::string& out);
    Writer(std::string& out, char type);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void byte(char value) { out_.push_back(value); }
    void i16(std::int16_t value) { integer(static_cast<std::uint16_t>(value), 2); }
    void i32(std::int32_t value) { integer(static_cast<std::uint32_t>(value), 4); }
    void u32(std::uint32_t value) { integer(value, 4); }
    // A count of 16 bits; more items than it can tell is a bug.
    void count(std::size_t items);
    // A count of 32 bits.
    void length(std::size_t size);
    void bytes(std::string_view value) { out_.append(value); }
    // With its NUL. It ends at the first NUL inside, where its reader would end it: what stands
    // behind never becomes a field of its own.
    void string(std::string_view value);
    // As string(), for words to a human: NULs inside become '?', so that nothing is hidden.
    void text(std::string_view value);

  private:
    void integer(std::uint32_t value, unsigned size);

    std::string& out_;
    std::size_t length_at_;
};

}  // namespace vitrine::wire
