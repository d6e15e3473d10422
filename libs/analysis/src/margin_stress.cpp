// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/margin.hpp"

namespace bifrost::analysis {

core::Result<StressRequirement> stress_requirement(std::span<const BookLeg> book,
                                                   std::span<const LegMarket> markets,
                                                   Price underlying_price,
                                                   const StressRules& rules) {
  const auto refuse = [](std::string why) {
    return core::fail(core::Errc::invalid_input, "stress of a book: " + std::move(why));
  };
  if (book.empty()) return refuse("it has no legs");
  if (markets.size() != book.size()) return refuse("not one market for each leg");
  if (underlying_price <= Price{}) return refuse("the underlying's price is not positive");
  for (std::size_t i = 0; i < book.size(); ++i) {
    if (book[i].leg.kind == LegKind::stock) continue;
    const auto& m = markets[i];
    const bool good = std::isfinite(m.forward) && m.forward > 0.0 &&
                      std::isfinite(m.discount_factor) && m.discount_factor > 0.0 &&
                      std::isfinite(m.implied_vol) && m.implied_vol >= 0.0 &&
                      std::isfinite(m.years_to_expiry) && m.years_to_expiry >= 0.0 &&
                      book[i].leg.strike > Price{} && book[i].leg.multiplier > 0;
    if (!good) return refuse("leg " + std::to_string(i) + " has no usable market");
  }

  const auto value_of = [&](std::size_t i, double shift) {  // per share
    const Leg& leg = book[i].leg;
    if (leg.kind == LegKind::stock) return underlying_price.value() * (1.0 + shift);
    const auto& m = markets[i];
    const Right right = leg.kind == LegKind::call ? Right::call : Right::put;
    return black_scholes_price(
        right, ForwardInputs{m.forward * (1.0 + shift), leg.strike.value(), m.years_to_expiry,
                             m.discount_factor, m.implied_vol});
  };
  const auto size_of = [&](std::size_t i) {
    const Leg& leg = book[i].leg;
    const double shares = leg.kind == LegKind::stock ? 1.0 : leg.multiplier;
    return shares * static_cast<double>(leg.quantity);
  };
  StressRequirement stress{};
  for (std::size_t i = 0; i < book.size(); ++i) {
    if (book[i].leg.kind == LegKind::stock) continue;
    const double least = book[i].leg.quantity > 0
                             ? std::min(rules.minimum_per_share, value_of(i, 0.0))
                             : rules.minimum_per_share;
    stress.minimum += least * std::abs(size_of(i));
  }
  const int points = rules.points_each_side;
  for (int k = -points; k <= points; ++k) {
    const double shift = k * (k < 0 ? rules.down : rules.up) / points;
    double profit = 0.0;
    for (std::size_t i = 0; i < book.size(); ++i) {
      profit += size_of(i) * (value_of(i, shift) - value_of(i, 0.0));
    }
    stress.points.push_back({shift, k == 0 ? 0.0 : profit});
    if (-profit > stress.worst_loss) {
      stress.worst_loss = -profit;
      stress.worst_shift = shift;
    }
  }
  stress.requirement = std::max(stress.worst_loss, stress.minimum);
  return stress;
}

}  // namespace bifrost::analysis
