// A parameter's value in binary format, as text: what the query log has of it.
//
// PostgreSQL documentation, "Formats and Format Codes"; what each type sends is its receive
// function's business (src/backend/utils/adt), and has not changed in any version that speaks
// protocol 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::wire {

// As the type's own output function would write it, under ISO dates, UTC and the shortest exact
// digits of a float. nullopt: the type is not one of those known here (the built-in ones that
// drivers send, and arrays of them), or these are not bytes of it.
[[nodiscard]] std::optional<std::string> text_of_binary(std::uint32_t type, std::string_view bytes);

}  // namespace vitrine::wire
