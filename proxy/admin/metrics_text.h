// The metrics as Prometheus reads them: its text format, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). What each means is in docs/admin.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/net/metrics.h"

namespace vitrine::admin {

// Families of samples, one after the other: begin one, then add what is in it.
class MetricsText {
  public:
    enum class Kind : std::uint8_t { kCounter, kGauge };
    using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    void begin(std::string_view name, Kind kind, std::string_view help);
    // Of the family that was begun last; no two with the same labels.
    void add(std::uint64_t value, Labels labels = {});
    // A family of one sample.
    void add_family(std::string_view name, Kind kind, std::string_view help, std::uint64_t value);

    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    std::string name_;
    std::string text_;
};

struct CatalogReading {
    std::uint64_t loads = 0;
    std::uint64_t failures = 0;
    bool usable = false;
};
struct StoreReading {
    bool available = false;
    std::uint64_t errors = 0;
    std::optional<std::uint64_t> unreviewed;  // nothing: it could not be asked
};

// All that is said, as it was at one moment.
struct Readings {
    std::string version;
    std::uint64_t connections = 0;
    std::uint64_t kept_servers = 0;
    net::Totals totals;
    std::uint64_t audit_records = 0;
    std::uint64_t audit_failures = 0;
    bool audit_writable = false;
    std::map<std::string, CatalogReading> catalogs;
    std::optional<StoreReading> store;  // nothing: none is configured
    std::uint64_t grants_made = 0;
    std::uint64_t grants_denied = 0;
    std::uint64_t grants_revoked = 0;
    std::uint64_t emergency_grants = 0;
    std::uint64_t revocations = 0;
    std::optional<std::chrono::sys_seconds> certificate_end;
};

[[nodiscard]] std::string render(const Readings& readings);

}  // namespace vitrine::admin
