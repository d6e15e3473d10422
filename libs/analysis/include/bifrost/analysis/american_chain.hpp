// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/chain.hpp"

// refresh() for options that may be exercised early.
namespace bifrost::analysis {

/// The rate and yield under which a forward and a discount factor are those of `spot`. spot and
/// years_to_expiry are positive.
AmericanTerms american_terms(const ForwardDiscount& parity, double spot, double years_to_expiry);

/// The tables of one expiry. Building them takes some 50 milliseconds; while time, rate and yield
/// stay, at_spot() makes them serve every tick.
struct AmericanSurfaces {
  AmericanSurface calls;
  AmericanSurface puts;

  static tl::expected<AmericanSurfaces, NoAmericanPrice> build(const AmericanTerms& terms);
  AmericanSurfaces at_spot(double spot) const;
};

/// Vol and greeks of every two-sided option under American exercise, in one call: what refresh() is
/// for European ones. `parity` is how the terms of the surfaces were found, and stands in the
/// result as it came; time to expiry is that of the surfaces, which must have the same terms. Vols
/// are American ones, greeks as in OptionAnalytics. A middle at or below exercise value has no vol
/// and, as in refresh(), borrows that of the other right. Every strike above zero gets its
/// ExerciseRight.
PricedChain refresh_american(ExpiryChain chain, const ForwardDiscount& parity,
                             const AmericanSurfaces& surfaces);

}  // namespace bifrost::analysis
