// A conversation with a scripted server and a query log of its own: what reaches the server, in
// which order, and what the client gets for its answers. The policy is the real one, on the catalog
// of tests/integration/schema.sql.
#pragma once

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/conversation.h"
#include "proxy/wire/frame.h"
#include "tests/parser/fixture_catalog.h"

namespace vitrine::session::test {

inline std::string int16(unsigned value) {
    return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

inline std::string int32(std::uint32_t value) {
    return int16(value >> 16) + int16(value & 0xffff);
}

inline std::string message(char type, const std::string& payload = {}) {
    return type + int32(static_cast<std::uint32_t>(payload.size() + 4)) + payload;
}

inline std::string z(const std::string& text) {
    return text + std::string(1, '\0');
}

inline std::string ready(char status = 'I') {
    return message('Z', std::string(1, status));
}
inline std::string complete(const std::string& tag) {
    return message('C', z(tag));
}
inline std::string row(const std::string& value) {
    return message('D', int16(1) + int32(static_cast<std::uint32_t>(value.size())) + value);
}
inline std::string columns(std::uint32_t table = 0, unsigned column = 0) {
    return message('T', int16(1) + z("x") + int32(table) + int16(column) + int32(25) +
                            int16(0xffff) + int32(0xffffffff) + int16(0));
}
inline std::string error(const std::string& sqlstate, const std::string& text,
                         const std::string& severity = "ERROR") {
    return message('E', "S" + z(severity) + "V" + z(severity) + "C" + z(sqlstate) + "M" + z(text) +
                            std::string(1, '\0'));
}

inline std::string query(const std::string& sql) {
    std::string out;
    wire::write_query(out, sql);
    return out;
}
inline std::string parse(const std::string& sql, const std::string& name = "") {
    std::string out;
    wire::write_parse(out, name, sql, {});
    return out;
}
inline std::string bind(const std::string& name = "", const std::string& portal = "") {
    std::string out;
    wire::write_bind(out, {.portal = portal, .statement = name});
    return out;
}
inline std::string execute(const std::string& portal = "") {
    std::string out;
    wire::write_execute(out, portal, 0);
    return out;
}
inline std::string sync_message() {
    std::string out;
    wire::write_sync(out);
    return out;
}

// The messages in `bytes`: type, and for errors the SQLSTATE: "1 2 E25006 Z".
inline std::string outline(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        const auto header = wire::peek_backend(bytes);
        REQUIRE(header.has_value());
        REQUIRE(header->has_value());
        const std::size_t size = (*header)->size;
        REQUIRE(bytes.size() >= size);
        text += text.empty() ? "" : " ";
        text += (*header)->type;
        const auto payload = bytes.substr(wire::kHeaderBytes, size - wire::kHeaderBytes);
        if ((*header)->type == 'E') {
            const auto fields = wire::decode_fields(payload);
            REQUIRE(fields.has_value());
            text += fields->get('C');
        }
        bytes.remove_prefix(size);
    }
    return text;
}

// The frontend messages in `bytes`, Q and P with their text.
inline std::vector<std::string> sent(std::string_view bytes) {
    std::vector<std::string> messages;
    while (!bytes.empty()) {
        const auto header = wire::peek_frontend(bytes);
        REQUIRE(header.has_value());
        REQUIRE(header->has_value());
        const std::size_t size = (*header)->size;
        const auto payload = bytes.substr(wire::kHeaderBytes, size - wire::kHeaderBytes);
        std::string text(1, (*header)->type);
        if (text == "Q") {
            text += " " + std::string(wire::decode_query(payload)->sql);
        } else if (text == "P") {
            text += " " + std::string(wire::decode_parse(payload)->sql);
        }
        messages.push_back(text);
        bytes.remove_prefix(size);
    }
    return messages;
}

using Sent = std::vector<std::string>;

struct Stage {
    explicit Stage(config::UserLimits limits = {}) {
        char name[] = "/tmp/vitrine-conversation-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        directory = name;
        config::Audit audit;
        audit.directory = directory / "log";
        auto opened = audit::QueryLog::open(audit);
        REQUIRE(opened.has_value());
        log = std::move(*opened);
        config::MaskRule rule;
        rule.name = "masking.rules[0]";
        rule.columns.push_back(
            {"public.customers.email", {{{{"public"}}, {{"customers"}}, {{"email"}}}}, {}});
        rule.mask.kind = config::MaskKind::kNull;
        rules.rules.push_back(rule);
        policy = parser::compile_policy(parser::test::fixture_catalog(), rules, {}, {});
        ConversationOptions options;
        options.id = {audit::new_session_id(), "ada"};
        options.policy = policy;
        options.search_path = {"pg_catalog", "public"};
        options.server_parameters = {{"session_authorization", "reader"},
                                     {"is_superuser", "off"},
                                     {"server_encoding", "UTF8"}};
        options.newest_policy = [this] { return policy; };
        options.log = log.get();
        options.judgements = &judgements;
        options.application_prefix = "ada via vitrine: ";
        options.now = [this] { return now; };
        options.limits = limits;
        options.take_statements = [this](std::size_t statements) {
            asked += statements;
            return asked <= allowance;
        };
        conversation.emplace(std::move(options));
    }
    ~Stage() {
        conversation.reset();
        log.reset();
        std::filesystem::remove_all(directory);
    }

    // What the server gets for these bytes.
    Sent client(const std::string& bytes) {
        conversation->from_client(bytes);
        return take_server();
    }
    Sent take_server() {
        const Sent messages = sent(conversation->server_output());
        conversation->server_output().clear();
        conversation->output_drained();
        return messages;
    }
    // What the client gets for these.
    std::string server(const std::string& bytes) {
        conversation->from_server(bytes);
        log->drain();  // results: a statement has to be on record without
        std::string text = outline(conversation->client_output());
        last = conversation->client_output();
        conversation->client_output().clear();
        return text;
    }
    std::string take_client() {
        std::string text = outline(conversation->client_output());
        conversation->client_output().clear();
        return text;
    }
    // All records of the session so far.
    [[nodiscard]] std::string records() const {
        std::string text;
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(directory / "log" / "ada")) {
            std::ifstream in(entry.path());
            std::ostringstream all;
            all << in.rdbuf();
            text += all.str();
        }
        return text;
    }
    [[nodiscard]] std::size_t count(const std::string& piece) const {
        const std::string text = records();
        std::size_t found = 0;
        for (std::size_t at = text.find(piece); at != std::string::npos;
             at = text.find(piece, at + 1)) {
            ++found;
        }
        return found;
    }

    std::filesystem::path directory;
    std::unique_ptr<audit::QueryLog> log;
    config::MaskingRules rules;
    std::shared_ptr<const parser::Policy> policy;
    parser::JudgementCache judgements;
    std::optional<Conversation> conversation;
    std::string last;
    std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();
    std::size_t allowance = 0;  // statements
    std::size_t asked = 0;
};

inline constexpr const char* kFailing = "P vitrine: statement refused";

// The files may grow by so many bytes, and no further.
class Room {
  public:
    Room(const Stage& stage, std::size_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit_) == 0);
        const rlimit lower{stage.records().size() + bytes, limit_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &lower) == 0);
    }
    ~Room() {
        ::setrlimit(RLIMIT_FSIZE, &limit_);
        std::signal(SIGXFSZ, before_);
    }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

  private:
    rlimit limit_{};
    void (*before_)(int);
};

inline std::string literal(std::size_t size) {
    return "SELECT '" + std::string(size, 'x') + "'";
}

inline const std::string kServersError = error("42601", "syntax error");

}  // namespace vitrine::session::test
