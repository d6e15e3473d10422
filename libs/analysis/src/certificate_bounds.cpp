// SPDX-License-Identifier: Apache-2.0
#include "certificate_board.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bifrost/analysis/certificate.hpp"

namespace bifrost::analysis::certificate {
namespace {

Weighing only(int term) {
  return {{{static_cast<Term>(term), 1.0}}};
}

Clauses each_alone(const std::vector<Weighing>& all) {
  Clauses clauses;
  for (const auto& w : all) clauses.push_back({w});
  return clauses;
}

}  // namespace

std::optional<double> BoardCheck::unfit_bound(Unfit why, const Box& box) const {
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
        ways.push_back({{-1.0 * one_gap(g), high / units_per_one > most_wide ? high - 1.0 : high}});
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
      if (uses_margin() && formula_.may_be_nothing()) {
        ways.push_back({{only(paid), -1.0}});
        for (std::size_t s = 0; s < formula_.sums.size(); ++s) {
          ways.back().emplace_back(only(asked_0 + static_cast<int>(s)), -1.0);
        }
      }
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

double BoardCheck::score_bound(std::optional<double> threshold, const Box& box) const {
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
      case Objective::return_on_margin:
        numerators = gains();
        reaching = margins(formula_.at_least);
        sinking = margins(formula_.at_most);
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
  double gain_on_loss = 0.0;
  double gain_on_margin = 0.0;
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
        gain_on_loss += weight;
        break;
      case Objective::return_on_margin:
        gain_on_margin += weight;
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
  const auto add = [&](const Weighing& others, double by_gain, const Clauses& no_less,
                       const Clauses& no_more) {
    if (others.weights.empty() && by_gain <= 0.0) return;
    double numerator = by_gain > 0.0 ? -infinity : most(others, box);
    if (by_gain > 0.0) {
      for (const auto& gain : gains()) {
        numerator = std::max(numerator, most(others + by_gain * gain, box));
      }
    }
    double least = 1.0;
    for (const auto& clause : no_less) {
      double of_clause = infinity;
      for (const auto& d : clause) of_clause = std::min(of_clause, -most(-1.0 * d, box));
      least = std::max(least, of_clause);
    }
    total += numerator / (numerator > 0.0 ? least : most_of(no_more, box));
  };
  add(on_loss, gain_on_loss, each_alone(losses()), each_alone(most_losses()));
  add(on_margin, gain_on_margin, margins(formula_.at_least), margins(formula_.at_most));
  if (on_pop > 0.0) total += on_pop * most_pop(box);
  return total;
}

double BoardCheck::most_pop(const Box& box) const {
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

std::vector<Weighing> BoardCheck::losses() const {
  if (!several()) return {only(loss_1), only(loss_2)};
  std::vector<Weighing> all;
  for (std::size_t k = 0; k < samples; ++k) {
    all.push_back(-1.0 * only(sample_0 + static_cast<int>(k)));
  }
  return all;
}

std::vector<Weighing> BoardCheck::most_losses() const {
  return several() ? std::vector{only(worst)} : std::vector{only(loss_1), only(loss_2)};
}

std::vector<Weighing> BoardCheck::gains() const {
  return several() ? std::vector{only(best)} : std::vector{only(gain_1), only(gain_2)};
}

Clauses BoardCheck::margins(const MarginFormula::Clauses& sums_of) const {
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

double BoardCheck::most(const Weighing& w, const Box& box) const {
  return most_of_half(lower_, 0, w, box) + most_of_half(upper_, cut_, w, box);
}

double BoardCheck::most_of(const Clauses& clauses, const Box& box) const {
  double largest = -infinity;
  for (const auto& clause : clauses) {
    double least = infinity;
    for (const auto& w : clause) least = std::min(least, most(w, box));
    largest = std::max(largest, least);
  }
  return largest;
}

template <class See>
void BoardCheck::each_half(const std::vector<std::optional<Sums>>& table, std::size_t from,
                           const Box& box, const See& see) const {
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

double BoardCheck::most_of_half(const std::vector<std::optional<Sums>>& table, std::size_t from,
                                const Weighing& w, const Box& box) const {
  double best = -infinity;
  each_half(table, from, box,
            [&](const Sums& s, std::size_t, std::size_t) { best = std::max(best, w.of(s)); });
  return best;
}

std::vector<double> BoardCheck::most_in_cells(std::size_t from, std::size_t to,
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
        double value = from == 0 && stock_ != 0
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

}  // namespace bifrost::analysis::certificate
