// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/finder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

namespace bifrost::analysis {
namespace {

constexpr std::size_t most_rungs = 8;
constexpr double most_exact_money = 4e18;  // units, with room for sums below 2^63

// A strike that can carry all legs of a rung. Amounts are price units per share.
struct Place {
  std::size_t row;
  std::int64_t strike;
  std::int64_t cost;       // paid for the rung's legs; negative is received
  std::int64_t at_origin;  // what the rung's puts are worth at spot 0
};

struct Choice {
  double return_on_risk;
  double pop;
  std::array<std::size_t, most_rungs> rows;
};

// The order of results. Rows ascend with strikes, so comparing them compares strikes.
bool better(const Choice& a, const Choice& b) {
  return std::tuple(-a.return_on_risk, -a.pop, a.rows) <
         std::tuple(-b.return_on_risk, -b.pop, b.rows);
}

// The cumulative probability at the edges of equal cells of spot: bounds for any spot at the price
// of a look-up.
class CdfTable {
 public:
  CdfTable(const LognormalDensity& density, std::int64_t highest) {
    while ((highest >> shift_) > 32'768) ++shift_;
    const auto cells = static_cast<std::size_t>(highest >> shift_) + 2;
    edges_.reserve(cells + 1);
    for (std::size_t i = 0; i < cells; ++i) {
      edges_.push_back(
          density.cdf(Price::from_units(static_cast<std::int64_t>(i) << shift_).value()));
    }
    edges_.push_back(1.0);
  }
  double at_least(std::int64_t units) const {
    return edges_[std::min(static_cast<std::size_t>(units >> shift_), edges_.size() - 2)];
  }
  double at_most(std::int64_t units) const {
    return edges_[std::min(static_cast<std::size_t>(units >> shift_) + 1, edges_.size() - 1)];
  }

 private:
  int shift_ = 0;
  std::vector<double> edges_;
};

struct Bounds {
  double low;
  double high;
};

class Search {
 public:
  Search(const StrategyShape& shape, const PricedChain& priced, const LognormalDensity& density,
         const FinderLimits& limits)
      : shape_(shape),
        priced_(priced),
        density_(density),
        limits_(limits),
        rungs_(static_cast<std::size_t>(rung_count(shape))),
        table_(density,
               priced.chain.rows.empty() ? 0 : 2 * priced.chain.rows.back().strike.units()) {
    for (const auto& leg : shape.legs) {
      if (leg.kind == LegKind::stock) {
        stock_cost_ += leg.quantity * priced.chain.underlying_price->units();
        slopes_[0] += leg.quantity;
      }
      if (leg.kind == LegKind::put) slopes_[0] -= leg.quantity;
    }
    for (std::size_t rung = 0; rung < rungs_; ++rung) {
      slopes_[rung + 1] = slopes_[rung];
      for (const auto& leg : shape.legs) {
        if (leg.rung == static_cast<int>(rung)) slopes_[rung + 1] += leg.quantity;
      }
      places_[rung] = places_for(static_cast<int>(rung));
    }
    // A limit beyond exact money limits nothing. Below it the guess is a few units off at most.
    if (limits.max_loss && *limits.max_loss * Price::units_per_one < most_exact_money) {
      most_risk_ = static_cast<std::int64_t>(*limits.max_loss * Price::units_per_one /
                                             priced.chain.multiplier);
      while (money(most_risk_ + 1).value() <= *limits.max_loss) ++most_risk_;
      while (money(most_risk_).value() > *limits.max_loss) --most_risk_;
    }
  }

  bool bounded() const { return slopes_[rungs_] == 0; }

  void run(FinderResult& result) {
    result_ = &result;
    if (rungs_ > 0) descend(0, 0, {.base = -stock_cost_, .rise = 0, .best = 0, .worst = 0});
    std::sort(kept_.begin(), kept_.end(), better);
  }

  const std::vector<Choice>& kept() const { return kept_; }

  std::vector<Leg> legs_at(const Choice& choice) const {
    std::array<Price, most_rungs> strikes;
    for (std::size_t i = 0; i < rungs_; ++i) {
      strikes[i] = priced_.chain.rows[choice.rows[i]].strike;
    }
    auto legs =
        make_legs(shape_, std::span(strikes).first(rungs_), priced_.chain.multiplier,
                  [&](const LegShape& leg, Price) {
                    return leg.kind == LegKind::stock
                               ? priced_.chain.underlying_price
                               : leg_price(leg, choice.rows[static_cast<std::size_t>(leg.rung)]);
                  });
    if (!legs) core::panic("a combination was examined whose legs have no price");
    return *std::move(legs);
  }

 private:
  // The profit line of a partial choice: `base` is the profit at spot 0, the others are relative to
  // it.
  struct Line {
    std::int64_t base;
    std::int64_t rise;  // at the last strike chosen
    std::int64_t best;
    std::int64_t worst;
  };

  Money money(std::int64_t units_per_share) const {
    return Money::from_units(units_per_share * priced_.chain.multiplier);
  }

  std::optional<Price> leg_price(const LegShape& leg, std::size_t row) const {
    const auto& at = priced_.chain.rows[row];
    const auto& side = leg.kind == LegKind::call ? at.call : at.put;
    return side ? entry_price(*side, leg.quantity > 0, limits_.fill) : std::nullopt;
  }

  bool in_the_money(const LegShape& leg, std::size_t row) const {
    const double strike = priced_.chain.rows[row].strike.value();
    return leg.kind == LegKind::call ? strike < priced_.parity.forward
                                     : strike > priced_.parity.forward;
  }

  std::vector<Place> places_for(int rung) const {
    std::vector<Place> places;
    for (std::size_t row = 0; row < priced_.chain.rows.size(); ++row) {
      const auto strike = priced_.chain.rows[row].strike.units();
      Place place{.row = row, .strike = strike, .cost = 0, .at_origin = 0};
      bool priced = strike > 0;  // and may be used
      for (const auto& leg : shape_.legs) {
        if (leg.rung != rung || !priced) continue;
        if (limits_.sell_out_of_the_money && leg.quantity < 0 && in_the_money(leg, row)) {
          priced = false;
          continue;
        }
        const auto price = leg_price(leg, row);
        priced = price.has_value();
        if (!priced) continue;
        place.cost += leg.quantity * price->units();
        if (leg.kind == LegKind::put) place.at_origin += leg.quantity * strike;
      }
      if (priced) places.push_back(place);
    }
    return places;
  }

  void descend(std::size_t rung, std::int64_t above, const Line& line) {
    const auto& places = places_[rung];
    const bool leaf = rung + 1 == rungs_;
    auto place =
        std::upper_bound(places.begin(), places.end(), above,
                         [](std::int64_t strike, const Place& at) { return strike < at.strike; });
    for (; place != places.end(); ++place) {
      Line next = line;
      next.base += place->at_origin - place->cost;
      next.rise += slopes_[rung] * (place->strike - above);
      next.best = std::max(next.best, next.rise);
      next.worst = std::min(next.worst, next.rise);
      strikes_[rung] = place->strike;
      rises_[rung] = next.rise;
      chosen_[rung] = place->row;
      if (leaf) {
        score(next);
      } else {
        descend(rung + 1, place->strike, next);
      }
    }
  }

  void score(const Line& line) {
    ++result_->examined;
    const std::int64_t best = line.base + line.best;
    const std::int64_t risk = -(line.base + line.worst);
    if (best <= 0) {
      ++result_->without_profit;
      return;
    }
    if (risk <= 0) {
      ++result_->without_risk;
      return;
    }
    if (risk > most_risk_) return;

    std::optional<double> pop;
    if (limits_.min_pop > 0.0) {
      // The exact probability decides only where its bounds leave doubt.
      const auto [low, high] = pop_bounds(line.base);
      if (high < limits_.min_pop) return;
      if (low < limits_.min_pop) {
        pop = exact_pop();
        if (*pop < limits_.min_pop) return;
      }
    }
    ++result_->qualified;

    Choice choice{.return_on_risk = static_cast<double>(best) / static_cast<double>(risk),
                  .pop = 0.0,
                  .rows = chosen_};
    const bool full = kept_.size() >= limits_.keep;
    if (limits_.keep == 0 || (full && choice.return_on_risk < kept_.front().return_on_risk)) return;
    choice.pop = pop ? *pop : exact_pop();
    if (full) {
      if (!better(choice, kept_.front())) return;
      std::pop_heap(kept_.begin(), kept_.end(), better);
      kept_.pop_back();
    }
    kept_.push_back(choice);
    std::push_heap(kept_.begin(), kept_.end(), better);
  }

  double exact_pop() const {
    const auto payoff = payoff_at_expiry(legs_at({.return_on_risk = 0, .pop = 0, .rows = chosen_}));
    if (!payoff)
      core::panic("a combination was examined that has no payoff: " + payoff.error().message);
    return probability_of_profit(payoff->profitable, density_);
  }

  Bounds pop_bounds(std::int64_t base) const {
    Bounds total{-1e-12, 1e-12};
    std::int64_t at = 0;
    std::int64_t profit = base;
    bool inside = base > 0;
    Bounds entered{0.0, 0.0};
    const auto cdf_at = [&](std::int64_t from, std::int64_t value, std::int64_t slope) {
      const std::int64_t root = from + -value / slope;
      return Bounds{table_.at_least(root), table_.at_most(root + 1)};
    };
    for (std::size_t i = 0; i <= rungs_; ++i) {
      const std::int64_t slope = slopes_[i];
      const bool last = i == rungs_;
      const std::int64_t next = last ? slope : base + rises_[i];
      if (inside) {
        if (slope < 0 && next <= 0) {
          const Bounds left = cdf_at(at, profit, slope);
          total.low += std::max(left.low - entered.high, 0.0);
          total.high += left.high - entered.low;
          inside = false;
        }
      } else if (slope > 0 && next > 0) {
        entered = cdf_at(at, profit, slope);
        inside = true;
      }
      if (!last) {
        at = strikes_[i];
        profit = next;
      }
    }
    if (inside) {
      total.low += 1.0 - entered.high;
      total.high += 1.0 - entered.low;
    }
    return total;
  }

  const StrategyShape& shape_;
  const PricedChain& priced_;
  const LognormalDensity& density_;
  const FinderLimits& limits_;
  std::size_t rungs_;
  CdfTable table_;
  std::int64_t stock_cost_ = 0;
  std::int64_t most_risk_ = INT64_MAX;
  std::array<std::int64_t, most_rungs + 1> slopes_{};
  std::array<std::vector<Place>, most_rungs> places_;
  std::array<std::int64_t, most_rungs> strikes_{};
  std::array<std::int64_t, most_rungs> rises_{};
  std::array<std::size_t, most_rungs> chosen_{};
  std::vector<Choice> kept_;  // a heap, worst on top
  FinderResult* result_ = nullptr;
};

// Whether no combination can leave the integers: twice the sum of everything that could be paid or
// received.
bool exact_money_holds(const StrategyShape& shape, const ExpiryChain& chain) {
  if (chain.multiplier <= 0) return false;
  double highest = 0.0;
  const auto see = [&](const std::optional<Price>& price) {
    if (price) highest = std::max(highest, std::abs(static_cast<double>(price->units())));
  };
  see(chain.underlying_price);
  for (const auto& row : chain.rows) {
    see(row.strike);
    for (const auto* side : {&row.call, &row.put}) {
      if (*side) {
        see((*side)->bid);
        see((*side)->ask);
      }
    }
  }
  double lots = 0.0;
  for (const auto& leg : shape.legs) lots += std::abs(leg.quantity);
  return 4.0 * lots * chain.multiplier * (highest + 1.0) < most_exact_money;
}

Candidate describe(const StrategyShape& shape, const PricedChain& priced, std::vector<Leg> legs,
                   const Choice& choice, int days_to_expiry) {
  auto payoff = payoff_at_expiry(legs);
  if (!payoff || !payoff->max_profit || !payoff->max_loss) {
    core::panic("a ranked combination has no bounded payoff");
  }
  Candidate candidate{.legs = {},
                      .credit = {},
                      .payoff = *std::move(payoff),
                      .greeks = NetGreeks{},
                      .pop = choice.pop,
                      .return_on_risk = choice.return_on_risk,
                      .annualised_return_simple = std::nullopt};
  if (days_to_expiry > 0) {
    candidate.annualised_return_simple = choice.return_on_risk * 365.0 / days_to_expiry;
  }
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& leg_shape = shape.legs[i];
    CandidateLeg out{.leg = legs[i], .implied_vol = std::nullopt, .delta = std::nullopt};
    if (leg_shape.kind == LegKind::stock) {
      out.delta = 1.0;
      if (candidate.greeks) candidate.greeks->delta += leg_shape.quantity;
    } else {
      candidate.credit = candidate.credit - legs[i].entry_price * leg_shape.quantity;
      const auto& row = priced.rows[choice.rows[static_cast<std::size_t>(leg_shape.rung)]];
      const auto& option = leg_shape.kind == LegKind::call ? row.call : row.put;
      if (option && option->implied_vol) out.implied_vol = *option->implied_vol;
      if (!option || !option->greeks) {
        candidate.greeks.reset();
      } else {
        out.delta = option->greeks->delta;
        if (candidate.greeks) {
          candidate.greeks->delta += leg_shape.quantity * option->greeks->delta;
          candidate.greeks->gamma += leg_shape.quantity * option->greeks->gamma;
          candidate.greeks->theta += leg_shape.quantity * option->greeks->theta;
          candidate.greeks->vega += leg_shape.quantity * option->greeks->vega;
        }
      }
    }
    candidate.legs.push_back(out);
  }
  return candidate;
}

}  // namespace

std::optional<LognormalDensity> atm_density(const PricedChain& priced) {
  if (!priced.atm_implied_vol || priced.years_to_expiry <= 0.0) return std::nullopt;
  return LognormalDensity{.forward = priced.parity.forward,
                          .vol = *priced.atm_implied_vol,
                          .years_to_expiry = priced.years_to_expiry};
}

core::Result<FinderResult> find_best(const StrategyShape& strategy, const PricedChain& priced,
                                     int days_to_expiry, const FinderLimits& limits) {
  if (!(limits.min_pop >= 0.0 && limits.min_pop <= 1.0)) {
    return core::fail(core::Errc::invalid_input, "min_pop is a probability, 0 to 1");
  }
  if (limits.max_loss && !(std::isfinite(*limits.max_loss) && *limits.max_loss > 0.0)) {
    return core::fail(core::Errc::invalid_input, "max_loss is a positive, finite amount");
  }
  if (rung_count(strategy) > static_cast<int>(most_rungs)) {
    return core::fail(core::Errc::invalid_input, "a strategy of more than eight strikes");
  }
  if (expiry_count(strategy) > 1) {
    return core::fail(core::Errc::invalid_input, "a strategy of more than one expiry");
  }
  if (has_stock(strategy) && !priced.chain.underlying_price) {
    return core::fail(core::Errc::unavailable, "the chain has no price of the underlying");
  }
  if (!exact_money_holds(strategy, priced.chain)) {
    return core::fail(core::Errc::invalid_input,
                      "prices or multiplier of the chain are too large for exact money");
  }
  const auto density = atm_density(priced);
  if (!density) {
    return core::fail(core::Errc::unavailable,
                      "no at-the-money vol, so no density: quotes around the forward are missing");
  }

  FinderResult result{.density = *density,
                      .examined = 0,
                      .without_profit = 0,
                      .without_risk = 0,
                      .qualified = 0,
                      .candidates = {}};
  Search search(strategy, priced, *density, limits);
  if (!search.bounded()) {
    return core::fail(core::Errc::invalid_input,
                      "return on risk needs a strategy of limited profit and loss");
  }
  search.run(result);
  for (const auto& choice : search.kept()) {
    result.candidates.push_back(
        describe(strategy, priced, search.legs_at(choice), choice, days_to_expiry));
  }
  return result;
}

}  // namespace bifrost::analysis
