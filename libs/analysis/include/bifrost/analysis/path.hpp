// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "bifrost/analysis/density.hpp"
#include "bifrost/analysis/payoff.hpp"
#include "bifrost/core/result.hpp"

// What may happen on the way to expiry. A density says nothing about that: it takes a model of the
// path, which every result names. Whoever watches is taken to watch without pause.
namespace bifrost::analysis {

/// A geometric Brownian motion from `spot`.
struct TouchInputs {
  double spot;   // positive, as level and years
  double level;  // above or below spot
  double years;
  double vol;    // annual, decimal; positive
  double drift;  // of the mean of spot, continuously compounded, annual: ln(forward / spot) / years
};

/// The probability of being at the level at some time. Closed form: Haug, "The Complete Guide to
/// Option Pricing Formulas", 2.66 and 2.67. "Twice the probability of ending beyond" is close to it
/// without drift and skew, and only there.
double probability_of_touch(const TouchInputs& in);

/// The path model of everything below. Today's forward becomes the settlement as the martingale
/// S(t) = E[f(W(1)) | W(t)] of one Brownian motion W, where f takes the normal's quantiles to those
/// of the density (Bass, "Skorokhod imbedding via stochastic integrals", 1983; Conze and
/// Henry-Labordere, "Bass construction with multi-marginals", 2021). It ends in the density
/// exactly, makes a position worth its mean under that density at every moment and place, and is
/// geometric Brownian motion where the density is lognormal. Variance comes evenly over calendar
/// time. Solved by finite differences on W, which stops at six deviations.
inline constexpr std::string_view path_model = "bass_martingale, variance even in calendar time";

struct PathTouch {
  double probability;
  double numerical_error;  // distance from the same on a lattice of half the resolution
  DensityLabel density;
  std::string_view model = path_model;
};

/// The probability that spot is at the level before expiry. The forward is the density's mean; spot
/// runs towards it at an even rate. invalid_input unless spot and level are positive and finite.
core::Result<PathTouch> probability_of_touch(const Density& density, double spot, double level);

/// When the position is closed; at least one of the two, in currency, positive.
struct ExitRule {
  std::optional<double> profit_target;
  std::optional<double> loss_limit;
};

struct ExitProbabilities {
  double target_first;
  double stop_first;
  double neither;          // held to the end
  double profit_now;       // by the marks: zero for a position entered at them
  double numerical_error;  // distance from the same on a lattice of half the resolution
  DensityLabel paths;
  DensityLabel marks;
  std::string_view model = path_model;
};

/// What a position is marked with besides the density of the marks.
struct MarkTerms {
  double discount_factor = 1.0;      // until expiry, at an even rate
  double dividends_per_share = 0.0;  // today's value of all until expiry: spot - discount * forward
  double fees = 0.0;                 // currency, paid on entry
};

/// Whether the profit of a same-expiry position reaches the target before the loss limit, until
/// expiry. `paths` says how probable the ways are and `marks` what the position is worth on them:
/// one and the same density is self-consistent; a forecast with the market's density as marks asks
/// what a forecaster earns in the market. Both are of the same expiry. No spreads on the way out
/// and no early exercise. Shares are marked at their price, which loses its dividends evenly until
/// expiry; those paid are not counted. invalid_input for a bad rule, no legs or a discount factor
/// that is not positive.
core::Result<ExitProbabilities> exit_probabilities(std::span<const Leg> legs, const Density& paths,
                                                   const Density& marks, const ExitRule& rule,
                                                   const MarkTerms& terms = {});

}  // namespace bifrost::analysis
