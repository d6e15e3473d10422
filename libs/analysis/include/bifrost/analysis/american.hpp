// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
#include "bifrost/analysis/exercise.hpp"

// American exercise. With a continuous yield: the exercise boundary solved by spectral collocation
// (Andersen, Lake and Offengenden, "High-performance American option pricing", 2016), exact to
// about a ten-millionth of the strike. With discrete dividends: a tree.
namespace bifrost::analysis {

/// What all contracts of one expiry share besides the strike. Rates continuously compounded,
/// annual.
struct AmericanTerms {
  double spot;
  double years_to_expiry;
  double rate;
  double dividend_yield;

  friend bool operator==(const AmericanTerms&, const AmericanTerms&) = default;
};

/// Why there is no American price.
enum class NoAmericanPrice : std::uint8_t {
  two_boundaries,  // the yield lies below a negative rate: exercise pays inside a band, not below a
                   // boundary
  not_finite,      // an input is NaN or infinite, or one that must be positive is not
  not_solved,      // the exercise boundary could not be found: inputs beyond any market
};
std::string_view to_string(NoAmericanPrice why);

/// One option, from first principles: a fraction of a millisecond. spot and strike are positive;
/// at expiry and at zero vol it is the better of exercising now and the European limit.
tl::expected<double, NoAmericanPrice> american_price(Right right, const SpotInputs& in);

/// The same with its greeks, by central differences of the price: five times the work. theta, where
/// the option is kept, follows from the others by the Black-Scholes equation; rho is by difference
/// too.
tl::expected<Valuation, NoAmericanPrice> american_valuation(Right right, const SpotInputs& in);

/// Its slope in the rate alone.
tl::expected<double, NoAmericanPrice> american_rho(Right right, const SpotInputs& in);

/// The vol at which american_price() gives `price`; in.vol is not looked at. Refusals as in
/// AmericanSurface::implied_vols(); two_boundaries is not_finite here. A few milliseconds.
tl::expected<double, NoImpliedVol> american_implied_vol(Right right, double price, SpotInputs in);

/// A cash amount per share, paid to who holds the share when it goes ex.
struct CashDividend {
  double years_to_ex_date;
  double amount;
};

/// The same option under discrete dividends: a binomial tree in the price that is left after the
/// present value of the dividends to come until expiry (the escrowed model; Hull, "Options, Futures
/// and Other Derivatives", chapter on binomial trees), of which `vol` is the volatility, smoothed
/// by the mean of `steps` and steps + 1. Greeks are slopes of this price; theta is that of the
/// tree's first steps. in.dividend_yield is paid on top. Not finite inputs, or dividends worth more
/// than the share: not_finite. Between two steps it exercises at ex-dates alone. On a share of 100
/// with up to eight dividends 1,000 steps are 1e-3 from a converged price in the mean and 5e-3 at
/// most, 250 steps 4e-3 and 2e-2.
tl::expected<Valuation, NoAmericanPrice> american_tree(Right right, const SpotInputs& in,
                                                       std::span<const CashDividend> dividends,
                                                       int steps = 400);

/// Whether the holder of a call would rather exercise than keep it over the next ex-date: the
/// dividend is worth more than what is left of its time value (`time_value` on the day before, per
/// share, the put of the same strike being its measure). Who is short it should expect assignment.
bool assignment_is_likely(double dividend, double time_value);

/// Why an option cannot be exercised.
enum class NoExercise : std::uint8_t {
  before_expiry,  // European, and its day has not come
  worthless,      // it would pay nothing
};
std::string_view to_string(NoExercise why);

/// What exercising pays now, per share.
tl::expected<double, NoExercise> exercise_value(ExerciseStyle style, Right right, double spot,
                                                double strike, double years_to_expiry);

/// A call that is short, on the last close before a dividend.
struct ShortCall {
  double spot;  // with the dividend still in it
  double strike;
  double years_to_expiry;
  double price;  // of the call, per share
};
struct AssignmentRisk {
  double time_value;  // what the holder gives up by exercising tonight; may be below zero
  double gain;        // the dividend less that: what the holder is ahead by exercising
  bool likely;        // there is a gain
};
/// Whether its holder would exercise tonight for a dividend of so much per share; see
/// assignment_is_likely(). Refused where nobody can (a European option) or would (out of the
/// money).
tl::expected<AssignmentRisk, NoExercise> assignment_risk(ExerciseStyle style, const ShortCall& call,
                                                         double dividend);

/// 0 < lowest <= highest.
struct VolRange {
  double lowest;
  double highest;
};

/// All options of one expiry and one right, priced from a table of the early-exercise premium over
/// moneyness and vol that is built once (some milliseconds) and serves any strike.
class AmericanSurface {
 public:
  /// Between these vols a table can answer; outside, american_price() does.
  static constexpr double lowest_vol = 0.05;
  static constexpr double highest_vol = 2.5;

  /// Without rho, or for fewer vols, it is built in less time. Without rho valuations() may not be
  /// asked for; vols outside `vols` are american_price()'s. No such range: not_finite.
  enum class Rho : std::uint8_t { wanted, unwanted };
  static tl::expected<AmericanSurface, NoAmericanPrice> build(
      Right right, const AmericanTerms& terms, Rho rho = Rho::wanted,
      const VolRange& vols = {lowest_vol, highest_vol});

  AmericanSurface(AmericanSurface&&) noexcept;
  AmericanSurface& operator=(AmericanSurface&&) noexcept;
  ~AmericanSurface();

  /// The same table for another spot: nothing is built anew, as it depends on the time, the rate
  /// and the yield alone. `spot` is positive.
  AmericanSurface at_spot(double spot) const;

  const AmericanTerms& terms() const;
  Right right() const;

  /// `contracts` are of right(); `vols` and `out` run parallel to them, and no vol is negative.
  /// Prices per share, within 1e-6 of the strike of american_price(); NaN, as in valuations(),
  /// where that has none: at vols below lowest_vol alone.
  void prices(const ContractColumns& contracts, std::span<const double> vols,
              std::span<double> out) const;

  struct Columns {
    std::vector<double> price;
    std::vector<double> delta;  // slopes in spot
    std::vector<double> gamma;
    std::vector<double> theta;  // per calendar day, spot and yield still
    std::vector<double> vega;   // per 1.00 of vol
    std::vector<double> rho;    // per 1.00 of rate, spot and yield still
  };
  void valuations(const ContractColumns& contracts, std::span<const double> vols,
                  Columns& out) const;

  /// The vol at which prices() gives `price`; refusals as in analysis::implied_vols().
  /// no_time_value: worth no more than exercising it now or keeping it to the end without any vol,
  /// which all vols below some bound give.
  void implied_vols(const ContractColumns& contracts, std::span<const double> price,
                    ImpliedVolColumns& out) const;

 private:
  struct Impl;
  explicit AmericanSurface(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::analysis
