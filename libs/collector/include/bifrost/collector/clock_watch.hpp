// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

#include "bifrost/core/time.hpp"

namespace bifrost::collector {

/// Notices that a wall clock was set: it then moves otherwise than the steady clock. Not for
/// simulated clocks. A machine that slept looks as if its clock had been set forward.
class ClockWatch {
 public:
  /// How far the clock was set since the look before, forward or (negative) back; nothing within
  /// two seconds, which is what a busy machine and a slewing clock explain.
  std::optional<std::chrono::microseconds> look(core::Instant wall,
                                                std::chrono::steady_clock::time_point steady);

 private:
  std::optional<core::Instant> wall_;
  std::chrono::steady_clock::time_point steady_{};
};

/// More than this between our clock and the broker's, and one of them is wrong: cycles would be
/// named after instants at which their quotes were not made.
inline constexpr std::chrono::seconds clock_tolerance{30};

}  // namespace bifrost::collector
