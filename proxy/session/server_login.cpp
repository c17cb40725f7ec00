#include "proxy/session/server_login.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "config/limits.h"
#include "parser/session_settings.h"
#include "proxy/wire/frame.h"
#include "proxy/wire/frontend.h"

namespace vitrine::session {

namespace {

// Lets a backend notice within half a second that nobody is there any more.
constexpr parser::SessionSetting kCheckConnection{"client_connection_check_interval", "500"};
constexpr int kCheckConnectionSince = 140000;  // server_version_num

// What a server reports, and what it must be.
constexpr std::array kReported = {
    parser::SessionSetting{"client_encoding", "UTF8"},
    parser::SessionSetting{"default_transaction_read_only", "on"},
    parser::SessionSetting{"standard_conforming_strings", "on"},
};
// What it reports and what never changes in a session: who it runs as, and what reads its text.
// (in_hot_standby may change: a standby is promoted.)
constexpr std::array<std::string_view, 5> kConstant = {"integer_datetimes", "is_superuser",
                                                       "server_encoding", "server_version",
                                                       "session_authorization"};

}  // namespace

void report(ServerParameters& parameters, std::string_view name, std::string_view value) {
    const auto known = std::ranges::find(parameters, name, &ServerParameters::value_type::first);
    if (known == parameters.end()) {
        parameters.emplace_back(name, value);
    } else {
        known->second = value;
    }
}

bool version_is_taken(int major, int named) {
    return major > 0 && (major <= kGrammarVersion || major == named);
}

int major_version(std::string_view server_version) {
    int major = 0;
    const char* const end = server_version.data() + server_version.size();
    return std::from_chars(server_version.data(), end, major).ec == std::errc{} && major > 0 ? major
                                                                                             : 0;
}

std::string broken_pin(std::string_view name, std::string_view value,
                       const ServerParameters& at_login) {
    for (const parser::SessionSetting& pin : kReported) {
        // The server keeps this spelling of UTF8 for old clients.
        const bool same_encoding = name == "client_encoding" && value == "UNICODE";
        if (pin.name == name && pin.value != value && !same_encoding) {
            return "the server reports " + std::string(name) + " = " + std::string(value) +
                   ", which was pinned to " + std::string(pin.value);
        }
    }
    if (std::ranges::find(kConstant, name) == kConstant.end()) {
        return {};
    }
    const auto then = std::ranges::find(at_login, name, &ServerParameters::value_type::first);
    if (then != at_login.end() && then->second == value) {
        return {};
    }
    return "the server reports " + std::string(name) + " = " + std::string(value) + ", which was " +
           (then == at_login.end() ? "not reported" : then->second) + " at the login";
}

bool parse_name_array(std::string_view text, std::vector<std::string>& names) {
    names.clear();
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
        return false;
    }
    text = text.substr(1, text.size() - 2);
    std::size_t i = 0;
    while (i < text.size()) {
        std::string name;
        if (text[i] == '"') {
            for (++i; i < text.size() && text[i] != '"'; ++i) {
                if (text[i] == '\\' && ++i == text.size()) {
                    return false;
                }
                name += text[i];
            }
            if (i == text.size()) {
                return false;
            }
            ++i;
        } else {
            for (; i < text.size() && text[i] != ','; ++i) {
                name += text[i];
            }
            if (name.empty() || name == "NULL") {
                return false;
            }
        }
        names.push_back(std::move(name));
        if (i < text.size()) {
            if (text[i] != ',' || ++i == text.size()) {
                return false;
            }
        }
    }
    return true;
}

ServerLogin::ServerLogin(ServerLoginOptions options) : options_(std::move(options)) {
    std::vector<std::pair<std::string_view, std::string_view>> parameters = {
        {"user", options_.user},
        {"database", options_.dbname},
        {"application_name", options_.application_name},
    };
    for (const auto& [name, value] : options_.settings) {
        parameters.emplace_back(name, value);
    }
    // Behind the client's own, so that a pin stands whatever came before.
    for (const parser::SessionSetting& pin : parser::kPins) {
        parameters.emplace_back(pin.name, pin.value);
    }
    if (options_.server_version >= kCheckConnectionSince) {
        parameters.emplace_back(kCheckConnection.name, kCheckConnection.value);
    }
    // What current_setting() gives in place of what is hidden (parser/masking/policy.h).
    parameters.emplace_back("vitrine.hidden", "");
    if (!options_.mask_key.empty()) {
        parameters.emplace_back("vitrine.mask_key", options_.mask_key.reveal());
    }
    wire::write_startup_message(output_, parameters);
}

ServerLogin::ServerLogin(ServerLoginOptions options, KeptSession kept)
    : state_(State::kForgetting),
      options_(std::move(options)),
      parameters_(std::move(kept.reported)),
      at_login_(std::move(kept.at_login)),
      key_(kept.key) {}

std::string ServerLogin::not_as_at_login() const {
    for (const auto& [name, value] : parameters_) {
        const auto then = std::ranges::find(at_login_, name, &ServerParameters::value_type::first);
        if (then == at_login_.end() || then->second != value) {
            return "the server reports " + name + " = " + value + " in a session that was kept";
        }
    }
    return parameters_.size() == at_login_.size() ? "" : "the server reports less than at a login";
}

bool ServerLogin::in_hot_standby() const {
    return std::ranges::any_of(parameters_, [](const auto& parameter) {
        return parameter.first == "in_hot_standby" && parameter.second == "on";
    });
}

ServerLogin::Outcome ServerLogin::fail(std::string error) {
    error_ = std::move(error);
    return Outcome::kFailed;
}

ServerLogin::Outcome ServerLogin::step(std::string& bytes) {
    std::size_t taken = 0;
    Outcome outcome = Outcome::kGoOn;
    while (outcome == Outcome::kGoOn) {
        const std::string_view rest = std::string_view(bytes).substr(taken);
        const auto header = wire::peek_backend(rest);
        if (!header || (*header && (*header)->size > limits::kBackendControlBytesMax)) {
            return fail("the server sent a malformed message");
        }
        if (!*header || rest.size() < (*header)->size) {
            break;
        }
        outcome = message((*header)->type,
                          rest.substr(wire::kHeaderBytes, (*header)->size - wire::kHeaderBytes));
        taken += (*header)->size;
    }
    bytes.erase(0, taken);
    return outcome;
}

ServerLogin::Outcome ServerLogin::message(char type, std::string_view payload) {
    switch (type) {
        case 'R':
            return state_ == State::kAuthenticating
                       ? authentication(payload)
                       : fail("the server asks for authentication twice");
        case 'N':  // a notice before the session is the client's: nobody to hand it to
            return Outcome::kGoOn;
        case 'v':  // the server negotiates a minor version down; 3.0 is what was asked for
            return fail("the server does not speak protocol 3.0");
        case 'E': {
            const auto fields = wire::decode_fields(payload);
            if (!fields) {
                return fail("the server sent a malformed error");
            }
            sqlstate_ = fields->get('C');
            return fail(std::string(fields->get('M')));
        }
        case 'S': {
            const auto parameter = wire::decode_parameter_status(payload);
            if (!parameter) {
                return fail("the server sent a malformed ParameterStatus");
            }
            report(parameters_, parameter->name, parameter->value);
            return Outcome::kGoOn;
        }
        case 'K': {
            if (state_ != State::kAuthenticated) {
                return fail("the server sent an unexpected BackendKeyData");
            }
            const auto key = wire::decode_backend_key_data(payload);
            if (!key) {
                return fail("the server sent a malformed BackendKeyData");
            }
            key_ = *key;
            return Outcome::kGoOn;
        }
        case 'C':
            if (state_ == State::kForgetting && payload.size() == kForget.size() + 1 &&
                payload.starts_with(kForget)) {
                state_ = State::kForgot;
                return Outcome::kGoOn;
            }
            [[fallthrough]];
        case 'T':
            return state_ == State::kAskedForState ? Outcome::kGoOn
                                                   : fail("the server sent an unexpected message");
        case 'D': {
            const auto row = wire::decode_data_row(payload);
            if (state_ != State::kAskedForState || !row ||
                row->values.size() != parser::kPinned.size() + 1 || !row->values[0] ||
                !parse_name_array(*row->values[0], search_path_)) {
                return fail("the server did not say what state the session is in");
            }
            for (std::size_t i = 0; i < parser::kPinned.size(); ++i) {
                const parser::SessionSetting& expected = parser::kPinned[i];
                const auto& value = row->values[i + 1];
                if (value != expected.value) {
                    return fail("in a session of the service role, " + std::string(expected.name) +
                                " must be " + std::string(expected.value) + ", and is " +
                                std::string(value.value_or("NULL")));
                }
            }
            state_row_seen_ = true;
            return Outcome::kGoOn;
        }
        case 'Z':
            if (state_ == State::kForgot) {
                const auto ready = wire::decode_ready_for_query(payload);
                if (!ready || ready->status != wire::TransactionStatus::kIdle) {
                    return fail("a session that was kept is in a transaction");
                }
                if (std::string differs = not_as_at_login(); !differs.empty()) {
                    return fail(std::move(differs));
                }
            }
            if (state_ == State::kAuthenticated || state_ == State::kForgot) {
                for (const auto& [name, value] : parameters_) {
                    // One name may stand for servers of several versions.
                    if (name == "server_version" &&
                        !version_is_taken(major_version(value), options_.named_version)) {
                        return fail("the server calls itself " + value +
                                    ", and is newer than what vitrine reads");
                    }
                    if (std::string broken = broken_pin(name, value, parameters_);
                        !broken.empty()) {
                        return fail(std::move(broken));
                    }
                }
                state_ = State::kAskedForState;
                // The path, and what must hold before a client's first statement.
                wire::write_query(output_,
                                  parser::pinned_query("pg_catalog.current_schemas(true)"));
                return Outcome::kGoOn;
            }
            if (state_ == State::kAskedForState && state_row_seen_) {
                state_ = State::kReady;
                return Outcome::kReady;
            }
            return fail("the server was ready too early");
        default:
            return fail("the server sent an unexpected message during login");
    }
}

ServerLogin::Outcome ServerLogin::authentication(std::string_view payload) {
    const auto request = wire::decode_authentication(payload);
    if (!request) {
        return fail("the server sent a malformed authentication request");
    }
    const auto kind = static_cast<wire::AuthenticationKind>(request->kind);
    if (scram_ && (kind == wire::AuthenticationKind::kCleartextPassword ||
                   kind == wire::AuthenticationKind::kMD5Password)) {
        // Whoever cannot go on with SCRAM does not get the password in an easier form.
        return fail("the server falls back from SCRAM to a weaker method");
    }
    switch (kind) {
        case wire::AuthenticationKind::kOk:
            // A server (or somebody in its place) that skips the end of the SCRAM exchange has not
            // proved that it knows the password.
            if (scram_ && !scram_verified_) {
                return fail("the server did not prove its identity (SCRAM)");
            }
            state_ = State::kAuthenticated;
            return Outcome::kGoOn;
        case wire::AuthenticationKind::kCleartextPassword:
            wire::write_password_message(output_, options_.password.reveal());
            return Outcome::kGoOn;
        case wire::AuthenticationKind::kMD5Password:
            wire::write_password_message(
                output_,
                wire::md5_password(options_.user, options_.password.reveal(), request->body));
            return Outcome::kGoOn;
        case wire::AuthenticationKind::kSASL: {
            if (scram_) {
                return fail("the server starts SASL twice");
            }
            const auto offers = [&](std::string_view mechanism) {
                return std::ranges::find(request->mechanisms, mechanism) !=
                       request->mechanisms.end();
            };
            if (!offers("SCRAM-SHA-256") && !offers("SCRAM-SHA-256-PLUS")) {
                return fail("the server offers no SASL mechanism that vitrine has");
            }
            scram_ =
                std::make_unique<wire::ScramClient>(wire::new_nonce(), options_.certificate_hash,
                                                    offers("SCRAM-SHA-256-PLUS"), options_.salted);
            wire::write_sasl_initial_response(output_, scram_->mechanism(), scram_->client_first());
            return Outcome::kGoOn;
        }
        case wire::AuthenticationKind::kSASLContinue: {
            if (!scram_) {
                return fail("the server continues a SASL exchange that was not started");
            }
            const auto final_message = scram_->client_final(request->body);
            if (!final_message) {
                return fail("the SCRAM exchange with the server failed");
            }
            wire::write_sasl_response(output_, *final_message);
            return Outcome::kGoOn;
        }
        case wire::AuthenticationKind::kSASLFinal:
            if (!scram_ || !scram_->verify(request->body)) {
                return fail("the server did not prove its identity (SCRAM)");
            }
            scram_verified_ = true;
            return Outcome::kGoOn;
    }
    return fail("the server asks for an authentication method that vitrine does not have (" +
                std::to_string(request->kind) + ")");
}

}  // namespace vitrine::session
