// A program run with bytes on its stdin, in bounded time. No shell is anywhere near.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::audit {

// `command`: an absolute path and the arguments. The program gets PATH alone as its environment,
// for ours may have secrets in it; its stdout goes nowhere, its stderr where ours goes. Beyond
// `time` it is killed with the process group that it is the leader of. Blocks SIGPIPE in the
// calling thread. Empty: it exited with 0 and was offered all of the input; otherwise what went
// wrong, one sentence.
[[nodiscard]] std::string run_program(const std::vector<std::string>& command,
                                      std::string_view input, std::chrono::milliseconds time);

}  // namespace vitrine::audit
