#include "auth/store/sql_rows.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <utility>

#include "config/limits.h"
#include "config/utf8.h"

namespace vitrine::auth {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

bool is_text(std::string_view text) {
    return text.size() <= limits::kStoredTextBytesMax && config::is_printable(text);
}
bool are_names(const std::vector<std::string>& names) {
    return names.size() <= limits::kStoredNamesMax &&
           std::all_of(names.begin(), names.end(), is_name);
}

template <class Enum>
std::optional<Enum> from_word(std::string_view word, std::initializer_list<Enum> all) {
    const auto* const found =
        std::find_if(all.begin(), all.end(), [&](Enum each) { return to_string(each) == word; });
    return found == all.end() ? std::nullopt : std::optional(*found);
}

// The fields of a row, in order. The first that is not what it should be makes all of it void.
class Fields {
  public:
    explicit Fields(const std::vector<std::string>& row) : row_(row) {}

    std::string text() {
        if (next_ == row_.size()) {
            good_ = false;
            return {};
        }
        return row_[next_++];
    }
    std::int64_t number() {
        const std::string field = text();
        std::int64_t number = 0;
        const auto [end, error] =
            std::from_chars(field.data(), field.data() + field.size(), number);
        good_ = good_ && error == std::errc{} && end == field.data() + field.size();
        return number;
    }
    bool flag() { return number() != 0; }
    Time time() { return Time(seconds(number())); }
    json::array array() {
        json::error_code error;
        json::value value = json::parse(text(), error);
        if (error || !value.is_array()) {
            good_ = false;
            return {};
        }
        return std::move(value.get_array());
    }
    std::vector<std::string> names() {
        std::vector<std::string> names;
        for (const json::value& value : array()) {
            names.push_back(name(value));
        }
        return names;
    }
    std::vector<Approval> approvals() {
        std::vector<Approval> approvals;
        for (const json::value& value : array()) {
            const json::array* const pair = value.if_array();
            if (pair == nullptr || pair->size() != 2 || !(*pair)[1].is_int64()) {
                good_ = false;
                return {};
            }
            approvals.push_back({name((*pair)[0]), Time(seconds((*pair)[1].get_int64()))});
        }
        return approvals;
    }
    template <class Enum>
    Enum word(std::initializer_list<Enum> all) {
        const auto found = from_word(text(), all);
        good_ = good_ && found;
        return found.value_or(*all.begin());
    }
    [[nodiscard]] bool good() const { return good_ && next_ == row_.size(); }

  private:
    std::string name(const json::value& value) {
        const json::string* const text = value.if_string();
        good_ = good_ && text != nullptr;
        return text == nullptr ? std::string() : std::string(text->data(), text->size());
    }

    const std::vector<std::string>& row_;
    std::size_t next_ = 0;
    bool good_ = true;
};

template <class T>
result<T> checked(const Fields& fields, T value) {
    if (!fields.good()) {
        return StoreError::kCorrupt;
    }
    return value;
}

}  // namespace

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= limits::kStoredNameBytesMax &&
           config::is_printable(name);
}
bool is_name_or_empty(std::string_view name) {
    return name.empty() || is_name(name);
}

bool is_storable(const Grant& grant) {
    return is_name(grant.id) && is_name(grant.user) && is_name_or_empty(grant.issuer) &&
           are_names(grant.groups) && is_name(grant.database) && is_text(grant.reason) &&
           is_name(grant.policy) && are_names(grant.approver_groups) &&
           grant.approvals.size() <= limits::kStoredNamesMax &&
           std::all_of(grant.approvals.begin(), grant.approvals.end(),
                       [](const Approval& approval) { return is_name(approval.by); }) &&
           is_name_or_empty(grant.ended_by) && is_text(grant.end_reason) &&
           is_name_or_empty(grant.reviewed_by);
}
bool is_storable(const Account& account) {
    return is_name(account.user) && are_names(account.groups) && is_name(account.password);
}
bool is_storable(const HandleRecord& handle) {
    const Principal& principal = handle.principal;
    return is_name(handle.hash) && is_name(principal.user) && are_names(principal.groups) &&
           is_name(principal.token) && is_name(principal.issuer) &&
           is_name_or_empty(principal.grant) && is_text(principal.reason) &&
           is_name_or_empty(principal.client_address) && are_names(handle.databases);
}
bool is_storable(const Revocation& revocation) {
    const bool named = revocation.kind == Revocation::Kind::kAll ? revocation.value.empty()
                                                                 : is_name(revocation.value);
    return named && is_name_or_empty(revocation.by) && is_text(revocation.reason);
}

std::int64_t number_of(Time time) {
    return time.time_since_epoch().count();
}

std::string list_of(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) {
        array.emplace_back(json::string(text));
    }
    return json::serialize(array);
}

// [["bob", 1800000000], …]
std::string list_of(const std::vector<Approval>& approvals) {
    json::array array;
    for (const Approval& approval : approvals) {
        array.push_back(json::array{json::string(approval.by), number_of(approval.at)});
    }
    return json::serialize(array);
}

result<Grant> grant_of(const std::vector<std::string>& row) {
    Fields fields(row);
    Grant grant;
    grant.id = fields.text();
    grant.user = fields.text();
    grant.issuer = fields.text();
    grant.groups = fields.names();
    grant.database = fields.text();
    grant.duration = seconds(fields.number());
    grant.reason = fields.text();
    grant.policy = fields.text();
    grant.emergency = fields.flag();
    grant.approvals_needed = static_cast<unsigned>(fields.number());
    grant.approver_groups = fields.names();
    grant.approvals = fields.approvals();
    grant.state = fields.word({GrantState::kPending, GrantState::kActive, GrantState::kDenied,
                               GrantState::kWithdrawn, GrantState::kRevoked});
    grant.requested = fields.time();
    grant.ends = fields.time();
    grant.started = fields.time();
    grant.ended_by = fields.text();
    grant.end_reason = fields.text();
    grant.reviewed_by = fields.text();
    grant.reviewed = fields.time();
    return checked(fields, std::move(grant));
}

result<Account> account_of(const std::vector<std::string>& row) {
    Fields fields(row);
    Account account;
    account.user = fields.text();
    account.groups = fields.names();
    account.password = fields.text();
    account.created = fields.time();
    account.disabled = fields.flag();
    return checked(fields, std::move(account));
}

result<HandleRecord> handle_of(const std::vector<std::string>& row) {
    Fields fields(row);
    HandleRecord handle;
    handle.hash = fields.text();
    handle.principal.user = fields.text();
    handle.principal.groups = fields.names();
    handle.principal.token = fields.text();
    handle.principal.issuer = fields.text();
    handle.principal.grant = fields.text();
    handle.principal.reason = fields.text();
    handle.principal.issued = fields.time();
    handle.principal.expires = fields.time();
    handle.principal.client_address = fields.text();
    handle.principal.single_use = fields.flag();
    handle.databases = fields.names();
    return checked(fields, std::move(handle));
}

result<Revocation> revocation_of(const std::vector<std::string>& row) {
    using Kind = Revocation::Kind;
    Fields fields(row);
    Revocation revocation;
    revocation.kind =
        fields.word({Kind::kToken, Kind::kGrant, Kind::kUser, Kind::kGroup, Kind::kAll});
    revocation.value = fields.text();
    revocation.at = fields.time();
    revocation.by = fields.text();
    revocation.reason = fields.text();
    return checked(fields, std::move(revocation));
}

result<std::int64_t> integer_of(const std::vector<std::string>& row) {
    Fields fields(row);
    const std::int64_t number = fields.number();
    return checked(fields, number);
}

}  // namespace vitrine::auth
