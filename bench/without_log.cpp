// What proxy/audit/query_log.h declares, for a vitrine that judges and records nothing. Only
// bench/log.py runs it, to see what recording costs.
#include <cstdio>

#include "proxy/audit/query_log.h"

namespace vitrine::audit {

struct QueryLog::State {};

QueryLog::QueryLog() = default;
QueryLog::~QueryLog() = default;

boost::system::result<std::unique_ptr<QueryLog>> QueryLog::open(const config::Audit&, Clock,
                                                                Report) {
    std::fputs(
        "BENCH BUILD WITHOUT A QUERY LOG: NOTHING IS RECORDED. Never run it in front of data "
        "that matters.\n",
        stderr);
    return std::unique_ptr<QueryLog>(new QueryLog());
}

boost::system::result<Ticket> QueryLog::append(const SessionId&, const SessionStart&) {
    return Ticket{};
}
boost::system::result<Ticket> QueryLog::append(const SessionId&, const Statement&) {
    return Ticket{};
}
boost::system::result<Ticket> QueryLog::append(const SessionId&, const Result&) {
    return Ticket{};
}
boost::system::result<Ticket> QueryLog::append(const SessionId&, const SessionEnd&) {
    return Ticket{};
}
boost::system::result<Ticket> QueryLog::append(const SessionId&, const AccessCall&) {
    return Ticket{};
}
boost::system::result<Ticket> QueryLog::append(const SessionId&, const LoginRefused&) {
    return Ticket{};
}

boost::system::result<Staged> QueryLog::stage(const SessionId&, const Statement&) {
    return Staged{};
}
void QueryLog::write(const Staged&) {}
bool QueryLog::stages() const {
    return true;
}
StageState Staged::state() const {
    return StageState::kWritten;
}

void QueryLog::drain() {}
boost::system::result<void> QueryLog::checkpoint() {
    return {};
}
void QueryLog::keep_up_files() {}
std::string QueryLog::trouble() const {
    return {};
}
std::string QueryLog::try_to_write() {
    return {};
}
std::uint64_t QueryLog::records() const {
    return 0;
}
std::uint64_t QueryLog::failures() const {
    return 0;
}
std::string QueryLog::trouble_behind() const {
    return {};
}

std::string new_session_id() {
    static unsigned number = 0;
    char digits[33];
    std::snprintf(digits, sizeof digits, "%032x", ++number);
    return digits;
}

}  // namespace vitrine::audit
