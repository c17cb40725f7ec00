// Which functions are judged by name, and why: PostgreSQL's own whose volatility does not tell
// whether they only read, and the extensions whose functions are known. MASKING.md F.
//
// Constant tables. docs/functions.md is made from them, and a test holds it to that.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace vitrine::parser {

enum class BuiltinList : std::uint8_t {
    kVolatileAllowed,  // volatile, and only reads
    kVolatileRefused,  // volatile; those that are in no list are refused as well
    kStableRefused,    // stable or immutable, and refused all the same
    // Refused because it is a nuisance or tells more than a developer needs, not because it
    // changes something: a DBA may vouch for it by its full name.
    kByConfiguration,
    kByArgument,  // what it is called with decides
};

struct BuiltinGroup {
    BuiltinList list;
    // Completes "it …": why it is allowed, or what it would do.
    std::string_view reason;
    std::vector<std::string_view> names;
};

[[nodiscard]] std::span<const BuiltinGroup> builtin_groups();
// The group that decides on a function of this name and volatility; nullptr: volatility alone does.
[[nodiscard]] const BuiltinGroup* builtin_group(std::string_view name, char volatility);

// An extension whose functions are plain computations over their arguments where they are
// immutable or stable and written in C or SQL, but for what is named here.
struct TrustedExtension {
    std::string_view name;
    // Where not empty: these, and no others.
    std::vector<std::string_view> only;
    std::vector<std::string_view> refused;
    // Volatile, or written in PL/pgSQL, and plain computations all the same.
    std::vector<std::string_view> allowed;
    std::string_view why_refused;  // completes "it …"
};

[[nodiscard]] std::span<const TrustedExtension> trusted_extensions();
[[nodiscard]] const TrustedExtension* trusted_extension(std::string_view name);

// Extensions whose functions reach outside of what is judged: files, pages, other servers, SQL in
// strings. A pattern with a star does not vouch for them, each function must be named.
[[nodiscard]] std::span<const std::string_view> reaching_extensions();
[[nodiscard]] bool is_reaching_extension(std::string_view name);

}  // namespace vitrine::parser
