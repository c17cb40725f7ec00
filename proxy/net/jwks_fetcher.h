// The keys of the issuers that publish them at an address (auth.issuers[].jwks.url): fetched over
// HTTPS, kept, and fetched again before they are old. RFC 7517 section 5; RFC 9111 section 5.2.2.1
// for how long they are good.
//
// A login never waits for the network where its token's kid is known. What was fetched stays in
// force until something else was, however long the provider is away.
//
// Threading: belongs to its io_context; only refresh() may be called from any thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "auth/token.h"
#include "config/config.h"

namespace vitrine::net {

class JwksFetcher {
  public:
    // `changed` runs after the keys of an issuer have become others.
    JwksFetcher(boost::asio::io_context& context, std::function<void()> changed);
    // Nobody who waits is called any more.
    ~JwksFetcher();
    JwksFetcher(const JwksFetcher&) = delete;
    JwksFetcher& operator=(const JwksFetcher&) = delete;

    // The keys at hand, of those issuers that are fetched from the address in `auth`.
    [[nodiscard]] auth::FetchedKeys keys(const config::Auth& auth) const;
    // From now on these issuers' keys are looked after, and asked for once now.
    void configure(const config::Auth& auth);

    // Asks for the issuer's keys once more: at once, or as soon as limits::kJwksRefreshMin has
    // passed since they were asked for last. All who wait for one issuer share one request. `done`
    // runs on the context: with true when that has been answered or has failed; with false after
    // one that was already under way, which may have been answered before the key was there.
    using Done = std::function<void(bool settled)>;
    void refresh(std::string issuer, Done done);

  private:
    struct Source;
    class Fetch;

    void begin(const std::shared_ptr<Source>& source);
    void plan(const std::shared_ptr<Source>& source, std::chrono::steady_clock::time_point when);
    void answered(const std::shared_ptr<Source>& source, const std::string& body,
                  std::string_view cache_control);
    void failed(const std::shared_ptr<Source>& source, std::string why);
    void settle(const std::shared_ptr<Source>& source, bool well);

    boost::asio::io_context& context_;
    std::function<void()> changed_;
    std::map<std::string, std::shared_ptr<Source>> sources_;  // by issuer
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);   // gone with this
};

// How long what came with this Cache-Control is good: its max-age, within limits::kJwksAge*.
[[nodiscard]] std::chrono::seconds age_of_keys(std::string_view cache_control);

}  // namespace vitrine::net
