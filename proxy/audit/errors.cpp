#include "proxy/audit/errors.h"

#include <cerrno>
#include <string>

namespace vitrine::audit {

std::string_view describe(AuditError error) {
    switch (error) {
        case AuditError::kInUse:
            return "another process has the query log's directory open; stop it, or give each "
                   "proxy an audit.directory of its own";
        case AuditError::kSigningKey:
            return "audit.signing_key is not an Ed25519 private key (PKCS#8 PEM); make one with "
                   "`openssl genpkey -algorithm ed25519`";
        case AuditError::kChanged:
            return "the query log was changed, moved or removed by someone else; put the file back "
                   "as it was, or restart vitrine to begin a new chain and have that on record";
        case AuditError::kNotAFile:
            return "something other than a regular file stands where a log file belongs; move it "
                   "out of the query log's directory";
        case AuditError::kSealed:
            return "the file of that day is sealed, and the clock has gone back to it; set the "
                   "clock right";
        case AuditError::kDamaged:
            return "the compressed file is damaged";
    }
    return "unknown error of the query log";
}

namespace {

class Category : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "vitrine.audit"; }
    std::string message(int value) const override {
        return std::string(describe(static_cast<AuditError>(value)));
    }
};

}  // namespace

boost::system::error_code make_error_code(AuditError error) {
    static const Category category;
    return {static_cast<int>(error), category};
}

boost::system::error_code last_system_error() {
    return {errno, boost::system::system_category()};
}

}  // namespace vitrine::audit
