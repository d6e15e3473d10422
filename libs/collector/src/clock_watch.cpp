// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/clock_watch.hpp"

namespace bifrost::collector {

std::optional<std::chrono::microseconds> ClockWatch::look(
    core::Instant wall, std::chrono::steady_clock::time_point steady) {
  using namespace std::chrono_literals;
  const auto wall_before = wall_;
  const auto steady_before = steady_;
  wall_ = wall;
  steady_ = steady;
  if (!wall_before) return std::nullopt;
  const auto set =
      wall - *wall_before - std::chrono::floor<std::chrono::microseconds>(steady - steady_before);
  if (set <= 2s && set >= -2s) return std::nullopt;
  return set;
}

}  // namespace bifrost::collector
