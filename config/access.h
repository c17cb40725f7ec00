// The part `access:` of the file: the store, the API, the policies.
#pragma once

#include "config/config.h"
#include "config/values.h"

namespace vitrine::config {

// To be read after `databases` and `auth`, which it names.
void read_access(Reader& reader, const Value& value, Config& config);

}  // namespace vitrine::config
