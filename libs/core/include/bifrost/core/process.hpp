// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/time.hpp"

namespace bifrost::core {

/// A child process with pipes on its standard input and output. It gets SIGTERM when the thread
/// that started it ends, however that happens, so that no orphan is left; the destructor kills and
/// reaps what still runs. One thread at a time.
class Process {
 public:
  struct Options {
    std::vector<std::string> arguments;              // without the program's own name
    std::map<std::string, std::string> environment;  // added to, or replacing, ours
    std::filesystem::path error_log;                 // standard error is appended here; empty: ours
  };
  static Result<Process> start(const std::filesystem::path& program, const Options& options);

  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }

  /// The next line of its standard output, without the end; unavailable once it has closed that.
  Result<std::string> read_line(Deadline deadline);
  /// Writes one line to its standard input.
  Result<void> write_line(std::string_view line);

  void signal(int number);

  /// Whether it still runs. Reaps it otherwise.
  bool running();
  /// Waits for the end. The exit status, or 128 plus the number of the signal that ended it.
  Result<int> wait(Deadline deadline);
  /// SIGTERM, then SIGKILL when `deadline` passes. Returns as wait().
  int stop(Deadline deadline);

 private:
  Process() = default;
  void reap(int wait_status);

  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  bool reaped_ = true;
  int status_ = 0;
  std::string pending_;
};

}  // namespace bifrost::core
