// OTLP logs over HTTP (OTLP 1.x, "OTLP/HTTP"): one request at a time; 200 is the acknowledgement.
#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "proxy/export/connection.h"
#include "proxy/export/hostname.h"
#include "proxy/export/otlp_format.h"
#include "proxy/export/target.h"

namespace vitrine::exports {

namespace beast = boost::beast;
namespace http = beast::http;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kSendMax{60000};
// A collector that hands on before it answers.
constexpr milliseconds kAnswerMax{60000};
constexpr std::uint64_t kAnswerBytesMax = 1024 * 1024;

// Of what a collector says, to be said again.
constexpr std::size_t kSaidBytesMax = 200;

// Whatever a collector's limit is.
constexpr std::size_t kNeverTooLarge = std::size_t{64} * 1024;

// A connection that breaks may be a 413 that was not waited for; where it is one record alone, only
// after so many in a row: it would be shortened for good.
constexpr unsigned kBreaksMax = 5;

// Where a collector takes not even one record of the size that is configured.
constexpr std::size_t kRecordBytesLeast = 2048;

using Response = http::response<http::string_body>;

milliseconds retry_after(const Response& response) {
    const auto text = response[http::field::retry_after];
    unsigned seconds = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
    return read.ec == std::errc() ? milliseconds(std::min(seconds, 3600U) * 1000) : milliseconds(0);
}

class OtlpTarget : public Target {
  public:
    OtlpTarget(const config::ExportTarget& target, const std::atomic<bool>& stopping)
        : configured_(target), connection_(target, stopping) {
        options_.hostname = target.hostname.empty() ? own_hostname() : target.hostname;
        options_.record_bytes_max = target.record_bytes_max;
    }

    Outcome send(std::span<const Item> items) override {
        const std::size_t count = std::min(items.size(), count_max_);
        OtlpOptions options = options_;
        if (least_) {
            options.record_bytes_max = kRecordBytesLeast;
        }
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        const OtlpRequest request =
            otlp_request(items.first(count), options,
                         std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
        Response response;
        try {
            response = post(request.body);
        } catch (const ConnectionError& error) {
            // It may have answered 413 and closed, before it had read all.
            if (sending_ && request.body.size() > kNeverTooLarge &&
                (count > 1 || ++breaks_ >= kBreaksMax)) {
                fewer(count);
            }
            return {.kind = Outcome::Kind::kAgain, .trouble = error.what()};
        }
        return judge(response, count, request.shortened);
    }

  private:
    Outcome judge(const Response& response, std::size_t count, std::uint64_t shortened) {
        const unsigned status = response.result_int();
        breaks_ = 0;
        Outcome outcome;
        if (status >= 200 && status < 300) {
            outcome.items = count;
            outcome.shortened = shortened;
            const OtlpRejected rejected = otlp_rejected(response.body());
            outcome.rejected = std::min<std::uint64_t>(rejected.records, count);
            if (outcome.rejected > 0) {
                outcome.trouble = connection_.peer() + " has rejected " +
                                  std::to_string(outcome.rejected) + " records, which are not " +
                                  "sent again: " + rejected.message.substr(0, kSaidBytesMax);
            }
            least_ = false;
            count_max_ = std::min(count_max_ * 2, kCountMax);
            return outcome;
        }
        if (status == 413 && fewer(count)) {
            return outcome;
        }
        outcome.trouble = connection_.peer() + " answers HTTP " + std::to_string(status) + " " +
                          response.body().substr(0, kSaidBytesMax);
        const bool later = status == 408 || status == 429 || status >= 500;
        outcome.kind = later ? Outcome::Kind::kAgain : Outcome::Kind::kStop;
        outcome.retry_after = later ? retry_after(response) : milliseconds(0);
        return outcome;
    }

    // False: it cannot be less than it was.
    bool fewer(std::size_t count) {
        if (count > 1) {
            count_max_ = count / 2;
            return true;
        }
        return !std::exchange(least_, true);
    }

    Response post(const std::string& body) {
        sending_ = false;
        // One that was kept, and that the collector has closed meanwhile.
        if (connection_.is_open() && !connection_.is_quiet()) {
            connection_.close();
        }
        if (!connection_.is_open()) {
            connection_.open();
        }
        http::request<http::string_body> request(http::verb::post, configured_.target, 11);
        request.set(http::field::host, connection_.peer());
        request.set(http::field::user_agent, "vitrine");
        request.set(http::field::content_type, "application/json");
        request.set(http::field::accept, "application/json");
        for (const auto& [name, secret] : configured_.headers) {
            const std::string_view text = secret.reveal();
            request.set(beast::string_view(name.data(), name.size()),
                        beast::string_view(text.data(), text.size()));
        }
        request.body() = body;
        request.prepare_payload();
        sending_ = true;
        connection_.run("cannot send to", kSendMax, [&request](auto& stream, auto done) {
            http::async_write(stream, request, done);
        });
        sending_ = false;
        beast::flat_buffer buffer;
        http::response_parser<http::string_body> parser;
        parser.body_limit(kAnswerBytesMax);
        connection_.run("no answer from", kAnswerMax, [&](auto& stream, auto done) {
            http::async_read(stream, buffer, parser, done);
        });
        Response response = parser.release();
        if (!response.keep_alive()) {
            connection_.close();
        }
        return response;
    }

    static constexpr std::size_t kCountMax = 1000;

    const config::ExportTarget& configured_;
    Connection connection_;
    OtlpOptions options_;
    // After 413, "Content Too Large", fewer at once; at last one in its shortest form.
    std::size_t count_max_ = kCountMax;
    bool least_ = false;
    unsigned breaks_ = 0;   // in a row, of one record alone
    bool sending_ = false;  // the request is not out yet
};

}  // namespace

std::unique_ptr<Target> make_otlp_target(const config::ExportTarget& target,
                                         const std::atomic<bool>& stopping, const Say&) {
    return std::make_unique<OtlpTarget>(target, stopping);
}

}  // namespace vitrine::exports
