#include "proxy/wire/binary_value.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace vitrine::wire {

namespace {

// pg_type.dat; these never change.
enum Type : std::uint32_t {
    kBool = 16,
    kBytea = 17,
    kChar = 18,
    kName = 19,
    kInt8 = 20,
    kInt2 = 21,
    kInt4 = 23,
    kText = 25,
    kOid = 26,
    kJson = 114,
    kXml = 142,
    kCidr = 650,
    kFloat4 = 700,
    kFloat8 = 701,
    kUnknown = 705,
    kMacaddr8 = 774,
    kMacaddr = 829,
    kInet = 869,
    kBpchar = 1042,
    kVarchar = 1043,
    kDate = 1082,
    kTime = 1083,
    kTimestamp = 1114,
    kTimestamptz = 1184,
    kInterval = 1186,
    kTimetz = 1266,
    kBit = 1560,
    kVarbit = 1562,
    kNumeric = 1700,
    kUuid = 2950,
    kJsonb = 3802
};

// Deeper than PostgreSQL's own arrays (MAXDIM).
constexpr std::int32_t kDimensionsMax = 6;

// A numeric of a few bytes may have 131,072 digits. What is that much longer as text than it was
// sent stays in bytes: the log is not to be filled that way.
constexpr std::size_t kLongerMax = 16;
constexpr std::size_t kShortMax = 64;

constexpr std::int64_t kMicrosecond = 1000000;
constexpr std::int64_t kDay = 86400 * kMicrosecond;
// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
constexpr std::int64_t kEpochDays = 10957;

class Bytes {
  public:
    explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

    template <typename Unsigned>
    Unsigned integer() {
        Unsigned value = 0;
        if (bytes_.size() < sizeof(Unsigned)) {
            failed_ = true;
            bytes_ = {};
            return 0;
        }
        for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
            value = static_cast<Unsigned>(value << 8U) | static_cast<unsigned char>(bytes_[i]);
        }
        bytes_.remove_prefix(sizeof(Unsigned));
        return value;
    }
    std::int16_t i16() { return std::bit_cast<std::int16_t>(integer<std::uint16_t>()); }
    std::int32_t i32() { return std::bit_cast<std::int32_t>(integer<std::uint32_t>()); }
    std::int64_t i64() { return std::bit_cast<std::int64_t>(integer<std::uint64_t>()); }
    std::string_view take(std::size_t size) {
        if (bytes_.size() < size) {
            failed_ = true;
            return {};
        }
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }
    [[nodiscard]] std::string_view rest() { return take(bytes_.size()); }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool done() const { return !failed_ && bytes_.empty(); }

  private:
    std::string_view bytes_;
    bool failed_ = false;
};

// std::uint8_t would be promoted in integer(); one byte is read as a character.
unsigned byte(Bytes& bytes) {
    const std::string_view one = bytes.take(1);
    return one.empty() ? 0U : static_cast<unsigned char>(one.front());
}

std::string digits(std::int64_t number, int width) {
    std::string text = std::to_string(number);
    if (text.size() < static_cast<std::size_t>(width)) {
        text.insert(0, static_cast<std::size_t>(width) - text.size(), '0');
    }
    return text;
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto value = static_cast<unsigned char>(c);
        text += kDigits[value >> 4U];
        text += kDigits[value & 15U];
    }
    return text;
}

// The proleptic Gregorian calendar, over all of PostgreSQL's range: Howard Hinnant's
// days_from_civil, backwards (http://howardhinnant.github.io/date_algorithms.html).
struct Date {
    std::int64_t year = 0;
    std::int64_t month = 0;
    std::int64_t day = 0;
};
Date civil(std::int64_t days) {
    days += 719468;
    const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const std::int64_t of_era = days - era * 146097;
    const std::int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const std::int64_t month = (5 * of_year + 2) / 153;
    return {.year = year + era * 400 + (month < 10 ? 0 : 1),
            .month = month < 10 ? month + 3 : month - 9,
            .day = of_year - (153 * month + 2) / 5 + 1};
}

std::string date_text(std::int64_t days, std::string_view between = {}) {
    const Date date = civil(days + kEpochDays);
    // There is no year 0: 1 BC is before AD 1.
    const bool before = date.year <= 0;
    std::string text = digits(before ? 1 - date.year : date.year, 4) + "-" + digits(date.month, 2) +
                       "-" + digits(date.day, 2);
    text += between;
    return before ? text + " BC" : text;
}

std::string time_text(std::int64_t micros) {
    const std::int64_t seconds = micros / kMicrosecond;
    std::string text = digits(seconds / 3600, 2) + ":" + digits(seconds / 60 % 60, 2) + ":" +
                       digits(seconds % 60, 2);
    if (const std::int64_t rest = micros % kMicrosecond; rest != 0) {
        std::string fraction = digits(rest, 6);
        fraction.erase(fraction.find_last_not_of('0') + 1);
        text += "." + fraction;
    }
    return text;
}

template <typename Integer>
std::optional<std::string> infinity(Integer value) {
    if (value == std::numeric_limits<Integer>::max()) {
        return "infinity";
    }
    if (value == std::numeric_limits<Integer>::min()) {
        return "-infinity";
    }
    return std::nullopt;
}

std::string timestamp_text(std::int64_t micros, std::string_view zone) {
    if (auto endless = infinity(micros)) {
        return *endless;
    }
    std::int64_t days = micros / kDay;
    std::int64_t rest = micros % kDay;
    if (rest < 0) {
        --days;
        rest += kDay;
    }
    std::string time = " " + time_text(rest);
    time += zone;
    return date_text(days, time);
}

std::string interval_text(Bytes& bytes) {
    const std::int64_t micros = bytes.i64();
    const std::int32_t days = bytes.i32();
    const std::int32_t months = bytes.i32();
    std::string text;
    bool negative = false;  // the part before: a positive one then says so
    const auto part = [&](std::int64_t number, std::string_view unit) {
        if (number != 0) {
            text += text.empty() ? "" : " ";
            text += negative && number > 0 ? "+" : "";
            text += std::to_string(number);
            text += unit;
            text += number == 1 ? "" : "s";
            negative = number < 0;
        }
    };
    part(months / 12, " year");
    part(months % 12, " mon");
    part(days, " day");
    if (micros != 0 || text.empty()) {
        text += text.empty() ? "" : " ";
        text += micros < 0 ? "-" : negative ? "+" : "";
        // The smallest number has no opposite.
        text += time_text(micros == std::numeric_limits<std::int64_t>::min()
                              ? std::numeric_limits<std::int64_t>::max()
                              : std::abs(micros));
    }
    return text;
}

std::string zone_text(std::int32_t west) {
    const std::int64_t east = -static_cast<std::int64_t>(west);
    const std::int64_t size = east < 0 ? -east : east;
    std::string text = (east < 0 ? "-" : "+") + digits(size / 3600, 2);
    if (size % 3600 != 0) {
        text += ":" + digits(size / 60 % 60, 2);
    }
    if (size % 60 != 0) {
        text += ":" + digits(size % 60, 2);
    }
    return text;
}

template <typename Float>
std::string float_text(Float value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "Infinity" : "-Infinity";
    }
    // d2s.c and f2s.c: in scientific form below 1e-4, and from as many digits on as are exact.
    const Float size = std::abs(value);
    const bool scientific =
        size != 0 &&
        (size < Float(1e-4) || size >= std::pow(Float(10), std::numeric_limits<Float>::digits10));
    std::array<char, 64> text{};
    const auto [end, error] =
        std::to_chars(text.data(), text.data() + text.size(), value,
                      scientific ? std::chars_format::scientific : std::chars_format::fixed);
    return error == std::errc() ? std::string(text.data(), end) : std::string();
}

// numeric_send: digits to the base of 10,000.
std::optional<std::string> numeric_text(Bytes& bytes) {
    const std::uint16_t count = bytes.integer<std::uint16_t>();
    const std::int16_t weight = bytes.i16();
    const std::uint16_t sign = bytes.integer<std::uint16_t>();
    const std::uint16_t scale = bytes.integer<std::uint16_t>();
    switch (sign) {
        case 0xC000:
            return "NaN";
        case 0xD000:
            return "Infinity";
        case 0xF000:
            return "-Infinity";
        case 0x0000:
        case 0x4000:
            break;
        default:
            return std::nullopt;
    }
    const auto zeros = static_cast<std::size_t>(weight < 0 ? -weight : weight);
    if (4 * (zeros + 1) + scale > kShortMax + kLongerMax * (8 + 2 * std::size_t{count})) {
        return std::nullopt;
    }
    std::string whole;
    std::string fraction;
    for (int i = 0; i < count; ++i) {
        const std::uint16_t digit = bytes.integer<std::uint16_t>();
        if (bytes.failed() || digit > 9999) {
            return std::nullopt;
        }
        (i <= weight ? whole : fraction) += digits(digit, 4);
    }
    // Zeros at the end of the whole part, and before the fraction, are not sent.
    for (int i = count; i <= weight; ++i) {
        whole += "0000";
    }
    if (weight < -1) {
        fraction.insert(0, static_cast<std::size_t>(-1 - weight) * 4, '0');
    }
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
    fraction.resize(scale, '0');
    std::string text = sign == 0x4000 ? "-" : "";
    text += whole.empty() ? "0" : whole;
    return scale == 0 ? text : text + "." + fraction;
}

std::optional<std::string> inet_text(Bytes& bytes, bool cidr) {
    const unsigned family = byte(bytes);
    const unsigned bits = byte(bytes);
    (void)byte(bytes);  // is it a cidr?
    const unsigned size = byte(bytes);
    const std::string_view address = bytes.take(size);
    std::string text;
    if (family == 2 && address.size() == 4) {
        for (const char c : address) {
            text += (text.empty() ? "" : ".") + std::to_string(static_cast<unsigned char>(c));
        }
        return bits == 32 && !cidr ? text : text + "/" + std::to_string(bits);
    }
    if (family == 3 && address.size() == 16) {
        std::array<char, INET6_ADDRSTRLEN> out{};
        if (::inet_ntop(AF_INET6, address.data(), out.data(), out.size()) == nullptr) {
            return std::nullopt;
        }
        text = out.data();
        return bits == 128 && !cidr ? text : text + "/" + std::to_string(bits);
    }
    return std::nullopt;
}

std::string colons(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text += (i == 0 ? "" : ":") + hex(bytes.substr(i, 1));
    }
    return text;
}

std::optional<std::string> bits_text(Bytes& bytes) {
    const std::int32_t count = bytes.i32();
    const std::string_view packed = bytes.rest();
    if (count < 0 || packed.size() != (static_cast<std::size_t>(count) + 7) / 8) {
        return std::nullopt;
    }
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        const auto eight = static_cast<unsigned char>(packed[i / 8]);
        text += (eight >> (7U - i % 8) & 1U) != 0 ? '1' : '0';
    }
    return text;
}

std::string quoted_element(const std::string& text) {
    const bool plain = !text.empty() &&
                       text.find_first_of("{}\",\\ \t\n\r\v\f") == std::string::npos &&
                       text != "NULL" && text != "null";
    if (plain) {
        return text;
    }
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
        }
        quoted += c;
    }
    return quoted + "\"";
}

bool is_array(std::uint32_t type) {
    // _bool, _bytea, …: pg_type.dat.
    static constexpr std::array<std::uint32_t, 31> kArrays{
        1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021,
        1022, 1028, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1231, 1270,
        143,  199,  651,  775,  1561, 1563, 2951, 3807, 2207};
    for (const std::uint32_t array : kArrays) {
        if (array == type) {
            return true;
        }
    }
    return false;
}

// array_send. Lower bounds other than 1 are told as PostgreSQL does.
std::optional<std::string> array_text(Bytes& bytes) {
    const std::int32_t dimensions = bytes.i32();
    (void)bytes.i32();  // are there NULLs?
    const std::uint32_t element = bytes.integer<std::uint32_t>();
    // The client says what the elements are: arrays of arrays, which no server sends, would nest as
    // deep as there are bytes.
    if (bytes.failed() || is_array(element) || dimensions < 0 || dimensions > kDimensionsMax) {
        return std::nullopt;
    }
    if (dimensions == 0) {
        return bytes.done() ? std::optional<std::string>("{}") : std::nullopt;
    }
    std::array<std::int32_t, kDimensionsMax> sizes{};
    std::string bounds;
    bool bounded = false;
    const auto count = static_cast<std::size_t>(dimensions);
    for (std::size_t i = 0; i < count; ++i) {
        sizes[i] = bytes.i32();
        const std::int32_t lower = bytes.i32();
        if (bytes.failed() || sizes[i] <= 0) {
            return std::nullopt;
        }
        bounded = bounded || lower != 1;
        bounds += "[" + std::to_string(lower) + ":" +
                  std::to_string(static_cast<std::int64_t>(lower) + sizes[i] - 1) + "]";
    }
    std::string text = bounded ? bounds + "=" : "";
    text.append(count, '{');
    std::array<std::int32_t, kDimensionsMax> at{};
    while (true) {
        const std::int32_t size = bytes.i32();
        if (size == -1) {
            text += "NULL";
        } else {
            const auto value =
                size < 0 || bytes.failed()
                    ? std::nullopt
                    : text_of_binary(element, bytes.take(static_cast<std::size_t>(size)));
            if (!value || bytes.failed()) {
                return std::nullopt;
            }
            text += quoted_element(*value);
        }
        if (bytes.failed()) {
            return std::nullopt;
        }
        // The next place, the last dimension fastest.
        std::size_t closed = 0;
        std::size_t i = count;
        while (i > 0 && ++at[i - 1] == sizes[i - 1]) {
            at[--i] = 0;
            ++closed;
        }
        text.append(closed, '}');
        if (i == 0) {
            return bytes.done() ? std::optional(text) : std::nullopt;
        }
        text += ",";
        text.append(closed, '{');
    }
}

std::optional<std::string> read(std::uint32_t type, Bytes& bytes) {
    switch (type) {
        case kBool: {
            const unsigned value = byte(bytes);
            return value != 0 ? "t" : "f";
        }
        case kBytea:
            return "\\x" + hex(bytes.rest());
        case kText:
        case kVarchar:
        case kBpchar:
        case kName:
        case kJson:
        case kXml:
        case kUnknown:
        case kChar:
            return std::string(bytes.rest());
        case kJsonb:
            if (byte(bytes) != 1) {
                return std::nullopt;
            }
            return std::string(bytes.rest());
        case kInt2:
            return std::to_string(bytes.i16());
        case kInt4:
            return std::to_string(bytes.i32());
        case kInt8:
            return std::to_string(bytes.i64());
        case kOid:
            return std::to_string(bytes.integer<std::uint32_t>());
        case kFloat4:
            return float_text(std::bit_cast<float>(bytes.integer<std::uint32_t>()));
        case kFloat8:
            return float_text(std::bit_cast<double>(bytes.integer<std::uint64_t>()));
        case kNumeric:
            return numeric_text(bytes);
        case kDate: {
            const std::int32_t days = bytes.i32();
            const auto endless = infinity(days);
            return endless ? *endless : date_text(days);
        }
        case kTime:
            return time_text(bytes.i64());
        case kTimetz: {
            const std::string time = time_text(bytes.i64());
            return time + zone_text(bytes.i32());
        }
        case kTimestamp:
            return timestamp_text(bytes.i64(), "");
        case kTimestamptz:
            return timestamp_text(bytes.i64(), "+00");
        case kInterval:
            return interval_text(bytes);
        case kUuid: {
            const std::string text = hex(bytes.rest());
            if (text.size() != 32) {
                return std::nullopt;
            }
            return text.substr(0, 8) + "-" + text.substr(8, 4) + "-" + text.substr(12, 4) + "-" +
                   text.substr(16, 4) + "-" + text.substr(20);
        }
        case kInet:
            return inet_text(bytes, false);
        case kCidr:
            return inet_text(bytes, true);
        case kMacaddr:
            return colons(bytes.take(6));
        case kMacaddr8:
            return colons(bytes.take(8));
        case kBit:
        case kVarbit:
            return bits_text(bytes);
        default:
            return is_array(type) ? array_text(bytes) : std::nullopt;
    }
}

}  // namespace

std::optional<std::string> text_of_binary(std::uint32_t type, std::string_view bytes) {
    Bytes reading(bytes);
    auto text = read(type, reading);
    return reading.done() ? std::move(text) : std::nullopt;
}

}  // namespace vitrine::wire
