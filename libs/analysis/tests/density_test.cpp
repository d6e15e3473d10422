// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/density.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Price price(double value) {
  return *Price::from_double(value);
}

Payoff payoff_of(std::vector<Leg> legs) {
  const auto payoff = payoff_at_expiry(legs);
  EXPECT_TRUE(payoff);
  return *payoff;
}

// The mean of a function of the settlement, by the midpoint rule in probability.
template <class F>
double mean_by_quantiles(const Density& density, F f) {
  constexpr int pieces = 20'000;
  double sum = 0.0;
  for (int i = 0; i < pieces; ++i) sum += f(density.quantile((i + 0.5) / pieces));
  return sum / pieces;
}

// What any density owes its users.
void expect_coherent(const Density& density) {
  const double mean = density.mean();
  double last = 0.0;
  for (double spot = mean / 20; spot < mean * 20; spot *= 1.01) {
    const double here = density.cdf(spot);
    ASSERT_GE(here, last) << spot;
    last = here;
    // The call's slope is minus the probability above.
    const double step = 1e-4 * spot;
    const double slope = (density.call(spot + step) - density.call(spot - step)) / (2 * step);
    ASSERT_NEAR(-slope, 1.0 - here, 2e-4) << spot;
  }
  EXPECT_EQ(density.cdf(0.0), 0.0);
  EXPECT_NEAR(density.cdf(1e-9 * mean), 0.0, 1e-9);
  EXPECT_NEAR(density.cdf(1e9 * mean), 1.0, 1e-9);
  EXPECT_EQ(density.call(0.0), mean);
  EXPECT_NEAR(density.call(1e-6 * mean), mean * (1.0 - 1e-6), 1e-8 * mean);
  EXPECT_NEAR(density.call(1e6 * mean), 0.0, 1e-8 * mean);
  for (const double p : {1e-4, 0.16, 0.5, 0.84, 0.9999}) {
    EXPECT_NEAR(density.cdf(density.quantile(p)), p, 1e-12);
  }
}

TEST(LognormalAsDensity, IsTheSameDensity) {
  const LognormalDensity flat{4000, 0.25, 0.5};
  const auto density = lognormal_density(flat);
  expect_coherent(*density);
  EXPECT_EQ(density->label().kind, DensityKind::lognormal);
  EXPECT_EQ(density->label().day_count, DayCount::act_365f);
  EXPECT_EQ(density->mass({3900, 4100}), flat.mass({3900, 4100}));
  EXPECT_EQ(density->mass({0, infinity}), 1.0);
  EXPECT_EQ(density->quantile(0.3), flat.quantile(0.3));
}

// An independent way: the profit on a fine grid of quantiles, over random books.
TEST(ExpectedProfit, IsTheMeanOfTheProfitLine) {
  std::mt19937 random{7};
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>{low, high}(random);
  };
  const auto density = lognormal_density({100, 0.3, 0.25});
  for (int book = 0; book < 20; ++book) {
    std::vector<Leg> legs;
    for (int i = pick(1, 5); i > 0; --i) {
      const auto kind = static_cast<LegKind>(pick(0, 2));
      legs.push_back({kind, kind == LegKind::stock ? 100 * pick(-2, 2) : pick(-3, 3),
                      price(pick(80, 120)), price(pick(1, 10))});
    }
    const double expected = expected_profit(payoff_of(legs), *density);
    const double summed =
        mean_by_quantiles(*density, [&](double spot) { return profit_at_expiry(legs, spot); });
    EXPECT_NEAR(expected, summed, 1.5) << book;
  }
}

}  // namespace
}  // namespace bifrost::analysis
