#include "proxy/net/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <array>
#include <stdexcept>
#include <string_view>

#include "config/files.h"

namespace vitrine::net {

namespace {

// As it stands in a ClientHello: a length, then the name.
constexpr std::string_view kAlpn = "\x0apostgresql";

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned int in_size, void*) {
    unsigned char* selected = nullptr;
    const auto* ours = reinterpret_cast<const unsigned char*>(kAlpn.data());
    if (SSL_select_next_proto(&selected, out_size, ours, kAlpn.size(), in, in_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

SslContext make_context(const SSL_METHOD* method) {
    SslContext context(SSL_CTX_new(method));
    if (!context) {
        throw std::runtime_error("cannot make a TLS context: " + last_tls_error());
    }
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    // One recv for all the records that are there.
    SSL_CTX_set_read_ahead(context.get(), 1);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    return context;
}

}  // namespace

std::string last_tls_error() {
    std::string text;
    while (const unsigned long code = ERR_get_error()) {
        std::array<char, 256> buffer{};
        ERR_error_string_n(code, buffer.data(), buffer.size());
        text = buffer.data();
    }
    return text;
}

SslContext make_listener_context(const config::ListenTls& tls) {
    SslContext context = make_context(TLS_server_method());
    if (tls.min_version == config::ListenTls::Version::kTls13) {
        SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    }
    if (SSL_CTX_use_certificate_chain_file(context.get(), tls.certificate.c_str()) != 1) {
        throw std::runtime_error("cannot use the certificate " + tls.certificate.string() + ": " +
                                 last_tls_error());
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1) {
        throw std::runtime_error("cannot use the key " + tls.key.string() + ": " +
                                 last_tls_error());
    }
    SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
    // Sessions are resumed by tickets, nothing is kept here.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    if (!tls.client_ca.empty()) {
        if (SSL_CTX_load_verify_file(context.get(), tls.client_ca.c_str()) != 1) {
            throw std::runtime_error("cannot use the certificate authorities in " +
                                     tls.client_ca.string() + ": " + last_tls_error());
        }
        SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(tls.client_ca.c_str()));
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           nullptr);
        // A ticket would stand for a certificate that may have expired since.
        SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context.get(), 0);
    }
    return context;
}

SslContext make_server_context(const config::Database& database) {
    SslContext context = make_context(TLS_client_method());
    const bool verify = database.tls_mode == config::TlsMode::kVerifyCa ||
                        database.tls_mode == config::TlsMode::kVerifyFull;
    if (verify) {
        const std::string ca =
            database.tls_ca.empty() ? config::kSystemCertificates : database.tls_ca.string();
        if (SSL_CTX_load_verify_file(context.get(), ca.c_str()) != 1) {
            throw std::runtime_error("cannot use the certificate authorities in " + ca + ": " +
                                     last_tls_error());
        }
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    }
    return context;
}

Ssl make_server_ssl(SSL_CTX* context, const config::Database& database, const std::string& host) {
    Ssl ssl(SSL_new(context));
    if (!ssl) {
        throw std::runtime_error("cannot start TLS: " + last_tls_error());
    }
    X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl.get());
    const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
    ERR_clear_error();
    if (!is_address) {
        SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    }
    if (database.tls_mode == config::TlsMode::kVerifyFull) {
        if (!is_address) {
            X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
            if (X509_VERIFY_PARAM_set1_host(parameters, host.data(), host.size()) != 1) {
                throw std::runtime_error("cannot verify the host name " + host);
            }
        }
    } else if (is_address) {
        // Only verify-full looks at the name.
        X509_VERIFY_PARAM_set1_ip(parameters, nullptr, 0);
    }
    SSL_set_connect_state(ssl.get());
    return ssl;
}

bool negotiated_postgresql(const SSL* ssl) {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    return std::string_view(reinterpret_cast<const char*>(name), size) == kAlpn.substr(1);
}

std::string peer_common_name(const SSL* ssl) {
    const X509* certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) {
        return {};
    }
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return {};
    }
    unsigned char* utf8 = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    std::string name;
    if (size > 0) {
        name.assign(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    }
    OPENSSL_free(utf8);
    return name;
}

std::optional<std::chrono::sys_seconds> certificate_end(const SSL_CTX* context) {
    const X509* certificate = SSL_CTX_get0_certificate(context);
    std::tm end{};
    if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
        return std::nullopt;
    }
    // In UTC, whatever the machine's zone is.
    return std::chrono::sys_days(std::chrono::year(end.tm_year + 1900) /
                                 std::chrono::month(static_cast<unsigned>(end.tm_mon) + 1) /
                                 std::chrono::day(static_cast<unsigned>(end.tm_mday))) +
           std::chrono::hours(end.tm_hour) + std::chrono::minutes(end.tm_min) +
           std::chrono::seconds(end.tm_sec);
}

std::string server_end_point(const SSL* ssl) {
    X509* certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr) {
        return {};
    }
    int digest = NID_undef;
    if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, nullptr) != 1) {
        return {};
    }
    // MD5 and SHA-1 are replaced by SHA-256; a signature without a digest of its own (Ed25519) has
    // no channel binding defined.
    if (digest == NID_md5 || digest == NID_sha1) {
        digest = NID_sha256;
    }
    const EVP_MD* method = EVP_get_digestbynid(digest);
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned int size = 0;
    if (method == nullptr || X509_digest(certificate, method, hash.data(), &size) != 1) {
        return {};
    }
    return {reinterpret_cast<const char*>(hash.data()), size};
}

}  // namespace vitrine::net
