#include "tests/parser/function_document.h"

#include <string_view>
#include <vector>

#include "parser/readonly/function_lists.h"

namespace vitrine::parser::test {
namespace {

template <typename Names>
std::string listed(const Names& names) {
    std::string text;
    for (const std::string_view name : names) {
        text += (text.empty() ? "`" : ", `") + std::string(name) + "`";
    }
    return text;
}

std::string table_of(BuiltinList list) {
    std::string text = "| it … | functions |\n| --- | --- |\n";
    for (const BuiltinGroup& group : builtin_groups()) {
        if (group.list == list) {
            text += "| " + std::string(group.reason) + " | " + listed(group.names) + " |\n";
        }
    }
    return text + "\n";
}

std::string note_on(const TrustedExtension& extension) {
    std::string note;
    const auto add = [&](const std::string& part) { note += (note.empty() ? "" : " ") + part; };
    if (!extension.only.empty()) {
        add("Only " + listed(extension.only) + ".");
    }
    if (!extension.refused.empty()) {
        add("Not " + listed(extension.refused) + ".");
    }
    if (!extension.why_refused.empty()) {
        add("What is refused " + std::string(extension.why_refused) + ".");
    }
    if (!extension.allowed.empty()) {
        add("Although volatile or procedural: " + listed(extension.allowed) + ".");
    }
    return note;
}

}  // namespace

std::string functions_document() {
    std::string text =
        R"(<!-- Made from parser/readonly/function_lists.cpp: cmake --build DIRECTORY --target docs -->

# Which functions may be called

Every call is judged by what the server's catalog says of the function it could mean: written as
`f(x)`, as an operator, a cast, an aggregate, `x.f`, in `FROM`, behind a view or a row-security
policy. Where a name could mean several functions in the session's `search_path`, all that take so
many arguments must be allowed. What is refused fails with 42501, and the message names the
function and the reason.

| function | may be called |
| --- | --- |
| PostgreSQL's own, stable or immutable | yes, but for those below |
| PostgreSQL's own, volatile | only those below |
| with an argument or a result of type `internal`, procedures | no |
| of an extension below, stable or immutable, in C or SQL | yes, but for what is said there |
| of another extension | no, unless `functions.allow` names it |
| a user's | no, unless `functions.allow` names it: what the catalog says of it is no evidence |

Values of a type that an extension brings, in C, can be read whatever extension it is, but for those
under [Named one by one](#named-one-by-one).

## To allow more

One line a function or a group of them, in the configuration:

```yaml
functions:
  allow:
    - public.add_tax(numeric)      # this one
    - public.add_tax               # every form of it
    - reporting.*                  # every function in a schema
    - public.hll_*                 # those whose name begins so
    - pg_catalog.pg_sleep          # one of PostgreSQL's own, see "By configuration"
```

A function that is allowed runs as it is: what it reads is not masked, and what it calls is not
judged. Types are written as in `\df`; the schema of a type may be left out. A pattern with a star
does not reach PostgreSQL's own functions, those that are refused of an extension below, and those
of the extensions under "Named one by one": each of them must be named.

## PostgreSQL's own: volatile, and allowed

)";
    text += table_of(BuiltinList::kVolatileAllowed);
    text += "## PostgreSQL's own: depending on the argument\n\n";
    text += table_of(BuiltinList::kByArgument);
    text +=
        "## PostgreSQL's own: by configuration\n\nRefused unless `functions.allow` names it in "
        "full (`pg_catalog.pg_sleep`).\n\n";
    text += table_of(BuiltinList::kByConfiguration);
    text += "## PostgreSQL's own: stable or immutable, and refused\n\n";
    text += table_of(BuiltinList::kStableRefused);
    text +=
        "## PostgreSQL's own: volatile, and refused\n\nSo is every volatile function of a newer "
        "server that is in none of these lists.\n\n";
    text += table_of(BuiltinList::kVolatileRefused);
    text += "## Extensions that need no configuration\n\n| extension | but |\n| --- | --- |\n";
    for (const TrustedExtension& extension : trusted_extensions()) {
        text += "| " + std::string(extension.name) + " | " + note_on(extension) + " |\n";
    }
    text +=
        "\nWhere postgis_topology is in the search_path, `ST_Simplify(geometry, …)` could also "
        "mean\nthe one for topologies, which reads their tables: name "
        "`topology.st_simplify` under\n`functions.allow`, or leave `topology` out of the path.\n\n"
        "## Named one by one\n\nThese reach files, pages, other servers or SQL in strings. A "
        "pattern with a star does not\nvouch for their functions.\n\n" +
        listed(reaching_extensions()) + "\n";
    return text;
}

}  // namespace vitrine::parser::test
