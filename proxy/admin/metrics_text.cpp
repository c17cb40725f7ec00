#include "proxy/admin/metrics_text.h"

#include <algorithm>

#include "proxy/audit/record.h"

namespace vitrine::admin {

namespace {

using Kind = MetricsText::Kind;

// In HELP a double quote stands for itself.
void append_escaped(std::string& text, std::string_view raw, bool in_label) {
    for (const char c : raw) {
        if (c == '\\') {
            text += "\\\\";
        } else if (c == '\n') {
            text += "\\n";
        } else if (c == '"' && in_label) {
            text += "\\\"";
        } else {
            text += c;
        }
    }
}

// As the configuration calls it.
std::string_view name_of(session::LimitMet limit) {
    switch (limit) {
        case session::LimitMet::kRows:
            return "max_rows";
        case session::LimitMet::kBytes:
            return "max_result_size";
        case session::LimitMet::kHourRows:
            return "rows_per_hour";
        case session::LimitMet::kHourBytes:
            return "bytes_per_hour";
        case session::LimitMet::kTime:
            return "statement_timeout";
        case session::LimitMet::kRate:
            return "statements_per_minute";
        case session::LimitMet::kCost:
            return "max_cost";
    }
    return "";
}

void add_sessions(MetricsText& text, const net::Totals& totals) {
    text.begin("vitrine_sessions", Kind::kGauge, "Sessions that run now.");
    for (const auto& [database, sum] : totals.databases) {
        text.add(sum.open(), {{"database", database}});
    }
    text.begin("vitrine_sessions_begun_total", Kind::kCounter, "Sessions that began.");
    for (const auto& [database, sum] : totals.databases) {
        text.add(sum.sessions, {{"database", database}});
    }
    text.begin("vitrine_sessions_ended_total", Kind::kCounter,
               "Sessions that ended, by the cause that their session_end record has.");
    for (const auto& [database, sum] : totals.databases) {
        for (std::size_t i = 0; i < session::kEndCauses; ++i) {
            text.add(sum.ended[i], {{"database", database},
                                    {"cause", audit::to_string(static_cast<audit::EndCause>(i))}});
        }
    }
    text.begin("vitrine_logins_refused_total", Kind::kCounter, "Logins that failed, by cause.");
    for (std::size_t i = 0; i < net::kLoginCauses; ++i) {
        text.add(totals.refused[i], {{"cause", to_string(static_cast<net::LoginCause>(i))}});
    }
}

void add_statements(MetricsText& text, const net::Totals& totals) {
    text.begin("vitrine_statements_total", Kind::kCounter,
               "Statements, one for each statement record of the query log, by verdict.");
    for (const auto& [database, sum] : totals.databases) {
        text.add(sum.allowed, {{"database", database}, {"verdict", "allow"}});
        text.add(sum.rejected, {{"database", database}, {"verdict", "reject"}});
    }
    text.begin("vitrine_result_rows_total", Kind::kCounter,
               "Rows of the results of statements that have ended.");
    for (const auto& [database, sum] : totals.databases) {
        text.add(sum.rows, {{"database", database}});
    }
    text.begin("vitrine_result_bytes_total", Kind::kCounter,
               "Bytes of the results of statements that have ended.");
    for (const auto& [database, sum] : totals.databases) {
        text.add(sum.bytes, {{"database", database}});
    }
    text.begin("vitrine_statements_limited_total", Kind::kCounter,
               "Statements that were cancelled or refused for a limit of their user's.");
    for (const auto& [database, sum] : totals.databases) {
        for (std::size_t i = 0; i < session::kLimitsMet; ++i) {
            text.add(sum.limited[i], {{"database", database},
                                      {"cause", name_of(static_cast<session::LimitMet>(i))}});
        }
    }
    text.add_family("vitrine_judgement_cache_hits_total", Kind::kCounter,
                    "Judgements that were given again.", totals.judgement_hits);
    text.add_family("vitrine_judgement_cache_misses_total", Kind::kCounter,
                    "Judgements that had to be made.", totals.judgement_misses);
}

void add_catalogs(MetricsText& text, const Readings& readings) {
    text.begin("vitrine_catalog_usable", Kind::kGauge,
               "1: there is a catalog that is believed; 0: sessions are refused.");
    for (const auto& [database, catalog] : readings.catalogs) {
        text.add(catalog.usable ? 1 : 0, {{"database", database}});
    }
    text.begin("vitrine_catalog_loads_total", Kind::kCounter, "Catalogs that were loaded.");
    for (const auto& [database, catalog] : readings.catalogs) {
        text.add(catalog.loads, {{"database", database}});
    }
    text.begin("vitrine_catalog_load_failures_total", Kind::kCounter,
               "Catalogs that could not be loaded.");
    for (const auto& [database, catalog] : readings.catalogs) {
        text.add(catalog.failures, {{"database", database}});
    }
}

void add_grants(MetricsText& text, const Readings& readings) {
    text.add_family("vitrine_grants_made_total", Kind::kCounter,
                    "Grants that became active at this proxy.", readings.grants_made);
    text.add_family("vitrine_grants_denied_total", Kind::kCounter,
                    "Requests for access that an approver denied here.", readings.grants_denied);
    text.add_family("vitrine_grants_revoked_total", Kind::kCounter,
                    "Active grants that were revoked here, one at a time.",
                    readings.grants_revoked);
    text.add_family("vitrine_revocations_total", Kind::kCounter,
                    "Revocations of a user, a group, a token or everything, made here.",
                    readings.revocations);
    text.add_family("vitrine_emergency_grants_total", Kind::kCounter,
                    "Grants by an emergency policy, made here.", readings.emergency_grants);
    if (!readings.store) {
        return;
    }
    if (readings.store->unreviewed) {
        text.add_family("vitrine_emergency_grants_unreviewed", Kind::kGauge,
                        "Emergency grants in the store that nobody has reviewed.",
                        *readings.store->unreviewed);
    }
    text.add_family("vitrine_store_available", Kind::kGauge,
                    "1: the store of grants answers; 0: what is revoked is not known.",
                    readings.store->available ? 1 : 0);
    text.add_family("vitrine_store_errors_total", Kind::kCounter,
                    "Questions to the store of grants that had no answer.", readings.store->errors);
}

}  // namespace

void MetricsText::begin(std::string_view name, Kind kind, std::string_view help) {
    name_ = name;
    text_ += "# HELP " + name_ + ' ';
    append_escaped(text_, help, false);
    text_ += "\n# TYPE " + name_ + (kind == Kind::kCounter ? " counter\n" : " gauge\n");
}

void MetricsText::add(std::uint64_t value, Labels labels) {
    text_ += name_;
    char separator = '{';
    for (const auto& [name, content] : labels) {
        text_ += separator;
        text_ += name;
        text_ += "=\"";
        append_escaped(text_, content, true);
        text_ += '"';
        separator = ',';
    }
    text_ += labels.size() == 0 ? " " : "} ";
    text_ += std::to_string(value) + '\n';
}

void MetricsText::add_family(std::string_view name, Kind kind, std::string_view help,
                             std::uint64_t value) {
    begin(name, kind, help);
    add(value);
}

std::string render(const Readings& readings) {
    MetricsText text;
    text.begin("vitrine_build_info", Kind::kGauge, "Always 1; the version is in the label.");
    text.add(1, {{"version", readings.version}});
    text.add_family("vitrine_connections", Kind::kGauge,
                    "Connections of clients now, logins under way and cancels included.",
                    readings.connections);
    text.add_family("vitrine_kept_server_connections", Kind::kGauge,
                    "Server connections that wait for the next session of their user.",
                    readings.kept_servers);
    add_sessions(text, readings.totals);
    add_statements(text, readings.totals);
    text.add_family("vitrine_audit_writable", Kind::kGauge,
                    "1: the query log can be written; 0: nothing is let through.",
                    readings.audit_writable ? 1 : 0);
    text.add_family("vitrine_audit_records_total", Kind::kCounter,
                    "Records written to the query log.", readings.audit_records);
    text.add_family("vitrine_audit_write_failures_total", Kind::kCounter,
                    "Records that could not be written.", readings.audit_failures);
    add_catalogs(text, readings);
    add_grants(text, readings);
    if (readings.certificate_end) {
        const auto end = readings.certificate_end->time_since_epoch().count();
        text.add_family("vitrine_certificate_expiry_timestamp_seconds", Kind::kGauge,
                        "When the listener's certificate ends, in seconds since 1970.",
                        static_cast<std::uint64_t>(std::max<decltype(end)>(end, 0)));
    }
    return text.take();
}

}  // namespace vitrine::admin
