// `vitrine audit export`.
#pragma once

#include <string>
#include <vector>

#include "proxy/audit/reader.h"

namespace vitrine::cli {

struct ExportArguments {
    std::string config;
    std::vector<std::string> targets;  // empty: all
    bool once = false;
    bool status = false;
    unsigned give_up_seconds = 60;
    audit::Format format = audit::Format::kTable;
};

int audit_export(const ExportArguments& arguments);

}  // namespace vitrine::cli
