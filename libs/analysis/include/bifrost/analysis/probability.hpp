// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "bifrost/analysis/payoff.hpp"

namespace bifrost::analysis {

/// What the mean of a density was taken from.
enum class Anchor : std::uint8_t { put_call_parity_forward, spot, history, forecast };
/// How calendar time became years.
enum class DayCount : std::uint8_t { act_365f, business_252 };
std::string_view to_string(Anchor anchor);
std::string_view to_string(DayCount day_count);

/// Where the underlying may settle: lognormal with the anchor price as its mean, so with the term
/// of minus half the variance in its log. Anchor and day count change a probability by points, so
/// they travel with it. forward, vol and years_to_expiry are positive.
struct LognormalDensity {
  double forward;
  double vol;  // annual, decimal
  double years_to_expiry;
  Anchor anchor = Anchor::put_call_parity_forward;
  DayCount day_count = DayCount::act_365f;

  /// P(settlement <= spot).
  double cdf(double spot) const;
  /// P(low < settlement < high); `high` may be infinite.
  double mass(SpotInterval interval) const;
  /// The spot with cdf(spot) = p, 0 < p < 1.
  double quantile(double p) const;
};

/// The exact mass of the regions in which the book makes money at expiry. Monotone in tail risk:
/// never rank on it alone.
double probability_of_profit(std::span<const SpotInterval> profitable,
                             const LognormalDensity& density);

/// One point of a smile, for probabilities that read the smile instead of a flat vol.
struct SmilePoint {
  double forward;
  double strike;
  double years_to_expiry;
  double vol;
  double vol_slope;  // d vol / d strike; 0 gives the plain N(d2), which omits the skew
};
/// P(settlement > strike) as the smile prices it: minus the slope of the undiscounted call price
/// (Breeden and Litzenberger, 1978), N(d2) - forward * n(d1) * sqrt(T) * vol_slope. Outside [0, 1]
/// where the smile allows arbitrage: not clamped, so that the caller sees it.
double probability_above(const SmilePoint& at);

}  // namespace bifrost::analysis
