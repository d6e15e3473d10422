// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/probability.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/statistics.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double spot_anchor = 24'041.90;
constexpr double forward_anchor = 24'103.10;

// T5: one long straddle, four answers. Inputs and results of lalitkarthik/convex-hedge-payoff #5.
TEST(ProbabilityOfProfit, DependsOnAnchorAndDayCount) {
  const std::vector<SpotInterval> straddle{{0, 23'599.60}, {24'200.40, infinity}};
  const auto percent = [&](LognormalDensity density) {
    return 100 * probability_of_profit(straddle, density);
  };
  EXPECT_NEAR(percent({spot_anchor, 0.10, 6.0 / 252, Anchor::spot, DayCount::business_252}), 44.82,
              0.005);
  EXPECT_NEAR(percent({forward_anchor, 0.115, 4.0 / 252, Anchor::put_call_parity_forward,
                       DayCount::business_252}),
              46.13, 0.005);
  EXPECT_NEAR(percent({forward_anchor, 0.10, 6.0 / 252, Anchor::put_call_parity_forward,
                       DayCount::business_252}),
              48.09, 0.005);
  EXPECT_NEAR(percent({spot_anchor, 0.10, 6.0 / 365, Anchor::spot, DayCount::act_365f}), 37.66,
              0.005);
}

// T25: without the term of minus half the variance an at-the-money digital would be 50 %.
TEST(ProbabilityOfProfit, HasTheItoTerm) {
  const LognormalDensity density{100, 0.60, 0.25};
  const double above = density.mass({100, infinity});
  EXPECT_NEAR(100 * (0.5 - above), 6.0, 0.05);
}

// T10: 0.85 of the at-the-money straddle is a move of 0.678 sigma, about a 50 % interval.
TEST(ProbabilityOfProfit, OfThePopularExpectedMoveIsAHalf) {
  const double vol = 0.15;
  const double years = 30.0 / 365;
  const ForwardInputs atm{100, 100, years, 1.0, vol};
  const double move =
      0.85 * (black_scholes_price(Right::call, atm) + black_scholes_price(Right::put, atm));
  EXPECT_NEAR(move / (100 * vol * std::sqrt(years)), 0.678, 0.001);
  const LognormalDensity density{100, vol, years};
  EXPECT_NEAR(density.mass({100 - move, 100 + move}), 0.50, 0.005);
}

TEST(LognormalDensity, HasTheForwardAsItsMeanAndAllItsMass) {
  const LognormalDensity density{4000, 0.25, 0.5};
  double mean = 0.0;
  double total = 0.0;
  const double step = 2.0;
  for (double low = 0; low < 40'000; low += step) {
    const double mass = density.mass({low, low + step});
    total += mass;
    mean += mass * (low + 0.5 * step);
  }
  EXPECT_NEAR(total, 1.0, 1e-12);
  EXPECT_NEAR(mean, 4000.0, 1e-3);
  EXPECT_EQ(density.mass({0, infinity}), 1.0);
  for (const double p : {0.16, 0.5, 0.84}) EXPECT_NEAR(density.cdf(density.quantile(p)), p, 1e-14);
}

// T6: without a smile the density, N(d2) and the digital agree.
TEST(ProbabilityAbove, IsThatOfTheDensityWhereTheSmileIsFlat) {
  const LognormalDensity density{100, 0.3, 0.4};
  for (const double strike : {60.0, 95.0, 100.0, 130.0}) {
    EXPECT_NEAR(probability_above({100, strike, 0.4, 0.3, 0.0}), density.mass({strike, infinity}),
                1e-14);
  }
}

// numbers.md 6.2: one condor on a synthetic index smile, raw SVI of Gatheral (2004).
class OneCondorManyProbabilities : public ::testing::Test {
 protected:
  static constexpr double forward = 5000;
  static constexpr double years = 30.0 / 365;

  static double vol(double strike) {
    const double k = std::log(strike / forward) - 0.012;
    const double variance = 0.00035 + 0.0155 * (-0.62 * k + std::sqrt(k * k + 0.045 * 0.045));
    return std::sqrt(variance / years);
  }
  static double price(Right right, double strike) {
    return black_scholes_price(right, ForwardInputs{forward, strike, years, 1.0, vol(strike)});
  }
  static double above(double strike, bool with_slope) {
    const double slope = (vol(strike + 0.01) - vol(strike - 0.01)) / 0.02;
    return probability_above({forward, strike, years, vol(strike), with_slope ? slope : 0.0});
  }
  static double flat(double sigma, double t, double low, double high) {
    const std::vector<SpotInterval> inside{{low, high}};
    return 100 * probability_of_profit(inside, {forward, sigma, t});
  }

  const double credit = price(Right::put, 4790) - price(Right::put, 4740) +
                        price(Right::call, 5155) - price(Right::call, 5205);
  const double low = 4790 - credit;
  const double high = 5155 + credit;
  const double atm = vol(forward);
};

TEST_F(OneCondorManyProbabilities, GiveThePublishedRows) {
  EXPECT_NEAR(credit, 11.14, 0.005);
  EXPECT_NEAR(100 * atm, 12.0, 0.05);
  EXPECT_NEAR(100 * (1 - credit / 50), 77.7, 0.05);
  const double short_put =
      black_scholes(Right::put, ForwardInputs{forward, 4790, years, 1.0, vol(4790)}).delta;
  const double short_call =
      black_scholes(Right::call, ForwardInputs{forward, 5155, years, 1.0, vol(5155)}).delta;
  EXPECT_NEAR(100 * (1 + short_put - short_call), 67.7, 0.05);
  EXPECT_NEAR(100 * (above(4790, false) - above(5155, false)), 67.3, 0.05);
  EXPECT_NEAR(flat(atm, years, low, high), 73.5, 0.05);
  EXPECT_NEAR(flat(atm, 21.0 / 252, low, high), 73.2, 0.05);
  EXPECT_NEAR(100 * (above(low, false) - above(high, false)), 70.0, 0.05);
  EXPECT_NEAR(100 * (above(low, true) - above(high, true)), 74.8, 0.05);
  EXPECT_NEAR(flat(0.8 * atm, years, low, high), 83.3, 0.05);
  // No minus half the variance: the same density about a forward that is higher by just that.
  const double no_ito = std::exp(0.5 * atm * atm * years);
  const std::vector<SpotInterval> inside{{low, high}};
  EXPECT_NEAR(100 * probability_of_profit(inside, {forward * no_ito, atm, years}), 73.4, 0.05);
}

// T9: the two are commonly swapped.
TEST(IvRank, IsThePlaceInTheRangeAndPercentileTheShareOfDaysBelow) {
  const std::vector<double> history{30, 10, 11, 15, 17};
  EXPECT_EQ(iv_rank(history, 20), 50.0);
  EXPECT_EQ(iv_percentile(history, 20), 80.0);
  EXPECT_EQ(iv_rank({}, 20), std::nullopt);
  EXPECT_EQ(iv_percentile({}, 20), std::nullopt);
  const std::vector<double> flat{12, 12};
  EXPECT_EQ(iv_rank(flat, 12), std::nullopt);
  EXPECT_EQ(iv_percentile(flat, 12), 0.0);
}

// T26, with 250 daily returns a year: a public calculator omits the variance across trials and
// mixes units.
TEST(DeflatedSharpe, DiscountsTheNumberOfTrials) {
  const MeasuredSharpe measured{2.5 / std::sqrt(250.0), 1250, -3, 10};
  const double variance = 0.5 / 250;
  EXPECT_NEAR(expected_best_sharpe(variance, 100) * std::sqrt(250.0), 1.789, 0.0005);
  const auto deflated = [&](int trials) {
    return probabilistic_sharpe(measured, expected_best_sharpe(variance, trials));
  };
  EXPECT_NEAR(deflated(100), 0.9004, 0.00005);
  EXPECT_NEAR(deflated(46), 0.951, 0.0005);
  EXPECT_NEAR(deflated(88), 0.910, 0.0005);
}

}  // namespace
}  // namespace bifrost::analysis
