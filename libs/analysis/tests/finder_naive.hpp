// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <tuple>
#include <vector>

#include "bifrost/analysis/american_chain.hpp"
#include "bifrost/analysis/finder.hpp"
#include "synthetic_chain.hpp"

// The finder's oracle: every choice of listed strikes by itself, through the payoff engine and the
// density, and a full sort.
namespace bifrost::analysis::naive {

inline Price at(double value) {
  return *Price::from_double(value);
}

struct Choice {
  double score;
  double pop;
  std::size_t expiry;
  std::vector<Price> strikes;
};

struct Result {
  Census census;
  std::vector<Choice> qualified;  // best first
};

inline const OptionSide* side(const StrikeRow& row, LegKind kind) {
  const auto& of = kind == LegKind::call ? row.call : row.put;
  return of ? &*of : nullptr;
}

inline std::optional<double> delta(const PricedChain& priced, std::size_t row, LegKind kind) {
  const auto& option = kind == LegKind::call ? priced.rows[row].call : priced.rows[row].put;
  if (!option || !option->greeks) return std::nullopt;
  return option->greeks->delta;
}

inline std::optional<double> theta(const PricedChain& priced, std::size_t row, LegKind kind) {
  const auto& option = kind == LegKind::call ? priced.rows[row].call : priced.rows[row].put;
  if (!option || !option->greeks) return std::nullopt;
  return option->greeks->theta;
}

inline double exercise_right(const PricedChain& priced, std::size_t row, LegKind kind) {
  const auto& right = priced.rows[row].exercise;
  if (!right) return 0.0;
  return kind == LegKind::call ? right->call : right->put;
}

inline bool leg_usable(const SearchRequest& request, const PricedChain& priced, const LegShape& leg,
                       std::size_t row) {
  const auto& limits = request.constraints;
  const auto* quote = side(priced.chain.rows[row], leg.kind);
  if (quote == nullptr || !entry_price(*quote, leg.quantity > 0, request.fill)) return false;
  if (limits.sell_out_of_the_money && leg.quantity < 0) {
    // Sold in the money: what its holder would get if the underlying settled at the forward.
    const Leg alone{leg.kind, -1, priced.chain.rows[row].strike, Price{}};
    if (profit_at_expiry(std::span{&alone, 1}, priced.parity.forward) < 0) return false;
  }
  if (const auto& window = leg.quantity > 0 ? limits.long_delta : limits.short_delta) {
    const auto d = delta(priced, row, leg.kind);
    if (!d || std::abs(*d) < window->low || std::abs(*d) > window->high) return false;
  }
  if (limits.max_spread_share) {
    const auto mid = quote->mid();
    if (!mid || mid->value() <= 0.0) return false;
    if ((*quote->ask - *quote->bid).value() > *limits.max_spread_share * mid->value()) return false;
  }
  if (limits.min_open_interest && quote->open_interest.value_or(-1) < *limits.min_open_interest) {
    return false;
  }
  if (limits.min_size && (quote->bid_size.value_or(-1) < *limits.min_size ||
                          quote->ask_size.value_or(-1) < *limits.min_size)) {
    return false;
  }
  for (const auto& [objective, weight] : request.objective) {
    if (objective == Objective::theta_on_max_loss && !theta(priced, row, leg.kind)) return false;
  }
  return true;
}

/// What the engine for whole books asks, and what the options cost; `priced` by expiry rung.
inline double margin(const SearchRequest& request, std::span<const PricedChain* const> priced,
                     const std::vector<Price>& strikes) {
  const auto& shape = request.strategy;
  std::vector<BookLeg> book;
  std::vector<std::optional<Price>> marks;
  Money debit;
  for (const auto& leg : shape.legs) {
    const auto& chain = priced[static_cast<std::size_t>(leg.expiry_rung)]->chain;
    if (leg.kind == LegKind::stock) {
      book.push_back(
          {{leg.kind, std::int64_t{leg.quantity} * chain.multiplier, {}, {}, 1}, {}, {}});
      marks.push_back(std::nullopt);
      continue;
    }
    const Price strike = strikes[static_cast<std::size_t>(leg.rung)];
    const auto row = std::ranges::find(chain.rows, strike, &StrikeRow::strike);
    const auto* quote = side(*row, leg.kind);
    const Price price = *entry_price(*quote, leg.quantity > 0, request.fill);
    book.push_back({{leg.kind, leg.quantity, strike, price, chain.multiplier},
                    chain.expiry,
                    chain.trading_class});
    marks.push_back(quote->mid() ? quote->mid() : price);
    debit = debit + price * (std::int64_t{leg.quantity} * chain.multiplier) +
            request.fee_per_contract * std::abs(leg.quantity);
  }
  const auto asked = rule_requirement(
      book, marks, {*priced[0]->chain.underlying_price, request.underlying_kind, true},
      *margin_rules(shape.cash_secured ? "cash" : "reg_t",
                    std::chrono::year{2020} / std::chrono::January / 1));
  return (asked.value().initial_required + std::max(debit, Money{})).value();
}

inline void examine(const SearchRequest& request, const SearchExpiry& expiry, std::size_t index,
                    const std::vector<std::size_t>& rows, Result& result) {
  const auto& priced = *expiry.priced;
  const auto& limits = request.constraints;
  std::vector<Price> strikes;
  for (const auto row : rows) strikes.push_back(priced.chain.rows[row].strike);
  std::vector<Leg> legs;
  Price credit;
  double decay = 0.0;
  std::int64_t contracts = 0;
  for (const auto& shape : request.strategy.legs) {
    if (shape.kind == LegKind::stock) {
      legs.push_back({LegKind::stock, std::int64_t{shape.quantity} * priced.chain.multiplier,
                      Price{}, *priced.chain.underlying_price, 1});
      continue;
    }
    const auto row = rows[static_cast<std::size_t>(shape.rung)];
    if (!leg_usable(request, priced, shape, row)) return;
    const Price price =
        *entry_price(*side(priced.chain.rows[row], shape.kind), shape.quantity > 0, request.fill);
    legs.push_back({shape.kind, shape.quantity, priced.chain.rows[row].strike, price,
                    priced.chain.multiplier});
    credit = credit - price * shape.quantity;
    decay +=
        theta(priced, row, shape.kind).value_or(0.0) * shape.quantity * priced.chain.multiplier;
    contracts += std::abs(shape.quantity);
  }
  ++result.census.combinations;
  const auto against = [&](Unfit why) { ++result.census.unfit[static_cast<std::size_t>(why)]; };
  if (!strikes_fit(request.strategy, strikes)) return against(Unfit::wings);
  for (const auto& [gap, width] : limits.widths) {
    const auto g = static_cast<std::size_t>(gap);
    const double between = (strikes[g + 1] - strikes[g]).value();
    if (between < width.low || between > width.high) return against(Unfit::width);
  }
  const Money fees = request.fee_per_contract * contracts;
  const auto payoff = *payoff_at_expiry(legs, fees);
  if (payoff.max_profit && *payoff.max_profit <= Money{}) return against(Unfit::no_profit);
  if (payoff.max_loss && *payoff.max_loss <= Money{}) return against(Unfit::no_risk);
  if (limits.min_credit && credit < *limits.min_credit) return against(Unfit::credit);
  if (limits.max_loss && payoff.max_loss->value() > *limits.max_loss) {
    return against(Unfit::max_loss);
  }
  if (limits.breakevens) {
    const double spot = priced.chain.underlying_price->value();
    const double distance = limits.breakevens->unit == BreakevenDistance::Unit::percent
                                ? spot * limits.breakevens->distance / 100.0
                                : spot * limits.breakevens->distance * *priced.atm_implied_vol *
                                      std::sqrt(priced.years_to_expiry);
    for (const double breakeven : payoff.breakevens) {
      if (std::abs(breakeven - spot) < distance) return against(Unfit::breakevens);
    }
  }
  const double pop = probability_of_profit(payoff, *expiry.density);
  if (pop < limits.min_pop) return against(Unfit::pop);

  const double loss = payoff.max_loss ? payoff.max_loss->value() : 0.0;
  // Leg by leg: what it pays at expiry, discounted, less its price. A share keeps its worth.
  const double discount = priced.parity.discount_factor;
  double expected = -fees.value();
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& leg = legs[i];
    const double held = static_cast<double>(leg.quantity) * leg.multiplier;
    if (leg.kind == LegKind::stock) {
      expected += held * discount * (expiry.density->mean() - priced.parity.forward);
      continue;
    }
    const double call = expiry.density->call(leg.strike.value());
    const double pays =
        leg.kind == LegKind::call ? call : call - expiry.density->mean() + leg.strike.value();
    const auto row = rows[static_cast<std::size_t>(request.strategy.legs[i].rung)];
    expected +=
        held * (discount * pays + exercise_right(priced, row, leg.kind) - leg.entry_price.value());
  }
  double score = 0.0;
  for (const auto& [objective, weight] : request.objective) {
    switch (objective) {
      case Objective::expected_profit:
        score += weight * expected;
        break;
      case Objective::expected_profit_on_max_loss:
        score += weight * expected / loss;
        break;
      case Objective::expected_profit_on_margin:
        score += weight * expected / margin(request, std::array{&priced}, strikes);
        break;
      case Objective::credit:
        score += weight * credit.value();
        break;
      case Objective::return_on_risk:
        score += weight * payoff.max_profit->value() / loss;
        break;
      case Objective::return_on_margin:
        score +=
            weight * payoff.max_profit->value() / margin(request, std::array{&priced}, strikes);
        break;
      case Objective::pop:
        score += weight * pop;
        break;
      case Objective::theta_on_max_loss:
        score += weight * decay / loss;
        break;
    }
  }
  ++result.census.qualified;
  result.qualified.push_back({score, pop, index, std::move(strikes)});
}

/// american_price(), each once; spot may be 0.
inline double american(Right right, const SpotInputs& in) {
  if (in.spot <= 0.0) {
    const double later = in.strike * std::exp(-in.rate * in.years_to_expiry);
    return right == Right::call ? 0.0 : std::max(in.strike, later);
  }
  static std::map<std::tuple<Right, double, double, double, double, double, double>, double> known;
  const std::tuple key{right,   in.spot,           in.strike, in.years_to_expiry,
                       in.rate, in.dividend_yield, in.vol};
  const auto found = known.find(key);
  return found != known.end() ? found->second : known[key] = american_price(right, in).value();
}

/// The same for a pair of expiries, by the words of front_model_spots(): spot by spot, leg by leg.
inline void examine_pair(const SearchRequest& request, std::span<const SearchExpiry> expiries,
                         std::size_t front, std::size_t back, const std::vector<Price>& strikes,
                         Result& result, std::vector<std::size_t>& pairs) {
  const std::array<const PricedChain*, 2> priced{expiries[front].priced, expiries[back].priced};
  const auto& density = *expiries[front].density;
  const auto& limits = request.constraints;
  std::vector<Price> all;
  for (const auto* chain : priced) {
    for (const auto& row : chain->chain.rows) all.push_back(row.strike);
  }
  const auto row_of = [&](int expiry, Price strike) -> std::optional<std::size_t> {
    const auto& rows = priced[static_cast<std::size_t>(expiry)]->chain.rows;
    const auto found = std::ranges::find(rows, strike, &StrikeRow::strike);
    if (found == rows.end()) return std::nullopt;
    return static_cast<std::size_t>(found - rows.begin());
  };
  struct Held {
    LegKind kind;
    double shares;
    double strike;
    double price;
    bool later;
    double vol;
    double exercise_vol;
    double exercise_right;
  };
  std::vector<Held> held;
  double credit = 0.0;
  double cost = 0.0;
  double decay = 0.0;
  for (const auto& shape : request.strategy.legs) {
    const auto& chain = *priced[static_cast<std::size_t>(shape.expiry_rung)];
    const auto row = row_of(shape.expiry_rung, strikes[static_cast<std::size_t>(shape.rung)]);
    if (!row || !leg_usable(request, chain, shape, *row)) return;
    const auto& option = shape.kind == LegKind::call ? chain.rows[*row].call : chain.rows[*row].put;
    if (shape.expiry_rung > 0 && (!option || !option->implied_vol)) return;
    const double price =
        entry_price(*side(chain.chain.rows[*row], shape.kind), shape.quantity > 0, request.fill)
            ->value();
    const double fee = std::abs(shape.quantity) * request.fee_per_contract.value();
    held.push_back({shape.kind, 100.0 * shape.quantity,
                    strikes[static_cast<std::size_t>(shape.rung)].value(), price,
                    shape.expiry_rung > 0, shape.expiry_rung > 0 ? *option->implied_vol : 0.0, 0.0,
                    exercise_right(chain, *row, shape.kind)});
    held.back().exercise_vol =
        chain.rows[*row].exercise ? chain.rows[*row].exercise->vol : held.back().vol;
    credit -= shape.quantity * price;
    cost += 100.0 * shape.quantity * price + fee;
    decay += theta(chain, *row, shape.kind).value_or(0.0) * 100.0 * shape.quantity;
  }
  ++result.census.combinations;
  const auto against = [&](Unfit why) { ++result.census.unfit[static_cast<std::size_t>(why)]; };
  const auto spots = front_model_spots(density, all, std::nullopt);
  std::vector<double> profit(spots.size(), -cost);
  const auto& near = priced[0]->parity;
  const auto& far = priced[1]->parity;
  const auto worth_at = [&](const Held& leg, double vol, double spot) {
    const Right right = leg.kind == LegKind::call ? Right::call : Right::put;
    const double discount = far.discount_factor / near.discount_factor;
    const double forward = spot * far.forward / near.forward;
    const double years = priced[1]->years_to_expiry - priced[0]->years_to_expiry;
    const double rate = -std::log(discount) / years;
    const double yield = rate - std::log(far.forward / near.forward) / years;
    if (priced[1]->style == ExerciseStyle::american) {
      return american(right, {spot, leg.strike, years, rate, yield, vol});
    }
    if (forward > 0.0) {
      return black_scholes_price(right, ForwardInputs{forward, leg.strike, years, discount, vol});
    }
    return leg.kind == LegKind::call ? 0.0 : discount * leg.strike;
  };
  double beyond = 0.0;  // what is held now and no expiry shows
  for (const auto& leg : held) {
    for (std::size_t g = 0; g < spots.size(); ++g) {
      profit[g] +=
          leg.shares * (leg.later ? worth_at(leg, leg.vol, spots[g])
                                  : std::max(leg.kind == LegKind::call ? spots[g] - leg.strike
                                                                       : leg.strike - spots[g],
                                             0.0));
    }
    beyond += leg.shares * leg.exercise_right;
    if (!leg.later) continue;
    // What the broken line at the leg's own vol comes to, against what it is worth now.
    const auto flat = lognormal_density({.forward = near.forward,
                                         .vol = leg.exercise_vol,
                                         .years_to_expiry = priced[0]->years_to_expiry});
    const auto curve = [&](std::size_t g) { return worth_at(leg, leg.exercise_vol, spots[g]); };
    double mean = curve(0);
    for (std::size_t g = 0; g + 1 < spots.size(); ++g) {
      const double slope = (curve(g + 1) - curve(g)) / (spots[g + 1] - spots[g]);
      mean += slope * (flat->call(spots[g]) - flat->call(spots[g + 1]));
    }
    if (leg.kind == LegKind::call) mean += flat->call(spots.back());
    const double now =
        black_scholes_price(leg.kind == LegKind::call ? Right::call : Right::put,
                            ForwardInputs{far.forward, leg.strike, priced[1]->years_to_expiry,
                                          far.discount_factor, leg.exercise_vol});
    beyond += leg.shares * (now - near.discount_factor * mean);
  }
  double expected = profit[0];
  for (std::size_t g = 0; g + 1 < spots.size(); ++g) {
    const double slope = (profit[g + 1] - profit[g]) / (spots[g + 1] - spots[g]);
    expected += slope * (density.call(spots[g]) - density.call(spots[g + 1]));
  }
  for (double& each : profit) {
    if (std::abs(each) < front_least_profit) each = 0.0;
  }
  const double loss = -*std::ranges::min_element(profit);
  const double gain = *std::ranges::max_element(profit);
  if (gain < 1e-4) return against(Unfit::no_profit);
  const bool by_margin = std::ranges::any_of(request.objective, [](const auto& part) {
    return part.objective == Objective::expected_profit_on_margin ||
           part.objective == Objective::return_on_margin;
  });
  if (loss < 1e-4 || (by_margin && margin(request, priced, strikes) < 1e-4))
    return against(Unfit::no_risk);
  if (limits.min_credit && credit < limits.min_credit->value() - 1e-9)
    return against(Unfit::credit);
  if (limits.max_loss && loss > *limits.max_loss) return against(Unfit::max_loss);
  // Probability of the broken line, segment by segment.
  double pop = 0.0;
  for (std::size_t g = 0; g + 1 < spots.size(); ++g) {
    const double slope = (profit[g + 1] - profit[g]) / (spots[g + 1] - spots[g]);
    const double low = density.cdf(spots[g]);
    const double high = density.cdf(spots[g + 1]);
    const bool starts = profit[g] > 0.0;
    const bool ends = profit[g + 1] > 0.0;
    if (starts && ends) pop += high - low;
    if (starts != ends) {
      const double root = spots[g] - profit[g] / slope;
      const double middle = density.cdf(std::clamp(root, spots[g], spots[g + 1]));
      pop += starts ? middle - low : high - middle;
    }
  }
  expected = near.discount_factor * (expected + cost) - cost + beyond;
  if (profit.back() > 0.0) pop += 1.0 - density.cdf(spots.back());
  if (pop < limits.min_pop) return against(Unfit::pop);
  double score = 0.0;
  for (const auto& [objective, weight] : request.objective) {
    switch (objective) {
      case Objective::expected_profit:
        score += weight * expected;
        break;
      case Objective::expected_profit_on_max_loss:
        score += weight * expected / loss;
        break;
      case Objective::expected_profit_on_margin:
        score += weight * expected / margin(request, priced, strikes);
        break;
      case Objective::credit:
        score += weight * credit;
        break;
      case Objective::return_on_risk:
        score += weight * gain / loss;
        break;
      case Objective::return_on_margin:
        score += weight * gain / margin(request, priced, strikes);
        break;
      case Objective::pop:
        score += weight * pop;
        break;
      case Objective::theta_on_max_loss:
        score += weight * decay / loss;
        break;
    }
  }
  ++result.census.qualified;
  result.qualified.push_back({score, pop, pairs.size(), strikes});
}

inline Result search_pairs(const SearchRequest& request, std::span<const SearchExpiry> expiries,
                           std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  Result result;
  for (std::size_t front = 0; front < expiries.size(); ++front) {
    for (std::size_t back = front + 1; back < expiries.size(); ++back) {
      std::vector<Price> all;
      for (const auto at : {front, back}) {
        for (const auto& row : expiries[at].priced->chain.rows) all.push_back(row.strike);
      }
      std::ranges::sort(all);
      all.erase(std::unique(all.begin(), all.end()), all.end());
      const auto rungs = static_cast<std::size_t>(rung_count(request.strategy));
      std::vector<bool> mask(all.size(), false);
      std::fill(mask.begin(), mask.begin() + static_cast<std::ptrdiff_t>(rungs), true);
      std::vector<std::size_t> index(pairs.size());
      do {
        std::vector<Price> strikes;
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (mask[i]) strikes.push_back(all[i]);
        }
        examine_pair(request, expiries, front, back, strikes, result, index);
      } while (std::prev_permutation(mask.begin(), mask.end()));
      pairs.emplace_back(front, back);
    }
  }
  std::sort(result.qualified.begin(), result.qualified.end(),
            [](const Choice& a, const Choice& b) { return a.score > b.score; });
  return result;
}

inline Result search(const SearchRequest& request, std::span<const SearchExpiry> expiries) {
  Result result;
  for (std::size_t index = 0; index < expiries.size(); ++index) {
    const auto& constraints = request.constraints;
    const int days = expiries[index].days_to_expiry;
    if (constraints.min_days_to_expiry && days < *constraints.min_days_to_expiry) continue;
    if (constraints.max_days_to_expiry && days > *constraints.max_days_to_expiry) continue;
    const std::size_t strikes = expiries[index].priced->chain.rows.size();
    const auto rungs = static_cast<std::size_t>(rung_count(request.strategy));
    if (strikes < rungs) continue;
    std::vector<bool> mask(strikes, false);
    std::fill(mask.begin(), mask.begin() + static_cast<std::ptrdiff_t>(rungs), true);
    do {
      std::vector<std::size_t> rows;
      for (std::size_t i = 0; i < strikes; ++i) {
        if (mask[i]) rows.push_back(i);
      }
      examine(request, expiries[index], index, rows, result);
    } while (std::prev_permutation(mask.begin(), mask.end()));
  }
  std::sort(result.qualified.begin(), result.qualified.end(), [](const Choice& a, const Choice& b) {
    // Equal scores may differ in their last bits here: the naive way adds in another order.
    const double tolerance = 1e-12 * std::max(std::abs(a.score), std::abs(b.score));
    if (std::abs(a.score - b.score) > tolerance) return a.score > b.score;
    return std::tuple(-a.pop, a.expiry, a.strikes) < std::tuple(-b.pop, b.expiry, b.strikes);
  });
  return result;
}

inline std::vector<Price> strikes_of(const StrategyShape& shape, const Candidate& candidate) {
  std::vector<Price> strikes(static_cast<std::size_t>(rung_count(shape)));
  for (std::size_t i = 0; i < shape.legs.size(); ++i) {
    if (shape.legs[i].rung >= 0) {
      strikes[static_cast<std::size_t>(shape.legs[i].rung)] = candidate.legs[i].leg.strike;
    }
  }
  return strikes;
}

/// A market with its own density, both held together.
struct Market {
  PricedChain priced;
  DensityPtr density;
  int days = 60;

  explicit Market(PricedChain chain) : priced(std::move(chain)) {
    density = lognormal_density(*atm_density(priced));
  }
  SearchExpiry expiry() const { return {&priced, density.get(), days}; }
};

inline Market market(double lowest, double highest, double step, double tick = 0.05) {
  SyntheticMarket made;
  made.tick = tick;
  return Market(*refresh(made.chain(lowest, highest, step), made.years, made.rate));
}

/// Expiries of one American name under a flat rate and yield, 25 days apart, quoted to the cent
/// with a smile of the same width everywhere. Some quotes are missing, and every other expiry lists
/// one strike less.
inline std::vector<Market> american_term_structure(std::mt19937& random, int expiries,
                                                   double lowest, double highest, double step,
                                                   double rate = 0.08, double yield = 0.01) {
  std::vector<Market> markets;
  for (int i = 0; i < expiries; ++i) {
    const AmericanTerms terms{100.0, (20.0 + 25 * i) / 365, rate, yield};
    ExpiryChain chain{.underlying = "TEST",
                      .trading_class = "TEST",
                      .expiry = core::Date{std::chrono::days{20'000 + 25 * i}},
                      .multiplier = 100,
                      .underlying_price = Price::from_double(terms.spot),
                      .rows = {}};
    for (double strike = lowest + step * (i % 2); strike <= highest + 1e-9; strike += step) {
      const double k = std::log(strike / terms.spot);
      const auto side = [&](Right right) -> std::optional<OptionSide> {
        const double fair = *american_price(right, {terms.spot, strike, terms.years_to_expiry, rate,
                                                    yield, 0.22 - 0.25 * k + 0.6 * k * k});
        if (std::uniform_int_distribution<int>(0, 9)(random) == 0) return std::nullopt;
        return OptionSide{Price::from_double(std::floor((fair - 0.01) * 100) / 100),
                          Price::from_double(std::ceil((fair + 0.01) * 100) / 100),
                          {},
                          {},
                          {}};
      };
      chain.rows.push_back({*Price::from_double(strike), side(Right::call), side(Right::put)});
    }
    const ForwardDiscount parity{
        .forward = terms.spot * std::exp((rate - yield) * terms.years_to_expiry),
        .discount_factor = std::exp(-rate * terms.years_to_expiry),
        .discount_source = DiscountSource::given,
        .pairs = 5,
        .deviation = 0.01};
    markets.emplace_back(refresh_american(chain, parity, *AmericanSurfaces::build(terms)));
    markets.back().days = 20 + 25 * i;
  }
  return markets;
}

/// Takes quotes away, crosses some and zeroes some bids, as real chains have them, and gives each
/// size and interest of its own. Of 15 quotes 6 are damaged, or of as many as is said.
inline Market damaged_market(std::mt19937& random, double lowest = 86, double highest = 115,
                             double step = 1.5, int of = 15) {
  SyntheticMarket made;
  made.tick = 0.05;
  auto chain = made.chain(lowest, highest, step);
  for (auto& row : chain.rows) {
    for (auto* side : {&row.call, &row.put}) {
      (*side)->bid_size = std::uniform_int_distribution<int>(0, 50)(random);
      (*side)->open_interest = std::uniform_int_distribution<int>(0, 500)(random);
      switch (std::uniform_int_distribution<int>(0, of - 1)(random)) {
        case 0:
          side->reset();
          break;
        case 1:
          (*side)->bid.reset();
          break;
        case 2:
          (*side)->ask.reset();
          break;
        case 3:
          (*side)->bid = Price{};
          break;
        case 4:
          std::swap((*side)->bid, (*side)->ask);
          break;
        case 5:
          (*side)->ask = *(*side)->ask + at(0.40);
          break;
        case 6:
          (*side)->open_interest.reset();
          break;
        default:
          break;
      }
    }
  }
  return Market(*refresh(chain, made.years, made.rate));
}

}  // namespace bifrost::analysis::naive
