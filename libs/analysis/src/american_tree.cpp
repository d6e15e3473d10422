// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "bifrost/analysis/american.hpp"

namespace bifrost::analysis {
namespace {

struct TreeResult {
  double price;
  double delta;
  double gamma;
  bool exercised;  // at once
};

/// Present value at `time` of the dividends still to come, an ex-date at that very moment included.
double dividends_after(std::span<const CashDividend> dividends, double time, double rate,
                       double expiry) {
  double value = 0.0;
  for (const auto& dividend : dividends) {
    if (dividend.years_to_ex_date >= time && dividend.years_to_ex_date <= expiry) {
      value += dividend.amount * std::exp(-rate * (dividend.years_to_ex_date - time));
    }
  }
  return value;
}

TreeResult walk(Right right, const SpotInputs& in, std::span<const CashDividend> dividends,
                int steps) {
  const double dt = in.years_to_expiry / steps;
  const double carry = in.rate - in.dividend_yield;
  // Below this vol the path is certain to all digits that anybody reads.
  const double deviation = std::max(in.vol, 1e-6) * std::sqrt(dt);
  // Both moves around the drift, so that the probability lies near a half at any rate.
  const double drift = carry * dt - 0.5 * deviation * deviation;
  const double up = std::exp(drift + deviation);
  const double ratio = std::exp(-2.0 * deviation);  // down / up
  const double probability = (std::expm1(0.5 * deviation * deviation) - std::expm1(-deviation)) /
                             (2.0 * std::sinh(deviation));
  const double discount = std::exp(-in.rate * dt);
  const double risky = in.spot - dividends_after(dividends, 0.0, in.rate, in.years_to_expiry);
  const double sign = right == Right::call ? 1.0 : -1.0;

  std::vector<double> value(static_cast<std::size_t>(steps) + 1);
  double highest = risky * std::pow(up, steps);
  // At expiry nothing is left of the dividends: a share bought at the close has gone ex.
  double spot = highest;
  for (auto& v : value) {
    v = std::max(sign * (spot - in.strike), 0.0);
    spot *= ratio;
  }
  TreeResult result{};
  for (int step = steps - 1; step >= 0; --step) {
    highest /= up;
    const double cash = dividends_after(dividends, step * dt, in.rate, in.years_to_expiry);
    // Exercise pays best just before a call's share goes ex and just after a put's does. That
    // moment falls between two steps: seen from the one before, the strike is due later by so much.
    double strike = in.strike;
    double held = cash;
    for (const auto& ex : dividends) {
      const double wait = ex.years_to_ex_date - step * dt;
      if (wait < 0.0 || wait > dt || ex.years_to_ex_date > in.years_to_expiry) continue;
      double gone = 0.0;  // seen from the step, what a put's holder waits for to be paid
      for (const auto& other : dividends) {
        if (right == Right::put && other.years_to_ex_date >= step * dt &&
            other.years_to_ex_date <= ex.years_to_ex_date) {
          gone += other.amount * std::exp(-in.rate * (other.years_to_ex_date - step * dt));
        }
      }
      const double later_strike = in.strike * std::exp(-in.rate * wait);
      if (sign * (cash - gone - later_strike) > sign * (held - strike)) {
        strike = later_strike;
        held = cash - gone;
      }
    }
    spot = highest;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(step); ++i) {
      const double keep = discount * (probability * value[i] + (1.0 - probability) * value[i + 1]);
      const double now = sign * (spot + held - strike);
      if (step == 0) result.exercised = now >= keep && now > 0.0;
      value[i] = std::max(keep, now);
      spot *= ratio;
    }
    if (step == 2) {
      const double s0 = highest;
      const double s1 = highest * ratio;
      const double s2 = s1 * ratio;
      const double upper = (value[0] - value[1]) / (s0 - s1);
      const double lower = (value[1] - value[2]) / (s1 - s2);
      result.gamma = (upper - lower) / (0.5 * (s0 - s2));
    }
    if (step == 1) result.delta = (value[0] - value[1]) / (highest * (1.0 - ratio));
  }
  result.price = value[0];
  return result;
}

TreeResult smoothed(Right right, const SpotInputs& in, std::span<const CashDividend> dividends,
                    int steps) {
  const auto even = walk(right, in, dividends, steps);
  const auto odd = walk(right, in, dividends, steps + 1);
  return {0.5 * (even.price + odd.price), 0.5 * (even.delta + odd.delta),
          0.5 * (even.gamma + odd.gamma), even.exercised && odd.exercised};
}

}  // namespace

tl::expected<Valuation, NoAmericanPrice> american_tree(Right right, const SpotInputs& in,
                                                       std::span<const CashDividend> dividends,
                                                       int steps) {
  const auto usable = [](double value) { return std::isfinite(value) && value > 0.0; };
  bool finite = usable(in.spot) && usable(in.strike) && usable(in.years_to_expiry) &&
                std::isfinite(in.rate) && std::isfinite(in.dividend_yield) &&
                std::isfinite(in.vol) && in.vol >= 0.0 && steps >= 2;
  for (const auto& dividend : dividends) {
    finite = finite && std::isfinite(dividend.years_to_ex_date) &&
             dividend.years_to_ex_date >= 0.0 && std::isfinite(dividend.amount) &&
             dividend.amount >= 0.0;
  }
  if (!finite) return tl::unexpected{NoAmericanPrice::not_finite};
  const double cash = dividends_after(dividends, 0.0, in.rate, in.years_to_expiry);
  if (cash >= in.spot) return tl::unexpected{NoAmericanPrice::not_finite};

  const auto at = smoothed(right, in, dividends, steps);
  const auto moved = [&](double SpotInputs::* member, double by) {
    SpotInputs other = in;
    other.*member += by;
    return smoothed(right, other, dividends, steps).price;
  };
  constexpr double step = 1e-3;
  const double low_vol = std::max(in.vol - step, 0.0);
  const double vega = (moved(&SpotInputs::vol, step) - moved(&SpotInputs::vol, low_vol - in.vol)) /
                      (in.vol + step - low_vol);
  const double rho =
      (moved(&SpotInputs::rate, step) - moved(&SpotInputs::rate, -step)) / (2.0 * step);
  // From the Black-Scholes equation in the risky part; the cash part grows with the rate.
  const double risky = in.spot - cash;
  const double theta =
      at.exercised
          ? 0.0
          : (in.rate * at.price - (in.rate - in.dividend_yield) * risky * at.delta -
             0.5 * in.vol * in.vol * risky * risky * at.gamma - in.rate * cash * at.delta) /
                365.0;
  return Valuation{.price = at.price,
                   .delta = at.delta,
                   .gamma = at.gamma,
                   .theta = theta,
                   .vega = vega,
                   .rho = rho};
}

}  // namespace bifrost::analysis
