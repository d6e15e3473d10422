// SPDX-License-Identifier: Apache-2.0
#include "finder_board.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace bifrost::analysis::finder {
namespace {

constexpr double units_per_one = Price::units_per_one;

}  // namespace

std::vector<Leg> Board::legs_at(const Rows& rows) const {
  std::array<Price, most_rungs> strikes;
  for (std::size_t i = 0; i < task_->rungs; ++i) {
    strikes[i] = rows_[static_cast<std::size_t>(rows[i])].strike;
  }
  auto legs = make_legs(task_->request.strategy, std::span(strikes).first(task_->rungs),
                        multiplier(), [&](const LegShape& leg, Price) {
                          return leg.kind == LegKind::stock
                                     ? chain().underlying_price
                                     : leg_place(leg, static_cast<std::size_t>(
                                                          rows[static_cast<std::size_t>(leg.rung)]))
                                           .price;
                        });
  if (!legs) core::panic("a combination whose legs have no price");
  return *std::move(legs);
}

Money Board::fees() const {
  std::int64_t contracts = 0;
  for (const auto& leg : task_->request.strategy.legs) {
    if (leg.kind != LegKind::stock) contracts += std::abs(leg.quantity);
  }
  return task_->request.fee_per_contract * contracts;
}

Carry Board::carry_of(std::span<const Leg> legs, const Rows& rows) const {
  Carry carry{.discount_factor = discount(), .entry_cost = fees().value()};
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& leg = legs[i];
    const double shares = static_cast<double>(leg.quantity) * leg.multiplier;
    carry.entry_cost += shares * leg.entry_price.value();
    if (leg.kind == LegKind::stock) {
      carry.shares += shares;
      continue;
    }
    const auto& shape = task_->request.strategy.legs[i];
    const int row = rows[static_cast<std::size_t>(shape.rung)];
    carry.early_exercise += shares * early_exercise_of(shape, static_cast<std::size_t>(row));
  }
  if (carry.shares != 0.0) {
    carry.dividends_per_share =
        chain().underlying_price->value() - discount() * of_[0]->priced->parity.forward;
  }
  return carry;
}

Candidate Board::describe(const Rows& rows) const {
  auto legs = legs_at(rows);
  const auto& shape = task_->request.strategy;
  Candidate out{.score = 0.0,
                .expiries = at_,
                .legs = {},
                .credit = {},
                .fees = fees(),
                .payoff = std::nullopt,
                .model_dependent = task_->several_expiries,
                .max_profit = std::nullopt,
                .max_loss = std::nullopt,
                .breakevens = {},
                .greeks = NetGreeks{},
                .pop = 0.0,
                .expected_profit = 0.0,
                .return_on_risk = std::nullopt,
                .margin = std::nullopt,
                .return_on_margin = std::nullopt,
                .annualised_return_simple = std::nullopt};
  if (profiles_) {
    const auto curve = profile(rows);
    const auto [least, most] = std::ranges::minmax_element(curve);
    const auto money = [](double units) { return Money::from_units(std::llround(units)); };
    if (!task_->unlimited_gain()) out.max_profit = money(*most);
    if (!task_->unlimited_loss()) out.max_loss = money(-*least);
    out.breakevens = profile_breakevens(curve);
    out.pop = profile_pop(curve);
    for (std::size_t rung = 0; rung < task_->rungs; ++rung) {
      out.expected_profit += place_on(rung, rows[rung]).expected / units_per_one;
    }
    out.expected_profit +=
        static_cast<double>(task_->stock_lots * multiplier()) * stock_expected_ / units_per_one;
  } else {
    auto payoff = payoff_at_expiry(legs, fees());
    if (!payoff) core::panic("a ranked combination has no payoff: " + payoff.error().message);
    out.max_profit = payoff->max_profit;
    out.max_loss = payoff->max_loss;
    out.breakevens = payoff->breakevens;
    out.pop = probability_of_profit(*payoff, density());
    out.expected_profit =
        in_todays_money(expected_profit(*payoff, density()), carry_of(legs, rows));
    out.payoff = *std::move(payoff);
  }
  Money all_paid = out.fees;
  Money paid_for_options = out.fees;
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& leg_shape = shape.legs[i];
    CandidateLeg leg{.leg = legs[i],
                     .expiry_rung = leg_shape.expiry_rung,
                     .implied_vol = std::nullopt,
                     .delta = std::nullopt};
    if (leg_shape.kind == LegKind::stock) {
      leg.delta = 1.0;
      all_paid = all_paid + legs[i].entry_price * legs[i].quantity;
      if (out.greeks) out.greeks->delta += leg_shape.quantity;
    } else {
      out.credit = out.credit - legs[i].entry_price * leg_shape.quantity;
      const Money paid = legs[i].entry_price * (legs[i].quantity * legs[i].multiplier);
      all_paid = all_paid + paid;
      paid_for_options = paid_for_options + paid;
      const auto& at =
          rows_[static_cast<std::size_t>(rows[static_cast<std::size_t>(leg_shape.rung)])];
      const int in_chain = at.row[static_cast<std::size_t>(leg_shape.expiry_rung)];
      const OptionAnalytics* option = analytics_of(
          priced(leg_shape.expiry_rung).rows[static_cast<std::size_t>(in_chain)], leg_shape.kind);
      if (option != nullptr && option->implied_vol) leg.implied_vol = *option->implied_vol;
      if (option == nullptr || !option->greeks) {
        out.greeks.reset();
      } else {
        leg.delta = option->greeks->delta;
        if (out.greeks) {
          out.greeks->delta += leg_shape.quantity * option->greeks->delta;
          out.greeks->gamma += leg_shape.quantity * option->greeks->gamma;
          out.greeks->theta += leg_shape.quantity * option->greeks->theta;
          out.greeks->vega += leg_shape.quantity * option->greeks->vega;
        }
      }
    }
    out.legs.push_back(leg);
  }
  if (margin_) {
    std::array<double, MarginFormula::most_sums> asked{};
    for (std::size_t s = 0; s < margin_->sums.size(); ++s) {
      asked[s] = static_cast<double>(asked_of_stock(margin_->sums[s]));
      for (std::size_t rung = 0; rung < task_->rungs; ++rung) {
        asked[s] += place_on(rung, rows[rung]).asked[s];
      }
    }
    const auto units = [](Money money) { return static_cast<double>(money.units()); };
    const Features of{.cost = units(all_paid),
                      .credit = 0.0,
                      .expected = 0.0,
                      .theta = 0.0,
                      .loss = out.max_loss ? units(*out.max_loss) : infinity,
                      .gain = infinity,
                      .margin = 0.0};
    out.margin = Money::from_units(std::llround(margin(of, units(paid_for_options), asked)));
    if (out.max_profit && *out.margin > Money{}) {
      out.return_on_margin = units(*out.max_profit) / units(*out.margin);
    }
  }
  if (out.max_loss) {
    if (out.max_profit && *out.max_loss > Money{}) {
      out.return_on_risk =
          static_cast<double>(out.max_profit->units()) / static_cast<double>(out.max_loss->units());
      if (days_to_expiry() > 0) {
        out.annualised_return_simple = *out.return_on_risk * 365.0 / days_to_expiry();
      }
    }
  }
  return out;
}

}  // namespace bifrost::analysis::finder
