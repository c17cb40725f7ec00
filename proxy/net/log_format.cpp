#include "proxy/net/log_format.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <string_view>

namespace vitrine::net {

namespace {

void append_escaped(spdlog::memory_buf_t& out, spdlog::string_view_t text, bool json) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
            if (json && (c == '"' || c == '\\')) {
                out.push_back('\\');
            }
            out.push_back(c);
        }
    }
}

class Formatter : public spdlog::formatter {
  public:
    explicit Formatter(bool json) : json_(json) {}

    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        const auto whole = std::chrono::floor<std::chrono::seconds>(message.time);
        const auto millis =
            std::chrono::duration_cast<std::chrono::milliseconds>(message.time - whole).count();
        const auto time = fmt::gmtime(std::chrono::system_clock::to_time_t(whole));
        const spdlog::string_view_t level = spdlog::level::to_string_view(message.level);
        auto to = std::back_inserter(out);
        if (json_) {
            fmt::format_to(to, R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","message":")",
                           time, millis, fmt::string_view(level.data(), level.size()));
        } else {
            fmt::format_to(to, "{:%Y-%m-%d %H:%M:%S}.{:03}Z {:<7} ", time, millis,
                           fmt::string_view(level.data(), level.size()));
        }
        append_escaped(out, message.payload, json_);
        const std::string_view end = json_ ? "\"}\n" : "\n";
        out.append(end.data(), end.data() + end.size());
    }

    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<Formatter>(json_);
    }

  private:
    bool json_;
};

}  // namespace

std::unique_ptr<spdlog::formatter> make_log_formatter(bool json) {
    return std::make_unique<Formatter>(json);
}

}  // namespace vitrine::net
