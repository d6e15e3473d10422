// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/black_scholes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bifrost::analysis {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// The second method: the payoff integrated over the lognormal density by Simpson's rule in the
// standard normal variable, from the strike outwards so that the integrand is smooth. Shares no
// code with the room.
double integrated_price(Right right, const ForwardInputs& in) {
  const double s = in.vol * std::sqrt(in.years_to_expiry);
  const double kink = (std::log(in.strike / in.forward) + 0.5 * s * s) / s;
  const double end =
      right == Right::call ? std::max(kink, 0.0) + 12.0 + s : std::min(kink, 0.0) - 12.0 - s;
  const int steps = 20'000;
  const double h = (end - kink) / steps;
  double sum = 0.0;
  for (int i = 0; i <= steps; ++i) {
    const double z = kink + h * i;
    const double spot = in.forward * std::exp(s * z - 0.5 * s * s);
    const double value = std::abs(spot - in.strike) * std::exp(-0.5 * z * z);
    sum += value * (i == 0 || i == steps ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0));
  }
  return in.discount_factor * sum * std::abs(h) / 3.0 / std::sqrt(2.0 * M_PI);
}

struct Published {
  const char* source;
  Right right;
  SpotInputs in;
  double price;
  double tolerance;
};

// Haug, "The Complete Guide to Option Pricing Formulas": Black-Scholes pp. 2-3, Merton p. 4,
// Black-76 p. 5 (a future is a spot with yield equal to the rate), Garman-Kohlhagen p. 6; four
// printed digits. Hull, "Options, Futures, and Other Derivatives", example 15.6: two digits.
const Published published[] = {
    {"Haug, stock", Right::call, {60, 65, 0.25, 0.08, 0.00, 0.30}, 2.1334, 5e-5},
    {"Haug, index", Right::put, {100, 95, 0.50, 0.10, 0.05, 0.20}, 2.4648, 5e-5},
    {"Haug, futures call", Right::call, {19, 19, 0.75, 0.10, 0.10, 0.28}, 1.7011, 5e-5},
    {"Haug, futures put", Right::put, {19, 19, 0.75, 0.10, 0.10, 0.28}, 1.7011, 5e-5},
    {"Haug, currency", Right::call, {1.56, 1.6, 0.5, 0.06, 0.08, 0.12}, 0.0291, 5e-5},
    {"Hull, call", Right::call, {42, 40, 0.5, 0.10, 0.0, 0.20}, 4.76, 5e-3},
    {"Hull, put", Right::put, {42, 40, 0.5, 0.10, 0.0, 0.20}, 0.81, 5e-3},
};

TEST(BlackScholes, MatchesPublishedPrices) {
  for (const auto& row : published) {
    EXPECT_NEAR(black_scholes_price(row.right, row.in), row.price, row.tolerance) << row.source;
    EXPECT_DOUBLE_EQ(black_scholes(row.right, row.in).price,
                     black_scholes_price(row.right, row.in));
  }
}

// Haug, same book, chapter 2: greeks of single options.
TEST(BlackScholes, MatchesPublishedGreeks) {
  const SpotInputs future{105, 100, 0.5, 0.10, 0.10, 0.36};
  EXPECT_NEAR(black_scholes(Right::call, future).delta, 0.5946, 5e-5);
  EXPECT_NEAR(black_scholes(Right::put, future).delta, -0.3566, 5e-5);
  EXPECT_NEAR(black_scholes(Right::call, {55, 60, 0.75, 0.10, 0.0, 0.30}).gamma, 0.0278, 5e-5);
  EXPECT_NEAR(black_scholes(Right::call, {55, 60, 0.75, 0.10, 0.0, 0.30}).vega, 18.9358, 5e-4);
  EXPECT_NEAR(black_scholes(Right::put, {430, 405, 0.0833, 0.07, 0.05, 0.20}).theta * 365, -31.1924,
              5e-4);
  EXPECT_NEAR(black_scholes(Right::call, {72, 75, 1.0, 0.09, 0.0, 0.19}).rho, 38.7325, 5e-4);
  EXPECT_DOUBLE_EQ(vega_per_point(18.9358), 0.189358);
}

TEST(BlackScholes, AgreesWithTheIntegralOverTheDensity) {
  for (const double strike : {40.0, 70.0, 95.0, 100.0, 110.0, 160.0}) {
    for (const double vol : {0.05, 0.2, 0.6, 2.5}) {
      for (const double years : {0.01, 0.25, 2.0}) {
        for (const Right right : {Right::call, Right::put}) {
          const ForwardInputs in{100, strike, years, 0.96, vol};
          EXPECT_NEAR(black_scholes_price(right, in), integrated_price(right, in), 1e-10)
              << core::to_char(right) << " " << strike << " vol " << vol << " years " << years;
        }
      }
    }
  }
}

// Digits of the far tail from 50-digit arithmetic (mpmath 1.3, F N(d1) - K N(d2), forward 100,
// total deviation s).
TEST(BlackScholes, KeepsItsDigitsFarOutOfTheMoney) {
  struct Row {
    Right right;
    double strike;
    double s;
    double price;
  };
  const Row rows[] = {
#include "far_out_of_the_money.inc"
  };
  for (const auto& row : rows) {
    const double price =
        black_scholes_price(row.right, ForwardInputs{100, row.strike, 1.0, 1.0, row.s});
    EXPECT_NEAR(price / row.price, 1.0, 1e-12) << row.strike << " " << row.s;
  }
}

TEST(BlackScholes, KeepsTheDigitsOfSmallDeltas) {
  for (const double strike : {30.0, 60.0, 90.0, 99.0, 101.0, 130.0, 300.0}) {
    for (const double s : {0.05, 0.15, 0.25, 0.6}) {
      const Right right = strike < 100 ? Right::put : Right::call;
      const double d1 = std::log(100 / strike) / s + 0.5 * s;
      const double sign = right == Right::put ? -1 : 1;
      const double tail = sign * 0.5 * std::erfc(-sign * d1 / std::sqrt(2.0));
      if (std::abs(tail) < 1e-290) continue;
      const double delta = black_scholes(right, ForwardInputs{100, strike, 1.0, 1.0, s}).delta;
      EXPECT_NEAR(delta / tail, 1.0, 1e-11) << strike << " " << s;
    }
  }
}

TEST(BlackScholes, CallMinusPutIsTheDiscountedForward) {
  for (double strike = 20; strike < 400; strike *= 1.3) {
    for (const double vol : {0.0, 0.01, 0.3, 4.0}) {
      const ForwardInputs in{100, strike, 0.7, 0.93, vol};
      const auto call = black_scholes(Right::call, in);
      const auto put = black_scholes(Right::put, in);
      EXPECT_NEAR(call.price - put.price, 0.93 * (100 - strike), 1e-12 * strike);
      EXPECT_NEAR(call.delta - put.delta, 0.93, 1e-14);
      EXPECT_DOUBLE_EQ(call.gamma, put.gamma);
      EXPECT_DOUBLE_EQ(call.vega, put.vega);
    }
  }
}

// Central differences, Richardson-extrapolated: the error falls with the fourth power of the step.
template <class F>
double slope(F f, double at, double step) {
  const double wide = (f(at + step) - f(at - step)) / (2 * step);
  const double narrow = (f(at + step / 2) - f(at - step / 2)) / step;
  return (4 * narrow - wide) / 3;
}

TEST(BlackScholes, GreeksAreTheSlopesOfThePrice) {
  for (const Right right : {Right::call, Right::put}) {
    for (const double strike : {70.0, 100.0, 140.0}) {
      for (const double years : {0.05, 1.0, 3.0}) {
        const SpotInputs in{100, strike, years, 0.04, 0.015, 0.35};
        const auto priced = [&](double SpotInputs::* member) {
          return [&, member](double value) {
            SpotInputs moved = in;
            moved.*member = value;
            return black_scholes_price(right, moved);
          };
        };
        const auto greeks = black_scholes(right, in);
        EXPECT_NEAR(greeks.delta, slope(priced(&SpotInputs::spot), 100, 0.1), 1e-8);
        EXPECT_NEAR(greeks.vega, slope(priced(&SpotInputs::vol), 0.35, 1e-3), 1e-6);
        EXPECT_NEAR(greeks.rho, slope(priced(&SpotInputs::rate), 0.04, 1e-3), 1e-6);
        EXPECT_NEAR(greeks.theta,
                    -slope(priced(&SpotInputs::years_to_expiry), years, years * 0.01) / 365, 1e-7);
        const auto delta = [&](double spot) {
          SpotInputs moved = in;
          moved.spot = spot;
          return black_scholes(right, moved).delta;
        };
        EXPECT_NEAR(greeks.gamma, slope(delta, 100, 0.1), 1e-8);
      }
    }
  }
}

TEST(BlackScholes, ForwardGreeksHoldTheForwardStill) {
  const double rate = 0.05;
  const auto price = [&](double forward, double years, double r) {
    return black_scholes_price(Right::call,
                               ForwardInputs{forward, 105, years, std::exp(-r * years), 0.25});
  };
  const auto greeks =
      black_scholes(Right::call, ForwardInputs{100, 105, 0.5, std::exp(-rate * 0.5), 0.25});
  EXPECT_NEAR(greeks.delta, slope([&](double f) { return price(f, 0.5, rate); }, 100, 0.1), 1e-8);
  EXPECT_NEAR(greeks.theta, -slope([&](double t) { return price(100, t, rate); }, 0.5, 5e-3) / 365,
              1e-8);
  EXPECT_NEAR(greeks.rho, slope([&](double r) { return price(100, 0.5, r); }, rate, 1e-3), 1e-8);
}

TEST(BlackScholes, IsTheDiscountedIntrinsicValueWithoutVolOrTime) {
  for (const auto& [years, vol] : {std::pair{0.5, 0.0}, {0.0, 0.3}, {0.0, 0.0}}) {
    for (const double strike : {80.0, 100.0, 120.0}) {
      const ForwardInputs in{100, strike, years, 0.98, vol};
      const auto call = black_scholes(Right::call, in);
      const auto put = black_scholes(Right::put, in);
      EXPECT_DOUBLE_EQ(call.price, 0.98 * std::max(100 - strike, 0.0));
      EXPECT_DOUBLE_EQ(put.price, 0.98 * std::max(strike - 100, 0.0));
      if (strike != 100.0) {
        EXPECT_DOUBLE_EQ(call.delta, strike < 100 ? 0.98 : 0.0);
        EXPECT_DOUBLE_EQ(put.delta, strike > 100 ? -0.98 : 0.0);
      }
    }
  }
}

TEST(BlackScholes, IsFiniteEverywhereInItsDomain) {
  for (const double strike : {1e-4, 1.0, 99.999999, 100.0, 1e3, 1e7}) {
    for (const double vol : {0.0, 1e-310, 1e-12, 1e-4, 0.2, 5.0, 100.0, 1e4}) {
      for (const double years : {0.0, 1e-9, 1e-3, 1.0, 50.0}) {
        for (const Right right : {Right::call, Right::put}) {
          for (const auto& v :
               {black_scholes(right, ForwardInputs{100, strike, years, 0.9, vol}),
                black_scholes(right, SpotInputs{100, strike, years, 0.05, 0.02, vol})}) {
            for (const double x : {v.price, v.delta, v.gamma, v.theta, v.vega, v.rho}) {
              EXPECT_TRUE(std::isfinite(x)) << strike << " " << vol << " " << years;
            }
            EXPECT_GE(v.price, 0.0);
            EXPECT_GE(v.gamma, 0.0);
            EXPECT_GE(v.vega, 0.0);
            EXPECT_LE(std::abs(v.delta), 1.0);
          }
        }
      }
    }
  }
}

TEST(NormalQuantile, InvertsTheDistribution) {
  for (double p = 1e-300; p < 0.5; p *= 7.3) {
    EXPECT_NEAR(normal_cdf(normal_quantile(p)) / p, 1.0, 1e-12) << p;
  }
  // Wichura, AS 241 (1988), test values.
  EXPECT_NEAR(normal_quantile(0.25), -0.6744897501960817, 1e-15);
  EXPECT_NEAR(normal_quantile(0.001), -3.090232306167814, 1e-14);
  EXPECT_NEAR(normal_quantile(1e-20), -9.262340089798408, 1e-13);
  EXPECT_EQ(normal_quantile(0.5), 0.0);
  EXPECT_DOUBLE_EQ(normal_quantile(0.9), -normal_quantile(0.1));
  EXPECT_EQ(normal_quantile(0.0), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(normal_quantile(1.0), std::numeric_limits<double>::infinity());
}

TEST(ImpliedVol, ReturnsTheVolThatMadeThePriceAsExactlyAsThePriceTellsIt) {
  int solved = 0;
  for (double strike = 20; strike <= 500; strike *= 1.07) {
    for (const double years :
         {1.0 / 365 / 24, 1.0 / 365, 7.0 / 365, 30.0 / 365, 0.25, 1.0, 3.0, 10.0}) {
      for (const double vol : {0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0}) {
        for (const Right right : {Right::call, Right::put}) {
          const ForwardInputs in{100, strike, years, 0.97, vol};
          const auto model = black_scholes(right, in);
          if (model.price < 1e-290) continue;
          const auto found = implied_vol(right, {model.price, 100, strike, years, 0.97});
          if (!found) {
            // Only where the time value, or the room below the bound, is lost in the rounding of
            // the price.
            const double intrinsic =
                0.97 * std::max(right == Right::call ? 100 - strike : strike - 100, 0.0);
            const double bound = 0.97 * (right == Right::call ? 100 : strike);
            const double grain = 1e-14 * std::max(100.0, strike);
            EXPECT_TRUE((intrinsic > 0 && model.price - intrinsic < grain) ||
                        bound - model.price < grain)
                << to_string(found.error()) << " " << strike << " " << years << " " << vol;
            continue;
          }
          ++solved;
          // What a change of the price by one unit in its last place does to the vol.
          const double ulp = std::numeric_limits<double>::epsilon();
          const double conditioning = ulp * model.price / model.vega + ulp * vol;
          EXPECT_LE(std::abs(*found - vol), 30 * conditioning)
              << core::to_char(right) << " " << strike << " " << years << " " << vol;
        }
      }
    }
  }
  EXPECT_GT(solved, 3500);
}

// T14 of numbers.md, in three tests: 250 %, one tick, and prices that have none.
TEST(ImpliedVol, SolvesTwoHundredAndFiftyPercent) {
  const ForwardInputs in{40, 55, 12.0 / 365, 0.999, 2.5};
  for (const Right right : {Right::call, Right::put}) {
    const auto found =
        implied_vol(right, {black_scholes_price(right, in), 40, 55, 12.0 / 365, 0.999});
    ASSERT_TRUE(found);
    EXPECT_NEAR(*found, 2.5, 1e-13);
  }
}

TEST(ImpliedVol, SolvesOneTickFarOutOfTheMoney) {
  const auto found = implied_vol(Right::put, {0.01, 2700, 1200, 20.0 / 365, 0.999});
  ASSERT_TRUE(found);
  EXPECT_NEAR(black_scholes_price(Right::put, ForwardInputs{2700, 1200, 20.0 / 365, 0.999, *found}),
              0.01, 1e-14);
}

TEST(ImpliedVol, SaysWhyThereIsNone) {
  const auto why = [](Right right, const ImpliedVolInputs& in) {
    const auto found = implied_vol(right, in);
    EXPECT_FALSE(found);
    return found ? NoImpliedVol{} : found.error();
  };
  EXPECT_EQ(why(Right::call, {9.0, 100, 90, 0.5, 1.0}), NoImpliedVol::below_intrinsic);
  EXPECT_EQ(why(Right::put, {-0.01, 100, 90, 0.5, 1.0}), NoImpliedVol::below_intrinsic);
  EXPECT_EQ(why(Right::call, {10.0, 100, 90, 0.5, 1.0}), NoImpliedVol::no_time_value);
  EXPECT_EQ(why(Right::put, {0.0, 100, 90, 0.5, 1.0}), NoImpliedVol::no_time_value);
  EXPECT_EQ(why(Right::call, {98.0, 100, 90, 0.5, 0.98}), NoImpliedVol::above_bound);
  EXPECT_EQ(why(Right::put, {90.0, 100, 90, 0.5, 1.0}), NoImpliedVol::above_bound);
  EXPECT_EQ(why(Right::call, {11.0, 100, 90, 0.0, 1.0}), NoImpliedVol::expired);
  EXPECT_EQ(why(Right::call, {nan_value, 100, 90, 0.5, 1.0}), NoImpliedVol::not_finite);
  EXPECT_EQ(why(Right::call, {11.0, 0, 90, 0.5, 1.0}), NoImpliedVol::not_finite);
  EXPECT_EQ(why(Right::call, {11.0, 100, -1, 0.5, 1.0}), NoImpliedVol::not_finite);
  EXPECT_EQ(why(Right::call, {11.0, 100, 90, 0.5, nan_value}), NoImpliedVol::not_finite);
}

TEST(ImpliedVol, TakesRoundingOfADeepPriceForNoTimeValueAtAll) {
  for (double strike = 3.3; strike < 99; strike *= 1.07) {
    const double price = 0.9731 * (100.1 - strike);
    const auto found = implied_vol(Right::call, {price, 100.1, strike, 0.1, 0.9731});
    ASSERT_FALSE(found) << strike << " " << *found;
    EXPECT_EQ(found.error(), NoImpliedVol::no_time_value);
  }
}

}  // namespace
}  // namespace bifrost::analysis
