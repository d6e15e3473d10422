// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "bifrost/core/time.hpp"

namespace bifrost::ib {

/// What a daily bar is made of. The two volatilities are of an underlying (stock, ETF, index), for
/// 30 days, annual and decimal.
enum class BarKind : std::uint8_t { trades, option_implied_volatility, historical_volatility };

/// One trading day of an underlying; absent fields the broker did not send.
struct DailyBar {
  core::Date date{};
  std::optional<double> open;
  std::optional<double> high;
  std::optional<double> low;
  std::optional<double> close;
  std::optional<double> volume;  // shares; only of trades
  friend bool operator==(const DailyBar&, const DailyBar&) = default;
};

}  // namespace bifrost::ib
