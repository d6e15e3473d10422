// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/book.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/probability.hpp"

namespace bifrost::analysis {
namespace {

using enum LegKind;
using enum ExerciseStyle;

Price at(double value) {
  return *Price::from_double(value);
}

constexpr core::Date today = core::Date{std::chrono::days{18'000}};

// One underlying with a flat rate and yield; vol differs from leg to leg.
struct World {
  double spot = 100.0;
  double rate = 0.04;
  double yield = 0.015;

  LegMarket market(double days, double vol, ExerciseStyle style = european) const {
    const double years = days / 365.0;
    return {years, spot * std::exp((rate - yield) * years), std::exp(-rate * years), vol, style};
  }
};

struct Book {
  std::vector<BookLeg> legs;
  std::vector<LegMarket> markets;

  void add(const World& world, LegKind kind, std::int64_t quantity, double strike, double price,
           int days, double vol, ExerciseStyle style = european) {
    legs.push_back(
        {{kind, quantity, at(strike), at(price)}, today + std::chrono::days{days}, "XYZ"});
    markets.push_back(world.market(days, vol, style));
  }
  void add_stock(std::int64_t quantity, double price) {
    legs.push_back({{stock, quantity, {}, at(price), 1}, std::nullopt, ""});
    markets.push_back({});
  }
  BookValue value(const World& world, const BookShift& shift) const {
    const auto value = value_book(legs, markets, world.spot, shift);
    EXPECT_TRUE(value) << value.error().message;
    return value.value_or(BookValue{});
  }
};

Right right_of(const Leg& leg) {
  return leg.kind == call ? Right::call : Right::put;
}

Book random_book(std::mt19937& random, const World& world, std::vector<int> days,
                 ExerciseStyle style = european) {
  const auto in = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Book book;
  for (int i = in(1, 6); i > 0; --i) {
    const int quantity = in(1, 3) * (in(0, 1) == 0 ? -1 : 1);
    const int kind = in(0, 8);
    if (kind == 0) {
      book.add_stock(quantity * 100, in(80, 120));
    } else {
      book.add(world, kind % 2 == 0 ? call : put, quantity, 80 + 2.5 * in(0, 16), 0.05 * in(1, 200),
               days[static_cast<std::size_t>(in(0, static_cast<int>(days.size()) - 1))],
               0.1 + 0.01 * in(0, 40), style);
    }
  }
  return book;
}

TEST(Book, IsWorthTheSumOfItsLegs) {
  const World world;
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const auto book = random_book(random, world, {20, 55, 400});
    const BookShift shift{.spot = 93.7, .days_forward = 13.0, .vol_shift = 0.02};
    double value = 0.0;
    double cost = 0.0;
    for (std::size_t i = 0; i < book.legs.size(); ++i) {
      const Leg& leg = book.legs[i].leg;
      const double size = static_cast<double>(leg.quantity * (leg.kind == stock ? 1 : 100));
      cost += size * leg.entry_price.value();
      if (leg.kind == stock) {
        value += size * shift.spot;
        continue;
      }
      // From the forward, where the model goes from spot.
      const double years = book.markets[i].years_to_expiry - 13.0 / 365;
      value += size * black_scholes_price(
                          right_of(leg),
                          ForwardInputs{shift.spot * std::exp((world.rate - world.yield) * years),
                                        leg.strike.value(), years, std::exp(-world.rate * years),
                                        book.markets[i].implied_vol + 0.02});
    }
    const auto ours = book.value(world, shift);
    EXPECT_NEAR(ours.value, value, 1e-8);
    EXPECT_NEAR(ours.profit, value - cost, 1e-8);
  }
}

TEST(Book, OnItsLastDayIsItsPayoff) {
  const World world;
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const auto book = random_book(random, world, {37}, round % 2 == 0 ? european : american);
    const auto days = days_to_front_expiry(book.legs, book.markets);
    for (const double spot : {0.0, 61.0, 82.5, 100.0, 113.3, 240.0}) {
      const auto value = book.value(world, {.spot = spot, .days_forward = days.value_or(1.0)});
      EXPECT_NEAR(value.profit, profit_at_expiry(legs_of(book.legs), spot), 1e-8);
    }
  }
}

TEST(Book, HasGreeksThatAreSlopesOfItsValue) {
  const World world;
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const auto book = random_book(random, world, {20, 55, 400});
    const BookShift here{.spot = 97.0, .days_forward = 5.0, .vol_shift = 0.01};
    const auto value = book.value(world, here);
    const auto slope = [&](auto move, double step) {
      BookShift up = here;
      BookShift down = here;
      move(up, step);
      move(down, -step);
      return (book.value(world, up).value - book.value(world, down).value) / (2.0 * step);
    };
    EXPECT_NEAR(value.greeks.delta, slope([](BookShift& s, double d) { s.spot += d; }, 1e-3), 1e-4);
    EXPECT_NEAR(value.greeks.theta,
                slope([](BookShift& s, double d) { s.days_forward += d; }, 1e-3), 1e-4);
    EXPECT_NEAR(value.greeks.vega, slope([](BookShift& s, double d) { s.vol_shift += d; }, 1e-5),
                1e-3);
    BookShift up = here;
    BookShift down = here;
    up.spot += 1e-3;
    down.spot -= 1e-3;
    EXPECT_NEAR(value.greeks.gamma,
                (book.value(world, up).greeks.delta - book.value(world, down).greeks.delta) / 2e-3,
                1e-3);
    const auto at_rate = [&](double rate) {
      World moved = world;
      moved.rate = rate;
      Book same = book;
      for (auto& market : same.markets) {
        market = moved.market(365.0 * market.years_to_expiry, market.implied_vol);
      }
      return same.value(moved, here).value;
    };
    EXPECT_NEAR(value.greeks.rho, (at_rate(0.04001) - at_rate(0.03999)) / 2e-5, 1e-2);
  }
}

TEST(Book, ExercisesAmericanLegsEarly) {
  const World world{.spot = 100.0, .rate = 0.06, .yield = 0.02};
  for (const auto kind : {call, put}) {
    for (const double strike : {80.0, 95.0, 100.0, 110.0, 125.0}) {
      Book book;
      book.add(world, kind, 1, strike, 0, 250, 0.25, american);
      const auto value = book.value(world, {.spot = 100.0, .days_forward = 40.0});
      const SpotInputs in{100.0, strike, 210.0 / 365, 0.06, 0.02, 0.25};
      const Leg& leg = book.legs[0].leg;
      EXPECT_NEAR(value.value, 100 * *american_price(right_of(leg), in), 1e-9);
      // The tree is another method altogether; its slopes in vol and rate are coarse, so those are
      // compared to wide differences of the price, extrapolated.
      const auto tree = american_tree(right_of(leg), in, {}, 2000);
      ASSERT_TRUE(tree);
      EXPECT_NEAR(value.greeks.delta, 100 * tree->delta, 0.02) << strike;
      EXPECT_NEAR(value.greeks.gamma, 100 * tree->gamma, 0.01) << strike;
      EXPECT_NEAR(value.greeks.theta, 100 * tree->theta, 0.02) << strike;
      const auto slope = [&](double SpotInputs::* member, double step) {
        auto up = in;
        auto down = in;
        up.*member += step;
        down.*member -= step;
        return 100 * (*american_price(right_of(leg), up) - *american_price(right_of(leg), down)) /
               (2 * step);
      };
      const auto extrapolated = [&](double SpotInputs::* member, double step) {
        return (4 * slope(member, step) - slope(member, 2 * step)) / 3;
      };
      EXPECT_NEAR(value.greeks.vega, extrapolated(&SpotInputs::vol, 0.004), 0.5) << strike;
      EXPECT_NEAR(value.greeks.rho, extrapolated(&SpotInputs::rate, 0.001), 0.5) << strike;
    }
  }
}

TEST(Book, HasTheGreeksOfTheSharesWhereItIsExercised) {
  const World world{.spot = 100.0, .rate = 0.06, .yield = 0.0};
  Book book;
  book.add(world, put, -2, 100, 5, 200, 0.2, american);
  const auto deep = book.value(world, {.spot = 50.0});
  EXPECT_DOUBLE_EQ(deep.value, -200 * 50.0);
  EXPECT_DOUBLE_EQ(deep.greeks.delta, 200.0);
  EXPECT_EQ(deep.greeks.gamma, 0.0);
  EXPECT_EQ(deep.greeks.theta, 0.0);
  EXPECT_EQ(deep.greeks.vega, 0.0);
  // Worthless shares: everything that the strike can give.
  EXPECT_NEAR(book.value(world, {.spot = 0.0}).value, -20'000, 1e-6);
}

TEST(Book, TableHoldsTheValueOfEveryCell) {
  const World world;
  std::mt19937 random(4);
  for (int round = 0; round < 10; ++round) {
    const auto book = random_book(random, world, {30, 90}, round % 2 == 0 ? european : american);
    const std::vector<double> days{0.0, 7.0, 29.5, 30.0};
    const std::vector<double> spots{70.0, 99.0, 100.0, 130.0};
    const auto table = value_table(book.legs, book.markets, world.spot, days, spots, 0.03);
    const auto profits = profit_table(book.legs, book.markets, world.spot, days, spots, 0.03);
    ASSERT_TRUE(table && profits);
    for (std::size_t d = 0; d < days.size(); ++d) {
      for (std::size_t s = 0; s < spots.size(); ++s) {
        const auto cell =
            book.value(world, {.spot = spots[s], .days_forward = days[d], .vol_shift = 0.03});
        EXPECT_EQ(table->at(d, s).profit, cell.profit);
        EXPECT_NEAR((*profits)[d * spots.size() + s], cell.profit, 1e-8);
        EXPECT_EQ(table->at(d, s).greeks.delta, cell.greeks.delta);
        EXPECT_EQ(table->at(d, s).greeks.vega, cell.greeks.vega);
      }
    }
  }
}

TEST(Book, RefusesWhatHasNoValue) {
  const World world;
  Book book;
  book.add(world, call, 1, 100, 3, 30, 0.2);
  book.add(world, call, -1, 100, 5, 60, 0.2);
  const auto refused = [&](const Book& of, const BookShift& shift, double spot = 100.0) {
    const auto value = value_book(of.legs, of.markets, spot, shift);
    return !value && value.error().code == core::Errc::invalid_input;
  };
  EXPECT_FALSE(refused(book, {.spot = 100.0, .days_forward = 30.0}));
  EXPECT_TRUE(refused(book, {.spot = 100.0, .days_forward = 30.1})) << "after the first expiry";
  EXPECT_TRUE(refused(book, {.spot = 100.0, .days_forward = -1.0}));
  EXPECT_TRUE(refused(book, {.spot = -1.0}));
  EXPECT_TRUE(refused(book, {.spot = std::numeric_limits<double>::quiet_NaN()}));
  EXPECT_TRUE(refused(book, {.spot = 100.0, .days_forward = 0.0, .vol_shift = -0.21}));
  EXPECT_TRUE(refused(book, {.spot = 100.0}, 0.0));
  EXPECT_TRUE(refused({}, {.spot = 100.0}));
  auto broken = book;
  broken.markets.pop_back();
  EXPECT_TRUE(refused(broken, {.spot = 100.0}));
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    broken = book;
    broken.markets[0].forward = bad;
    EXPECT_TRUE(refused(broken, {.spot = 100.0}));
    broken = book;
    broken.markets[0].discount_factor = bad;
    EXPECT_TRUE(refused(broken, {.spot = 100.0}));
  }
  broken = book;
  broken.markets[1].implied_vol = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(refused(broken, {.spot = 100.0}));
  broken = book;
  broken.legs[0].leg.strike = {};
  EXPECT_TRUE(refused(broken, {.spot = 100.0}));
  // Exercise pays inside a band there, for which there is no method here.
  const World negative{.spot = 100.0, .rate = -0.01, .yield = -0.03};
  Book american_put;
  american_put.add(negative, put, 1, 100, 3, 30, 0.2, american);
  const auto value = value_book(american_put.legs, american_put.markets, 100.0, {.spot = 100.0});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, core::Errc::unavailable);
}

FrontPayoff front_of(const Book& book, const World& world) {
  const auto payoff = payoff_at_front_expiry(book.legs, book.markets, world.spot);
  EXPECT_TRUE(payoff) << payoff.error().message;
  return payoff.value_or(FrontPayoff{});
}

TEST(FrontPayoff, IsTheExactOneForOneExpiry) {
  const World world;
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    auto book = random_book(random, world, {37});
    book.add(world, call, 1, 100, 2, 37, 0.2);
    const auto front = front_of(book, world);
    const auto exact = *payoff_at_expiry(legs_of(book.legs));
    EXPECT_FALSE(front.model_dependent);
    EXPECT_EQ(front.breakevens, exact.breakevens);
    ASSERT_EQ(front.max_loss.has_value(), exact.max_loss.has_value());
    if (front.max_loss) {
      EXPECT_EQ(*front.max_loss, exact.max_loss->value());
    }
    for (const auto& point : front.curve) {
      EXPECT_NEAR(point.profit, profit_at_expiry(legs_of(book.legs), point.spot), 1e-7);
    }
  }
}

TEST(FrontPayoff, AgreesWithDenseEvaluationOnRandomBooks) {
  const World world;
  std::mt19937 random(6);
  for (int round = 0; round < 80; ++round) {
    const auto style = round % 8 == 0 ? american : european;
    auto book = random_book(random, world, {30, 65, 300}, style);
    book.add(world, put, 1, 95, 1, 30, 0.2);
    book.add(world, call, -1, 107.5, 1, 65, 0.3);
    const auto front = front_of(book, world);
    EXPECT_TRUE(front.model_dependent);
    std::vector<double> spots;
    for (double spot = 0.0; spot <= 220.0; spot += style == american ? 0.5 : 0.1)
      spots.push_back(spot);
    const auto table = value_table(book.legs, book.markets, world.spot, std::vector{30.0}, spots);
    ASSERT_TRUE(table);
    double best = -std::numeric_limits<double>::infinity();
    double worst = std::numeric_limits<double>::infinity();
    std::size_t next = 0;
    for (std::size_t i = 0; i < spots.size(); ++i) {
      const double profit = table->at(0, i).profit;
      best = std::max(best, profit);
      worst = std::min(worst, profit);
      const bool inside = std::ranges::any_of(front.profitable, [&](SpotInterval interval) {
        return spots[i] >= interval.low && spots[i] <= interval.high;
      });
      if (std::abs(profit) > 1e-3) {
        EXPECT_EQ(inside, profit > 0) << "round " << round << " spot " << spots[i];
      }
      while (next + 1 < front.curve.size() && front.curve[next + 1].spot < spots[i]) ++next;
      const auto& from = front.curve[next];
      const auto& to = front.curve[next + 1];
      EXPECT_NEAR(std::lerp(from.profit, to.profit, (spots[i] - from.spot) / (to.spot - from.spot)),
                  profit, front.profit_tolerance);
    }
    // What the engine found is no better than what a fine grid sees nearby, and no worse.
    if (front.max_profit) {
      EXPECT_GE(*front.max_profit, best - 1e-9 * 1e4);
      EXPECT_NEAR(book.value(world, {.spot = *front.max_profit_at, .days_forward = 30.0}).profit,
                  *front.max_profit, 1e-7);
    }
    if (front.max_loss) {
      EXPECT_GE(*front.max_loss, -worst - 1e-9 * 1e4);
      EXPECT_NEAR(book.value(world, {.spot = *front.max_loss_at, .days_forward = 30.0}).profit,
                  -*front.max_loss, 1e-7);
    }
    for (const double spot : front.breakevens) {
      const double slope = book.value(world, {.spot = spot, .days_forward = 30.0}).greeks.delta;
      EXPECT_NEAR(book.value(world, {.spot = spot, .days_forward = 30.0}).profit, 0.0,
                  1e-4 + 1e-6 * std::abs(slope));
    }
  }
}

// numbers.md 6.1: a long calendar makes its most at the strike, loses about the debit, and breaks
// even on both sides; a diagonal loses the debit and the width where the strikes are that way
// round.
TEST(FrontPayoff, OfACalendarPeaksAtTheStrike) {
  const World world{.spot = 100.0, .rate = 0.0, .yield = 0.0};
  Book book;
  book.add(world, call, -1, 100, 2.3, 30, 0.2);
  book.add(world, call, 1, 100, 4.0, 90, 0.2);
  const auto front = front_of(book, world);
  const double back = black_scholes_price(Right::call, SpotInputs{100, 100, 60.0 / 365, 0, 0, 0.2});
  ASSERT_TRUE(front.max_profit && front.max_loss);
  EXPECT_NEAR(*front.max_profit, 100 * (back - 1.7), 1e-7);
  EXPECT_NEAR(*front.max_profit_at, 100.0, 1e-6);
  EXPECT_NEAR(*front.max_loss, 170.0, 1e-3);
  ASSERT_EQ(front.breakevens.size(), 2u);
  EXPECT_LT(front.breakevens[0], 100.0);
  EXPECT_GT(front.breakevens[1], 100.0);
  ASSERT_EQ(front.profitable.size(), 1u);

  Book diagonal;
  diagonal.add(world, call, -1, 100, 3.0, 30, 0.2);
  diagonal.add(world, call, 1, 104, 3.5, 90, 0.2);
  EXPECT_NEAR(*front_of(diagonal, world).max_loss, 50.0 + 400.0, 1e-2);
}

TEST(FrontPayoff, OfACalendarIsWhatItCostsTodayWhenTheMarketIsFair) {
  // Under one flat vol the value now is the discounted mean of the value at the front expiry,
  // whatever the strikes. Integrated by the midpoint rule over the quantiles.
  const World world;
  std::mt19937 random(8);
  for (int round = 0; round < 10; ++round) {
    auto book = random_book(random, world, {30, 75});
    book.add(world, call, 2, 102.5, 0, 75, 0.2);
    for (std::size_t i = 0; i < book.legs.size(); ++i) {
      book.legs[i].leg.entry_price = {};
      book.markets[i].implied_vol = 0.25;
    }
    const auto now = book.value(world, {.spot = 100.0});
    const double years = 30.0 / 365;
    const LognormalDensity density{100.0 * std::exp((world.rate - world.yield) * years), 0.25,
                                   years};
    double mean = 0.0;
    const int pieces = 4000;
    std::vector<double> spots;
    for (int i = 0; i < pieces; ++i) spots.push_back(density.quantile((i + 0.5) / pieces));
    const auto table = value_table(book.legs, book.markets, 100.0, std::vector{30.0}, spots);
    ASSERT_TRUE(table);
    for (const auto& cell : table->cells) mean += cell.value / pieces;
    double shares = 0.0;
    double gross = 0.0;
    for (const auto& leg : book.legs) {
      if (leg.leg.kind == stock) shares += static_cast<double>(leg.leg.quantity);
      gross += std::abs(static_cast<double>(leg.leg.quantity)) * (leg.leg.kind == stock ? 1 : 100);
    }
    // Shares pay a dividend on the way that the book does not hold.
    const double dividend = shares * 100.0 * (1 - std::exp(-world.yield * years));
    EXPECT_NEAR(now.value, std::exp(-world.rate * years) * mean + dividend, 2e-3 * gross) << round;
  }
}

TEST(FrontPayoff, HasNoLimitWhereCallsAndSharesDoNotCancel) {
  const World world;
  Book naked;
  naked.add(world, call, -2, 100, 2.3, 30, 0.2);
  naked.add(world, call, 1, 100, 4.0, 90, 0.2);
  auto front = front_of(naked, world);
  EXPECT_FALSE(front.max_loss);
  EXPECT_TRUE(front.max_profit);
  EXPECT_FALSE(std::isinf(front.profitable.back().high));
  Book long_straddles;
  long_straddles.add(world, call, 1, 100, 2.3, 30, 0.2);
  long_straddles.add(world, put, 1, 100, 4.0, 90, 0.2);
  front = front_of(long_straddles, world);
  EXPECT_TRUE(front.max_loss);
  EXPECT_FALSE(front.max_profit);
  EXPECT_TRUE(std::isinf(front.profitable.back().high));
  // A breakeven beyond four times the strike.
  Book rich;
  rich.add(world, call, -1, 100, 700, 30, 0.2);
  rich.add(world, put, -1, 100, 4.0, 90, 0.2);
  front = front_of(rich, world);
  EXPECT_NEAR(front.breakevens.back(), 804.0, 1e-6);
}

TEST(FrontPayoff, TakesCostsFromEveryProfit) {
  const World world;
  Book book;
  book.add(world, call, -1, 100, 2.3, 30, 0.2);
  book.add(world, call, 1, 100, 4.0, 90, 0.2);
  const auto before = front_of(book, world);
  const auto after = payoff_at_front_expiry(book.legs, book.markets, world.spot, 0.0, at(2.60));
  ASSERT_TRUE(after);
  EXPECT_NEAR(*after->max_profit, *before.max_profit - 2.60, 1e-9);
  EXPECT_NEAR(*after->max_loss, *before.max_loss + 2.60, 1e-9);
  EXPECT_GT(after->breakevens[0], before.breakevens[0]);
  // Vol is what the later option lives on.
  const auto calmer = payoff_at_front_expiry(book.legs, book.markets, world.spot, -0.05);
  ASSERT_TRUE(calmer);
  EXPECT_LT(*calmer->max_profit, *before.max_profit - 50);
}

TEST(FrontPayoff, StaysFiniteInWildMarkets) {
  const World world{.spot = 100.0, .rate = 0.9, .yield = -0.4};
  for (const auto style : {european, american}) {
    for (const double vol : {0.0, 0.01, 4.0, 60.0}) {
      Book book;
      book.add(world, call, -1, 0.01, 90, 3, vol);
      book.add(world, call, 1, 5000, 1, 900, vol, style);
      book.add(world, put, 2, 100, 40, 700, vol, style);
      const auto front = front_of(book, world);
      ASSERT_TRUE(front.max_loss && front.max_profit) << vol;
      EXPECT_LT(front.curve.size(), 20'000u) << vol;
      for (const auto& point : front.curve) {
        ASSERT_TRUE(std::isfinite(point.profit)) << vol << " at " << point.spot;
        EXPECT_LE(point.profit, *front.max_profit);
        EXPECT_GE(point.profit, -*front.max_loss);
      }
    }
  }
}

// A number or a refusal, whatever the vol.
TEST(Book, IsNeverWorthSomethingThatIsNoNumber) {
  const World world;
  for (const auto kind : {call, put}) {
    for (const double days : {0.01, 1.0, 400.0}) {
      for (const double vol : {0.0, 1e-6, 1e-4, 1e-3, 0.003, 0.01, 0.1, 3.0, 60.0}) {
        for (const double spot : {0.0, 50.0, 99.99, 100.0, 200.0, 1e6}) {
          Book book;
          book.add(world, kind, 1, 100, 3, 30, vol, american);
          book.markets[0] = world.market(days, vol, american);
          const auto value = value_book(book.legs, book.markets, world.spot, {.spot = spot});
          if (!value) {
            EXPECT_EQ(value.error().code, core::Errc::unavailable);
            EXPECT_LT(vol, 0.01);
            continue;
          }
          EXPECT_TRUE(std::isfinite(value->value)) << days << " " << vol << " " << spot;
          EXPECT_TRUE(std::isfinite(value->greeks.delta)) << days << " " << vol << " " << spot;
          EXPECT_TRUE(std::isfinite(value->greeks.gamma)) << days << " " << vol << " " << spot;
          EXPECT_TRUE(std::isfinite(value->greeks.theta)) << days << " " << vol << " " << spot;
          EXPECT_TRUE(std::isfinite(value->greeks.vega)) << days << " " << vol << " " << spot;
          EXPECT_TRUE(std::isfinite(value->greeks.rho)) << days << " " << vol << " " << spot;
        }
      }
    }
  }
}

TEST(FrontPayoff, NeedsAnOption) {
  Book book;
  book.add_stock(100, 99);
  EXPECT_EQ(payoff_at_front_expiry(book.legs, book.markets, 100.0).error().code,
            core::Errc::invalid_input);
}

}  // namespace
}  // namespace bifrost::analysis
