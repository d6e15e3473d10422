// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/finder.hpp"
#include "margin_formula.hpp"

// A board as verify_certificate() sees it, by the formulas of certificate.hpp. Nothing of
// finder_board.hpp may be used here: an error that both shared would go unseen.
namespace bifrost::analysis::certificate {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double units_per_one = Price::units_per_one;

bool close_to(double a, double b);

/// What adds up over the halves of a combination. Money in units, strikes and credit in price
/// units.
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
inline constexpr std::size_t samples = paid - sample_0;
using Sums = std::array<double, terms>;

/// A weighing of sums whose largest value over a class is asked for.
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

/// The largest over clauses of the least of a clause.
using Clauses = std::vector<std::vector<Weighing>>;

/// One strike of the board, and what its legs of one rung add.
struct Strike {
  std::int64_t units;
  std::array<std::size_t, 2> row;  // in the chain of each expiry that a leg needs
  Sums legs;
  double origin;              // profit at spot 0
  std::vector<double> curve;  // of several expiries: profit at the model's spots
  double beyond = 0.0;        // what its legs are worth now and no expiry shows; money units
};

/// Ranges of usable strikes, rung by rung, [first, second).
using Box = std::array<std::pair<std::size_t, std::size_t>, 4>;

/// A combination that fits, with what decides its place.
struct Fitting {
  double score;
  double pop;
  std::size_t board;
  std::vector<Price> strikes;

  auto key() const { return std::tuple(-score, -pop, board, strikes); }
};

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

class BoardCheck {
 public:
  /// `at` is one place in `expiries` for each expiry of the strategy.
  BoardCheck(const SearchRequest& request, std::span<const SearchExpiry> expiries,
             const std::vector<std::size_t>& at, std::size_t index);

  std::size_t rungs() const { return rungs_; }
  /// What both ways to the price of a later leg do not agree on.
  const std::optional<std::string>& mispriced() const { return mispriced_; }

  Box whole() const {
    Box box{};
    for (std::size_t rung = 0; rung < rungs_; ++rung) box[rung] = {0, strikes_[rung].size()};
    return box;
  }
  /// Nothing for intervals that are upside down.
  std::optional<Box> box_of(const CertificateClass& of) const;
  std::int64_t count(const Box& box) const;
  /// Calls see(strikes) for every ascending choice in the box.
  template <class See>
  void each(const Box& box, const See& see) const {
    std::array<const Strike*, 4> at{};
    descend(box, 0, at, see);
  }
  std::optional<std::array<const Strike*, 4>> find(std::span<const Price> strikes) const;

  // ---- one combination, through the payoff engine ----

  Judged judge(const std::array<const Strike*, 4>& at) const;
  /// Whether all that a candidate says of itself is so.
  bool tells_the_truth(const Candidate& candidate, const Judged& judged,
                       const std::array<const Strike*, 4>& at) const;
  Fitting fitting(const std::array<const Strike*, 4>& at, const Judged& judged) const;

  // ---- bounds of a class ----

  /// Nothing for a reason that the request does not give.
  std::optional<double> unfit_bound(Unfit why, const Box& box) const;
  double score_bound(std::optional<double> threshold, const Box& box) const;

 private:
  static constexpr double smallest = 1.0 / units_per_one;  // amount of money that is one

  bool several() const { return of_.size() > 1; }
  bool uses_margin() const {
    return std::ranges::any_of(request_.objective,
                               [](const auto& part) { return is_on_margin(part.objective); });
  }
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

  void add_strike(std::size_t rung, Price price);
  bool usable(const LegShape& leg, std::size_t row) const;
  Price mark_of(const LegShape& leg, std::size_t row) const;
  // One contract's share of a sum, in money units.
  double asked_by(const MarginFormula::Term& term, std::size_t row) const;
  // Of a leg of the second expiry when the first one settles at a spot, price units per share.
  double later_worth(const LegShape& leg, std::size_t row, std::size_t g) const;
  void price_american_legs();
  /// Later options that may be exercised early at a vol each, by row and spot; none without a vol
  /// or a price. `spanned` by all vols that a table can cover.
  std::vector<std::vector<double>> american_curves(Right right,
                                                   std::span<const std::optional<double>> vols,
                                                   const VolRange& spanned);
  // Price units per share: the right to exercise a leg before the first expiry and, of a later leg,
  // less what the straight lines of its curve are too high by.
  double beyond(const LegShape& leg, std::size_t row) const;
  // All halves from rung `from` to `to`, by strike indices; upside down ones are nothing.
  std::vector<std::optional<Sums>> tabulate(std::size_t from, std::size_t to) const;
  Sums sums_of(std::size_t from, const Strike& first, const Strike* second) const;

  Outcome at_expiry(std::span<const Leg> legs, Money fees) const;
  Outcome under_the_model(const std::array<const Strike*, 4>& at) const;
  /// Through the engine that pairs whole books.
  std::optional<Money> margin_of(const std::array<const Strike*, 4>& at, std::span<const Leg> legs,
                                 Money fees) const;

  // What bounds the max loss from below and from above, and the max profit from above: with one
  // expiry the largest of them is the loss, or the profit, itself.
  std::vector<Weighing> losses() const;
  std::vector<Weighing> most_losses() const;
  std::vector<Weighing> gains() const;
  // The requirement, with what the options cost and without, and that cost.
  Clauses margins(const MarginFormula::Clauses& sums_of) const;
  /// M[w] over the box.
  double most(const Weighing& w, const Box& box) const;
  double most_of(const Clauses& clauses, const Box& box) const;
  double most_pop(const Box& box) const;
  template <class See>
  void each_half(const std::vector<std::optional<Sums>>& table, std::size_t from, const Box& box,
                 const See& see) const;
  double most_of_half(const std::vector<std::optional<Sums>>& table, std::size_t from,
                      const Weighing& w, const Box& box) const;
  std::vector<double> most_in_cells(std::size_t from, std::size_t to,
                                    const std::vector<std::optional<Sums>>& table,
                                    const Box& box) const;

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
  std::array<std::vector<std::vector<double>>, 2> exercise_curves_;  // at the vols of exercise
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

}  // namespace bifrost::analysis::certificate
