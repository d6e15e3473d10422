// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
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

/// Simulated time that runs with the machine's steady clock and stands still from `end` on: what
/// comes after the last row of a recording nobody knows. For time that stands still until it is
/// told, core::ManualClock.
class PacedClock final : public core::Clock {
 public:
  PacedClock(core::Instant start, Pace pace, core::Instant end = core::Instant::max())
      : start_(start), pace_(pace), end_(end), began_(std::chrono::steady_clock::now()) {}

  core::Instant now() const override {
    return std::min(end_, simulated_time(start_, std::chrono::steady_clock::now() - began_, pace_));
  }

 private:
  core::Instant start_;
  Pace pace_;
  core::Instant end_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace bifrost::sim
