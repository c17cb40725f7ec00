// The program's verbs. Each gives the exit status of INTERFACE, "The program".
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/audit/reader.h"

namespace vitrine::cli {

inline constexpr int kDone = 0;
inline constexpr int kNotSo = 1;
inline constexpr int kCouldNotRun = 2;

// Loads, prints every problem to stderr; null where there is one.
[[nodiscard]] std::shared_ptr<const config::Config> load_or_complain(const std::string& file);

struct ExplainArguments {
    std::string config;
    std::string database;
    std::string user;
    std::vector<std::string> groups;
    std::vector<std::string> search_path;  // empty: as the server has it for the service role
    std::string sql;
    audit::Format format = audit::Format::kTable;
};

struct TokenArguments {
    std::string config;
    std::string user;
    std::vector<std::string> databases;
    std::vector<std::string> groups;
    std::string reason;
    std::string ttl = "15m";
    std::string client_address;
    bool single_use = false;
};

// The log that a verb of `audit` is about: `directory`, or the one of the configuration `file`,
// from which an empty `*public_key` is filled too. Empty: there is none, which was said.
[[nodiscard]] std::string log_directory(const std::string& file, const std::string& directory,
                                        std::string* public_key);
// The text of a PEM file. False: it cannot be read, which was said.
[[nodiscard]] bool read_public_key(const std::string& file, std::string& pem);

int serve(const std::string& config);
int check(const std::string& config, bool connect, audit::Format format);
int explain(const ExplainArguments& arguments);
int issue_token(const TokenArguments& arguments);
// `directory`, or the one of `config`.
int audit_list(const std::string& config, const std::string& directory, audit::Format format);
int audit_show(const std::string& config, const std::string& directory, const std::string& session,
               audit::Format format);
int audit_verify(const std::string& config, const std::string& directory,
                 const std::string& public_key, const std::string& anchor, audit::Format format);

}  // namespace vitrine::cli
