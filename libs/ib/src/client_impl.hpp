// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>

#include "bifrost/ib/client.hpp"
#include "link.hpp"

namespace bifrost::ib {

/// One caller at a time, waited for until a deadline. Turn would do, but the thread
/// sanitizer of g++ 12 does not see it being locked.
class Turn {
 public:
  bool try_lock_until(core::Deadline deadline) {
    std::unique_lock lock{mutex_};
    if (!freed_.wait_until(lock, deadline, [this] { return !taken_; })) return false;
    return taken_ = true;
  }
  void unlock() {
    const std::scoped_lock lock{mutex_};
    taken_ = false;
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  bool taken_ = false;
};

class Client::Impl {
 public:
  explicit Impl(ClientOptions options) : link(std::move(options)) {}

  Link link;

  // The gateway keeps two summaries at most, and a list of positions carries no request id.
  Turn summary_turn;
  Turn positions_turn;
  std::uint64_t positions_spoiled = 0;  // the session in which a list of positions was given up

  HistoryPacer history;
};

}  // namespace bifrost::ib
