// SPDX-License-Identifier: Apache-2.0
#include "mixture.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bifrost::analysis {

double above_median(const LognormalComponent& component, double k) {
  return (k - component.log_mean_over_forward) / component.deviation + 0.5 * component.deviation;
}

// Away from the components that decide, the others are worth their intrinsic value, to 1e-15 of the
// sum.
double option_on_mixture(Right right, std::span<const LognormalComponent> components,
                         double moneyness) {
  const double sign = right == Right::put ? -1.0 : 1.0;
  const double k = std::log(moneyness);
  double nearest = std::numeric_limits<double>::infinity();
  for (const auto& component : components) {
    nearest = std::min(nearest, std::abs(above_median(component, k)));
  }
  const double reach = std::sqrt(nearest * nearest + 160.0);
  double sum = 0.0;
  for (const auto& component : components) {
    const bool decides = std::abs(above_median(component, k)) < reach;
    sum += component.weight *
           (decides ? black_scholes_price(right, ForwardInputs{.forward = component.mean,
                                                               .strike = moneyness,
                                                               .years_to_expiry = 1.0,
                                                               .discount_factor = 1.0,
                                                               .vol = component.deviation})
                    : std::max(sign * (component.mean - moneyness), 0.0));
  }
  return sum;
}

double g_of_mixture(std::span<const LognormalComponent> components, double k, double deviation) {
  const double d2 = -k / deviation - 0.5 * deviation;
  double sum = 0.0;
  for (const auto& component : components) {
    const double z = above_median(component, k);
    sum += component.weight * deviation / component.deviation * std::exp(0.5 * (d2 * d2 - z * z));
  }
  return sum;
}

}  // namespace bifrost::analysis
