// The section `masking:` of the file.
#pragma once

#include "config/config.h"
#include "config/values.h"

namespace vitrine::config {

void read_masking(Reader& reader, const Value& value, Masking& masking);

}  // namespace vitrine::config
