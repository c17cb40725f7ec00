// A client's SASL messages: a token that comes out stands in the message, in the characters of one.
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/wire/frontend.h"
#include "proxy/wire/oauthbearer.h"

namespace {

using namespace vitrine;

void ensure(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check(std::string_view message) {
    const auto token = wire::decode_oauthbearer(message);
    if (!token) {
        return;
    }
    ensure(message.ends_with("\x01\x01"));
    for (const char c : *token) {
        ensure(c > ' ' && c <= '~' && c != ',' && c != '"');
    }
    const std::string pair = " " + std::string(*token) + "\x01";
    ensure(token->empty() || message.find(pair) != std::string_view::npos);
    ensure(!wire::decode_oauthbearer(message.substr(0, message.size() - 1)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    // A copy that ends where its memory ends, so that a read behind it is seen.
    const std::vector<char> copy(bytes, bytes + size);
    const std::string_view input(copy.data(), copy.size());
    check(input);
    const auto initial = wire::decode_sasl_initial_response(input);
    if (initial && initial->data) {
        check(*initial->data);
    }
    return 0;
}
