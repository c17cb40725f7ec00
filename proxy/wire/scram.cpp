#include "proxy/wire/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>

#include "proxy/wire/base64.h"
#include "proxy/wire/saslprep.h"

namespace vitrine::wire {
namespace {

constexpr std::size_t kSha256Bytes = 32;
constexpr std::size_t kNonceBytes = 18;  // PostgreSQL's SCRAM_RAW_NONCE_LEN
// RFC 7677, section 4: at least 4,096. The most is what keeps a hostile server from having vitrine
// count for minutes.
constexpr std::uint32_t kIterationsMin = 4096;
constexpr std::uint32_t kIterationsMax = 10'000'000;

constexpr std::string_view kPlain = "SCRAM-SHA-256";
constexpr std::string_view kPlus = "SCRAM-SHA-256-PLUS";

const unsigned char* octets(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

void wipe(std::string& secret) {
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

// Wiped when it dies.
struct Key {
    std::array<unsigned char, kSha256Bytes> bytes{};
    Key() = default;
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    ~Key() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
    [[nodiscard]] std::string_view view() const {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
};

[[nodiscard]] bool hmac(std::string_view key, std::string_view message, Key& out) {
    return HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(message),
                message.size(), out.bytes.data(), nullptr) != nullptr;
}

[[nodiscard]] bool sha256(std::string_view message, Key& out) {
    return EVP_Digest(message.data(), message.size(), out.bytes.data(), nullptr, EVP_sha256(),
                      nullptr) == 1;
}

// Empty where OpenSSL has no MD5 (a FIPS provider).
std::string md5_hex(std::string_view message) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<unsigned char, 16> digest{};
    if (EVP_Digest(message.data(), message.size(), digest.data(), nullptr, EVP_md5(), nullptr) !=
        1) {
        return {};
    }
    std::string hex;
    for (const unsigned char byte : digest) {
        hex.push_back(kDigits[byte >> 4]);
        hex.push_back(kDigits[byte & 0xf]);
    }
    OPENSSL_cleanse(digest.data(), digest.size());
    return hex;
}

// What stands behind an attribute: another one, or the end of the message.
enum class Next : std::uint8_t { kAttribute, kEnd };

// Takes "<letter>=<value>" and the comma behind it from the front of `message`.
std::optional<std::string_view> take(std::string_view& message, char letter, Next next) {
    const std::size_t comma = message.find(',');
    if (!message.starts_with(letter) || message.substr(1, 1) != "=" ||
        (comma == std::string_view::npos) != (next == Next::kEnd)) {
        return std::nullopt;
    }
    const std::size_t end = std::min(comma, message.size());
    const std::string_view value = message.substr(2, end - 2);
    message.remove_prefix(std::min(end + 1, message.size()));
    return value;
}

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::optional<std::uint32_t> to_iterations(std::string_view digits) {
    if (digits.empty() || digits.size() > 8) {
        return std::nullopt;
    }
    std::uint32_t iterations = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        iterations = iterations * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (iterations < kIterationsMin || iterations > kIterationsMax) {
        return std::nullopt;
    }
    return iterations;
}

struct ServerFirst {
    std::string_view nonce;
    std::string salt;
    std::uint32_t iterations = 0;
};

// RFC 5802, section 7: "r=…,s=…,i=…". A mandatory extension stands in front ("m=…"); extensions
// behind are refused as libpq refuses them, since no server sends any.
std::optional<ServerFirst> parse_server_first(std::string_view message,
                                              std::string_view client_nonce) {
    const auto nonce = take(message, 'r', Next::kAttribute);
    const auto salt = take(message, 's', Next::kAttribute);
    const auto digits = take(message, 'i', Next::kEnd);
    if (!nonce || !salt || !digits) {
        return std::nullopt;
    }
    // The server must add to the nonce: an echo alone would let an old exchange be replayed.
    if (!nonce->starts_with(client_nonce) || nonce->size() == client_nonce.size() ||
        !printable(*nonce)) {
        return std::nullopt;
    }
    auto salt_bytes = from_base64(*salt);
    const auto iterations = to_iterations(*digits);
    if (!salt_bytes || salt_bytes->empty() || !iterations) {
        return std::nullopt;
    }
    return ServerFirst{*nonce, std::move(*salt_bytes), *iterations};
}

}  // namespace

std::string md5_password(std::string_view user, std::string_view password, std::string_view salt) {
    std::string secret(password);
    secret.append(user);
    std::string stored = md5_hex(secret);
    wipe(secret);
    stored.append(salt);
    const std::string answer = md5_hex(stored);
    wipe(stored);
    return answer.empty() ? answer : "md5" + answer;
}

SaltedPassword::~SaltedPassword() {
    wipe(bytes);
}

SaltedPassword salted_password(std::string_view password, std::string_view salt,
                               std::uint32_t iterations) {
    SaltedPassword salted;
    salted.bytes.resize(kSha256Bytes);
    std::string prepared = saslprep(password);
    const int done = PKCS5_PBKDF2_HMAC(
        prepared.data(), static_cast<int>(prepared.size()), octets(salt),
        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
        static_cast<int>(kSha256Bytes), reinterpret_cast<unsigned char*>(salted.bytes.data()));
    wipe(prepared);
    if (done != 1) {
        wipe(salted.bytes);  // no key: ScramClient refuses to go on with it
    }
    return salted;
}

std::string new_nonce() {
    std::string raw(kNonceBytes, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(raw.size())) !=
        1) {
        throw std::runtime_error("OpenSSL has no random bytes");
    }
    return to_base64(raw);
}

//  kReady --client_first--> kFirstSent --client_final--> kFinalSent --verify--> kDone
//
// Any error, and any call out of this order, leads to kDone with an error.
struct ScramClient::State {
    enum class Stage : std::uint8_t { kReady, kFirstSent, kFinalSent, kDone };

    Stage stage = Stage::kReady;
    std::string nonce;
    std::string certificate_hash;
    bool plus = false;
    Salted salted;
    std::string client_first_bare;
    Key server_signature;

    // RFC 5802, section 7, gs2-header. "y" tells a server that does offer PLUS that somebody in
    // between took the offer away; it then refuses.
    [[nodiscard]] std::string_view gs2_header() const {
        if (plus) {
            return "p=tls-server-end-point,,";
        }
        return certificate_hash.empty() ? "n,," : "y,,";
    }
};

ScramClient::ScramClient(std::string nonce, std::string certificate_hash, bool offers_plus,
                         Salted salted)
    : state_(std::make_unique<State>()) {
    state_->nonce = std::move(nonce);
    state_->plus = offers_plus && !certificate_hash.empty();
    state_->certificate_hash = std::move(certificate_hash);
    state_->salted = std::move(salted);
}

ScramClient::~ScramClient() = default;

std::string_view ScramClient::mechanism() const {
    return state_->plus ? kPlus : kPlain;
}

std::string ScramClient::client_first() {
    // The user's name stays empty: PostgreSQL takes the one of the start-up message.
    state_->client_first_bare = "n=,r=" + state_->nonce;
    state_->stage = State::Stage::kFirstSent;
    return std::string(state_->gs2_header()) + state_->client_first_bare;
}

boost::system::result<std::string> ScramClient::client_final(std::string_view server_first) {
    const State::Stage stage = std::exchange(state_->stage, State::Stage::kDone);
    if (stage != State::Stage::kFirstSent) {
        return WireError::kAuthentication;
    }
    const auto first = parse_server_first(server_first, state_->nonce);
    if (!first) {
        return WireError::kAuthentication;
    }

    std::string binding(state_->gs2_header());
    if (state_->plus) {
        binding += state_->certificate_hash;
    }
    std::string message = "c=" + to_base64(binding) + ",r=" + std::string(first->nonce);
    const std::string auth_message =
        state_->client_first_bare + "," + std::string(server_first) + "," + message;

    // RFC 5802, section 3. The proof is ClientKey XOR ClientSignature.
    const SaltedPassword salted = state_->salted(first->salt, first->iterations);
    Key client_key;
    Key stored_key;
    Key client_signature;
    Key server_key;
    if (salted.bytes.size() != kSha256Bytes || !hmac(salted.bytes, "Client Key", client_key) ||
        !sha256(client_key.view(), stored_key) ||
        !hmac(stored_key.view(), auth_message, client_signature) ||
        !hmac(salted.bytes, "Server Key", server_key) ||
        !hmac(server_key.view(), auth_message, state_->server_signature)) {
        return WireError::kAuthentication;
    }
    std::string proof(kSha256Bytes, '\0');
    for (std::size_t i = 0; i < kSha256Bytes; ++i) {
        proof[i] = static_cast<char>(client_key.bytes[i] ^ client_signature.bytes[i]);
    }
    message += ",p=" + to_base64(proof);
    state_->stage = State::Stage::kFinalSent;
    return message;
}

boost::system::result<void> ScramClient::verify(std::string_view server_final) {
    const State::Stage stage = std::exchange(state_->stage, State::Stage::kDone);
    if (stage != State::Stage::kFinalSent) {
        return WireError::kAuthentication;
    }
    const auto text = take(server_final, 'v', Next::kEnd);  // else "e=…", the server's refusal
    const auto signature = text ? from_base64(*text) : std::nullopt;
    if (!signature || signature->size() != kSha256Bytes ||
        CRYPTO_memcmp(signature->data(), state_->server_signature.bytes.data(), kSha256Bytes) !=
            0) {
        return WireError::kAuthentication;
    }
    return {};
}

}  // namespace vitrine::wire
