// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "bifrost/analysis/american.hpp"
#include "exercise_boundary.hpp"

namespace bifrost::analysis {

/// The carry that forward and spot imply, or 0 where no yield describes it: within a week of expiry
/// one beyond 20 % a year is a dividend, or a spot of another moment.
double believable_carry(double carry, double years);

/// What a forward says about carry, for the pricing of early exercise: a believable_carry().
AmericanTerms exercise_terms(double spot, double years, double forward, double discount_factor);

/// What early exercise adds to European prices, as a share of them, for all strikes of one expiry
/// and right and for vols between two: solved at a few vols, interpolated in their logarithm.
class EarlyExercise {
 public:
  /// Nothing where exercise pays inside a band (NoAmericanPrice::two_boundaries). 0 < lowest <=
  /// highest.
  static std::optional<EarlyExercise> create(Right right, const AmericanTerms& terms,
                                             double lowest_vol, double highest_vol);

  /// American price / European price - 1. A vol outside the range counts as its nearer end.
  double share(double strike, double vol) const;

 private:
  struct Node {
    double log_vol;
    double vol;
    ExerciseBoundary boundary;
  };
  EarlyExercise(Right right, const AmericanTerms& terms) : right_(right), terms_(terms) {}
  double share_at(const Node& node, double strike) const;

  Right right_;
  AmericanTerms terms_;
  std::vector<Node> nodes_;  // none: never exercised early
};

}  // namespace bifrost::analysis
