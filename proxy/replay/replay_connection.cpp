#include "proxy/replay/replay_connection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstring>
#include <ostream>

#include "parser/session_settings.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/wire/binary_value.h"

namespace vitrine::replay {

using Clock = std::chrono::steady_clock;

namespace {

// FirstNormalObjectId (PostgreSQL, access/transam.h).
constexpr std::uint32_t kFirstOwnOid = 16384;

// What the proxy sends in place of a refused statement: so that a transaction fails here, too.
constexpr const char* kFailingText = "vitrine: statement refused";

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

void append_length(std::string& out, std::size_t length) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(length >> shift & 0xff);
    }
}

// Types whose text is a matter of the value alone, whatever the session's settings.
bool has_one_text(Oid type) {
    static constexpr std::array<Oid, 16> kTypes{16, 17,  18,  19,   20,   21,   23,   25,
                                                26, 114, 705, 1042, 1043, 1700, 2950, 3802};
    return std::ranges::find(kTypes, type) != kTypes.end();
}

}  // namespace

ReplayConnection::ReplayConnection(const config::Secret& mask_key, bool through_proxy)
    : mask_key_(mask_key), through_proxy_(through_proxy) {}

bool ReplayConnection::open(const std::string& against, const RecordedSession& session,
                            const parser::Policy& policy, std::ostream& err) {
    if (!mask_key_.empty()) {
        digest_.emplace(mask_key_);
        if (digest_->key_id() != session.digest_key) {
            digest_.reset();
        }
    }
    // What the client itself had set, as far as it would be let through now; behind it what a
    // session of the proxy's is pinned to (proxy/session/server_login.cpp). A vitrine at the other
    // end pins its own.
    std::string options;
    const auto add = [&options](std::string_view name, std::string_view value) {
        options += options.empty() ? "-c " : " -c ";
        for (const std::string_view part : {name, std::string_view("="), value}) {
            for (const char c : part) {
                options += c == '\\' || std::isspace(static_cast<unsigned char>(c)) != 0
                               ? std::string("\\") + c
                               : std::string(1, c);
            }
        }
    };
    for (const std::string& setting : session.settings) {
        const std::size_t equals = setting.find('=');
        if (equals == 0 || equals == std::string::npos || setting.find('\0') != std::string::npos) {
            err << "a setting on record is none: " << audit::printable(setting) << '\n';
            return false;
        }
        const std::string name = setting.substr(0, equals);
        const std::string value = setting.substr(equals + 1);
        if (is_digest(value)) {
            continue;
        }
        parser::SessionContext context;
        context.search_path = {"pg_catalog"};
        if (!parser::judge(parser::as_set(name, value), policy, context).allowed()) {
            err << "a setting on record is refused now, and left out: " << audit::printable(name)
                << '\n';
            continue;
        }
        add(name, value);
    }
    if (!through_proxy_) {
        for (const parser::SessionSetting& pin : parser::kPins) {
            add(pin.name, pin.value);
        }
        add("vitrine.hidden", "");
        if (!mask_key_.empty()) {
            add("vitrine.mask_key", mask_key_.reveal());
        }
    }
    const std::array<const char*, 4> names{"dbname", "options", "client_encoding", nullptr};
    const std::array<const char*, 4> values{against.c_str(), options.c_str(), "UTF8", nullptr};
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
        err << "cannot connect: " << audit::printable(PQerrorMessage(connection_.get())) << '\n';
        return false;
    }
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    return through_proxy_ || check_pins(err);
}

// That they hold, whatever the DSN, the role's own settings or the record say.
bool ReplayConnection::check_pins(std::ostream& err) {
    const Result row(PQexec(connection_.get(), parser::pinned_query("1").c_str()), &PQclear);
    const bool answered = PQresultStatus(row.get()) == PGRES_TUPLES_OK &&
                          PQntuples(row.get()) == 1 &&
                          PQnfields(row.get()) == static_cast<int>(parser::kPinned.size()) + 1;
    if (!answered) {
        err << "the server does not say what state the session is in: " << error() << '\n';
        return false;
    }
    for (std::size_t i = 0; i < parser::kPinned.size(); ++i) {
        const std::string_view value(PQgetvalue(row.get(), 0, static_cast<int>(i) + 1));
        if (value != parser::kPinned[i].value) {
            err << "in the session to run in, " << parser::kPinned[i].name << " must be "
                << parser::kPinned[i].value << ", and is " << audit::printable(value)
                << "; nothing is run\n";
            return false;
        }
    }
    return true;
}

std::optional<std::vector<std::string>> ReplayConnection::search_path() {
    const Result result(
        PQexec(connection_.get(), "SELECT unnest(pg_catalog.current_schemas(true))"), &PQclear);
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
        return std::nullopt;
    }
    std::vector<std::string> path;
    for (int row = 0; row < PQntuples(result.get()); ++row) {
        path.emplace_back(PQgetvalue(result.get(), row, 0));
    }
    return path;
}

std::string ReplayConnection::error() const {
    return audit::printable(PQerrorMessage(connection_.get()));
}

void ReplayConnection::fail_transaction() {
    if (PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS) {
        (void)Result(PQexec(connection_.get(), kFailingText), &PQclear);
    }
}

// Puts the DataRow together as the client got it. Where the client had some columns as text and
// others in binary, which libpq cannot ask for, the row has come in binary.
void ReplayConnection::take_row(const PGresult* result, const Recorded& statement) {
    if (!digest_) {
        return;
    }
    const int columns = PQnfields(result);
    const bool mixed = statement.result_formats.size() > 1;
    row_ = std::string("D\0\0\0\0", 5);
    row_ += static_cast<char>(columns >> 8 & 0xff);
    row_ += static_cast<char>(columns & 0xff);
    for (int column = 0; column < columns; ++column) {
        if (PQgetisnull(result, 0, column) != 0) {
            append_length(row_, 0xffffffff);
            continue;
        }
        std::string_view value(PQgetvalue(result, 0, column),
                               static_cast<std::size_t>(PQgetlength(result, 0, column)));
        std::optional<std::string> text;
        const auto place = static_cast<std::size_t>(column);
        if (mixed && PQfformat(result, column) == 1 && place < statement.result_formats.size() &&
            statement.result_formats[place] == 0) {
            const Oid type = PQftype(result, column);
            text = has_one_text(type) ? wire::text_of_binary(type, value) : std::nullopt;
            sum_known_ = sum_known_ && text;
            value = text ? std::string_view(*text) : value;
        }
        append_length(row_, value.size());
        row_ += value;
    }
    std::string length;
    append_length(length, row_.size() - 1);
    row_.replace(1, 4, length);
    digest_->add(sum_, row_);
}

void ReplayConnection::take(PGresult* result, const Recorded& statement, Outcome& outcome) {
    switch (PQresultStatus(result)) {
        case PGRES_SINGLE_TUPLE: {
            ++outcome.rows;
            take_row(result, statement);
            outcome.bytes += 7;
            for (int column = 0; column < PQnfields(result); ++column) {
                outcome.bytes += 4 + static_cast<std::uint64_t>(PQgetlength(result, 0, column));
            }
            return;
        }
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            if (outcome.sqlstate.empty()) {
                outcome.sqlstate = "00000";
            }
            // CommandComplete, with its tag.
            outcome.bytes += 6 + std::strlen(PQcmdStatus(result));
            return;
        case PGRES_EMPTY_QUERY:
            outcome.sqlstate = "00000";
            outcome.bytes += 5;
            return;
        case PGRES_COPY_OUT: {
            char* row = nullptr;
            int size = 0;
            while ((size = PQgetCopyData(connection_.get(), &row, 0)) > 0) {
                ++outcome.rows;
                outcome.bytes += 5 + static_cast<std::uint64_t>(size);
                if (digest_) {
                    row_ = 'd';
                    append_length(row_, static_cast<std::size_t>(size) + 4);
                    row_.append(row, static_cast<std::size_t>(size));
                    digest_->add(sum_, row_);
                }
                PQfreemem(row);
            }
            return;
        }
        default: {
            const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
            outcome.sqlstate = state == nullptr ? "08006" : state;
            return;
        }
    }
}

Outcome ReplayConnection::run(const std::string& sql, const Recorded& statement) {
    Outcome outcome;
    const auto began = Clock::now();
    std::vector<const char*> values;
    for (const auto& value : statement.params) {
        values.push_back(value ? value->c_str() : nullptr);
    }
    std::vector<Oid> types(values.size(), 0);
    for (std::size_t i = 0; i < std::min(types.size(), statement.parameter_types.size()); ++i) {
        // The users' own types have other numbers in another database.
        types[i] = statement.parameter_types[i] < kFirstOwnOid ? statement.parameter_types[i] : 0;
    }
    const bool binary = std::ranges::any_of(statement.result_formats,
                                            [](std::uint32_t format) { return format != 0; });
    sum_ = {};
    sum_known_ = true;
    const int sent =
        statement.bound
            ? PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                types.data(), values.data(), nullptr, nullptr, binary ? 1 : 0)
            : PQsendQuery(connection_.get(), sql.c_str());
    if (sent == 1) {
        (void)PQsetSingleRowMode(connection_.get());
        while (PGresult* const result = PQgetResult(connection_.get())) {
            const Result owned(result, &PQclear);
            take(result, statement, outcome);
            if (PQstatus(connection_.get()) != CONNECTION_OK) {
                break;
            }
        }
    } else {
        outcome.sqlstate = "08006";
    }
    if (digest_ && sum_known_ && outcome.rows > 0) {
        outcome.digest = digest_->text(sum_, outcome.rows);
    }
    outcome.duration_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count());
    return outcome;
}

}  // namespace vitrine::replay
