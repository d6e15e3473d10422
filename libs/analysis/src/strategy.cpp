// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/strategy.hpp"

namespace bifrost::analysis {

std::optional<StrategyShape> find_strategy(std::string_view name) {
  for (const auto& shape : catalogue) {
    if (shape.name == name) return shape;
  }
  return std::nullopt;
}

std::optional<std::vector<Leg>> make_legs(const StrategyShape& shape,
                                          std::span<const Price> strikes, int multiplier,
                                          const EntryPrice& entry_price) {
  if (strikes.size() != static_cast<std::size_t>(rung_count(shape))) {
    core::panic("a strategy laid on the wrong number of strikes");
  }
  std::vector<Leg> legs;
  for (const auto& leg : shape.legs) {
    const bool stock = leg.kind == LegKind::stock;
    const Price strike = stock ? Price{} : strikes[static_cast<std::size_t>(leg.rung)];
    const auto price = entry_price(leg, strike);
    if (!price) return std::nullopt;
    legs.push_back({.kind = leg.kind,
                    .quantity = stock ? std::int64_t{leg.quantity} * multiplier : leg.quantity,
                    .strike = strike,
                    .entry_price = *price,
                    .multiplier = stock ? 1 : multiplier});
  }
  return legs;
}

}  // namespace bifrost::analysis
