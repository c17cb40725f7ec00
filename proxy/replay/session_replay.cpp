#include "proxy/replay/session_replay.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <thread>
#include <vector>

#include "parser/judge.h"
#include "parser/repeatable.h"
#include "proxy/audit/names.h"
#include "proxy/audit/sessions.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/replay/recorded_session.h"
#include "proxy/replay/replay_connection.h"

namespace vitrine::replay {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

namespace {

enum class Verdict : std::uint8_t { kSame, kDifferent, kNotRun };

struct Line {
    const Recorded* statement = nullptr;
    Verdict verdict = Verdict::kSame;
    std::string why;
    std::optional<Outcome> now;
};

class Replaying {
  public:
    Replaying(const SessionReplay& asked, const config::Config& config,
              const RecordedSession& session, std::shared_ptr<const parser::Policy> policy)
        : asked_(asked),
          session_(session),
          policy_(std::move(policy)),
          connection_(config.masking.key, asked.through_proxy) {
        context_.search_path = session.path;
        context_.prepared = [this](std::string_view name) {
            using Prepared = parser::SessionContext::Prepared;
            const auto made = prepared_.find(std::string(name));
            return made == prepared_.end() ? Prepared::kUnknown
                   : made->second.current  ? Prepared::kCurrent
                                           : Prepared::kStale;
        };
    }

    [[nodiscard]] bool connect(std::ostream& err);
    [[nodiscard]] bool run(std::ostream& err);
    int report(audit::Format format, std::ostream& out) const;

  private:
    [[nodiscard]] Line one(const Recorded& statement);
    [[nodiscard]] parser::Judgement judge(const Recorded& statement);
    void note_effects(const parser::Judgement& judgement, const Recorded& statement, bool ran);
    [[nodiscard]] bool ask_path(std::ostream& err);
    [[nodiscard]] std::string depends_on(const Recorded& statement);
    void compare(const Recorded& statement, Line& line);
    void keep_pace(const Recorded& statement);

    const SessionReplay& asked_;
    const RecordedSession& session_;
    std::shared_ptr<const parser::Policy> policy_;
    parser::SessionContext context_;
    // What PREPARE has made: the text, how it was judged, and whether that still holds.
    struct Made {
        Recorded made_by;
        parser::Judgement judgement;
        bool current = true;
    };
    std::map<std::string, Made> prepared_;
    ReplayConnection connection_;
    std::vector<Line> lines_;
    // What the rows of a prepared statement or a cursor depend on (parser/repeatable.h).
    std::map<std::string, std::string> made_on_;
    bool path_changed_ = false;
    std::optional<Clock::time_point> began_;
    std::optional<audit::Microseconds> began_then_;
};

bool Replaying::connect(std::ostream& err) {
    return connection_.open(asked_.against, session_, *policy_, err) && ask_path(err);
}

// Of what was prepared under another path, the server makes what it means under this one.
bool Replaying::ask_path(std::ostream& err) {
    auto path = connection_.search_path();
    if (!path) {
        err << "cannot ask for the search_path: " << connection_.error() << '\n';
        return false;
    }
    path_changed_ = false;
    context_.search_path_known = true;
    if (*path == context_.search_path) {
        return true;
    }
    context_.search_path = std::move(*path);
    for (auto& [name, prepared] : prepared_) {
        prepared.current = judge(prepared.made_by) == prepared.judgement;
    }
    return true;
}

parser::Judgement Replaying::judge(const Recorded& statement) {
    context_.protocol = statement.bound ? parser::Protocol::kExtended : parser::Protocol::kSimple;
    auto judgement = parser::judge(statement.sql, *policy_, context_);
    if (!judgement.allowed() && !statement.bound) {
        // A Parse that failed has no Bind to tell it by.
        context_.protocol = parser::Protocol::kExtended;
        auto extended = parser::judge(statement.sql, *policy_, context_);
        if (extended.allowed()) {
            return extended;
        }
    }
    return judgement;
}

void Replaying::keep_pace(const Recorded& statement) {
    const auto then = audit::parse_time(statement.time);
    if (!asked_.original_pace || !then) {
        return;
    }
    if (!began_) {
        began_ = Clock::now();
        began_then_ = *then;
    }
    std::this_thread::sleep_until(*began_ + (*then - *began_then_));
}

Line Replaying::one(const Recorded& statement) {
    const auto not_run = [&](std::string why) {
        return Line{
            .statement = &statement, .verdict = Verdict::kNotRun, .why = std::move(why), .now = {}};
    };
    if (statement.sql.empty() || statement.sql.starts_with("-- ")) {
        return not_run("its text is not on record");
    }
    if (lacks_values(statement)) {
        return not_run("its values are not on record (audit.parameters)");
    }
    if (cut_off(statement)) {
        return not_run("it was cut off then");
    }
    const parser::Judgement judgement = judge(statement);
    const auto refused = std::ranges::find_if(
        judgement.statements, [](const auto& each) { return each.refusal.has_value(); });
    const bool lets_through = refused == judgement.statements.end();
    if (!lets_through && !statement.allowed) {
        connection_.fail_transaction();
        const bool same = refused->refusal->sqlstate == statement.outcome->sqlstate;
        return Line{.statement = &statement,
                    .verdict = same ? Verdict::kSame : Verdict::kDifferent,
                    .why = same ? "refused then and now"
                                : "refused with " + refused->refusal->sqlstate + " now",
                    .now = {}};
    }
    if (!lets_through) {
        connection_.fail_transaction();
        return Line{.statement = &statement,
                    .verdict = Verdict::kDifferent,
                    .why = "refused now, and not run: " + refused->refusal->message,
                    .now = {}};
    }
    if (!statement.allowed) {
        return Line{.statement = &statement,
                    .verdict = Verdict::kDifferent,
                    .why = "refused then (" + statement.rule + "), and would be let through now",
                    .now = {}};
    }
    const std::string& sent =
        asked_.through_proxy || !judgement.forwarded ? statement.sql : *judgement.forwarded;
    Line line{.statement = &statement, .verdict = Verdict::kSame, .why = {}, .now = {}};
    line.now = connection_.run(sent, statement);
    compare(statement, line);
    note_effects(judgement, statement, line.now->sqlstate == "00000");
    return line;
}

// A text that failed may have run in part.
void Replaying::note_effects(const parser::Judgement& judgement, const Recorded& statement,
                             bool ran) {
    using Effect = parser::Effect;
    for (const parser::StatementJudgement& judged : judgement.statements) {
        switch (judged.effect) {
            case Effect::kPrepare:
                prepared_.erase(judged.name);
                if (ran) {
                    prepared_.emplace(judged.name, Made{statement, judgement, true});
                }
                break;
            case Effect::kDeallocate:
                if (judged.name.empty()) {
                    prepared_.clear();
                } else {
                    prepared_.erase(judged.name);
                }
                break;
            case Effect::kDiscardAll:
                prepared_.clear();
                path_changed_ = true;
                break;
            case Effect::kSearchPath:
            case Effect::kTransaction:
                path_changed_ = true;
                break;
            case Effect::kNone:
            case Effect::kExecute:
            case Effect::kHold:
                break;
        }
    }
}

// What the rows of a statement depend on beside the data; empty: nothing that is known of.
std::string Replaying::depends_on(const Recorded& statement) {
    const parser::Repeatable found = parser::find_repeatable(statement.sql);
    std::string on = found.depends_on;
    for (const std::string& name : found.uses) {
        if (const auto made = made_on_.find(name); on.empty() && made != made_on_.end()) {
            on = made->second;
        }
    }
    for (const std::string& name : found.makes) {
        made_on_[name] = on;
    }
    return on;
}

void Replaying::compare(const Recorded& statement, Line& line) {
    const Outcome& then = *statement.outcome;
    const Outcome& now = *line.now;
    const std::string on = depends_on(statement);
    const auto different = [&line](std::string why) {
        line.verdict = Verdict::kDifferent;
        line.why = std::move(why);
    };
    if (now.sqlstate != then.sqlstate) {
        different("SQLSTATE");
    } else if (!on.empty()) {
        if (now.rows + then.rows > 0) {
            line.why = "its rows are not compared: they depend on " + on;
        }
    } else if (now.rows != then.rows) {
        different("rows");
    } else if (!now.digest.empty() && !then.digest.empty()) {
        if (now.digest != then.digest) {
            different("values");
        }
    } else if (now.rows > 0 && connection_.has_digests() && !then.digest.empty()) {
        line.why = "its values are not compared: columns in text beside others in binary";
    } else if (!statement.bound && then.sqlstate == "00000" && now.bytes != then.bytes) {
        different("bytes: " + std::to_string(then.bytes) + " then, " + std::to_string(now.bytes) +
                  " now");
    } else if (now.rows > 0) {
        line.why = then.digest.empty()
                       ? "its values are not compared: there is no digest of them on record"
                       : "its values are not compared: masking.key is another than it was then";
    }
}

bool Replaying::run(std::ostream& err) {
    for (const Recorded& statement : session_.statements) {
        if (!statement.outcome || statement.outcome->sqlstate.empty()) {
            continue;  // a Parse, or what did not run
        }
        if (path_changed_ && !connection_.has_failed_transaction() && !ask_path(err)) {
            return false;
        }
        context_.search_path_known = !path_changed_;
        keep_pace(statement);
        lines_.push_back(one(statement));
        if (!connection_.is_well()) {
            err << "the connection has ended: " << connection_.error() << '\n';
            return false;
        }
    }
    return true;
}

json::object value_of(const Outcome& outcome) {
    return {{"sqlstate", outcome.sqlstate},
            {"rows", outcome.rows},
            {"bytes", outcome.bytes},
            {"duration_us", outcome.duration_us}};
}

std::string milliseconds(std::uint64_t micros) {
    return std::to_string(micros / 1000) + "." + std::to_string(micros % 1000 / 100);
}

int Replaying::report(audit::Format format, std::ostream& out) const {
    constexpr std::array<std::string_view, 3> kWords{"same", "different", "not run"};
    std::array<std::uint64_t, 3> counts{};
    std::uint64_t then_us = 0;
    std::uint64_t now_us = 0;
    for (const Line& line : lines_) {
        ++counts[static_cast<std::size_t>(line.verdict)];
        then_us += line.now ? line.statement->outcome->duration_us : 0;
        now_us += line.now ? line.now->duration_us : 0;
    }
    const int status = counts[static_cast<std::size_t>(Verdict::kDifferent)] == 0 ? 0 : 1;
    if (format == audit::Format::kJson) {
        json::array list;
        for (const Line& line : lines_) {
            json::object value{{"statement", line.statement->number},
                               {"verdict", kWords[static_cast<std::size_t>(line.verdict)]},
                               {"why", audit::valid_utf8(line.why)},
                               {"sql", audit::valid_utf8(line.statement->sql)},
                               {"then", value_of(*line.statement->outcome)},
                               {"now", nullptr}};
            if (line.now) {
                value["now"] = value_of(*line.now);
            }
            list.push_back(std::move(value));
        }
        out << json::serialize(json::object{{"same", counts[0]},
                                            {"different", counts[1]},
                                            {"not_run", counts[2]},
                                            {"duration_us", {{"then", then_us}, {"now", now_us}}},
                                            {"statements", std::move(list)}})
            << '\n';
        return status;
    }
    audit::Table table(
        {"statement", "verdict", "why", "rows", "now", "sqlstate", "now", "ms", "now", "sql"});
    for (const Line& line : lines_) {
        if (line.verdict == Verdict::kSame) {
            continue;
        }
        const Outcome& then = *line.statement->outcome;
        table.row({std::to_string(line.statement->number),
                   std::string(kWords[static_cast<std::size_t>(line.verdict)]), line.why,
                   std::to_string(then.rows), line.now ? std::to_string(line.now->rows) : "",
                   then.sqlstate, line.now ? line.now->sqlstate : "",
                   milliseconds(then.duration_us),
                   line.now ? milliseconds(line.now->duration_us) : "", line.statement->sql});
    }
    if (counts[1] + counts[2] > 0) {
        table.print(out);
        out << '\n';
    }
    out << counts[0] << " statements came out as they did, " << counts[1] << " did not, "
        << counts[2] << " were not run again; " << milliseconds(then_us) << " ms then, "
        << milliseconds(now_us) << " ms now\n";
    return status;
}

}  // namespace

int replay_session(const SessionReplay& asked, const config::Config& config,
                   const LoadCatalog& load_catalog, audit::Format format, std::ostream& out,
                   std::ostream& err) {
    const auto sessions = audit::read_sessions(asked.directory, err);
    if (!sessions) {
        return 2;
    }
    const audit::SessionSummary* const summary =
        audit::choose_session(sessions->list, asked.session, err);
    if (summary == nullptr) {
        return 2;
    }
    const auto session = read_recorded_session(asked.directory, *summary, err);
    if (!session) {
        return 2;
    }
    const auto database = config.databases.find(session->database);
    if (database == config.databases.end()) {
        err << "the configuration has no database " << audit::printable(session->database)
            << ", which the session was of; name another with --config\n";
        return 2;
    }
    std::string error;
    const auto catalog = load_catalog(database->second, error);
    if (!catalog) {
        err << "cannot load the catalog of " << audit::printable(session->database) << ": "
            << audit::printable(error) << '\n';
        return 2;
    }
    Replaying replaying(
        asked, config, *session,
        parser::compile_policy(catalog, config.masking.rules, config.functions, session->groups));
    if (!replaying.connect(err) || !replaying.run(err)) {
        return 2;
    }
    return replaying.report(format, out);
}

}  // namespace vitrine::replay
