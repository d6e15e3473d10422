// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/chain.hpp"

#include <gtest/gtest.h>

#include "synthetic_chain.hpp"

namespace bifrost::analysis {
namespace {

using core::Date;

Price at(double value) {
  return *Price::from_double(value);
}

core::OptionQuote option(const char* trading_class, Date expiry, double strike, Right right) {
  return {.contract = {.underlying = "SPX",
                       .trading_class = trading_class,
                       .expiry = expiry,
                       .strike = at(strike),
                       .right = right,
                       .multiplier = 100},
          .quote = {}};
}

class ExpirySelection : public ::testing::Test {
 protected:
  const Date first{std::chrono::days{18'000}};
  const Date second{std::chrono::days{18'007}};
  core::ChainSnapshot snapshot{
      .underlying = "SPX",
      .as_of = {},
      .underlying_price = at(2700),
      .source = core::Source::imported,
      .quotes = {option("SPXW", first, 2710, Right::put), option("SPXW", first, 2700, Right::call),
                 option("SPXW", first, 2700, Right::put), option("SPX", first, 2700, Right::call),
                 option("SPXW", second, 2700, Right::call)}};
};

TEST_F(ExpirySelection, KeepsTradingClassesOfOneDateApart) {
  EXPECT_EQ(listed_expiries(snapshot),
            (std::vector<ListedExpiry>{{first, "SPX"}, {first, "SPXW"}, {second, "SPXW"}}));
  const auto chain = select_expiry(snapshot, {first, "SPXW"});
  ASSERT_TRUE(chain);
  ASSERT_EQ(chain->rows.size(), 2u);
  EXPECT_EQ(chain->rows[0].strike, at(2700));
  EXPECT_TRUE(chain->rows[0].call && chain->rows[0].put);
  EXPECT_FALSE(chain->rows[1].call);
  EXPECT_TRUE(chain->rows[1].put);
  EXPECT_EQ(chain->multiplier, 100);
  EXPECT_EQ(chain->underlying_price, at(2700));
}

TEST_F(ExpirySelection, RefusesWhatIsNotThereOrThereTwice) {
  EXPECT_EQ(select_expiry(snapshot, {second, "SPX"}).error().code, core::Errc::not_found);
  snapshot.quotes.push_back(option("SPXW", first, 2700, Right::call));
  EXPECT_EQ(select_expiry(snapshot, {first, "SPXW"}).error().code, core::Errc::conflict);
  snapshot.quotes.back() = option("SPXW", first, 2720, Right::call);
  snapshot.quotes.back().contract.multiplier = 10;
  EXPECT_EQ(select_expiry(snapshot, {first, "SPXW"}).error().code, core::Errc::conflict);
  snapshot.quotes.back().contract.multiplier = 0;
  EXPECT_EQ(select_expiry(snapshot, {first, "SPXW"}).error().code, core::Errc::corrupt_data);
}

TEST(OptionSide, HasAMiddleOnlyBetweenTwoSidesThatDoNotCross) {
  const auto mid = [](std::optional<Price> bid, std::optional<Price> ask) {
    return OptionSide{bid, ask, {}, {}, {}}.mid();
  };
  EXPECT_EQ(mid(at(1.00), at(1.15)), at(1.075));
  EXPECT_EQ(mid(at(1), at(1)), at(1));
  EXPECT_EQ(mid(Price{}, at(0.05)), at(0.025));
  EXPECT_EQ(mid(Price{}, Price{}), std::nullopt);
  EXPECT_EQ(mid(at(1.2), at(1.1)), std::nullopt);
  EXPECT_EQ(mid(std::nullopt, at(1)), std::nullopt);
  EXPECT_EQ(mid(at(1), std::nullopt), std::nullopt);
}

TEST(ForwardAndDiscount, RecoversTheForwardWithinTheSpread) {
  const SyntheticMarket market;
  const auto found = forward_and_discount(market.chain(70, 130, 1), market.years, market.rate);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->forward, market.forward, 0.01);
  EXPECT_DOUBLE_EQ(found->discount_factor, market.discount());
  EXPECT_EQ(found->discount_source, DiscountSource::given);
  EXPECT_EQ(found->pairs, 11);
  EXPECT_LT(found->deviation, 0.02);
}

TEST(ForwardAndDiscount, ReadsTheRateFromTightQuotesFarEnoughOut) {
  SyntheticMarket market;
  market.years = 1.0;
  const auto found = forward_and_discount(market.chain(50, 160, 2.5), market.years, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->discount_source, DiscountSource::fitted);
  EXPECT_NEAR(-std::log(found->discount_factor), market.rate, 5e-4);
  EXPECT_NEAR(found->forward, market.forward, 0.02);
}

TEST(ForwardAndDiscount, AssumesNoRateWhereQuotesDoNotPinIt) {
  SyntheticMarket market;
  market.years = 2.0 / 365;
  market.tick = 0.05;
  const auto found = forward_and_discount(market.chain(94, 106, 1), market.years, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->discount_source, DiscountSource::assumed_zero);
  EXPECT_EQ(found->discount_factor, 1.0);
  EXPECT_NEAR(found->forward, market.forward, 0.06);
}

TEST(ForwardAndDiscount, IsNotMovedByBrokenQuotes) {
  const SyntheticMarket market;
  auto chain = market.chain(70, 130, 1);
  chain.rows[28].call->bid.reset();                               // missing
  chain.rows[29].put->bid = Price{};                              // zero
  std::swap(chain.rows[30].call->bid, chain.rows[30].call->ask);  // crossed
  chain.rows[31].put = OptionSide{at(9.00), at(9.05), 1, 1, {}};  // stale
  chain.rows[33].call.reset();
  const auto found = forward_and_discount(chain, market.years, market.rate);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->forward, market.forward, 0.02);
}

TEST(ForwardAndDiscount, BelievesTightQuotesBeforeWideOnes) {
  const SyntheticMarket market;
  auto chain = market.chain(96, 105, 1);
  for (std::size_t i = 0; i < chain.rows.size(); ++i) {
    if (i % 3 == 0) continue;
    // Two thirds of the strikes are quoted two wide, their middles half a unit too high.
    chain.rows[i].call->bid = *chain.rows[i].call->bid - at(0.5);
    chain.rows[i].call->ask = *chain.rows[i].call->ask + at(1.5);
  }
  const auto found = forward_and_discount(chain, market.years, market.rate);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->forward, market.forward, 0.05);
}

TEST(ForwardAndDiscount, DoesNotFitARateThroughNoise) {
  const SyntheticMarket market;
  auto chain = market.chain(90, 110, 1);
  for (std::size_t i = 0; i < chain.rows.size(); ++i) {
    const Price noise = at(i % 2 == 0 ? 0.1 : -0.1);
    for (auto* quote : {&chain.rows[i].call->bid, &chain.rows[i].call->ask}) {
      *quote = **quote + at(0.2) + noise;
    }
    chain.rows[i].put->ask = *chain.rows[i].put->ask + at(0.4);
  }
  const auto found = forward_and_discount(chain, market.years, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->discount_source, DiscountSource::assumed_zero);
}

TEST(ForwardAndDiscount, FitsTheRateWithoutAStaleQuote) {
  SyntheticMarket market;
  market.years = 1.0;
  auto chain = market.chain(50, 160, 2.5);
  auto& stale = chain.rows[40];
  for (auto* quote : {&stale.call->bid, &stale.call->ask}) *quote = **quote + at(1.0);
  const auto found = forward_and_discount(chain, market.years, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->discount_source, DiscountSource::fitted);
  EXPECT_NEAR(-std::log(found->discount_factor), market.rate, 5e-4);
}

TEST(ForwardAndDiscount, FitsTheRateAmongQuotesThatAreFarOff) {
  SyntheticMarket market;
  market.years = 1.0;
  auto chain = market.chain(50, 160, 2.5);
  // Six stale quotes on one end would tilt a line through all of them.
  for (std::size_t i = 36; i < 42; ++i) {
    for (auto* quote : {&chain.rows[i].put->bid, &chain.rows[i].put->ask}) {
      *quote = **quote + at(20.0);
    }
  }
  const auto found = forward_and_discount(chain, market.years, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->discount_source, DiscountSource::fitted);
  EXPECT_NEAR(-std::log(found->discount_factor), market.rate, 5e-4);
  EXPECT_NEAR(found->forward, market.forward, 0.02);
}

TEST(ForwardAndDiscount, IsNotMovedByStaleQuotesNextToTheForward) {
  const SyntheticMarket market;
  auto chain = market.chain(70, 130, 1);
  for (const std::size_t i : {27u, 30u, 31u, 33u}) {  // four of the eleven that count
    for (auto* quote : {&chain.rows[i].call->bid, &chain.rows[i].call->ask}) {
      *quote = **quote + at(3.0);
    }
  }
  const auto found = forward_and_discount(chain, market.years, market.rate);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->forward, market.forward, 0.03);
}

// American options of one expiry on a share that pays a yield, at the prices of american_price().
struct AmericanMarket {
  double spot = 100.0;
  double rate = 0.06;
  double yield = 0.02;
  double years = 1.0;
  double vol = 0.3;

  double forward() const { return spot * std::exp((rate - yield) * years); }
  ExpiryChain chain() const {
    ExpiryChain out{.underlying = "X",
                    .trading_class = "X",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = at(spot),
                    .rows = {}};
    for (double strike = 70; strike <= 140; strike += 2.5) {
      const auto side = [&](Right right) {
        const double fair = *american_price(right, {spot, strike, years, rate, yield, vol});
        return OptionSide{at(fair - 0.02), at(fair + 0.02), 1, 1, {}};
      };
      out.rows.push_back({at(strike), side(Right::call), side(Right::put)});
    }
    return out;
  }
};

TEST(ForwardAndDiscount, IsNotBiasedByEarlyExercise) {
  for (const auto& [rate, yield] : {std::pair{0.06, 0.02}, {0.05, 0.0}, {0.02, 0.08}}) {
    const AmericanMarket market{.rate = rate, .yield = yield};
    const auto chain = market.chain();
    const auto european = forward_and_discount(chain, market.years, rate);
    const auto american = forward_and_discount(chain, market.years, rate, ExerciseStyle::american);
    ASSERT_TRUE(european && american);
    EXPECT_NEAR(american->forward, market.forward(), 0.015) << rate << ' ' << yield;
    EXPECT_GT(std::abs(european->forward - market.forward()), 0.15) << rate << ' ' << yield;
    EXPECT_EQ(american->discount_source, DiscountSource::given);
    // The bounds that American parity leaves: S - D - K <= C - P <= S - K exp(-rT).
    const auto carry = implied_carry(*american, market.spot, market.years);
    EXPECT_NEAR(carry.dividend_yield, yield, 3e-4);
    EXPECT_NEAR(carry.rate, rate, 1e-12);
    EXPECT_NEAR(carry.dividends, market.spot * (1.0 - std::exp(-yield * market.years)), 0.02);
    for (const auto& row : chain.rows) {
      const double difference = (*row.call->mid()).value() - (*row.put->mid()).value();
      const double strike = row.strike.value();
      EXPECT_GE(difference, market.spot - carry.dividends - strike - 0.05);
      EXPECT_LE(difference, market.spot - strike * american->discount_factor + 0.05);
    }
  }
}

TEST(ForwardAndDiscount, ReadsTheCarryOfAmericanOptionsAsInterestWhereNoRateIsGiven) {
  const AmericanMarket market{.rate = 0.04, .yield = 0.0};
  const auto found =
      forward_and_discount(market.chain(), market.years, std::nullopt, ExerciseStyle::american);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->discount_source, DiscountSource::carry);
  EXPECT_NEAR(found->forward, market.forward(), 0.05);
  EXPECT_NEAR(-std::log(found->discount_factor), market.rate, 5e-4);
  EXPECT_NEAR(implied_carry(*found, market.spot, market.years).dividend_yield, 0.0, 5e-4);
}

TEST(ForwardAndDiscount, NeedsTheSpotOfAmericanOptions) {
  auto chain = AmericanMarket{}.chain();
  chain.underlying_price.reset();
  EXPECT_EQ(forward_and_discount(chain, 1.0, 0.06, ExerciseStyle::american).error(),
            NoForward::no_spot);
  chain.underlying_price = at(100);
  // Yields below rates below zero: two exercise boundaries.
  EXPECT_EQ(forward_and_discount(chain, 1.0, -0.01, ExerciseStyle::american).error(),
            NoForward::no_american_price);
}

TEST(ForwardAndDiscount, RefusesFewerThanTwoPairs) {
  const SyntheticMarket market;
  auto chain = market.chain(99, 101, 1);
  chain.rows[0].call.reset();
  ASSERT_TRUE(forward_and_discount(chain, market.years, 0.0));
  chain.rows[2].put->bid = Price{};
  const auto found = forward_and_discount(chain, market.years, 0.0);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error(), NoForward::too_few_pairs);
}

TEST(ForwardAndDiscount, RefusesAForwardThatIsNotPositive) {
  ExpiryChain chain{.underlying = "X",
                    .trading_class = "X",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = std::nullopt,
                    .rows = {}};
  for (const double strike : {1.0, 2.0}) {
    chain.rows.push_back({at(strike), OptionSide{at(0.05), at(0.10), 1, 1, {}},
                          OptionSide{at(20), at(20.10), 1, 1, {}}});
  }
  EXPECT_EQ(forward_and_discount(chain, 0.1, 0.0).error(), NoForward::not_positive);
}

TEST(Refresh, RecoversTheSmile) {
  SyntheticMarket market;
  market.tick = 0.0001;
  market.half_spread = 0.0005;
  const auto priced = refresh(market.chain(80, 120, 2), market.years, market.rate);
  ASSERT_TRUE(priced);
  ASSERT_EQ(priced->rows.size(), priced->chain.rows.size());
  for (const auto& row : priced->rows) {
    ASSERT_TRUE(row.call && row.put);
    const double strike = row.strike.value();
    for (const auto* side : {&*row.call, &*row.put}) {
      ASSERT_TRUE(side->implied_vol);
      EXPECT_NEAR(*side->implied_vol, market.vol(strike), 5e-4) << strike;
      ASSERT_TRUE(side->greeks);
    }
    // Slopes in the underlying: parity with the forward a fixed multiple of spot.
    EXPECT_NEAR(row.call->greeks->delta - row.put->greeks->delta,
                market.discount() * priced->parity.forward / 100.0, 1e-3);
  }
  EXPECT_NEAR(*priced->atm_implied_vol, market.vol(market.forward), 5e-4);
}

// Of a kept option the three slopes and the price hang together by the equation of Black and
// Scholes; its theta is that of a day on which the underlying stays where it is.
TEST(Refresh, GreeksHoldTheUnderlyingStill) {
  SyntheticMarket market;
  market.forward = 100.0 * std::exp(0.03 * market.years);
  auto chain = market.chain(80, 120, 5);
  chain.underlying_price = Price::from_double(100);
  const auto priced = *refresh(chain, market.years, market.rate);
  const double growth = priced.parity.forward / 100.0;
  const double yield = market.rate - std::log(growth) / market.years;
  for (const auto& row : priced.rows) {
    for (const Right right : {Right::call, Right::put}) {
      const auto& option = right == Right::call ? row.call : row.put;
      ASSERT_TRUE(option && option->implied_vol);
      const SpotInputs in{100.0, row.strike.value(),  market.years, market.rate,
                          yield, *option->implied_vol};
      const double day = 1e-3;
      auto later = in;
      later.years_to_expiry -= day / 365;
      auto before = in;
      before.years_to_expiry += day / 365;
      EXPECT_NEAR(
          option->greeks->theta,
          (black_scholes_price(right, later) - black_scholes_price(right, before)) / (2 * day),
          1e-7);
      auto dearer = in;
      dearer.rate += 1e-5;
      auto cheaper = in;
      cheaper.rate -= 1e-5;
      EXPECT_NEAR(option->greeks->rho,
                  (black_scholes_price(right, dearer) - black_scholes_price(right, cheaper)) / 2e-5,
                  1e-5);
    }
  }
  // A day before expiry a percent between spot and forward is no carry.
  SyntheticMarket late;
  late.years = 1.0 / 365;
  late.forward = 101.0;
  auto stale = late.chain(95, 105, 1);
  stale.underlying_price = Price::from_double(100);
  const auto moved = *refresh(stale, late.years, late.rate);
  stale.underlying_price = Price::from_double(101);
  const auto still = *refresh(stale, late.years, late.rate);
  EXPECT_NEAR(moved.rows[6].call->greeks->theta, still.rows[6].call->greeks->theta, 1e-3);
}

TEST(Refresh, KeepsTheReasonWhereAPriceHasNoVolAndTakesGreeksFromTheOtherRight) {
  const SyntheticMarket market;
  auto chain = market.chain(70, 130, 5);
  auto& deep = chain.rows.front();
  deep.call->bid = at(28.00);  // intrinsic is about 30.2
  deep.call->ask = at(28.10);
  chain.rows.back().call->bid = Price{};
  const auto priced = refresh(chain, market.years, market.rate);
  ASSERT_TRUE(priced);
  ASSERT_TRUE(priced->rows.front().call);
  EXPECT_EQ(priced->rows.front().call->implied_vol.error(), NoImpliedVol::below_intrinsic);
  ASSERT_TRUE(priced->rows.front().call->greeks);
  EXPECT_GT(priced->rows.front().call->greeks->delta, 0.95);
  EXPECT_FALSE(priced->rows.back().call);
}

TEST(AtmImpliedVol, IsMissingWhereTheForwardIsOutsideTheStrikes) {
  const SyntheticMarket market;
  const auto priced = refresh(market.chain(101, 110, 1), market.years, market.rate);
  ASSERT_TRUE(priced);
  EXPECT_FALSE(priced->atm_implied_vol);
}

TEST(Refresh, AtTheLastMomentHasNoVolButStillAForward) {
  const SyntheticMarket market;
  const auto priced = refresh(market.chain(90, 110, 1), 0.0, std::nullopt);
  ASSERT_TRUE(priced);
  EXPECT_FALSE(priced->atm_implied_vol);
  EXPECT_EQ(priced->rows[5].call->implied_vol.error(), NoImpliedVol::expired);
}

}  // namespace
}  // namespace bifrost::analysis
