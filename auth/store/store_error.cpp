#include <boost/system/error_category.hpp>
#include <string>

#include "auth/store/store.h"

namespace vitrine::auth {
namespace {

class StoreCategory : public boost::system::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "vitrine.store"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<StoreError>(value)) {
            case StoreError::kUnavailable:
                return "the store of access is not available";
            case StoreError::kNotFound:
                return "not found";
            case StoreError::kExists:
                return "exists already";
            case StoreError::kNewer:
                return "the store of access was made by a newer vitrine";
            case StoreError::kCorrupt:
                return "the store of access is damaged, or something else";
            case StoreError::kInvalid:
                return "not a text that the store keeps: control characters, not UTF-8, empty or "
                       "too long";
            case StoreError::kRevoked:
                return "revoked while it was asked for";
        }
        return "unknown";
    }
};

}  // namespace

boost::system::error_code make_error_code(StoreError error) {
    static const StoreCategory category;
    return {static_cast<int>(error), category};
}

}  // namespace vitrine::auth
