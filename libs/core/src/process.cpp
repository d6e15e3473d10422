// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/process.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace bifrost::core {
namespace {

int milliseconds_left(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

void close_if_open(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

/// What the child needs, built before fork: between fork and exec only async-signal-safe calls are
/// allowed.
struct Launch {
  std::vector<std::string> argument_text;
  std::vector<std::string> environment_text;
  std::vector<char*> arguments;
  std::vector<char*> environment;

  Launch(const std::filesystem::path& program, const Process::Options& options) {
    argument_text.push_back(program.string());
    argument_text.insert(argument_text.end(), options.arguments.begin(), options.arguments.end());
    auto variables = options.environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view pair{*entry};
      const auto equals = pair.find('=');
      if (equals != std::string_view::npos) {
        variables.emplace(pair.substr(0, equals), pair.substr(equals + 1));
      }
    }
    for (const auto& [name, value] : variables) environment_text.push_back(name + "=" + value);
    for (auto& text : argument_text) arguments.push_back(text.data());
    for (auto& text : environment_text) environment.push_back(text.data());
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
  }
};

}  // namespace

Result<Process> Process::start(const std::filesystem::path& program, const Options& options) {
  Launch launch{program, options};
  std::array<int, 2> in{-1, -1};
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> failed{-1, -1};  // carries errno when exec fails
  int error_log = -1;
  const auto close_all = [&] {
    for (int* fd : {&in[0], &in[1], &out[0], &out[1], &failed[0], &failed[1], &error_log})
      close_if_open(*fd);
  };
  const auto could_not = [&](std::string_view what) {
    const int error = errno;
    close_all();
    return fail(Errc::unavailable,
                fmt::format("start {}: {}: {}", program.string(), what, std::strerror(error)));
  };
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0 ||
      ::pipe2(failed.data(), O_CLOEXEC) != 0) {
    return could_not("pipe");
  }
  if (!options.error_log.empty()) {
    error_log = ::open(options.error_log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (error_log < 0) return could_not(options.error_log.string());
  }
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return could_not("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);  // the parent ended before the line above took hold
    // A Ctrl-C at the terminal is for the parent, which stops its children in order.
    ::setpgid(0, 0);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    if (error_log >= 0) ::dup2(error_log, STDERR_FILENO);
    ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(launch.arguments.front(), launch.arguments.data(), launch.environment.data());
    const int error = errno;
    [[maybe_unused]] const auto told = ::write(failed[1], &error, sizeof error);
    ::_exit(127);
  }
  close_if_open(failed[1]);
  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(failed[0], &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof error) {
    ::waitpid(child, nullptr, 0);
    errno = error;
    return could_not("exec");
  }
  Process process;
  process.pid_ = child;
  process.reaped_ = false;
  process.input_ = std::exchange(in[1], -1);
  process.output_ = std::exchange(out[0], -1);
  close_all();
  return process;
}

Process::Process(Process&& other) noexcept {
  *this = std::move(other);
}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(input_, other.input_);
  std::swap(output_, other.output_);
  std::swap(reaped_, other.reaped_);
  std::swap(status_, other.status_);
  std::swap(pending_, other.pending_);
  return *this;
}

Process::~Process() {
  if (running()) {
    ::kill(pid_, SIGKILL);
    int wait_status = 0;
    ::waitpid(pid_, &wait_status, 0);
    reap(wait_status);
  }
  close_if_open(input_);
  close_if_open(output_);
}

Result<std::string> Process::read_line(Deadline deadline) {
  for (;;) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    pollfd ready{output_, POLLIN, 0};
    const int found = ::poll(&ready, 1, milliseconds_left(deadline));
    if (found == 0)
      return fail(Errc::timeout, fmt::format("no line from process {} in time", pid_));
    std::array<char, 4096> chunk;
    const auto got = ::read(output_, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(Errc::unavailable, fmt::format("process {} closed its output", pid_));
    pending_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

Result<void> Process::write_line(std::string_view line) {
  std::string text{line};
  text += '\n';
  // The child may be gone: that is an error to report, not a SIGPIPE to die of.
  sigset_t pipe_signal;
  sigset_t before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ssize_t wrote = 0;
  for (std::size_t at = 0; at < text.size() && wrote >= 0; at += static_cast<std::size_t>(wrote)) {
    wrote = ::write(input_, text.data() + at, text.size() - at);
    if (wrote < 0 && errno == EINTR) wrote = 0;
  }
  if (wrote < 0) {
    const timespec now{};
    ::sigtimedwait(&pipe_signal, nullptr, &now);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (wrote < 0) return fail(Errc::unavailable, fmt::format("process {} takes no input", pid_));
  return {};
}

void Process::signal(int number) {
  if (running()) ::kill(pid_, number);
}

bool Process::running() {
  if (reaped_) return false;
  int wait_status = 0;
  if (::waitpid(pid_, &wait_status, WNOHANG) == pid_) reap(wait_status);
  return !reaped_;
}

void Process::reap(int wait_status) {
  reaped_ = true;
  status_ = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

Result<int> Process::wait(Deadline deadline) {
  if (!running()) return status_;
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (handle < 0)
    return fail(Errc::unavailable, fmt::format("watch process {}: {}", pid_, std::strerror(errno)));
  pollfd ended{handle, POLLIN, 0};
  int found = 0;
  do {
    found = ::poll(&ended, 1, milliseconds_left(deadline));
  } while (found < 0 && errno == EINTR);
  ::close(handle);
  if (!running()) return status_;
  return fail(Errc::timeout, fmt::format("process {} still runs", pid_));
}

int Process::stop(Deadline deadline) {
  signal(SIGTERM);
  if (const auto status = wait(deadline)) return *status;
  signal(SIGKILL);
  int wait_status = 0;
  if (!reaped_ && ::waitpid(pid_, &wait_status, 0) == pid_) reap(wait_status);
  return status_;
}

}  // namespace bifrost::core
