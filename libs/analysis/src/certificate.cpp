// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

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

/// What one half, or a combination, adds up to. Money in units, strikes and credit in price units.
struct Sums {
  double cost = 0, credit = 0, expected = 0, theta = 0;
  double loss_1 = 0, loss_2 = 0, gain_1 = 0, gain_2 = 0;
  std::array<double, 3> gaps{};
  double at_low = 0, at_high = 0;
  double origin = 0;
};

struct Strike {
  std::int64_t units;
  std::size_t row;
  Sums legs;  // cost, credit, expected, theta, profits at spots
};

// A weighing of sums whose largest value over a class is asked for.
struct Weighing {
  double expected = 0, theta = 0, credit = 0, cost = 0;
  double loss_1 = 0, loss_2 = 0, gain_1 = 0, gain_2 = 0;
  double gap[3] = {0, 0, 0};
  double at_low = 0, at_high = 0;

  double of(const Sums& s) const {
    return expected * s.expected + theta * s.theta + credit * s.credit + cost * s.cost +
           loss_1 * s.loss_1 + loss_2 * s.loss_2 + gain_1 * s.gain_1 + gain_2 * s.gain_2 +
           gap[0] * s.gaps[0] + gap[1] * s.gaps[1] + gap[2] * s.gaps[2] + at_low * s.at_low +
           at_high * s.at_high;
  }
  friend Weighing operator+(Weighing a, const Weighing& b) {
    a.expected += b.expected;
    a.theta += b.theta;
    a.credit += b.credit;
    a.cost += b.cost;
    a.loss_1 += b.loss_1;
    a.loss_2 += b.loss_2;
    a.gain_1 += b.gain_1;
    a.gain_2 += b.gain_2;
    for (int i = 0; i < 3; ++i) a.gap[i] += b.gap[i];
    a.at_low += b.at_low;
    a.at_high += b.at_high;
    return a;
  }
  friend Weighing operator*(double by, const Weighing& b) {
    Weighing a;
    a.expected = by * b.expected;
    a.theta = by * b.theta;
    a.credit = by * b.credit;
    a.cost = by * b.cost;
    a.loss_1 = by * b.loss_1;
    a.loss_2 = by * b.loss_2;
    a.gain_1 = by * b.gain_1;
    a.gain_2 = by * b.gain_2;
    for (int i = 0; i < 3; ++i) a.gap[i] = by * b.gap[i];
    a.at_low = by * b.at_low;
    a.at_high = by * b.at_high;
    return a;
  }
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
  BoardCheck(const SearchRequest& request, const SearchExpiry& expiry, std::size_t index)
      : request_(request), expiry_(expiry), chain_(expiry.priced->chain), index_(index) {
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
    if (chain_.underlying_price) spot_ = chain_.underlying_price->value();
    if (request.constraints.breakevens) {
      const auto& asked = *request.constraints.breakevens;
      distance_ = spot_ * (asked.unit == BreakevenDistance::Unit::percent
                               ? asked.distance / 100.0
                               : asked.distance * expiry.priced->atm_implied_vol.value_or(0.0) *
                                     std::sqrt(expiry.priced->years_to_expiry));
      low_ = std::max(std::ceil((spot_ - *distance_) * units_per_one), 0.0);
      high_ = std::floor((spot_ + *distance_) * units_per_one);
    }
    strikes_.resize(rungs_);
    for (std::size_t rung = 0; rung < rungs_; ++rung) {
      for (std::size_t row = 0; row < chain_.rows.size(); ++row) add_strike(rung, row);
    }
    lower_ = tabulate(0, cut_);
    upper_ = tabulate(cut_, rungs_);
  }

  std::size_t rungs() const { return rungs_; }

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

  struct Judged {
    std::optional<Unfit> unfit;
    double score;
    double pop;
  };

  Judged judge(const std::array<const Strike*, 4>& at) const {
    const auto& constraints = request_.constraints;
    const auto price_of = [&](std::size_t rung) { return chain_.rows[at[rung]->row].strike; };
    if (request_.strategy.wings != Wings::any) {
      std::vector<Price> strikes;
      for (std::size_t rung = 0; rung < rungs_; ++rung) strikes.push_back(price_of(rung));
      if (!strikes_fit(request_.strategy, strikes)) return {Unfit::wings, 0, 0};
    }
    for (const auto& [gap, width] : constraints.widths) {
      const auto g = static_cast<std::size_t>(gap);
      if (!width.holds((price_of(g + 1) - price_of(g)).value())) return {Unfit::width, 0, 0};
    }
    std::vector<Leg> legs;
    std::int64_t contracts = 0;
    Money paid;
    Price credit;
    double theta = 0.0;
    for (const auto& shape : request_.strategy.legs) {
      Leg leg{.kind = shape.kind, .quantity = shape.quantity, .strike = {}, .entry_price = {}};
      if (shape.kind == LegKind::stock) {
        leg.quantity *= chain_.multiplier;
        leg.entry_price = *chain_.underlying_price;
        leg.multiplier = 1;
      } else {
        const auto& row = chain_.rows[at[static_cast<std::size_t>(shape.rung)]->row];
        const auto& side = shape.kind == LegKind::call ? row.call : row.put;
        leg.strike = row.strike;
        leg.entry_price = *entry_price(*side, shape.quantity > 0, request_.fill);
        leg.multiplier = chain_.multiplier;
        credit = credit - leg.entry_price * shape.quantity;
        contracts += std::abs(std::int64_t{shape.quantity});
        if (const auto* greeks = greeks_of(shape, at[static_cast<std::size_t>(shape.rung)]->row)) {
          theta += greeks->theta * shape.quantity * chain_.multiplier;
        }
      }
      paid = paid + leg.entry_price * (leg.quantity * leg.multiplier);
      legs.push_back(leg);
    }
    const Money fees = request_.fee_per_contract * contracts;
    const auto payoff = payoff_at_expiry(legs, fees);
    if (!payoff) core::panic("a listed combination has no payoff: " + payoff.error().message);
    if (payoff->max_profit && *payoff->max_profit <= Money{}) return {Unfit::no_profit, 0, 0};
    if (payoff->max_loss && *payoff->max_loss <= Money{}) return {Unfit::no_risk, 0, 0};
    if (constraints.min_credit && credit < *constraints.min_credit) return {Unfit::credit, 0, 0};
    if (constraints.max_loss &&
        (!payoff->max_loss || payoff->max_loss->value() > *constraints.max_loss)) {
      return {Unfit::max_loss, 0, 0};
    }
    if (distance_) {
      for (const double breakeven : payoff->breakevens) {
        if (std::abs(breakeven - spot_) < *distance_) return {Unfit::breakevens, 0, 0};
      }
    }
    const double pop = probability_of_profit(*payoff, *expiry_.density);
    if (pop < constraints.min_pop - 1e-12) return {Unfit::pop, 0, pop};

    const double expected = expected_profit(*payoff, *expiry_.density);
    const double loss = payoff->max_loss ? payoff->max_loss->value() : infinity;
    const Money entry = paid + fees;
    double score = 0.0;
    for (const auto& [objective, weight] : request_.objective) {
      double value = 0.0;
      switch (objective) {
        case Objective::expected_profit:
          value = expected;
          break;
        case Objective::expected_profit_on_max_loss:
          value = expected / loss;
          break;
        case Objective::expected_profit_on_margin:
          value = expected /
                  (std::max(loss - entry.value(), 0.0) + std::max(entry.value(), 0.0));
          break;
        case Objective::credit:
          value = credit.value();
          break;
        case Objective::return_on_risk:
          value = payoff->max_profit->value() / loss;
          break;
        case Objective::pop:
          value = pop;
          break;
        case Objective::theta_on_max_loss:
          value = theta / loss;
          break;
      }
      score += weight * value;
    }
    return {std::nullopt, score, pop};
  }

  Fitting fitting(const std::array<const Strike*, 4>& at, const Judged& judged) const {
    Fitting out{judged.score, judged.pop, index_, {}};
    for (std::size_t rung = 0; rung < rungs_; ++rung) {
      out.strikes.push_back(chain_.rows[at[rung]->row].strike);
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
    const auto one_gap = [](std::size_t gap) {
      Weighing w;
      w.gap[gap] = 1.0;
      return w;
    };
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
          const double low = std::round(width.low * units_per_one);
          const double high = std::round(width.high * units_per_one);
          ways.push_back({{one_gap(g), -(low / units_per_one < width.low ? low + 1.0 : low)}});
          ways.push_back(
              {{-1.0 * one_gap(g), high / units_per_one > width.high ? high - 1.0 : high}});
        }
        break;
      case Unfit::no_profit: {
        if (slopes_[rungs_] > 0) return std::nullopt;
        Weighing one, two;
        one.gain_1 = 1.0;
        two.gain_2 = 1.0;
        ways = {{{one, -1.0}, {two, -1.0}}};
        break;
      }
      case Unfit::no_risk: {
        if (slopes_[rungs_] < 0) return std::nullopt;
        Weighing one, two;
        one.loss_1 = 1.0;
        two.loss_2 = 1.0;
        ways = {{{one, -1.0}, {two, -1.0}}};
        break;
      }
      case Unfit::credit: {
        if (!constraints.min_credit) return std::nullopt;
        Weighing w;
        w.credit = 1.0;
        ways = {{{w, -static_cast<double>(constraints.min_credit->units())}}};
        break;
      }
      case Unfit::max_loss: {
        if (!constraints.max_loss) return std::nullopt;
        Weighing one, two;
        one.loss_1 = -1.0;
        two.loss_2 = -1.0;
        const double most_loss = std::floor(*constraints.max_loss * units_per_one + 1e-3);
        ways = {{{one, most_loss}}, {{two, most_loss}}};
        break;
      }
      case Unfit::breakevens: {
        if (!distance_) return std::nullopt;
        Weighing low, high;
        low.at_low = 1.0;
        high.at_high = 1.0;
        ways = {{{low, 0.0}, {-1.0 * high, 0.0}}, {{high, 0.0}, {-1.0 * low, 0.0}}};
        break;
      }
      case Unfit::pop:
        return most_pop(box);
    }
    // The class claims one of the conditions: any that fails settles it, the first that does.
    double bound = infinity;
    for (const auto& any : ways) {
      double best = -infinity;
      for (const auto& [w, constant] : any) best = std::max(best, most(w, box) + constant);
      if (best < 0.0) return best / units_per_one;
      bound = std::min(bound, best);
    }
    return bound / units_per_one;
  }

  double score_bound(std::optional<double> threshold, const Box& box) const {
    Weighing expected, theta, credit, cost, loss_1, loss_2, gain_1, gain_2;
    expected.expected = 1.0;
    theta.theta = 1.0;
    credit.credit = 1.0;
    cost.cost = 1.0;
    loss_1.loss_1 = 1.0;
    loss_2.loss_2 = 1.0;
    gain_1.gain_1 = 1.0;
    gain_2.gain_2 = 1.0;
    const std::vector<Weighing> losses{loss_1, loss_2};
    const std::vector<Weighing> margins{loss_1, loss_2, loss_1 + -1.0 * cost, loss_2 + -1.0 * cost,
                                        cost};
    const auto& objective = request_.objective;
    if (objective.size() == 1 && objective[0].weight == 1.0 &&
        objective[0].objective != Objective::pop) {
      if (!threshold) return infinity;
      const double t = *threshold;
      std::vector<Weighing> numerators;
      std::vector<Weighing> denominators;
      bool or_zero = false;
      switch (objective[0].objective) {
        case Objective::expected_profit:
          return most(expected, box) / units_per_one;
        case Objective::credit:
          return most(credit, box) / units_per_one;
        case Objective::expected_profit_on_max_loss:
          numerators = {expected};
          denominators = losses;
          break;
        case Objective::theta_on_max_loss:
          numerators = {theta};
          denominators = losses;
          break;
        case Objective::return_on_risk:
          numerators = {gain_1, gain_2};
          denominators = losses;
          break;
        case Objective::expected_profit_on_margin:
          numerators = {expected};
          denominators = margins;
          or_zero = true;
          break;
        case Objective::pop:
          break;
      }
      double excess = -infinity;
      for (const auto& n : numerators) {
        std::vector<double> against;
        for (const auto& d : denominators) against.push_back(most(n + -t * d, box));
        if (or_zero) against.push_back(most(n, box));
        excess = std::max(excess, t >= 0.0 ? *std::ranges::min_element(against)
                                           : *std::ranges::max_element(against));
      }
      double largest = -infinity;
      for (const auto& d : denominators) largest = std::max(largest, most(d, box));
      return t + excess / largest;
    }

    Weighing alone, on_loss, on_margin;
    bool any_on_loss = false;
    bool any_on_margin = false;
    double on_risk = 0.0;
    double on_pop = 0.0;
    for (const auto& [kind, weight] : objective) {
      switch (kind) {
        case Objective::expected_profit:
          alone = alone + (weight / units_per_one) * expected;
          break;
        case Objective::credit:
          alone = alone + (weight / units_per_one) * credit;
          break;
        case Objective::expected_profit_on_max_loss:
          on_loss = on_loss + weight * expected;
          any_on_loss = true;
          break;
        case Objective::theta_on_max_loss:
          on_loss = on_loss + weight * theta;
          any_on_loss = true;
          break;
        case Objective::return_on_risk:
          on_risk += weight;
          break;
        case Objective::expected_profit_on_margin:
          on_margin = on_margin + weight * expected;
          any_on_margin = true;
          break;
        case Objective::pop:
          on_pop += weight;
          break;
      }
    }
    double total = most(alone, box);
    const auto add = [&](double numerator, const std::vector<Weighing>& denominators) {
      double largest = -infinity;
      double least = 1.0;
      for (const auto& d : denominators) {
        largest = std::max(largest, most(d, box));
        least = std::max(least, -most(-1.0 * d, box));
      }
      total += numerator / (numerator > 0.0 ? least : largest);
    };
    if (on_risk > 0.0) {
      add(std::max(most(on_loss + on_risk * gain_1, box), most(on_loss + on_risk * gain_2, box)),
          losses);
    } else if (any_on_loss) {
      add(most(on_loss, box), losses);
    }
    if (any_on_margin) add(most(on_margin, box), margins);
    if (on_pop > 0.0) total += on_pop * most_pop(box);
    return total;
  }

  double most_pop(const Box& box) const {
    if (edges_.empty()) {
      edges_ = pop_cell_edges(*expiry_.density);
      for (double& edge : edges_) edge *= units_per_one;
    }
    const auto lower = most_in_cells(0, cut_, lower_, box);
    const auto upper = most_in_cells(cut_, rungs_, upper_, box);
    double pop = 0.0;
    double below = 0.0;
    for (std::size_t c = 0; c < edges_.size(); ++c) {
      const double to = c + 1 < edges_.size()
                            ? expiry_.density->cdf(edges_[c + 1] / units_per_one)
                            : 1.0;
      if (lower[c] + upper[c] > 0.0) pop += to - below;
      below = to;
    }
    return pop;
  }

 private:
  const Valuation* greeks_of(const LegShape& leg, std::size_t row) const {
    const auto& at = expiry_.priced->rows[row];
    const auto& option = leg.kind == LegKind::call ? at.call : at.put;
    return option && option->greeks ? &*option->greeks : nullptr;
  }

  bool usable(const LegShape& leg, std::size_t row) const {
    const auto& constraints = request_.constraints;
    const auto& at = chain_.rows[row];
    const auto& side = leg.kind == LegKind::call ? at.call : at.put;
    if (at.strike <= Price{} || !side) return false;
    const bool bought = leg.quantity > 0;
    if (!entry_price(*side, bought, request_.fill)) return false;
    if (constraints.sell_out_of_the_money && !bought) {
      const double moneyness = expiry_.priced->parity.forward - at.strike.value();
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
      if ((side->ask->value() - side->bid->value()) >
          *constraints.max_spread_share * middle->value() + 1e-12) {
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
    return !decays || greeks != nullptr;
  }

  void add_strike(std::size_t rung, std::size_t row) {
    Strike made{.units = chain_.rows[row].strike.units(), .row = row, .legs = {}};
    const double strike = static_cast<double>(made.units);
    const double mean = expiry_.density->mean() * units_per_one;
    for (const auto& leg : request_.strategy.legs) {
      if (leg.kind == LegKind::stock || leg.rung != static_cast<int>(rung)) continue;
      if (!usable(leg, row)) return;
      const auto& side =
          leg.kind == LegKind::call ? chain_.rows[row].call : chain_.rows[row].put;
      const auto price = static_cast<double>(
          entry_price(*side, leg.quantity > 0, request_.fill)->units());
      const double shares = static_cast<double>(leg.quantity) * chain_.multiplier;
      const double fee = std::abs(leg.quantity) *
                         static_cast<double>(request_.fee_per_contract.units());
      const auto worth = [&](double spot) {
        return std::max(leg.kind == LegKind::call ? spot - strike : strike - spot, 0.0);
      };
      const double call = expiry_.density->call(strike / units_per_one) * units_per_one;
      const double fair = leg.kind == LegKind::call ? call : call - mean + strike;
      made.legs.cost += shares * price + fee;
      made.legs.credit -= leg.quantity * price;
      made.legs.expected += shares * (fair - price) - fee;
      made.legs.origin += shares * (worth(0.0) - price) - fee;
      made.legs.at_low += shares * (worth(low_) - price) - fee;
      made.legs.at_high += shares * (worth(high_) - price) - fee;
      if (const auto* greeks = greeks_of(leg, row)) {
        made.legs.theta += shares * units_per_one * greeks->theta;
      }
    }
    strikes_[rung].push_back(made);
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
    const auto slope = [&](std::size_t i) {
      return static_cast<double>(slopes_[i]) * chain_.multiplier;
    };
    const auto stand_on = [&](std::size_t rung, const Strike& at) {
      if (rung > 0) s.gaps[rung - 1] += strike(at);
      if (rung + 1 < rungs_) s.gaps[rung] -= strike(at);
    };
    stand_on(from, first);
    std::vector<double> rises{slope(from) * strike(first)};
    const Strike* last = &first;
    if (second != nullptr) {
      const Sums& t = second->legs;
      s.cost += t.cost;
      s.credit += t.credit;
      s.expected += t.expected;
      s.theta += t.theta;
      s.origin += t.origin;
      s.at_low += t.at_low;
      s.at_high += t.at_high;
      stand_on(from + 1, *second);
      rises.push_back(rises[0] + slope(from + 1) * (strike(*second) - strike(first)));
      last = second;
    }
    if (from == 0) {
      if (stock_ != 0) {
        const double shares = static_cast<double>(stock_) * chain_.multiplier;
        const auto price = static_cast<double>(chain_.underlying_price->units());
        s.cost += shares * price;
        s.origin -= shares * price;
        s.expected += shares * (expiry_.density->mean() * units_per_one - price);
        s.at_low += shares * (low_ - price);
        s.at_high += shares * (high_ - price);
      }
      const double handed =
          cut_ < rungs_ ? rises.back() - slope(cut_) * strike(*last) : rises.back();
      rises.push_back(0.0);
      s.loss_1 = -s.origin - *std::ranges::min_element(rises);
      s.gain_1 = s.origin + *std::ranges::max_element(rises);
      s.loss_2 = -s.origin - handed;
      s.gain_2 = s.origin + handed;
    } else {
      s.loss_1 = -s.origin;
      s.gain_1 = s.origin;
      s.loss_2 = -s.origin - *std::ranges::min_element(rises);
      s.gain_2 = s.origin + *std::ranges::max_element(rises);
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
    each_half(table, from, box, [&](const Sums& s, std::size_t, std::size_t) {
      best = std::max(best, w.of(s));
    });
    return best;
  }

  std::vector<double> most_in_cells(std::size_t from, std::size_t to,
                                    const std::vector<std::optional<Sums>>& table,
                                    const Box& box) const {
    std::vector<double> most(edges_.size(), from == to ? 0.0 : -infinity);
    if (from == to) return most;
    each_half(table, from, box, [&](const Sums& s, std::size_t i, std::size_t j) {
      const std::array<double, 2> strikes{
          static_cast<double>(strikes_[from][i].units),
          to - from == 2 ? static_cast<double>(strikes_[from + 1][j].units) : infinity};
      // What the half's own legs are worth: stock, puts below their strikes, calls above theirs.
      const auto profit = [&](double spot) {
        double total = s.origin + (from == 0 ? static_cast<double>(stock_) * spot : 0.0) *
                                      chain_.multiplier;
        for (const auto& leg : request_.strategy.legs) {
          if (leg.kind == LegKind::stock) continue;
          const auto rung = static_cast<std::size_t>(leg.rung);
          if (rung < from || rung >= to) continue;
          const double strike = strikes[rung - from];
          const double now = std::max(leg.kind == LegKind::call ? spot - strike : strike - spot, 0.0);
          const double then = leg.kind == LegKind::call ? 0.0 : strike;
          total += static_cast<double>(leg.quantity) * chain_.multiplier * (now - then);
        }
        return total;
      };
      double tail = 0.0;
      for (const auto& leg : request_.strategy.legs) {
        const auto rung = static_cast<std::size_t>(leg.rung);
        if (leg.kind == LegKind::stock && from == 0) tail += leg.quantity;
        if (leg.kind == LegKind::call && rung >= from && rung < to) tail += leg.quantity;
      }
      for (std::size_t c = 0; c < edges_.size(); ++c) {
        double best = profit(edges_[c]);
        const bool last = c + 1 == edges_.size();
        if (!last) best = std::max(best, profit(edges_[c + 1]));
        for (const double strike : strikes) {
          if (strike >= edges_[c] && (last ? strike < infinity : strike < edges_[c + 1])) {
            best = std::max(best, profit(strike));
          }
        }
        if (last && tail > 0.0) best = infinity;
        most[c] = std::max(most[c], best);
      }
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
  const SearchExpiry& expiry_;
  const ExpiryChain& chain_;
  std::size_t index_;
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
  for (const double level : levels) edges.push_back(std::max(density.quantile(level), edges.back()));
  return edges;
}

std::string_view to_string(CertificateFlaw flaw) {
  switch (flaw) {
    case CertificateFlaw::none_given:
      return "none_given";
    case CertificateFlaw::boards:
      return "boards";
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
  for (std::size_t i = 0; i < expiries.size(); ++i) {
    const int days = expiries[i].days_to_expiry;
    if (days >= constraints.min_days_to_expiry.value_or(std::numeric_limits<int>::min()) &&
        days <= constraints.max_days_to_expiry.value_or(std::numeric_limits<int>::max())) {
      wanted.push_back({i});
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
    boards.emplace_back(request, expiries[wanted[b][0]], b);
    const std::int64_t held = boards[b].count(boards[b].whole());
    if (held != certificate.boards[b].combinations) {
      return refuse(CertificateFlaw::total_count, b, "a board of another number of combinations");
    }
    check.combinations += held;
  }
  if (check.combinations != certificate.combinations ||
      check.combinations != result.combinations ||
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
    if (!close_to(judged.score, candidate.score) || !close_to(judged.pop, candidate.pop)) {
      return refuse(CertificateFlaw::candidate_numbers, c, "another score or pop than its own");
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
          return refuse(CertificateFlaw::class_bound, k, "does not keep the constraint from holding");
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
    const bool by_pop = claim.why == Unfit::pop ||
                        std::ranges::any_of(request.objective, [](const auto& part) {
                          return part.objective == Objective::pop;
                        });
    if (bound && (by_pop && claim.bound > *bound ? false : !close_to(claim.bound, *bound))) {
      return refuse(CertificateFlaw::class_bound, k, "not the bound that the chains give");
    }
  }
  if (visited != certificate.visited) {
    return refuse(CertificateFlaw::total_count, std::nullopt, "another number visited than it says");
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
