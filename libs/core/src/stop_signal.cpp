// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/stop_signal.hpp"

#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

namespace bifrost::core {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::jthread{[this](std::stop_token ended) {
    const sigset_t wanted = stop_signals();
    while (!ended.stop_requested()) {
      const timespec look_again{.tv_sec = 0, .tv_nsec = 200'000'000};
      if (::sigtimedwait(&wanted, nullptr, &look_again) < 0) continue;
      if (source_.stop_requested()) ::_exit(130);
      source_.request_stop();
    }
  }};
}

StopSignal::~StopSignal() = default;

bool StopSignal::wait_for(std::chrono::milliseconds time) const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  wake.wait_for(lock, token(), time, [] { return false; });
  return token().stop_requested();
}

void StopSignal::wait() const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  wake.wait(lock, token(), [] { return false; });
}

}  // namespace bifrost::core
