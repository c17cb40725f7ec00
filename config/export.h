// The part `audit.export:` of the file.
#pragma once

#include <vector>

#include "config/export_target.h"
#include "config/values.h"

namespace vitrine::config {

[[nodiscard]] std::vector<ExportTarget> read_export(Reader& reader, const Value& value);

}  // namespace vitrine::config
