// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "bifrost/analysis/density.hpp"

namespace bifrost::analysis {

/// Raw SVI of Gatheral (2004), as a smile.
struct SviSmile {
  double a, b, rho, m, sigma;

  double total_variance(double k) const {
    return a + b * (rho * (k - m) + std::hypot(k - m, sigma));
  }
  double vol(double strike, double forward, double years) const {
    return std::sqrt(total_variance(std::log(strike / forward)) / years);
  }
  SmileCurve curve(double forward, double years) const {
    return {.forward = forward,
            .years_to_expiry = years,
            .total_variance = [*this](double k) { return total_variance(k); },
            .total_variance_slope =
                [*this](double k) { return b * (rho + (k - m) / std::hypot(k - m, sigma)); },
            .method = "raw SVI"};
  }
};

/// The synthetic index smile of numbers.md 6.2: 30 days, forward 5000.
inline constexpr SviSmile published_smile{0.00035, 0.0155, -0.62, 0.012, 0.045};

}  // namespace bifrost::analysis
