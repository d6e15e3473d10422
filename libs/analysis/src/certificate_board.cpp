// SPDX-License-Identifier: Apache-2.0
#include "certificate_board.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
#include "leg_model.hpp"

namespace bifrost::analysis::certificate {
namespace {

bool in_a_table(double vol) {
  return vol >= AmericanSurface::lowest_vol && vol <= AmericanSurface::highest_vol;
}

}  // namespace

BoardCheck::BoardCheck(const SearchRequest& request, std::span<const SearchExpiry> expiries,
                       const std::vector<std::size_t>& at, std::size_t index)
    : request_(request), index_(index), density_(*expiries[at[0]].density) {
  for (const auto i : at) of_.push_back(&expiries[i]);
  const auto& chain = chain_of(0);
  multiplier_ = chain.multiplier;
  rungs_ = static_cast<std::size_t>(rung_count(request.strategy));
  cut_ = rungs_ <= 2 ? 1 : 2;
  for (const auto& leg : request.strategy.legs) {
    if (leg.kind == LegKind::stock) stock_ += leg.quantity;
  }
  slopes_.assign(rungs_ + 1, stock_);
  for (const auto& leg : request.strategy.legs) {
    if (leg.kind == LegKind::put) {
      // A put has its slope below its strike.
      for (std::size_t i = 0; i <= static_cast<std::size_t>(leg.rung); ++i) {
        slopes_[i] -= leg.quantity;
      }
    }
    if (leg.kind == LegKind::call) {
      for (std::size_t i = static_cast<std::size_t>(leg.rung) + 1; i <= rungs_; ++i) {
        slopes_[i] += leg.quantity;
      }
    }
  }
  if (chain.underlying_price) spot_ = chain.underlying_price->value();
  formula_ = margin_formula(request.strategy, of_.size() < 2 || chain.expiry < chain_of(1).expiry);
  if (request.constraints.breakevens) {
    const auto& asked = *request.constraints.breakevens;
    distance_ = spot_ * (asked.unit == BreakevenDistance::Unit::percent
                             ? asked.distance / 100.0
                             : asked.distance * of_[0]->priced->atm_implied_vol.value_or(0.0) *
                                   std::sqrt(of_[0]->priced->years_to_expiry));
    low_ = std::max(std::ceil((spot_ - *distance_) * units_per_one), 0.0);
    high_ = std::floor((spot_ + *distance_) * units_per_one);
  }
  std::vector<Price> all;
  for (const auto* expiry : of_) {
    for (const auto& row : expiry->priced->chain.rows) all.push_back(row.strike);
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (several()) {
    const bool stretch = distance_ && low_ <= high_;
    spots_ = front_model_spots(
        density_, all,
        stretch ? std::optional{std::pair{Price::from_units(static_cast<std::int64_t>(low_)),
                                          Price::from_units(static_cast<std::int64_t>(high_))}}
                : std::nullopt);
    for (const double spot : spots_) {
      calls_.push_back(density_.call(spot));
      cdfs_.push_back(density_.cdf(spot));
    }
    // Where profits are sampled: the ends, and the first spot at or above some quantiles.
    sampled_ = {0};
    for (const double level : front_sample_levels) {
      const auto found = std::ranges::lower_bound(spots_, density_.quantile(level));
      sampled_.push_back(
          std::min(static_cast<std::size_t>(found - spots_.begin()), spots_.size() - 1));
    }
    sampled_.push_back(spots_.size() - 1);
    if (of_[1]->priced->style == ExerciseStyle::american) price_american_legs();
  }
  strikes_.resize(rungs_);
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    for (const Price strike : all) add_strike(rung, strike);
  }
  lower_ = tabulate(0, cut_);
  upper_ = tabulate(cut_, rungs_);
}

std::optional<Box> BoardCheck::box_of(const CertificateClass& of) const {
  Box box{};
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    const auto& [low, high] = of.strikes[rung];
    if (low > high) return std::nullopt;
    const auto& all = strikes_[rung];
    const auto first = std::ranges::lower_bound(all, low.units(), {}, &Strike::units);
    const auto last = std::ranges::upper_bound(all, high.units(), {}, &Strike::units);
    box[rung] = {static_cast<std::size_t>(first - all.begin()),
                 static_cast<std::size_t>(last - all.begin())};
  }
  return box;
}

std::optional<std::array<const Strike*, 4>> BoardCheck::find(std::span<const Price> strikes) const {
  std::array<const Strike*, 4> at{};
  if (strikes.size() != rungs_) return std::nullopt;
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    const auto& all = strikes_[rung];
    const auto found = std::ranges::lower_bound(all, strikes[rung].units(), {}, &Strike::units);
    if (found == all.end() || found->units != strikes[rung].units()) return std::nullopt;
    if (rung > 0 && strikes[rung] <= strikes[rung - 1]) return std::nullopt;
    at[rung] = &*found;
  }
  return at;
}

std::int64_t BoardCheck::count(const Box& box) const {
  // Choices that end on each strike so far.
  std::vector<std::pair<std::int64_t, std::int64_t>> ends{{-1, 1}};
  for (std::size_t rung = 0; rung < rungs_; ++rung) {
    std::vector<std::pair<std::int64_t, std::int64_t>> next;
    std::int64_t below = 0;
    std::size_t seen = 0;
    for (std::size_t i = box[rung].first; i < box[rung].second; ++i) {
      const std::int64_t strike = strikes_[rung][i].units;
      for (; seen < ends.size() && ends[seen].first < strike; ++seen) below += ends[seen].second;
      next.emplace_back(strike, below);
    }
    ends = std::move(next);
  }
  std::int64_t total = 0;
  for (const auto& [strike, ways] : ends) total += ways;
  return total;
}

double BoardCheck::asked_by(const MarginFormula::Term& term, std::size_t row) const {
  const auto& leg = request_.strategy.legs[term.leg];
  const Price strike = chain_of(leg.expiry_rung).rows[row].strike;
  const Price price = chain_of(0).underlying_price.value_or(Price{});
  Price asked;
  switch (term.what) {
    case MarginFormula::What::naked:
      asked = naked_requirement(
          leg.kind, strike,
          {.price = price, .kind = request_.underlying_kind, .european_cash_settled = false},
          regulation_t());
      break;
    case MarginFormula::What::mark:
      asked = mark_of(leg, row);
      break;
    case MarginFormula::What::in_the_money:
      asked = std::max(leg.kind == LegKind::call ? price - strike : strike - price, Price{});
      break;
    case MarginFormula::What::strike:
    case MarginFormula::What::cash:
      asked = strike;
      break;
  }
  return static_cast<double>(asked.units() * term.weight * multiplier_);
}

void BoardCheck::add_strike(std::size_t rung, Price price) {
  const double strike = static_cast<double>(price.units());
  const double mean = density_.mean() * units_per_one;
  Strike made{.units = price.units(), .row = {}, .legs = {}, .origin = 0.0, .curve = {}};
  made.curve.assign(spots_.size(), 0.0);
  double lots_beyond = 0.0;
  for (const auto& leg : request_.strategy.legs) {
    if (leg.kind == LegKind::stock || leg.rung != static_cast<int>(rung)) continue;
    const auto& rows = chain_of(leg.expiry_rung).rows;
    const auto found = std::ranges::find(rows, price, &StrikeRow::strike);
    if (found == rows.end()) return;
    const auto row = static_cast<std::size_t>(found - rows.begin());
    if (!usable(leg, row)) return;
    made.row[static_cast<std::size_t>(leg.expiry_rung)] = row;
    const auto entry = static_cast<double>(
        entry_price(*side_of(leg, row), leg.quantity > 0, request_.fill)->units());
    const double shares = static_cast<double>(leg.quantity) * multiplier_;
    const double fee =
        std::abs(leg.quantity) * static_cast<double>(request_.fee_per_contract.units());
    const double spent = shares * entry + fee;
    const auto intrinsic = [&](double spot) {
      return std::max(leg.kind == LegKind::call ? spot - strike : strike - spot, 0.0);
    };
    made.legs[cost] += spent;
    made.legs[paid] += spent;
    const auto index = static_cast<std::size_t>(&leg - request_.strategy.legs.data());
    for (std::size_t s = 0; s < formula_.sums.size(); ++s) {
      for (const auto& term : formula_.sums[s].terms) {
        if (term.leg == index) made.legs[asked_0 + s] += asked_by(term, row);
      }
    }
    made.legs[credit] -= leg.quantity * entry;
    made.origin += shares * intrinsic(0.0) - spent;
    if (leg.kind == LegKind::call) lots_beyond += leg.quantity;
    made.beyond += shares * beyond(leg, row);
    if (!several()) {
      const double call = density_.call(strike / units_per_one) * units_per_one;
      made.legs[expected] +=
          discount() * shares * (leg.kind == LegKind::call ? call : call - mean + strike) - spent;
      made.legs[at_low] += shares * intrinsic(low_) - spent;
      made.legs[at_high] += shares * intrinsic(high_) - spent;
    }
    for (std::size_t g = 0; g < spots_.size(); ++g) {
      made.curve[g] += shares * (leg.expiry_rung == 0 ? intrinsic(spots_[g] * units_per_one)
                                                      : later_worth(leg, row, g)) -
                       spent;
    }
    if (const auto* greeks = greeks_of(leg, row)) {
      made.legs[theta] += shares * units_per_one * greeks->theta;
    }
  }
  if (several()) {
    const auto& curve = made.curve;
    made.legs[expected] = curve[0];
    for (std::size_t g = 0; g < spots_.size(); ++g) {
      const bool last = g + 1 == spots_.size();
      const double slope = last ? lots_beyond * multiplier_ * units_per_one
                                : (curve[g + 1] - curve[g]) / (spots_[g + 1] - spots_[g]);
      made.legs[expected] += slope * (calls_[g] - (last ? 0.0 : calls_[g + 1]));
    }
    made.legs[expected] = discount() * (made.legs[expected] + made.legs[cost]) - made.legs[cost];
    if (distance_ && low_ <= high_) {
      const auto at = [&](double spot) {
        const auto found = std::ranges::lower_bound(
            spots_, Price::from_units(static_cast<std::int64_t>(spot)).value());
        return curve[static_cast<std::size_t>(found - spots_.begin())];
      };
      made.legs[at_low] = at(low_);
      made.legs[at_high] = at(high_);
    }
  }
  made.legs[expected] += made.beyond;
  strikes_[rung].push_back(std::move(made));
}

double BoardCheck::beyond(const LegShape& leg, std::size_t row) const {
  const auto& priced = *of_[static_cast<std::size_t>(leg.expiry_rung)]->priced;
  const bool american = priced.style == ExerciseStyle::american;
  const auto exercise = american ? priced.rows[row].exercise : std::nullopt;
  const bool is_call = leg.kind == LegKind::call;
  const double now = !exercise ? 0.0 : is_call ? exercise->call : exercise->put;
  if (leg.expiry_rung == 0) return now * units_per_one;
  const Right right = is_call ? Right::call : Right::put;
  const double strike = priced.chain.rows[row].strike.value();
  const double vol = exercise ? exercise->vol : *option_of(leg, row)->implied_vol;
  const auto curve = [&](std::size_t g) {
    return exercise ? exercise_curves_[is_call ? 0 : 1][row][g]
                    : later_worth(leg, row, g) / units_per_one;
  };
  const auto& front = *of_[0]->priced;
  // Between two spots the curve is a line; density alone, without discount, at the vol of the leg.
  const auto call = [&](double spot) {
    return spot <= 0.0 ? front.parity.forward
                       : black_scholes_price(Right::call,
                                             ForwardInputs{.forward = front.parity.forward,
                                                           .strike = spot,
                                                           .years_to_expiry = front.years_to_expiry,
                                                           .discount_factor = 1.0,
                                                           .vol = vol});
  };
  double mean = curve(0);
  for (std::size_t g = 0; g < spots_.size(); ++g) {
    const bool last = g + 1 == spots_.size();
    const double slope =
        last ? (is_call ? 1.0 : 0.0) : (curve(g + 1) - curve(g)) / (spots_[g + 1] - spots_[g]);
    mean += slope * (call(spots_[g]) - (last ? 0.0 : call(spots_[g + 1])));
  }
  const double european =
      black_scholes_price(right, ForwardInputs{.forward = priced.parity.forward,
                                               .strike = strike,
                                               .years_to_expiry = priced.years_to_expiry,
                                               .discount_factor = priced.parity.discount_factor,
                                               .vol = vol});
  return units_per_one * (european + now - discount() * mean);
}

double BoardCheck::later_worth(const LegShape& leg, std::size_t row, std::size_t g) const {
  if (of_[1]->priced->style == ExerciseStyle::american) {
    return units_per_one * american_[leg.kind == LegKind::call ? 0 : 1][row][g];
  }
  const double spot = spots_[g];
  const auto& front = *of_[0]->priced;
  const auto& back = *of_[1]->priced;
  const double strike = back.chain.rows[row].strike.value();
  const double discount = back.parity.discount_factor / front.parity.discount_factor;
  const double forward = spot * (back.parity.forward / front.parity.forward);
  if (!(forward > 0.0)) {
    return leg.kind == LegKind::call ? 0.0 : discount * strike * units_per_one;
  }
  return units_per_one *
         black_scholes_price(
             leg.kind == LegKind::call ? Right::call : Right::put,
             ForwardInputs{.forward = forward,
                           .strike = strike,
                           .years_to_expiry = back.years_to_expiry - front.years_to_expiry,
                           .discount_factor = discount,
                           .vol = *option_of(leg, row)->implied_vol});
}

void BoardCheck::price_american_legs() {
  const auto& rows = of_[1]->priced->rows;
  for (const auto& leg : request_.strategy.legs) {
    if (leg.expiry_rung == 0) continue;
    const std::size_t side = leg.kind == LegKind::call ? 0 : 1;
    if (!american_[side].empty()) continue;
    std::vector<std::optional<double>> own(rows.size());
    std::vector<std::optional<double>> exercise(rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto* option = option_of(leg, row);
      if (option == nullptr || !option->implied_vol) continue;
      own[row] = *option->implied_vol;
      exercise[row] = rows[row].exercise ? rows[row].exercise->vol : own[row];
    }
    VolRange spanned{AmericanSurface::highest_vol, AmericanSurface::lowest_vol};
    for (const auto* vols : {&own, &exercise}) {
      for (std::size_t row = 0; row < rows.size(); ++row) {
        const auto& vol = (*vols)[row];
        if (!vol || rows[row].strike <= Price{} || !in_a_table(*vol)) continue;
        spanned.lowest = std::min(spanned.lowest, *vol);
        spanned.highest = std::max(spanned.highest, *vol);
      }
    }
    const Right right = leg.kind == LegKind::call ? Right::call : Right::put;
    american_[side] = american_curves(right, own, spanned);
    exercise_curves_[side] = american_curves(right, exercise, spanned);
  }
}

// Each by the boundary of its own exercise, against which the table that is used for a whole chain
// must hold, where it covers the vol.
std::vector<std::vector<double>> BoardCheck::american_curves(
    Right right, std::span<const std::optional<double>> vols, const VolRange& spanned) {
  const auto& front = *of_[0]->priced;
  const auto& back = *of_[1]->priced;
  const double years = back.years_to_expiry - front.years_to_expiry;
  const double growth = back.parity.forward / front.parity.forward;
  const double discount = american_discount(
      right, growth, back.parity.discount_factor / front.parity.discount_factor, years);
  const double rate = -std::log(discount) / years;
  const double yield = rate - std::log(growth) / years;
  std::vector<std::vector<double>> prices(vols.size());
  std::vector<std::size_t> tabled;
  std::vector<double> strikes;
  std::vector<double> tabled_vols;
  const auto table = AmericanSurface::build(right,
                                            {.spot = front.parity.forward,
                                             .years_to_expiry = years,
                                             .rate = rate,
                                             .dividend_yield = yield},
                                            AmericanSurface::Rho::unwanted, spanned);
  for (std::size_t row = 0; row < vols.size(); ++row) {
    const double strike = back.rows[row].strike.value();
    if (!vols[row] || strike <= 0.0) continue;
    const double vol = *vols[row];
    const auto curve = OptionCurve::make({.right = right,
                                          .strike = strike,
                                          .years = years,
                                          .rate = rate,
                                          .yield = yield,
                                          .vol = vol,
                                          .style = ExerciseStyle::american});
    if (!curve) continue;
    // At nothing a put is worth its strike: at once or, where rates are negative, at the end.
    const double at_zero = right == Right::call ? 0.0 : strike * std::max(1.0, discount);
    for (const double spot : spots_) {
      prices[row].push_back(spot > 0.0 ? curve->price(spot) : at_zero);
    }
    if (table && in_a_table(vol)) {
      tabled.push_back(row);
      strikes.push_back(strike);
      tabled_vols.push_back(vol);
    }
  }
  if (tabled.empty()) return prices;
  const ContractColumns contracts(strikes, right);
  std::vector<double> by_table(tabled.size());
  for (std::size_t g = 0; g < spots_.size(); ++g) {
    if (spots_[g] <= 0.0) continue;
    table->at_spot(spots_[g]).prices(contracts, tabled_vols, by_table);
    for (std::size_t i = 0; i < tabled.size(); ++i) {
      double& price = prices[tabled[i]][g];
      if (!(std::abs(by_table[i] - price) <= 1e-6 * std::max(strikes[i], spots_[g]))) {
        mispriced_ = "a later leg of strike " + std::to_string(strikes[i]) + " at spot " +
                     std::to_string(spots_[g]);
      }
      price = by_table[i];
    }
  }
  return prices;
}

std::vector<std::optional<Sums>> BoardCheck::tabulate(std::size_t from, std::size_t to) const {
  std::vector<std::optional<Sums>> table;
  if (from == to) return {Sums{}};
  for (const auto& first : strikes_[from]) {
    if (to - from == 1) {
      table.emplace_back(sums_of(from, first, nullptr));
      continue;
    }
    for (const auto& second : strikes_[from + 1]) {
      table.push_back(second.units > first.units ? std::optional{sums_of(from, first, &second)}
                                                 : std::nullopt);
    }
  }
  return table;
}

Sums BoardCheck::sums_of(std::size_t from, const Strike& first, const Strike* second) const {
  Sums s = first.legs;
  const auto strike = [](const Strike& of) { return static_cast<double>(of.units); };
  const auto slope = [&](std::size_t i) { return static_cast<double>(slopes_[i]) * multiplier_; };
  const auto stand_on = [&](std::size_t rung, const Strike& at) {
    if (rung > 0) s[gap_0 + rung - 1] += strike(at);
    if (rung + 1 < rungs_) s[gap_0 + rung] -= strike(at);
  };
  double origin = first.origin;
  std::vector<double> rises{slope(from) * strike(first)};
  const Strike* last = &first;
  if (second != nullptr) {
    for (std::size_t t = 0; t < terms; ++t) s[t] += second->legs[t];
    origin += second->origin;
    rises.push_back(rises[0] + slope(from + 1) * (strike(*second) - strike(first)));
    last = second;
    stand_on(from + 1, *second);
  }
  stand_on(from, first);
  if (from == 0 && stock_ != 0) {
    const double shares = static_cast<double>(stock_) * multiplier_;
    const auto price = static_cast<double>(chain_of(0).underlying_price->units());
    s[cost] += shares * price;
    origin -= shares * price;
    for (std::size_t k = 0; k < formula_.sums.size(); ++k) {
      s[asked_0 + k] += std::round(regulation_t().stock_initial * price) *
                        std::abs(formula_.sums[k].stock_lots) * multiplier_;
    }
    s[expected] += shares * ((discount() * density_.mean() + dividends()) * units_per_one - price);
    s[at_low] += shares * (low_ - price);
    s[at_high] += shares * (high_ - price);
  }
  if (several()) {
    double lowest = infinity;
    double highest = -infinity;
    std::vector<double> profit(spots_.size(), 0.0);
    for (std::size_t g = 0; g < spots_.size(); ++g) {
      profit[g] = first.curve[g] + (second != nullptr ? second->curve[g] : 0.0);
      if (from == 0 && stock_ != 0) {
        profit[g] += static_cast<double>(stock_) * multiplier_ *
                     (spots_[g] * units_per_one -
                      static_cast<double>(chain_of(0).underlying_price->units()));
      }
      lowest = std::min(lowest, profit[g]);
      highest = std::max(highest, profit[g]);
    }
    s[worst] = -lowest;
    s[best] = highest;
    for (std::size_t k = 0; k < samples; ++k) s[sample_0 + k] = profit[sampled_[k]];
  }
  if (several()) return s;
  if (from == 0) {
    const double handed = cut_ < rungs_ ? rises.back() - slope(cut_) * strike(*last) : rises.back();
    rises.push_back(0.0);
    s[loss_1] = -origin - *std::ranges::min_element(rises);
    s[gain_1] = origin + *std::ranges::max_element(rises);
    s[loss_2] = -origin - handed;
    s[gain_2] = origin + handed;
  } else {
    s[loss_1] = -origin;
    s[gain_1] = origin;
    s[loss_2] = -origin - *std::ranges::min_element(rises);
    s[gain_2] = origin + *std::ranges::max_element(rises);
  }
  return s;
}

}  // namespace bifrost::analysis::certificate
