#include "parser/catalog/loader.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <unordered_set>
#include <utility>

#include "parser/catalog/queries.h"
#include "parser/catalog/snapshot_state.h"

namespace vitrine::parser {

namespace {

// FNV-1a, 128 bits (Fowler, Noll, Vo). It tells catalogs apart, and defends against nobody: who
// can choose a catalog's contents is not who is judged by it.
class Fingerprint {
  public:
    void add(std::string_view bytes) {
        for (const char byte : bytes) {
            hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * kPrime;
        }
    }
    void add_number(std::uint64_t number) {
        std::array<char, 8> bytes{};
        for (char& byte : bytes) {
            byte = static_cast<char>(number & 0xff);
            number >>= 8;
        }
        add({bytes.data(), bytes.size()});
    }
    [[nodiscard]] std::string hex() const {
        constexpr std::string_view kDigits = "0123456789abcdef";
        std::string text;
        for (int shift = 124; shift >= 0; shift -= 4) {
            text += kDigits[static_cast<std::size_t>((hash_ >> shift) & 0xf)];
        }
        return text;
    }

  private:
    __extension__ typedef unsigned __int128 Word;
    static constexpr Word kPrime = (Word{1} << 88) + 0x13b;
    Word hash_ = (Word{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
};

// The fields of one row; what does not have the promised shape clears ok().
class Fields {
  public:
    using Row = std::span<const std::optional<std::string_view>>;
    Fields(Row row, std::size_t expected) : row_(row), ok_(row.size() == expected) {}

    std::string text() {
        const auto field = next();
        if (!field) {
            ok_ = false;
            return {};
        }
        return std::string(*field);
    }
    std::string text_or_empty() { return std::string(next().value_or("")); }
    char character() {
        const std::string field = text();
        if (field.size() != 1) {
            ok_ = false;
            return '\0';
        }
        return field[0];
    }
    bool boolean() {
        const std::string field = text();
        if (field != "true" && field != "false") {
            ok_ = false;
        }
        return field == "true";
    }
    template <typename Number>
    Number number() {
        const std::string field = text();
        return parse<Number>(field);
    }
    // Numbers with spaces between, as oidvector and int2vector are written; NULL is none.
    template <typename Number>
    std::vector<Number> numbers() {
        std::vector<Number> list;
        std::string_view rest = next().value_or("");
        while (!rest.empty()) {
            const std::size_t space = std::min(rest.find(' '), rest.size());
            if (space > 0) {
                list.push_back(parse<Number>(rest.substr(0, space)));
            }
            rest.remove_prefix(std::min(space + 1, rest.size()));
        }
        return list;
    }
    [[nodiscard]] bool ok() const { return ok_; }

  private:
    std::optional<std::string_view> next() {
        if (!ok_ || position_ >= row_.size()) {
            ok_ = false;
            return std::nullopt;
        }
        return row_[position_++];
    }
    template <typename Number>
    Number parse(std::string_view digits) {
        Number value{};
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size()) {
            ok_ = false;
        }
        return value;
    }

    Row row_;
    std::size_t position_ = 0;
    bool ok_;
};

constexpr Oid kInternalType = 2281;  // pg_type.dat

// The relation's OID, then attribute numbers as the bits that nodes/parsenodes.h describes: less
// FirstLowInvalidHeapAttributeNumber, which is -7 from 12 to 15.
ColumnsRead columns_read(std::span<const Oid> numbers) {
    ColumnsRead read;
    for (const Oid bit : numbers.subspan(std::min<std::size_t>(1, numbers.size()))) {
        if (bit == 7) {
            read.whole_row = true;
        } else if (bit > 7) {  // below: system columns
            read.columns.push_back(static_cast<std::int16_t>(bit - 7));
        }
    }
    read.relation = numbers.empty() ? 0 : numbers.front();
    return read;
}

// Functions and operators in a stored expression (nodeToString, outfuncs.c) that hang on no column:
// the planner computes those on its own (eval_const_expressions).
struct Folded {
    std::vector<Oid> functions;
    std::vector<Oid> operators;
};
Folded folded_calls(std::string_view tree) {
    struct Node {
        bool has_variable = false;
        std::vector<Oid> functions;
        std::vector<Oid> operators;
    };
    Folded found;
    std::vector<Node> open;
    const auto begins = [&](std::size_t at, std::string_view word) {
        return tree.substr(at, word.size()) == word;
    };
    const auto number = [&](std::size_t at) {
        Oid value = 0;
        std::from_chars(tree.data() + at, tree.data() + tree.size(), value);
        return value;
    };
    for (std::size_t at = 0; at < tree.size(); ++at) {
        const char c = tree[at];
        if (c == '\\') {
            ++at;
        } else if (c == '{') {
            open.emplace_back();
            if (begins(at, "{VAR ") || begins(at, "{PARAM ")) {
                open.back().has_variable = true;
            }
        } else if (c == '}' && !open.empty()) {
            Node node = std::move(open.back());
            open.pop_back();
            if (!node.has_variable) {
                found.functions.insert(found.functions.end(), node.functions.begin(),
                                       node.functions.end());
                found.operators.insert(found.operators.end(), node.operators.begin(),
                                       node.operators.end());
            } else if (!open.empty()) {
                open.back().has_variable = true;
            }
        } else if (c == ':' && !open.empty()) {
            constexpr std::string_view kFunction = ":funcid ";
            constexpr std::string_view kOperator = ":opno ";
            if (begins(at, kFunction)) {
                open.back().functions.push_back(number(at + kFunction.size()));
            } else if (begins(at, kOperator)) {
                open.back().operators.push_back(number(at + kOperator.size()));
            }
        }
    }
    return found;
}

void add_once(std::vector<Oid>& list, Oid oid) {
    if (std::find(list.begin(), list.end(), oid) == list.end()) {
        list.push_back(oid);
    }
}

std::uint64_t next_version() {
    static std::atomic<std::uint64_t> version{0};
    return ++version;
}

}  // namespace

struct SnapshotBuilder::State {
    std::unique_ptr<CatalogSnapshot::State> snapshot = std::make_unique<CatalogSnapshot::State>();
    Fingerprint fingerprint;
    std::string error;
    std::size_t last_query = 0;
    bool database_seen = false;

    std::unordered_map<Oid, std::size_t> relation_at;  // index into snapshot->relations
    std::unordered_map<Oid, std::size_t> type_at;
    std::unordered_map<Oid, Oid> operator_function;
    std::unordered_map<Oid, std::string> type_names;  // format_type, for arguments
    struct DomainBase {
        std::string sql;
        std::int32_t typmod = -1;
    };
    std::unordered_map<Oid, DomainBase> domain_base;
    std::unordered_map<Oid, std::vector<Oid>> contained;  // the types that a type is made of

    Relation* relation(Oid oid) {
        const auto at = relation_at.find(oid);
        return at == relation_at.end() ? nullptr : &snapshot->relations[at->second];
    }
    bool add(std::size_t query, std::span<const std::optional<std::string_view>> row);
    bool add_database(Fields fields);
    bool add_type(Fields fields);
    bool add_function(Fields fields);
    bool add_relation(Fields fields);
    bool add_column(Fields fields);
    bool add_inheritance(Fields fields);
    bool add_generated(Fields fields);
    bool add_definition(Fields fields);
    bool add_stored_definition(Fields fields);
    static void add_view_text(Relation& view, std::string_view what, const std::string& text);
    bool add_folded(Relation& relation, const std::vector<Oid>& functions,
                    const std::vector<Oid>& operators);
    void resolve_columns();
    void inherit_implicit_functions();
    void find_impostors();
};

// Functions and operators of users that have the name of a builtin: whatever looks that name up in
// a path with their schema may mean them, now or after the next SET.
void SnapshotBuilder::State::find_impostors() {
    std::unordered_set<std::string_view> functions;
    std::unordered_set<std::string_view> operators;
    std::unordered_set<Oid> of_extensions;
    for (const Function& function : snapshot->functions) {
        if (function.builtin) {
            functions.insert(function.name);
        }
        if (!function.extension.empty()) {
            of_extensions.insert(function.oid);
        }
    }
    for (const Operator& each : snapshot->operators) {
        if (each.builtin) {
            operators.insert(each.name);
        }
    }
    for (const Function& function : snapshot->functions) {
        if (!function.builtin && function.extension.empty() && functions.contains(function.name)) {
            snapshot->has_impostors = true;
        }
    }
    for (const Operator& each : snapshot->operators) {
        if (!each.builtin && !of_extensions.contains(each.function) &&
            operators.contains(each.name)) {
            snapshot->has_impostors = true;
        }
    }
}

bool SnapshotBuilder::State::add_database(Fields fields) {
    snapshot->server_version = fields.number<int>();
    snapshot->database = fields.text();
    if (fields.ok() && fields.text() != kLoadSearchPath) {
        error = "the catalog queries did not run in one transaction";
        return false;
    }
    snapshot->server_encoding = fields.text();
    if (fields.ok() && snapshot->server_encoding != "UTF8") {
        // The server cuts and folds names byte by byte there, and vitrine does not.
        error = "the database's encoding is " + snapshot->server_encoding +
                ", and only UTF8 is supported yet";
        return false;
    }
    database_seen = fields.ok();
    return fields.ok();
}

bool SnapshotBuilder::State::add_type(Fields fields) {
    Type type;
    type.oid = fields.number<Oid>();
    type.schema = fields.text();
    type.name = fields.text();
    type.kind = fields.character();
    type.base = fields.number<Oid>();
    type.element = fields.number<Oid>();
    type.relation = fields.number<Oid>();
    type.category = fields.character();
    type.preferred = fields.boolean();
    type.builtin = type.oid < kFirstNormalObjectId && type.schema == "pg_catalog";
    type_names[type.oid] = fields.text();
    DomainBase base;
    base.sql = fields.text_or_empty();
    base.typmod = fields.number<std::int32_t>();
    type.constrained = fields.boolean();
    if (type.kind == 'd') {
        domain_base[type.oid] = std::move(base);
    }
    type_at[type.oid] = snapshot->types.size();
    snapshot->types.push_back(std::move(type));
    return fields.ok();
}

bool SnapshotBuilder::State::add_function(Fields fields) {
    Function function;
    function.oid = fields.number<Oid>();
    function.schema = fields.text();
    function.name = fields.text();
    function.kind = fields.character();
    function.volatility = fields.character();
    function.security_definer = fields.boolean();
    function.language = fields.text();
    function.extension = fields.text_or_empty();
    const auto defaults = fields.number<std::uint16_t>();
    const bool variadic = fields.boolean();
    function.argument_type_oids = fields.numbers<Oid>();
    function.result_type = fields.number<Oid>();
    function.returns_set = fields.boolean();
    function.result_columns = fields.numbers<Oid>();
    function.range_constructor = fields.boolean();
    const auto count = static_cast<std::uint16_t>(function.argument_type_oids.size());
    if (!fields.ok() || defaults > count) {
        return false;
    }
    function.builtin = function.oid < kFirstNormalObjectId && function.schema == "pg_catalog";
    function.arguments_min = static_cast<std::uint16_t>(count - defaults);
    function.arguments_max = variadic ? UINT16_MAX : count;
    function.internal_argument = function.result_type == kInternalType;
    for (const Oid argument : function.argument_type_oids) {
        function.argument_types.push_back(type_names[argument]);
        function.internal_argument |= argument == kInternalType;
    }
    snapshot->functions.push_back(std::move(function));
    return true;
}

bool SnapshotBuilder::State::add_relation(Fields fields) {
    Relation relation;
    relation.oid = fields.number<Oid>();
    relation.schema = fields.text();
    relation.name = fields.text();
    relation.kind = fields.character();
    relation.row_type = fields.number<Oid>();
    relation.row_security = fields.boolean();
    relation.primary_key = fields.numbers<std::int16_t>();
    relation_at[relation.oid] = snapshot->relations.size();
    snapshot->relations.push_back(std::move(relation));
    return fields.ok();
}

bool SnapshotBuilder::State::add_column(Fields fields) {
    Relation* owner = relation(fields.number<Oid>());
    Column column;
    column.name = fields.text();
    column.number = fields.number<std::int16_t>();
    column.type = fields.number<Oid>();
    column.typmod = fields.number<std::int32_t>();
    column.type_sql = fields.text_or_empty();
    column.not_null = fields.boolean();
    column.generated = fields.boolean();
    column.collation_sql = fields.text_or_empty();
    if (!fields.ok() || owner == nullptr) {
        return false;
    }
    owner->columns.push_back(std::move(column));
    return true;
}

bool SnapshotBuilder::State::add_inheritance(Fields fields) {
    const Oid child = fields.number<Oid>();
    const Oid parent = fields.number<Oid>();
    // Partitioned indexes are in pg_inherits too.
    Relation* child_relation = relation(child);
    Relation* parent_relation = relation(parent);
    if (child_relation != nullptr && parent_relation != nullptr) {
        child_relation->parents.push_back(parent);
        parent_relation->children.push_back(child);
    }
    return fields.ok();
}

bool SnapshotBuilder::State::add_generated(Fields fields) {
    const Oid oid = fields.number<Oid>();
    const auto number = fields.number<std::int16_t>();
    const auto input = fields.number<std::int16_t>();
    Relation* owner = relation(oid);
    if (!fields.ok() || owner == nullptr) {
        return fields.ok();
    }
    for (Column& column : owner->columns) {
        if (column.number == number) {
            column.generated_from.push_back(input);
        }
    }
    return true;
}

bool SnapshotBuilder::State::add_folded(Relation& relation, const std::vector<Oid>& functions,
                                        const std::vector<Oid>& operators) {
    for (const Oid function : functions) {
        // What PostgreSQL's own compute of constants is no concern.
        if (function >= kFirstNormalObjectId) {
            add_once(relation.calls_functions, function);
        }
    }
    for (const Oid op : operators) {
        const auto function = operator_function.find(op);
        if (function == operator_function.end()) {
            return false;
        }
        if (function->second >= kFirstNormalObjectId) {
            add_once(relation.calls_functions, function->second);
        }
    }
    return true;
}

// What cannot be read of an option is taken for the one that shows less.
void SnapshotBuilder::State::add_view_text(Relation& view, std::string_view what,
                                           const std::string& text) {
    if (what == "definition") {
        view.definition = text;
        return;
    }
    const std::size_t equals = std::min(text.find('='), text.size());
    const std::string_view name = std::string_view(text).substr(0, equals);
    const std::string_view value = std::string_view(text).substr(std::min(equals + 1, text.size()));
    if (name == "security_barrier") {
        view.security_barrier = value != "false" && value != "off" && value != "no" && value != "0";
    } else if (name == "security_invoker") {
        view.security_invoker = value == "true" || value == "on" || value == "yes" || value == "1";
    }
}

bool SnapshotBuilder::State::add_definition(Fields fields) {
    const Oid oid = fields.number<Oid>();
    const std::string what = fields.text();
    const auto at = relation_at.find(oid);
    if (what == "folded") {
        const Folded folded = folded_calls(fields.text());
        if (!fields.ok() || at == relation_at.end()) {
            return fields.ok();
        }
        return add_folded(snapshot->relations[at->second], folded.functions, folded.operators);
    }
    if (what == "definition" || what == "option") {
        // NULL: the view went while its definition was asked for.
        const std::string text = fields.text_or_empty();
        if (fields.ok() && at != relation_at.end()) {
            add_view_text(snapshot->relations[at->second], what, text);
        }
        return fields.ok();
    }
    const std::vector<Oid> named = fields.numbers<Oid>();
    if (!fields.ok() || at == relation_at.end()) {
        return fields.ok();
    }
    Relation& reader = snapshot->relations[at->second];
    if (what == "constant settings") {
        reader.constant_settings = true;
        return true;
    }
    if (what == "locks rows") {
        reader.locks_rows = true;
        return true;
    }
    if (what == "runs a program") {
        reader.runs_program = true;
        return true;
    }
    if (what == "selected") {
        reader.reads_columns.push_back(columns_read(named));
        return true;
    }
    for (const Oid object : named) {
        if (object == 0) {
            continue;
        }
        if (what == "tsmhandler" && object < kFirstNormalObjectId) {
            continue;  // bernoulli and system
        }
        if (what == "policy reads") {
            add_once(reader.policy_reads, object);
        } else if (what == "relid") {
            // A view's rule carries range table entries for the view itself (OLD and NEW).
            if (object != oid) {
                add_once(reader.reads_relations, object);
            }
        } else if (what == "opno" || what == "opnos" || what == "eqop" || what == "sortop") {
            const auto found = operator_function.find(object);
            if (found == operator_function.end()) {
                return false;
            }
            add_once(reader.calls_functions, found->second);
        } else if (what.ends_with("type") || what.ends_with("types") || what.ends_with("typeid")) {
            add_once(reader.value_types, object);
        } else {
            add_once(reader.calls_functions, object);
        }
    }
    return true;
}

bool SnapshotBuilder::State::add_stored_definition(Fields fields) {
    using Kind = StoredDefinition::Kind;
    static constexpr std::array<std::pair<std::string_view, Kind>, 12> kKinds{
        {{"bound", Kind::kBound},
         {"check", Kind::kCheck},
         {"default", Kind::kDefault},
         {"domain check", Kind::kDomainCheck},
         {"domain default", Kind::kDomainDefault},
         {"index", Kind::kIndex},
         {"partition key", Kind::kPartitionKey},
         {"policy", Kind::kPolicy},
         {"publication", Kind::kPublication},
         {"rule", Kind::kRule},
         {"statistics", Kind::kStatistics},
         {"trigger", Kind::kTrigger}}};
    const std::string what = fields.text();
    const auto* kind = std::find_if(kKinds.begin(), kKinds.end(),
                                    [&](const auto& each) { return each.first == what; });
    StoredDefinition definition;
    definition.oid = fields.number<Oid>();
    definition.number = fields.number<std::int16_t>();
    definition.subject = fields.number<Oid>();
    definition.schema = fields.text();
    definition.name = fields.text();
    definition.columns = fields.numbers<std::int16_t>();
    definition.text = fields.text_or_empty();
    if (!fields.ok() || kind == kKinds.end()) {
        return false;
    }
    definition.kind = kind->second;
    snapshot->stored_definitions.push_back(std::move(definition));
    return true;
}

bool SnapshotBuilder::State::add(std::size_t query,
                                 std::span<const std::optional<std::string_view>> row) {
    switch (static_cast<QueryIndex>(query)) {
        case kSettings:
            return row.size() == 6;
        case kDatabase:
            return add_database({row, 4});
        case kSchemas: {
            Fields fields(row, 2);
            snapshot->schemas.push_back(fields.text());
            (void)fields.text();  // the right to use it is in the fingerprint
            return fields.ok();
        }
        case kTypes:
            return add_type({row, 13});
        case kTypeParts: {
            Fields fields(row, 2);
            const Oid whole = fields.number<Oid>();
            const Oid part = fields.number<Oid>();
            contained[whole].push_back(part);
            if (const auto at = type_at.find(whole); fields.ok() && at != type_at.end()) {
                snapshot->types[at->second].parts.push_back(part);
            }
            return fields.ok();
        }
        case kEnumLabels: {
            Fields fields(row, 2);
            const auto at = type_at.find(fields.number<Oid>());
            std::string label = fields.text();
            if (fields.ok() && at != type_at.end()) {
                snapshot->types[at->second].labels.push_back(std::move(label));
            }
            return fields.ok();
        }
        case kFunctions:
            return add_function({row, 15});
        case kOperators: {
            Fields fields(row, 7);
            Operator op;
            op.oid = fields.number<Oid>();
            op.schema = fields.text();
            op.name = fields.text();
            op.left = fields.number<Oid>();
            op.right = fields.number<Oid>();
            op.function = fields.number<Oid>();
            op.result = fields.number<Oid>();
            op.builtin = op.oid < kFirstNormalObjectId && op.schema == "pg_catalog";
            operator_function[op.oid] = op.function;
            snapshot->operators.push_back(std::move(op));
            return fields.ok();
        }
        case kTypeFunctions: {
            Fields fields(row, 2);
            const auto at = type_at.find(fields.number<Oid>());
            const Oid function = fields.number<Oid>();
            if (fields.ok() && at != type_at.end()) {
                add_once(snapshot->types[at->second].implicit_functions, function);
            }
            return fields.ok();
        }
        case kCasts: {
            Fields fields(row, 3);
            const auto at = type_at.find(fields.number<Oid>());
            const Oid source = fields.number<Oid>();
            const Oid function = fields.number<Oid>();
            if (!fields.ok() || at == type_at.end()) {
                return fields.ok();
            }
            Type& target = snapshot->types[at->second];
            if (function == 0) {
                target.implicit_sources.push_back(source);
            } else {
                target.written_casts.push_back({source, function});
            }
            return true;
        }
        case kRelations:
            return add_relation({row, 7});
        case kColumns:
            return add_column({row, 9});
        case kInheritance:
            return add_inheritance({row, 2});
        case kGenerated:
            return add_generated({row, 3});
        case kDefinitions:
            return add_definition({row, 3});
        case kStoredDefinitions:
            return add_stored_definition({row, 8});
        case kQueryCount:
            break;
    }
    return false;
}

// Domains all the way down to what they stand for.
void SnapshotBuilder::State::resolve_columns() {
    for (Relation& relation : snapshot->relations) {
        for (Column& column : relation.columns) {
            column.base_type = column.type;
            // CREATE DOMAIN makes no circles; the bound is for a catalog that is broken.
            for (std::size_t depth = 0; depth <= domain_base.size(); ++depth) {
                const auto domain = domain_base.find(column.base_type);
                if (domain == domain_base.end()) {
                    break;
                }
                column.type_sql = domain->second.sql;
                column.base_typmod = domain->second.typmod;
                column.base_type = snapshot->types[type_at[column.base_type]].base;
            }
            if (column.base_type == column.type) {
                column.base_typmod = column.typmod;
            }
        }
    }
}

// What a type is made of runs when the type does: gathered over everything reachable.
void SnapshotBuilder::State::inherit_implicit_functions() {
    std::vector<std::vector<Oid>> gathered(snapshot->types.size());
    for (std::size_t start = 0; start < snapshot->types.size(); ++start) {
        std::unordered_set<std::size_t> seen{start};
        std::vector<std::size_t> pending{start};
        while (!pending.empty()) {
            const std::size_t at = pending.back();
            pending.pop_back();
            const Type& type = snapshot->types[at];
            for (const Oid function : type.implicit_functions) {
                add_once(gathered[start], function);
            }
            std::vector<Oid> parts{type.base, type.element};
            if (const auto found = contained.find(type.oid); found != contained.end()) {
                parts.insert(parts.end(), found->second.begin(), found->second.end());
            }
            // A table's row type; a builtin relation's columns are of builtin types.
            if (const Relation* row =
                    type.relation < kFirstNormalObjectId ? nullptr : relation(type.relation)) {
                for (const Column& column : row->columns) {
                    parts.push_back(column.type);
                }
            }
            for (const Oid part : parts) {
                const auto found = type_at.find(part);
                if (found != type_at.end() && seen.insert(found->second).second) {
                    pending.push_back(found->second);
                }
            }
        }
    }
    for (std::size_t at = 0; at < gathered.size(); ++at) {
        snapshot->types[at].implicit_functions = std::move(gathered[at]);
    }
}

SnapshotBuilder::SnapshotBuilder() : state_(std::make_unique<State>()) {}
SnapshotBuilder::~SnapshotBuilder() = default;

bool SnapshotBuilder::add(std::size_t query, std::span<const std::optional<std::string_view>> row) {
    if (!state_->error.empty()) {
        return false;
    }
    if (query >= kQueryCount || query < state_->last_query) {
        state_->error = "catalog rows came out of order";
        return false;
    }
    state_->last_query = query;
    state_->fingerprint.add_number(query);
    for (const auto& field : row) {
        state_->fingerprint.add_number(field ? field->size() + 1 : 0);
        state_->fingerprint.add(field.value_or(""));
    }
    if (!state_->add(query, row)) {
        if (state_->error.empty()) {
            state_->error = "a row of the catalog query \"" +
                            std::string(catalog_queries()[query].name) +
                            "\" has an unexpected shape";
        }
        return false;
    }
    return true;
}

std::shared_ptr<const CatalogSnapshot> SnapshotBuilder::finish(std::string& error) {
    if (state_->error.empty() && !state_->database_seen) {
        state_->error = "the catalog query \"database\" gave no row";
    }
    if (!state_->error.empty()) {
        error = state_->error;
        return nullptr;
    }
    state_->resolve_columns();
    state_->inherit_implicit_functions();
    state_->find_impostors();
    state_->snapshot->fingerprint = state_->fingerprint.hex();
    state_->snapshot->version = next_version();
    std::shared_ptr<CatalogSnapshot> snapshot(new CatalogSnapshot);
    snapshot->state_ = std::move(state_->snapshot);
    snapshot->state_->index();
    state_->error = "the snapshot has been built already";
    return snapshot;
}

}  // namespace vitrine::parser
