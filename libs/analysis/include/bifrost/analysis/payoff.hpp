// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bifrost/core/price.hpp"
#include "bifrost/core/result.hpp"

namespace bifrost::analysis {

using core::Price;

/// An amount in currency, multiplier and quantity included, exact to a ten-thousandth.
using Money = core::Price;

enum class LegKind : std::uint8_t { call, put, stock };
std::string_view to_string(LegKind kind);

/// One position. Nothing here knows an expiry: a book is the legs of one expiry, and stock.
struct Leg {
  LegKind kind;
  std::int64_t quantity;  // negative is sold; options in contracts, stock in shares
  Price strike;           // unused for stock
  Price entry_price;      // per share, as traded: positive whether bought or sold
  int multiplier = 100;   // shares per contract; unused for stock
};

/// Profit if the underlying settles at `spot`, entry prices included; fees, interest, dividends and
/// early assignment are not. Exact.
Money profit_at_expiry(std::span<const Leg> legs, Price spot);
/// The same between ticks.
double profit_at_expiry(std::span<const Leg> legs, double spot);

/// A corner of the profit line. `slope` holds from here to the next kink, after the last one for
/// ever: currency per 1.00 of spot, that is a number of shares.
struct Kink {
  Price spot;
  Money profit;
  std::int64_t slope;

  friend bool operator==(const Kink&, const Kink&) = default;
};

/// A closed stretch of spot; a single point has low == high. No high: it goes on for ever.
struct SpotRange {
  Price low;
  std::optional<Price> high;

  friend bool operator==(const SpotRange&, const SpotRange&) = default;
};

/// An open interval of spot; `high` may be infinite. `low` 0 includes the origin.
struct SpotInterval {
  double low;
  double high;
};

/// All there is to know about a same-expiry book at expiry: profit is linear between kinks.
struct Payoff {
  std::vector<Kink> kinks;          // ascending in spot: 0, then each strike that bends the line
  std::optional<Money> max_profit;  // none: unlimited
  std::optional<Money>
      max_loss;  // positive is lost; negative: the book cannot lose; none: unlimited
  std::vector<SpotRange> max_profit_at;
  std::vector<SpotRange> max_loss_at;
  /// Every spot at which profit is zero; of a stretch of zeros its ends. Ascending.
  std::vector<double> breakevens;
  /// Where profit is above zero. Ascending.
  std::vector<SpotInterval> profitable;
};

/// invalid_input for an empty book, a negative strike, a non-positive multiplier, or amounts beyond
/// 4e14 in currency, where money would leave its integer. The order of legs does not matter.
/// `costs`, such as fees, are taken from the profit everywhere.
core::Result<Payoff> payoff_at_expiry(std::span<const Leg> legs, Money costs = {});

struct PayoffPoint {
  double spot;
  double profit;
};

/// Points that draw the payoff with straight lines: a left edge, each kink and breakeven, a right
/// edge. The edges lie half the span of kinks and breakevens away, at least a tenth of the highest;
/// the left one never below 0.
std::vector<PayoffPoint> drawing_points(const Payoff& payoff);

}  // namespace bifrost::analysis
