// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "bifrost/sim/synthetic_market.hpp"

// The smile of the made-up market, and the quotes that stand around a value.
namespace bifrost::sim {

/// Annual at-the-money variance to a horizon: Heston's expected mean variance.
inline double mean_variance(const SyntheticSymbol& s, double variance, double years) {
  const double held = std::max(variance, 1e-4);
  const double long_run = s.vol * s.vol;
  const double kt = s.reversion * years;
  return long_run + (held - long_run) * -std::expm1(-kt) / kt;
}

/// SSVI with the power law eta / sqrt(theta (1 + theta)) (Gatheral and Jacquier 2014,
/// eq. 4.1, 4.5).
inline double smile_vol(const SyntheticSymbol& s, double variance, double years,
                        double log_moneyness) {
  const double theta = mean_variance(s, variance, years) * years;
  const double phi = s.smile_slope / std::sqrt(theta * (1 + theta));
  const double rho = s.spot_vol_correlation;
  const double x = phi * log_moneyness;
  const double total = theta / 2 * (1 + rho * x + std::sqrt((x + rho) * (x + rho) + 1 - rho * rho));
  return std::sqrt(total / years);
}

// Legal ticks: 0.01 below 3.00 and 0.05 from there, or 0.01 everywhere. A hair of slack keeps exact
// multiples where they are.
inline double tick_down(double price, bool penny) {
  const double step = penny || price < 3.0 ? 0.01 : 0.05;
  return std::floor(price / step + 1e-9) * step;
}
inline double tick_up(double price, bool penny) {
  const double step = penny || price <= 3.0 ? 0.01 : 0.05;
  return std::ceil(price / step - 1e-9) * step;
}

struct Spread {
  double bid;
  double ask;
};

/// Half the width grows with the value of the option alone, slower than the value itself: so bid,
/// ask and mid keep the order of the values, strike by strike, after rounding to ticks.
inline Spread spread_around(double value, double years, const SyntheticSymbol& s) {
  const double width = (s.penny_options ? 0.6 : 1.0) * (1 + 0.8 * std::sqrt(years));
  const double half = 0.006 + 0.012 * width * std::pow(std::max(value, 0.0), 0.7);
  const double bid = tick_down(value - half, s.penny_options);
  return {.bid = bid < 0.01 ? 0.0 : bid,
          .ask = std::max(0.01, tick_up(value + half, s.penny_options))};
}

}  // namespace bifrost::sim
