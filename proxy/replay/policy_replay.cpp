#include "proxy/replay/policy_replay.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>
#include <ostream>
#include <set>
#include <unordered_map>

#include "parser/constants.h"
#include "parser/judge.h"
#include "parser/judgement_cache.h"
#include "proxy/audit/records.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::replay {

namespace json = boost::json;
using audit::Record;

namespace {

// Shapes that are kept apart; beyond, what is new is counted under one.
constexpr std::size_t kShapesMax = 100000;
constexpr std::size_t kExampleBytesMax = 2000;

enum class Kind : std::uint8_t { kRefused, kAllowed, kMasks };

std::string_view word(Kind kind) {
    constexpr std::array<std::string_view, 3> kWords{"newly refused", "newly allowed",
                                                     "masks differ"};
    return kWords[static_cast<std::size_t>(kind)];
}

// What changes for statements of one shape.
struct Change {
    std::uint64_t statements = 0;
    std::set<std::string> users;
    std::string first;
    std::string last;
    std::string example;
    std::string session;
};
struct Key {
    Kind kind = Kind::kRefused;
    std::string database;
    std::string shape;
    std::string why;

    friend auto operator<=>(const Key&, const Key&) = default;
};

struct Session {
    std::string database;
    std::vector<std::string> groups;
    std::vector<std::string> path;
    bool path_known = true;
    // By PREPARE: what the candidate says of it.
    std::unordered_map<std::string, parser::SessionContext::Prepared> prepared;
};

struct Database {
    std::shared_ptr<const parser::CatalogSnapshot> catalog;
    std::map<std::vector<std::string>, std::shared_ptr<const parser::Policy>> policies;
};

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += all.empty() ? text : ", " + text;
    }
    return all.empty() ? "nothing" : all;
}

// The rules of refusals that no policy has a say in.
bool is_of_policy(std::string_view rule) {
    static constexpr std::array<std::string_view, 7> kOthers{
        "limits: ", "limit: ", "protocol: ", "not run", "catalog: ", "prepared: ", "query log"};
    return std::ranges::none_of(kOthers,
                                [&](std::string_view other) { return rule.starts_with(other); });
}

class Replaying {
  public:
    Replaying(const PolicyReplay& asked, const config::Config& candidate,
              const LoadCatalog& load_catalog, std::ostream& err)
        : asked_(asked), candidate_(candidate), load_catalog_(load_catalog), err_(err) {}

    [[nodiscard]] bool take(const Record& record);
    int report(audit::Format format, bool complete, std::ostream& out) const;

  private:
    [[nodiscard]] const parser::Policy* policy(const Session& session);
    [[nodiscard]] bool statement(const Record& record, Session& session);
    void note(Kind kind, const Record& record, const Session& session, std::string why);

    const PolicyReplay& asked_;
    const config::Config& candidate_;
    const LoadCatalog& load_catalog_;
    std::ostream& err_;
    std::unordered_map<std::string, Session> sessions_;
    std::map<std::string, Database> databases_;
    parser::JudgementCache judgements_;
    std::map<Key, Change> changes_;
    std::uint64_t judged_ = 0;
    std::uint64_t same_ = 0;
    std::uint64_t not_comparable_ = 0;
    std::uint64_t elsewhere_ = 0;  // of databases that the candidate does not have
};

// False: it cannot go on, which is said.
bool Replaying::take(const Record& record) {
    const std::string_view type = record.text("type");
    if (type == "session_start") {
        Session& session = sessions_[std::string(record.text("session"))];
        session.database = record.text("database");
        session.groups = record.list("groups");
        session.path = record.list("search_path");
        session.path_known = !session.path.empty();
        if (!session.path_known) {
            session.path = {"pg_catalog", "public"};
        }
        return true;
    }
    if (type == "session_end") {
        sessions_.erase(std::string(record.text("session")));
        return true;
    }
    if (type != "statement" || record.find("sql") == nullptr) {
        return true;  // what a Bind runs was judged with its Parse
    }
    const auto found = sessions_.find(std::string(record.text("session")));
    if (found == sessions_.end()) {
        ++not_comparable_;
        return true;
    }
    if (!asked_.database.empty() && found->second.database != asked_.database) {
        return true;
    }
    return statement(record, found->second);
}

const parser::Policy* Replaying::policy(const Session& session) {
    Database& database = databases_[session.database];
    if (!database.catalog) {
        std::string error;
        database.catalog = load_catalog_(candidate_.databases.at(session.database), error);
        if (!database.catalog) {
            err_ << "cannot load the catalog of " << audit::printable(session.database) << ": "
                 << audit::printable(error) << '\n';
            return nullptr;
        }
    }
    auto& policy = database.policies[session.groups];
    if (!policy) {
        policy = parser::compile_policy(database.catalog, candidate_.masking.rules,
                                        candidate_.functions, session.groups);
    }
    return policy.get();
}

bool Replaying::statement(const Record& record, Session& session) {
    if (!candidate_.databases.contains(session.database)) {
        ++elsewhere_;
        return true;
    }
    const parser::Policy* const rules = policy(session);
    if (rules == nullptr) {
        return false;
    }
    const bool was_allowed = record.text("verdict") == "allow";
    const std::string_view rule = record.text("rule");
    if (!is_of_policy(rule)) {
        return true;
    }
    const std::string sql(record.text("sql"));
    parser::SessionContext context;
    context.search_path = session.path;
    context.search_path_known = session.path_known;
    // As the proxy has it (proxy/net/connection_server.cpp), so that what it rewrote is so here.
    context.application_prefix = std::string(record.text("user")) + " via vitrine: ";
    context.prepared = [&](std::string_view name) {
        using Prepared = parser::SessionContext::Prepared;
        const auto made = session.prepared.find(std::string(name));
        if (made == session.prepared.end()) {
            return Prepared::kUnknown;
        }
        return made->second;
    };
    // The record does not say which protocol it came by; only a Parse has parameters.
    auto judgement = judgements_.judge(sql, *rules, context);
    if (!judgement->allowed()) {
        context.protocol = parser::Protocol::kExtended;
        auto extended = judgements_.judge(sql, *rules, context);
        if (extended->allowed()) {
            judgement = std::move(extended);
        }
    }
    if (judgement->statements.empty()) {
        return true;
    }
    const parser::StatementJudgement& now = judgement->statements.front();
    using Effect = parser::Effect;
    if (was_allowed && (now.effect == Effect::kSearchPath || now.effect == Effect::kDiscardAll)) {
        session.path_known = false;
    }
    if (was_allowed && sql.find("set_config") != std::string::npos) {
        session.path_known = false;  // under `parameters: masked` nobody knows which
    }
    if (was_allowed && now.effect == Effect::kPrepare) {
        using Prepared = parser::SessionContext::Prepared;
        session.prepared[now.name] = now.refusal       ? Prepared::kStale
                                     : now.plan_hidden ? Prepared::kPlanHidden
                                                       : Prepared::kCurrent;
    }
    // Out of a time before this one, or of a masked record: nothing to hold it against.
    const bool comparable = now.rule != "syntax" || rule == "syntax";
    const bool is_allowed = judgement->allowed();
    if (!comparable || (!is_allowed && !session.path_known && was_allowed)) {
        ++not_comparable_;
        return true;
    }
    if (!asked_.since.empty() && record.text("time") < asked_.since) {
        return true;
    }
    if (!asked_.until.empty() && record.text("time") >= asked_.until) {
        return true;
    }
    ++judged_;
    if (was_allowed && !is_allowed) {
        const auto refused = std::ranges::find_if(
            judgement->statements, [](const auto& each) { return each.refusal.has_value(); });
        note(Kind::kRefused, record, session, refused->rule + ": " + refused->refusal->message);
        return true;
    }
    if (!was_allowed && is_allowed) {
        note(Kind::kAllowed, record, session, "was: " + std::string(rule));
        return true;
    }
    if (was_allowed) {
        const std::vector<std::string> before = record.list("masked");
        const bool by_name = now.effect == Effect::kExecute;  // has those of what it runs
        const auto* sent = record.find("forwarded");
        const bool rewritten_alike =
            (sent != nullptr) == judgement->forwarded.has_value() &&
            (sent == nullptr || record.text("forwarded") == now.forwarded.value_or(sql));
        if (!by_name && before != now.masked) {
            note(Kind::kMasks, record, session,
                 "were: " + joined(before) + "; would be: " + joined(now.masked));
            return true;
        }
        if (!by_name && !rewritten_alike) {
            note(Kind::kMasks, record, session,
                 "the same columns (" + joined(now.masked) + "), rewritten in another way");
            return true;
        }
    }
    ++same_;
    return true;
}

void Replaying::note(Kind kind, const Record& record, const Session& session, std::string why) {
    const std::string sql(record.text("sql"));
    Key key{.kind = kind,
            .database = session.database,
            .shape = parser::without_constants(sql, [](std::string_view) { return "?"; }),
            .why = std::move(why)};
    if (changes_.size() >= kShapesMax && !changes_.contains(key)) {
        key.shape = "(others)";
        key.why.clear();
    }
    Change& change = changes_[key];
    const std::string time(record.text("time"));
    if (change.statements == 0) {
        change.first = time;
        change.example = sql.substr(0, kExampleBytesMax);
        change.session = record.text("session");
    }
    change.first = std::min(change.first, time);
    change.last = std::max(change.last, time);
    ++change.statements;
    change.users.emplace(record.text("user"));
}

int Replaying::report(audit::Format format, bool complete, std::ostream& out) const {
    const int status = !complete ? 2 : changes_.empty() ? 0 : 1;
    // What hits most comes first.
    std::vector<const std::pair<const Key, Change>*> sorted;
    for (const auto& change : changes_) {
        sorted.push_back(&change);
    }
    std::ranges::stable_sort(sorted, [](const auto* a, const auto* b) {
        return std::pair(a->first.kind, b->second.statements) <
               std::pair(b->first.kind, a->second.statements);
    });
    if (format == audit::Format::kJson) {
        json::array list;
        for (const auto* entry : sorted) {
            const auto& [key, change] = *entry;
            list.push_back({{"change", word(key.kind)},
                            {"database", key.database},
                            {"statements", change.statements},
                            {"users", json::value_from(change.users)},
                            {"shape", audit::valid_utf8(key.shape)},
                            {"why", audit::valid_utf8(key.why)},
                            {"first", change.first},
                            {"last", change.last},
                            {"session", change.session},
                            {"example", audit::valid_utf8(change.example)}});
        }
        out << json::serialize(json::object{{"judged", judged_},
                                            {"same", same_},
                                            {"not_comparable", not_comparable_},
                                            {"other_databases", elsewhere_},
                                            {"changes", std::move(list)}})
            << '\n';
        return status;
    }
    if (!sorted.empty()) {
        audit::Table table({"change", "statements", "users", "last", "session", "shape"});
        for (const auto* entry : sorted) {
            const auto& [key, change] = *entry;
            table.row({std::string(word(key.kind)), std::to_string(change.statements),
                       std::to_string(change.users.size()),
                       audit::readable_time(change.last).substr(0, 19), change.session.substr(0, 8),
                       key.shape});
        }
        table.print(out);
        out << '\n';
        for (const auto* entry : sorted) {
            const auto& [key, change] = *entry;
            out << word(key.kind) << ", " << change.statements
                << " times: " << audit::printable(key.why) << '\n';
            audit::print_block(out, change.example);
        }
        out << '\n';
    }
    out << judged_ << " statements judged, " << same_ << " of them as before";
    if (not_comparable_ > 0) {
        out << "; " << not_comparable_ << " could not be compared";
    }
    if (elsewhere_ > 0) {
        out << "; " << elsewhere_ << " are of databases that the configuration does not have";
    }
    out << '\n';
    return status;
}

}  // namespace

int replay_policy(const PolicyReplay& asked, const config::Config& candidate,
                  const LoadCatalog& load_catalog, audit::Format format, std::ostream& out,
                  std::ostream& err) {
    audit::LogFiles files;
    if (!audit::find_log(asked.directory, files, err)) {
        return 2;
    }
    Replaying replaying(asked, candidate, load_catalog, err);
    bool complete = true;
    bool possible = true;
    for (const audit::LogFile& file : files.files) {
        // A session's beginning may stand in an earlier day's file: all are read, from the first.
        complete = audit::read_records(
                       asked.directory, file.name,
                       [&](const audit::RecordPlace&, const Record& record) {
                           const bool wanted =
                               asked.user.empty() || record.text("user") == asked.user;
                           possible = possible && (!wanted || replaying.take(record));
                       },
                       err) &&
                   complete;
        if (!possible) {
            return 2;
        }
    }
    return replaying.report(format, complete, out);
}

}  // namespace vitrine::replay
