// Typed values out of the tree: every function here reads one value or records why it cannot, and
// reading goes on, so that all mistakes of a file are reported at once.
//
// Messages begin with the path of the value ("listen.tls.key") and end with the way out. They
// never show what stands where a secret belongs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/document.h"

namespace vitrine::config {

// A node with the name it goes by. Nodes live as long as the document does.
struct Value {
    const Node* node = nullptr;
    const Node* key = nullptr;  // where the value is one of a map: its key
    std::string path;           // "databases.shop.servers[1]"; empty for the whole file
};

// What the functions below share: the file's name, and the problems found so far.
class Reader {
  public:
    explicit Reader(std::filesystem::path file) : file_(std::move(file)) {}

    [[nodiscard]] Position position(const Node& node) const {
        return {file_.string(), node.line, node.column};
    }
    // `PATH MESSAGE`, at the value.
    void problem(const Value& value, std::string_view message);
    // The same at the value's key: for what is missing in it.
    void problem_at_key(const Value& value, std::string_view message);
    void problem_at(const Node& node, std::string message);
    void not_supported(const Value& value, std::string_view way_out);

    // Relative paths are relative to the file they stand in.
    [[nodiscard]] std::filesystem::path resolve(std::string_view path) const;

    [[nodiscard]] std::vector<Problem>& problems() { return problems_; }

  private:
    std::filesystem::path file_;
    std::vector<Problem> problems_;
};

// The value of a map whose keys are known. Unknown and duplicate keys are problems at once.
class Fields {
  public:
    enum class Keys : std::uint8_t { kShown, kSecret };  // kSecret: unknown ones are not shown

    Fields(Reader& reader, Value value, std::initializer_list<std::string_view> known,
           Keys keys = Keys::kShown);

    [[nodiscard]] bool is_map() const { return value_.node->kind == Node::Kind::kMap; }
    [[nodiscard]] std::optional<Value> find(std::string_view key) const;
    // A problem where it is missing: `PATH.key is missing: WAY_OUT`.
    [[nodiscard]] std::optional<Value> require(std::string_view key, std::string_view way_out);
    [[nodiscard]] const Value& value() const { return value_; }

  private:
    Reader& reader_;
    Value value_;
    std::set<std::string, std::less<>> misspelt_;  // known keys that an unknown one stands for
};

// The entries of a map whose keys are the operator's own names. Duplicates are problems.
[[nodiscard]] std::vector<std::pair<std::string, Value>> read_named(Reader& reader,
                                                                    const Value& value);
// The elements of a list; an empty one is a problem where `empty_message` is given.
[[nodiscard]] std::vector<Value> read_list(Reader& reader, const Value& value,
                                           std::string_view empty_message = {});

// A text, not empty, without control characters.
[[nodiscard]] std::optional<std::string> read_text(Reader& reader, const Value& value);
[[nodiscard]] std::optional<std::uint64_t> read_integer(Reader& reader, const Value& value,
                                                        std::uint64_t min, std::uint64_t max);
[[nodiscard]] std::optional<double> read_positive(Reader& reader, const Value& value);
// `90s`, `15m`, `12h`, `400d`.
[[nodiscard]] std::optional<std::chrono::seconds> read_duration(Reader& reader, const Value& value,
                                                                std::chrono::seconds max);
// `64KiB`, `256MiB`: bytes.
[[nodiscard]] std::optional<std::uint64_t> read_size(Reader& reader, const Value& value);
// `host:port`, `[::1]:6432`.
[[nodiscard]] std::optional<ServerAddress> read_address(Reader& reader, const Value& value);
// An index into `words`.
[[nodiscard]] std::optional<std::size_t> read_word(Reader& reader, const Value& value,
                                                   std::initializer_list<std::string_view> words);
// `{groups: [...]}`.
[[nodiscard]] std::vector<std::string> read_groups(Reader& reader, const Value& value);
[[nodiscard]] std::optional<std::filesystem::path> read_path(Reader& reader, const Value& value);
// `{file: PATH}` or `{env: NAME}`, read and not empty, one trailing newline left out.
[[nodiscard]] std::optional<Secret> read_secret(Reader& reader, const Value& value);
// The bytes of a file that is not secret; a problem at the value where it cannot be read.
[[nodiscard]] std::optional<std::string> read_named_file(Reader& reader, const Value& value,
                                                         const std::filesystem::path& path);

// The known word with the smallest edit distance; empty where there are none.
struct Nearest {
    std::string_view word;
    bool close = false;  // likely a slip of the finger
};
[[nodiscard]] Nearest nearest(std::string_view text, const std::vector<std::string_view>& known);

// A piece of the file within a message: in quotes, cut short, control characters escaped.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace vitrine::config
