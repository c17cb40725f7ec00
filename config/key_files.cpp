#include "config/key_files.h"

#include "config/keys.h"

namespace vitrine::config {

std::optional<Secret> read_ed25519_key(Reader& reader, const Value& value) {
    auto key = read_secret(reader, value);
    if (!key) {
        return std::nullopt;
    }
    if (const auto problem = signing_key_problem(key->reveal())) {
        reader.problem(value, *problem);
        return std::nullopt;
    }
    return key;
}

void read_certificates(Reader& reader, const Value& value, std::filesystem::path& path) {
    const auto named = read_path(reader, value);
    if (!named) {
        return;
    }
    path = *named;
    const auto pem = read_named_file(reader, value, path);
    if (!pem) {
        return;
    }
    if (const auto problem = certificates_problem(*pem)) {
        reader.problem(value, *problem);
    }
}

}  // namespace vitrine::config
