// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/density.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "daily_bars.hpp"
#include "published_smile.hpp"
#include "shared_data.hpp"

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

SmileCurve flat_smile(double forward, double years, double vol) {
  return SviSmile{vol * vol * years, 0, 0, 0, 1}.curve(forward, years);
}

DensityPtr implied(const SmileCurve& smile) {
  auto density = implied_density(smile);
  EXPECT_TRUE(density) << to_string(density.error());
  return *std::move(density);
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

TEST(ImpliedDensity, IsADistributionWithTheForwardAsItsMean) {
  const auto smile = published_smile.curve(5000, 30.0 / 365);
  const auto density = implied(smile);
  expect_coherent(*density);
  EXPECT_EQ(density->mean(), 5000);
  // By integration of what is above each spot, so not by the formula of the call.
  double mean = 0.0;
  for (double spot = 0.5; spot < 50'000; spot += 1.0) mean += 1.0 - density->cdf(spot);
  EXPECT_NEAR(mean, 5000, 1e-6);
  EXPECT_EQ(density->label().kind, DensityKind::market_implied);
}

TEST(ImpliedDensity, IsTheSlopeOfTheSmilesOwnPrices) {
  const auto smile = published_smile.curve(5000, 30.0 / 365);
  const auto density = implied(smile);
  const auto put = [&](double strike) {
    const double variance = smile.total_variance(std::log(strike / smile.forward));
    return black_scholes_price(Right::put, ForwardInputs{5000, strike, 1, 1, std::sqrt(variance)});
  };
  for (double strike = 3500; strike < 6000; strike += 50) {
    const double step = 0.05;
    EXPECT_NEAR(density->cdf(strike), (put(strike + step) - put(strike - step)) / (2 * step), 1e-7);
  }
}

// T6.
TEST(ImpliedDensity, OfAFlatSmileIsLognormal) {
  const double years = 30.0 / 365;
  const auto density = implied(flat_smile(5000, years, 0.2));
  const LognormalDensity flat{5000, 0.2, years};
  const auto lognormal = lognormal_density(flat);
  std::mt19937 random{11};
  std::uniform_int_distribution<int> strike{4000, 6000};
  for (int i = 0; i < 200; ++i) {
    std::vector<Leg> legs;
    double pops[3] = {};
    for (int leg = 0; leg < 4; ++leg) {
      legs.push_back({leg % 2 ? LegKind::put : LegKind::call, leg < 2 ? 1 : -1,
                      price(strike(random)), price(20 * leg + 5)});
    }
    const auto payoff = payoff_of(legs);
    pops[0] = probability_of_profit(payoff, *density);
    pops[1] = probability_of_profit(payoff, *lognormal);
    for (const auto& [low, high] : payoff.profitable) {
      const auto above = [&](double spot) {
        return probability_above({5000, spot, years, 0.2, 0.0});
      };
      pops[2] += (low > 0 ? above(low) : 1.0) - (high < infinity ? above(high) : 0.0);
    }
    EXPECT_NEAR(pops[0], pops[1], 1e-9);
    EXPECT_NEAR(pops[0], pops[2], 1e-9);
    EXPECT_NEAR(expected_profit(payoff, *density), expected_profit(payoff, *lognormal), 1e-8);
  }
}

// T7: whatever is bought or sold at what the smile says it is worth earns nothing.
TEST(ImpliedDensity, GivesEveryBookAtItsOwnPricesNothing) {
  const double years = 30.0 / 365;
  const auto smile = published_smile.curve(5000, years);
  const auto density = implied(smile);
  std::mt19937 random{12};
  std::uniform_int_distribution<int> strike{3500, 6000};
  std::uniform_int_distribution<int> quantity{-3, 3};
  for (int i = 0; i < 200; ++i) {
    std::vector<Leg> legs;
    double rounding = 0.0;  // entry prices are on ticks of a ten-thousandth
    for (int leg = 0; leg < 5; ++leg) {
      const auto right = leg % 2 ? Right::put : Right::call;
      const double at = strike(random);
      const double fair = black_scholes_price(
          right,
          ForwardInputs{5000, at, 1, 1, std::sqrt(smile.total_variance(std::log(at / 5000)))});
      legs.push_back(
          {leg % 2 ? LegKind::put : LegKind::call, quantity(random), price(at), price(fair), 1});
      rounding +=
          static_cast<double>(legs.back().quantity) * (legs.back().entry_price.value() - fair);
    }
    EXPECT_NEAR(expected_profit(payoff_of(legs), *density), -rounding, 1e-6 * 5000 * 1e-3);
  }
}

// numbers.md 6.2: the condor sold at its fair price, through the payoff engine. What the market's
// own density calls nothing looks like an edge to any other.
TEST(ImpliedDensity, GivesTheCondorOfManyProbabilitiesItsOwn) {
  const double forward = 5000;
  const double years = 30.0 / 365;
  const auto vol = [&](double strike) { return published_smile.vol(strike, forward, years); };
  const auto leg = [&](Right right, int quantity, double strike) {
    const double fair =
        black_scholes_price(right, ForwardInputs{forward, strike, years, 1, vol(strike)});
    return Leg{right == Right::put ? LegKind::put : LegKind::call, quantity, price(strike),
               price(fair), 1};
  };
  const std::vector<Leg> puts{leg(Right::put, 1, 4740), leg(Right::put, -1, 4790)};
  const std::vector<Leg> calls{leg(Right::call, -1, 5155), leg(Right::call, 1, 5205)};
  std::vector<Leg> condor = puts;
  condor.insert(condor.end(), calls.begin(), calls.end());
  const auto payoff = payoff_of(condor);
  const auto market = implied(published_smile.curve(forward, years));
  EXPECT_NEAR(100 * probability_of_profit(payoff, *market), 74.8, 0.05);
  EXPECT_NEAR(expected_profit(payoff, *market), 0.0, 1e-3);  // four prices on ticks

  const auto flat = lognormal_density({forward, vol(forward), years});
  EXPECT_NEAR(100 * probability_of_profit(payoff, *flat), 73.5, 0.05);
  EXPECT_NEAR(expected_profit(payoff, *flat), -0.55, 0.005);
  EXPECT_NEAR(expected_profit(payoff_of(puts), *flat), 0.54, 0.005);
  EXPECT_NEAR(expected_profit(payoff_of(calls), *flat), -1.09, 0.005);

  const auto calm = lognormal_density({forward, 0.8 * vol(forward), years});
  EXPECT_NEAR(100 * probability_of_profit(payoff, *calm), 83.3, 0.05);
  EXPECT_NEAR(expected_profit(payoff, *calm), 4.09, 0.005);
  EXPECT_NEAR(100 * expected_profit(payoff, *calm) / payoff.max_loss->value(), 10.5, 0.05);
}

TEST(ImpliedDensity, RefusesWhatIsNoDensity) {
  const double years = 30.0 / 365;
  EXPECT_EQ(implied_density(flat_smile(100, 0.0, 0.2)).error(), NoDensity::no_time);
  EXPECT_EQ(implied_density(flat_smile(100, years, 0.0)).error(), NoDensity::no_time);
  // The classic: Axel Vogt's parameters, in Gatheral and Jacquier, "Arbitrage-free SVI volatility
  // surfaces" (2014), example 3.1: prices that are positive and a density that is not.
  const SviSmile vogt{-0.0410, 0.1331, 0.3060, 0.3586, 0.4153};
  EXPECT_EQ(implied_density(vogt.curve(100, 1.0)).error(), NoDensity::negative_density);
  // A wing that is steeper than 2 (Lee, 2004).
  const SviSmile steep{0.01, 1.5, 0.9, 0, 0.1};
  EXPECT_FALSE(implied_density(steep.curve(100, 1.0)));
}

TEST(ImpliedDensity, SaysHowMuchLiesBeyondTheQuotes) {
  auto smile = published_smile.curve(5000, 30.0 / 365);
  EXPECT_FALSE(implied(smile)->label().mass_outside_quotes);
  smile.lowest_quoted = 4500;
  smile.highest_quoted = 5300;
  const auto density = implied(smile);
  EXPECT_NEAR(*density->label().mass_outside_quotes, 1 - density->mass({4500, 5300}), 1e-15);
}

std::vector<double> random_walk(int days, double daily_vol, double drift, unsigned seed) {
  std::mt19937 random{seed};
  std::normal_distribution<double> normal;
  std::vector<double> closes{100.0};
  for (int i = 0; i < days; ++i) {
    closes.push_back(closes.back() * std::exp(drift + daily_vol * normal(random)));
  }
  return closes;
}

TEST(HistoryDensity, OfALognormalHistoryIsLognormal) {
  const auto closes = random_walk(20'000, 0.01, 0.0002, 3);
  const auto made =
      history_density({.closes = closes, .horizon_trading_days = 21, .anchor_price = 4000});
  ASSERT_TRUE(made) << made.error().message;
  const auto& density = **made;
  expect_coherent(density);
  EXPECT_NEAR(density.mean(), 4000, 1e-9);
  EXPECT_EQ(density.label().observations, 20'000 - 20);
  EXPECT_EQ(density.label().independent_observations, 20'000 / 21);
  EXPECT_EQ(density.label().anchor, Anchor::put_call_parity_forward);
  const LognormalDensity truth{4000, 0.01 * std::sqrt(252.0), 21.0 / 252};
  // Sampling error of 952 independent returns: half a percent to a percent and a half of
  // probability.
  for (const double p : {0.02, 0.16, 0.5, 0.84, 0.98}) {
    EXPECT_NEAR(density.cdf(truth.quantile(p)), p, 0.03) << p;
  }
}

TEST(HistoryDensity, TakesTheDriftOnlyWhenAsked) {
  const auto closes = random_walk(5'000, 0.01, 0.001, 4);
  HistoryInputs in{.closes = closes, .horizon_trading_days = 10, .anchor_price = 100};
  EXPECT_NEAR((*history_density(in))->mean(), 100, 1e-10);
  in.mean = HistoryMean::observed;
  const auto drifting = history_density(in);
  double growth = 0.0;
  for (std::size_t i = 10; i < closes.size(); ++i) growth += closes[i] / closes[i - 10];
  EXPECT_NEAR((*drifting)->mean(), 100 * growth / static_cast<double>(closes.size() - 10), 1e-9);
  EXPECT_EQ((*drifting)->label().anchor, Anchor::history);
}

TEST(HistoryDensity, IsStretchedToAGivenDeviation) {
  const auto closes = random_walk(5'000, 0.01, 0.0, 5);
  for (const double deviation : {0.02, 0.08}) {
    const auto density = history_density({.closes = closes,
                                          .horizon_trading_days = 10,
                                          .anchor_price = 100,
                                          .deviation = deviation});
    const auto log_moment = [&](int power) {
      return mean_by_quantiles(**density,
                               [&](double spot) { return std::pow(std::log(spot), power); });
    };
    const double mean = log_moment(1);
    EXPECT_NEAR(std::sqrt(log_moment(2) - mean * mean), deviation, 0.01 * deviation);
  }
}

TEST(HistoryDensity, CountsOnlyTheDaysItIsTold) {
  // Calm first, wild later: told to count calm days alone, it is calm.
  auto closes = random_walk(2'000, 0.005, 0.0, 6);
  for (const double wild : random_walk(2'000, 0.03, 0.0, 7))
    closes.push_back(wild * closes[2000] / 100);
  HistoryInputs in{.closes = closes, .horizon_trading_days = 5, .anchor_price = 100};
  const double all = (*history_density(in))->quantile(0.05);
  in.counts = [](std::size_t i) { return i < 1'995; };
  const auto calm = history_density(in);
  EXPECT_EQ((*calm)->label().independent_observations, 399);
  EXPECT_GT((*calm)->quantile(0.05), all + 2);
}

TEST(HistoryDensity, TellsTheSharesOfARealHistory) {
  const auto file = shared_data("a_clear/underlying_daily.csv.gz");
  if (!file) GTEST_SKIP() << "no underlying_daily here (set BIFROST_SHARED_DATA)";
  std::vector<double> closes;
  for (const auto& bar : read_daily_bars(*file, "SPY")) closes.push_back(bar.close);
  for (const std::size_t days : {1u, 5u, 21u, 63u}) {
    const auto made = history_density({.closes = closes,
                                       .horizon_trading_days = static_cast<int>(days),
                                       .anchor_price = 100,
                                       .mean = HistoryMean::observed});
    ASSERT_TRUE(made);
    expect_coherent(**made);
    std::vector<double> ends;
    for (std::size_t i = days; i < closes.size(); ++i) {
      ends.push_back(100 * closes[i] / closes[i - days]);
    }
    EXPECT_EQ((*made)->label().observations, static_cast<int>(ends.size()));
    std::sort(ends.begin(), ends.end());
    for (std::size_t i = 0; i < ends.size(); i += 50) {
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(ends.size());
      EXPECT_NEAR((*made)->cdf(ends[i]), share, 0.03) << days << ' ' << ends[i];
    }
  }
}

TEST(HistoryDensity, RefusesTooLittle) {
  const auto closes = random_walk(200, 0.01, 0.0, 8);
  const auto code = [&](HistoryInputs in) { return history_density(in).error().code; };
  HistoryInputs in{.closes = closes, .horizon_trading_days = 11, .anchor_price = 100};
  EXPECT_EQ(code(in), core::Errc::not_found);  // 18 that do not overlap, though 190 do
  in.horizon_trading_days = 10;
  EXPECT_TRUE(history_density(in));
  in.horizon_trading_days = 0;
  EXPECT_EQ(code(in), core::Errc::invalid_input);
  auto broken = closes;
  broken[50] = 0.0;
  EXPECT_EQ(code({.closes = broken, .horizon_trading_days = 1, .anchor_price = 100}),
            core::Errc::invalid_input);
  const std::vector<double> still(200, 100.0);
  EXPECT_EQ(code({.closes = still, .horizon_trading_days = 1, .anchor_price = 100}),
            core::Errc::invalid_input);
}

TEST(ForecastDensity, OfLognormalQuantilesIsLognormal) {
  const LognormalDensity flat{250, 0.4, 0.2};
  std::vector<QuantilePoint> quantiles;
  for (const double p : {0.05, 0.25, 0.5, 0.75, 0.95}) quantiles.push_back({p, flat.quantile(p)});
  const auto density =
      forecast_density({.quantiles = quantiles, .years_to_expiry = 0.2, .model = "test"});
  ASSERT_TRUE(density);
  expect_coherent(**density);
  EXPECT_NEAR((*density)->mean(), 250, 1e-10);
  const auto exact = lognormal_density(flat);
  for (double spot = 50; spot < 800; spot *= 1.1) {
    EXPECT_NEAR((*density)->cdf(spot), exact->cdf(spot), 1e-13);
    EXPECT_NEAR((*density)->call(spot), exact->call(spot), 1e-11);
  }
  EXPECT_EQ((*density)->label().anchor, Anchor::forecast);
}

TEST(ForecastDensity, KeepsItsQuantilesOrScalesThemToAForward) {
  const std::vector<QuantilePoint> quantiles{{0.01, 60}, {0.1, 85},  {0.4, 97},
                                             {0.41, 99}, {0.9, 108}, {0.99, 115}};
  ForecastInputs in{.quantiles = quantiles, .years_to_expiry = 0.1, .model = "test"};
  const auto own = forecast_density(in);
  ASSERT_TRUE(own);
  expect_coherent(**own);
  for (const auto& [p, spot] : quantiles) EXPECT_NEAR((*own)->cdf(spot), p, 1e-14);
  EXPECT_NEAR((*own)->mean(), mean_by_quantiles(**own, [](double spot) { return spot; }), 1e-2);
  in.forward = 100;
  const auto scaled = forecast_density(in);
  EXPECT_EQ((*scaled)->mean(), 100);
  EXPECT_NEAR((*scaled)->quantile(0.1), 85 * 100 / (*own)->mean(), 1e-10);
}

// A gap in which hardly anything settles must not become NaN.
TEST(ForecastDensity, HoldsAcrossAGap) {
  const std::vector<QuantilePoint> quantiles{{0.1, 1}, {0.5, 2}, {0.500001, 2'000}, {0.9, 2'100}};
  const auto density =
      forecast_density({.quantiles = quantiles, .years_to_expiry = 0.1, .model = "test"});
  ASSERT_TRUE(density);
  EXPECT_NEAR((*density)->mean(), mean_by_quantiles(**density, [](double spot) { return spot; }),
              1.0);
  double last = (*density)->mean();
  for (double strike = 0.5; strike < 4'000; strike *= 1.02) {
    const double here = (*density)->call(strike);
    ASSERT_LE(here, last);
    last = here;
  }
}

TEST(ForecastDensity, RefusesWhatIsNoDistribution) {
  const auto refused = [](std::vector<QuantilePoint> quantiles) {
    return !forecast_density({.quantiles = quantiles, .years_to_expiry = 0.1, .model = "test"});
  };
  EXPECT_TRUE(refused({{0.5, 100}}));
  EXPECT_TRUE(refused({{0.4, 100}, {0.5, 100}}));
  EXPECT_TRUE(refused({{0.5, 90}, {0.4, 100}}));
  EXPECT_TRUE(refused({{0.0, 90}, {0.4, 100}}));
  EXPECT_TRUE(refused({{0.2, -90}, {0.4, 100}}));
  EXPECT_FALSE(refused({{0.2, 90}, {0.4, 100}}));
}

TEST(ExpectedMove, IsSkewedUnderASmile) {
  const auto [low, median, high] = expected_move(*implied(published_smile.curve(5000, 30.0 / 365)));
  EXPECT_GT(median, 5000);
  EXPECT_GT(median - low, high - median);
}

}  // namespace
}  // namespace bifrost::analysis
