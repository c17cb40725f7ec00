#include "parser/session_settings.h"

namespace vitrine::parser {

std::string pinned_query(std::string_view first) {
    std::string query = "SELECT " + std::string(first);
    for (const SessionSetting& setting : kPinned) {
        query += ", pg_catalog.current_setting('" + std::string(setting.name) + "')";
    }
    return query;
}

std::string as_set(std::string_view name, std::string_view value) {
    std::string set = "SET \"";
    for (const char c : name) {
        set += c == '"' ? "\"\"" : c == '.' ? "\".\"" : std::string(1, c);
    }
    set += "\" TO '";
    for (const char c : value) {
        set += c == '\'' ? "''" : std::string(1, c);
    }
    return set + "'";
}

}  // namespace vitrine::parser
