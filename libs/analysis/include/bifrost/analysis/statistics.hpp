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

}  // namespace bifrost::analysis
