#include "config/values.h"

#include "config/duration.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "config/files.h"
#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::config {
namespace {

constexpr std::size_t kShownBytesMax = 80;

std::string kind_of(const Node& node) {
    switch (node.kind) {
        case Node::Kind::kNull:
            return "empty";
        case Node::Kind::kScalar:
            return "a text";
        case Node::Kind::kSequence:
            return "a list";
        case Node::Kind::kMap:
            return "a map";
    }
    return "unknown";
}

std::string joined(const std::vector<std::string_view>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        text += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
        text += words[i];
    }
    return text;
}

// Edit distance, a swap of neighbours being one edit (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            const std::size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[a.size()][b.size()];
}

// A scalar written without quotes, as numbers are.
std::optional<std::string_view> plain_scalar(Reader& reader, const Value& value,
                                             std::string_view what) {
    if (value.node->kind != Node::Kind::kScalar) {
        reader.problem(value, "is " + kind_of(*value.node) + "; write " + std::string(what));
        return std::nullopt;
    }
    return value.node->text;
}

bool valid_host(const std::string& host, bool in_brackets) {
    if (in_brackets) {
        const std::string address = host.substr(0, host.find('%'));  // a zone may follow
        in6_addr parsed{};
        const std::string zone = host.substr(address.size());
        const bool zone_ok = zone.size() != 1 && std::all_of(zone.begin(), zone.end(), [](char c) {
                                 return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                                        c == '%' || c == '_' || c == '-' || c == '.';
                             });
        return zone_ok && inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
    }
    const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
    if (numeric) {
        in_addr parsed{};
        return inet_pton(AF_INET, host.c_str(), &parsed) == 1;
    }
    return host.size() <= 253 && host.front() != '-' && host.front() != '.' &&
           host.find("..") == std::string::npos &&
           std::all_of(host.begin(), host.end(), [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' ||
                      c == '_';
           });
}

bool valid_environment_name(std::string_view name) {
    return !name.empty() && (name.front() < '0' || name.front() > '9') &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
           });
}

std::string why(const boost::system::error_code& error) {
    if (error == boost::system::errc::invalid_argument) {
        return "it is not a regular file";
    }
    if (error == boost::system::errc::file_too_large) {
        return "it is too large";
    }
    return error.message();
}

void drop_newline(std::string& text) {
    if (text.ends_with('\n')) {
        text.pop_back();
        if (text.ends_with('\r')) {
            text.pop_back();
        }
    }
}

std::optional<Secret> secret_from_file(Reader& reader, const Value& value) {
    const auto path = read_path(reader, value);
    if (!path) {
        return std::nullopt;
    }
    auto bytes = read_file(*path, limits::kSecretBytesMax);
    if (bytes.has_error()) {
        reader.problem(value, "names " + shown(path->string()) +
                                  ", which cannot be read: " + why(bytes.error()));
        return std::nullopt;
    }
    drop_newline(*bytes);
    return Secret(std::move(*bytes));
}

std::optional<Secret> secret_from_environment(Reader& reader, const Value& value) {
    const auto name = read_text(reader, value);
    if (!name) {
        return std::nullopt;
    }
    // What is no name may be the secret itself: it is not shown.
    if (!valid_environment_name(*name)) {
        reader.problem(value,
                       "is not the name of an environment variable; write letters, digits and _");
        return std::nullopt;
    }
    const char* content = std::getenv(name->c_str());  // NOLINT(concurrency-mt-unsafe)
    if (content == nullptr) {
        reader.problem(value, "names the environment variable " + *name +
                                  ", which is not set; set it before starting vitrine");
        return std::nullopt;
    }
    std::string bytes = content;
    drop_newline(bytes);
    Secret secret(std::move(bytes));
    wipe(bytes);  // NOLINT(bugprone-use-after-move): a short text stays within the object
    return secret;
}

}  // namespace

std::string to_string(const Problem& problem) {
    return problem.position.file + ":" + std::to_string(problem.position.line) + ":" +
           std::to_string(problem.position.column) + ": " + problem.message;
}

std::string shown(std::string_view text) {
    const bool whole = text.size() <= kShownBytesMax;
    std::string_view rest = text.substr(0, kShownBytesMax);
    while (!whole && !rest.empty() &&
           (static_cast<unsigned char>(text[rest.size()]) & 0xc0U) == 0x80) {
        rest.remove_suffix(1);  // not through the middle of a character
    }
    std::string result = "\"";
    while (!rest.empty()) {
        const std::string_view before = rest;
        const auto character = take_character(rest);
        if (character && is_printable(before.substr(0, before.size() - rest.size()))) {
            result += before.substr(0, before.size() - rest.size());
            continue;
        }
        constexpr std::string_view kDigits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(before.front());
        result += "\\x";
        result += kDigits[byte >> 4U];
        result += kDigits[byte & 0x0fU];
        rest = before.substr(1);
    }
    return result + (whole ? "\"" : "…\"");
}

Nearest nearest(std::string_view text, const std::vector<std::string_view>& known) {
    Nearest best;
    std::size_t least = std::numeric_limits<std::size_t>::max();
    text = text.substr(0, kShownBytesMax);
    for (const std::string_view each : known) {
        // A word begun, or one that goes on, is nearer than letters in common.
        const bool begun = std::min(text.size(), each.size()) >= 3 &&
                           (each.starts_with(text) || text.starts_with(each));
        const std::size_t edits = begun ? 1 : distance(text, each);
        if (edits < least) {
            least = edits;
            best.word = each;
        }
    }
    best.close = !best.word.empty() && least <= std::max<std::size_t>(1, best.word.size() / 3);
    return best;
}

void Reader::problem(const Value& value, std::string_view message) {
    problem_at(*value.node,
               (value.path.empty() ? "the file" : value.path) + " " + std::string(message));
}

void Reader::problem_at_key(const Value& value, std::string_view message) {
    problem_at(value.key != nullptr ? *value.key : *value.node,
               (value.path.empty() ? "the file" : value.path) + " " + std::string(message));
}

void Reader::problem_at(const Node& node, std::string message) {
    problems_.push_back({position(node), std::move(message)});
}

void Reader::not_supported(const Value& value, std::string_view way_out) {
    problem_at_key(value, "is not supported yet; " + std::string(way_out));
}

std::filesystem::path Reader::resolve(std::string_view path) const {
    return file_.parent_path() / std::filesystem::path(path);
}

Fields::Fields(Reader& reader, Value value, std::initializer_list<std::string_view> known,
               Keys keys)
    : reader_(reader), value_(std::move(value)) {
    if (!is_map()) {
        reader_.problem(value_, "is " + kind_of(*value_.node) + "; write a map of " +
                                    joined(std::vector<std::string_view>(known)));
        return;
    }
    const std::string where = value_.path.empty() ? "" : " in " + value_.path;
    std::set<std::string_view> seen;
    for (const auto& [key, node] : value_.node->entries) {
        if (key->kind != Node::Kind::kScalar) {
            reader_.problem_at(*key, "a key" + where + " is " + kind_of(*key) + "; write one of " +
                                         joined(std::vector<std::string_view>(known)));
        } else if (std::find(known.begin(), known.end(), key->text) == known.end()) {
            const auto best = nearest(key->text, std::vector<std::string_view>(known));
            const std::string name = keys == Keys::kShown ? " " + shown(key->text) : "";
            const std::string hint = key->text == "<<" ? "merge keys are not supported; write the "
                                                         "keys out (nearest: "
                                     : best.close      ? "did you mean "
                                                       : "the nearest known one is ";
            reader_.problem_at(*key, "unknown key" + name + where + "; " + hint +
                                         std::string(best.word) +
                                         (key->text == "<<" ? ")"
                                          : best.close      ? "?"
                                                            : ""));
            if (best.close) {
                misspelt_.emplace(best.word);
            }
        } else if (!seen.insert(key->text).second) {
            reader_.problem_at(
                *key, "duplicate key " + shown(key->text) + where + "; leave one of them out");
        }
    }
}

std::optional<Value> Fields::find(std::string_view key) const {
    for (const auto& [name, node] : value_.node->entries) {
        if (name->kind == Node::Kind::kScalar && name->text == key) {
            const std::string prefix = value_.path.empty() ? "" : value_.path + ".";
            return Value{node.get(), name.get(), prefix + std::string(key)};
        }
    }
    return std::nullopt;
}

std::optional<Value> Fields::require(std::string_view key, std::string_view way_out) {
    auto value = find(key);
    // What is no map, or has the key with a slip in it, was reported already.
    if (!value && is_map() && !misspelt_.contains(key)) {
        const std::string prefix = value_.path.empty() ? "" : value_.path + ".";
        reader_.problem_at(value_.key != nullptr ? *value_.key : *value_.node,
                           prefix + std::string(key) + " is missing; " + std::string(way_out));
    }
    return value;
}

std::vector<std::pair<std::string, Value>> read_named(Reader& reader, const Value& value) {
    std::vector<std::pair<std::string, Value>> entries;
    if (value.node->kind != Node::Kind::kMap) {
        reader.problem(value, "is " + kind_of(*value.node) + "; write a map from names");
        return entries;
    }
    std::set<std::string_view> seen;
    for (const auto& [key, node] : value.node->entries) {
        if (key->kind != Node::Kind::kScalar || key->text.empty()) {
            reader.problem_at(*key,
                              "a key in " + value.path + " is " +
                                  (key->kind == Node::Kind::kScalar ? "empty" : kind_of(*key)) +
                                  "; write a name");
        } else if (!seen.insert(key->text).second) {
            reader.problem_at(*key, "duplicate key " + shown(key->text) + " in " + value.path +
                                        "; leave one of them out");
        } else {
            const std::string name = is_printable(key->text) ? key->text : shown(key->text);
            entries.emplace_back(key->text, Value{node.get(), key.get(), value.path + "." + name});
        }
    }
    return entries;
}

std::vector<Value> read_list(Reader& reader, const Value& value, std::string_view empty_message) {
    std::vector<Value> items;
    if (value.node->kind != Node::Kind::kSequence) {
        reader.problem(value, "is " + kind_of(*value.node) + "; write a list: [ … ]");
        return items;
    }
    for (const auto& item : value.node->items) {
        items.push_back(
            {item.get(), nullptr, value.path + "[" + std::to_string(items.size()) + "]"});
    }
    if (items.empty() && !empty_message.empty()) {
        reader.problem(value, "is an empty list; " + std::string(empty_message));
    }
    return items;
}

std::optional<std::string> read_text(Reader& reader, const Value& value) {
    if (value.node->kind != Node::Kind::kScalar) {
        reader.problem(value, "is " + kind_of(*value.node) + "; write a text");
        return std::nullopt;
    }
    if (value.node->text.empty()) {
        reader.problem(value, "is empty; write a text");
        return std::nullopt;
    }
    if (!is_printable(value.node->text)) {
        reader.problem(value, "has a control character in it; remove it");
        return std::nullopt;
    }
    return value.node->text;
}

std::optional<std::uint64_t> read_integer(Reader& reader, const Value& value, std::uint64_t min,
                                          std::uint64_t max) {
    const std::string what =
        "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    const auto text = plain_scalar(reader, value, what);
    if (!text) {
        return std::nullopt;
    }
    std::uint64_t number = 0;
    const char* const end = text->data() + text->size();
    const auto [stopped, error] = std::from_chars(text->data(), end, number);
    if (value.node->quoted) {
        reader.problem(value, "is a text in quotes; write " + what + ", without quotes");
    } else if (error != std::errc() || stopped != end || number < min || number > max) {
        reader.problem(value, "is " + shown(*text) + "; write " + what);
    } else {
        return number;
    }
    return std::nullopt;
}

std::optional<double> read_positive(Reader& reader, const Value& value) {
    const auto text = plain_scalar(reader, value, "a number such as 1e8");
    if (!text) {
        return std::nullopt;
    }
    double number = 0;
    const char* const end = text->data() + text->size();
    const auto [stopped, error] = std::from_chars(text->data(), end, number);
    if (value.node->quoted || error != std::errc() || stopped != end || !std::isfinite(number) ||
        number <= 0) {
        reader.problem(value, "is " + shown(*text) + "; write a number above 0, such as 1e8");
        return std::nullopt;
    }
    return number;
}

namespace {

// A whole number above 0 and a unit. Empty: not of that form. Saturates.
struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
std::optional<std::uint64_t> with_unit(std::string_view text, std::initializer_list<Unit> units) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc::invalid_argument || (error == std::errc() && number == 0)) {
        return std::nullopt;
    }
    const std::string_view name(stopped, static_cast<std::size_t>(end - stopped));
    for (const Unit& unit : units) {
        if (unit.name == name) {
            constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
            const bool over = error != std::errc() || number > kMost / unit.factor;
            return over ? kMost : number * unit.factor;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
    const auto seconds = with_unit(text, {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}});
    if (!seconds) {
        return std::nullopt;
    }
    constexpr auto kMost = std::chrono::seconds::max().count();
    return std::chrono::seconds(
        static_cast<std::int64_t>(std::min(*seconds, static_cast<std::uint64_t>(kMost))));
}

std::optional<std::chrono::seconds> read_duration(Reader& reader, const Value& value,
                                                  std::chrono::seconds max) {
    const auto text = plain_scalar(reader, value, "a duration such as 90s, 15m, 12h or 400d");
    if (!text) {
        return std::nullopt;
    }
    const auto seconds = parse_duration(*text);
    if (!seconds) {
        reader.problem(value,
                       "is " + shown(*text) + "; write a duration such as 90s, 15m, 12h or 400d");
        return std::nullopt;
    }
    if (*seconds > max) {
        reader.problem(
            value, "is " + shown(*text) + "; write at most " + std::to_string(max.count()) + "s");
        return std::nullopt;
    }
    return seconds;
}

std::optional<std::uint64_t> read_size(Reader& reader, const Value& value) {
    const auto text = plain_scalar(reader, value, "a size such as 64KiB or 256MiB");
    if (!text) {
        return std::nullopt;
    }
    constexpr std::uint64_t kKi = 1024;
    const auto bytes = with_unit(*text, {{"B", 1},
                                         {"KiB", kKi},
                                         {"MiB", kKi * kKi},
                                         {"GiB", kKi * kKi * kKi},
                                         {"TiB", kKi * kKi * kKi * kKi}});
    if (!bytes || *bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        reader.problem(value, "is " + shown(*text) + "; write a size such as 64KiB or 256MiB");
        return std::nullopt;
    }
    return bytes;
}

std::optional<ServerAddress> read_address(Reader& reader, const Value& value) {
    constexpr std::string_view kForm = "host:port, or \"[::1]:6432\" with the quotes";
    if (value.node->kind != Node::Kind::kScalar) {
        // [::1]:6432 without quotes begins a YAML list.
        reader.problem(value, "is " + kind_of(*value.node) + "; write " + std::string(kForm));
        return std::nullopt;
    }
    const std::string_view text = value.node->text;
    const auto wrong = [&](std::string_view what) {
        reader.problem(value, "is " + shown(text) + ", " + std::string(what) + "; write " +
                                  std::string(kForm));
        return std::nullopt;
    };
    ServerAddress address;
    const bool brackets = text.starts_with('[');
    const std::size_t colon = text.rfind(':');
    const std::size_t bracket = text.rfind(']');
    if (brackets && (bracket == std::string_view::npos || bracket + 1 != colon)) {
        return wrong("which has no port behind its brackets");
    }
    if (!brackets && text.find(':') != colon) {
        return wrong("an IPv6 address without brackets");
    }
    if (colon == std::string_view::npos) {
        return wrong("which has no port");
    }
    address.host = brackets ? text.substr(1, bracket - 1) : text.substr(0, colon);
    if (address.host.empty()) {
        return wrong("which has no host (0.0.0.0 is every IPv4 address of this machine)");
    }
    if (!valid_host(address.host, brackets)) {
        return wrong("whose host is neither a name nor an address");
    }
    const std::string_view port = text.substr(colon + 1);
    const auto [stopped, error] =
        std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || stopped != port.data() + port.size() || address.port == 0) {
        return wrong("whose port is not a number from 1 to 65535");
    }
    return address;
}

std::optional<std::size_t> read_word(Reader& reader, const Value& value,
                                     std::initializer_list<std::string_view> words) {
    const std::vector<std::string_view> known(words);
    if (value.node->kind != Node::Kind::kScalar) {
        reader.problem(value, "is " + kind_of(*value.node) + "; choose " + joined(known));
        return std::nullopt;
    }
    const auto* const found = std::find(words.begin(), words.end(), value.node->text);
    if (found == words.end()) {
        reader.problem(value, "is " + shown(value.node->text) + "; choose " + joined(known));
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - words.begin());
}

std::vector<std::string> read_groups(Reader& reader, const Value& value) {
    std::vector<std::string> groups;
    Fields fields(reader, value, {"groups"});
    const auto list = fields.require("groups", "name the groups: {groups: [fraud]}");
    if (!list) {
        return groups;
    }
    for (const Value& item : read_list(reader, *list, "name a group, or leave it out")) {
        if (const auto group = read_text(reader, item)) {
            if (*group == "*") {
                reader.problem(item, "is *, which would except everybody; name groups");
            }
            groups.push_back(*group);
        }
    }
    return groups;
}

std::optional<std::filesystem::path> read_path(Reader& reader, const Value& value) {
    const auto text = read_text(reader, value);
    return text ? std::optional(reader.resolve(*text)) : std::nullopt;
}

std::optional<Secret> read_secret(Reader& reader, const Value& value) {
    if (value.node->kind == Node::Kind::kScalar) {
        reader.problem(value,
                       "is written inline; put it into a file or the environment and write "
                       "{file: PATH} or {env: NAME}");
        return std::nullopt;
    }
    if (value.node->kind != Node::Kind::kMap) {
        reader.problem(value, "is " + kind_of(*value.node) + "; write {file: PATH} or {env: NAME}");
        return std::nullopt;
    }
    const std::size_t before = reader.problems().size();
    const Fields fields(reader, value, {"file", "env"}, Fields::Keys::kSecret);
    const auto file = fields.find("file");
    const auto env = fields.find("env");
    if (reader.problems().size() != before) {
        return std::nullopt;
    }
    if (file.has_value() == env.has_value()) {
        reader.problem_at_key(value, file ? "has both a file and an env; leave one of them out"
                                          : "has neither; write {file: PATH} or {env: NAME}");
        return std::nullopt;
    }
    auto secret = file ? secret_from_file(reader, *file) : secret_from_environment(reader, *env);
    const Value& source = file ? *file : *env;
    if (secret && secret->empty()) {
        reader.problem(source, "names a secret that is empty; fill it");
        return std::nullopt;
    }
    if (secret && secret->reveal().find('\0') != std::string_view::npos) {
        reader.problem(source, "names a secret with a NUL byte in it; replace it");
        return std::nullopt;
    }
    return secret;
}

std::optional<std::string> read_named_file(Reader& reader, const Value& value,
                                           const std::filesystem::path& path) {
    auto bytes = read_file(path, limits::kSecretBytesMax);
    if (bytes.has_error()) {
        reader.problem(value, "names " + shown(path.string()) +
                                  ", which cannot be read: " + why(bytes.error()));
        return std::nullopt;
    }
    return std::move(*bytes);
}

}  // namespace vitrine::config
