#include "proxy/net/jwks_fetcher.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "config/files.h"
#include "config/limits.h"
#include "config/url.h"
#include "proxy/net/tls.h"

namespace vitrine::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using std::chrono::steady_clock;

namespace {

std::shared_ptr<asio::ssl::context> make_tls(const config::Issuer& issuer) {
    auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
    tls->set_verify_mode(asio::ssl::verify_peer);
    tls->load_verify_file(issuer.jwks_ca.empty() ? config::kSystemCertificates
                                                 : issuer.jwks_ca.string());
    return tls;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    return first == std::string_view::npos
               ? std::string_view()
               : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::chrono::seconds age_of_keys(std::string_view cache_control) {
    while (!cache_control.empty()) {
        const std::size_t comma = std::min(cache_control.find(','), cache_control.size());
        const std::string_view directive = trimmed(cache_control.substr(0, comma));
        cache_control.remove_prefix(std::min(comma + 1, cache_control.size()));
        const std::size_t equals = std::min(directive.find('='), directive.size());
        if (!beast::iequals(directive.substr(0, equals), "max-age")) {
            continue;
        }
        std::int64_t seconds = 0;
        const char* const end = directive.data() + directive.size();
        const char* const begin = directive.data() + std::min(equals + 1, directive.size());
        const auto [stop, error] = std::from_chars(begin, end, seconds);
        if (error == std::errc() && stop == end) {
            return std::clamp(std::chrono::seconds(seconds), limits::kJwksAgeMin,
                              limits::kJwksAgeMax);
        }
    }
    return limits::kJwksAgeDefault;
}

// One issuer's address, and what came from there.
struct JwksFetcher::Source {
    explicit Source(asio::io_context& context) : timer(context) {}

    std::string issuer;
    std::string address;
    config::HttpsUrl url;
    std::shared_ptr<asio::ssl::context> tls;
    std::string tls_problem;                   // why there is none
    std::shared_ptr<const auth::KeySet> keys;  // null: none came yet
    std::string body;                          // what they were read from
    asio::steady_timer timer;                  // when it is asked for next
    steady_clock::time_point due = steady_clock::time_point::max();
    std::optional<steady_clock::time_point> began;
    bool under_way = false;
    unsigned failures = 0;      // since the last answer
    std::string problem;        // the last one that was logged; empty: all is well
    std::vector<Done> waiting;  // for the next request
    std::vector<Done> served;   // by the one under way, which began after they asked
    std::vector<Done> joined;   // it, when it was already under way
};

// One request, from the name's look-up to the answer's last byte, or to its time limit.
class JwksFetcher::Fetch : public std::enable_shared_from_this<Fetch> {
  public:
    // `ended` runs once: with a problem, or the response.
    using Response = http::response<http::string_body>;
    using Ended = std::function<void(std::string problem, Response response)>;

    Fetch(asio::io_context& context, const Source& source, Ended ended)
        : url_(source.url),
          tls_(source.tls),
          resolver_(context),
          stream_(context, *tls_),
          deadline_(context),
          ended_(std::move(ended)) {
        parser_.body_limit(limits::kJwksBytesMax);
    }

    void start() {
        deadline_.expires_after(limits::kJwksFetchMax);
        deadline_.async_wait([self = shared_from_this()](beast::error_code error) {
            if (!error) {
                self->end(fmt::format("no answer within {} s", limits::kJwksFetchMax.count()));
            }
        });
        beast::error_code no_address;
        asio::ip::make_address(url_.host, no_address);
        if (no_address) {
            SSL_set_tlsext_host_name(stream_.native_handle(), url_.host.c_str());
        }
        stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host));
        resolver_.async_resolve(
            url_.host, std::to_string(url_.port),
            [self = shared_from_this()](beast::error_code error, const auto& found) {
                if (self->goes_on(error)) {
                    self->connect(found);
                }
            });
    }

  private:
    void connect(const tcp::resolver::results_type& addresses) {
        beast::get_lowest_layer(stream_).async_connect(
            addresses, [self = shared_from_this()](beast::error_code error, const auto&) {
                if (self->goes_on(error)) {
                    self->shake_hands();
                }
            });
    }

    void shake_hands() {
        stream_.async_handshake(asio::ssl::stream_base::client,
                                [self = shared_from_this()](beast::error_code error) {
                                    if (self->goes_on(error)) {
                                        self->ask();
                                    }
                                });
    }

    void ask() {
        request_ = {http::verb::get, url_.target, 11};
        const bool is_v6 = url_.host.find(':') != std::string::npos;
        request_.set(http::field::host,
                     (is_v6 ? "[" + url_.host + "]" : url_.host) +
                         (url_.port == 443 ? "" : ":" + std::to_string(url_.port)));
        request_.set(http::field::user_agent, "vitrine");
        request_.set(http::field::accept, "application/jwk-set+json, application/json");
        request_.set(http::field::connection, "close");
        http::async_write(stream_, request_,
                          [self = shared_from_this()](beast::error_code error, std::size_t) {
                              if (self->goes_on(error)) {
                                  self->read();
                              }
                          });
    }

    void read() {
        http::async_read(stream_, buffer_, parser_,
                         [self = shared_from_this()](beast::error_code error, std::size_t) {
                             if (self->goes_on(error)) {
                                 self->judge();
                             }
                         });
    }

    // No redirect is followed: the address in the configuration is the one that is trusted.
    void judge() {
        const unsigned status = parser_.get().result_int();
        end(status == 200 ? "" : fmt::format("the answer is HTTP {}", status));
    }

    [[nodiscard]] bool goes_on(beast::error_code error) {
        if (error) {
            end(error.message());
        }
        return !error && ended_;
    }

    void end(std::string problem) {
        if (!ended_) {
            return;
        }
        const Ended ended = std::exchange(ended_, nullptr);
        deadline_.cancel();
        resolver_.cancel();
        beast::get_lowest_layer(stream_).close();
        ended(std::move(problem), parser_.release());
    }

    config::HttpsUrl url_;
    std::shared_ptr<asio::ssl::context> tls_;  // outlives the stream
    tcp::resolver resolver_;
    beast::ssl_stream<beast::tcp_stream> stream_;
    asio::steady_timer deadline_;
    http::request<http::empty_body> request_;
    beast::flat_buffer buffer_{limits::kJwksBytesMax};
    http::response_parser<http::string_body> parser_;
    Ended ended_;
};

JwksFetcher::JwksFetcher(asio::io_context& context, std::function<void()> changed)
    : context_(context), changed_(std::move(changed)) {}

JwksFetcher::~JwksFetcher() = default;

auth::FetchedKeys JwksFetcher::keys(const config::Auth& auth) const {
    auth::FetchedKeys keys;
    for (const config::Issuer& issuer : auth.issuers) {
        const auto source = sources_.find(issuer.name);
        if (source != sources_.end() && source->second->address == issuer.jwks_url &&
            source->second->keys) {
            keys.emplace(issuer.name, source->second->keys);
        }
    }
    return keys;
}

void JwksFetcher::configure(const config::Auth& auth) {
    auto before = std::exchange(sources_, {});
    for (const config::Issuer& issuer : auth.issuers) {
        const auto url = config::parse_https_url(issuer.jwks_url);
        if (!url) {
            continue;
        }
        auto& source = sources_[issuer.name];
        const auto same = before.find(issuer.name);
        if (same != before.end() && same->second->address == issuer.jwks_url) {
            source = same->second;
            before.erase(same);
        } else {
            source = std::make_shared<Source>(context_);
            source->issuer = issuer.name;
            source->address = issuer.jwks_url;
            source->url = *url;
        }
        try {
            source->tls = make_tls(issuer);
            source->tls_problem.clear();
        } catch (const boost::system::system_error& error) {
            source->tls = nullptr;
            source->tls_problem =
                std::string("the certificate authorities cannot be used: ") + error.what();
        }
        refresh(issuer.name, [](bool) {});
    }
    for (const auto& [issuer, source] : before) {
        source->timer.cancel();
        for (auto* const waiting : {&source->waiting, &source->served, &source->joined}) {
            for (const Done& done : std::exchange(*waiting, {})) {
                done(true);
            }
        }
    }
}

void JwksFetcher::refresh(std::string issuer, Done done) {
    asio::post(context_, [this, alive = std::weak_ptr<int>(alive_), issuer = std::move(issuer),
                          done = std::move(done)] {
        if (alive.expired()) {
            return;
        }
        const auto found = sources_.find(issuer);
        if (found == sources_.end()) {
            done(true);
            return;
        }
        const auto& source = found->second;
        if (source->under_way) {
            source->joined.push_back(done);
            return;
        }
        source->waiting.push_back(done);
        const auto now = steady_clock::now();
        const auto soonest = source->began ? *source->began + limits::kJwksRefreshMin : now;
        if (soonest <= now) {
            begin(source);
        } else if (soonest < source->due) {
            plan(source, soonest);
        }
    });
}

void JwksFetcher::plan(const std::shared_ptr<Source>& source, steady_clock::time_point when) {
    source->due = when;
    source->timer.expires_at(when);
    source->timer.async_wait([this, alive = std::weak_ptr<int>(alive_),
                              weak = std::weak_ptr<Source>(source)](beast::error_code error) {
        const auto due = weak.lock();
        if (!error && due && !alive.expired() && !due->under_way) {
            begin(due);
        }
    });
}

void JwksFetcher::begin(const std::shared_ptr<Source>& source) {
    source->timer.cancel();
    source->due = steady_clock::time_point::max();
    source->began = steady_clock::now();
    source->served = std::exchange(source->waiting, {});
    if (!source->tls) {
        failed(source, source->tls_problem);
        return;
    }
    source->under_way = true;
    std::make_shared<Fetch>(
        context_, *source,
        [this, alive = std::weak_ptr<int>(alive_), weak = std::weak_ptr<Source>(source)](
            std::string problem, Fetch::Response response) {
            const auto asked = weak.lock();
            if (!asked || alive.expired()) {
                return;
            }
            asked->under_way = false;
            if (!problem.empty()) {
                failed(asked, std::move(problem));
            } else {
                const auto header = response[http::field::cache_control];
                const std::string cache_control(header.data(), header.size());
                answered(asked, response.body(), cache_control);
            }
        })
        ->start();
}

void JwksFetcher::answered(const std::shared_ptr<Source>& source, const std::string& body,
                           std::string_view cache_control) {
    if (!source->keys || source->body != body) {
        auth::ParsedKeySet parsed = auth::parse_key_set(body);
        if (!parsed.problem.empty()) {
            failed(source, "the answer " + parsed.problem);
            return;
        }
        spdlog::info("issuer {}: {} keys from {}", source->issuer, parsed.set.keys.size(),
                     source->address);
        source->keys = std::make_shared<const auth::KeySet>(std::move(parsed.set));
        source->body = body;
        changed_();
    } else if (!source->problem.empty()) {
        spdlog::info("issuer {}: {} answers again", source->issuer, source->address);
    }
    source->problem.clear();
    source->failures = 0;
    const auto age = age_of_keys(cache_control);
    settle(source, true);
    // Before they are old, and with time for another try.
    plan(source, steady_clock::now() + age * 3 / 4);
}

void JwksFetcher::failed(const std::shared_ptr<Source>& source, std::string why) {
    if (source->problem != why) {
        spdlog::warn("issuer {}: no keys from {}: {}; {}", source->issuer, source->address, why,
                     source->keys ? "those at hand stay in force"
                                  : "its tokens are refused until there are");
        source->problem = std::move(why);
    }
    ++source->failures;
    settle(source, false);
    const auto pause = std::min<std::chrono::seconds>(
        limits::kJwksRefreshMin * (1U << std::min(source->failures, 10U)), limits::kJwksRetryMax);
    plan(source, steady_clock::now() + pause);
}

void JwksFetcher::settle(const std::shared_ptr<Source>& source, bool well) {
    for (const Done& done : std::exchange(source->served, {})) {
        done(true);
    }
    for (const Done& done : std::exchange(source->joined, {})) {
        done(!well);
    }
}

}  // namespace vitrine::net
