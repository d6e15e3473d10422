// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "bifrost/core/time.hpp"

namespace bifrost::core {

/// Where the market's time comes from. Safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
};

/// Stands still until it is set.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : now_(start.time_since_epoch().count()) {}
  Instant now() const override { return Instant{std::chrono::microseconds{now_.load()}}; }
  void set(Instant t) { now_.store(t.time_since_epoch().count()); }

 private:
  std::atomic<Instant::rep> now_;
};

}  // namespace bifrost::core
