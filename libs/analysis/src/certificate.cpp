// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
#include "leg_model.hpp"
#include "margin_formula.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double units_per_one = Price::units_per_one;

tl::unexpected<CertificateRefusal> refuse(CertificateFlaw flaw, std::optional<std::size_t> place,
                                          std::string what) {
  return tl::unexpected{CertificateRefusal{flaw, place, std::move(what)}};
}

bool close_to(double a, double b) {
  return std::isfinite(a) && std::isfinite(b) &&
         std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
}

// What adds up over the halves of a combination. Money in units, strikes and credit in price units.
enum Term : std::uint8_t {
  cost,
  credit,
  expected,
  theta,
  loss_1,
  loss_2,
  gain_1,
  gain_2,
  gap_0,
  gap_1,
  gap_2,
  at_low,
  at_high,
  worst,
  best,
  sample_0,
  paid = sample_0 + 8,
  asked_0,
  terms = asked_0 + MarginFormula::most_sums,
};
constexpr std::size_t samples = paid - sample_0;
using Sums = std::array<double, terms>;

// A weighing of sums whose largest value over a class is asked for.
struct Weighing {
  std::vector<std::pair<Term, double>> weights;

  double of(const Sums& sums) const {
    double total = 0.0;
    for (const auto& [term, weight] : weights) total += weight * sums[term];
    return total;
  }
  friend Weighing operator+(Weighing a, const Weighing& b) {
    a.weights.insert(a.weights.end(), b.weights.begin(), b.weights.end());
    return a;
  }
  friend Weighing operator*(double by, Weighing a) {
    for (auto& [term, weight] : a.weights) weight *= by;
    return a;
  }
};
Weighing only(int term) {
  return {{{static_cast<Term>(term), 1.0}}};
}

// The largest over clauses of the least of a clause.
using Clauses = std::vector<std::vector<Weighing>>;
Clauses each_alone(const std::vector<Weighing>& all) {
  Clauses clauses;
  for (const auto& w : all) clauses.push_back({w});
  return clauses;
}

// One strike of the board, and what its legs of one rung add.
struct Strike {
  std::int64_t units;
  std::array<std::size_t, 2> row;  // in the chain of each expiry that a leg needs
  Sums legs;
  double origin;              // profit at spot 0
  std::vector<double> curve;  // of several expiries: profit at the model's spots
};

// Ranges of usable strikes, rung by rung, [first, second).
using Box = std::array<std::pair<std::size_t, std::size_t>, 4>;

// A combination that fits, with what decides its place.
struct Fitting {
  double score;
  double pop;
  std::size_t board;
  std::vector<Price> strikes;

  auto key() const { return std::tuple(-score, -pop, board, strikes); }
};

class BoardCheck {
 public:
  /// `at` is one place in `expiries` for each expiry of the strategy.
  BoardCheck(const SearchRequest& request, std::span<const SearchExpiry> expiries,
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
    formula_ =
        margin_formula(request.strategy, of_.size() < 2 || chain.expiry < chain_of(1).expiry);
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

  std::size_t rungs() const { return rungs_; }
  /// What both ways to the price of a later leg do not agree on.
  const std::optional<std::string>& mispriced() const { return mispriced_; }

  Box whole() const {
    Box box{};
    for (std::size_t rung = 0; rung < rungs_; ++rung) box[rung] = {0, strikes_[rung].size()};
    return box;
  }

  /// Nothing for intervals that are upside down.
  std::optional<Box> box_of(const CertificateClass& of) const {
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

  std::int64_t count(const Box& box) const {
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

  /// Calls see(strikes) for every ascending choice in the box.
  template <class See>
  void each(const Box& box, const See& see) const {
    std::array<const Strike*, 4> at{};
    descend(box, 0, at, see);
  }

  // ---- one combination, through the payoff engine ----

  struct Outcome {
    std::optional<double> gain;  // nothing: unlimited; currency
    std::optional<double> loss;
    std::vector<double> breakevens;
    double pop = 0.0;
    double expected = 0.0;
  };

  struct Judged {
    std::optional<Unfit> unfit;
    double score;
    double pop;
    // Of what fits alone.
    Outcome outcome{};
    std::vector<Leg> legs{};
    Price credit{};
    Money fees{};
  };

  /// Whether all that a candidate says of itself is so.
  bool tells_the_truth(const Candidate& candidate, const Judged& judged,
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

  Judged judge(const std::array<const Strike*, 4>& at) const {
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
    outcome.expected =
        in_todays_money(outcome.expected, {.discount_factor = discount(),
                                           .entry_cost = (entry + fees).value(),
                                           .shares = static_cast<double>(stock_) * multiplier_,
                                           .dividends_per_share = stock_ == 0 ? 0.0 : dividends()});
    if (outcome.gain && *outcome.gain < smallest) return {Unfit::no_profit, 0, 0};
    if (outcome.loss && *outcome.loss < smallest) return {Unfit::no_risk, 0, 0};
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
          value = outcome.expected / margin_of(at, legs, fees).value_or(Money{}).value();
          break;
        case Objective::credit:
          value = received.value();
          break;
        case Objective::return_on_risk:
          value = *outcome.gain / loss;
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

  Fitting fitting(const std::array<const Strike*, 4>& at, const Judged& judged) const {
    Fitting out{judged.score, judged.pop, index_, {}};
    for (std::size_t rung = 0; rung < rungs_; ++rung) {
      out.strikes.push_back(Price::from_units(at[rung]->units));
    }
    return out;
  }

  std::optional<std::array<const Strike*, 4>> find(std::span<const Price> strikes) const {
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

  // ---- bounds of a class ----

  /// M[w] over the box.
  double most(const Weighing& w, const Box& box) const {
    return most_of_half(lower_, 0, w, box) + most_of_half(upper_, cut_, w, box);
  }

  /// Nothing for a reason that the request does not give.
  std::optional<double> unfit_bound(Unfit why, const Box& box) const {
    const auto& constraints = request_.constraints;
    const auto last_gap = rungs_ - 2;
    std::vector<std::vector<std::pair<Weighing, double>>> ways;  // all of them; any of each
    const auto one_gap = [](std::size_t gap) { return only(gap_0 + static_cast<int>(gap)); };
    switch (why) {
      case Unfit::wings: {
        if (request_.strategy.wings == Wings::any || rungs_ < 3) return std::nullopt;
        const Weighing difference = one_gap(0) + -1.0 * one_gap(last_gap);
        if (request_.strategy.wings == Wings::equal) {
          ways = {{{difference, 0.0}}, {{-1.0 * difference, 0.0}}};
        } else {
          ways = {{{difference, -1.0}, {-1.0 * difference, -1.0}}};
        }
        break;
      }
      case Unfit::width:
        if (constraints.widths.empty()) return std::nullopt;
        for (const auto& [gap, width] : constraints.widths) {
          const auto g = static_cast<std::size_t>(gap);
          // The least and the most whole units that lie in the window.
          const double least = std::min(width.low, 1e11);
          const double most_wide = std::max(width.high, -1.0);
          const double low = std::round(least * units_per_one);
          const double high = std::round(most_wide * units_per_one);
          ways.push_back({{one_gap(g), -(low / units_per_one < least ? low + 1.0 : low)}});
          ways.push_back(
              {{-1.0 * one_gap(g), high / units_per_one > most_wide ? high - 1.0 : high}});
        }
        break;
      case Unfit::no_profit:
        if (slopes_[rungs_] > 0) return std::nullopt;
        ways.emplace_back();
        for (const auto& gain : gains()) ways.back().emplace_back(gain, -1.0);
        break;
      case Unfit::no_risk:
        if (slopes_[rungs_] < 0) return std::nullopt;
        ways.emplace_back();
        for (const auto& loss : most_losses()) ways.back().emplace_back(loss, -1.0);
        break;
      case Unfit::credit:
        if (!constraints.min_credit) return std::nullopt;
        ways = {{{only(credit), -static_cast<double>(constraints.min_credit->units())}}};
        break;
      case Unfit::max_loss:
        if (!constraints.max_loss) return std::nullopt;
        for (const auto& loss : losses()) {
          ways.push_back({{-1.0 * loss, std::floor(*constraints.max_loss * units_per_one + 1e-3)}});
        }
        break;
      case Unfit::breakevens:
        if (!distance_) return std::nullopt;
        ways = {{{only(at_low), 0.0}, {-1.0 * only(at_high), 0.0}},
                {{only(at_high), 0.0}, {-1.0 * only(at_low), 0.0}}};
        break;
      case Unfit::pop:
        return most_pop(box);
    }
    // All must hold: the first that cannot settles the class. Less than half a unit is rounding.
    double bound = infinity;
    for (const auto& any : ways) {
      double highest = -infinity;
      for (const auto& [w, constant] : any) highest = std::max(highest, most(w, box) + constant);
      if (highest < -0.5) return highest / units_per_one;
      bound = std::min(bound, highest);
    }
    return bound / units_per_one;
  }

  double score_bound(std::optional<double> threshold, const Box& box) const {
    const auto& objective = request_.objective;
    if (objective.size() == 1 && objective[0].weight == 1.0 &&
        objective[0].objective != Objective::pop) {
      if (!threshold) return infinity;
      const double t = *threshold;
      std::vector<Weighing> numerators;
      Clauses reaching = each_alone(losses());
      Clauses sinking = each_alone(most_losses());
      bool or_zero = false;
      switch (objective[0].objective) {
        case Objective::expected_profit:
          return most(only(expected), box) / units_per_one;
        case Objective::credit:
          return most(only(credit), box) / units_per_one;
        case Objective::expected_profit_on_max_loss:
          numerators = {only(expected)};
          break;
        case Objective::theta_on_max_loss:
          numerators = {only(theta)};
          break;
        case Objective::return_on_risk:
          numerators = gains();
          break;
        case Objective::expected_profit_on_margin:
          numerators = {only(expected)};
          reaching = margins(formula_.at_least);
          sinking = margins(formula_.at_most);
          or_zero = true;
          break;
        case Objective::pop:
          break;
      }
      double excess = -infinity;
      for (const auto& n : numerators) {
        std::vector<double> against;
        for (const auto& clause : t >= 0.0 ? reaching : sinking) {
          std::vector<double> each;
          for (const auto& d : clause) each.push_back(most(n + -t * d, box));
          against.push_back(t >= 0.0 ? *std::ranges::max_element(each)
                                     : *std::ranges::min_element(each));
        }
        if (or_zero) against.push_back(most(n, box));
        excess = std::max(excess, t >= 0.0 ? *std::ranges::min_element(against)
                                           : *std::ranges::max_element(against));
      }
      const double largest = most_of(sinking, box);
      return t + excess / largest;
    }

    Weighing alone, on_loss, on_margin;
    double on_risk = 0.0;
    double on_pop = 0.0;
    for (const auto& [kind, weight] : objective) {
      switch (kind) {
        case Objective::expected_profit:
          alone = alone + (weight / units_per_one) * only(expected);
          break;
        case Objective::credit:
          alone = alone + (weight / units_per_one) * only(credit);
          break;
        case Objective::expected_profit_on_max_loss:
          on_loss = on_loss + weight * only(expected);
          break;
        case Objective::theta_on_max_loss:
          on_loss = on_loss + weight * only(theta);
          break;
        case Objective::return_on_risk:
          on_risk += weight;
          break;
        case Objective::expected_profit_on_margin:
          on_margin = on_margin + weight * only(expected);
          break;
        case Objective::pop:
          on_pop += weight;
          break;
      }
    }
    double total = most(alone, box);
    const auto add = [&](double numerator, const Clauses& no_less, const Clauses& no_more) {
      double least = 1.0;
      for (const auto& clause : no_less) {
        double of_clause = infinity;
        for (const auto& d : clause) of_clause = std::min(of_clause, -most(-1.0 * d, box));
        least = std::max(least, of_clause);
      }
      total += numerator / (numerator > 0.0 ? least : most_of(no_more, box));
    };
    const auto on_losses = [&](double numerator) {
      add(numerator, each_alone(losses()), each_alone(most_losses()));
    };
    if (on_risk > 0.0) {
      double numerator = -infinity;
      for (const auto& gain : gains()) {
        numerator = std::max(numerator, most(on_loss + on_risk * gain, box));
      }
      on_losses(numerator);
    } else if (!on_loss.weights.empty()) {
      on_losses(most(on_loss, box));
    }
    if (!on_margin.weights.empty()) {
      add(most(on_margin, box), margins(formula_.at_least), margins(formula_.at_most));
    }
    if (on_pop > 0.0) total += on_pop * most_pop(box);
    return total;
  }

  double most_pop(const Box& box) const {
    if (edges_.empty()) {
      edges_ = pop_cell_edges(density_);
      for (double& edge : edges_) edge *= units_per_one;
    }
    const auto lower = most_in_cells(0, cut_, lower_, box);
    const auto upper = most_in_cells(cut_, rungs_, upper_, box);
    const double least = several() ? 0.5 * front_least_profit * units_per_one : 0.0;
    double pop = 0.0;
    double below = 0.0;
    for (std::size_t c = 0; c < edges_.size(); ++c) {
      const double to = c + 1 < edges_.size() ? density_.cdf(edges_[c + 1] / units_per_one) : 1.0;
      if (lower[c] + upper[c] > least) pop += to - below;
      below = to;
    }
    return pop;
  }

 private:
  static constexpr double smallest = 1.0 / units_per_one;  // amount of money that is one

  bool several() const { return of_.size() > 1; }
  const ExpiryChain& chain_of(int expiry) const {
    return of_[static_cast<std::size_t>(expiry)]->priced->chain;
  }
  double discount() const { return of_[0]->priced->parity.discount_factor; }
  // What a share pays until the first expiry, as of today.
  double dividends() const {
    return chain_of(0).underlying_price->value() - discount() * of_[0]->priced->parity.forward;
  }
  static std::size_t row_of(const LegShape& leg, const Strike& at) {
    return at.row[static_cast<std::size_t>(leg.expiry_rung)];
  }
  const OptionSide* side_of(const LegShape& leg, std::size_t row) const {
    const auto& at = chain_of(leg.expiry_rung).rows[row];
    const auto& side = leg.kind == LegKind::call ? at.call : at.put;
    return side ? &*side : nullptr;
  }
  const OptionAnalytics* option_of(const LegShape& leg, std::size_t row) const {
    const auto& at = of_[static_cast<std::size_t>(leg.expiry_rung)]->priced->rows[row];
    const auto& option = leg.kind == LegKind::call ? at.call : at.put;
    return option ? &*option : nullptr;
  }
  const Valuation* greeks_of(const LegShape& leg, std::size_t row) const {
    const auto* option = option_of(leg, row);
    return option != nullptr && option->greeks ? &*option->greeks : nullptr;
  }

  // What bounds the max loss from below and from above, and the max profit from above: with one
  // expiry the largest of them is the loss, or the profit, itself.
  std::vector<Weighing> losses() const {
    if (!several()) return {only(loss_1), only(loss_2)};
    std::vector<Weighing> all;
    for (std::size_t k = 0; k < samples; ++k) {
      all.push_back(-1.0 * only(sample_0 + static_cast<int>(k)));
    }
    return all;
  }
  std::vector<Weighing> most_losses() const {
    return several() ? std::vector{only(worst)} : std::vector{only(loss_1), only(loss_2)};
  }
  std::vector<Weighing> gains() const {
    return several() ? std::vector{only(best)} : std::vector{only(gain_1), only(gain_2)};
  }

  // The requirement, with what the options cost and without, and that cost.
  Clauses margins(const MarginFormula::Clauses& sums_of) const {
    Clauses all;
    if (formula_.worst_loss) {
      for (const auto& loss : losses()) all.push_back({loss + -1.0 * only(cost)});
    }
    for (const auto& clause : sums_of) {
      auto& sums = all.emplace_back();
      for (const auto s : clause) sums.push_back(only(asked_0 + static_cast<int>(s)));
    }
    for (std::size_t i = all.size(); i-- > 0;) {
      auto with_cost = all[i];
      for (auto& sum : with_cost) sum = sum + only(paid);
      all.push_back(std::move(with_cost));
    }
    all.push_back({only(paid)});
    return all;
  }

  double most_of(const Clauses& clauses, const Box& box) const {
    double largest = -infinity;
    for (const auto& clause : clauses) {
      double least = infinity;
      for (const auto& w : clause) least = std::min(least, most(w, box));
      largest = std::max(largest, least);
    }
    return largest;
  }

  /// Through the engine that pairs whole books.
  std::optional<Money> margin_of(const std::array<const Strike*, 4>& at, std::span<const Leg> legs,
                                 Money fees) const {
    for (const auto* expiry : of_) {
      if (is_adjusted_class(expiry->priced->chain.trading_class)) return std::nullopt;
    }
    const auto& price = chain_of(0).underlying_price;
    if (!price && formula_.uses_underlying_price) return std::nullopt;
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
    const auto asked = rule_requirement(book, marks,
                                        {.price = price.value_or(chain_of(0).rows.front().strike),
                                         .kind = request_.underlying_kind,
                                         .european_cash_settled = true},
                                        *rules);
    if (!asked) core::panic("no margin for a listed combination: " + asked.error().message);
    return asked->initial_required + std::max(debit, Money{});
  }

  Price mark_of(const LegShape& leg, std::size_t row) const {
    const auto* side = side_of(leg, row);
    const auto middle = side->mid();
    return middle ? *middle : *entry_price(*side, leg.quantity > 0, request_.fill);
  }

  // One contract's share of a sum, in money units.
  double asked_by(const MarginFormula::Term& term, std::size_t row) const {
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

  Outcome at_expiry(std::span<const Leg> legs, Money fees) const {
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
  Outcome under_the_model(const std::array<const Strike*, 4>& at) const {
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
    for (double& each : profit) {
      if (std::abs(each) < front_least_profit) each = 0.0;
    }
    const double tail = static_cast<double>(slopes_[rungs_]) * multiplier_;
    const auto [least, most_profit] = std::ranges::minmax_element(profit);
    Outcome out{
        .gain = *most_profit, .loss = -*least, .breakevens = {}, .pop = 0.0, .expected = profit[0]};
    if (tail > 0.0) out.gain.reset();
    if (tail < 0.0) out.loss.reset();
    double below = cdfs_[0];
    if (profit[0] > 0.0) out.pop += below;
    for (std::size_t g = 0; g < spots_.size(); ++g) {
      const bool last = g + 1 == spots_.size();
      const double to = last ? infinity : spots_[g + 1];
      const double slope = last ? tail : (profit[g + 1] - profit[g]) / (to - spots_[g]);
      out.expected += slope * (calls_[g] - (last ? 0.0 : calls_[g + 1]));
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

  bool usable(const LegShape& leg, std::size_t row) const {
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
    return of_[1]->priced->style == ExerciseStyle::european ||
           !american_[leg.kind == LegKind::call ? 0 : 1][row].empty();
  }

  void add_strike(std::size_t rung, Price price) {
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
      made.legs[worst] = -*std::ranges::min_element(curve);
      made.legs[best] = *std::ranges::max_element(curve);
      for (std::size_t k = 0; k < samples; ++k) made.legs[sample_0 + k] = curve[sampled_[k]];
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
    strikes_[rung].push_back(std::move(made));
  }

  // Of a leg of the second expiry when the first one settles at a spot, price units per share.
  double later_worth(const LegShape& leg, std::size_t row, std::size_t g) const {
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

  // Later legs that may be exercised early, at every spot: each by the boundary of its own
  // exercise, against which the table that is used for a whole chain must hold, where it covers the
  // vol.
  void price_american_legs() {
    const auto& front = *of_[0]->priced;
    const auto& back = *of_[1]->priced;
    const double years = back.years_to_expiry - front.years_to_expiry;
    const double discount = back.parity.discount_factor / front.parity.discount_factor;
    const double rate = -std::log(discount) / years;
    const double yield = rate - std::log(back.parity.forward / front.parity.forward) / years;
    for (const auto& leg : request_.strategy.legs) {
      if (leg.expiry_rung == 0) continue;
      auto& prices = american_[leg.kind == LegKind::call ? 0 : 1];
      if (!prices.empty()) continue;
      prices.resize(back.rows.size());
      const Right right = leg.kind == LegKind::call ? Right::call : Right::put;
      std::vector<std::size_t> tabled;
      std::vector<double> strikes;
      std::vector<double> vols;
      const auto table = AmericanSurface::build(right,
                                                {.spot = front.parity.forward,
                                                 .years_to_expiry = years,
                                                 .rate = rate,
                                                 .dividend_yield = yield},
                                                AmericanSurface::Rho::unwanted);
      for (std::size_t row = 0; row < back.rows.size(); ++row) {
        const auto* option = option_of(leg, row);
        const double strike = back.rows[row].strike.value();
        if (option == nullptr || !option->implied_vol || strike <= 0.0) continue;
        const double vol = *option->implied_vol;
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
        if (table && vol >= AmericanSurface::lowest_vol && vol <= AmericanSurface::highest_vol) {
          tabled.push_back(row);
          strikes.push_back(strike);
          vols.push_back(vol);
        }
      }
      if (tabled.empty()) continue;
      const ContractColumns contracts(strikes, right);
      std::vector<double> by_table(tabled.size());
      for (std::size_t g = 0; g < spots_.size(); ++g) {
        if (spots_[g] <= 0.0) continue;
        table->at_spot(spots_[g]).prices(contracts, vols, by_table);
        for (std::size_t i = 0; i < tabled.size(); ++i) {
          double& price = prices[tabled[i]][g];
          if (!(std::abs(by_table[i] - price) <= 1e-6 * std::max(strikes[i], spots_[g]))) {
            mispriced_ = "a later leg of strike " + std::to_string(strikes[i]) + " at spot " +
                         std::to_string(spots_[g]);
          }
          price = by_table[i];
        }
      }
    }
  }

  // All halves from rung `from` to `to`, by strike indices; upside down ones are nothing.
  std::vector<std::optional<Sums>> tabulate(std::size_t from, std::size_t to) const {
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

  Sums sums_of(std::size_t from, const Strike& first, const Strike* second) const {
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
      s[expected] +=
          shares * ((discount() * density_.mean() + dividends()) * units_per_one - price);
      s[at_low] += shares * (low_ - price);
      s[at_high] += shares * (high_ - price);
      if (several()) {
        double lowest = infinity;
        double highest = -infinity;
        for (std::size_t g = 0; g < spots_.size(); ++g) {
          const double profit = shares * (spots_[g] * units_per_one - price);
          lowest = std::min(lowest, profit);
          highest = std::max(highest, profit);
        }
        s[worst] -= lowest;
        s[best] += highest;
        for (std::size_t k = 0; k < samples; ++k) {
          s[sample_0 + k] += shares * (spots_[sampled_[k]] * units_per_one - price);
        }
      }
    }
    if (several()) return s;
    if (from == 0) {
      const double handed =
          cut_ < rungs_ ? rises.back() - slope(cut_) * strike(*last) : rises.back();
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

  template <class See>
  void each_half(const std::vector<std::optional<Sums>>& table, std::size_t from, const Box& box,
                 const See& see) const {
    const std::size_t to = from == 0 ? cut_ : rungs_;
    if (to == from) {
      see(*table[0], std::size_t{0}, std::size_t{0});
      return;
    }
    for (std::size_t i = box[from].first; i < box[from].second; ++i) {
      if (to - from == 1) {
        see(*table[i], i, i);
        continue;
      }
      for (std::size_t j = box[from + 1].first; j < box[from + 1].second; ++j) {
        const auto& s = table[i * strikes_[from + 1].size() + j];
        if (s) see(*s, i, j);
      }
    }
  }

  double most_of_half(const std::vector<std::optional<Sums>>& table, std::size_t from,
                      const Weighing& w, const Box& box) const {
    double best = -infinity;
    each_half(table, from, box,
              [&](const Sums& s, std::size_t, std::size_t) { best = std::max(best, w.of(s)); });
    return best;
  }

  std::vector<double> most_in_cells(std::size_t from, std::size_t to,
                                    const std::vector<std::optional<Sums>>& table,
                                    const Box& box) const {
    std::vector<double> most(edges_.size(), from == to ? 0.0 : -infinity);
    if (from == to) return most;
    double tail = 0.0;
    for (const auto& leg : request_.strategy.legs) {
      const auto rung = static_cast<std::size_t>(leg.rung);
      if (leg.kind == LegKind::stock && from == 0) tail += leg.quantity;
      if (leg.kind == LegKind::call && rung >= from && rung < to) tail += leg.quantity;
    }
    each_half(table, from, box, [&](const Sums&, std::size_t i, std::size_t j) {
      std::array<const Strike*, 2> at{&strikes_[from][i],
                                      to - from == 2 ? &strikes_[from + 1][j] : nullptr};
      // What the half's own legs are worth: stock, puts below their strikes, calls above theirs.
      const auto profit = [&](double spot) {
        double total = from == 0 && stock_ != 0
                           ? static_cast<double>(stock_) * multiplier_ *
                                 (spot - static_cast<double>(chain_of(0).underlying_price->units()))
                           : 0.0;
        for (const auto& leg : request_.strategy.legs) {
          const auto rung = static_cast<std::size_t>(leg.rung);
          if (leg.kind == LegKind::stock || rung < from || rung >= to) continue;
          const double strike = static_cast<double>(at[rung - from]->units);
          total += static_cast<double>(leg.quantity) * multiplier_ *
                   std::max(leg.kind == LegKind::call ? spot - strike : strike - spot, 0.0);
        }
        for (const Strike* strike : at) total -= strike != nullptr ? strike->legs[cost] : 0.0;
        return total;
      };
      const auto raise = [&](double spot, double value) {
        for (std::size_t c = 0; c < edges_.size(); ++c) {
          const double end = c + 1 < edges_.size() ? edges_[c + 1] : infinity;
          if (spot >= edges_[c] && spot <= end) most[c] = std::max(most[c], value);
        }
      };
      if (several()) {
        std::size_t c = 0;
        for (std::size_t g = 0; g < spots_.size(); ++g) {
          const double spot = spots_[g] * units_per_one;
          double value =
              from == 0 && stock_ != 0
                  ? static_cast<double>(stock_) * multiplier_ *
                        (spot - static_cast<double>(chain_of(0).underlying_price->units()))
                  : 0.0;
          for (const Strike* strike : at) value += strike != nullptr ? strike->curve[g] : 0.0;
          while (c + 1 < edges_.size() && edges_[c + 1] < spot) ++c;
          for (std::size_t k = c; k < edges_.size() && edges_[k] <= spot; ++k) {
            most[k] = std::max(most[k], value);
          }
        }
      } else {
        for (std::size_t c = 0; c < edges_.size(); ++c) {
          const double value = profit(edges_[c]);
          most[c] = std::max(most[c], value);
          if (c > 0) most[c - 1] = std::max(most[c - 1], value);
        }
        for (const Strike* strike : at) {
          if (strike != nullptr) {
            raise(static_cast<double>(strike->units), profit(static_cast<double>(strike->units)));
          }
        }
      }
      if (tail > 0.0) most.back() = infinity;
    });
    return most;
  }

  template <class See>
  void descend(const Box& box, std::size_t rung, std::array<const Strike*, 4>& at,
               const See& see) const {
    if (rung == rungs_) {
      see(at);
      return;
    }
    for (std::size_t i = box[rung].first; i < box[rung].second; ++i) {
      at[rung] = &strikes_[rung][i];
      if (rung > 0 && at[rung]->units <= at[rung - 1]->units) continue;
      descend(box, rung + 1, at, see);
    }
  }

  const SearchRequest& request_;
  std::size_t index_;
  const Density& density_;               // of the first expiry
  std::vector<const SearchExpiry*> of_;  // by expiry rung
  int multiplier_ = 0;
  MarginFormula formula_;
  std::vector<double> spots_;  // of the model of later legs, currency
  std::vector<double> calls_;  // of the density there
  std::vector<double> cdfs_;
  std::vector<std::size_t> sampled_;
  // Calls first, by row of the later chain, then spot; per share. No spots: there is no price.
  std::array<std::vector<std::vector<double>>, 2> american_;
  std::optional<std::string> mispriced_;
  std::size_t rungs_ = 0;
  std::size_t cut_ = 0;
  std::int64_t stock_ = 0;
  std::vector<std::int64_t> slopes_;
  double spot_ = 0.0;
  std::optional<double> distance_;
  double low_ = 0.0;
  double high_ = 0.0;
  std::vector<std::vector<Strike>> strikes_;
  std::vector<std::optional<Sums>> lower_;
  std::vector<std::optional<Sums>> upper_;
  mutable std::vector<double> edges_;
};

// Whether no two boxes meet, for boxes that come of cutting a box in two again and again: somewhere
// all of them lie on one side of a cut.
bool apart(std::span<Box> boxes, std::size_t rungs) {
  if (boxes.size() < 2) return true;
  for (std::size_t rung = 0; rung < rungs; ++rung) {
    std::ranges::sort(boxes, {}, [rung](const Box& box) { return box[rung].first; });
    std::vector<std::size_t> starts{0};
    std::size_t reach = boxes[0][rung].second;
    for (std::size_t i = 1; i < boxes.size(); ++i) {
      if (boxes[i][rung].first >= reach) starts.push_back(i);
      reach = std::max(reach, boxes[i][rung].second);
    }
    if (starts.size() == 1) continue;
    for (std::size_t k = 0; k < starts.size(); ++k) {
      const std::size_t end = k + 1 < starts.size() ? starts[k + 1] : boxes.size();
      if (!apart(boxes.subspan(starts[k], end - starts[k]), rungs)) return false;
    }
    return true;
  }
  return false;
}

}  // namespace

std::vector<double> pop_cell_edges(const Density& density) {
  constexpr int tail = 24;
  constexpr int middle = 47;
  constexpr double outermost = 1e-8;
  constexpr double edge_of_tail = 0.02;
  std::vector<double> levels;
  for (int i = 0; i < tail; ++i) {
    levels.push_back(outermost * std::pow(edge_of_tail / outermost, i / double{tail}));
  }
  for (int i = 0; i < middle; ++i) {
    levels.push_back(edge_of_tail + (1.0 - 2.0 * edge_of_tail) * i / (middle - 1.0));
  }
  for (int i = tail; i-- > 0;) levels.push_back(1.0 - levels[static_cast<std::size_t>(i)]);
  std::vector<double> edges{0.0};
  for (const double level : levels)
    edges.push_back(std::max(density.quantile(level), edges.back()));
  return edges;
}

std::string_view to_string(CertificateFlaw flaw) {
  switch (flaw) {
    case CertificateFlaw::none_given:
      return "none_given";
    case CertificateFlaw::boards:
      return "boards";
    case CertificateFlaw::later_legs:
      return "later_legs";
    case CertificateFlaw::classes_overlap:
      return "classes_overlap";
    case CertificateFlaw::class_count:
      return "class_count";
    case CertificateFlaw::total_count:
      return "total_count";
    case CertificateFlaw::class_bound:
      return "class_bound";
    case CertificateFlaw::class_end:
      return "class_end";
    case CertificateFlaw::threshold:
      return "threshold";
    case CertificateFlaw::candidate_unfit:
      return "candidate_unfit";
    case CertificateFlaw::candidate_numbers:
      return "candidate_numbers";
    case CertificateFlaw::candidate_order:
      return "candidate_order";
    case CertificateFlaw::candidate_missing:
      return "candidate_missing";
  }
  return "unknown";
}

tl::expected<CertificateCheck, CertificateRefusal> verify_certificate(
    const SearchRequest& request, std::span<const SearchExpiry> expiries,
    const FinderResult& result) {
  if (!result.certificate) {
    return refuse(CertificateFlaw::none_given, std::nullopt, "the result has no certificate");
  }
  const auto& certificate = *result.certificate;
  const auto& constraints = request.constraints;

  // The boards that had to be searched, and what they hold.
  std::vector<std::vector<std::size_t>> wanted;
  const auto in_window = [&](const SearchExpiry& expiry) {
    return expiry.days_to_expiry >=
               constraints.min_days_to_expiry.value_or(std::numeric_limits<int>::min()) &&
           expiry.days_to_expiry <=
               constraints.max_days_to_expiry.value_or(std::numeric_limits<int>::max());
  };
  for (std::size_t i = 0; i < expiries.size(); ++i) {
    if (!in_window(expiries[i])) continue;
    if (expiry_count(request.strategy) == 1) wanted.push_back({i});
    for (std::size_t j = i + 1; j < expiries.size() && expiry_count(request.strategy) == 2; ++j) {
      if (in_window(expiries[j]) &&
          expiries[i].priced->years_to_expiry < expiries[j].priced->years_to_expiry &&
          expiries[i].priced->chain.multiplier == expiries[j].priced->chain.multiplier) {
        wanted.push_back({i, j});
      }
    }
  }
  if (certificate.boards.size() != wanted.size()) {
    return refuse(CertificateFlaw::boards, std::nullopt, "more or fewer expiries than searched");
  }
  std::vector<BoardCheck> boards;
  boards.reserve(wanted.size());
  CertificateCheck check{.combinations = 0, .judged = 0, .classes = certificate.classes.size()};
  for (std::size_t b = 0; b < wanted.size(); ++b) {
    if (certificate.boards[b].expiries != wanted[b]) {
      return refuse(CertificateFlaw::boards, b, "another expiry than searched");
    }
    boards.emplace_back(request, expiries, wanted[b], b);
    if (const auto& what = boards[b].mispriced()) {
      return refuse(CertificateFlaw::later_legs, b, *what);
    }
    const std::int64_t held = boards[b].count(boards[b].whole());
    if (held != certificate.boards[b].combinations) {
      return refuse(CertificateFlaw::total_count, b, "a board of another number of combinations");
    }
    check.combinations += held;
  }
  if (check.combinations != certificate.combinations || check.combinations != result.combinations ||
      certificate.visited + certificate.pruned != certificate.combinations) {
    return refuse(CertificateFlaw::total_count, std::nullopt,
                  "visited and pruned are not all combinations");
  }

  // The candidates, by themselves.
  std::vector<Fitting> listed;
  for (std::size_t c = 0; c < result.candidates.size(); ++c) {
    const auto& candidate = result.candidates[c];
    const auto board = std::ranges::find(wanted, candidate.expiries);
    std::vector<Price> strikes(static_cast<std::size_t>(rung_count(request.strategy)));
    if (candidate.legs.size() != request.strategy.legs.size()) {
      return refuse(CertificateFlaw::candidate_numbers, c, "other legs than the strategy's");
    }
    for (std::size_t l = 0; l < candidate.legs.size(); ++l) {
      const int rung = request.strategy.legs[l].rung;
      if (rung >= 0) strikes[static_cast<std::size_t>(rung)] = candidate.legs[l].leg.strike;
    }
    if (board == wanted.end()) {
      return refuse(CertificateFlaw::candidate_numbers, c, "an expiry that was not searched");
    }
    const auto& on = boards[static_cast<std::size_t>(board - wanted.begin())];
    const auto at = on.find(strikes);
    if (!at) return refuse(CertificateFlaw::candidate_unfit, c, "a leg that cannot be used");
    const auto judged = on.judge(*at);
    if (judged.unfit) {
      return refuse(CertificateFlaw::candidate_unfit, c,
                    "breaks a constraint: " + std::string{to_string(*judged.unfit)});
    }
    if (!close_to(judged.score, candidate.score)) {
      return refuse(CertificateFlaw::candidate_numbers, c, "another score than its own");
    }
    if (!on.tells_the_truth(candidate, judged, *at)) {
      return refuse(CertificateFlaw::candidate_numbers, c, "other numbers than its own");
    }
    auto fitting = on.fitting(*at, judged);
    // As ranked, so that the last bit of a score does not decide here.
    fitting.score = candidate.score;
    fitting.pop = candidate.pop;
    if (!listed.empty() && listed.back().key() >= fitting.key()) {
      return refuse(CertificateFlaw::candidate_order, c, "not after the one before it");
    }
    listed.push_back(std::move(fitting));
  }
  const bool full = listed.size() == request.keep;
  if (listed.size() > request.keep || full != certificate.threshold.has_value() ||
      (full && *certificate.threshold != listed.back().score)) {
    return refuse(CertificateFlaw::threshold, std::nullopt,
                  "the threshold is not the last candidate's score");
  }

  // The classes: apart, of the right size, and each settled.
  std::vector<std::vector<Box>> boxes(boards.size());
  std::vector<std::int64_t> held(boards.size(), 0);
  std::int64_t visited = 0;
  std::vector<bool> seen(listed.size(), false);
  for (std::size_t k = 0; k < certificate.classes.size(); ++k) {
    const auto& claim = certificate.classes[k];
    if (claim.board >= boards.size()) {
      return refuse(CertificateFlaw::boards, k, "a class of no board");
    }
    const auto& board = boards[claim.board];
    const auto box = board.box_of(claim);
    if (!box || board.count(*box) != claim.combinations) {
      return refuse(CertificateFlaw::class_count, k, "not as many combinations as it says");
    }
    boxes[claim.board].push_back(*box);
    held[claim.board] += claim.combinations;
    std::optional<double> bound;
    switch (claim.end) {
      case CertificateClass::End::bounded:
        bound = board.score_bound(certificate.threshold, *box);
        if (!certificate.threshold || !(claim.bound < *certificate.threshold)) {
          return refuse(CertificateFlaw::class_bound, k, "does not stay below the threshold");
        }
        break;
      case CertificateClass::End::unfit: {
        if (!claim.why) return refuse(CertificateFlaw::class_end, k, "unfit without a reason");
        bound = board.unfit_bound(*claim.why, *box);
        if (!bound) return refuse(CertificateFlaw::class_end, k, "a constraint nobody asked for");
        const double limit = *claim.why == Unfit::pop ? constraints.min_pop : 0.0;
        if (!(claim.bound < limit)) {
          return refuse(CertificateFlaw::class_bound, k,
                        "does not keep the constraint from holding");
        }
        break;
      }
      case CertificateClass::End::visited: {
        visited += claim.combinations;
        std::optional<CertificateRefusal> wrong;
        board.each(*box, [&](const auto& at) {
          ++check.judged;
          const auto judged = board.judge(at);
          if (judged.unfit || wrong) return;
          auto fitting = board.fitting(at, judged);
          const auto known = std::ranges::find_if(listed, [&](const Fitting& other) {
            return other.board == fitting.board && other.strikes == fitting.strikes;
          });
          if (known != listed.end()) {
            seen[static_cast<std::size_t>(known - listed.begin())] = true;
            return;
          }
          // A tie in the last bits is decided by what is exact: such a one may not be on the list.
          const bool tied = full && close_to(fitting.score, listed.back().score) &&
                            fitting.score != listed.back().score;
          if (!full || (!tied && fitting.key() < listed.back().key())) {
            wrong = CertificateRefusal{CertificateFlaw::candidate_missing, k,
                                       "a combination that belongs on the list is not there"};
          }
        });
        if (wrong) return tl::unexpected{*wrong};
        break;
      }
    }
    // Bounds from single precision lie above; others are what the chains give.
    const bool by_pop =
        claim.why == Unfit::pop || std::ranges::any_of(request.objective, [](const auto& part) {
          return part.objective == Objective::pop;
        });
    if (bound && (by_pop && claim.bound > *bound ? false : !close_to(claim.bound, *bound))) {
      return refuse(CertificateFlaw::class_bound, k, "not the bound that the chains give");
    }
  }
  if (visited != certificate.visited) {
    return refuse(CertificateFlaw::total_count, std::nullopt,
                  "another number visited than it says");
  }
  for (std::size_t b = 0; b < boards.size(); ++b) {
    if (!apart(boxes[b], boards[b].rungs())) {
      return refuse(CertificateFlaw::classes_overlap, b, "classes that share combinations");
    }
    if (held[b] != certificate.boards[b].combinations) {
      return refuse(CertificateFlaw::total_count, b, "classes that do not hold every combination");
    }
  }
  for (std::size_t c = 0; c < listed.size(); ++c) {
    if (!seen[c]) {
      return refuse(CertificateFlaw::candidate_missing, c, "a candidate from a class not visited");
    }
  }
  return check;
}

}  // namespace bifrost::analysis
