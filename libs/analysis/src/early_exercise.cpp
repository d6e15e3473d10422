// SPDX-License-Identifier: Apache-2.0
#include "early_exercise.hpp"

#include <algorithm>
#include <cmath>

namespace bifrost::analysis {

double believable_carry(double carry, double years) {
  return years < 7.0 / 365 && std::abs(carry) > 0.2 ? 0.0 : carry;
}

AmericanTerms exercise_terms(double spot, double years, double forward, double discount_factor) {
  const double rate = -std::log(discount_factor) / years;
  const double carry = std::log(forward / spot) / years;
  if (believable_carry(carry, years) != carry) return {forward, years, 0.0, 0.0};
  return {spot, years, rate, rate - carry};
}

std::optional<EarlyExercise> EarlyExercise::create(Right right, const AmericanTerms& terms,
                                                   double lowest_vol, double highest_vol) {
  EarlyExercise made(right, terms);
  // A call is a put with spot and strike, rate and yield exchanged.
  const bool is_put = right == Right::put;
  const double rate = is_put ? terms.rate : terms.dividend_yield;
  const double yield = is_put ? terms.dividend_yield : terms.rate;
  if (rate <= 0.0 && yield < rate) return std::nullopt;
  // Interest on the strike is all that early exercise can earn; this little is below any tick. With
  // a yield below zero the forward falls behind, and it earns more than that.
  if (rate < 1e-5 && yield >= 0.0) return made;
  if (rate <= 0.0) return made;
  constexpr int most_nodes = 4;
  const double span = std::log(highest_vol / lowest_vol);
  const int count = span < 0.02 ? 1 : most_nodes;
  for (int i = 0; i < count; ++i) {
    const double log_vol = std::log(lowest_vol) + (count == 1 ? 0.5 : i / (count - 1.0)) * span;
    const double vol = std::exp(log_vol);
    made.nodes_.push_back(
        {log_vol, vol, ExerciseBoundary(terms.years_to_expiry, rate, yield, vol)});
    if (!made.nodes_.back().boundary.solved()) return std::nullopt;
  }
  return made;
}

double EarlyExercise::share_at(const Node& node, double strike) const {
  const double european =
      black_scholes_price(right_, SpotInputs{terms_.spot, strike, terms_.years_to_expiry,
                                             terms_.rate, terms_.dividend_yield, node.vol});
  if (european <= 0.0) return 0.0;
  const bool is_put = right_ == Right::put;
  const double unit = is_put ? strike : terms_.spot;
  const double spot = (is_put ? terms_.spot : strike) / unit;
  const double american = spot <= node.boundary.at_start()
                              ? unit * (1.0 - spot)
                              : european + unit * node.boundary.premium(spot);
  return std::max(american / european - 1.0, 0.0);
}

double EarlyExercise::share(double strike, double vol) const {
  if (nodes_.empty()) return 0.0;
  const double x = std::clamp(std::log(vol), nodes_.front().log_vol, nodes_.back().log_vol);
  double sum = 0.0;
  for (const auto& node : nodes_) {
    double weight = 1.0;
    for (const auto& other : nodes_) {
      if (&other != &node) weight *= (x - other.log_vol) / (node.log_vol - other.log_vol);
    }
    sum += weight * share_at(node, strike);
  }
  return std::max(sum, 0.0);
}

}  // namespace bifrost::analysis
