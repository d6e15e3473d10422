// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bifrost/analysis/payoff.hpp"

namespace bifrost::analysis {

/// One leg before a market is known. Legs on one rung share a strike; a higher rung is a higher
/// strike.
struct LegShape {
  LegKind kind;
  int quantity;  // per unit of strategy: contracts, for stock as many lots of a contract's shares;
                 // negative is sold
  int rung;      // from 0; no_rung for stock
};
inline constexpr int no_rung = -1;

/// A strategy is its legs, lowest strike first. Payoff, greeks, search, ranking and the drawing in
/// the browser are all derived from this; a new strategy is one more declaration in the catalogue
/// below and one test.
struct StrategyShape {
  std::string_view name;
  std::span<const LegShape> legs;
};

/// How many different strikes the strategy has.
constexpr int rung_count(const StrategyShape& shape) {
  int highest = no_rung;
  for (const auto& leg : shape.legs) highest = leg.rung > highest ? leg.rung : highest;
  return highest + 1;
}

inline constexpr std::array covered_call_legs{
    LegShape{LegKind::stock, +1, no_rung},
    LegShape{LegKind::call, -1, 0},
};
inline constexpr StrategyShape covered_call{"covered_call", covered_call_legs};

inline constexpr std::array iron_condor_legs{
    LegShape{LegKind::put, +1, 0},
    LegShape{LegKind::put, -1, 1},
    LegShape{LegKind::call, -1, 2},
    LegShape{LegKind::call, +1, 3},
};
inline constexpr StrategyShape iron_condor{"iron_condor", iron_condor_legs};

inline constexpr std::array catalogue{covered_call, iron_condor};

/// Nothing for a name the catalogue does not hold.
std::optional<StrategyShape> find_strategy(std::string_view name);

/// The legs on given strikes, one strike per rung, ascending. `entry_price` says what a leg trades
/// at per share; for stock the strike it is given means nothing. Nothing when a price is missing.
using EntryPrice = std::function<std::optional<Price>(const LegShape&, Price strike)>;
std::optional<std::vector<Leg>> make_legs(const StrategyShape& shape,
                                          std::span<const Price> strikes, int multiplier,
                                          const EntryPrice& entry_price);

}  // namespace bifrost::analysis
