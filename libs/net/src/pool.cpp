// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/pool.hpp"

#include <exception>

#include "bifrost/core/log.hpp"

namespace bifrost::net {

Pool::Pool(std::size_t workers, std::size_t queue_limit) : queue_limit_(queue_limit) {
  threads_.reserve(workers);
  for (std::size_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Pool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock{mutex_};
    if (queue_.size() >= queue_limit_) return false;
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void Pool::work() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      task();
    } catch (const std::exception& e) {
      core::log::error("a pool task threw: {}", e.what());
    } catch (...) {
      core::log::error("a pool task threw something that is no exception");
    }
  }
}

}  // namespace bifrost::net
