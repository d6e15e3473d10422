// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "bifrost/analysis/finder.hpp"
#include "finder_later.hpp"
#include "finder_progress.hpp"
#include "margin_formula.hpp"

// What the searches of finder.cpp share: a choice of expiries ("board") as columns of numbers.
//
// A strategy of up to four strikes is cut in two halves of neighbouring rungs, and nearly all there
// is to know about a combination is a sum of one number of either half: cost, expected profit,
// theta, and the profit at any spot. Max loss and max profit are the larger of two such sums,
// because the line of the upper half, seen from the last strike of the lower one, only moves up and
// down. A threshold on a ratio, numerator - threshold * denominator >= 0, is therefore a test of
// sums again. Such sums are "forms"; a "group" of forms is a condition that holds only if one of
// them is not negative. Over sets of halves the sum of the largest of each form bounds all pairs at
// once.
namespace bifrost::analysis::finder {

inline constexpr std::size_t most_rungs = 4;
inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// Numbers that add up over the halves of a combination. Money in its units (ten-thousandths of the
/// currency, multiplier included), strikes and credit in price units per share.
enum Column : std::uint8_t {
  cost,    // of entry, fees included
  credit,  // options only, without fees
  expected,
  theta,
  loss_1,  // the larger of both is the max loss
  loss_2,
  gain_1,  // the larger of both is the max profit
  gain_2,
  wing_difference,  // lowest gap less highest
  gap_0,
  gap_1,
  gap_2,
  at_low,  // profit at the ends of the stretch without breakevens
  at_high,
  // Of several expiries instead of losses and gains:
  worst,     // no loss exceeds it: each half's worst, where it is worst for that half
  best,      // no profit exceeds it
  sample_0,  // profits at some spots, of which none exceeds minus the max loss
  // For margins:
  paid = sample_0 + 8,  // for the options, fees included
  asked_0,              // the sums of the MarginFormula
  columns = asked_0 + MarginFormula::most_sums,
};
inline constexpr std::size_t samples = paid - sample_0;

/// A search as asked for, checked, with what does not depend on the board.
struct Task {
  SearchRequest request;
  std::size_t rungs;
  std::size_t lower_rungs;                          // in the lower half
  std::array<std::int64_t, most_rungs + 1> slopes;  // lots, before the first rung and after each
  std::int64_t stock_lots;
  /// One objective of weight 1 that is linear or a ratio; nothing: a weighted sum or pop.
  std::optional<Objective> plain;
  bool uses_theta;
  bool uses_pop;     // in the objective
  bool uses_margin;  // in the objective
  bool several_expiries;

  bool unlimited_gain() const { return slopes[rungs] > 0; }
  bool unlimited_loss() const { return slopes[rungs] < 0; }
};
core::Result<Task> make_task(const SearchRequest& request);

/// A strike that can carry all legs of its rung.
struct Place {
  int row;  // of the board
  std::int64_t strike;
  std::int64_t cost;
  std::int64_t credit;
  std::int64_t at_origin;  // what the rung's puts are worth at spot 0
  double at_low;           // what its options are worth at these spots
  double at_high;
  double expected;  // less the cost
  double theta;
  std::array<double, MarginFormula::most_sums> asked;  // where margins are known
};

/// A listed strike, and where the chain of each expiry has it; -1 where it does not.
struct BoardRow {
  Price strike;
  std::array<int, 2> row;
};

/// What a place of a strategy of several expiries is worth when the first expires, at the spots of
/// the model; see front_model_spots().
struct Profiles {
  std::vector<double> spots;  // price units
  std::vector<double> calls;  // of the density, at the spots; price units
  std::array<std::size_t, samples> sampled;
  std::size_t at_low = 0;
  std::size_t at_high = 0;
  std::array<std::vector<double>, most_rungs> of_rung;  // by place, then spot; money units

  std::span<const double> of(std::size_t rung, std::size_t place) const {
    return std::span(of_rung[rung]).subspan(place * spots.size(), spots.size());
  }
};

/// Calls first.
inline std::size_t right_of(const LegShape& leg) {
  return leg.kind == LegKind::call ? 0 : 1;
}

inline const OptionAnalytics* analytics_of(const StrikeAnalytics& row, LegKind kind) {
  const auto& option = kind == LegKind::call ? row.call : row.put;
  return option ? &*option : nullptr;
}

/// What one leg is worth to the search on one row, or why it cannot be used.
struct LegPlace {
  std::optional<UnusableLeg> why;
  std::optional<Price> price;  // per share; nothing if that is what is missing
};

/// The profit line that a half adds: its profit at spot 0, and where it bends.
struct HalfLine {
  std::int64_t origin;
  std::array<std::int64_t, 2> strikes;
};

/// The whole line. Its slopes are the task's.
struct Line {
  std::int64_t origin;
  std::array<std::int64_t, most_rungs> strikes;
};

struct Node {
  int begin;  // members
  int end;
  int left;  // children; -1: a leaf
  int right;
  std::array<int, 4> rows;  // first and last row of the first rung, then of the second
  int least_first;          // rows of members, first and last rung
  int most_first;
  int least_last;
  int most_last;

  int size() const { return end - begin; }
};

/// All choices of strikes for half of the rungs, as columns. With a tree of boxes in rows, or in
/// the order of their first row.
struct Half {
  std::size_t rungs = 0;
  std::vector<int> first;  // row of its first rung; without rungs INT_MAX
  std::vector<int> last;   // row of its last one
  std::array<std::vector<double>, columns> column;
  std::vector<HalfLine> lines;
  std::vector<Node> nodes;  // the root first, children after their parent; empty: no tree

  int size() const { return static_cast<int>(first.size()); }
};

struct Features {
  double cost;
  double credit;
  double expected;
  double theta;
  double loss;  // infinite: unlimited
  double gain;
  double margin;  // if the objective uses it
};

/// The cumulative probability at the edges of equal cells of spot: bounds for any spot at the price
/// of a look-up.
class CdfTable {
 public:
  CdfTable(const Density& density, std::int64_t highest);
  double at_least(std::int64_t units) const;
  double at_most(std::int64_t units) const;

 private:
  int shift_ = 0;
  std::vector<double> edges_;
};

struct Bounds {
  double low;
  double high;
};

class Board {
 public:
  /// `at` are indices into the expiries, one per expiry rung. unavailable without an underlying
  /// price where one is needed, invalid_input for a chain outside exact money, cancelled.
  static core::Result<Board> make(const Task& task, std::span<const SearchExpiry> expiries,
                                  std::vector<std::size_t> at, Progress& progress);

  const Task& task() const { return *task_; }
  const std::vector<std::size_t>& expiries() const { return at_; }
  /// The first expiry's, or that of another expiry rung.
  const PricedChain& priced(int expiry_rung = 0) const {
    return *of_[static_cast<std::size_t>(expiry_rung)]->priced;
  }
  const ExpiryChain& chain(int expiry_rung = 0) const { return priced(expiry_rung).chain; }
  const Density& density() const { return *of_[0]->density; }
  /// What the requirement is a formula of; nothing where margins are not known.
  const MarginFormula* margin_formula() const { return margin_ ? &*margin_ : nullptr; }
  /// Sums bound the score and do not give it.
  bool judges_singly() const {
    return task_->several_expiries || (task_->uses_margin && !margin_->is_exact());
  }
  double discount() const { return of_[0]->priced->parity.discount_factor; }
  int days_to_expiry() const { return of_[0]->days_to_expiry; }
  int multiplier() const { return chain().multiplier; }
  const std::vector<BoardRow>& board_rows() const { return rows_; }
  /// Of several expiries alone.
  const Profiles* profiles() const { return profiles_ ? &*profiles_ : nullptr; }
  const std::vector<Place>& places(std::size_t rung) const { return places_[rung]; }

  /// How many ascending choices of places there are.
  std::int64_t combinations() const;

  /// Without all members when stopped.
  Half lower(bool tree, Progress& progress) const {
    return half(0, task_->lower_rungs, tree, progress);
  }
  Half upper(bool tree, Progress& progress) const {
    return half(task_->lower_rungs, task_->rungs, tree, progress);
  }

  /// What judging one combination costs, and adding up the profile of a half: rough nanoseconds.
  double judging_work() const { return profiles_ ? 10.0 * profile_work() : 500.0; }
  double profile_work() const {
    return profiles_ ? static_cast<double>(profiles_->spots.size()) : 0.0;
  }

  LegPlace leg_place(const LegShape& leg, std::size_t row) const;

  /// Limits in units, for conditions and verdicts alike.
  struct Limits {
    std::optional<std::int64_t> credit;                                  // price units
    std::optional<std::int64_t> loss;                                    // money units
    std::optional<std::pair<std::int64_t, std::int64_t>> no_breakevens;  // spots, price units
  };
  const Limits& limits() const { return limits_; }

  Features features(const Half& lower, int i, const Half& upper, int j) const;
  /// Everything but breakevens and pop.
  std::optional<Unfit> unfit(const Features& of, const Half& lower, int i, const Half& upper,
                             int j) const;
  /// `pop` matters only where the objective uses it.
  double score(const Features& of, double pop) const;

  using Rows = std::array<int, most_rungs>;
  Rows rows(const Half& lower, int i, const Half& upper, int j) const;
  bool breakevens_fit(const Rows& rows) const;
  double exact_pop(const Half& lower, int i, const Half& upper, int j) const;
  /// Only where constraints or the objective ask for probabilities.
  Bounds pop_bounds(const Half& lower, int i, const Half& upper, int j) const;
  /// Profit of a half at the model's spots.
  void add_profile(bool lower, const Half& half, int member, std::span<double> to) const;
  /// Slopes of the legs of one half, before, between and after its strikes.
  std::array<double, 3> half_slopes(bool lower) const;
  std::vector<Leg> legs_at(const Rows& rows) const;
  Money fees() const;
  Carry carry_of(std::span<const Leg> legs, const Rows& rows) const;
  Candidate describe(const Rows& rows) const;
  std::int64_t strike_units(int row) const {
    return rows_[static_cast<std::size_t>(row)].strike.units();
  }

 private:
  Board(const Task& task, std::vector<std::size_t> at) : task_(&task), at_(std::move(at)) {}
  core::Result<void> prepare(Progress& progress);
  void list_rows();
  /// Calls first; nothing where no later leg is of that right.
  using LaterByRight = std::array<std::optional<LaterOptions>, 2>;
  core::Result<void> make_profiles(const LaterByRight& later, Progress& progress);
  core::Result<void> prepare_margin();
  std::int64_t asked_of_stock(const MarginFormula::Sum& sum) const;
  /// `asked` are the values of the formula's sums; money units.
  double margin(const Features& of, double paid_for_options, std::span<const double> asked) const;
  Price mark_of(const LegShape& leg, std::size_t row) const;
  /// Currency per share; nothing for legs of a later expiry, of which make_profiles() knows.
  double early_exercise_of(const LegShape& leg, std::size_t row) const;
  Place place(std::size_t rung, std::size_t row) const;
  const Place& place_on(std::size_t rung, int row) const {
    return places_[rung][place_index(rung, row)];
  }
  std::size_t place_index(std::size_t rung, int row) const {
    return static_cast<std::size_t>(place_of_row_[rung][static_cast<std::size_t>(row)]);
  }
  Line line(const Half& lower, int i, const Half& upper, int j) const;
  double line_pop(const Line& line) const;
  /// Of the whole combination, at the model's spots.
  std::vector<double> profile(const Rows& rows) const;
  std::vector<double> profile_breakevens(std::span<const double> profile) const;
  double profile_pop(std::span<const double> profile) const;
  /// Calls enter and leave (spot, profit and slope there) where the line rises from, falls to zero.
  template <class Enter, class Leave>
  void walk(const Line& line, const Enter& enter, const Leave& leave) const;
  Half half(std::size_t from, std::size_t to, bool tree, Progress& progress) const;
  void append(Half& half, std::size_t from, const Place* first, const Place* second,
              Progress& progress) const;
  int grow(Half& half, std::size_t from, std::array<int, 4> box, Progress& progress) const;

  const Task* task_;
  std::array<const SearchExpiry*, 2> of_{};  // by expiry rung
  std::vector<std::size_t> at_;
  std::vector<BoardRow> rows_;
  Limits limits_;
  std::array<bool, columns> used_{};
  std::array<std::vector<Place>, most_rungs> places_;
  std::array<std::vector<int>, most_rungs> place_of_row_;  // -1: the row cannot be used
  std::optional<MarginFormula> margin_;
  std::optional<double> nearest_breakeven_;  // per share
  std::int64_t stock_price_ = 0;
  double stock_expected_ = 0.0;                    // of a share, price units
  std::array<std::vector<bool>, 2> later_priced_;  // calls first, by row of the later chain
  std::optional<Profiles> profiles_;
  std::optional<CdfTable> cdf_;  // where constraints or the objective ask for probabilities
};

}  // namespace bifrost::analysis::finder
