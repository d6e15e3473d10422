// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

#include "bifrost/core/contract.hpp"

namespace bifrost::analysis {

using core::Right;

/// Standard normal distribution, good to a few ulps of the result, in the far lower tail too.
double normal_density(double x);
double normal_cdf(double x);
/// normal_cdf(z) / normal_density(z), the Mills ratio of -z, where both underflow too.
double cdf_over_density(double z);
/// The x with normal_cdf(x) = p; -inf and +inf at 0 and 1. `p` lies within [0, 1].
double normal_quantile(double p);

/// A European option seen from its forward (Black, "The pricing of commodity contracts", 1976).
/// forward, strike and discount_factor are positive, years_to_expiry and vol are not negative.
struct ForwardInputs {
  double forward;
  double strike;
  double years_to_expiry;
  double discount_factor;  // value today of 1.00 paid at expiry
  double vol;              // annual, decimal
};

/// The same option seen from spot (Black and Scholes 1973, Merton's continuous yield). Rates are
/// continuously compounded, annual, decimal.
struct SpotInputs {
  double spot;
  double strike;
  double years_to_expiry;
  double rate;
  double dividend_yield;
  double vol;
};

/// Per share. Every member is finite: at expiry and at zero vol they are the limits, and gamma and
/// theta, infinite exactly at the strike there, leave that infinite part out.
struct Valuation {
  double price;
  double delta;
  double gamma;
  double theta;  // per calendar day (a 365th of the annual slope)
  double vega;   // per 1.00 of vol, that is per 100 points
  double rho;    // per 1.00 of rate
};

/// Delta and gamma are slopes in the forward; theta and rho hold the forward still.
Valuation black_scholes(Right right, const ForwardInputs& in);
/// Delta and gamma are slopes in spot; theta and rho hold spot and dividend yield still.
Valuation black_scholes(Right right, const SpotInputs& in);

/// The price alone, at less than half the cost.
double black_scholes_price(Right right, const ForwardInputs& in);
double black_scholes_price(Right right, const SpotInputs& in);

/// One point of vol (0.01) instead of 1.00: what many screens call vega.
constexpr double vega_per_point(double vega) {
  return vega / 100.0;
}

/// Why a price has no implied vol.
enum class NoImpliedVol : std::uint8_t {
  below_intrinsic,  // worth less than its discounted intrinsic value: an arbitrage or a stale quote
  no_time_value,    // at intrinsic value, as closely as the inputs can tell
  above_bound,      // a call at or above the discounted forward, a put at or above the strike's
  expired,          // no time left for a vol to act
  not_finite,       // an input is NaN or infinite, or one that must be positive is not
};
std::string_view to_string(NoImpliedVol why);

struct ImpliedVolInputs {
  double price;  // per share
  double forward;
  double strike;
  double years_to_expiry;
  double discount_factor;
};

/// The vol at which black_scholes_price() gives `price`, as exactly as the price determines it.
/// Never a cap, never a stand-in for failure. Solved on the out-of-the-money side in the manner of
/// Jaeckel, "Let's Be Rational" (2015), with a bracket that no step may leave.
tl::expected<double, NoImpliedVol> implied_vol(Right right, const ImpliedVolInputs& in);

}  // namespace bifrost::analysis
