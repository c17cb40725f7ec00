// What can be wrong with the query log besides what the system says (errno, as system_category).
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <cstdint>
#include <string_view>

namespace vitrine::audit {

enum class AuditError : std::uint8_t {
    kInUse = 1,   // another process has the directory open
    kSigningKey,  // audit.signing_key is not an Ed25519 private key
    kChanged,     // a file, the ledger or the directory is not as this process left it
    kNotAFile,    // something that is not a regular file stands where a log file belongs
    kSealed,      // the clock has gone back to a day that is over for good
    kDamaged,     // a compressed file cannot be taken apart
};
[[nodiscard]] std::string_view describe(AuditError error);
boost::system::error_code make_error_code(AuditError error);

// errno as an error code.
[[nodiscard]] boost::system::error_code last_system_error();

}  // namespace vitrine::audit

template <>
struct boost::system::is_error_code_enum<vitrine::audit::AuditError> : std::true_type {};
