// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "synthetic_chain.hpp"

namespace bifrost::analysis {
namespace {

using enum LegKind;

Price at(double value) {
  return *Price::from_double(value);
}

constexpr core::Date expiry = core::Date{std::chrono::days{18'000}};

BookLeg option(LegKind kind, std::int64_t quantity, double strike, double price,
               core::Date when = expiry) {
  return {{kind, quantity, at(strike), at(price)}, when, "XYZ"};
}
BookLeg shares(std::int64_t quantity, double price) {
  return {{stock, quantity, {}, at(price), 1}, std::nullopt, ""};
}

std::vector<BookLeg> condor() {
  return {option(put, 1, 90, 0.5), option(put, -1, 95, 1.5), option(call, -1, 105, 1.4),
          option(call, 1, 110, 0.4)};
}

Metrics metrics_of(const MetricsRequest& request) {
  const auto metrics = analyse(request);
  EXPECT_TRUE(metrics) << metrics.error().message;
  return metrics.value_or(Metrics{});
}

const NamedReturns* on(const Metrics& metrics, Denominator denominator) {
  for (const auto& returns : metrics.returns) {
    if (returns.denominator == denominator) return &returns;
  }
  return nullptr;
}

// T8.
TEST(Metrics, TakeExactlyTheFeesFromDollarsAndFromPercent) {
  const auto book = condor();
  const auto density = lognormal_density({100.0, 0.2, 30.0 / 365});
  const Density* densities[] = {density.get()};
  const auto without = metrics_of(
      {.book = book, .spot = 100.0, .densities = densities, .margin = 500.0, .cash = 2000.0});
  const auto with = metrics_of({.book = book,
                                .spot = 100.0,
                                .densities = densities,
                                .fees = {at(0.65), {}},
                                .fees_paid = FeesPaid::round_trip,
                                .margin = 500.0,
                                .cash = 2000.0});
  EXPECT_EQ(with.fees, at(5.20));
  EXPECT_EQ(at(*with.max_profit), at(*without.max_profit) - at(5.20));
  EXPECT_EQ(at(*with.max_loss), at(*without.max_loss) + at(5.20));
  EXPECT_NEAR(with.densities[0].expected_profit, without.densities[0].expected_profit - 5.20, 1e-9);
  EXPECT_LT(with.densities[0].pop, without.densities[0].pop);
  for (const auto& [denominator, amount] :
       {std::pair{Denominator::margin, 500.0}, {Denominator::cash, 2000.0}}) {
    EXPECT_NEAR(*on(with, denominator)->at_best.simple,
                *on(without, denominator)->at_best.simple - 5.20 / amount, 1e-12);
    EXPECT_NEAR(*on(with, denominator)->if_unchanged.simple,
                *on(without, denominator)->if_unchanged.simple - 5.20 / amount, 1e-12);
  }
  EXPECT_NEAR(*on(with, Denominator::max_loss)->at_best.simple, 194.8 / 305.2, 1e-12);
}

TEST(Metrics, CountFeesByContractShareAndTrip) {
  const std::vector<BookLeg> book{shares(-300, 50), option(put, -3, 45, 1)};
  EXPECT_EQ(fees_of(book, {at(0.65), at(0.005)}, FeesPaid::on_entry), at(3 * 0.65 + 1.5));
  EXPECT_EQ(fees_of(book, {at(0.65), at(0.005)}, FeesPaid::round_trip), at(6 * 0.65 + 3));
  EXPECT_EQ(fees_of(book, {}, FeesPaid::round_trip), Money{});
}

TEST(Metrics, NameTheDensityOfEveryProbability) {
  const auto book = condor();
  const auto near = lognormal_density({100.0, 0.2, 30.0 / 365});
  const auto spot_anchored =
      lognormal_density({101.0, 0.3, 30.0 / 252, Anchor::spot, DayCount::business_252});
  const Density* densities[] = {near.get(), spot_anchored.get()};
  const auto metrics = metrics_of({.book = book, .densities = densities});
  ASSERT_EQ(metrics.densities.size(), 2u);
  const auto payoff = *payoff_at_expiry(legs_of(book));
  EXPECT_EQ(metrics.densities[0].label.anchor, Anchor::put_call_parity_forward);
  EXPECT_EQ(metrics.densities[1].label.anchor, Anchor::spot);
  EXPECT_EQ(metrics.densities[1].label.day_count, DayCount::business_252);
  EXPECT_NEAR(metrics.densities[0].pop, near->cdf(107) - near->cdf(93), 1e-12);
  EXPECT_NEAR(metrics.densities[1].pop, spot_anchored->cdf(107) - spot_anchored->cdf(93), 1e-12);
  EXPECT_EQ(metrics.densities[1].expected_profit, expected_profit(payoff, *spot_anchored));
}

// What is unlimited has no number; what a density thinks possible has one.
TEST(Metrics, SayWhatAnUnlimitedSideMayLikelyCost) {
  const std::vector<BookLeg> book{option(put, -1, 95, 1.5), option(call, -1, 105, 1.4)};
  const auto density = lognormal_density({100.0, 0.4, 90.0 / 365});
  const Density* densities[] = {density.get()};
  const auto metrics = metrics_of({.book = book, .densities = densities, .margin = 2000.0});
  EXPECT_FALSE(metrics.max_loss);
  EXPECT_EQ(*metrics.max_profit, 290.0);
  const auto& by = metrics.densities[0];
  EXPECT_NEAR(density->cdf(by.low_spot), 0.005, 1e-9);
  EXPECT_NEAR(density->cdf(by.high_spot), 0.995, 1e-9);
  EXPECT_NEAR(by.worst_likely_profit, 290.0 - 100.0 * (by.high_spot - 105.0), 1e-9);
  EXPECT_FALSE(on(metrics, Denominator::max_loss)) << "no return on what has no bound";
  EXPECT_TRUE(on(metrics, Denominator::margin));
  // Inside the range a corner may be worst: a back ratio at its long strike.
  const std::vector<BookLeg> ratio{option(call, -1, 100, 5), option(call, 2, 105, 2)};
  EXPECT_EQ(metrics_of({.book = ratio, .densities = densities}).densities[0].worst_likely_profit,
            -400.0);
}

TEST(Metrics, NameWhatAReturnIsAReturnOn) {
  // numbers.md 6.1: covered call, stock at 100, call 105 sold at 2.50.
  const std::vector<BookLeg> book{shares(100, 100), option(call, -1, 105, 2.5)};
  const auto metrics =
      metrics_of({.book = book, .spot = 100.0, .margin = 5000.0, .days_to_expiry = 73.0});
  const auto* risk = on(metrics, Denominator::max_loss);
  ASSERT_TRUE(risk);
  EXPECT_EQ(risk->amount, 9750.0);
  EXPECT_NEAR(*risk->at_best.simple, 7.5 / 97.5, 1e-12);       // if called
  EXPECT_NEAR(*risk->if_unchanged.simple, 2.5 / 97.5, 1e-12);  // static
  EXPECT_NEAR(*risk->at_best.annualised_simple, 5.0 * 7.5 / 97.5, 1e-12);
  EXPECT_NEAR(*on(metrics, Denominator::margin)->at_best.simple, 750.0 / 5000.0, 1e-12);
  EXPECT_FALSE(on(metrics, Denominator::cash));
  EXPECT_EQ(to_string(Denominator::max_loss), "max_loss");
  EXPECT_EQ(metrics.recognised->shape.name, "covered_call");
  // Nothing is annual without days, and nothing is a return where the best is unlimited.
  const std::vector<BookLeg> long_call{option(call, 1, 100, 3)};
  const auto open = metrics_of({.book = long_call, .days_to_expiry = 0.0});
  EXPECT_FALSE(on(open, Denominator::max_loss)->at_best.simple);
  EXPECT_FALSE(on(open, Denominator::max_loss)->if_unchanged.simple);
  EXPECT_FALSE(on(metrics_of({.book = book, .days_to_expiry = 0.0}), Denominator::max_loss)
                   ->at_best.annualised_simple);
  // Nor on a loss that cannot happen.
  const std::vector<BookLeg> box{option(call, 1, 95, 7), option(put, -1, 95, 1.5),
                                 option(call, -1, 105, 1.5), option(put, 1, 105, 5.7)};
  EXPECT_TRUE(metrics_of({.book = box}).returns.empty());
}

OptionSide quote(double bid, double ask, std::int64_t size, std::int64_t interest) {
  return {at(bid), at(ask), size, size + 5, interest};
}

TEST(Metrics, CostToEnterLiesWhereTheFillLies) {
  auto book = condor();
  for (auto& leg : book) leg.leg.quantity *= 2;
  const std::vector<std::optional<OptionSide>> quotes{
      quote(0.45, 0.55, 20, 100), quote(1.40, 1.60, 9, 900), quote(1.30, 1.50, 40, 700),
      quote(0.35, 0.45, 60, 50)};
  const auto metrics = metrics_of(
      {.book = book, .quotes = quotes, .fills = {Fill::mid, {0.5}, Fill::natural, {-1.0}}});
  ASSERT_EQ(metrics.entry_costs.size(), 4u);
  EXPECT_EQ(metrics.option_cost, at(-400));
  EXPECT_EQ(metrics.entry_costs[0].cost, at(-400));
  EXPECT_EQ(metrics.entry_costs[1].cost, at(-370));
  EXPECT_EQ(metrics.entry_costs[2].cost, at(-340));
  EXPECT_EQ(metrics.entry_costs[3].cost, at(-460));
  ASSERT_TRUE(metrics.liquidity);
  EXPECT_NEAR(*metrics.liquidity->spread_cost, 60.0, 1e-9);
  EXPECT_NEAR(*metrics.liquidity->widest_spread, 0.1 / 0.4, 1e-12);
  EXPECT_EQ(metrics.liquidity->units_at_touch, 4);  // nine bids for the short put
  EXPECT_EQ(metrics.liquidity->least_open_interest, 50);
}

TEST(Metrics, LeaveOutWhatAQuoteDoesNotSay) {
  const auto book = condor();
  std::vector<std::optional<OptionSide>> quotes(4, quote(0.45, 0.55, 20, 100));
  quotes[1]->bid = Price{};
  quotes[2]->bid_size.reset();
  quotes[3]->open_interest.reset();
  auto metrics = metrics_of({.book = book, .quotes = quotes});
  EXPECT_TRUE(metrics.entry_costs[0].cost);
  EXPECT_FALSE(metrics.entry_costs[1].cost) << "nobody bids for the put to be sold";
  EXPECT_FALSE(metrics.liquidity->spread_cost);
  EXPECT_FALSE(metrics.liquidity->widest_spread);
  EXPECT_FALSE(metrics.liquidity->units_at_touch);
  EXPECT_FALSE(metrics.liquidity->least_open_interest);
  quotes[0].reset();
  metrics = metrics_of({.book = book, .quotes = quotes});
  EXPECT_FALSE(metrics.entry_costs[0].cost);
  EXPECT_FALSE(metrics_of({.book = book}).liquidity);
}

// T11 for whole books: a wider quote on any leg never makes entering cheaper, and no number of legs
// beats the best touch of each.
TEST(Metrics, EnteringNeverGetsCheaperAsSpreadsWiden) {
  std::mt19937 random(9);
  const auto in = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<BookLeg> book;
    std::vector<std::optional<OptionSide>> quotes;
    for (int i = in(1, 5); i > 0; --i) {
      const int quantity = in(1, 4) * (in(0, 1) == 0 ? -1 : 1);
      book.push_back(option(in(0, 1) == 0 ? call : put, quantity, in(80, 120), 1));
      const double bid = 0.05 * in(21, 100);
      quotes.push_back(quote(bid, bid + 0.05 * in(0, 8), 1, 1));
    }
    auto wider = quotes;
    auto& widened = *wider[static_cast<std::size_t>(in(0, static_cast<int>(book.size()) - 1))];
    const double by = 0.05 * in(0, 20);
    widened.bid = *widened.bid - at(by);
    widened.ask = *widened.ask + at(by);
    const Fill fill{0.01 * in(0, 100)};
    const auto cost = [&](const auto& of, Fill where) {
      return option_cost(*entered_at(book, of, where));
    };
    EXPECT_GE(cost(wider, fill), cost(quotes, fill));
    EXPECT_GE(cost(quotes, fill), cost(quotes, {-1.0}));
    EXPECT_LE(cost(quotes, fill), cost(quotes, Fill::natural));
  }
}

// T15: whoever takes both sides of everything under the same rules has exactly the costs to show
// for it, wherever the underlying settles.
TEST(Metrics, OfABookAndItsOppositeSumToTheCosts) {
  std::mt19937 random(10);
  const auto in = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  const FeeSchedule fees{at(0.65), at(0.0035)};
  for (int round = 0; round < 500; ++round) {
    std::vector<BookLeg> book;
    std::vector<std::optional<OptionSide>> quotes;
    for (int i = in(1, 5); i > 0; --i) {
      const int quantity = in(1, 4) * (in(0, 1) == 0 ? -1 : 1);
      if (in(0, 6) == 0) {
        book.push_back(shares(100 * quantity, 100));
        quotes.push_back(std::nullopt);
        continue;
      }
      book.push_back(option(in(0, 1) == 0 ? call : put, quantity, in(80, 120), 1));
      const double bid = 0.01 * in(1, 500);
      quotes.push_back(quote(bid, bid + 0.01 * in(0, 40), 1, 1));
    }
    const Fill fill{0.01 * in(0, 100)};
    auto opposite = book;
    for (auto& leg : opposite) leg.leg.quantity = -leg.leg.quantity;
    const auto ours = *entered_at(book, quotes, fill);
    const auto theirs = *entered_at(opposite, quotes, fill);
    const Money paid =
        fees_of(ours, fees, FeesPaid::round_trip) + fees_of(theirs, fees, FeesPaid::round_trip);
    const Money crossed = option_cost(ours) + option_cost(theirs);
    EXPECT_GE(crossed, Money{});
    if (fill == Fill::natural) {
      EXPECT_NEAR(crossed.value(), 2 * *liquidity_of(book, quotes).spread_cost, 1e-9);
    }
    const auto one = metrics_of({.book = ours, .fees = fees, .fees_paid = FeesPaid::round_trip});
    const auto other =
        metrics_of({.book = theirs, .fees = fees, .fees_paid = FeesPaid::round_trip});
    for (const auto& kink : one.exact->kinks) {
      const Money theirs_there = profit_at_expiry(legs_of(theirs), kink.spot) -
                                 fees_of(theirs, fees, FeesPaid::round_trip);
      EXPECT_EQ(kink.profit + theirs_there, -(paid + crossed));
    }
    if (one.max_profit && other.max_loss) {
      EXPECT_NEAR(*one.max_profit - *other.max_loss, -(paid + crossed).value(), 1e-6);
    }
  }
}

struct TwoExpiries {
  std::vector<BookLeg> book;
  std::vector<LegMarket> markets;
};
TwoExpiries calendar(double rate = 0.0) {
  const auto market = [&](double days) {
    const double years = days / 365;
    return LegMarket{years, 100.0 * std::exp(rate * years), std::exp(-rate * years), 0.25,
                     ExerciseStyle::european};
  };
  const auto price = [&](double days) {
    const auto m = market(days);
    return black_scholes_price(
        Right::put, ForwardInputs{m.forward, 102, m.years_to_expiry, m.discount_factor, 0.25});
  };
  return {{option(put, -1, 102, price(30)),
           option(put, 1, 102, price(75), expiry + std::chrono::days{45})},
          {market(30), market(75)}};
}

// T7 across expiries: at model prices under the model's own density nothing is won, the later leg
// being repriced by the same model. Without interest, so that nothing has to be carried.
TEST(Metrics, ExpectNothingOfAFairCalendar) {
  const auto [book, markets] = calendar();
  const auto density = lognormal_density({100.0, 0.25, 30.0 / 365});
  const Density* densities[] = {density.get()};
  const auto metrics = metrics_of({.book = book,
                                   .spot = 100.0,
                                   .markets = markets,
                                   .densities = densities,
                                   .fees = {at(1), {}}});
  EXPECT_TRUE(metrics.model_dependent);
  EXPECT_FALSE(metrics.exact);
  ASSERT_TRUE(metrics.front);
  EXPECT_EQ(metrics.recognised->shape.name, "long_put_calendar");
  // Entry prices are rounded to a ten-thousandth of a share. What the lines of the curve are off by
  // does not show.
  EXPECT_GT(metrics.front->profit_tolerance, 0.1);
  EXPECT_NEAR(metrics.densities[0].expected_profit, -2.0, 0.02);
  ASSERT_EQ(metrics.breakevens.size(), 2u);
  EXPECT_NEAR(metrics.densities[0].pop,
              density->cdf(metrics.breakevens[1]) - density->cdf(metrics.breakevens[0]), 1e-12);
  ASSERT_TRUE(metrics.now);
  EXPECT_NEAR(metrics.now->profit, 0.0, 0.02);
  EXPECT_GT(metrics.now->greeks.theta, 0.0);
  EXPECT_GT(metrics.now->greeks.vega, 0.0);
}

/// What an option that may be exercised at any time is worth beyond the same one that may be
/// exercised from `from` on alone: Cox, Ross and Rubinstein's tree.
double right_until(double from, Right right, const SpotInputs& in) {
  constexpr int steps = 2000;
  const double step = in.years_to_expiry / steps;
  const double up = std::exp(in.vol * std::sqrt(step));
  const double keep = std::exp(-in.rate * step);
  const double rise = (std::exp((in.rate - in.dividend_yield) * step) - 1 / up) / (up - 1 / up);
  const auto exercised = [&](int at, int ups) {
    const double spot = in.spot * std::pow(up, 2 * ups - at);
    return std::max(right == Right::call ? spot - in.strike : in.strike - spot, 0.0);
  };
  std::vector<double> any(steps + 1);
  for (int i = 0; i <= steps; ++i) any[static_cast<std::size_t>(i)] = exercised(steps, i);
  auto late = any;
  for (int at = steps - 1; at >= 0; --at) {
    for (int ups = 0; ups <= at; ++ups) {
      const auto i = static_cast<std::size_t>(ups);
      const auto fold = [&](const std::vector<double>& value) {
        return keep * (rise * value[i + 1] + (1 - rise) * value[i]);
      };
      any[i] = std::max(fold(any), exercised(at, ups));
      late[i] = at * step >= from ? std::max(fold(late), exercised(at, ups)) : fold(late);
    }
  }
  return any[0] - late[0];
}

// T7 for American options: at fair prices nothing is won, though no expiry shows what the right to
// exercise before it is worth. Puts at a rate, calls at a yield, of the first expiry and of later
// ones.
TEST(Metrics, ExpectNothingOfFairAmericanOptions) {
  constexpr double spot = 100.0;
  constexpr double vol = 0.25;
  constexpr double rate = 0.08;
  constexpr double yield = 0.06;
  const auto market = [&](double days) {
    const double years = days / 365;
    return LegMarket{years, spot * std::exp((rate - yield) * years), std::exp(-rate * years), vol,
                     ExerciseStyle::american};
  };
  const LegMarket front = market(60);
  const auto density = lognormal_density({front.forward, vol, front.years_to_expiry});
  const Density* densities[] = {density.get()};
  const auto short_option = [&](LegKind kind, double strike, double days) {
    const Right right = kind == LegKind::call ? Right::call : Right::put;
    const double price = *american_price(right, {spot, strike, days / 365, rate, yield, vol});
    return option(kind, -1, strike, std::round(price * 1e4) / 1e4,
                  expiry + std::chrono::days{static_cast<int>(days) - 60});
  };
  double most = 0.0;
  for (const auto kind : {LegKind::call, LegKind::put}) {
    const Right right = kind == LegKind::call ? Right::call : Right::put;
    for (const double strike : {80.0, 95.0, 100.0, 105.0, 125.0}) {
      for (const double days : {60.0, 61.0, 90.0, 200.0}) {
        SCOPED_TRACE(to_string(kind));
        SCOPED_TRACE(strike);
        SCOPED_TRACE(days);
        // Beside the one in question a later leg needs one that settles first.
        std::vector<BookLeg> book{short_option(kind, strike, days)};
        std::vector<LegMarket> markets{market(days)};
        double right_now =
            -100 * right_until(60.0 / 365, right, {spot, strike, days / 365, rate, yield, vol});
        if (days > 60.0) {
          book.push_back(short_option(put, 60, 60));
          markets.push_back(front);
        }
        const auto metrics =
            metrics_of({.book = book, .spot = spot, .markets = markets, .densities = densities});
        EXPECT_NEAR(metrics.early_exercise, right_now, 0.3);
        EXPECT_NEAR(metrics.densities[0].expected_profit, 0.0, 0.05);
        most = std::max(most, -metrics.early_exercise);
      }
    }
  }
  EXPECT_GT(most, 25.0);
}

TEST(Metrics, OfOneExpiryNeedNoModel) {
  const auto metrics = metrics_of({.book = condor()});
  EXPECT_FALSE(metrics.model_dependent);
  ASSERT_TRUE(metrics.exact);
  EXPECT_FALSE(metrics.front);
  EXPECT_FALSE(metrics.now);
  EXPECT_EQ(metrics.exact->kinks.size(), 5u);
  EXPECT_EQ(metrics.breakevens, (std::vector<double>{93, 107}));
}

TEST(Metrics, OfTwoClassesAreExactIfTheySettleTogether) {
  auto book = condor();
  book[0].trading_class = "XYZW";
  std::vector<LegMarket> markets(4, {.years_to_expiry = 0.1,
                                     .forward = 100.0,
                                     .discount_factor = 1.0,
                                     .implied_vol = 0.2,
                                     .style = ExerciseStyle::european});
  const auto together = metrics_of({.book = book, .spot = 100.0, .markets = markets});
  EXPECT_FALSE(together.model_dependent);
  EXPECT_EQ(together.max_loss, 300.0);
  markets[0].years_to_expiry += 6.5 / 24 / 365;
  const auto apart = metrics_of({.book = book, .spot = 100.0, .markets = markets});
  EXPECT_TRUE(apart.model_dependent);
  EXPECT_FALSE(apart.exact);
  EXPECT_LT(*apart.max_loss, 301.0);
}

TEST(Metrics, RefuseWhatDoesNotBelongTogether) {
  const auto [book, markets] = calendar();
  const auto refused = [](const MetricsRequest& request) {
    const auto metrics = analyse(request);
    return !metrics && metrics.error().code == core::Errc::invalid_input;
  };
  EXPECT_TRUE(refused({.book = {}}));
  EXPECT_TRUE(refused({.book = book})) << "several expiries without a model";
  EXPECT_TRUE(refused({.book = book, .markets = markets})) << "without spot";
  EXPECT_TRUE(refused({.book = book, .spot = 100.0, .markets = std::span{markets}.first(1)}));
  const auto one = condor();
  const std::vector<std::optional<OptionSide>> quotes(3);
  EXPECT_TRUE(refused({.book = one, .quotes = quotes}));
  EXPECT_TRUE(refused({.book = one, .margin = 0.0}));
  EXPECT_TRUE(refused({.book = one, .cash = -5.0}));
  EXPECT_TRUE(refused({.book = one, .days_to_expiry = -1.0}));
  EXPECT_TRUE(refused({.book = std::vector{shares(9'000'000'000'000'000, 0)}, .fees = {{}, at(1)}}))
      << "beyond exact money";
  // SPX settles in the morning, SPXW of the same date in the afternoon.
  auto two_classes = one;
  two_classes[0].trading_class = "XYZW";
  EXPECT_TRUE(refused({.book = two_classes}));
  const auto later = lognormal_density({100.0, 0.25, 75.0 / 365});
  const Density* densities[] = {later.get()};
  EXPECT_TRUE(refused({.book = book, .spot = 100.0, .markets = markets, .densities = densities}))
      << "a density of the second expiry";
}

}  // namespace
}  // namespace bifrost::analysis
