#include "auth/json_object.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/limits.h"

namespace vitrine::auth {
namespace {

namespace json = boost::json;

json::parse_options strict() {
    json::parse_options options;
    options.max_depth = limits::kTokenNestingMax;
    return options;
}

// Boost.JSON's parser keeps the last of two members with one name, silently. This handler sees
// every name, unescaped, before that happens, and stops at the second.
class MemberNames {
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    bool on_object_begin(json::error_code& /*ec*/) {
        open_.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t /*n*/, json::error_code& /*ec*/) {
        open_.pop_back();
        return true;
    }
    bool on_key_part(json::string_view part, std::size_t /*n*/, json::error_code& /*ec*/) {
        name_.append(part.data(), part.size());
        return true;
    }
    bool on_key(json::string_view part, std::size_t /*n*/, json::error_code& ec) {
        name_.append(part.data(), part.size());
        const bool fresh = open_.back().insert(std::exchange(name_, {})).second;
        if (!fresh) {
            ec = json::error::syntax;
        }
        return fresh;
    }

    bool on_document_begin(json::error_code& /*ec*/) { return true; }
    bool on_document_end(json::error_code& /*ec*/) { return true; }
    bool on_array_begin(json::error_code& /*ec*/) { return true; }
    bool on_array_end(std::size_t /*n*/, json::error_code& /*ec*/) { return true; }
    bool on_string_part(json::string_view /*s*/, std::size_t /*n*/, json::error_code& /*ec*/) {
        return true;
    }
    bool on_string(json::string_view /*s*/, std::size_t /*n*/, json::error_code& /*ec*/) {
        return true;
    }
    bool on_number_part(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
    bool on_int64(std::int64_t /*i*/, json::string_view /*s*/, json::error_code& /*ec*/) {
        return true;
    }
    bool on_uint64(std::uint64_t /*u*/, json::string_view /*s*/, json::error_code& /*ec*/) {
        return true;
    }
    bool on_double(double /*d*/, json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
    bool on_bool(bool /*b*/, json::error_code& /*ec*/) { return true; }
    bool on_null(json::error_code& /*ec*/) { return true; }
    bool on_comment_part(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
    bool on_comment(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }

  private:
    std::vector<std::set<std::string>> open_;
    std::string name_;
};

bool members_are_distinct(std::string_view text) {
    json::basic_parser<MemberNames> parser(strict());
    json::error_code error;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    return !error && read == text.size();
}

}  // namespace

std::optional<json::object> parse_object(std::string_view text) {
    if (!members_are_distinct(text)) {
        return std::nullopt;
    }
    json::error_code error;
    const json::string_view whole(text.data(), text.size());
    json::value value = json::parse(whole, error, json::storage_ptr(), strict());
    if (error || !value.is_object()) {
        return std::nullopt;
    }
    return std::move(value.get_object());
}

}  // namespace vitrine::auth
