// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "bifrost/core/clock.hpp"

namespace bifrost::sim {

/// How simulated time runs. `speed` is simulated seconds per real second, positive; with
/// `skip_closed` the time between sessions runs 400 times faster still.
struct Pace {
  double speed = 1;
  bool skip_closed = false;
};

inline constexpr double closed_speed_up = 400;

/// Where simulated time has got to after some real time. Starting from `start`, always: no rounding
/// gathers.
core::Instant simulated_time(core::Instant start, std::chrono::steady_clock::duration elapsed,
                             Pace pace);

/// Simulated time that runs with the machine's steady clock. For time that stands still until it is
/// told, core::ManualClock.
class PacedClock final : public core::Clock {
 public:
  PacedClock(core::Instant start, Pace pace)
      : start_(start), pace_(pace), began_(std::chrono::steady_clock::now()) {}

  core::Instant now() const override {
    return simulated_time(start_, std::chrono::steady_clock::now() - began_, pace_);
  }

 private:
  core::Instant start_;
  Pace pace_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace bifrost::sim
