// SPDX-License-Identifier: Apache-2.0
#include "certificate_board.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bifrost/analysis/payoff.hpp"

namespace bifrost::analysis::certificate {

bool close_to(double a, double b) {
  return std::isfinite(a) && std::isfinite(b) &&
         std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
}

bool BoardCheck::usable(const LegShape& leg, std::size_t row) const {
  const auto& constraints = request_.constraints;
  const double strike = chain_of(leg.expiry_rung).rows[row].strike.value();
  const auto* side = side_of(leg, row);
  if (strike <= 0.0 || side == nullptr) return false;
  const bool bought = leg.quantity > 0;
  if (!entry_price(*side, bought, request_.fill)) return false;
  if (constraints.sell_out_of_the_money && !bought) {
    const double moneyness =
        of_[static_cast<std::size_t>(leg.expiry_rung)]->priced->parity.forward - strike;
    if (leg.kind == LegKind::call ? moneyness > 0.0 : moneyness < 0.0) return false;
  }
  const auto* greeks = greeks_of(leg, row);
  const auto& window = bought ? constraints.long_delta : constraints.short_delta;
  if (window && (greeks == nullptr || std::abs(greeks->delta) < window->low ||
                 std::abs(greeks->delta) > window->high)) {
    return false;
  }
  if (constraints.max_spread_share) {
    const auto middle = side->mid();
    if (!middle || *middle <= Price{}) return false;
    if ((*side->ask - *side->bid).value() > *constraints.max_spread_share * middle->value()) {
      return false;
    }
  }
  if (constraints.min_open_interest &&
      side->open_interest.value_or(std::numeric_limits<std::int64_t>::min()) <
          *constraints.min_open_interest) {
    return false;
  }
  if (constraints.min_size) {
    for (const auto& size : {side->bid_size, side->ask_size}) {
      if (!size || *size < *constraints.min_size) return false;
    }
  }
  const bool decays = std::ranges::any_of(request_.objective, [](const auto& part) {
    return part.objective == Objective::theta_on_max_loss;
  });
  if (decays && greeks == nullptr) return false;
  if (leg.expiry_rung == 0) return true;
  if (option_of(leg, row) == nullptr || !option_of(leg, row)->implied_vol) return false;
  const std::size_t side_at = leg.kind == LegKind::call ? 0 : 1;
  return of_[1]->priced->style == ExerciseStyle::european ||
         (!american_[side_at][row].empty() && !exercise_curves_[side_at][row].empty());
}

Judged BoardCheck::judge(const std::array<const Strike*, 4>& at) const {
  const auto& constraints = request_.constraints;
  std::vector<Price> strikes;
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    strikes.push_back(Price::from_units(at[rung]->units));
  }
  if (request_.strategy.wings != Wings::any && !strikes_fit(request_.strategy, strikes)) {
    return {Unfit::wings, 0, 0};
  }
  for (const auto& [gap, width] : constraints.widths) {
    const auto g = static_cast<std::size_t>(gap);
    if (!width.holds((strikes[g + 1] - strikes[g]).value())) return {Unfit::width, 0, 0};
  }
  std::vector<Leg> legs;
  std::int64_t contracts = 0;
  Money entry;
  Price received;
  double decay = 0.0;
  for (const auto& shape : request_.strategy.legs) {
    Leg leg{.kind = shape.kind, .quantity = shape.quantity, .strike = {}, .entry_price = {}};
    if (shape.kind == LegKind::stock) {
      leg.quantity *= multiplier_;
      leg.entry_price = *chain_of(0).underlying_price;
      leg.multiplier = 1;
    } else {
      const std::size_t row = row_of(shape, *at[static_cast<std::size_t>(shape.rung)]);
      leg.strike = chain_of(shape.expiry_rung).rows[row].strike;
      leg.entry_price = *entry_price(*side_of(shape, row), shape.quantity > 0, request_.fill);
      leg.multiplier = multiplier_;
      received = received - leg.entry_price * shape.quantity;
      contracts += std::abs(std::int64_t{shape.quantity});
      if (const auto* greeks = greeks_of(shape, row)) {
        decay += greeks->theta * shape.quantity * multiplier_;
      }
    }
    entry = entry + leg.entry_price * (leg.quantity * leg.multiplier);
    legs.push_back(leg);
  }
  const Money fees = request_.fee_per_contract * contracts;
  auto outcome = several() ? under_the_model(at) : at_expiry(legs, fees);
  double beyond = 0.0;
  for (std::size_t rung = 0; rung < rungs_; ++rung) beyond += at[rung]->beyond / units_per_one;
  outcome.expected =
      in_todays_money(outcome.expected, {.discount_factor = discount(),
                                         .entry_cost = (entry + fees).value(),
                                         .shares = static_cast<double>(stock_) * multiplier_,
                                         .dividends_per_share = stock_ == 0 ? 0.0 : dividends(),
                                         .early_exercise = beyond});
  if (outcome.gain && *outcome.gain < smallest) return {Unfit::no_profit, 0, 0};
  const double margin =
      uses_margin() ? margin_of(at, legs, fees).value_or(Money{}).value() : infinity;
  if ((outcome.loss && *outcome.loss < smallest) || margin < smallest) {
    return {Unfit::no_risk, 0, 0};
  }
  if (constraints.min_credit && received < *constraints.min_credit) return {Unfit::credit, 0, 0};
  if (constraints.max_loss && (!outcome.loss || *outcome.loss > *constraints.max_loss)) {
    return {Unfit::max_loss, 0, 0};
  }
  if (distance_) {
    for (const double breakeven : outcome.breakevens) {
      if (std::abs(breakeven - spot_) < *distance_) return {Unfit::breakevens, 0, 0};
    }
  }
  if (outcome.pop < constraints.min_pop - 1e-12) return {Unfit::pop, 0, outcome.pop};

  const double loss = outcome.loss.value_or(infinity);
  double score = 0.0;
  for (const auto& [objective, weight] : request_.objective) {
    double value = 0.0;
    switch (objective) {
      case Objective::expected_profit:
        value = outcome.expected;
        break;
      case Objective::expected_profit_on_max_loss:
        value = outcome.expected / loss;
        break;
      case Objective::expected_profit_on_margin:
        value = outcome.expected / margin;
        break;
      case Objective::credit:
        value = received.value();
        break;
      case Objective::return_on_risk:
        value = *outcome.gain / loss;
        break;
      case Objective::return_on_margin:
        value = *outcome.gain / margin;
        break;
      case Objective::pop:
        value = outcome.pop;
        break;
      case Objective::theta_on_max_loss:
        value = decay / loss;
        break;
    }
    score += weight * value;
  }
  return {std::nullopt, score, outcome.pop, std::move(outcome), std::move(legs), received, fees};
}

Outcome BoardCheck::at_expiry(std::span<const Leg> legs, Money fees) const {
  const auto payoff = payoff_at_expiry(legs, fees);
  if (!payoff) core::panic("a listed combination has no payoff: " + payoff.error().message);
  Outcome out{.gain = std::nullopt,
              .loss = std::nullopt,
              .breakevens = payoff->breakevens,
              .pop = probability_of_profit(*payoff, density_),
              .expected = expected_profit(*payoff, density_)};
  if (payoff->max_profit) out.gain = payoff->max_profit->value();
  if (payoff->max_loss) out.loss = payoff->max_loss->value();
  return out;
}

// Segment by segment of the broken line through the model's spots.
Outcome BoardCheck::under_the_model(const std::array<const Strike*, 4>& at) const {
  std::vector<double> profit(spots_.size(), 0.0);
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    for (std::size_t g = 0; g < spots_.size(); ++g) {
      profit[g] += at[rung]->curve[g] / units_per_one;
    }
  }
  if (stock_ != 0) {
    const double shares = static_cast<double>(stock_) * multiplier_;
    for (std::size_t g = 0; g < spots_.size(); ++g) {
      profit[g] += shares * (spots_[g] - chain_of(0).underlying_price->value());
    }
  }
  const double tail = static_cast<double>(slopes_[rungs_]) * multiplier_;
  double expected = profit[0];
  for (std::size_t g = 0; g < spots_.size(); ++g) {
    const bool last = g + 1 == spots_.size();
    const double slope = last ? tail : (profit[g + 1] - profit[g]) / (spots_[g + 1] - spots_[g]);
    expected += slope * (calls_[g] - (last ? 0.0 : calls_[g + 1]));
  }
  for (double& each : profit) {
    if (std::abs(each) < front_least_profit) each = 0.0;
  }
  const auto [least, most_profit] = std::ranges::minmax_element(profit);
  Outcome out{
      .gain = *most_profit, .loss = -*least, .breakevens = {}, .pop = 0.0, .expected = expected};
  if (tail > 0.0) out.gain.reset();
  if (tail < 0.0) out.loss.reset();
  double below = cdfs_[0];
  if (profit[0] > 0.0) out.pop += below;
  for (std::size_t g = 0; g < spots_.size(); ++g) {
    const bool last = g + 1 == spots_.size();
    const double to = last ? infinity : spots_[g + 1];
    const double slope = last ? tail : (profit[g + 1] - profit[g]) / (to - spots_[g]);
    const double above = last ? 1.0 : cdfs_[g + 1];
    const bool starts = profit[g] > 0.0;
    const bool ends = last ? (tail > 0.0 || (tail == 0.0 && starts)) : profit[g + 1] > 0.0;
    const bool amid_zeros = g > 0 && !last && profit[g - 1] == 0.0 && profit[g + 1] == 0.0;
    if (profit[g] == 0.0 && !amid_zeros) out.breakevens.push_back(spots_[g]);
    if (starts && ends) out.pop += above - below;
    const bool crosses = last ? profit[g] * tail < 0.0 : profit[g] * profit[g + 1] < 0.0;
    if (crosses) {
      const double root = spots_[g] - profit[g] / slope;
      out.breakevens.push_back(root);
      const double middle = density_.cdf(root);
      out.pop += starts ? middle - below : above - middle;
    } else if (starts != ends) {
      out.pop += above - below;  // zero at one end
    }
    below = above;
  }
  return out;
}

Price BoardCheck::mark_of(const LegShape& leg, std::size_t row) const {
  const auto* side = side_of(leg, row);
  const auto middle = side->mid();
  return middle ? *middle : *entry_price(*side, leg.quantity > 0, request_.fill);
}

std::optional<Money> BoardCheck::margin_of(const std::array<const Strike*, 4>& at,
                                           std::span<const Leg> legs, Money fees) const {
  for (const auto* expiry : of_) {
    if (is_adjusted_class(expiry->priced->chain.trading_class)) return std::nullopt;
  }
  auto price = chain_of(0).underlying_price;
  if (price && *price <= Price{}) price.reset();
  if (!price && formula_.uses_underlying_price) return std::nullopt;
  // What is asked of the rest does not depend on it.
  if (!price) price = Price::from_double(of_[0]->priced->parity.forward);
  if (!price) return std::nullopt;
  std::vector<BookLeg> book;
  std::vector<std::optional<Price>> marks;
  Money debit = fees;
  for (std::size_t l = 0; l < legs.size(); ++l) {
    const auto& shape = request_.strategy.legs[l];
    if (shape.kind == LegKind::stock) {
      book.push_back({legs[l], std::nullopt, {}});
      marks.push_back(std::nullopt);
      continue;
    }
    const auto& chain = chain_of(shape.expiry_rung);
    book.push_back({legs[l], chain.expiry, chain.trading_class});
    marks.push_back(mark_of(shape, row_of(shape, *at[static_cast<std::size_t>(shape.rung)])));
    debit = debit + legs[l].entry_price * (legs[l].quantity * legs[l].multiplier);
  }
  auto rules = margin_rules("reg_t", regulation_t().valid_from);
  if (request_.strategy.cash_secured) rules = margin_rules("cash", regulation_t().valid_from);
  const auto asked = rule_requirement(
      book, marks,
      {.price = *price, .kind = request_.underlying_kind, .european_cash_settled = true}, *rules);
  if (!asked) return std::nullopt;
  return asked->initial_required + std::max(debit, Money{});
}

bool BoardCheck::tells_the_truth(const Candidate& candidate, const Judged& judged,
                                 const std::array<const Strike*, 4>& at) const {
  // The model's extremes are rounded to money.
  const auto agree = [](const std::optional<Money>& said, const std::optional<double>& found) {
    return said.has_value() == found.has_value() &&
           (!said || std::abs(said->value() - *found) <= smallest + 1e-9 * std::abs(*found));
  };
  const auto& outcome = judged.outcome;
  return candidate.credit == judged.credit && candidate.fees == judged.fees &&
         close_to(candidate.pop, judged.pop) &&
         close_to(candidate.expected_profit, outcome.expected) &&
         agree(candidate.max_profit, outcome.gain) && agree(candidate.max_loss, outcome.loss) &&
         candidate.margin == margin_of(at, judged.legs, judged.fees) &&
         std::ranges::equal(candidate.breakevens, outcome.breakevens, close_to) &&
         std::ranges::equal(
             candidate.legs, judged.legs,
             [](const CandidateLeg& said, const Leg& found) { return said.leg == found; });
}

Fitting BoardCheck::fitting(const std::array<const Strike*, 4>& at, const Judged& judged) const {
  Fitting out{judged.score, judged.pop, index_, {}};
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    out.strikes.push_back(Price::from_units(at[rung]->units));
  }
  return out;
}

}  // namespace bifrost::analysis::certificate
