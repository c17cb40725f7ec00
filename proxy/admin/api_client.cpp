#include "proxy/admin/api_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <stdexcept>

#include "config/limits.h"
#include "proxy/admin/http_server.h"

namespace vitrine::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

// Beyond what a held answer takes.
constexpr std::chrono::seconds kAnswerMax = limits::kApiWaitMax + std::chrono::seconds(15);

// Runs one operation to its end: Beast's time limits work on asynchronous ones alone.
template <class Start>
void run(asio::io_context& context, const std::string& what, Start start) {
    error_code result;
    start([&result](error_code error, auto&&...) { result = error; });
    context.restart();
    context.run();
    if (result) {
        throw std::runtime_error(what + ": " + result.message());
    }
}

std::shared_ptr<X509> first_certificate(const std::string& file) {
    std::shared_ptr<X509> certificate;
    if (BIO* const in = BIO_new_file(file.c_str(), "r"); in != nullptr) {
        certificate.reset(PEM_read_bio_X509(in, nullptr, nullptr, nullptr), X509_free);
        BIO_free(in);
    }
    if (certificate == nullptr) {
        throw std::runtime_error("cannot read a certificate from " + file);
    }
    return certificate;
}

}  // namespace

ApiAnswer call_api(const ApiAddress& address, const std::string& authorization,
                   const std::string& method, const std::string& target,
                   const boost::json::value& body) {
    const std::string where = address.host + ":" + std::to_string(address.port);
    asio::io_context context;
    asio::ssl::context tls(asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    tls.set_verify_mode(asio::ssl::verify_peer);
    error_code error;
    if (address.ca.empty()) {
        tls.set_default_verify_paths(error);
    } else {
        tls.load_verify_file(address.ca, error);
    }
    if (error) {
        throw std::runtime_error("cannot use the certificate authorities in " + address.ca + ": " +
                                 error.message());
    }
    if (address.pinned) {
        // The certificate itself is what is trusted, whoever has signed it, and no other that the
        // same authority has signed.
        const auto expected = first_certificate(address.ca);
        tls.set_verify_callback([expected](bool, asio::ssl::verify_context& verified) {
            X509_STORE_CTX* const chain = verified.native_handle();
            return X509_STORE_CTX_get_error_depth(chain) != 0 ||
                   X509_cmp(X509_STORE_CTX_get_current_cert(chain), expected.get()) == 0;
        });
    } else {
        tls.set_verify_callback(asio::ssl::host_name_verification(address.host));
    }
    beast::ssl_stream<beast::tcp_stream> stream(context, tls);
    SSL_set_tlsext_host_name(stream.native_handle(), address.host.c_str());

    asio::ip::tcp::resolver resolver(context);
    const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
    if (error) {
        throw std::runtime_error("cannot find " + address.host + ": " + error.message() +
                                 "; say where the API is with --api https://HOST:PORT");
    }
    auto& lowest = beast::get_lowest_layer(stream);
    lowest.expires_after(limits::kServerConnectMax);
    run(context, "cannot connect to the API at " + where,
        [&](auto done) { lowest.async_connect(found, done); });
    try {
        run(context, "TLS with the API at " + where,
            [&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
    } catch (const std::runtime_error& failure) {
        throw std::runtime_error(std::string(failure.what()) +
                                 "; name the authority of its certificate with --ca FILE");
    }

    http::request<http::string_body> request(http::string_to_verb(method), target, 11);
    request.set(http::field::host, where);
    if (!authorization.empty()) {
        request.set(http::field::authorization, authorization);
    }
    if (!body.is_null()) {
        request.set(http::field::content_type, "application/json");
        request.body() = boost::json::serialize(body);
    }
    request.prepare_payload();
    lowest.expires_after(kAnswerMax);
    run(context, "cannot send to the API at " + where,
        [&](auto done) { http::async_write(stream, request, done); });
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    run(context, "no answer of the API at " + where,
        [&](auto done) { http::async_read(stream, buffer, response, done); });

    ApiAnswer answer;
    answer.status = response.result_int();
    answer.cut = response[kListHeader] == kListCut;
    boost::json::error_code malformed;
    answer.body = boost::json::parse(response.body(), malformed);
    if (malformed) {
        throw std::runtime_error("what answers at " + where +
                                 " is not vitrine's API; say where that is with --api");
    }
    return answer;
}

}  // namespace vitrine::admin
