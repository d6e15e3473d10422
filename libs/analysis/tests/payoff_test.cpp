// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/payoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace bifrost::analysis {
namespace {

Price at(double value) {
  return *Price::from_double(value);
}
Leg call(std::int64_t quantity, double strike, double price) {
  return {LegKind::call, quantity, at(strike), at(price)};
}
Leg put(std::int64_t quantity, double strike, double price) {
  return {LegKind::put, quantity, at(strike), at(price)};
}
Leg stock(std::int64_t quantity, double price) {
  return {LegKind::stock, quantity, Price{}, at(price), 1};
}

Payoff payoff_of(const std::vector<Leg>& legs) {
  const auto payoff = payoff_at_expiry(legs);
  EXPECT_TRUE(payoff) << payoff.error().message;
  return payoff.value_or(Payoff{});
}

// T1: a predecessor reported (10 - credit) * 100.
TEST(Payoff, LosesOneWingOfACondorNotBoth) {
  const auto payoff =
      payoff_of({put(1, 140, 1.00), put(-1, 145, 2.05), call(-1, 155, 1.90), call(1, 160, 0.95)});
  EXPECT_EQ(payoff.max_loss, at(300));
  EXPECT_EQ(payoff.max_profit, at(200));
}

// T2: Lean #9775.
TEST(Payoff, TakesTheWiderWingOfAnUnequalCondor) {
  const auto payoff =
      payoff_of({put(2, 7135, 0), put(-2, 7185, 0), call(-2, 7500, 0), call(2, 7660, 0)});
  EXPECT_EQ(payoff.max_loss, at(32'000));
  EXPECT_EQ(payoff.max_loss_at, (std::vector<SpotRange>{{at(7660), std::nullopt}}));
  EXPECT_EQ(payoff.max_profit, Money{});
  EXPECT_EQ(payoff.max_profit_at, (std::vector<SpotRange>{{at(7185), at(7500)}}));
}

// T3: ten condors of the IBKR knowledge base.
TEST(Payoff, LosesTheWidthTimesTheNumberOfCondors) {
  const auto payoff =
      payoff_of({put(10, 160, 0), put(-10, 170, 0), call(-10, 180, 0), call(10, 190, 0)});
  EXPECT_EQ(payoff.max_loss, at(10'000));
}

// T18: strikes and settlement are both as listed on that day. After a split of 3 for 2 the contract
// delivers 150 shares at two thirds of the strike; an adjusted history of prices mixed with the old
// strike would find value where there is none.
TEST(Payoff, IsTheSameBeforeAndAfterASplit) {
  const std::vector<Leg> before{call(-2, 90, 6), put(1, 96, 3)};
  auto after = before;
  for (auto& leg : after) {
    leg.strike = Price::from_units(leg.strike.units() * 2 / 3);
    leg.entry_price = Price::from_units(leg.entry_price.units() * 2 / 3);
    leg.multiplier = 150;
  }
  for (const double spot : {60.0, 90.0, 91.5, 96.0, 123.0}) {
    EXPECT_EQ(profit_at_expiry(after, at(spot * 2 / 3)), profit_at_expiry(before, at(spot)));
    EXPECT_NE(profit_at_expiry(before, at(spot * 2 / 3)), profit_at_expiry(before, at(spot)));
  }
}

TEST(Payoff, TakesCostsFromEveryProfit) {
  const std::vector<Leg> legs{put(1, 90, 0.5), put(-1, 95, 1.5), call(-1, 105, 1.4),
                              call(1, 110, 0.4)};
  const auto payoff = payoff_at_expiry(legs, at(5.2));
  ASSERT_TRUE(payoff);
  EXPECT_EQ(payoff->max_profit, at(194.8));
  EXPECT_EQ(payoff->max_loss, at(305.2));
  EXPECT_EQ(payoff->breakevens, (std::vector<double>{93.052, 106.948}));
}

TEST(Payoff, SaysWhereTheExtremesAre) {
  const auto condor =
      payoff_of({put(1, 90, 0.5), put(-1, 95, 1.5), call(-1, 105, 1.4), call(1, 110, 0.4)});
  EXPECT_EQ(condor.max_loss_at,
            (std::vector<SpotRange>{{Price{}, at(90)}, {at(110), std::nullopt}}));
  const auto butterfly = payoff_of({call(1, 95, 7), call(-2, 100, 4), call(1, 105, 2)});
  EXPECT_EQ(butterfly.max_profit_at, (std::vector<SpotRange>{{at(100), at(100)}}));
  const auto straddle = payoff_of({call(1, 100, 4), put(1, 100, 3.5)});
  EXPECT_TRUE(straddle.max_profit_at.empty());
}

TEST(Payoff, GivesTheEndsOfAStretchOfZeros) {
  // Both sides of this condor end exactly at zero: credit equals the width.
  const auto payoff =
      payoff_of({put(1, 90, 1), put(-1, 95, 3.5), call(-1, 105, 3.5), call(1, 110, 1)});
  EXPECT_EQ(payoff.max_loss, Money{});
  EXPECT_EQ(payoff.breakevens, (std::vector<double>{0, 90, 110}));
  ASSERT_EQ(payoff.profitable.size(), 1u);
  EXPECT_EQ(payoff.profitable[0].low, 90);
  EXPECT_EQ(payoff.profitable[0].high, 110);
}

TEST(Payoff, HasNoKinkWhereLegsCancel) {
  const auto payoff =
      payoff_of({call(1, 95, 7), call(1, 100, 4), call(-1, 100, 3), call(-1, 110, 1)});
  ASSERT_EQ(payoff.kinks.size(), 3u);
  EXPECT_EQ(payoff.kinks[1], (Kink{at(95), at(-700), 100}));
  EXPECT_EQ(payoff.kinks[2], (Kink{at(110), at(800), 0}));
}

TEST(Payoff, FindsAPeakThatOnlyTouchesZero) {
  const auto payoff = payoff_of({call(1, 95, 8), call(-2, 100, 1.5), call(1, 105, 0)});
  EXPECT_EQ(payoff.max_profit, Money{});
  EXPECT_EQ(payoff.breakevens, std::vector<double>{100});
  EXPECT_TRUE(payoff.profitable.empty());
}

TEST(Payoff, RefusesWhatItCannotAnswerExactly) {
  EXPECT_EQ(payoff_at_expiry({}).error().code, core::Errc::invalid_input);
  const std::vector<Leg> negative{{LegKind::call, 1, at(-5), at(1)}};
  EXPECT_EQ(payoff_at_expiry(negative).error().code, core::Errc::invalid_input);
  const std::vector<Leg> huge{{LegKind::put, 1'000'000'000'000, at(100'000), at(1)}};
  EXPECT_EQ(payoff_at_expiry(huge).error().code, core::Errc::invalid_input);
  const std::vector<Leg> no_multiplier{{LegKind::put, 1, at(100), at(1), 0}};
  EXPECT_EQ(payoff_at_expiry(no_multiplier).error().code, core::Errc::invalid_input);
}

std::vector<Leg> random_book(std::mt19937& random) {
  const auto in = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  std::vector<Leg> legs;
  for (int i = in(1, 6); i > 0; --i) {
    const int quantity = in(1, 3) * (in(0, 1) == 0 ? -1 : 1);
    const int kind = in(0, 8);
    if (kind == 0) {
      legs.push_back(stock(quantity * 100, in(80, 120)));
    } else {
      const double strike = 80 + 2.5 * in(0, 16);
      const double price = 0.05 * in(0, 200);
      legs.push_back(kind % 2 == 0 ? call(quantity, strike, price) : put(quantity, strike, price));
    }
  }
  return legs;
}

// Strikes lie on a grid of 2.50, so evaluating every cent sees every kink, and a sign change
// between neighbours brackets every root.
TEST(Payoff, AgreesWithDenseEvaluationOnRandomBooks) {
  std::mt19937 random(20180102);
  for (int round = 0; round < 300; ++round) {
    const auto legs = random_book(random);
    const auto payoff = payoff_of(legs);
    Money best = profit_at_expiry(legs, Price{});
    Money worst = best;
    for (int cent = 0; cent <= 30'000; cent += 5) {
      const Price spot = Price::from_units(cent * 100);
      const Money profit = profit_at_expiry(legs, spot);
      ASSERT_NEAR(profit.value(), profit_at_expiry(legs, spot.value()), 1e-8);
      best = std::max(best, profit);
      worst = std::min(worst, profit);
      const bool inside =
          std::any_of(payoff.profitable.begin(), payoff.profitable.end(), [&](SpotInterval i) {
            return (spot.value() > i.low || (i.low == 0 && spot == Price{})) &&
                   spot.value() < i.high;
          });
      ASSERT_EQ(inside, profit > Money{}) << "round " << round << " spot " << spot.to_string();
    }
    const Money step = profit_at_expiry(legs, at(1001)) - profit_at_expiry(legs, at(1000));
    EXPECT_EQ(payoff.max_profit, step > Money{} ? std::nullopt : std::optional{best});
    EXPECT_EQ(payoff.max_loss, step < Money{} ? std::nullopt : std::optional{-worst});
    for (const double spot : payoff.breakevens) {
      EXPECT_NEAR(profit_at_expiry(legs, spot), 0.0, 1e-8);
    }
    for (const auto& kink : payoff.kinks) {
      EXPECT_EQ(kink.profit, profit_at_expiry(legs, kink.spot));
    }
  }
}

TEST(Payoff, OfABookAndItsOppositeSumToNothing) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const auto legs = random_book(random);
    auto opposite = legs;
    for (auto& leg : opposite) leg.quantity = -leg.quantity;
    const auto ours = payoff_of(legs);
    const auto theirs = payoff_of(opposite);
    EXPECT_EQ(ours.max_profit, theirs.max_loss);
    EXPECT_EQ(ours.max_loss, theirs.max_profit);
    EXPECT_EQ(ours.breakevens, theirs.breakevens);
    for (const double spot : {0.0, 83.7, 101.01, 300.0}) {
      EXPECT_EQ(profit_at_expiry(legs, at(spot)) + profit_at_expiry(opposite, at(spot)), Money{});
    }
  }
}

TEST(Payoff, DoesNotDependOnTheOrderOfLegsAndScalesWithQuantity) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    auto legs = random_book(random);
    const auto before = payoff_of(legs);
    std::shuffle(legs.begin(), legs.end(), random);
    const auto after = payoff_of(legs);
    EXPECT_EQ(before.kinks, after.kinks);
    EXPECT_EQ(before.breakevens, after.breakevens);
    for (auto& leg : legs) leg.quantity *= 3;
    const auto tripled = payoff_of(legs);
    EXPECT_EQ(tripled.breakevens, before.breakevens);
    if (before.max_loss) {
      EXPECT_EQ(tripled.max_loss, *before.max_loss * 3);
    }
  }
}

TEST(Payoff, IsDrawnThroughItsKinksAndBreakevens) {
  const std::vector<Leg> legs{put(1, 90, 0.5), put(-1, 95, 1.5), call(-1, 105, 1.4),
                              call(1, 110, 0.4)};
  const auto points = drawing_points(payoff_of(legs));
  std::vector<double> spots;
  for (const auto& point : points) {
    spots.push_back(point.spot);
    EXPECT_NEAR(point.profit, profit_at_expiry(legs, point.spot), 1e-9);
  }
  EXPECT_EQ(spots, (std::vector<double>{79, 90, 93, 95, 105, 107, 110, 121}));
  EXPECT_EQ(drawing_points(payoff_of({stock(100, 1)})).front().spot, 0.9);
}

}  // namespace
}  // namespace bifrost::analysis
