// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "bifrost/core/time.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost {

struct DemoMarket {
  std::uint64_t seed = 1;
  core::Date epoch{};  // first day of the synthetic market: a year of daily bars lies before ...
  core::Date first_day{};  // ... the first day with snapshots
  core::Date live_day{};   // first day that is collected rather than generated
  std::vector<std::string> symbols;
  int expiry_days = 45;
  double strike_window = 0.12;
};

/// Writes the sessions from the market's first day up to its live day into an empty history, a
/// snapshot every half hour, as the collector would have stored them. `progress` gets the share
/// done. cancelled: asked to stop; the history is then incomplete.
core::Result<std::int64_t> generate_history(const DemoMarket& market, store::History& history,
                                            std::stop_token stop,
                                            const std::function<void(double)>& progress);

}  // namespace bifrost
