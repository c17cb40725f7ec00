#include "parser/masking/constant_literal.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace vitrine::parser {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Reads from the front of a text; every member that fails leaves ok() false.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool accept(char c) {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char c) { ok_ = accept(c) && ok_; }
    std::string_view digits() {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_digit);
        const auto size = static_cast<std::size_t>(end - rest_.begin());
        const std::string_view found = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return found;
    }
    // Exactly `width` digits that make a number in the range.
    int number(std::size_t width, int from, int to) {
        const std::string_view found = digits();
        int value = 0;
        std::from_chars(found.data(), found.data() + found.size(), value);
        ok_ = ok_ && found.size() == width && value >= from && value <= to;
        return value;
    }
    void fail() { ok_ = false; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] bool ok() const { return ok_; }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

template <typename Number>
bool is_integer(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

struct Decimal {
    std::size_t whole = 0;     // digits before the point, without leading zeros
    std::size_t fraction = 0;  // digits after it
};

std::optional<Decimal> decimal(std::string_view text) {
    Scanner scanner(text);
    scanner.accept('-');
    std::string_view whole = scanner.digits();
    if (whole.empty()) {
        return std::nullopt;
    }
    whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size()));
    Decimal found{whole.size(), 0};
    if (scanner.accept('.')) {
        found.fraction = scanner.digits().size();
        if (found.fraction == 0) {
            return std::nullopt;
        }
    }
    return scanner.at_end() ? std::optional(found) : std::nullopt;
}

bool is_numeric(std::string_view text, std::int32_t typmod) {
    const std::optional<Decimal> value = decimal(text);
    if (!value || value->whole > 1000 || value->fraction > 1000) {
        return false;
    }
    if (typmod < 4) {
        return true;
    }
    // numeric.c, make_numeric_typmod: precision in the high half, scale in 11 bits, signed from 15.
    const auto precision =
        static_cast<int>((static_cast<std::uint32_t>(typmod - 4) >> 16) & 0xffff);
    const int scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    // Nothing is rounded, so that nothing is carried into a digit too many.
    return scale >= 0 && static_cast<int>(value->fraction) <= scale &&
           static_cast<int>(value->whole) <= precision - scale;
}

bool is_float(std::string_view text) {
    const std::optional<Decimal> value = decimal(text);
    return value && value->whole <= 30 && value->fraction <= 30;
}

void scan_date(Scanner& scanner) {
    const int year = scanner.number(4, 1, 9999);
    scanner.expect('-');
    const int month = scanner.number(2, 1, 12);
    scanner.expect('-');
    constexpr std::array<int, 13> kDays{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int days =
        month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(std::clamp(month, 0, 12))];
    scanner.number(2, 1, days);
}

void scan_time(Scanner& scanner) {
    scanner.number(2, 0, 23);
    scanner.expect(':');
    scanner.number(2, 0, 59);
    if (scanner.accept(':')) {
        scanner.number(2, 0, 59);
        if (scanner.accept('.')) {
            const std::size_t digits = scanner.digits().size();
            if (digits < 1 || digits > 6) {
                scanner.fail();
            }
        }
    }
}

// Without an offset the value would depend on the session's TimeZone.
void scan_offset(Scanner& scanner) {
    if (scanner.accept('Z')) {
        return;
    }
    if (!scanner.accept('-')) {
        scanner.expect('+');
    }
    scanner.number(2, 0, 14);
    if (scanner.accept(':')) {
        scanner.number(2, 0, 59);
    }
}

bool is_timestamp(std::string_view text, bool with_offset) {
    Scanner scanner(text);
    scan_date(scanner);
    if (!with_offset && scanner.ok() && scanner.at_end()) {
        return true;
    }
    if (!scanner.accept('T')) {
        scanner.expect(' ');
    }
    scan_time(scanner);
    if (with_offset) {
        scan_offset(scanner);
    }
    return scanner.ok() && scanner.at_end();
}

bool is_date(std::string_view text) {
    Scanner scanner(text);
    scan_date(scanner);
    return scanner.ok() && scanner.at_end();
}

bool is_time(std::string_view text) {
    Scanner scanner(text);
    scan_time(scanner);
    return scanner.ok() && scanner.at_end();
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) {
        return false;
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
        if (dash ? text[at] != '-' : !is_hex(text[at])) {
            return false;
        }
    }
    return true;
}

// JSON that json and jsonb take alike: no escapes but the plain ones, numbers of a sane length.
class Json {
  public:
    static bool valid(std::string_view text) {
        Json json(text);
        json.value(0);
        json.space();
        return json.ok_ && json.at_ == text.size();
    }

  private:
    static constexpr int kDepthMax = 32;
    explicit Json(std::string_view text) : text_(text) {}

    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    void space() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\t') {
            ++at_;
        }
    }
    void word(std::string_view expected) {
        ok_ = ok_ && text_.substr(at_).starts_with(expected);
        at_ += expected.size();
    }
    void string() {
        word("\"");
        while (ok_ && peek() != '"') {
            const auto byte = static_cast<unsigned char>(peek());
            ok_ = byte >= 0x20;
            if (byte == '\\') {
                ++at_;
                ok_ = std::string_view("\"\\/bfnrt").find(peek()) != std::string_view::npos &&
                      at_ < text_.size();
            }
            ++at_;
        }
        word("\"");
    }
    void number() {
        const std::size_t begin = at_;
        while (is_digit(peek()) || peek() == '-' || peek() == '.') {
            ++at_;
        }
        const std::string_view found = text_.substr(begin, at_ - begin);
        const std::string_view whole = found.starts_with('-') ? found.substr(1) : found;
        ok_ = ok_ && is_float(found) &&
              (!whole.starts_with('0') || whole.size() == 1 || whole[1] == '.');
    }
    void members(char close, bool named, int depth) {
        ++at_;
        space();
        if (peek() == close) {
            ++at_;
            return;
        }
        while (ok_) {
            space();
            if (named) {
                string();
                space();
                word(":");
            }
            value(depth + 1);
            space();
            if (peek() == close) {
                ++at_;
                return;
            }
            word(",");
        }
    }
    void value(int depth) {
        ok_ = ok_ && depth <= kDepthMax;
        space();
        if (!ok_) {
            return;
        }
        switch (peek()) {
            case '{':
                return members('}', true, depth);
            case '[':
                return members(']', false, depth);
            case '"':
                return string();
            case 't':
                return word("true");
            case 'f':
                return word("false");
            case 'n':
                return word("null");
            default:
                return number();
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

bool is_inet(std::string_view text, bool cidr) {
    std::array<unsigned char, 16> address{};
    const std::size_t slash = text.find('/');
    const std::string host(text.substr(0, slash));
    const bool v6 = host.find(':') != std::string::npos;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, host.c_str(), address.data()) != 1) {
        return false;
    }
    const int width = v6 ? 128 : 32;
    int bits = width;
    if (slash != std::string_view::npos) {
        const std::string_view mask = text.substr(slash + 1);
        const auto [end, error] = std::from_chars(mask.data(), mask.data() + mask.size(), bits);
        if (error != std::errc{} || end != mask.data() + mask.size() || bits < 0 || bits > width ||
            (mask.size() > 1 && mask.front() == '0')) {
            return false;
        }
    }
    for (int bit = bits; cidr && bit < width; ++bit) {
        if ((address[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

bool is_bytea(std::string_view text) {
    return text.starts_with("\\x") && text.size() % 2 == 0 &&
           std::all_of(text.begin() + 2, text.end(), is_hex);
}

bool is_boolean(std::string_view text) {
    constexpr std::array<std::string_view, 10> kWords{"t",  "f",  "true", "false", "yes",
                                                      "no", "on", "off",  "1",     "0"};
    return std::find(kWords.begin(), kWords.end(), text) != kWords.end();
}

}  // namespace

bool is_safe_constant(std::string_view text, const Type& type, std::int32_t typmod) {
    if (type.kind == 'e') {
        return std::find(type.labels.begin(), type.labels.end(), text) != type.labels.end();
    }
    if (type.element != 0) {
        return text == "{}";
    }
    if (!type.builtin) {
        return false;
    }
    switch (type.oid) {  // pg_type.dat
        case 16:
            return is_boolean(text);
        case 17:
            return is_bytea(text);
        case 20:
            return is_integer<std::int64_t>(text);
        case 21:
            return is_integer<std::int16_t>(text);
        case 23:
            return is_integer<std::int32_t>(text);
        case 114:
        case 3802:
            return Json::valid(text);
        case 650:
            return is_inet(text, true);
        case 700:
        case 701:
            return is_float(text);
        case 869:
            return is_inet(text, false);
        case 1082:
            return is_date(text);
        case 1083:
            return is_time(text);
        case 1114:
            return is_timestamp(text, false);
        case 1184:
            return is_timestamp(text, true);
        case 1700:
            return is_numeric(text, typmod);
        case 2950:
            return is_uuid(text);
        default:
            return false;
    }
}

}  // namespace vitrine::parser
