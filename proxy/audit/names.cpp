#include "proxy/audit/names.h"

#include <array>
#include <charconv>

#include "proxy/audit/chain.h"

namespace vitrine::audit {

namespace {

constexpr std::size_t kNameBytesMax = 200;  // NAME_MAX is 255; room for what a tool adds
constexpr std::size_t kKeptOfLongName = 120;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '@';
}

void append_encoded(std::string& out, char c) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
}

// Fixed width, digits only. from_chars alone would take "-1".
bool parse_digits(std::string_view text, int& value) {
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return false;
        }
    }
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
}

void append_padded(std::string& out, long value, std::size_t width) {
    char digits[24];
    std::size_t at = width;
    for (; at > 0; value /= 10) {
        digits[--at] = static_cast<char>('0' + value % 10);
    }
    out.append(digits, width);
}

void append_day(std::string& out, std::chrono::sys_days day) {
    const std::chrono::year_month_day date{day};
    append_padded(out, static_cast<int>(date.year()), 4);
    out += '-';
    append_padded(out, static_cast<long>(static_cast<unsigned>(date.month())), 2);
    out += '-';
    append_padded(out, static_cast<long>(static_cast<unsigned>(date.day())), 2);
}

}  // namespace

std::string directory_name(std::string_view user) {
    if (user.empty()) {
        return std::string(kStrangersDirectory);
    }
    const bool reserved = user == "." || user == ".." || user == kLedgerName;
    std::string name;
    for (std::size_t i = 0; i < user.size(); ++i) {
        if (is_plain(user[i]) && !(reserved && i == 0)) {
            name += user[i];
        } else {
            append_encoded(name, user[i]);
        }
    }
    if (name.size() <= kNameBytesMax) {
        return name;
    }
    std::size_t kept = kKeptOfLongName;
    for (std::size_t back = 1; back <= 2; ++back) {
        if (name[kKeptOfLongName - back] == '%') {
            kept = kKeptOfLongName - back;
        }
    }
    name.resize(kept);
    // The encoding puts two hex digits behind each %, so "%%" is nobody's name.
    return name.append("%%").append(Sha256().of(user).view());
}

std::string day_text(std::chrono::sys_days day) {
    std::string text;
    append_day(text, day);
    return text;
}

std::optional<std::chrono::sys_days> parse_day(std::string_view text) {
    int year = 0;
    int month = 0;
    int day = 0;
    if (text.size() != 10 || text[4] != '-' || text[7] != '-' ||
        !parse_digits(text.substr(0, 4), year) || !parse_digits(text.substr(5, 2), month) ||
        !parse_digits(text.substr(8, 2), day)) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date);
}

std::string file_name(std::string_view directory, std::chrono::sys_days day) {
    std::string name(directory);
    name += '/';
    append_day(name, day);
    return name.append(kLogSuffix);
}

std::optional<std::chrono::sys_days> day_of(std::string_view file) {
    const auto slash = file.rfind('/');
    if (slash == std::string_view::npos || !file.ends_with(kLogSuffix)) {
        return std::nullopt;
    }
    file.remove_prefix(slash + 1);
    file.remove_suffix(kLogSuffix.size());
    return parse_day(file);
}

void append_time(std::string& out, Microseconds time) {
    // In one piece: it is a tenth of what a record costs otherwise.
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss<std::chrono::microseconds> clock(time - day);
    std::array<char, 27> text{};
    std::size_t at = 0;
    const auto put = [&](long value, std::size_t width, char behind) {
        for (std::size_t i = width; i > 0; --i, value /= 10) {
            text[at + i - 1] = static_cast<char>('0' + value % 10);
        }
        at += width;
        text[at++] = behind;
    };
    put(static_cast<int>(date.year()), 4, '-');
    put(static_cast<long>(static_cast<unsigned>(date.month())), 2, '-');
    put(static_cast<long>(static_cast<unsigned>(date.day())), 2, 'T');
    put(clock.hours().count(), 2, ':');
    put(clock.minutes().count(), 2, ':');
    put(clock.seconds().count(), 2, '.');
    put(clock.subseconds().count(), 6, 'Z');
    out.append(text.data(), at);
}

std::string_view TimeText::of(Microseconds time) {
    constexpr std::size_t kLastDigit = kTimeLength - 2;
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    if (second_ != second) {
        text_.clear();
        append_time(text_, time);
        second_ = second;
        return text_;
    }
    long micros = (time - second).count();
    for (std::size_t i = 0; i < 6; ++i, micros /= 10) {
        text_[kLastDigit - i] = static_cast<char>('0' + micros % 10);
    }
    return text_;
}

std::optional<Microseconds> parse_time(std::string_view text) {
    if (text.size() != kTimeLength || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        text[19] != '.' || text[26] != 'Z') {
        return std::nullopt;
    }
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    int micros = 0;
    const auto day = parse_day(text.substr(0, 10));
    if (!day || !parse_digits(text.substr(11, 2), hours) ||
        !parse_digits(text.substr(14, 2), minutes) || !parse_digits(text.substr(17, 2), seconds) ||
        !parse_digits(text.substr(20, 6), micros) || hours > 23 || minutes > 59 || seconds > 59) {
        return std::nullopt;
    }
    return Microseconds(*day) + std::chrono::hours(hours) + std::chrono::minutes(minutes) +
           std::chrono::seconds(seconds) + std::chrono::microseconds(micros);
}

}  // namespace vitrine::audit
