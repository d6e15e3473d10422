// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/path.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "published_smile.hpp"

namespace bifrost::analysis {
namespace {

Price price(double value) {
  return *Price::from_double(value);
}

Leg leg(LegKind kind, int quantity, double strike, double entry, int multiplier = 1) {
  return {kind, quantity, price(strike), price(entry), multiplier};
}

// Reaching a distance `up` before a distance `down`, by time 1, of a Brownian motion with drift:
// the method of images, whose terms are first-passage probabilities of one barrier each.
double up_before_down(double up, double down, double drift, double deviation) {
  const auto image = [&](double distance) {
    const double c = std::abs(distance) / deviation;
    const double m = std::abs(drift) / deviation;
    return std::exp(-m * c) * normal_cdf(m - c) + std::exp(m * c) * normal_cdf(-c - m);
  };
  const double width = up + down;
  double sum = 0.0;
  for (int i = -8; i <= 8; ++i) {
    const double distance = up + 2 * i * width;
    sum += (distance > 0 ? 1 : -1) * image(distance);
  }
  return std::exp(drift * up / (deviation * deviation)) * sum;
}

// numbers.md 6.2: the strikes 4800 and 5200 of its smile, each at its own vol.
TEST(ProbabilityOfTouch, IsAboutTwiceThatOfEndingBeyondWithoutDriftAndSkew) {
  const double years = 30.0 / 365;
  const auto put_vol = published_smile.vol(4800, 5000, years);
  const auto call_vol = published_smile.vol(5200, 5000, years);
  const double put = probability_of_touch({5000, 4800, years, put_vol, 0.0});
  const double call = probability_of_touch({5000, 5200, years, call_vol, 0.0});
  EXPECT_NEAR(100 * put, 36.0, 0.05);
  EXPECT_NEAR(100 * call, 18.8, 0.05);
  const LognormalDensity of_put{5000, put_vol, years};
  EXPECT_NEAR(200 * of_put.cdf(4800), 36.5, 0.05);
  const LognormalDensity of_call{5000, call_vol, years};
  EXPECT_NEAR(200 * (1 - of_call.cdf(5200)), 18.7, 0.05);
}

TEST(ProbabilityOfTouch, HasItsLimits) {
  EXPECT_EQ(probability_of_touch({100, 100, 0.1, 0.2, 0.0}), 1.0);
  // Without end and drift, a martingale falls to a level surely and rises to one with spot / level.
  EXPECT_NEAR(probability_of_touch({100, 50, 1e5, 0.3, 0.0}), 1.0, 1e-12);
  EXPECT_NEAR(probability_of_touch({100, 200, 1e5, 0.3, 0.0}), 0.5, 1e-12);
  // A drift that carries spot there without chance, and one that carries it away.
  EXPECT_NEAR(probability_of_touch({100, 150, 1.0, 0.001, 0.5}), 1.0, 1e-12);
  EXPECT_NEAR(probability_of_touch({100, 150, 1.0, 0.001, -0.5}), 0.0, 1e-12);
  EXPECT_NEAR(probability_of_touch({100, 50, 1.0, 0.001, -0.8}), 1.0, 1e-12);
  // Never below the probability of ending beyond.
  for (const double drift : {-1.0, 0.0, 1.0}) {
    for (double level = 60; level < 160; level += 7) {
      const double touch = probability_of_touch({100, level, 0.5, 0.4, drift});
      const double below = LognormalDensity{100 * std::exp(drift * 0.5), 0.4, 0.5}.cdf(level);
      EXPECT_GE(touch, level > 100 ? 1 - below : below);
      EXPECT_LE(touch, 1.0);
    }
  }
}

TEST(PathTouch, IsTheClosedFormWhereTheSmileIsFlat) {
  const double years = 0.25;
  for (const double drift : {-0.3, 0.0, 0.3}) {
    for (const double level : {70.0, 90.0, 98.0, 103.0, 120.0, 150.0}) {
      const auto density = lognormal_density({100 * std::exp(drift * years), 0.3, years});
      const auto touch = probability_of_touch(*density, 100, level);
      ASSERT_TRUE(touch);
      const double exact = probability_of_touch({100, level, years, 0.3, drift});
      EXPECT_NEAR(touch->probability, exact, 2e-4) << level << " drift " << drift;
      EXPECT_LT(touch->numerical_error, 1e-3);
    }
  }
}

// Halving the lattice moves the result by more than it is off: what is reported is a bound.
TEST(PathTouch, ConvergesToTheClosedFormAndSaysHowFarItIs) {
  for (const double vol : {0.1, 0.8}) {
    for (const double years : {0.01, 1.0}) {
      for (const double deviations : {-3.0, -0.2, 1.0}) {
        for (const double drift : {-0.2, 0.0, 0.2}) {
          const double level = 100 * std::exp(deviations * vol * std::sqrt(years));
          const auto density = lognormal_density({100 * std::exp(drift * years), vol, years});
          const auto touch = probability_of_touch(*density, 100, level);
          const double exact = probability_of_touch({100, level, years, vol, drift});
          EXPECT_LE(std::abs(touch->probability - exact), touch->numerical_error + 2e-5)
              << vol << ' ' << years << ' ' << deviations << ' ' << drift;
          EXPECT_LT(touch->numerical_error, 3e-3);
        }
      }
    }
  }
}

TEST(PathTouch, ReadsTheSkew) {
  const auto smile = published_smile.curve(5000, 30.0 / 365);
  const auto density = *implied_density(smile);
  const double years = 30.0 / 365;
  double low = 0.0;
  for (double level = 4400; level < 5000; level += 50) {
    const auto touch = probability_of_touch(*density, 5000, level);
    // Between ending below and twice that, give or take the skew; rising with the level.
    EXPECT_GT(touch->probability, density->cdf(level));
    EXPECT_GT(touch->probability, low);
    low = touch->probability;
  }
  // Far down the smile is worth more than at the money.
  const double flat =
      probability_of_touch({5000, 4600, years, published_smile.vol(5000, 5000, years), 0.0});
  EXPECT_GT(probability_of_touch(*density, 5000, 4600)->probability, 2 * flat);
  EXPECT_FALSE(probability_of_touch(*density, -5000, 4600));
  EXPECT_FALSE(probability_of_touch(*density, 5000, 0));
}

// A share is a straight line, so the way out is a corridor of two barriers.
TEST(ExitProbabilities, OfAShareAreThoseOfTwoBarriers) {
  const auto density = lognormal_density({100, 0.4, 0.5});
  const double deviation = 0.4 * std::sqrt(0.5);
  const std::vector<Leg> share{leg(LegKind::stock, 1, 0, 100)};
  for (const auto& [up, down] : {std::pair{10.0, 20.0}, {30.0, 10.0}, {5.0, 5.0}, {60.0, 40.0}}) {
    const auto exit = exit_probabilities(share, *density, *density, {up, down});
    ASSERT_TRUE(exit);
    const double to_target = std::log((100 + up) / 100);
    const double to_stop = -std::log((100 - down) / 100);
    const double drift = -0.5 * deviation * deviation;
    EXPECT_NEAR(exit->target_first, up_before_down(to_target, to_stop, drift, deviation), 2e-4);
    EXPECT_NEAR(exit->stop_first, up_before_down(to_stop, to_target, -drift, deviation), 2e-4);
    EXPECT_NEAR(exit->target_first + exit->stop_first + exit->neither, 1.0, 1e-12);
    EXPECT_NEAR(exit->profit_now, 0.0, 1e-12);
    EXPECT_EQ(exit->model, path_model);
    EXPECT_EQ(exit->paths.kind, DensityKind::lognormal);
  }
  // One-sided it is the touch.
  const auto only_target = exit_probabilities(share, *density, *density, {20.0, std::nullopt});
  EXPECT_NEAR(only_target->target_first, probability_of_touch({100, 120, 0.5, 0.4, 0.0}), 2e-4);
  EXPECT_EQ(only_target->stop_first, 0.0);
}

// A call's value rises with spot, so its target is a barrier that moves; walking the paths is slow
// and sees the barrier only at its steps, but knows nothing of lattices.
TEST(ExitProbabilities, AgreeWithWalkedPathsOfACondor) {
  const double vol = 0.25;
  const double years = 0.125;
  const double legs_at[4] = {85, 92, 108, 115};
  const auto value = [&](double spot, double left) {
    double sum = 0.0;
    for (int i = 0; i < 4; ++i) {
      const double one = black_scholes_price(i < 2 ? Right::put : Right::call,
                                             ForwardInputs{spot, legs_at[i], left, 1.0, vol});
      sum += i == 0 || i == 3 ? one : -one;
    }
    return sum;
  };
  const double entry = value(100, years);
  std::vector<Leg> legs;
  for (int i = 0; i < 4; ++i) {
    const auto right = i < 2 ? Right::put : Right::call;
    legs.push_back(
        leg(i < 2 ? LegKind::put : LegKind::call, i == 0 || i == 3 ? 1 : -1, legs_at[i],
            black_scholes_price(right, ForwardInputs{100, legs_at[i], years, 1.0, vol})));
  }
  const ExitRule rule{-0.5 * entry, -1.0 * entry};
  const auto density = lognormal_density({100, vol, years});
  const auto exit = exit_probabilities(legs, *density, *density, rule);
  ASSERT_TRUE(exit);

  std::mt19937 random{21};
  std::normal_distribution<double> normal;
  constexpr int walks = 4'000;
  constexpr int steps = 500;
  const double step = vol * std::sqrt(years / steps);
  int target = 0;
  int stop = 0;
  for (int walk = 0; walk < walks; ++walk) {
    double spot = 100;
    for (int i = 1; i <= steps; ++i) {
      spot *= std::exp(step * normal(random) - 0.5 * step * step);
      const double profit = value(spot, years * (steps - i) / steps) - entry;
      if (profit >= *rule.profit_target) {
        ++target;
        break;
      }
      if (profit <= -*rule.loss_limit) {
        ++stop;
        break;
      }
    }
  }
  // Three deviations of the walks, and what they miss between steps.
  EXPECT_NEAR(exit->target_first, target / double{walks}, 0.03);
  EXPECT_NEAR(exit->stop_first, stop / double{walks}, 0.03);
  EXPECT_LT(exit->numerical_error, 2e-3);
  EXPECT_NEAR(exit->profit_now, 0.0, 1e-3);
}

// Optional stopping: marked by its own density a position is a martingale, so the mean profit at
// the exit is the profit now. With bounds on both sides and nothing left at expiry, that alone
// gives the probability.
TEST(ExitProbabilities, AreFairUnderTheirOwnMarks) {
  const auto density = *implied_density(published_smile.curve(5000, 30.0 / 365));
  // A short vertical can only end at 0 or 1 of its width; bounds inside are always reached, save
  // where settlement falls between the strikes.
  const double low = density->call(5000);
  const double high = density->call(5001);
  const std::vector<Leg> digital{leg(LegKind::call, 1, 5000, low),
                                 leg(LegKind::call, -1, 5001, high)};
  const double worth = digital[0].entry_price.value() - digital[1].entry_price.value();
  const auto exit = exit_probabilities(digital, *density, *density, {0.8 - worth, worth - 0.2});
  ASSERT_TRUE(exit);
  EXPECT_NEAR(exit->target_first * (0.8 - worth) - exit->stop_first * (worth - 0.2), 0.0, 0.005);
  EXPECT_LT(exit->neither, 0.02);
}

TEST(ExitProbabilities, WithAForecastWalkItsPathsAndTakeTheMarketsMarks) {
  const double years = 0.25;
  const auto market = lognormal_density({100, 0.3, years});
  const std::vector<Leg> call{leg(LegKind::call, 1, 105, market->call(105))};
  const ExitRule rule{4.0, 2.5};
  const auto fair = exit_probabilities(call, *market, *market, rule);
  // The same distribution as another object takes the way through interpolation.
  const auto copy = lognormal_density({100, 0.3, years});
  const auto again = exit_probabilities(call, *copy, *market, rule);
  EXPECT_NEAR(again->target_first, fair->target_first, 5e-4);
  EXPECT_NEAR(again->stop_first, fair->stop_first, 5e-4);
  const auto bull = exit_probabilities(call, *lognormal_density({108, 0.3, years}), *market, rule);
  EXPECT_GT(bull->target_first, fair->target_first + 0.1);
  EXPECT_EQ(bull->profit_now, fair->profit_now);
  // Under a share's drift the corridor has a closed form again: marks that discount nothing, spot
  // that drifts.
  const std::vector<Leg> share{leg(LegKind::stock, 1, 0, 100)};
  const auto drifting =
      exit_probabilities(share, *lognormal_density({108, 0.3, years}), *market, {10.0, 10.0});
  const double deviation = 0.3 * std::sqrt(years);
  EXPECT_NEAR(drifting->target_first,
              up_before_down(std::log(1.1), -std::log(0.9),
                             std::log(1.08) - 0.5 * deviation * deviation, deviation),
              5e-4);
}

TEST(ExitProbabilities, DiscountTheMarks) {
  // Cash paid for certain: a box bought at its present value gains the interest, on no path else.
  const auto density = lognormal_density({100, 0.3, 0.25});
  const double discount = 0.98;
  const std::vector<Leg> box{leg(LegKind::call, 1, 90, 15), leg(LegKind::call, -1, 110, 5),
                             leg(LegKind::put, -1, 90, 2), leg(LegKind::put, 1, 110, 11.6)};
  const auto exit =
      exit_probabilities(box, *density, *density, {0.3, 0.3}, {.discount_factor = discount});
  ASSERT_TRUE(exit);
  EXPECT_NEAR(exit->profit_now, 0.98 * 20 - 19.6, 1e-12);
  EXPECT_NEAR(exit->target_first, 1.0, 1e-9);
}

TEST(ExitProbabilities, RefuseRulesThatSayNothing) {
  const auto density = lognormal_density({100, 0.3, 0.25});
  const std::vector<Leg> share{leg(LegKind::stock, 1, 0, 100)};
  const auto refused = [&](std::span<const Leg> legs, ExitRule rule, double discount = 1.0) {
    return !exit_probabilities(legs, *density, *density, rule, {.discount_factor = discount});
  };
  EXPECT_TRUE(refused(share, {}));
  EXPECT_TRUE(refused(share, {-1.0, std::nullopt}));
  EXPECT_TRUE(refused(share, {1.0, 0.0}));
  EXPECT_TRUE(refused({}, {1.0, 1.0}));
  EXPECT_TRUE(refused(share, {1.0, 1.0}, 0.0));
}

// Shares just bought at their price are worth it, whatever they will pay: no dividend is a loss.
TEST(ExitProbabilities, SharesAreMarkedAtTheirPrice) {
  constexpr double years = 1.0;
  constexpr double spot = 100.0;
  const double discount = std::exp(-0.02 * years);
  const double forward = spot * std::exp((0.02 - 0.05) * years);
  const auto density = lognormal_density({forward, 0.2, years});
  const Leg legs[] = {{LegKind::stock, 100, {}, *Price::from_double(spot), 1}};
  const MarkTerms terms{
      .discount_factor = discount, .dividends_per_share = spot - discount * forward, .fees = 0.0};
  const auto exit = exit_probabilities(legs, *density, *density, {400.0, 400.0}, terms);
  ASSERT_TRUE(exit);
  EXPECT_NEAR(exit->profit_now, 0.0, 1e-6);
  EXPECT_GT(exit->target_first, 0.4);
  EXPECT_GT(exit->stop_first, 0.4);
  auto with_fees = terms;
  with_fees.fees = 100.0;
  const auto dearer = exit_probabilities(legs, *density, *density, {400.0, 400.0}, with_fees);
  ASSERT_TRUE(dearer);
  EXPECT_NEAR(dearer->profit_now, -100.0, 1e-6);
  EXPECT_GT(dearer->stop_first, exit->stop_first + 0.05);
}

}  // namespace
}  // namespace bifrost::analysis
