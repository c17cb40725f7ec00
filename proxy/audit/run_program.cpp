#include "proxy/audit/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "proxy/audit/append_file.h"

namespace vitrine::audit {

namespace {

using Steady = std::chrono::steady_clock;

// How often a program that has closed its stdin is looked at.
constexpr std::chrono::milliseconds kLookEvery{10};

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string said(std::string_view what, int error) {
    return std::string(what) + ": " + std::system_category().message(error);
}

struct Spawned {
    pid_t process = -1;
    int error = 0;
};

Spawned spawn(const std::vector<std::string>& command, int input) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    // As a program expects to be started: our own thread blocks signals and ignores SIGPIPE.
    sigset_t none;
    sigset_t defaults;
    ::sigemptyset(&none);
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

    std::vector<std::string> texts = command;
    std::vector<char*> arguments;
    for (std::string& text : texts) {
        arguments.push_back(text.data());
    }
    arguments.push_back(nullptr);
    std::string path = kPath;
    char* environment[] = {path.data(), nullptr};

    Spawned spawned;
    spawned.error = ::posix_spawn(&spawned.process, texts.front().c_str(), &actions, &attributes,
                                  arguments.data(), environment);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    return spawned;
}

int milliseconds_until(Steady::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

// A program that does not read all of its input has not got it: EPIPE is an error.
std::string feed(int fd, std::string_view input, Steady::time_point end) {
    while (!input.empty()) {
        pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
        const int polled = ::poll(&ready, 1, milliseconds_until(end));
        if (polled == 0) {
            return "took too long";
        }
        if (polled < 0) {
            if (errno == EINTR) {
                continue;
            }
            return said("could not be written to", errno);
        }
        const ssize_t written = ::write(fd, input.data(), input.size());
        if (written >= 0) {
            input.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EPIPE) {
            return "did not read all of its input";
        } else if (errno != EINTR && errno != EAGAIN) {
            return said("could not be written to", errno);
        }
    }
    return {};
}

std::string wait_for(pid_t process, Steady::time_point end) {
    while (true) {
        int status = 0;
        const pid_t got = ::waitpid(process, &status, WNOHANG);
        if (got == process) {
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                return {};
            }
            return WIFEXITED(status) ? "exited with " + std::to_string(WEXITSTATUS(status))
                                     : "was killed by signal " + std::to_string(WTERMSIG(status));
        }
        if (got < 0 && errno != EINTR) {
            return said("could not be waited for", errno);
        }
        if (Steady::now() >= end) {
            ::kill(-process, SIGKILL);
            while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
            }
            return "took too long";
        }
        ::poll(nullptr, 0, static_cast<int>(kLookEvery.count()));
    }
}

}  // namespace

std::string run_program(const std::vector<std::string>& command, std::string_view input,
                        std::chrono::milliseconds time) {
    sigset_t pipe_signal;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return said("no pipe could be made", errno);
    }
    Descriptor reading(ends[0]);
    Descriptor writing(ends[1]);
    // Our end alone: the program's stays as programs know it.
    ::fcntl(writing.get(), F_SETFL, O_NONBLOCK);

    const auto end = Steady::now() + time;
    const Spawned spawned = spawn(command, reading.get());
    reading.close();
    if (spawned.error != 0) {
        return said(command.front() + " could not be started", spawned.error);
    }
    const std::string not_fed = feed(writing.get(), input, end);
    writing.close();
    // One that was not fed has no business going on.
    const std::string ended = wait_for(spawned.process, not_fed.empty() ? end : Steady::now());
    if (!not_fed.empty()) {
        return command.front() + " " + not_fed +
               (ended.empty() || ended == "took too long" ? "" : " and " + ended);
    }
    return ended.empty() ? ended : command.front() + " " + ended;
}

}  // namespace vitrine::audit
