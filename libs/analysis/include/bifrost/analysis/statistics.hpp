// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

namespace bifrost::analysis {

/// Where `now` stands between the lowest and the highest of a history, in percent: (now - min) /
/// (max - min). Hostage to one spike, so show it beside the percentile, with the number of days.
/// Below 0 or above 100 when `now` leaves the range. Nothing when the history is empty or flat.
std::optional<double> iv_rank(std::span<const double> history, double now);

/// The share of the history strictly below `now`, in percent. Nothing for an empty history.
std::optional<double> iv_percentile(std::span<const double> history, double now);

/// A Sharpe ratio as it was measured. Everything is per period of the returns, nothing is annual.
struct MeasuredSharpe {
  double sharpe;
  int observations;  // at least 2
  double skewness;
  double kurtosis;  // 3 for a normal
};

/// How high the best of `trials` strategies without any merit is expected to come out, where Sharpe
/// ratios of trials have this variance. At least 2 trials. Bailey and Lopez de Prado, "The Deflated
/// Sharpe Ratio" (2014).
double expected_best_sharpe(double variance_across_trials, int trials);

/// The probability that the true ratio is above `benchmark`; with expected_best_sharpe() as
/// benchmark this is the deflated Sharpe ratio of the same paper.
double probabilistic_sharpe(const MeasuredSharpe& measured, double benchmark);

}  // namespace bifrost::analysis
