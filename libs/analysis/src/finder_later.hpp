// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
#include "finder_progress.hpp"
#include "leg_model.hpp"

namespace bifrost::analysis::finder {

/// The options of one right of the second expiry, on the day that the first one settles, as the
/// model of finder.hpp has them. Under American exercise a table of premiums prices them; what it
/// does not cover has an exercise boundary of its own.
class LaterOptions {
 public:
  /// Both must outlive it; the front settles first.
  LaterOptions(const PricedChain& front, const PricedChain& back, Right right);

  /// False: the option on that row of the later chain has no vol or no American price.
  bool can_price(std::size_t row) const { return own_.vol[row] && !no_price_[row]; }

  /// Rough nanoseconds that making it took.
  double work() const { return work_; }

  struct Curves {
    /// Per share, at the vol of each option: by row as asked for, then spot.
    std::vector<double> worth;
    /// By row: what the option is worth now beyond the discounted mean of its curve, where both are
    /// taken at the vol that exercise is valued at and the curve is straight between the spots, as
    /// everybody else takes it. That is the right to exercise before the first expiry, less what
    /// the straight lines are too high by.
    std::vector<double> beyond;
  };
  /// Of some rows of the later chain, all of which it can price, over ascending spots from 0.
  core::Result<Curves> curves(std::span<const std::size_t> rows, std::span<const double> spots,
                              Progress& progress) const;

 private:
  /// A vol for each row of the later chain, and what prices options at it.
  struct Vols {
    std::vector<std::optional<double>> vol;
    std::vector<std::optional<OptionCurve>> alone;  // where the table does not answer
  };
  class Some;
  void solve_alone(Vols& vols);

  Right right_;
  ExerciseStyle style_;
  double years_;     // from one expiry to the other
  double discount_;  // over them
  double growth_;    // of the forward over them
  double rate_ = 0.0;
  double yield_ = 0.0;
  ExpiryTerms front_;
  ExpiryTerms back_;
  std::vector<double> strike_;
  std::vector<double> premium_;  // what the right to exercise adds now
  Vols own_;
  Vols exercise_;
  std::vector<bool> no_price_;
  std::optional<AmericanSurface> table_;
  double work_ = 0.0;
};

}  // namespace bifrost::analysis::finder
