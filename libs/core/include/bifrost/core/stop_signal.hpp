// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>
#include <thread>

namespace bifrost::core {

/// Turns SIGINT and SIGTERM into a stop token. Make it first thing in main, before any other
/// thread: threads started later leave these signals alone. A second signal ends the program at
/// once.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// Blocks until a signal came, or for so long. True: a signal came.
  bool wait_for(std::chrono::milliseconds time) const;
  void wait() const;

 private:
  std::stop_source source_;
  std::jthread watcher_;
};

}  // namespace bifrost::core
