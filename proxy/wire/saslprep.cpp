#include "proxy/wire/saslprep.h"

#include <openssl/crypto.h>
#include <stringprep.h>

#include <algorithm>
#include <vector>

namespace vitrine::wire {
namespace {

// libidn's profile with normalisation moved to the end: PostgreSQL looks for prohibited characters
// in what it had before (U+0340 is prohibited, what it normalises to is not).
std::vector<Stringprep_profile> postgresql_profile() {
    std::vector<Stringprep_profile> steps;
    std::vector<Stringprep_profile> normalisation;
    const Stringprep_profile* step = stringprep_saslprep;
    for (; step->operation != 0; ++step) {
        (step->operation == STRINGPREP_NFKC ? normalisation : steps).push_back(*step);
    }
    steps.insert(steps.end(), normalisation.begin(), normalisation.end());
    steps.push_back(*step);
    return steps;
}

}  // namespace

std::string saslprep(std::string_view password) {
    static const std::vector<Stringprep_profile> profile = postgresql_profile();
    std::string prepared(password);
    const bool ascii = std::all_of(password.begin(), password.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii || password.find('\0') != std::string_view::npos) {
        return prepared;
    }
    // NFKC makes at most 18 characters of one.
    constexpr std::size_t kGrowthMax = 18;
    std::string buffer(password.size() * kGrowthMax + 1, '\0');
    std::copy(password.begin(), password.end(), buffer.begin());
    const int error =
        stringprep(buffer.data(), buffer.size(), STRINGPREP_NO_UNASSIGNED, profile.data());
    const std::string_view result(buffer.c_str());
    if (error == STRINGPREP_OK && !result.empty()) {
        OPENSSL_cleanse(prepared.data(), prepared.size());
        prepared = result;
    }
    OPENSSL_cleanse(buffer.data(), buffer.size());
    return prepared;
}

}  // namespace vitrine::wire
