#include "proxy/export/hostname.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace vitrine::exports {

std::string own_hostname() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        return "-";
    }
    std::string text = name.data();
    const bool plain =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    return text.empty() || !plain ? "-" : text;
}

}  // namespace vitrine::exports
