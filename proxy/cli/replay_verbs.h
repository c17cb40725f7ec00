// `vitrine audit replay`. Gives the exit status of INTERFACE, "The program".
#pragma once

#include <string>

#include "proxy/audit/reader.h"

namespace vitrine::cli {

struct ReplayArguments {
    std::string config;  // says where the log is, like `directory`
    std::string directory;
    std::string policy;   // the candidate's file; or:
    std::string session;  // an id, the beginning of one, or "last"
    std::string against;  // where it is run again
    bool through_proxy = false;
    bool original_pace = false;
    std::string since;  // a duration back from now, or a time
    std::string until;
    std::string user;
    std::string database;
    audit::Format format = audit::Format::kTable;
};

int audit_replay(const ReplayArguments& arguments);

}  // namespace vitrine::cli
