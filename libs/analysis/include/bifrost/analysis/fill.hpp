// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "bifrost/analysis/chain.hpp"

namespace bifrost::analysis {

/// Where inside the spread an order fills, as seen by whoever sends it: 0 in the middle, +1 at the
/// side that fills at once, -1 at the best price there is, the own side of the quote. Nothing fills
/// outside the quote, so positions lie in [-1, +1]. Vendors print a share of the spread instead,
/// and mean different things by it.
struct Fill {
  double position;

  static const Fill mid;
  static const Fill natural;

  friend constexpr bool operator==(Fill, Fill) = default;
};
inline constexpr Fill Fill::mid{0.0};
inline constexpr Fill Fill::natural{1.0};

/// What one option trades at per share. Nothing for a crossed quote, for a missing or zero side
/// that is needed (natural needs one side, everything else both, of which the bid may be zero), for
/// a sale at zero, and for a position outside [-1, +1]. Between the middle and a side it is rounded
/// to a price unit against whoever trades, so that it never gets better as `position` rises.
std::optional<Price> entry_price(const OptionSide& side, bool buying, Fill fill);

}  // namespace bifrost::analysis
