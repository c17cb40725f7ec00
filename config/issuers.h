// The section `auth`: who issues tokens, and what is asked of them.
#pragma once

#include "config/values.h"

namespace vitrine::config {

void read_auth(Reader& reader, const Value& value, Auth& auth);

}  // namespace vitrine::config
