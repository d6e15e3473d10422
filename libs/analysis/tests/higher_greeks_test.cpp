// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "golden_table.hpp"

namespace bifrost::analysis {
namespace {

constexpr Right both[] = {Right::call, Right::put};

// Haug, "The Complete Guide to Option Pricing Formulas" (2007), chapter 2: DdeltaDvol of a put on a
// stock, DvegaDvol and DdeltaDtime (a year) of puts on futures, four printed digits.
TEST(HigherGreeks, MatchPublishedValues) {
  EXPECT_NEAR(higher_greeks(Right::put, SpotInputs{90, 80, 0.25, 0.05, 0.0, 0.20}).vanna, -1.0008,
              5e-5);
  EXPECT_NEAR(higher_greeks(Right::put, SpotInputs{90, 130, 0.75, 0.05, 0.05, 0.28}).volga, 92.3444,
              5e-5);
  EXPECT_NEAR(higher_greeks(Right::put, SpotInputs{105, 90, 0.25, 0.14, 0.14, 0.24}).charm * 365,
              0.3700, 5e-5);
}

// Derivatives of the price taken numerically with 60 digits.
TEST(HigherGreeks, AgreeWithSixtyDigitArithmetic) {
  const GoldenTable table("higher_greeks.csv");
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto in = table.inputs(i);
    const auto found = higher_greeks(table.right(i), in);
    // The density at d1 carries the rounding of d1, which is large where the deviation is small.
    const double s = in.vol * std::sqrt(in.years_to_expiry);
    const double d = (std::abs(std::log(in.spot / in.strike)) + 1.0) / s;
    const double slack = 1e-14 + 1e-15 * d * d;
    const auto near = [&](double ours, double theirs, double size) {
      EXPECT_NEAR(ours, theirs, 1e-40 + slack * (std::abs(theirs) + size)) << table.text(i);
    };
    // Where d1 or d2 vanishes the value does, and its rounding does not.
    const double size = black_scholes(table.right(i), in).vega / in.vol;
    near(found.vanna, table(i, "vanna"), size / in.spot);
    near(found.volga, table(i, "volga"), size);
    near(found.charm * 365, table(i, "charm_per_year"),
         std::abs(in.rate) + in.dividend_yield + size / in.spot);
  }
}

template <class F>
double slope(F f, double at, double step) {
  const double wide = (f(at + step) - f(at - step)) / (2 * step);
  const double narrow = (f(at + step / 2) - f(at - step / 2)) / step;
  return (4 * narrow - wide) / 3;
}

TEST(HigherGreeks, AreTheSlopesOfTheGreeks) {
  for (const Right right : both) {
    for (const double strike : {70.0, 100.0, 140.0}) {
      for (const double years : {0.05, 1.0, 3.0}) {
        const SpotInputs in{100, strike, years, 0.04, 0.015, 0.35};
        const auto greek = [&](double SpotInputs::* member, double Valuation::* which) {
          return [&, member, which](double value) {
            SpotInputs moved = in;
            moved.*member = value;
            return black_scholes(right, moved).*which;
          };
        };
        const auto higher = higher_greeks(right, in);
        EXPECT_NEAR(higher.vanna, slope(greek(&SpotInputs::vol, &Valuation::delta), 0.35, 1e-3),
                    1e-8);
        EXPECT_NEAR(higher.vanna, slope(greek(&SpotInputs::spot, &Valuation::vega), 100, 0.1),
                    1e-7);
        EXPECT_NEAR(higher.volga, slope(greek(&SpotInputs::vol, &Valuation::vega), 0.35, 1e-3),
                    1e-6);
        EXPECT_NEAR(
            higher.charm,
            -slope(greek(&SpotInputs::years_to_expiry, &Valuation::delta), years, years * 0.01) /
                365,
            1e-9);
      }
    }
  }
}

TEST(HigherGreeks, OfTheForwardHoldTheForwardStill) {
  const double rate = 0.05;
  const auto at = [&](double forward, double years, double vol) {
    return black_scholes(Right::put,
                         ForwardInputs{forward, 105, years, std::exp(-rate * years), vol});
  };
  const auto higher =
      higher_greeks(Right::put, ForwardInputs{100, 105, 0.5, std::exp(-rate * 0.5), 0.25});
  EXPECT_NEAR(higher.vanna, slope([&](double v) { return at(100, 0.5, v).delta; }, 0.25, 1e-3),
              1e-8);
  EXPECT_NEAR(higher.volga, slope([&](double v) { return at(100, 0.5, v).vega; }, 0.25, 1e-3),
              1e-6);
  EXPECT_NEAR(higher.charm,
              -slope([&](double t) { return at(100, t, 0.25).delta; }, 0.5, 5e-3) / 365, 1e-9);
}

// Put-call parity, differentiated: a call minus a put is a forward, without vol.
TEST(HigherGreeks, OfCallAndPutDifferByTheCarryAlone) {
  for (double strike = 30; strike < 300; strike *= 1.4) {
    const SpotInputs in{100, strike, 0.7, 0.06, 0.02, 0.4};
    const auto call = higher_greeks(Right::call, in);
    const auto put = higher_greeks(Right::put, in);
    EXPECT_NEAR(call.vanna, put.vanna, 1e-13);
    EXPECT_NEAR(call.volga, put.volga, 1e-12);
    EXPECT_NEAR(call.charm - put.charm, 0.02 * std::exp(-0.02 * 0.7) / 365, 1e-15);
  }
}

TEST(HigherGreeks, AreTheirLimitsWithoutVolOrTime) {
  const auto deep_call = higher_greeks(Right::call, SpotInputs{100, 60, 0.5, 0.05, 0.03, 0.0});
  EXPECT_EQ(deep_call.vanna, 0.0);
  EXPECT_EQ(deep_call.volga, 0.0);
  EXPECT_NEAR(deep_call.charm, 0.03 * std::exp(-0.03 * 0.5) / 365, 1e-17);
  // Sold forward at no vol: delta is a half of the discount, and vol moves it by n(0) sqrt(T) / 2.
  const ForwardInputs at_strike{100, 100, 0.25, 1.0, 0.0};
  EXPECT_NEAR(higher_greeks(Right::call, at_strike).vanna,
              slope([&](double v) { return normal_cdf(0.5 * v * 0.5); }, 0.0, 1e-3), 1e-9);
  const auto expired = higher_greeks(Right::put, SpotInputs{90, 100, 0.0, 0.05, 0.03, 0.4});
  EXPECT_EQ(expired.vanna, 0.0);
  EXPECT_EQ(expired.volga, 0.0);
  EXPECT_NEAR(expired.charm, -0.03 / 365, 1e-17);
}

TEST(HigherGreeks, AreFiniteEverywhere) {
  for (const double strike : {1e-4, 1.0, 99.999999, 100.0, 1e3, 1e7}) {
    for (const double vol : {0.0, 1e-310, 1e-12, 1e-4, 0.2, 5.0, 100.0, 1e4}) {
      for (const double years : {0.0, 1e-300, 1e-9, 1e-3, 1.0, 50.0}) {
        for (const Right right : both) {
          for (const auto& v :
               {higher_greeks(right, ForwardInputs{100, strike, years, 0.9, vol}),
                higher_greeks(right, SpotInputs{100, strike, years, 0.05, 0.02, vol})}) {
            EXPECT_TRUE(std::isfinite(v.vanna) && std::isfinite(v.volga) && std::isfinite(v.charm))
                << strike << " " << vol << " " << years << ": " << v.vanna << " " << v.volga << " "
                << v.charm;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace bifrost::analysis
