// Keys, certificates and secrets for the tests, made when they run and never committed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vitrine::config::test {

// A directory of its own, gone with the object.
class Directory {
  public:
    Directory();
    ~Directory();
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    std::filesystem::path write(const std::string& name, std::string_view bytes) const;

  private:
    std::filesystem::path path_;
};

// PEM texts.
std::string ed25519_key();
std::string rsa_key(int bits);
std::string ec_key();
std::string encrypted_key();
std::string public_key();
std::string traditional_ec_key();
// A self-signed certificate of this key.
std::string certificate(std::string_view key_pem);

// server.crt, server.key, other.key, db-ca.crt, signing.pem, audit.pem, mask.key, password, and the
// files of the invalid examples; and the environment they name.
void fill(const Directory& directory);

std::string read(const std::filesystem::path& file);

}  // namespace vitrine::config::test
