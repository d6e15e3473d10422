// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/statistics.hpp"

#include <algorithm>

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

}  // namespace bifrost::analysis
