// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/density.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// E[max(S - K, 0)] of a lognormal S with this mean.
double lognormal_call(double mean, double strike, double deviation) {
  return black_scholes_price(Right::call, ForwardInputs{mean, strike, 1.0, 1.0, deviation});
}

class Lognormal final : public Density {
 public:
  explicit Lognormal(const LognormalDensity& of)
      : Density({.kind = DensityKind::lognormal,
                 .anchor = of.anchor,
                 .day_count = of.day_count,
                 .years_to_expiry = of.years_to_expiry,
                 .method = "lognormal, flat vol"}),
        of_(of) {}

  double cdf(double spot) const override { return of_.cdf(spot); }
  double mean() const override { return of_.forward; }
  double quantile(double p) const override { return of_.quantile(p); }
  double call(double strike) const override {
    if (strike <= 0.0) return of_.forward - strike;
    return lognormal_call(of_.forward, strike, of_.vol * std::sqrt(of_.years_to_expiry));
  }

 private:
  LognormalDensity of_;
};

}  // namespace

std::string_view to_string(DensityKind kind) {
  switch (kind) {
    case DensityKind::lognormal:
      return "lognormal";
    case DensityKind::market_implied:
      return "market_implied";
    case DensityKind::history:
      return "history";
    case DensityKind::forecast:
      return "forecast";
  }
  return "unknown";
}

double Density::mass(SpotInterval interval) const {
  const double above = interval.high == infinity ? 1.0 : cdf(interval.high);
  return interval.low <= 0.0 ? above : above - cdf(interval.low);
}

double Density::quantile(double p) const {
  // A bracket about the mean, then halving it in log price until doubles are used up.
  double low = mean();
  double high = low;
  while (cdf(low) > p) low *= 0.5;
  while (cdf(high) < p) high *= 2.0;
  for (int i = 0; i < 200; ++i) {
    const double middle = std::sqrt(low) * std::sqrt(high);
    if (middle <= low || middle >= high) break;
    (cdf(middle) < p ? low : high) = middle;
  }
  return high;
}

DensityPtr lognormal_density(const LognormalDensity& density) {
  return std::make_unique<Lognormal>(density);
}

double probability_of_profit(const Payoff& payoff, const Density& density) {
  double total = 0.0;
  for (const auto& interval : payoff.profitable) total += density.mass(interval);
  return total;
}

double expected_profit(const Payoff& payoff, const Density& density) {
  // The first kink lies at spot 0, where a call is the underlying.
  double total = payoff.kinks.front().profit.value();
  std::int64_t slope = 0;
  for (const auto& kink : payoff.kinks) {
    total += static_cast<double>(kink.slope - slope) * density.call(kink.spot.value());
    slope = kink.slope;
  }
  return total;
}

ExpectedMove expected_move(const Density& density) {
  return {density.quantile(0.16), density.quantile(0.50), density.quantile(0.84)};
}

}  // namespace bifrost::analysis
