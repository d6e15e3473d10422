// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "bifrost/analysis/smile.hpp"

namespace bifrost::analysis {

/// In standard deviations of its logarithm, how far `k` lies above a component's median.
double above_median(const LognormalComponent& component, double k);

/// Of a forward of 1, undiscounted.
double option_on_mixture(Right right, std::span<const LognormalComponent> components,
                         double moneyness);

/// Gatheral's g where the vol times the root of time is `deviation`.
double g_of_mixture(std::span<const LognormalComponent> components, double k, double deviation);

}  // namespace bifrost::analysis
