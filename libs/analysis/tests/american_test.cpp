// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/american.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "bifrost/analysis/chain_pricing.hpp"

namespace bifrost::analysis {
namespace {

constexpr Right both[] = {Right::call, Right::put};

double price_of(Right right, const SpotInputs& in) {
  const auto price = american_price(right, in);
  EXPECT_TRUE(price) << to_string(price.error());
  return price.value_or(std::numeric_limits<double>::quiet_NaN());
}

// Longstaff and Schwartz, "Valuing American Options by Simulation" (2001), table 1, p. 127: their
// finite-difference column. Strike 40, rate 6 %, no dividend; three digits are printed.
TEST(American, MatchesPublishedPuts) {
  struct Row {
    double spot, vol, years, price;
  };
  constexpr Row rows[] = {
      {36, .2, 1, 4.478}, {36, .2, 2, 4.840}, {36, .4, 1, 7.101}, {36, .4, 2, 8.508},
      {38, .2, 1, 3.250}, {38, .2, 2, 3.745}, {38, .4, 1, 6.148}, {38, .4, 2, 7.670},
      {40, .2, 1, 2.314}, {40, .2, 2, 2.885}, {40, .4, 1, 5.312}, {40, .4, 2, 6.920},
      {42, .2, 1, 1.617}, {42, .2, 2, 2.212}, {42, .4, 1, 4.582}, {42, .4, 2, 6.248},
      {44, .2, 1, 1.110}, {44, .2, 2, 1.690}, {44, .4, 1, 3.948}, {44, .4, 2, 5.647}};
  for (const auto& row : rows) {
    const SpotInputs in{row.spot, 40, row.years, 0.06, 0.0, row.vol};
    // Their scheme exercises fifty times a year; the freedom to choose any moment is worth a little
    // more, up to a cent on these.
    const double extra = price_of(Right::put, in) - row.price;
    EXPECT_GT(extra, -5e-4) << row.spot << " " << row.vol;
    EXPECT_LT(extra, 9.5e-3) << row.spot << " " << row.vol;
  }
}

// The second method: the binomial tree whose last step is the European formula (Broadie and
// Detemple 1996), which is smooth in the number of steps and so can be extrapolated.
double smooth_tree(Right right, const SpotInputs& in, int steps) {
  const double dt = in.years_to_expiry / steps;
  const double up = std::exp(in.vol * std::sqrt(dt));
  const double p = (std::exp((in.rate - in.dividend_yield) * dt) - 1 / up) / (up - 1 / up);
  const double discount = std::exp(-in.rate * dt);
  const auto spot = [&](int level) { return in.spot * std::pow(up, level); };
  const auto exercise = [&](int level) {
    return std::max(right == Right::call ? spot(level) - in.strike : in.strike - spot(level), 0.0);
  };
  std::vector<double> value;
  for (int i = 0; i < steps; ++i) {
    const int level = steps - 1 - 2 * i;
    SpotInputs last = in;
    last.spot = spot(level);
    last.years_to_expiry = dt;
    value.push_back(std::max(black_scholes_price(right, last), exercise(level)));
  }
  for (int step = steps - 2; step >= 0; --step) {
    for (int i = 0; i <= step; ++i) {
      const auto at = static_cast<std::size_t>(i);
      value[at] =
          std::max(discount * (p * value[at] + (1 - p) * value[at + 1]), exercise(step - 2 * i));
    }
  }
  return value[0];
}

TEST(American, AgreesWithALargeTree) {
  for (const Right right : both) {
    for (const auto& [rate, yield] :
         {std::pair{0.05, 0.0}, {0.05, 0.02}, {0.02, 0.05}, {0.04, 0.04}, {0.0, 0.03}}) {
      for (const double vol : {0.1, 0.3, 0.8}) {
        for (const double years : {0.05, 0.5, 2.0}) {
          for (const double strike : {80.0, 100.0, 115.0}) {
            const SpotInputs in{100, strike, years, rate, yield, vol};
            EXPECT_NEAR(price_of(right, in),
                        2 * smooth_tree(right, in, 400) - smooth_tree(right, in, 200), 1.5e-3)
                << core::to_char(right) << strike << " rate " << rate << " yield " << yield
                << " vol " << vol << " years " << years;
          }
        }
      }
    }
  }
}

TEST(American, IsWorthTheEuropeanWhereExerciseNeverPays) {
  for (const double strike : {70.0, 100.0, 140.0}) {
    const SpotInputs call{100, strike, 1.0, 0.05, 0.0, 0.3};
    EXPECT_DOUBLE_EQ(price_of(Right::call, call), black_scholes_price(Right::call, call));
    const SpotInputs put{100, strike, 1.0, 0.0, 0.02, 0.3};
    EXPECT_DOUBLE_EQ(price_of(Right::put, put),
                     std::max(black_scholes_price(Right::put, put), std::max(strike - 100, 0.0)));
  }
}

TEST(American, CallsArePutsWithSpotAndStrikeExchanged) {
  for (const double strike : {80.0, 100.0, 125.0}) {
    EXPECT_NEAR(price_of(Right::call, {100, strike, 0.7, 0.03, 0.06, 0.25}),
                price_of(Right::put, {strike, 100, 0.7, 0.06, 0.03, 0.25}), 1e-9);
  }
}

TEST(American, LimitsAndRefusals) {
  EXPECT_DOUBLE_EQ(price_of(Right::put, {90, 100, 0.0, 0.05, 0.0, 0.3}), 10);
  EXPECT_DOUBLE_EQ(price_of(Right::put, {90, 100, 1.0, 0.05, 0.0, 0.0}), 10);
  EXPECT_DOUBLE_EQ(price_of(Right::put, {40, 100, 1.0, 0.05, 0.0, 0.2}), 60);  // exercised at once
  EXPECT_EQ(american_price(Right::put, {100, 100, 1, -0.02, -0.05, 0.2}).error(),
            NoAmericanPrice::two_boundaries);
  EXPECT_EQ(american_price(Right::put, {100, 100, 1, 0.02, 0, std::nan("")}).error(),
            NoAmericanPrice::not_finite);
  EXPECT_EQ(american_price(Right::put, {0, 100, 1, 0.02, 0, 0.2}).error(),
            NoAmericanPrice::not_finite);
  EXPECT_EQ(american_tree(Right::put, {100, 100, 1, 0.02, 0, 0.2}, {{{0.5, 200}}}).error(),
            NoAmericanPrice::not_finite);
}

// ---- the tree with dividends

// The tree is the second method: its greeks are slopes of its own price.
TEST(American, GreeksOfOneOptionAgreeWithATree) {
  for (const Right right : both) {
    for (const double strike : {90.0, 100.0, 110.0}) {
      const SpotInputs in{100, strike, 0.5, 0.05, 0.02, 0.3};
      const auto ours = american_valuation(right, in);
      const auto tree = american_tree(right, in, {}, 1500);
      ASSERT_TRUE(ours && tree);
      EXPECT_NEAR(ours->price, tree->price, 2e-3) << strike;
      EXPECT_NEAR(ours->delta, tree->delta, 5e-4) << strike;
      EXPECT_NEAR(ours->gamma, tree->gamma, 2e-4) << strike;
      EXPECT_NEAR(ours->theta, tree->theta, 5e-4) << strike;
      const auto slope = [&](double SpotInputs::* input, double step) {
        SpotInputs up = in, down = in;
        up.*input += step;
        down.*input -= step;
        return (smooth_tree(right, up, 400) - smooth_tree(right, down, 400)) / (2 * step);
      };
      EXPECT_NEAR(ours->vega, slope(&SpotInputs::vol, 0.01), 2e-2) << strike;
      EXPECT_NEAR(ours->rho, slope(&SpotInputs::rate, 0.001), 5e-2) << strike;
    }
  }
}

// The boundary does not move with a call that is never exercised early: all greeks are European.
TEST(American, GreeksOfACallWithoutDividendAreEuropean) {
  const SpotInputs in{100, 105, 0.75, 0.04, 0.0, 0.25};
  const auto american = american_valuation(Right::call, in);
  const auto european = black_scholes(Right::call, in);
  ASSERT_TRUE(american);
  EXPECT_NEAR(american->delta, european.delta, 1e-6);
  EXPECT_NEAR(american->gamma, european.gamma, 1e-6);
  EXPECT_NEAR(american->theta, european.theta, 1e-5);
  EXPECT_NEAR(american->vega, european.vega, 1e-4);
  EXPECT_NEAR(american->rho, european.rho, 1e-4);
}

TEST(American, VolOfOneOptionComesBackFromItsPrice) {
  for (const Right right : both) {
    for (const double vol : {0.03, 0.2, 0.8, 3.0}) {
      for (const double strike : {80.0, 100.0, 125.0}) {
        SpotInputs in{100, strike, 0.5, 0.05, 0.02, vol};
        const double price = price_of(right, in);
        const auto solved = american_implied_vol(right, price, in);
        if (!solved) {
          // Without any time value there is nothing to read a vol from.
          in.vol = 0.0;
          EXPECT_NEAR(price, price_of(right, in), 1e-9);
          continue;
        }
        in.vol = *solved;
        EXPECT_NEAR(price_of(right, in), price, 1e-8) << strike << " " << vol;
        if (price > 1e-3) {
          EXPECT_NEAR(*solved, vol, 1e-5) << strike << " " << vol;
        }
      }
    }
  }
}

TEST(American, RefusesPricesOfOneOptionWithoutAVol) {
  const SpotInputs in{100, 110, 0.5, 0.05, 0.0, 0.0};
  const auto why = [&](double price) {
    return american_implied_vol(Right::put, price, in).error();
  };
  EXPECT_EQ(why(9.99), NoImpliedVol::below_intrinsic);
  EXPECT_EQ(why(10.0), NoImpliedVol::no_time_value);
  EXPECT_EQ(why(110.0), NoImpliedVol::above_bound);
  EXPECT_EQ(why(std::nan("")), NoImpliedVol::not_finite);
  SpotInputs over = in;
  over.years_to_expiry = 0.0;
  EXPECT_EQ(american_implied_vol(Right::put, 11.0, over).error(), NoImpliedVol::expired);
}

// Where the rate is large against the variance, smooth pasting throws too far: bond funds live
// here.
TEST(American, AgreesWithATreeAtVolsFarBelowTheRate) {
  const SpotInputs cases[] = {
      {100, 100, 1.0, 0.05, 0.0, 0.0199}, {100, 100, 1.0, 0.05, 0.0, 0.02},
      {100, 100, 1.0, 0.05, 0.0, 0.0201}, {100, 101, 1.0, 0.05, 0.03, 0.01},
      {100, 100, 2.0, 0.05, 0.0, 0.025},  {100, 100, 0.1, 0.05, 0.0, 0.007}};
  for (const auto& in : cases) {
    const double near = smooth_tree(Right::put, in, 2000);
    const double far = smooth_tree(Right::put, in, 4000);
    EXPECT_NEAR(price_of(Right::put, in), 2.0 * far - near, 2e-4) << in.vol << " " << in.strike;
  }
  const SpotInputs call{100, 100.392, 0.9787, 0.050847, 0.14929, 0.02595};
  EXPECT_NEAR(price_of(Right::call, call), smooth_tree(Right::call, call, 4000), 5e-4);
}

// Whatever goes in, what comes out is a price within its bounds, or a reason.
TEST(American, IsAPriceOrARefusalForAnyInput) {
  std::mt19937_64 random(20261126);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  const auto power = [&](double low, double high) {
    return std::pow(10.0, low + (high - low) * unit(random));
  };
  int refused = 0;
  constexpr int trials = 3000;
  for (int i = 0; i < trials; ++i) {
    const SpotInputs in{100.0,
                        100.0 * std::exp(unit(random) - 0.5),
                        power(-4, 0.5),
                        power(-16, -0.7),
                        unit(random) < 0.3 ? 0.0 : power(-16, -0.7),
                        power(-3, 0.5)};
    const Right right = unit(random) < 0.5 ? Right::call : Right::put;
    const auto price = american_price(right, in);
    if (!price) {
      ++refused;
      continue;
    }
    const double now =
        std::max(right == Right::call ? in.spot - in.strike : in.strike - in.spot, 0.0);
    ASSERT_TRUE(std::isfinite(*price)) << in.strike << " " << in.vol << " " << in.rate;
    EXPECT_GE(*price, std::max(now, black_scholes_price(right, in)) - 1e-7);
    EXPECT_LE(*price, (right == Right::call ? in.spot : in.strike) + 1e-7);
  }
  EXPECT_LT(refused, trials / 100);
  EXPECT_EQ(american_price(Right::call, {125, 100, 7.7e5, 0.0016, 1e-4, 0.0}).error(),
            NoAmericanPrice::not_finite);
}

// Hull, "Options, Futures, and Other Derivatives", the example of a put with one dividend: stock
// 52, strike 50, five months, 40 % vol on the risky part, 10 % rate, 2.06 due after three and a
// half months: 4.44 with five steps, 4.21 with many.
TEST(AmericanTree, MatchesHullsPutWithADividend) {
  const SpotInputs in{52, 50, 5.0 / 12, 0.10, 0.0, 0.40};
  const CashDividend dividend{3.5 / 12, 2.06};
  EXPECT_NEAR(american_tree(Right::put, in, {&dividend, 1}, 500)->price, 4.21, 0.02);
}

// Without early exercise (a put under a rate of zero, say) the escrowed model is Black and Scholes
// on what is left of the spot.
TEST(AmericanTree, EqualsBlackScholesOnTheRiskyPart) {
  const SpotInputs in{100, 105, 0.75, 0.0, 0.0, 0.3};
  const CashDividend dividends[] = {{0.2, 1.5}, {0.6, 1.5}};
  SpotInputs risky = in;
  risky.spot -= 3.0;
  // At a rate of zero a put is not exercised before the last dividend, and gains nothing after it.
  EXPECT_NEAR(american_tree(Right::put, in, dividends, 800)->price,
              black_scholes_price(Right::put, risky), 3e-3);
}

TEST(AmericanTree, GreeksAreTheSlopesOfItsPrice) {
  const CashDividend dividends[] = {{0.1, 0.8}, {0.35, 0.8}};
  for (const Right right : both) {
    const SpotInputs in{100, 98, 0.5, 0.05, 0.01, 0.3};
    const auto at = *american_tree(right, in, dividends, 1000);
    const auto price = [&](double spot, double years_passed) {
      SpotInputs moved = in;
      moved.spot = spot;
      moved.years_to_expiry -= years_passed;
      CashDividend later[] = {{0.1 - years_passed, 0.8}, {0.35 - years_passed, 0.8}};
      return american_tree(right, moved, later, 1000)->price;
    };
    EXPECT_NEAR(at.delta, (price(102, 0) - price(98, 0)) / 4, 2e-3);
    EXPECT_NEAR(at.gamma, (price(104, 0) - 2 * at.price + price(96, 0)) / 16, 1e-3);
    EXPECT_NEAR(at.theta, (price(100, 2.0 / 365) - at.price) / 2, 2e-3);
  }
}

// T20 of numbers.md: the call is exercised the night before it goes ex if the dividend is worth
// more than what is left of its time value.
TEST(AmericanTree, DeepCallsAreExercisedBeforeALargeDividend) {
  const SpotInputs in{120, 100, 30.0 / 365, 0.03, 0.0, 0.2};
  const CashDividend tomorrow{1.0 / 365, 2.0};
  const double time_value =
      black_scholes_price(Right::put, SpotInputs{118, 100, 29.0 / 365, 0.03, 0.0, 0.2}) +
      100 * (1 - std::exp(-0.03 * 30 / 365));
  EXPECT_TRUE(assignment_is_likely(2.0, time_value));
  EXPECT_NEAR(american_tree(Right::call, in, {&tomorrow, 1}, 400)->price, 20.0, 0.05);
  EXPECT_FALSE(assignment_is_likely(0.05, time_value));
}

// T20 as a desk meets it: quotes on the night before, Lean #6938.
TEST(AssignmentRisk, IsThereWhenTheDividendExceedsTheTimeValue) {
  const ShortCall deep{.spot = 120, .strike = 100, .years_to_expiry = 0.1, .price = 20.35};
  const auto risk = assignment_risk(ExerciseStyle::american, deep, 0.80);
  ASSERT_TRUE(risk);
  EXPECT_TRUE(risk->likely);
  EXPECT_NEAR(risk->time_value, 0.35, 1e-12);
  EXPECT_NEAR(risk->gain, 0.45, 1e-12);
  EXPECT_FALSE(assignment_risk(ExerciseStyle::american, deep, 0.30)->likely);
  // Without a dividend nobody gives time value away.
  EXPECT_FALSE(assignment_risk(ExerciseStyle::american, deep, 0.0)->likely);
  const ShortCall out{.spot = 99, .strike = 100, .years_to_expiry = 0.1, .price = 1.2};
  EXPECT_EQ(assignment_risk(ExerciseStyle::american, out, 5.0).error(), NoExercise::worthless);
  EXPECT_EQ(assignment_risk(ExerciseStyle::european, deep, 5.0).error(), NoExercise::before_expiry);
}

// T24 of numbers.md: Lean #6712 exercised European options early.
TEST(Exercise, OfEuropeanOptionsIsRefusedBeforeExpiry) {
  for (const Right right : both) {
    const double spot = right == Right::call ? 110 : 90;
    EXPECT_EQ(exercise_value(ExerciseStyle::european, right, spot, 100, 1.0 / 365).error(),
              NoExercise::before_expiry);
    EXPECT_EQ(exercise_value(ExerciseStyle::european, right, spot, 100, 0.0), 10.0);
    EXPECT_EQ(exercise_value(ExerciseStyle::american, right, spot, 100, 1.0 / 365), 10.0);
    EXPECT_EQ(exercise_value(ExerciseStyle::american, right, 100, 100, 1.0 / 365).error(),
              NoExercise::worthless);
  }
}

// ---- the surface

class AmericanSurfaceOn : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { use_chain_kernels(GetParam()); }
  void TearDown() override { use_chain_kernels(""); }
};
INSTANTIATE_TEST_SUITE_P(Kernels, AmericanSurfaceOn, testing::ValuesIn(available_chain_kernels()),
                         [](const auto& kernels) { return std::string{kernels.param}; });

struct Sample {
  std::vector<double> strikes;
  std::vector<double> vols;
};
Sample sample(std::uint64_t seed, int n) {
  std::mt19937_64 random{seed};
  std::uniform_real_distribution<double> strike{65, 150};
  std::uniform_real_distribution<double> vol{0.08, 0.9};
  Sample made;
  for (int i = 0; i < n; ++i) {
    made.strikes.push_back(strike(random));
    made.vols.push_back(vol(random));
  }
  return made;
}

const AmericanTerms expiries[] = {{100, 7.0 / 365, 0.05, 0.0},
                                  {100, 60.0 / 365, 0.04, 0.015},
                                  {100, 1.0, 0.02, 0.05},
                                  {100, 2.0, 0.06, 0.03},
                                  {100, 0.5, 0.045, 0.045}};

TEST_P(AmericanSurfaceOn, PricesAsTheSingleOptionDoes) {
  for (const auto& terms : expiries) {
    for (const Right right : both) {
      const auto surface = AmericanSurface::build(right, terms);
      ASSERT_TRUE(surface);
      const auto some = sample(3, 203);
      std::vector<double> prices(some.strikes.size());
      surface->prices({some.strikes, right}, some.vols, prices);
      for (std::size_t i = 0; i < prices.size(); ++i) {
        const double expected = price_of(right, {terms.spot, some.strikes[i], terms.years_to_expiry,
                                                 terms.rate, terms.dividend_yield, some.vols[i]});
        EXPECT_NEAR(prices[i], expected, 3e-5)
            << core::to_char(right) << some.strikes[i] << " vol " << some.vols[i] << " years "
            << terms.years_to_expiry << " rate " << terms.rate << " yield " << terms.dividend_yield;
      }
    }
  }
}

// The tree of AgreesWithALargeTree holds for the kernels in use; all of them find the same
// boundary.
TEST_P(AmericanSurfaceOn, SingleOptionsAgreeWithThoseOfThePlainestKernels) {
  std::mt19937_64 random{12};
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>{low, high}(random);
  };
  for (int i = 0; i < 60; ++i) {
    const double vol = between(0.03, 1.2);
    const double years = between(0.01, 2.0);
    const SpotInputs in{100.0,
                        100.0 * std::exp(between(-2.0, 2.0) * vol * std::sqrt(years)),
                        years,
                        between(0.001, 0.12),
                        between(0.001, 0.12),
                        vol};
    for (const Right right : both) {
      const double here = price_of(right, in);
      use_chain_kernels("baseline");
      EXPECT_NEAR(here, price_of(right, in), 1e-9);
      use_chain_kernels(GetParam());
    }
  }
}

/// Terms of any market, and some wilder.
AmericanTerms some_terms(std::mt19937_64& random) {
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>{low, high}(random);
  };
  const auto carry = [&] {
    switch (std::uniform_int_distribution{0, 3}(random)) {
      case 0:
        return 0.0;
      case 1:
        return between(1e-4, 5e-3);
      default:
        return between(5e-3, 0.15);
    }
  };
  return {100.0, std::exp(between(std::log(1.0 / 365), std::log(3.0))), carry(), carry()};
}

TEST_P(AmericanSurfaceOn, OfFewerVolsPricesThemAsTheSingleOptionDoes) {
  std::mt19937_64 random{13};
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>{low, high}(random);
  };
  constexpr double least = AmericanSurface::lowest_vol;
  constexpr double most = AmericanSurface::highest_vol;
  double worst = 0.0;
  for (int i = 0; i < 150; ++i) {
    const auto terms = some_terms(random);
    double lowest = std::exp(between(std::log(least), std::log(most)));
    double highest = std::exp(between(std::log(least), std::log(most)));
    if (i % 3 == 0) highest = std::min(lowest * between(1.0, 2.0), most);
    if (i % 10 == 0) highest = lowest;
    if (i % 10 == 1) lowest = least;
    if (i % 10 == 2) highest = most;
    if (lowest > highest) std::swap(lowest, highest);
    const Right right = both[i % 2];
    const auto surface =
        AmericanSurface::build(right, terms, AmericanSurface::Rho::unwanted, {lowest, highest});
    ASSERT_TRUE(surface);
    Sample some;
    for (int j = 0; j < 10; ++j) {
      const double vol =
          j == 0 ? lowest
          : j == 1
              ? highest
              : std::clamp(std::exp(between(std::log(lowest), std::log(highest))), lowest, highest);
      some.vols.push_back(vol);
      some.strikes.push_back(terms.spot *
                             std::exp(between(-3.0, 3.0) * vol * std::sqrt(terms.years_to_expiry)));
    }
    std::vector<double> prices(some.vols.size());
    surface->prices({some.strikes, right}, some.vols, prices);
    for (std::size_t j = 0; j < prices.size(); ++j) {
      const double expected = price_of(right, {terms.spot, some.strikes[j], terms.years_to_expiry,
                                               terms.rate, terms.dividend_yield, some.vols[j]});
      const double off = std::abs(prices[j] - expected) / std::max(terms.spot, some.strikes[j]);
      worst = std::max(worst, off);
      EXPECT_LT(off, 1e-6) << core::to_char(right) << some.strikes[j] << " vol " << some.vols[j]
                           << " of " << lowest << " to " << highest << " years "
                           << terms.years_to_expiry << " rate " << terms.rate << " yield "
                           << terms.dividend_yield;
    }
  }
  RecordProperty("worst", std::to_string(worst));
}

TEST_P(AmericanSurfaceOn, OfFewerVolsDoesNotExtrapolate) {
  const AmericanTerms terms{100, 0.5, 0.05, 0.03};
  for (const Right right : both) {
    const auto surface =
        AmericanSurface::build(right, terms, AmericanSurface::Rho::wanted, {0.2, 0.3});
    ASSERT_TRUE(surface);
    const std::vector<double> vols{0.1, 0.199, 0.301, 0.5, 2.4, 3.0};
    const std::vector<double> strikes(vols.size(), 104.0);
    std::vector<double> prices(vols.size());
    AmericanSurface::Columns valued;
    surface->prices({strikes, right}, vols, prices);
    surface->valuations({strikes, right}, vols, valued);
    ImpliedVolColumns back;
    surface->implied_vols({strikes, right}, prices, back);
    for (std::size_t i = 0; i < vols.size(); ++i) {
      const SpotInputs in{100, strikes[i], 0.5, 0.05, 0.03, vols[i]};
      const auto alone = american_valuation(right, in);
      ASSERT_TRUE(alone);
      EXPECT_EQ(prices[i], alone->price);
      EXPECT_EQ(valued.vega[i], alone->vega);
      EXPECT_EQ(valued.rho[i], alone->rho);
      EXPECT_NEAR(back.vol[i], vols[i], 1e-6);
    }
  }
}

TEST(AmericanSurface, RefusesARangeOfVolsThatIsNone) {
  const AmericanTerms terms{100, 0.5, 0.05, 0.03};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const VolRange& vols : {VolRange{0.3, 0.2},
                               {0.0, 0.2},
                               {-0.1, 0.2},
                               {nan, 0.2},
                               {0.2, nan},
                               {0.2, std::numeric_limits<double>::infinity()}}) {
    const auto surface =
        AmericanSurface::build(Right::put, terms, AmericanSurface::Rho::unwanted, vols);
    ASSERT_FALSE(surface);
    EXPECT_EQ(surface.error(), NoAmericanPrice::not_finite);
  }
}

TEST_P(AmericanSurfaceOn, GreeksAreTheSlopesOfThePrice) {
  for (const auto& terms : expiries) {
    for (const Right right : both) {
      const auto surface = AmericanSurface::build(right, terms);
      const auto some = sample(4, 37);
      AmericanSurface::Columns at;
      surface->valuations({some.strikes, right}, some.vols, at);
      for (std::size_t i = 0; i < some.strikes.size(); ++i) {
        const SpotInputs in{terms.spot, some.strikes[i],      terms.years_to_expiry,
                            terms.rate, terms.dividend_yield, some.vols[i]};
        const double intrinsic =
            std::max(right == Right::call ? in.spot - in.strike : in.strike - in.spot, 0.0);
        if (at.price[i] - intrinsic < 0.02) continue;  // at the boundary slopes have a corner
        const auto moved = [&](double spot, double vol) {
          SpotInputs other = in;
          other.spot = spot;
          other.vol = vol;
          return price_of(right, other);
        };
        const double up = moved(100.2, in.vol);
        const double down = moved(99.8, in.vol);
        EXPECT_NEAR(at.delta[i], (up - down) / 0.4, 5e-4);
        EXPECT_NEAR(at.gamma[i], (up - 2 * moved(100, in.vol) + down) / 0.04, 2e-3);
        EXPECT_NEAR(at.vega[i], (moved(100, in.vol + 1e-3) - moved(100, in.vol - 1e-3)) / 2e-3,
                    0.02);
        SpotInputs dearer = in;
        SpotInputs cheaper = in;
        dearer.rate += 1e-3;
        cheaper.rate -= 1e-3;
        EXPECT_NEAR(at.rho[i], (price_of(right, dearer) - price_of(right, cheaper)) / 2e-3, 0.02);
        SpotInputs later = in;
        later.years_to_expiry *= 0.999;
        EXPECT_NEAR(
            at.theta[i],
            (price_of(right, later) - price_of(right, in)) / (0.001 * in.years_to_expiry * 365),
            2e-3);
      }
    }
  }
}

TEST_P(AmericanSurfaceOn, ServesAnotherSpotAsOneBuiltForItDoes) {
  for (const Right right : both) {
    const AmericanTerms terms{100, 0.5, 0.04, 0.02};
    const auto moved = AmericanSurface::build(right, terms)->at_spot(107.5);
    const auto built = AmericanSurface::build(right, {107.5, 0.5, 0.04, 0.02});
    EXPECT_EQ(moved.terms().spot, 107.5);
    const auto some = sample(6, 50);
    AmericanSurface::Columns one;
    AmericanSurface::Columns other;
    moved.valuations({some.strikes, right}, some.vols, one);
    built->valuations({some.strikes, right}, some.vols, other);
    for (std::size_t i = 0; i < 50; ++i) {
      EXPECT_DOUBLE_EQ(one.price[i], other.price[i]);
      EXPECT_DOUBLE_EQ(one.delta[i], other.delta[i]);
      EXPECT_DOUBLE_EQ(one.rho[i], other.rho[i]);
    }
  }
}

// Beyond the table's vols, too, and where a put's rate leaves no room to lower it.
TEST_P(AmericanSurfaceOn, RhoIsTheSlopeInTheRateEverywhere) {
  for (const double rate : {1e-3, 0.05}) {
    for (const double vol : {0.03, 0.2, 3.0}) {
      const auto surface = AmericanSurface::build(Right::put, {100, 0.5, rate, 0.0});
      AmericanSurface::Columns at;
      surface->valuations({std::vector{102.0}, Right::put}, std::vector{vol}, at);
      const auto price = [&](double r) { return price_of(Right::put, {100, 102, 0.5, r, 0, vol}); };
      if (price(rate) <= 2.0) continue;
      EXPECT_NEAR(at.rho[0], (price(rate + 5e-4) - price(rate - 5e-4)) / 1e-3, 0.1)
          << rate << " " << vol;
    }
  }
  // Where exercise never pays it is the European's.
  const auto call = AmericanSurface::build(Right::call, {100, 0.5, 0.05, 0.0});
  AmericanSurface::Columns at;
  call->valuations({std::vector{102.0}, Right::call}, std::vector{0.3}, at);
  EXPECT_NEAR(at.rho[0], black_scholes(Right::call, SpotInputs{100, 102, 0.5, 0.05, 0, 0.3}).rho,
              1e-3);
}

TEST_P(AmericanSurfaceOn, VolsComeBackFromPrices) {
  for (const auto& terms : expiries) {
    for (const Right right : both) {
      const auto surface = AmericanSurface::build(right, terms);
      const auto some = sample(5, 100);
      ImpliedVolColumns back;
      AmericanSurface::Columns at;
      surface->valuations({some.strikes, right}, some.vols, at);
      surface->implied_vols({some.strikes, right}, at.price, back);
      int solved = 0;
      for (std::size_t i = 0; i < 100; ++i) {
        if (at.vega[i] < 1e-3) continue;
        ASSERT_FALSE(back.refusal[i]) << to_string(*back.refusal[i]);
        ++solved;
        EXPECT_NEAR(back.vol[i], some.vols[i], 1e-9 + 1e-12 / at.vega[i]);
      }
      EXPECT_GT(solved, 40);
    }
  }
}

TEST_P(AmericanSurfaceOn, RefusesPricesWithoutAVol) {
  const auto surface = AmericanSurface::build(Right::put, {100, 0.5, 0.05, 0.0});
  const std::vector<double> strikes{110, 110, 110, 110, 90};
  const std::vector<double> prices{9.5, 10, 110, std::nan(""), 40};
  ImpliedVolColumns out;
  surface->implied_vols({strikes, Right::put}, prices, out);
  EXPECT_EQ(out.refusal[0], NoImpliedVol::below_intrinsic);
  EXPECT_EQ(out.refusal[1], NoImpliedVol::no_time_value);
  EXPECT_EQ(out.refusal[2], NoImpliedVol::above_bound);
  EXPECT_EQ(out.refusal[3], NoImpliedVol::not_finite);
  ASSERT_FALSE(out.refusal[4]);  // above 160 %, and no cap
  std::vector<double> back(1);
  surface->prices({std::vector{90.0}, Right::put}, std::vector{out.vol[4]}, back);
  EXPECT_NEAR(back[0], 40, 1e-7);
}

}  // namespace
}  // namespace bifrost::analysis
