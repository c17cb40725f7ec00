#include "proxy/cli/moment.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "config/duration.h"

namespace vitrine::cli {

namespace {

constexpr std::size_t kDayLength = std::string_view("2026-11-24").size();
constexpr std::size_t kSecondLength = std::string_view("2026-11-24T13:38:32").size();

// `Z`, or `+02:00`: by how much the time is ahead of UTC.
std::optional<std::chrono::minutes> parse_zone(std::string_view text) {
    if (text == "Z" || text == "z") {
        return std::chrono::minutes(0);
    }
    const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !digit(1) ||
        !digit(2) || !digit(4) || !digit(5)) {
        return std::nullopt;
    }
    const auto two = [&](std::size_t at) { return (text[at] - '0') * 10 + text[at + 1] - '0'; };
    if (two(1) > 23 || two(4) > 59) {
        return std::nullopt;
    }
    const std::chrono::minutes ahead(two(1) * 60 + two(4));
    return text[0] == '-' ? -ahead : ahead;
}

}  // namespace

std::optional<audit::Microseconds> parse_moment(std::string_view text, bool until) {
    if (const auto ago = config::parse_duration(text)) {
        const auto from =
            std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        // The longest there is where it is beyond counting: since ever.
        return from.time_since_epoch() > *ago ? from - *ago : audit::Microseconds();
    }
    if (const auto day = audit::parse_day(text); day && text.size() == kDayLength) {
        return audit::Microseconds(until ? *day + std::chrono::days(1) : *day);
    }
    if (text.size() <= kSecondLength || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
        return std::nullopt;
    }
    std::string_view rest = text.substr(kSecondLength);
    std::string micros;
    if (rest.front() == '.') {
        rest.remove_prefix(1);
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        if (digits == 0) {
            return std::nullopt;
        }
        micros = rest.substr(0, std::min<std::size_t>(digits, 6));
        rest.remove_prefix(digits);
    }
    const auto ahead = parse_zone(rest);
    micros.resize(6, '0');
    std::string whole = std::string(text.substr(0, kSecondLength)) + "." + micros + "Z";
    whole[10] = 'T';
    const auto time = audit::parse_time(whole);
    return ahead && time ? std::optional(*time - *ahead) : std::nullopt;
}

}  // namespace vitrine::cli
