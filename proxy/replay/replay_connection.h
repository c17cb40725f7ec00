// A session at the database that a replay runs against, pinned as the proxy's own are.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/secret.h"
#include "parser/judge.h"
#include "proxy/audit/rows_digest.h"
#include "proxy/replay/recorded_session.h"

namespace vitrine::replay {

class ReplayConnection {
  public:
    // `mask_key`: masking.key, or empty; it must outlive this. `through_proxy`: a vitrine at the
    // other end, which pins and masks by itself.
    ReplayConnection(const config::Secret& mask_key, bool through_proxy);

    // With the client's own settings, as far as `policy` lets them through now, and the pins behind
    // them, which are looked at before anything is run. False: it is said on `err`.
    [[nodiscard]] bool open(const std::string& against, const RecordedSession& session,
                            const parser::Policy& policy, std::ostream& err);

    // As the server there resolves it: that is what statements mean there. Nothing on an error.
    [[nodiscard]] std::optional<std::vector<std::string>> search_path();

    // Sends what was judged. A Bind's values go with their declared types, and its rows come in the
    // formats that it asked for.
    [[nodiscard]] Outcome run(const std::string& sql, const Recorded& statement);
    // Makes an open transaction fail, as a refused statement does through the proxy.
    void fail_transaction();

    [[nodiscard]] bool is_well() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
    [[nodiscard]] bool has_failed_transaction() const {
        return PQtransactionStatus(connection_.get()) == PQTRANS_INERROR;
    }
    [[nodiscard]] std::string error() const;  // safe to print
    // Outcomes have digests: the key is that of the record.
    [[nodiscard]] bool has_digests() const { return digest_.has_value(); }

  private:
    [[nodiscard]] bool check_pins(std::ostream& err);
    void take(PGresult* result, const Recorded& statement, Outcome& outcome);
    void take_row(const PGresult* result, const Recorded& statement);

    const config::Secret& mask_key_;
    const bool through_proxy_;
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_{nullptr, &PQfinish};
    // Of the rows of the statement that runs.
    std::optional<audit::RowsDigest> digest_;
    audit::RowsSum sum_;
    bool sum_known_ = true;
    std::string row_;
};

}  // namespace vitrine::replay
