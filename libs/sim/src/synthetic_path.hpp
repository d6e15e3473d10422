// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "bifrost/core/calendar.hpp"
#include "bifrost/sim/synthetic_market.hpp"

namespace bifrost::sim {

/// One finished or running session of one symbol, as a bar.
struct PathDay {
  core::Date date{};
  core::Session session{};
  double start_log = 0;  // at the open
  double start_variance = 0;
  double open = 0;
  double high = 0;
  double low = 0;
  double close = 0;
  double end_log = 0;
  double end_variance = 0;
};

/// Spot and variance at every minute of one session; [0] is the open, the last one the close.
struct MinutePath {
  std::vector<double> log_spot;
  std::vector<double> variance;
};

/// The path of one symbol, day by day. A day's draws are keyed by (seed, symbol, date), so any day
/// can be laid out again from its opening state.
class SyntheticPath {
 public:
  static constexpr int steps_per_minute = 12;
  static constexpr std::chrono::seconds step_length{60 / steps_per_minute};

  SyntheticPath(std::uint64_t seed, core::Date epoch, const SyntheticSymbol& symbol);

  /// Simulates as many days as it takes to hold `date`.
  void extend_to(core::Date date);
  const std::vector<PathDay>& days() const { return days_; }

  MinutePath minutes(const PathDay& day) const;
  /// Spot at the twelve five-second steps of one minute: a Brownian bridge held within the range of
  /// its two ends, so that a day's extremes lie on its minutes.
  std::vector<double> steps(const PathDay& day, const MinutePath& path, std::size_t minute) const;

  /// The price that is published: whole cents.
  static double spot(double log_spot);

 private:
  void append(core::Date date, double start_log, double start_variance);
  std::uint64_t day_key(core::Date date) const;

  std::uint64_t seed_;
  const SyntheticSymbol& symbol_;
  std::uint64_t key_;
  std::vector<PathDay> days_;
};

}  // namespace bifrost::sim
