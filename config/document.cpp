#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <unordered_map>

#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::config {
namespace {

// What stops the reading, with its place.
struct Stop : std::exception {
    Stop(unsigned at_line, unsigned at_column, std::string why)
        : line(at_line), column(at_column), message(std::move(why)) {}
    [[nodiscard]] const char* what() const noexcept override { return message.c_str(); }

    unsigned line;
    unsigned column;
    std::string message;
};

class Lines {
  public:
    explicit Lines(std::string_view text) {
        while (true) {
            const std::size_t end = text.find('\n');
            lines_.push_back(text.substr(0, end));
            if (end == std::string_view::npos) {
                return;
            }
            text.remove_prefix(end + 1);
        }
    }

    // yaml-cpp counts bytes, from 0; people count characters, from 1. Counted on from the last
    // place asked for: a file may be one line of megabytes.
    [[nodiscard]] std::pair<unsigned, unsigned> place(const YAML::Mark& mark) {
        if (mark.is_null()) {
            return {1, 1};
        }
        const auto line = static_cast<std::size_t>(mark.line);
        auto column = static_cast<std::size_t>(mark.column);
        if (line >= lines_.size()) {
            return {static_cast<unsigned>(line + 1), static_cast<unsigned>(column + 1)};
        }
        column = std::min(column, lines_[line].size());
        if (line != last_line_) {
            last_line_ = line;
            last_byte_ = last_character_ = 0;
        }
        const auto between =
            lines_[line].substr(std::min(column, last_byte_),
                                std::max(column, last_byte_) - std::min(column, last_byte_));
        const auto characters =
            static_cast<std::size_t>(std::count_if(between.begin(), between.end(), [](char c) {
                return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
            }));
        last_character_ =
            column >= last_byte_ ? last_character_ + characters : last_character_ - characters;
        last_byte_ = column;
        return {static_cast<unsigned>(line + 1), static_cast<unsigned>(last_character_ + 1)};
    }

  private:
    std::vector<std::string_view> lines_;
    std::size_t last_line_ = 0;
    std::size_t last_byte_ = 0;
    std::size_t last_character_ = 0;
};

class TreeBuilder : public YAML::EventHandler {
  public:
    explicit TreeBuilder(Lines& lines) : lines_(lines) {}

    struct Place {
        std::size_t byte = 0;
        unsigned line = 1;
        unsigned column = 1;
    };

    [[nodiscard]] std::shared_ptr<const Node> root() const { return root_; }
    // The last one of the text; its tag and anchor come first.
    [[nodiscard]] const Place& last_scalar() const { return last_scalar_; }

    void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        auto node = make(mark, Node::Kind::kNull);
        remember(anchor, node);
        add(node);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        const bool open = found == anchors_.end() ||
                          std::any_of(open_.begin(), open_.end(),
                                      [&](const Open& each) { return each.node == found->second; });
        if (open) {
            stop(mark, "an alias stands inside of what it names; write the value out");
        }
        add(found->second);
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        auto node = make(mark, Node::Kind::kScalar);
        if (tag == "!" || tag == "tag:yaml.org,2002:str") {
            node->quoted = true;
        } else if (tag != "?" && !tag.empty()) {
            refuse_tag(mark);
        }
        if (value.find('\0') != std::string::npos) {
            stop(mark, "the text has a NUL in it; remove the \\0");
        }
        node->text = value;
        last_scalar_ = {static_cast<std::size_t>(mark.pos), node->line, node->column};
        remember(anchor, node);
        add(node);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        begin(mark, tag, "tag:yaml.org,2002:seq", anchor, Node::Kind::kSequence);
    }
    void OnSequenceEnd() override { end(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        begin(mark, tag, "tag:yaml.org,2002:map", anchor, Node::Kind::kMap);
    }
    void OnMapEnd() override { end(); }

  private:
    struct Open {
        std::shared_ptr<Node> node;
        std::shared_ptr<const Node> key;  // a map's, while its value is awaited
    };

    [[noreturn]] void stop(const YAML::Mark& mark, std::string message) const {
        const auto [line, column] = lines_.place(mark);
        throw Stop(line, column, std::move(message));
    }
    [[noreturn]] void refuse_tag(const YAML::Mark& mark) const {
        stop(mark, "tags other than !!str, !!seq and !!map are not supported; leave the tag out");
    }

    [[nodiscard]] std::shared_ptr<Node> make(const YAML::Mark& mark, Node::Kind kind) const {
        auto node = std::make_shared<Node>();
        node->kind = kind;
        std::tie(node->line, node->column) = lines_.place(mark);
        return node;
    }

    void remember(YAML::anchor_t anchor, const std::shared_ptr<Node>& node) {
        if (anchor != 0) {
            anchors_[anchor] = node;
        }
    }

    void begin(const YAML::Mark& mark, const std::string& tag, std::string_view own_tag,
               YAML::anchor_t anchor, Node::Kind kind) {
        if (tag != "?" && tag != "!" && !tag.empty() && tag != own_tag) {
            refuse_tag(mark);
        }
        auto node = make(mark, kind);
        remember(anchor, node);
        open_.push_back({std::move(node), nullptr});
    }

    void end() {
        const auto node = std::move(open_.back().node);
        open_.pop_back();
        add(node);
    }

    void add(const std::shared_ptr<const Node>& node) {
        if (open_.empty()) {
            root_ = node;
            return;
        }
        Open& parent = open_.back();
        // Each addend is at most the limit, so this cannot overflow.
        parent.node->size += node->size;
        if (parent.node->size > limits::kConfigNodesMax) {
            throw Stop(node->line, node->column,
                       "the file is too large once its aliases are written out; use fewer");
        }
        if (parent.node->kind == Node::Kind::kSequence) {
            parent.node->items.push_back(node);
        } else if (!parent.key) {
            parent.key = node;
        } else {
            parent.node->entries.emplace_back(std::move(parent.key), node);
            parent.key = nullptr;
        }
    }

    Lines& lines_;
    std::vector<Open> open_;
    std::unordered_map<YAML::anchor_t, std::shared_ptr<const Node>> anchors_;
    std::shared_ptr<const Node> root_;
    Place last_scalar_;
};

// yaml-cpp takes the end of the file for a closing quote where a line break comes before it, and
// everything from the open quote on for a text: the rules behind it would silently be none.
void check_last_quote(std::string_view text, const TreeBuilder::Place& place) {
    constexpr std::string_view kWhite = " \t\r\n";
    std::size_t at = std::min(place.byte, text.size());
    while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
        at = text.find_first_of(kWhite, at);
        at = at == std::string_view::npos ? text.size() : text.find_first_not_of(kWhite, at);
        at = std::min(at, text.size());
    }
    if (at == text.size() || (text[at] != '"' && text[at] != '\'')) {
        return;
    }
    const char quote = text[at];
    for (++at; at < text.size(); ++at) {
        if (quote == '"' && text[at] == '\\') {
            ++at;
        } else if (text[at] == quote) {
            if (quote == '"' || at + 1 == text.size() || text[at + 1] != quote) {
                return;
            }
            ++at;  // '' within '…'
        }
    }
    throw Stop(place.line, place.column, "a quote opens here and is not closed; close it");
}

// What yaml-cpp would take silently: bytes that are not UTF-8 it replaces, U+0004 it takes for the
// end of the file, and a line that begins with % for a directive that it need not know.
void check_characters(const std::string& text) {
    unsigned line = 1;
    unsigned column = 1;
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto character = take_character(rest);
        if (!character) {
            throw Stop(line, column, "the file is not UTF-8 here; save it as UTF-8");
        }
        const bool white = *character == '\t' || *character == '\n' || *character == '\r';
        if ((*character < 0x20 && !white) || *character == 0x7f) {
            throw Stop(line, column, "a control character stands here; remove it");
        }
        if (*character == '%' && column == 1) {
            throw Stop(line, column, "a YAML directive stands here; directives are not supported");
        }
        if (*character == '\n') {
            ++line;
            column = 1;
        } else {
            ++column;
        }
    }
}

std::shared_ptr<const Node> build(const std::string& text) {
    check_characters(text);
    Lines lines(text);
    TreeBuilder tree(lines);
    try {
        std::istringstream stream(text);
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(tree)) {
            auto empty = std::make_shared<Node>();
            empty->kind = Node::Kind::kMap;
            empty->line = empty->column = 1;
            return empty;
        }
        check_last_quote(text, tree.last_scalar());
        TreeBuilder second(lines);
        if (parser.HandleNextDocument(second)) {
            const auto root = second.root();
            throw Stop(root ? root->line : 1, root ? root->column : 1,
                       "a second document begins here; the configuration is one document");
        }
    } catch (const YAML::Exception& error) {
        const auto [line, column] = lines.place(error.mark);
        throw Stop(line, column, "not valid YAML: " + error.msg);
    }
    return tree.root();
}

}  // namespace

std::shared_ptr<const Node> parse_document(std::string text, const std::string& file,
                                           std::vector<Problem>& problems) {
    if (text.starts_with("\xef\xbb\xbf")) {
        text.erase(0, 3);  // so that yaml-cpp's columns are those of the text
    }
    try {
        return build(text);
    } catch (const Stop& stop) {
        problems.push_back({{file, stop.line, stop.column}, stop.message});
    } catch (const std::exception& error) {
        problems.push_back({{file, 1, 1}, std::string("cannot be read as YAML: ") + error.what()});
    }
    return nullptr;
}

}  // namespace vitrine::config
