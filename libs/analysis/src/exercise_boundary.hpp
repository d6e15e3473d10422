// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

namespace bifrost::analysis {

/// The exercise boundary of an American put on a strike of 1, after Andersen, Lake and Offengenden
/// (2016). rate and vol are positive, and dividend_yield is anything. Calls are puts with spot and
/// strike, rate and yield exchanged (McDonald and Schroder 1998).
class ExerciseBoundary {
 public:
  ExerciseBoundary(double years, double rate, double dividend_yield, double vol);
  /// The same, found sooner from the boundary of nearly the same option.
  ExerciseBoundary(double years, double rate, double dividend_yield, double vol,
                   const ExerciseBoundary& nearby);

  /// Whether the boundary was found; what the others say means nothing where it was not.
  bool solved() const { return solved_; }

  /// Spot at or below which a put with all of `years` to go is exercised.
  double at_start() const;

  /// What early exercise is worth beyond the European put, for spots above the boundary.
  double premium(double spot) const;

 private:
  static constexpr int nodes = 12;  // of the boundary, in the root of the time to expiry
  /// ln(boundary / limit), so long before expiry.
  double log_ratio_at(double root_time) const;
  void fix();
  bool fix_by_slope();
  bool fix_by_value();
  /// Moves every node to the log ratio that `wanted(node, its log ratio)` names, until all stay.
  /// False: after `most_rounds` they still move. `slowest`: the share of a move that the next may
  /// have before steps are shortened.
  template <class Map>
  bool iterate(int most_rounds, double slowest, const Map& wanted);
  void interpolate();

  double root_years_;
  double rate_;
  double yield_;
  double vol_;
  double limit_;  // of the boundary at expiry
  bool solved_ = false;
  std::array<double, nodes + 1> root_times_{};
  std::array<double, nodes + 1> values_{};  // ln(boundary / limit)^2 at the nodes
  std::array<double, nodes + 1> series_{};  // its Chebyshev coefficients

  /// What the premium sums over, and what of it no spot changes.
  struct Moment {
    double root_left;
    double log_boundary;
    double strike_weight;
    double spot_weight;
  };
  void prepare();
  std::array<Moment, 48> moments_{};
};

/// Nodes and weights of Gauss and Legendre's rule on [-1, 1].
template <std::size_t n>
struct GaussLegendre {
  std::array<double, n> node;
  std::array<double, n> weight;
};
const GaussLegendre<32>& gauss_legendre_32();
const GaussLegendre<48>& gauss_legendre_48();

}  // namespace bifrost::analysis
