#include "proxy/session/client_login.h"

#include <algorithm>
#include <cctype>

#include "config/limits.h"
#include "proxy/audit/json_text.h"
#include "proxy/wire/backend.h"
#include "proxy/wire/frame.h"
#include "proxy/wire/oauthbearer.h"

namespace vitrine::session {

namespace {

// The first byte of a TLS record that holds a handshake message (RFC 8446, 5.1).
constexpr char kTlsHandshakeRecord = 0x16;

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::size_t i = 0;
    while (true) {
        while (i < text.size() && is_space(text[i])) {
            ++i;
        }
        if (i == text.size()) {
            return words;
        }
        std::string word;
        for (; i < text.size() && !is_space(text[i]); ++i) {
            if (text[i] == '\\' && i + 1 < text.size()) {
                ++i;
            }
            word += text[i];
        }
        words.push_back(std::move(word));
    }
}

}  // namespace

bool split_options(std::string_view options,
                   std::vector<std::pair<std::string, std::string>>& settings) {
    const auto words = split_words(options);
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string setting;
        if (words[i] == "-c") {
            if (++i == words.size()) {
                return false;
            }
            setting = words[i];
        } else if (words[i].starts_with("-c") || words[i].starts_with("--")) {
            setting = words[i].substr(2);
        } else {
            return false;
        }
        const std::size_t equals = setting.find('=');
        if (equals == std::string::npos || equals == 0) {
            return false;
        }
        std::string name = setting.substr(0, equals);
        // guc.c, ParseLongOption: dashes in an option's name stand for underscores.
        std::replace(name.begin(), name.end(), '-', '_');
        settings.emplace_back(std::move(name), setting.substr(equals + 1));
    }
    return true;
}

std::string_view ClientLogin::application_name() const {
    std::string_view name;
    for (const auto& [key, value] : settings_) {
        if (key == "application_name") {
            name = value;
        }
    }
    return name;
}

ClientLogin::Want ClientLogin::refuse(std::string_view sqlstate, std::string message,
                                      std::string hint) {
    state_ = State::kRefused;
    cause_ = message;
    wire::write_error_response(output_, {.severity = "FATAL",
                                         .sqlstate = std::string(sqlstate),
                                         .message = std::move(message),
                                         .detail = {},
                                         .hint = std::move(hint),
                                         .position = 0});
    return Want::kRefused;
}

ClientLogin::Want ClientLogin::step(std::string& bytes) {
    switch (state_) {
        case State::kFirst:
            if (bytes.empty()) {
                return Want::kMore;
            }
            if (bytes.front() == kTlsHandshakeRecord) {
                state_ = State::kWantDirectTls;
                started_directly_ = true;
                encrypted_ = true;
                return Want::kDirectTls;
            }
            [[fallthrough]];
        case State::kEncrypted: {
            const auto size = wire::peek_startup(bytes);
            if (!size) {
                return refuse("08P01", "invalid length of startup packet");
            }
            if (!*size || bytes.size() < **size) {
                return Want::kMore;
            }
            const std::string first = bytes.substr(0, **size);
            bytes.erase(0, **size);
            const Want want = packet(first);
            if (want == Want::kTls && !bytes.empty()) {
                // What follows a request for TLS in the clear could have been put there by
                // somebody in the middle (CVE-2021-23214).
                output_.clear();
                return refuse("08P01", "received unencrypted data after SSL request");
            }
            return want;
        }
        case State::kPassword:
        case State::kSasl:
        case State::kSaslData:
        case State::kSaslRejected: {
            Want want = Want::kMore;
            if (const auto payload = response(bytes, want)) {
                const std::size_t size = wire::kHeaderBytes + payload->size();
                want = take(*payload);
                std::fill_n(bytes.begin(), size, '\0');
                bytes.erase(0, size);
            }
            return want;
        }
        case State::kWantTls:
            return Want::kTls;
        case State::kWantDirectTls:
            return Want::kDirectTls;
        case State::kWantStartup:
            return Want::kStartup;
        case State::kHavePassword:
            return Want::kPassword;
        case State::kCancel:
            return Want::kCancel;
        case State::kRefused:
            return Want::kRefused;
    }
    return Want::kRefused;
}

std::optional<std::string_view> ClientLogin::response(std::string_view bytes, Want& want) {
    const auto header = wire::peek_frontend(bytes);
    if (!header || (*header && (*header)->type != 'p')) {
        want =
            refuse("08P01", by_oauth_ ? "expected a SASL response" : "expected a password message");
        return std::nullopt;
    }
    if (!*header || bytes.size() < (*header)->size) {
        return std::nullopt;
    }
    return bytes.substr(wire::kHeaderBytes, (*header)->size - wire::kHeaderBytes);
}

ClientLogin::Want ClientLogin::take(std::string_view payload) {
    if (state_ == State::kPassword) {
        const auto message = wire::decode_password(payload);
        if (!message) {
            return refuse("08P01", "malformed password message");
        }
        password_ = message->password;
        state_ = State::kHavePassword;
        return Want::kPassword;
    }
    if (state_ == State::kSaslData) {
        return take_oauthbearer(payload);
    }
    if (state_ == State::kSaslRejected) {
        if (payload != wire::kOAuthDummy) {
            return refuse("08P01", "malformed OAUTHBEARER message: expected its last, a byte 0x01");
        }
        cause_ = refusal_.message;
        wire::write_error_response(output_, refusal_);
        state_ = State::kRefused;
        return Want::kRefused;
    }
    const auto message = wire::decode_sasl_initial_response(payload);
    if (!message) {
        return refuse("08P01", "malformed SASL response");
    }
    if (message->mechanism != wire::kOAuthBearer) {
        return refuse("08P01", "client selected an invalid SASL authentication mechanism");
    }
    if (!message->data) {
        wire::write_authentication_sasl_continue(output_, {});
        state_ = State::kSaslData;
        return Want::kMore;
    }
    return take_oauthbearer(*message->data);
}

ClientLogin::Want ClientLogin::take_oauthbearer(std::string_view message) {
    const auto token = wire::decode_oauthbearer(message);
    if (!token) {
        if (token.error() == wire::WireError::kUnsupportedAuthentication) {
            return refuse("0A000",
                          "OAUTHBEARER with channel binding or an authorization identity is not "
                          "supported");
        }
        return refuse("08P01", "malformed OAUTHBEARER message");
    }
    password_ = *token;
    state_ = State::kHavePassword;
    return Want::kPassword;
}

ClientLogin::Want ClientLogin::packet(std::string_view packet) {
    const auto decoded = wire::decode_startup(packet);
    if (!decoded) {
        if (decoded.error() == wire::WireError::kBadProtocol) {
            return refuse("08P01", "unsupported frontend protocol: vitrine speaks version 3.0");
        }
        return refuse("08P01", "invalid startup packet layout");
    }
    if (std::holds_alternative<wire::SSLRequest>(*decoded)) {
        if (encrypted_) {
            return refuse("08P01", "SSL request inside an encrypted connection");
        }
        state_ = State::kWantTls;
        encrypted_ = true;
        output_ += 'S';
        return Want::kTls;
    }
    if (std::holds_alternative<wire::GSSENCRequest>(*decoded)) {
        if (encrypted_ || declined_gss_) {
            return refuse("08P01", "unexpected GSSAPI encryption request");
        }
        declined_gss_ = true;
        output_ += 'N';
        return Want::kMore;
    }
    if (const auto* request = std::get_if<wire::CancelRequest>(&*decoded)) {
        // libpq up to version 16 sends it in the clear whatever the session's connection uses.
        cancel_ = *request;
        state_ = State::kCancel;
        return Want::kCancel;
    }
    return startup(std::get<wire::StartupMessage>(*decoded));
}

ClientLogin::Want ClientLogin::startup(const wire::StartupMessage& message) {
    if (!encrypted_) {
        return refuse(
            "28000", "vitrine takes TLS connections only",
            "Connect with sslmode=require, or better sslmode=verify-full and sslrootcert.");
    }
    minor_ = message.minor;
    for (const auto& [name, value] : message.parameters) {
        if (name == "user") {
            user_ = value;
        } else if (name == "database") {
            database_ = value;
        } else if (name == "replication") {
            // PostgreSQL's boolean spellings of "off" mean an ordinary session.
            std::string lower(value);
            std::transform(lower.begin(), lower.end(), lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            if (lower != "off" && lower != "false" && lower != "no" && lower != "0") {
                return refuse("0A000", "replication connections are not supported",
                              "vitrine carries read-only query sessions only.");
            }
        } else if (name == "options") {
            if (!split_options(value, settings_)) {
                return refuse("0A000", "unsupported \"options\" in the startup message",
                              "Only settings are taken: options='-c name=value'.");
            }
        } else if (name.starts_with("_pq_.")) {
            unknown_options_.emplace_back(name);
        } else {
            settings_.emplace_back(name, value);
        }
    }
    if (!take_method()) {
        return refuse("0A000", "unknown login method in \"vitrine.login\"",
                      "Write options='-c vitrine.login=oauth', or password.");
    }
    if (user_.empty()) {
        return refuse("28000", "no user name in the startup message", "Connect with user=NAME.");
    }
    if (database_.empty()) {
        database_ = user_;
    }
    state_ = State::kWantStartup;
    return Want::kStartup;
}

// The last one counts, as with the server's own settings.
bool ClientLogin::take_method() {
    bool known = true;
    std::erase_if(settings_, [&](const auto& setting) {
        const auto& [name, value] = setting;
        if (name != "vitrine.login") {
            return false;
        }
        method_ = value == "oauth" ? Method::kOAuth : Method::kPassword;
        known = value == "oauth" || value == "password";
        return true;
    });
    return known;
}

void ClientLogin::write_negotiation() {
    if (minor_ > 0 || !unknown_options_.empty()) {
        const std::vector<std::string_view> unknown(unknown_options_.begin(),
                                                    unknown_options_.end());
        wire::write_negotiate_protocol_version(output_, 0, unknown);
    }
}

void ClientLogin::ask_password() {
    write_negotiation();
    wire::write_authentication_cleartext_password(output_);
    state_ = State::kPassword;
}

void ClientLogin::ask_oauth() {
    write_negotiation();
    wire::write_authentication_sasl(output_, wire::kOAuthBearer);
    by_oauth_ = true;
    state_ = State::kSasl;
}

// RFC 7628 section 3.2.2. The status is the one of every refusal, as PostgreSQL has it: libpq goes
// to the issuer for a token at this one alone.
void ClientLogin::reject_token(std::string_view issuer, std::string_view scope,
                               const wire::ErrorFields& refusal) {
    constexpr std::string_view kWellKnown = "/.well-known/";
    std::string address(issuer);
    if (address.find(kWellKnown) == std::string::npos) {
        address.erase(address.find_last_not_of('/') + 1);
        address.append(kWellKnown).append("openid-configuration");
    }
    std::string json = R"({"status":"invalid_token")";
    audit::append_member(json, "openid-configuration", address);
    audit::append_member(json, "scope", scope);
    json += "}";
    wire::write_authentication_sasl_continue(output_, json);
    refusal_ = refusal;
    state_ = State::kSaslRejected;
}

}  // namespace vitrine::session
