// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/probability.hpp"

#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {

std::string_view to_string(Anchor anchor) {
  switch (anchor) {
    case Anchor::put_call_parity_forward:
      return "put_call_parity_forward";
    case Anchor::spot:
      return "spot";
    case Anchor::history:
      return "history";
    case Anchor::forecast:
      return "forecast";
  }
  return "unknown";
}

std::string_view to_string(DayCount day_count) {
  switch (day_count) {
    case DayCount::act_365f:
      return "ACT/365F";
    case DayCount::business_252:
      return "BUS/252";
  }
  return "unknown";
}

double LognormalDensity::cdf(double spot) const {
  if (spot <= 0.0) return 0.0;
  const double s = vol * std::sqrt(years_to_expiry);
  return normal_cdf(std::log(spot / forward) / s + 0.5 * s);
}

double LognormalDensity::mass(SpotInterval interval) const {
  return cdf(interval.high) - cdf(interval.low);
}

double LognormalDensity::quantile(double p) const {
  const double s = vol * std::sqrt(years_to_expiry);
  return forward * std::exp(s * normal_quantile(p) - 0.5 * s * s);
}

double probability_of_profit(std::span<const SpotInterval> profitable,
                             const LognormalDensity& density) {
  double total = 0.0;
  for (const auto& interval : profitable) total += density.mass(interval);
  return total;
}

double probability_above(const SmilePoint& at) {
  const double root_t = std::sqrt(at.years_to_expiry);
  const double s = at.vol * root_t;
  const double d1 = std::log(at.forward / at.strike) / s + 0.5 * s;
  return normal_cdf(d1 - s) - at.forward * normal_density(d1) * root_t * at.vol_slope;
}

}  // namespace bifrost::analysis
