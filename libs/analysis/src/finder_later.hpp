// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
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
  bool can_price(std::size_t row) const { return vol_[row] && !no_price_[row]; }

  /// Rough nanoseconds that making it took.
  double work() const { return work_; }

  /// Those on some rows of the later chain, all of which it can price.
  class Some {
   public:
    Some(const LaterOptions& of, std::span<const std::size_t> rows);
    /// Per share, parallel to the rows; `spot` may be 0.
    void prices(double spot, std::span<double> out);
    /// Rough nanoseconds a spot.
    double work() const;

   private:
    const LaterOptions* of_;
    std::vector<double> strikes_;
    std::vector<std::size_t> in_columns_;  // places, priced all at once
    std::vector<double> vols_;
    std::optional<ContractColumns> columns_;
    ValuationColumns european_;
    std::vector<double> column_prices_;
    std::vector<std::pair<std::size_t, const OptionCurve*>> alone_;  // places, and the rest
  };

 private:
  Right right_;
  ExerciseStyle style_;
  double years_;     // from one expiry to the other
  double discount_;  // over them
  double growth_;    // of the forward over them
  std::vector<double> strike_;
  std::vector<std::optional<double>> vol_;
  std::vector<bool> no_price_;
  std::optional<AmericanSurface> table_;
  std::vector<std::optional<OptionCurve>> alone_;
  double work_ = 0.0;
};

}  // namespace bifrost::analysis::finder
