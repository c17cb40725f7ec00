#include "parser/masking/meaning.h"

#include <algorithm>
#include <array>

#include "parser/masking/mask_expression.h"

namespace vitrine::parser {

namespace {

// The server looks at the first field of an interval, behind blanks and marks (datetime.c,
// DecodeInterval): a sign there is all fields' under `sql_standard`.
bool begins_negative(std::string_view interval) {
    const auto first = std::find_if(interval.begin(), interval.end(), [](char c) {
        return c == '-' || c == '+' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z');
    });
    return first != interval.end() && *first == '-';
}

// pg_type.dat
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kBigint = 20;
constexpr Oid kInteger = 23;
constexpr Oid kText = 25;
constexpr Oid kReal = 700;
constexpr Oid kDouble = 701;
constexpr Oid kDate = 1082;
constexpr Oid kTime = 1083;
constexpr Oid kTimestamp = 1114;
constexpr Oid kTimestamptz = 1184;
constexpr Oid kInterval = 1186;
constexpr Oid kTimetz = 1266;
constexpr Oid kBits = 1560;
constexpr Oid kNumeric = 1700;
constexpr Oid kJsonb = 3802;

// "char", name, text, bpchar, varchar.
constexpr std::array<Oid, 5> kStrings{18, 19, kText, 1042, 1043};
// What reads and writes their values as text asks for no setting (but see Meaning::converts): the
// strings; bool, int8, int2, int4, oid, the floats and numeric; bytea, json, jsonb, jsonpath, uuid,
// inet, cidr, macaddr, the bit strings.
constexpr std::array<Oid, 23> kSettled{
    18,       19,     kText, 1042,   1043, kBool, kBigint, 21,  kInteger, 26,    kReal, kDouble,
    kNumeric, kBytea, 114,   kJsonb, 4072, 2950,  869,     650, 829,      kBits, 1562};

template <std::size_t kCount>
bool is_one_of(const std::array<Oid, kCount>& list, Oid type) {
    return std::find(list.begin(), list.end(), type) != list.end();
}

bool takes_digits(std::string_view& text, std::size_t count) {
    const std::size_t found = std::min(text.find_first_not_of("0123456789"), text.size());
    if (found != count) {
        return false;
    }
    text.remove_prefix(count);
    return true;
}

bool takes(std::string_view& text, std::string_view what) {
    if (!text.starts_with(what)) {
        return false;
    }
    text.remove_prefix(what.size());
    return true;
}

// 12:34, 12:34:56, 12:34:56.789
bool takes_time(std::string_view& text) {
    if (!takes_digits(text, 2) || !takes(text, ":") || !takes_digits(text, 2)) {
        return false;
    }
    if (takes(text, ":") && !takes_digits(text, 2)) {
        return false;
    }
    if (takes(text, ".")) {
        text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
    }
    return true;
}

// The forms that no DateStyle reads otherwise.
bool is_iso(std::string_view text, Oid type) {
    if (type == kTime) {
        return takes_time(text) && text.empty();
    }
    if (text == "infinity" || text == "-infinity" || text == "epoch") {
        return true;
    }
    if (!takes_digits(text, 4) || !takes(text, "-") || !takes_digits(text, 2) ||
        !takes(text, "-") || !takes_digits(text, 2)) {
        return false;
    }
    if ((takes(text, " ") || takes(text, "T")) && !takes_time(text)) {
        return false;
    }
    if (type == kTimestamptz) {
        if (takes(text, "Z")) {
            return text.empty();
        }
        if (!(takes(text, "+") || takes(text, "-")) || !takes_digits(text, 2) ||
            (takes(text, ":") && !takes_digits(text, 2))) {
            return false;
        }
    }
    return text.empty();
}

// The numbers, each of which becomes any of those behind it.
constexpr std::array<Oid, 6> kNumbers{21, kInteger, kBigint, kNumeric, kReal, kDouble};

// Stable, since they take anything and write it as text; of what is_settled_as_text(), nothing in
// them asks for a setting.
constexpr std::array<std::string_view, 11> kOfTexts{"concat",
                                                    "concat_ws",
                                                    "textanycat",
                                                    "anytextcat",
                                                    "array_to_string",
                                                    "jsonb_build_object",
                                                    "json_build_object",
                                                    "jsonb_build_array",
                                                    "json_build_array",
                                                    "to_jsonb",
                                                    "to_json"};

// timezone_abbreviations, which a user sets, says what EST means; but not what these do.
bool is_zone(std::string_view zone) {
    const auto is = [&](std::string_view name) {
        return std::equal(zone.begin(), zone.end(), name.begin(), name.end(),
                          [](char a, char b) { return (a & ~0x20) == b; });
    };
    return is("UTC") || is("GMT") || zone.find('/') != std::string_view::npos;
}

// Which argument is the name of a time zone; the number of arguments where none is.
std::size_t zone_argument(const Function& function, std::size_t count) {
    if (!function.builtin) {
        return count;
    }
    if (function.name == "timezone") {
        return function.argument_type_oids[0] == kText ? 0 : count;
    }
    const bool takes_zone = function.name == "date_trunc" || function.name == "date_add" ||
                            function.name == "date_subtract";
    return takes_zone && count == 3 ? 2 : count;
}

// Called immutable by the server, and they are not: timestamptz_age() counts in the session's zone.
std::string_view setting_of(const Function& function) {
    if (function.builtin && function.name == "quote_ident") {
        return "quote_all_identifiers";
    }
    const auto& types = function.argument_type_oids;
    const bool zoned = std::find(types.begin(), types.end(), kTimestamptz) != types.end();
    return function.builtin && function.name == "age" && zoned ? "TimeZone" : "";
}

// As array_in() has it where array_nulls is on: NULL without quotes.
bool has_null_word(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
    }
    return lower.find("null") != std::string::npos;
}

// bytea_output and extra_float_digits say how these are written.
bool styled(Oid type) {
    return type == kBytea || type == kReal || type == kDouble;
}

}  // namespace

Meaning::Value Meaning::fail(std::string why) {
    if (why_.empty()) {
        why_ = std::move(why);
    }
    return {};
}

Meaning::Value Meaning::number(std::string_view text) {
    // Digits alone: a bigint where it holds them (scan.l, make_const).
    constexpr std::size_t kBigintDigits = 18;
    return {text.find_first_not_of("-0123456789") == std::string_view::npos &&
                    text.size() <= kBigintDigits
                ? kBigint
                : kNumeric};
}

Meaning::Value Meaning::integer() {
    return {kInteger};
}

Meaning::Value Meaning::boolean() {
    return {kBool};
}

Meaning::Value Meaning::bits() {
    return {kBits};
}

bool Meaning::is_string(Oid type) const {
    return is_one_of(kStrings, type) || is_text_like(type, *catalog_);
}

// What reads and writes a value as text asks for no setting, but see styled().
bool Meaning::is_settled(Oid oid) const {
    const Type* type = catalog_->type(oid);
    return is_one_of(kSettled, oid) || is_string(oid) || (type != nullptr && type->kind == 'e');
}

bool Meaning::is_settled_as_text(Oid type) const {
    const Oid each = element(type) == 0 ? type : element(type);
    return is_settled(each) && !styled(each);
}

Oid Meaning::element(Oid oid) const {
    const Type* type = catalog_->type(oid);
    return type == nullptr ? 0 : type->element;
}

Oid Meaning::array_of(Oid oid) const {
    const auto all = catalog_->types();
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const Type& each) { return oid != 0 && each.element == oid; });
    return found == all.end() ? 0 : found->oid;
}

std::string Meaning::title(Oid oid) const {
    const Type* type = catalog_->type(oid);
    return type == nullptr ? "value of unknown type" : type->name;
}

// A constant that has no type yet is read as a value of this one.
void Meaning::reads(const Value& literal, Oid type) {
    if (!literal.literal || literal.null || type == 0) {
        return;
    }
    const Type* known = catalog_->type(type);
    if (known != nullptr && known->kind == 'p') {
        return;  // a text
    }
    const std::string text = "'" + std::string(literal.text) + "'";
    const Oid each = element(type);
    if (each != 0 && has_null_word(literal.text)) {
        fail("it has the array " + text +
             ", which may mean another under another array_nulls; write it as ARRAY[…]");
    } else if (is_settled(each == 0 ? type : each)) {
        return;
    }
    switch (type) {
        case kDate:
        case kTimestamp:
        case kTime:
        case kTimestamptz:
            if (!is_iso(literal.text, type)) {
                fail("it has " + text + " as a " + title(type) +
                     ", which may mean another under another DateStyle or TimeZone; write " +
                     (type == kTime          ? "'12:34:56'"
                      : type == kTimestamptz ? "'2026-01-31 12:34:56+00'"
                                             : "'2026-01-31'"));
            }
            return;
        case kInterval:
            if (begins_negative(literal.text)) {
                fail("it has the interval " + text +
                     ", which may mean another under another IntervalStyle; subtract it");
            }
            return;
        default:
            fail("it has " + text + " as a " + title(type) +
                 ", and vitrine does not know that this means the same in each session");
    }
}

void Meaning::converts(Oid from, Oid to) {
    if ((from == to && from != 0) || !why_.empty()) {
        return;
    }
    if (element(from) != 0 && element(to) != 0) {
        converts(element(from), element(to));
        return;
    }
    const auto time = [](Oid type) { return type == kDate || type == kTime || type == kTimestamp; };
    if ((time(from) && time(to)) ||
        (is_settled(from) && is_settled(to) && !(styled(from) && is_string(to)))) {
        return;
    }
    const auto zoned = [](Oid type) { return type == kTimestamptz || type == kTimetz; };
    fail("it makes a " + title(to) + " of a " + title(from) +
         ", which may hang on settings of the session, such as TimeZone" +
         (zoned(from) || zoned(to)           ? "; write it with AT TIME ZONE 'UTC'"
          : from == kReal || from == kDouble ? "; make it numeric first"
          : from == kBytea                   ? "; write it with encode()"
          : time(from) || from == kInterval  ? "; take its parts by date_part()"
          : from == 0                        ? "; write a cast of it"
                                             : ""));
}

void Meaning::becomes(const Value& value, Oid type) {
    if (catalog_ == nullptr) {
        return;
    }
    if (value.literal) {
        reads(value, type);
    } else {
        converts(value.type, type);
    }
}

// A polymorphic argument. The pseudo-types of another sort take more than they would, which does
// no harm: each candidate must do.
bool Meaning::takes_any(Oid wanted, Oid given) const {
    const Type* type = catalog_->type(given);
    const char kind = type == nullptr ? 'b' : type->kind;
    switch (wanted) {
        case 2277:  // anyarray, anycompatiblearray
        case 5078:
            return element(given) != 0;
        case 3500:  // anyenum
            return kind == 'e';
        case 3831:  // anyrange, anycompatiblerange
        case 5080:
            return kind == 'r';
        case 4537:  // anymultirange, anycompatiblemultirange
        case 4538:
            return kind == 'm';
        case 2249:  // record
            return kind == 'c';
        case 2275:  // cstring
            return false;
        default:
            return true;
    }
}

bool Meaning::accepts(const Candidate& candidate, Values arguments, bool exactly) const {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i].literal || (arguments[i].type == 0 && !exactly)) {
            continue;
        }
        if (i >= candidate.types.size()) {
            if (exactly) {
                return false;
            }
            continue;  // VARIADIC
        }
        const Oid wanted = candidate.types[i];
        if (wanted == arguments[i].type) {
            continue;
        }
        const Type* type = catalog_->type(wanted);
        if (exactly || type == nullptr) {
            return false;
        }
        const auto& sources = type->implicit_sources;
        if (type->kind == 'p'
                ? !takes_any(wanted, arguments[i].type)
                : std::find(sources.begin(), sources.end(), arguments[i].type) == sources.end()) {
            return false;
        }
    }
    return true;
}

// As far as the server's own way is followed (func_select_candidate, oper_select_candidate): what
// takes the arguments as they are; else what takes most of them so, and of that what takes most as
// they are or as the preferred type of their category.
void Meaning::narrow(std::vector<Candidate>& candidates, Values arguments, Values alike) const {
    const bool typed = std::any_of(arguments.begin(), arguments.end(),
                                   [](const Value& each) { return !each.literal; });
    // Strings but text, and cidr, have next to nothing of their own.
    std::vector<Value> relabelled(alike.begin(), alike.end());
    for (Value& each : relabelled) {
        each.type = each.type != 18 && is_string(each.type) ? kText
                    : each.type == 650                      ? Oid{869}
                                                            : each.type;
    }
    const std::array<Values, 3> tries{alike, arguments, relabelled};
    for (const Values& tried : tries) {
        const auto exact = [&](const Candidate& each) { return accepts(each, tried, true); };
        if (typed && std::any_of(candidates.begin(), candidates.end(), exact)) {
            std::erase_if(candidates, [&](const Candidate& each) { return !exact(each); });
            break;
        }
    }
    std::erase_if(candidates,
                  [&](const Candidate& each) { return !accepts(each, arguments, false); });
    const bool all_known =
        std::none_of(arguments.begin(), arguments.end(),
                     [](const Value& each) { return !each.literal && each.type == 0; }) &&
        std::all_of(candidates.begin(), candidates.end(),
                    [&](const Candidate& each) { return each.types.size() == arguments.size(); });
    if (!all_known) {
        return;
    }
    const auto preferred = [&](Oid wanted, Oid given) {
        const Type* type = catalog_->type(wanted);
        const Type* of = catalog_->type(given);
        return type != nullptr && of != nullptr && type->preferred &&
               type->category == of->category;
    };
    for (const bool or_preferred : {false, true}) {
        const auto taken = [&](const Candidate& each) {
            std::size_t count = 0;
            for (std::size_t i = 0; i < arguments.size(); ++i) {
                count += !arguments[i].literal &&
                         (each.types[i] == arguments[i].type ||
                          (or_preferred && preferred(each.types[i], arguments[i].type)));
            }
            return count;
        };
        std::size_t most = 0;
        for (const Candidate& each : candidates) {
            most = std::max(most, taken(each));
        }
        std::erase_if(candidates, [&](const Candidate& each) { return taken(each) < most; });
    }
    // A constant without a type is a text where it may be.
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto as_string = [&](const Candidate& each) {
            const Type* type = catalog_->type(each.types[i]);
            return type != nullptr && type->category == 'S';
        };
        if (arguments[i].literal && std::any_of(candidates.begin(), candidates.end(), as_string)) {
            std::erase_if(candidates, [&](const Candidate& each) { return !as_string(each); });
        }
    }
}

void Meaning::check_volatility(const Function& function, Values arguments,
                               const std::string& name) {
    const bool of_the_moment =
        function.builtin && (function.name == "now" || function.name == "transaction_timestamp" ||
                             function.name == "statement_timestamp");
    const bool of_texts =
        function.builtin &&
        std::find(kOfTexts.begin(), kOfTexts.end(), function.name) != kOfTexts.end() &&
        std::all_of(arguments.begin(), arguments.end(), [&](const Value& each) {
            return each.literal || is_settled_as_text(each.type);
        });
    // Of a function of the DBA's own, it is theirs to say; an extension's may have settings.
    const bool others = function.builtin || !function.extension.empty();
    const std::size_t zone = zone_argument(function, arguments.size());
    const bool has_zone = zone < arguments.size();
    const bool in_zone = has_zone && function.name == "date_trunc";
    // The database's own encoding: nothing is converted.
    const bool in_utf8 = function.builtin &&
                         (function.name == "convert_to" || function.name == "convert_from") &&
                         arguments.size() == 2 && arguments[1].text == "UTF8";
    if (function.volatility == 'v') {
        fail("it calls " + name + ", which is volatile");
    } else if (function.volatility != 'i' && others && !of_the_moment && !of_texts && !in_zone &&
               !in_utf8) {
        fail("it calls " + name +
             ", which may hang on settings of the session, such as TimeZone, with these "
             "arguments; write it with AT TIME ZONE 'UTC' and types without time zone, or with "
             "a cast of each argument");
    } else if (const auto setting = setting_of(function); !setting.empty()) {
        fail("it calls " + name + ", which hangs on the session's " + std::string(setting));
    } else if (has_zone && !(arguments[zone].literal && is_zone(arguments[zone].text))) {
        fail("it calls " + name +
             " with a time zone that may mean another under another timezone_abbreviations; write "
             "'UTC' or a name like 'Europe/Berlin'");
    }
}

void Meaning::check(const Candidate& candidate, Values arguments, Values alike,
                    const std::string& name) {
    if (candidate.function == nullptr) {
        fail("it calls " + name + ", whose function is not in the catalog");
        return;
    }
    check_volatility(*candidate.function, arguments, name);
    constexpr Oid kAny = 2276;
    const auto settled = [&](const Value& each) {
        return each.literal || is_settled(element(each.type) == 0 ? each.type : element(each.type));
    };
    for (std::size_t i = 0; i < arguments.size() && !candidate.types.empty(); ++i) {
        // VARIADIC: what is left is of the last one's elements.
        const bool last = i >= candidate.types.size();
        const Oid wanted = !last                                  ? candidate.types[i]
                           : element(candidate.types.back()) != 0 ? element(candidate.types.back())
                                                                  : candidate.types.back();
        const Type* declared = catalog_->type(wanted);
        if (declared == nullptr || declared->kind != 'p') {
            reads(arguments[i], wanted);
        } else if (alike[i].type != 0) {
            reads(arguments[i], alike[i].type);
        } else if (arguments[i].literal && !arguments[i].null && wanted != kAny &&
                   !std::all_of(arguments.begin(), arguments.end(), settled)) {
            fail("it calls " + name + " with '" + std::string(arguments[i].text) +
                 "', whose type hangs on the other arguments; write a cast of it");
        }
        if (!arguments[i].literal && arguments[i].type != wanted &&
            (wanted == kTimestamptz || wanted == kTimetz)) {
            fail("it makes a " + title(wanted) + " of another type for " + name +
                 ", which hangs on the session's TimeZone; write a cast to timestamp");
        }
    }
}

// The server takes one of the candidates; where it is not certain which, each must do.
Meaning::Value Meaning::called(std::vector<Candidate> candidates, Values arguments,
                               const std::string& name) {
    // A constant beside a value of some type is first taken for one of the same.
    std::vector<Value> alike(arguments.begin(), arguments.end());
    if (arguments.size() == 2 && arguments[0].literal != arguments[1].literal) {
        const Oid type = arguments[arguments[0].literal ? 1 : 0].type;
        alike[arguments[0].literal ? 0 : 1] = {type, false, {}, false};
    }
    narrow(candidates, arguments, alike);
    if (candidates.empty()) {
        return fail("it calls " + name + ", which is not there for these arguments");
    }
    Oid result = candidates.front().result;
    for (const Candidate& each : candidates) {
        result = each.result == result ? result : 0;
        check(each, arguments, alike, name);
    }
    const Type* type = catalog_->type(result);
    return {type != nullptr && type->kind == 'p' ? 0 : result};
}

Meaning::Value Meaning::function(std::string_view schema, std::string_view name, Values arguments) {
    if (catalog_ == nullptr || !why_.empty()) {
        return {};
    }
    std::vector<Candidate> candidates;
    for (const Function* function : catalog_->functions(name)) {
        if (function->schema == schema && function->arguments_min <= arguments.size() &&
            arguments.size() <= function->arguments_max) {
            candidates.push_back({function->argument_type_oids, function, function->result_type});
        }
    }
    return called(std::move(candidates), arguments, std::string(schema) + "." + std::string(name));
}

Meaning::Value Meaning::operation(std::string_view schema, std::string_view name,
                                  Values arguments) {
    if (catalog_ == nullptr || !why_.empty()) {
        return {};
    }
    std::vector<Candidate> candidates;
    for (const Operator* each : catalog_->operators(name)) {
        if (each->schema == schema && (each->left == 0) == (arguments.size() == 1)) {
            std::vector<Oid> types;
            if (each->left != 0) {
                types.push_back(each->left);
            }
            types.push_back(each->right);
            candidates.push_back(
                {std::move(types), catalog_->function(each->function), each->result});
        }
    }
    return called(std::move(candidates), arguments,
                  "operator " + std::string(schema) + "." + std::string(name));
}

Meaning::Value Meaning::any_of(const Value& of, std::string_view schema, std::string_view name,
                               const Value& x) {
    if (catalog_ == nullptr || !why_.empty()) {
        return {};
    }
    Value each{element(of.type)};
    if (of.literal) {
        const Oid array = array_of(x.type);
        if (array == 0) {
            return fail("it has an array whose type vitrine does not know; write a cast of it");
        }
        reads(of, array);
        each = {x.type};
    }
    const std::array<Value, 2> arguments{x, each};
    return operation(schema, name, arguments);
}

Meaning::Value Meaning::cast(const Value& from, bool is_number, std::string_view schema,
                             std::string_view name, bool array) {
    if (catalog_ == nullptr || !why_.empty()) {
        return {};
    }
    Oid target = 0;
    for (const Type* type : catalog_->types(name)) {
        target = type->schema == schema ? type->oid : target;
    }
    if (array) {
        target = array_of(target);
    }
    const Type* type = catalog_->type(target);
    if (type == nullptr || type->kind == 'd') {
        return fail("it has a cast to a type that is not there, or is a domain");
    }
    // A number's own type does not matter: it is written without a setting.
    if (!is_number || !is_one_of(kSettled, target)) {
        becomes(from, target);
    }
    return {target};
}

Meaning::Value Meaning::merged(Values values) {
    if (catalog_ == nullptr || !why_.empty()) {
        return {};
    }
    std::vector<Oid> types;
    for (const Value& each : values) {
        if (!each.literal) {
            types.push_back(each.type);
        }
    }
    const auto rank = [](Oid type) {
        return std::find(kNumbers.begin(), kNumbers.end(), type) - kNumbers.begin();
    };
    const auto all = [&](auto is) { return std::all_of(types.begin(), types.end(), is); };
    Oid type = types.empty() ? kText : types.front();
    if (!all([&](Oid each) { return each == type; })) {
        // As select_common_type() has it of these.
        if (all([](Oid each) { return is_one_of(kNumbers, each); })) {
            type = *std::max_element(types.begin(), types.end(),
                                     [&](Oid a, Oid b) { return rank(a) < rank(b); });
        } else {
            const bool text = std::find(types.begin(), types.end(), kText) != types.end();
            type = text && all([&](Oid each) { return is_string(each); }) ? kText : 0;
        }
    }
    for (const Value& each : values) {
        if (type == 0 && each.literal && !each.null) {
            fail("it has '" + std::string(each.text) +
                 "' beside values of more than one type; write a cast of it");
        } else if (type == 0 && (each.type == kTimestamptz || each.type == kTimetz)) {
            fail("it makes a " + title(each.type) +
                 " of another type, which hangs on the session's TimeZone");
        }
        reads(each, type);
    }
    return {type};
}

Meaning::Value Meaning::array(Values elements) {
    const Value each = merged(elements);
    return catalog_ == nullptr ? Value{} : Value{array_of(each.type)};
}

Meaning::Value Meaning::subscripted(const Value& of, Values indices, bool slice) {
    if (catalog_ == nullptr || !why_.empty()) {
        return {};
    }
    for (const Value& index : indices) {
        reads(index, of.type == kJsonb ? kText : kInteger);
    }
    return {slice || of.type == kJsonb ? of.type : element(of.type)};
}

void Meaning::truth(const Value& value) {
    if (catalog_ == nullptr || !why_.empty()) {
        return;
    }
    reads(value, kBool);
    if (!value.literal && value.type != kBool) {
        fail("it has a part that is no condition: its type is not boolean, or not known");
    }
}

}  // namespace vitrine::parser
