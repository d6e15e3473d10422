// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/chain.hpp"

// One expiry's settlement as its quotes price it, free of arbitrage, and all expiries together.
//
// The model is a mixture of lognormals: with probability `weight` the settlement is lognormal with
// mean `mean` times the forward and deviation `deviation` of its logarithm. The components stand
// 0.3 local deviations apart, some fifty to a hundred of them, and only their weights are fitted
// (Brigo and Mercurio, "Lognormal-mixture dynamics and calibration to market volatility smiles",
// 2002; Bondarenko, "Estimation of risk-neutral densities using positive convolution
// approximation", 2003). It was preferred to raw SVI for three reasons. A mixture has a positive
// density everywhere, tails included, so that no fit has to be refused or bent afterwards for its
// butterflies. Prices are linear in the weights, so the fit is a convex quadratic program with one
// solution, and calendar order against the expiry before is so many rows of it. And it follows
// what a hyperbola cannot: two modes before an event, the wings of an index.
//
// Tails: beyond the last quotes the density keeps the shape that it has where total variance goes
// on as steeply as it came (a slope between 0 and 1, below Lee's bound of 2), at the height that
// the last quotes say; where the components end, vol tends to a constant. How much probability
// lies there is quality().mass_outside_quotes.
//
// Throughout, k = ln(strike / forward), and total variance w(k) = vol(k)^2 * years_to_expiry.
namespace bifrost::analysis {

/// Raw SVI (Gatheral 2004): w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)). For smiles that
/// others publish in this form; the fit does not use it.
struct SviParameters {
  double a;
  double b;
  double rho;
  double m;
  double sigma;

  double total_variance(double k) const;
  /// Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces" (2014), equation 2.1: the
  /// density is negative where this is.
  double g(double k) const;
};

struct LognormalComponent {
  double weight;                 // probability
  double mean;                   // of the settlement, as a multiple of the forward
  double log_mean_over_forward;  // ln(mean), kept because every evaluation asks for it
  double deviation;              // of the settlement's logarithm, until expiry
};

/// Why an expiry has no smile.
enum class NoSmile : std::uint8_t {
  no_time,             // settled already, or settles now
  no_forward,          // put-call parity names none (NoForward)
  no_spot,             // American options, and the snapshot does not say the underlying's price
  no_american_price,   // American options under rates below zero (NoAmericanPrice::two_boundaries)
  inconsistent_chain,  // a contract comes twice, or multipliers differ
  too_few_quotes,      // fewer than five usable out-of-the-money quotes, or none on one side
  no_arbitrage_free_fit,  // no density comes near: half of the quotes are missed by over two
                          // spreads
};
std::string_view to_string(NoSmile why);

/// How well the smile tells what was quoted. Errors are of the middles of the quotes used; no
/// spread counts as less than a tick, or than 0.02 points of vol.
struct SmileQuality {
  int quotes;            // out of the money, two-sided, with a vol: those fitted
  int dropped;           // out of the money, but zero, crossed, one-sided or without a vol
  double rmse_vol;       // of the vol, quotes weighted by vega
  double rmse_spreads;   // of the price, in spreads (ask - bid), quotes weighted alike
  double worst_vol;      // the largest error of a vol, wherever it is
  double within_spread;  // share of quotes whose spread holds the smile's price
  double lowest_quoted;  // strikes
  double highest_quoted;
  double mass_outside_quotes;  // probability beyond those two: assumption, not market
  double least_g;              // of Gatheral's g on a fine grid that reaches into both tails
  bool butterfly_free;
  bool calendar_free;  // against the smile before it; true where there was none
};

class Smile {
 public:
  double forward() const { return forward_; }
  double discount_factor() const { return discount_factor_; }
  double years_to_expiry() const { return years_; }
  std::span<const LognormalComponent> components() const { return components_; }
  const SmileQuality& quality() const { return quality_; }

  /// Undiscounted, per share: the mean of max(S - strike, 0) and of max(strike - S, 0). Each keeps
  /// its relative precision far out of the money.
  double call(double strike) const;
  double put(double strike) const;
  /// P(settlement <= strike) and P(settlement > strike), each exact in its own tail.
  double probability_below(double strike) const;
  double probability_above(double strike) const;
  /// Probability per unit of currency.
  double density(double strike) const;

  /// Where an option is worth less than a double can hold, the limit of the model: the largest
  /// component's deviation, squared.
  double total_variance(double k) const;
  double vol(double strike) const;
  /// d vol / d strike.
  double vol_slope(double strike) const;
  /// Gatheral's g of total_variance: the density, scaled by that of a lognormal with the vol at k.
  double g(double k) const;

 private:
  friend class SmileFit;
  double forward_ = 0.0;
  double discount_factor_ = 1.0;
  double years_ = 0.0;
  std::vector<LognormalComponent> components_;
  SmileQuality quality_{};
};

struct SmileTerms {
  double years_to_expiry;
  ExerciseStyle style = ExerciseStyle::european;
};

/// The smile of one expiry, from its two-sided out-of-the-money quotes. An error costs its square
/// in half spreads, so little inside the spread and the same for every quote at its edge; from
/// three half spreads on it costs linearly, so that a stale quote does not bend the rest. American
/// quotes are first freed of their early-exercise premium.
///
/// With `earlier`, the smile of an expiry before this one, total variance is kept from falling
/// below that one's at any k where an option is worth 1e-10 of the forward. Where the quotes cannot
/// be met so, they are fitted without, and quality().calendar_free says it.
tl::expected<Smile, NoSmile> fit_smile(const ExpiryChain& chain, const ForwardDiscount& parity,
                                       const SmileTerms& terms, const Smile* earlier = nullptr);

/// One entry for each expiry and trading class that a snapshot lists.
struct FittedExpiry {
  ListedExpiry which;
  double years_to_expiry;  // ACT/365F from the snapshot's as_of to the settlement
  tl::expected<Smile, NoSmile> smile;
};

struct SurfaceTerms {
  ExerciseStyle style = ExerciseStyle::european;
  std::optional<double> rate = std::nullopt;  // continuously compounded; none: as the quotes say
};

struct Surface {
  std::vector<FittedExpiry> expiries;  // ascending in time of settlement

  /// Linear in time between the smiles around it, at equal k; proportional to time before the
  /// first. Nothing beyond the last smile, or where there is none, or no time.
  std::optional<double> total_variance(double k, double years) const;
};

/// Every listed expiry fitted, in order of time, each kept above the one before.
Surface fit_surface(const core::ChainSnapshot& snapshot, const SurfaceTerms& terms);

}  // namespace bifrost::analysis
