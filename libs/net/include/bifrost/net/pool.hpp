// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bifrost::net {

/// A fixed number of threads working through a bounded queue, first come first served.
class Pool {
 public:
  Pool(std::size_t workers, std::size_t queue_limit);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  /// Runs what is queued already, then joins.
  ~Pool();

  /// False when the queue is full: nothing was taken, the caller says so to whoever asked. An
  /// exception that leaves a task is logged and ends that task alone. Safe from any thread, tasks
  /// included.
  [[nodiscard]] bool submit(std::function<void()> task);

 private:
  void work();

  const std::size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace bifrost::net
