// The golden files: valid/*.yaml load without a problem, invalid/*.yaml give exactly the problems
// of NAME.expected, a line each: `LINE:COLUMN: message`, with DIR for the directory of the files.
// With VITRINE_UPDATE_GOLDEN=1 in the environment the expected files are written anew; read the
// difference before you believe it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "config/config.h"
#include "tests/config/material.h"

using namespace vitrine::config;

namespace {

std::vector<std::filesystem::path> files_in(const std::string& directory) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(
             std::filesystem::path(VITRINE_SOURCE_DIR) / "tests/config" / directory)) {
        if (entry.path().extension() == ".yaml") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string described(const Loaded& loaded, const test::Directory& directory,
                      const std::filesystem::path& file) {
    std::string text;
    for (const Problem& problem : loaded.problems) {
        REQUIRE(problem.position.file == file.string());
        std::string line = to_string(problem).substr(file.string().size() + 1);
        const std::string path = directory.path().string();
        for (auto at = line.find(path); at != std::string::npos; at = line.find(path)) {
            line.replace(at, path.size(), "DIR");
        }
        text += line + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("valid files load without a problem") {
    const test::Directory directory;
    test::fill(directory);
    const auto files = files_in("valid");
    REQUIRE(files.size() >= 4);
    for (const auto& file : files) {
        INFO(file);
        const auto copy = directory.write(file.filename(), test::read(file));
        const Loaded loaded = load(copy);
        CHECK(described(loaded, directory, copy).empty());
        CHECK(loaded.config != nullptr);
    }
}

TEST_CASE("invalid files give all their problems, with line and column") {
    const test::Directory directory;
    test::fill(directory);
    const auto files = files_in("invalid");
    REQUIRE(files.size() >= 30);
    for (const auto& file : files) {
        INFO(file);
        const auto copy = directory.write(file.filename(), test::read(file));
        const Loaded loaded = load(copy);
        auto expected = file;
        expected.replace_extension(".expected");
        const std::string found = described(loaded, directory, copy);
        if (std::getenv("VITRINE_UPDATE_GOLDEN") != nullptr) {
            std::ofstream(expected) << found;
        }
        CHECK(loaded.config == nullptr);
        CHECK_FALSE(loaded.problems.empty());
        CHECK(found == test::read(expected));
        // What stands where a secret belongs is shown nowhere.
        CHECK(found.find("hunter2") == std::string::npos);
        CHECK(found.find("s3cret") == std::string::npos);
    }
}
