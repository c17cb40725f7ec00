#include "parser/masking/coarse_masks.h"

#include <charconv>
#include <limits>
#include <string_view>

#include "parser/masking/mask_expression.h"

namespace vitrine::parser {

namespace {

// pg_type.dat
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kCidr = 650;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kInet = 869;
constexpr Oid kDate = 1082;
constexpr Oid kTimestamp = 1114;
constexpr Oid kTimestamptz = 1184;
constexpr Oid kNumeric = 1700;

// The operators of pg_catalog, whatever the session's search_path.
constexpr std::string_view kLess = " OPERATOR(pg_catalog.<) ";
constexpr std::string_view kMinus = " OPERATOR(pg_catalog.-) ";

std::string join(std::string_view left, std::string_view symbol, std::string_view right) {
    return std::string(left).append(symbol).append(right);
}

std::string numeric(std::string_view digits) {
    return "'" + std::string(digits) + "'::pg_catalog.\"numeric\"";
}

std::size_t scale_of(std::string_view multiple) {
    const std::size_t point = multiple.find('.');
    return point == std::string_view::npos ? 0 : multiple.size() - point - 1;
}

// What is masked, as the base type's name has it: also where the column is of a domain.
std::string value_as(const Column& column, std::string_view type) {
    return quoted_identifier(column.name) + "::pg_catalog." + std::string(type);
}

// v - v mod N, and one N less below zero; in bigint, which has room for the narrower ones. The
// lowest multiple stands for all below it: one less is beyond the type.
std::string round_integer(std::int64_t multiple, std::int64_t type_min, const Column& column) {
    const std::string value = value_as(column, "int8");
    const auto bigint = [](std::int64_t number) {
        return "'" + std::to_string(number) + "'::pg_catalog.int8";
    };
    const std::string lowest = bigint(type_min / multiple * multiple);
    const std::string rest = "pg_catalog.mod(" + value + ", " + bigint(multiple) + ")";
    return "CASE WHEN " + join(value, kLess, lowest) + " THEN " + lowest + " WHEN " +
           join(rest, kLess, bigint(0)) + " THEN " + join(value, kMinus, rest) +
           join("", kMinus, bigint(multiple)) + " ELSE " + join(value, kMinus, rest) + " END";
}

}  // namespace

// The multiples are exact: mod() is, where a quotient would be rounded. round() says nothing of the
// value but cuts the zeros, of which the value had as many as it had digits.
std::string round_numeric(const std::string& multiple, const std::string& value) {
    const std::string rest = "pg_catalog.mod(" + value + ", " + numeric(multiple) + ")";
    const auto cut = [&](const std::string& sql) {
        return "pg_catalog.round(" + sql + ", " + std::to_string(scale_of(multiple)) + ")";
    };
    const std::string towards_zero = join(value, kMinus, rest);
    // The rest of NaN and of the infinities is NaN. The digits end at 131072 before the point: far
    // down there, upwards.
    return "CASE WHEN " + join(rest, " OPERATOR(pg_catalog.=) ", numeric("NaN")) + " THEN " +
           value + " WHEN " + join(value, kLess, numeric("-1e131000")) + " THEN " +
           cut(towards_zero) + " WHEN " + join(rest, kLess, numeric("0")) + " THEN " +
           cut(join(towards_zero, kMinus, numeric(multiple))) + " ELSE " + cut(towards_zero) +
           " END";
}

namespace {

// numeric.c, make_numeric_typmod: precision in the high half, scale in 11 bits, signed from 15.
std::optional<std::string> round_numeric_column(const std::string& multiple, const Column& column,
                                                std::string& why) {
    const std::string value = value_as(column, "\"numeric\"");
    if (column.base_typmod < 4) {
        return round_numeric(multiple, value);
    }
    const auto typmod = static_cast<std::uint32_t>(column.base_typmod - 4);
    const int precision = static_cast<int>((typmod >> 16) & 0xffff);
    const int scale = (static_cast<int>(typmod & 0x7ff) ^ 1024) - 1024;
    if (scale < static_cast<int>(scale_of(multiple))) {
        why = "multiples of " + multiple + " have more digits behind the point than " +
              type_title(column) + " has room for";
        return std::nullopt;
    }
    // The type's largest value: `precision` nines, `scale` of them behind the point.
    const auto behind = static_cast<std::size_t>(scale);
    std::string most(static_cast<std::size_t>(precision), '9');
    if (most.size() < behind) {
        most.insert(0, behind - most.size(), '0');
    }
    most.insert(most.size() - behind, most.size() == behind ? "0." : ".");
    if (most.ends_with('.')) {
        most.pop_back();
    }
    const std::string lowest =
        "(" +
        join("pg_catalog.mod(" + numeric(most) + ", " + numeric(multiple) + ")", kMinus,
             numeric(most)) +
        ")";
    // div() cuts towards zero, exactly, and a value is a whole number of its type's last digits: N
    // but for one of them is what a negative value lacks to be cut to the multiple below. One
    // division, and two comparisons at most: reports compute this for each row. NaN is larger than
    // all and stays what it is; a type with a precision has no infinities.
    const auto multiple_in = [&](const std::string& sql) {
        return join("pg_catalog.div(" + sql + ", " + numeric(multiple) + ")",
                    " OPERATOR(pg_catalog.*) ", numeric(multiple));
    };
    const std::string last_digit = behind == 0 ? "1" : "0." + std::string(behind - 1, '0') + "1";
    const std::string lacking = "(" + join(numeric(multiple), kMinus, numeric(last_digit)) + ")";
    return "CASE WHEN " + join(value, " OPERATOR(pg_catalog.>=) ", numeric("0")) + " THEN " +
           multiple_in(value) + " WHEN " + join(value, kLess, lowest) + " THEN " + lowest +
           " ELSE " + multiple_in(join(value, kMinus, lacking)) + " END";
}

// By way of numeric, where nothing overflows. `most`: the largest value but for its last digits, so
// that it is one of the type in numeric's 15 digits, too.
std::string round_float(const std::string& multiple, std::string_view most, const Column& column) {
    const std::string value = value_as(column, "float8");
    const std::string rounded = round_numeric(multiple, value + "::pg_catalog.\"numeric\"");
    const auto infinity = [](const char* sign) {
        return "'" + std::string(sign) + "Infinity'::pg_catalog.float8";
    };
    const std::string upper = numeric(most);
    const std::string lower = numeric("-" + std::string(most));
    // NaN is larger than Infinity. LEAST() and GREATEST() would leave a NULL out; there is none.
    return "CASE WHEN " + value + " IS NULL OR " +
           join(value, " OPERATOR(pg_catalog.>=) ", infinity("")) + " OR " +
           join(value, " OPERATOR(pg_catalog.<=) ", infinity("-")) + " THEN " + value +
           " ELSE CAST(LEAST(GREATEST(" + rounded + ", " + lower + "), " + upper +
           ") AS pg_catalog.float8) END";
}

std::string_view unit_name(config::TruncateUnit unit) {
    switch (unit) {
        case config::TruncateUnit::kYear:
            return "year";
        case config::TruncateUnit::kMonth:
            return "month";
        case config::TruncateUnit::kDay:
            return "day";
        case config::TruncateUnit::kHour:
            return "hour";
    }
    return "year";
}

// Dates begin within a year and within a month: the first day after which a whole one is there.
// Read alike under every DateStyle: the year comes first and has four digits.
std::string first_whole(config::TruncateUnit unit) {
    return unit == config::TruncateUnit::kYear ? "4713-01-01 BC" : "4714-12-01 BC";
}
constexpr std::string_view kFirstDay = "4714-11-24 BC";

// Dates go on beyond the last timestamp, so that date_trunc() would raise an error. The calendar
// is the same every 400 years, which are 146097 days: the day of the year or month is looked up
// in those around 2000.
std::string truncate_date(config::TruncateUnit unit, const Column& column) {
    const std::string value = value_as(column, "date");
    const auto date = [](std::string_view text) {
        return "'" + std::string(text) + "'::pg_catalog.date";
    };
    const std::string cycles = "((" + value + " OPERATOR(pg_catalog.-) " + date("2000-01-01") +
                               ") OPERATOR(pg_catalog./) 146097)";
    const std::string near_2000 =
        "(" + value + " OPERATOR(pg_catalog.-) (" + cycles + " OPERATOR(pg_catalog.*) 146097))";
    const std::string_view part = unit == config::TruncateUnit::kYear ? "doy" : "day";
    const std::string days =
        "pg_catalog.date_part('" + std::string(part) + "', " + near_2000 +
        "::pg_catalog.\"timestamp\")::pg_catalog.int4 OPERATOR(pg_catalog.-) 1";
    return "CASE WHEN NOT pg_catalog.isfinite(" + value + ") THEN " + value + " WHEN " +
           join(value, kLess, date(first_whole(unit))) + " THEN " + date(kFirstDay) + " ELSE " +
           value + " OPERATOR(pg_catalog.-) (" + days + ") END";
}

std::string truncate_timestamp(config::TruncateUnit unit, const std::string& value) {
    const auto timestamp = [](std::string_view text) {
        return "'" + std::string(text) + "'::pg_catalog.\"timestamp\"";
    };
    const std::string truncated = "pg_catalog.date_trunc('" + std::string(unit_name(unit)) +
                                  "'::pg_catalog.text, " + value + ")";
    if (unit == config::TruncateUnit::kDay || unit == config::TruncateUnit::kHour) {
        return truncated;
    }
    return "CASE WHEN " + join(value, kLess, timestamp(first_whole(unit))) +
           " AND pg_catalog.isfinite(" + value + ") THEN " + timestamp(kFirstDay) + " ELSE " +
           truncated + " END";
}

}  // namespace

std::optional<std::string> round_expression(const std::string& multiple, const Column& column,
                                            std::string& why) {
    std::int64_t whole = 0;
    switch (column.base_type) {
        case kInt2:
        case kInt4:
        case kInt8:
            if (scale_of(multiple) > 0) {
                why = "multiples of " + multiple + " are no whole numbers, and the column is " +
                      type_title(column);
                return std::nullopt;
            }
            std::from_chars(multiple.data(), multiple.data() + multiple.size(), whole);
            return round_integer(
                whole,
                column.base_type == kInt2   ? std::numeric_limits<std::int16_t>::min()
                : column.base_type == kInt4 ? std::numeric_limits<std::int32_t>::min()
                                            : std::numeric_limits<std::int64_t>::min(),
                column);
        case kNumeric:
            return round_numeric_column(multiple, column, why);
        case kFloat4:
            return round_float(multiple, "3.4028234e38", column);
        case kFloat8:
            return round_float(multiple, "1.79769313486231e308", column);
        default:
            why = "the mask \"round\" is for numbers, and the column is " + type_title(column);
            return std::nullopt;
    }
}

std::optional<std::string> truncate_expression(config::TruncateUnit unit, const Column& column,
                                               std::string& why) {
    switch (column.base_type) {
        case kDate:
            if (unit == config::TruncateUnit::kDay || unit == config::TruncateUnit::kHour) {
                why = "a date truncated to the " + std::string(unit_name(unit)) +
                      " is the date as it is; write year or month";
                return std::nullopt;
            }
            return truncate_date(unit, column);
        case kTimestamp:
            return truncate_timestamp(unit, value_as(column, "\"timestamp\""));
        case kTimestamptz: {
            // In UTC: in the session's zone one value would have two masks, and who sets the zone
            // could find out more of it.
            const auto in_utc = [](const std::string& value) {
                return "pg_catalog.timezone('UTC'::pg_catalog.text, " + value + ")";
            };
            return in_utc(truncate_timestamp(unit, in_utc(value_as(column, "timestamptz"))));
        }
        default:
            why = "the mask \"truncate\" is for dates and timestamps, and the column is " +
                  type_title(column);
            return std::nullopt;
    }
}

std::optional<std::string> network_expression(std::uint32_t bits, const Column& column,
                                              std::string& why) {
    if (column.base_type != kInet && column.base_type != kCidr) {
        why = "the mask \"network\" is for inet and cidr, and the column is " + type_title(column);
        return std::nullopt;
    }
    // A cidr has no bits right of its mask, so the length is set on an inet.
    const std::string value = value_as(column, "inet");
    const std::string network =
        "pg_catalog.network(pg_catalog.set_masklen(" + value + ", " + std::to_string(bits) + "))";
    constexpr std::uint32_t kIpv4Bits = 32;
    if (bits <= kIpv4Bits) {
        return network;
    }
    return "CASE WHEN pg_catalog.family(" + value +
           ") OPERATOR(pg_catalog.=) 4 THEN '0.0.0.0/0'::pg_catalog.cidr ELSE " + network + " END";
}

}  // namespace vitrine::parser
