// What a judgement takes for granted of the session that runs the text: how the server reads it,
// and whether it may write. Whoever opens such a session asks for kPins and finds kPinned before
// anything is run (proxy/session, proxy/replay).
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace vitrine::parser {

struct SessionSetting {
    std::string_view name;
    std::string_view value;
};

// In the StartupMessage, behind whatever else is set there.
inline constexpr std::array kPins = {
    SessionSetting{"default_transaction_read_only", "on"},
    SessionSetting{"standard_conforming_strings", "on"},
    SessionSetting{"backslash_quote", "safe_encoding"},
    SessionSetting{"transform_null_equals", "off"},
    SessionSetting{"client_encoding", "UTF8"},
};

// As current_setting() gives it. The last two most roles may not set. The role: a session that
// began with another one (ALTER ROLE … SET role) would lose it by SET ROLE NONE, and on some
// servers by DISCARD ALL.
inline constexpr std::array kPinned = {
    SessionSetting{"transaction_read_only", "on"},
    SessionSetting{"standard_conforming_strings", "on"},
    SessionSetting{"client_encoding", "UTF8"},
    SessionSetting{"backslash_quote", "safe_encoding"},
    SessionSetting{"transform_null_equals", "off"},
    SessionSetting{"session_replication_role", "origin"},
    SessionSetting{"role", "none"},
};

// One row: `first`, then the settings of kPinned in their order.
[[nodiscard]] std::string pinned_query(std::string_view first);

// The SET that a setting of a StartupMessage is equal to, to be judged as such.
[[nodiscard]] std::string as_set(std::string_view name, std::string_view value);

}  // namespace vitrine::parser
