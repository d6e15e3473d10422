// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {

std::optional<double> iv_rank(std::span<const double> history, double now) {
  if (history.empty()) return std::nullopt;
  const auto [low, high] = std::minmax_element(history.begin(), history.end());
  if (*low == *high) return std::nullopt;
  return 100.0 * (now - *low) / (*high - *low);
}

std::optional<double> iv_percentile(std::span<const double> history, double now) {
  if (history.empty()) return std::nullopt;
  const auto below =
      std::count_if(history.begin(), history.end(), [&](double iv) { return iv < now; });
  return 100.0 * static_cast<double>(below) / static_cast<double>(history.size());
}

double expected_best_sharpe(double variance_across_trials, int trials) {
  const double gamma = std::numbers::egamma;
  return std::sqrt(variance_across_trials) *
         ((1.0 - gamma) * normal_quantile(1.0 - 1.0 / trials) +
          gamma * normal_quantile(1.0 - 1.0 / (trials * std::numbers::e)));
}

double probabilistic_sharpe(const MeasuredSharpe& measured, double benchmark) {
  const double sharpe = measured.sharpe;
  const double variance =
      1.0 - measured.skewness * sharpe + 0.25 * (measured.kurtosis - 1.0) * sharpe * sharpe;
  return normal_cdf((sharpe - benchmark) * std::sqrt((measured.observations - 1.0) / variance));
}

}  // namespace bifrost::analysis
