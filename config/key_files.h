// Values that name keys and certificates: read, and checked with config/keys.h.
#pragma once

#include <filesystem>
#include <optional>

#include "config/values.h"

namespace vitrine::config {

// An Ed25519 private key, `{file: …}` or `{env: …}`.
[[nodiscard]] std::optional<Secret> read_ed25519_key(Reader& reader, const Value& value);
// A file of certificates that is named, readable, and holds some.
void read_certificates(Reader& reader, const Value& value, std::filesystem::path& path);

}  // namespace vitrine::config
