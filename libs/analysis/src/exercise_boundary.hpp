// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "kernels/kernels.hpp"

namespace bifrost::analysis {

/// The exercise boundary of an American put on a strike of 1, after Andersen, Lake and Offengenden
/// (2016). rate and vol are positive, and dividend_yield is anything. Calls are puts with spot and
/// strike, rate and yield exchanged (McDonald and Schroder 1998).
class ExerciseBoundary {
 public:
  ExerciseBoundary(double years, double rate, double dividend_yield, double vol);
  /// The same, found sooner from those of as many years at other vols, or at this vol and nearly
  /// the same rate and yield.
  ExerciseBoundary(double years, double rate, double dividend_yield, double vol,
                   std::span<const ExerciseBoundary> nearby);

  /// Whether the boundary was found; what the others say means nothing where it was not.
  bool solved() const { return solved_; }

  /// Spot at or below which a put with all of `years` to go is exercised.
  double at_start() const;

  /// What early exercise is worth beyond the European put, for spots above the boundary.
  double premium(double spot) const;
  /// Of many spots.
  void premiums(std::span<const double> spots, std::span<double> out) const;

 private:
  static constexpr int nodes = kernels::BoundaryPoints::nodes;  // in the root of the time to expiry
  /// ln(boundary / limit), so long before expiry.
  double log_ratio_at(double root_time) const;
  void fix();
  bool fix_by_slope();
  bool fix_by_value();
  using LogRatios = std::array<double, nodes>;
  /// Moves every node to the log ratio that `map(log ratios, wanted)` wants there, until all stay.
  /// False: after `most_rounds` they still move. `slowest`: the share of a move that the next may
  /// have before steps are shortened.
  template <class Map>
  bool iterate(int most_rounds, double slowest, const Map& map);
  void interpolate();

  kernels::BoundaryTerms terms_;
  double limit_;  // of the boundary at expiry
  bool solved_ = false;
  std::array<double, nodes + 1> root_times_{};
  std::array<double, nodes + 1> values_{};  // ln(boundary / limit)^2 at the nodes
  std::array<double, nodes + 1> series_{};  // its Chebyshev coefficients

  void prepare();
  kernels::BoundaryMoments moments_{};
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
