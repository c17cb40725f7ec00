// A secret: text that must appear in no log, error, metric or core dump that a user can reach.
//
// Move-only, wiped when it dies, and without any way to format it by accident: the bytes are had
// by reveal(), which is easy to search for. Comparison takes constant time.
#pragma once

#include <string>
#include <string_view>

namespace vitrine::config {

class Secret {
  public:
    Secret() = default;
    // Takes the bytes over; `text` is wiped.
    explicit Secret(std::string text);
    ~Secret();
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;

    [[nodiscard]] std::string_view reveal() const { return text_; }
    [[nodiscard]] bool empty() const { return text_.empty(); }
    // Constant time in the length of the longer of the two.
    [[nodiscard]] bool equals(std::string_view other) const;
    // An explicit copy, for the rare place that needs its own.
    [[nodiscard]] Secret clone() const;

  private:
    std::string text_;
};

// Overwrites the bytes in a way the compiler may not leave out, then clears the string.
void wipe(std::string& text);

}  // namespace vitrine::config
