// Any bytes as a configuration: problems or a configuration, never both, never neither.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    // A file without a place on the disk; load() takes a path.
    static const int file = memfd_create("config", 0);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    if (file < 0 || ftruncate(file, 0) != 0 ||
        pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) {
        return 0;
    }
    const auto loaded = vitrine::config::load(path);
    if ((loaded.config == nullptr) == loaded.problems.empty()) {
        std::abort();
    }
    for (const auto& problem : loaded.problems) {
        const std::string text = to_string(problem);
        if (text.find('\n') != std::string::npos) {
            std::abort();  // one problem, one line
        }
    }
    return 0;
}
