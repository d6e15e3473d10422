// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/fill.hpp"

#include <cmath>

namespace bifrost::analysis {
namespace {

std::optional<Price> unless_zero(std::optional<Price> price) {
  return price && *price > Price{} ? price : std::nullopt;
}

}  // namespace

std::optional<Price> entry_price(const OptionSide& side, bool buying, Fill fill) {
  if (!(fill.position >= -1.0 && fill.position <= 1.0)) return std::nullopt;
  if (fill == Fill::natural) {
    const bool crossed = side.bid && side.ask && *side.bid > *side.ask;
    return crossed ? std::nullopt : unless_zero(buying ? side.ask : side.bid);
  }
  const auto mid = side.mid();
  if (!mid || fill == Fill::mid) return unless_zero(mid);
  const double away = 0.5 * fill.position * static_cast<double>((*side.ask - *side.bid).units());
  const double middle = 0.5 * static_cast<double>((*side.ask + *side.bid).units());
  const double exact = buying ? middle + away : middle - away;
  // A share of the spread that is a whole unit but for the last bit of a double stays that unit.
  constexpr double noise = 1e-6;
  const bool up = buying && fill.position > 0.0;
  return unless_zero(Price::from_units(
      static_cast<std::int64_t>(up ? std::ceil(exact - noise) : std::floor(exact + noise))));
}

}  // namespace bifrost::analysis
