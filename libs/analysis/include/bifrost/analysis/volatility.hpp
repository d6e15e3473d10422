// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/smile.hpp"

// What the underlying did, from daily bars, and what its options say at constant maturities. Vols
// are annual and decimal.
namespace bifrost::analysis {

/// Trading days that make a year of daily variance.
inline constexpr double trading_days_per_year = 252.0;

/// One session of the underlying: positive, low <= open, close <= high, splits adjusted by the
/// caller.
struct DailyBar {
  double open;
  double high;
  double low;
  double close;
};

/// Whether the way from one close to the next open counts. Vols that leave it out are those of
/// trading hours, and lower.
enum class Overnight : std::uint8_t { included, excluded };
std::string_view to_string(Overnight overnight);

enum class Estimator : std::uint8_t {
  close_to_close,   // root of the mean squared log return of closes, mean zero: the reference
  parkinson,        // from high and low ("The extreme value method", 1980)
  garman_klass,     // from all four, supposes no drift; of theirs (1980) the best analytic one
  rogers_satchell,  // from all four, whatever the drift (1991)
  yang_zhang,       // night, day and Rogers-Satchell, mixed; whatever the drift (2000)
};
std::string_view to_string(Estimator estimator);
/// close_to_close and yang_zhang include the night.
Overnight overnight_of(Estimator estimator);

enum class NoVolatility : std::uint8_t {
  too_few_days,      // close_to_close needs two bars, yang_zhang three, the others one
  inconsistent_bar,  // a price that is not positive, or a high or low that is none
};
std::string_view to_string(NoVolatility why);

/// Over all the bars given, oldest first: the window is the caller's. close_to_close and yang_zhang
/// use the first bar for its close alone, so n bars give them n - 1 days. The range estimators
/// suppose that trading is continuous: sparse trading makes ranges, and so these vols, too small,
/// and one bad print of a high or low makes them too large.
tl::expected<double, NoVolatility> historical_vol(Estimator estimator,
                                                  std::span<const DailyBar> bars);

/// The reference from closes alone, in either direction of time.
tl::expected<double, NoVolatility> close_to_close_vol(std::span<const double> closes);

/// One expiry's total variance (vol^2 * years_to_expiry) of some point of its smile.
struct TermPoint {
  double years_to_expiry;
  double total_variance;
};

/// Why a term structure has no answer.
enum class NoTerm : std::uint8_t {
  out_of_reach,       // not between two expiries, nor at one
  not_ascending,      // points out of order, or without time or variance
  negative_variance,  // total variance falls with time: a calendar arbitrage, or two bad fits
};
std::string_view to_string(NoTerm why);

/// The vol at a constant maturity, linear in total variance between the expiries around it.
/// `points` ascend in time. Never extrapolated.
tl::expected<double, NoTerm> constant_maturity_vol(std::span<const TermPoint> points, double years);

/// The vol between two moments, from the total variance at each: never from a falling one.
tl::expected<double, NoTerm> forward_vol(const TermPoint& near, const TermPoint& far);

/// Constant-maturity vols of the market at the money, nothing where the chain does not reach.
struct TermStructure {
  std::optional<double> vol_30d;
  std::optional<double> vol_60d;
  std::optional<double> vol_90d;
  std::optional<double> ratio_30d_60d;  // vol_30d / vol_60d: above 1 in fear
  std::optional<double> ratio_30d_90d;
  tl::expected<double, NoTerm> forward_vol_30d_60d = tl::unexpected{NoTerm::out_of_reach};
  tl::expected<double, NoTerm> forward_vol_60d_90d = tl::unexpected{NoTerm::out_of_reach};
};
TermStructure term_structure(std::span<const TermPoint> at_the_money);

/// The fitted expiries' total variance at the forward, ascending in time; those without a smile are
/// left out.
std::vector<TermPoint> at_the_money(const Surface& surface);

/// The strike whose option has this forward delta, N(d1) for a call and N(-d1) for a put, at its
/// own vol; `delta` lies within (0, 0.5). Nothing where the smile is so steep that the delta does
/// not come down to it.
std::optional<double> strike_at_delta(const Smile& smile, Right right, double delta);

/// How the smile leans at a constant maturity.
struct Skew {
  double at_the_money_vol;
  double put_25_delta_vol;
  double call_25_delta_vol;
  double slope;  // d vol / d ln(strike), at the forward

  /// Relative to the level, so that it compares across underlyings: above 0 where puts are dear.
  double skew_25_delta() const { return (put_25_delta_vol - call_25_delta_vol) / at_the_money_vol; }
};
/// Each number linear in total variance between the fitted expiries around it, wings at equal
/// delta, the slope as that of the interpolated smile.
tl::expected<Skew, NoTerm> constant_maturity_skew(const Surface& surface, double years);

/// The open interest of one option and its gamma: slope of its delta, per share, per 1.00 of spot.
struct OpenGamma {
  Right right;
  double gamma;
  std::optional<std::int64_t> open_interest;  // contracts
  int multiplier;
};

/// How much the hedges of open options turn over when spot moves by one percent, in currency:
/// gamma * open interest * multiplier * spot^2 / 100. Who holds which side is not known. The first
/// number supposes that dealers are long every call and short every put, and is worth no more than
/// that; the second adds up all gamma without a sign.
struct GammaExposure {
  double calls_long_puts_short;
  double unsigned_total;
  int options;                // counted
  int without_open_interest;  // left out
};
GammaExposure gamma_exposure(std::span<const OpenGamma> options, double spot);

}  // namespace bifrost::analysis
