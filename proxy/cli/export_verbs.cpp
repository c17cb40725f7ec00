#include "proxy/cli/export_verbs.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "proxy/audit/terminal_text.h"
#include "proxy/cli/verbs.h"
#include "proxy/export/exporter.h"
#include "proxy/export/status.h"

namespace vitrine::cli {

namespace {

int complain(const std::string& sentence) {
    std::cerr << "vitrine: " << audit::printable(sentence) << "\n";
    return kCouldNotRun;
}

}  // namespace

int audit_export(const ExportArguments& arguments) {
    const auto config = load_or_complain(arguments.config);
    if (config == nullptr) {
        return kCouldNotRun;
    }
    std::vector<const config::ExportTarget*> targets;
    for (const config::ExportTarget& target : config->audit.export_to) {
        if (arguments.targets.empty() ||
            std::find(arguments.targets.begin(), arguments.targets.end(), target.name) !=
                arguments.targets.end()) {
            targets.push_back(&target);
        }
    }
    for (const std::string& name : arguments.targets) {
        if (std::none_of(targets.begin(), targets.end(),
                         [&](const auto* target) { return target->name == name; })) {
            return complain("audit.export has no target " + name +
                            "; `vitrine audit export --status` lists those there are");
        }
    }
    if (targets.empty()) {
        return complain(arguments.config +
                        " has no audit.export: name there what the log is to be handed on to "
                        "(docs/export.md)");
    }
    if (arguments.status) {
        return exports::print_status(config->audit.directory, targets, arguments.format, std::cout,
                                     std::cerr);
    }
    exports::ExportOptions options;
    options.once = arguments.once;
    options.give_up = std::chrono::seconds(arguments.give_up_seconds);
    options.progress = ::isatty(STDERR_FILENO) == 1;
    return exports::run_export(config->audit.directory, targets, options, std::cerr);
}

}  // namespace vitrine::cli
