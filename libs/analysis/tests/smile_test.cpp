// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/smile.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "quadratic_program.hpp"

namespace bifrost::analysis {
namespace {

Price at(double value) {
  return *Price::from_double(value);
}

// numbers.md 6.2: an index smile of 30 days.
constexpr SviParameters index_smile{0.00035, 0.0155, -0.62, 0.012, 0.045};
// Gatheral and Jacquier (2014), example 3.1 of Axel Vogt: its density is negative near k = 0.8.
constexpr SviParameters vogt_smile{-0.0410, 0.1331, 0.3060, 0.3586, 0.4153};

/// An expiry quoted around known prices.
struct Board {
  double forward = 5000.0;
  double years = 30.0 / 365;
  double discount = 0.99;
  double half_spread = 0.05;
  std::function<double(double k)> total_variance = [](double k) {
    return index_smile.total_variance(k);
  };

  double price(Right right, double strike) const {
    const double vol = std::sqrt(total_variance(std::log(strike / forward)) / years);
    return black_scholes_price(right, ForwardInputs{forward, strike, years, discount, vol});
  }
  OptionSide side(Right right, double strike) const {
    const double fair = price(right, strike);
    return {at(std::max(fair - half_spread, 0.0)), at(fair + half_spread), 10, 10, {}};
  }
  ExpiryChain chain(double lowest, double highest, double step) const {
    ExpiryChain out{.underlying = "SPX",
                    .trading_class = "SPXW",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = at(forward),
                    .rows = {}};
    for (double strike = lowest; strike <= highest; strike += step) {
      out.rows.push_back({at(strike), side(Right::call, strike), side(Right::put, strike)});
    }
    return out;
  }
  ForwardDiscount parity() const {
    return {.forward = forward,
            .discount_factor = discount,
            .discount_source = DiscountSource::given,
            .pairs = 11,
            .deviation = 0.0};
  }
  tl::expected<Smile, NoSmile> fit(const ExpiryChain& chain, const Smile* earlier = nullptr) const {
    return fit_smile(chain, parity(), {years, ExerciseStyle::european}, earlier);
  }
};

double moneyness_grid(int i) {
  return -0.9 + 0.01 * i;
}

TEST(SviParameters, FollowsGatheralsDefinitions) {
  EXPECT_NEAR(std::sqrt(index_smile.total_variance(0.0) * 365 / 30), 0.120, 0.0005);
  const double h = 1e-4;
  for (double k = -0.3; k < 0.3; k += 0.05) {
    const auto w = [&](double x) { return index_smile.total_variance(x); };
    const double slope = (w(k + h) - w(k - h)) / (2 * h);
    const double curvature = (w(k + h) - 2 * w(k) + w(k - h)) / (h * h);
    const double first = 1 - k * slope / (2 * w(k));
    const double g = first * first - slope * slope / 4 * (1 / w(k) + 0.25) + curvature / 2;
    EXPECT_NEAR(index_smile.g(k), g, 1e-5) << k;
    EXPECT_GT(index_smile.g(k), 0.0) << k;
  }
}

TEST(SviParameters, FindsTheArbitrageOfVogtsExample) {
  double least = 1.0;
  double where = 0.0;
  for (double k = -1.5; k < 1.5; k += 0.01) {
    if (vogt_smile.g(k) < least) {
      least = vogt_smile.g(k);
      where = k;
    }
  }
  EXPECT_LT(least, -0.01);
  EXPECT_NEAR(where, 0.8, 0.2);
}

TEST(FitSmile, RecoversAPublishedIndexSmile) {
  const Board board;
  const auto smile = board.fit(board.chain(3800, 5600, 10));
  ASSERT_TRUE(smile) << to_string(smile.error());
  for (double strike = 4200; strike <= 5300; strike += 7) {
    const double k = std::log(strike / board.forward);
    const double vol = std::sqrt(index_smile.total_variance(k) / board.years);
    EXPECT_NEAR(smile->vol(strike), vol, 0.0007) << strike;
  }
  EXPECT_NEAR(smile->vol(5000), 0.120, 0.0005);
  const auto& quality = smile->quality();
  EXPECT_LT(quality.rmse_vol, 3e-4);
  EXPECT_LT(quality.rmse_spreads, 0.1);
  EXPECT_GT(quality.within_spread, 0.99);
  EXPECT_TRUE(quality.butterfly_free);
  EXPECT_TRUE(quality.calendar_free);
  EXPECT_GT(quality.least_g, 0.0);
}

// The condor of numbers.md 6.2 earns money between 4778.86 and 5166.14: 74.8 % by the smile's own
// density.
TEST(FitSmile, GivesTheProbabilityThatThePublishedSmileImplies) {
  const Board board;
  const auto smile = board.fit(board.chain(3800, 5600, 5));
  ASSERT_TRUE(smile);
  const double inside =
      1.0 - smile->probability_below(4790 - 11.14) - smile->probability_above(5155 + 11.14);
  EXPECT_NEAR(inside, 0.748, 0.001);
}

TEST(FitSmile, RecoversAFlatSmile) {
  Board board;
  board.total_variance = [&](double) { return 0.2 * 0.2 * board.years; };
  const auto smile = board.fit(board.chain(4000, 6000, 25));
  ASSERT_TRUE(smile);
  for (double strike = 4400; strike <= 5600; strike += 50) {
    EXPECT_NEAR(smile->vol(strike), 0.2, 5e-4) << strike;
    EXPECT_NEAR(smile->vol_slope(strike), 0.0, 1e-5) << strike;
  }
}

// A share before its earnings: two modes, which no hyperbola follows.
TEST(FitSmile, FollowsTwoModes) {
  Board board;
  board.forward = 100.0;
  board.years = 7.0 / 365;
  board.half_spread = 0.01;
  const auto mixture = [&](Right right, double strike) {
    return 0.5 * black_scholes_price(right, ForwardInputs{92, strike, board.years, 1.0, 0.25}) +
           0.5 * black_scholes_price(right, ForwardInputs{108, strike, board.years, 1.0, 0.25});
  };
  board.discount = 1.0;
  ExpiryChain chain = board.chain(80, 120, 1);
  for (auto& row : chain.rows) {
    for (auto* side : {&*row.call, &*row.put}) {
      const double fair =
          mixture(side == &*row.call ? Right::call : Right::put, row.strike.value());
      *side = OptionSide{at(std::max(fair - 0.01, 0.0)), at(fair + 0.01), 1, 1, {}};
    }
  }
  const auto smile = board.fit(chain);
  ASSERT_TRUE(smile);
  EXPECT_GT(smile->quality().within_spread, 0.95);
  EXPECT_LT(smile->density(100), 0.6 * smile->density(92));
  EXPECT_LT(smile->density(100), 0.6 * smile->density(108));
}

// ---- what a smile promises, whatever it was fitted to

class FittedSmile : public ::testing::Test {
 protected:
  const Board board;
  const Smile smile = *board.fit(board.chain(4000, 5500, 10));
};

TEST_F(FittedSmile, ObeysParityAndKeepsItsMean) {
  for (double strike = 3000; strike < 7000; strike += 250) {
    EXPECT_NEAR(smile.call(strike) - smile.put(strike), smile.forward() - strike, 1e-9);
  }
  EXPECT_NEAR(smile.call(1e-6), smile.forward(), 1e-5);
}

TEST_F(FittedSmile, ItsDensityIsTheCurvatureOfItsPricesAndItsProbabilitiesTheirSlope) {
  const double h = 0.5;
  for (double strike = 4300; strike < 5400; strike += 50) {
    const double slope = (smile.put(strike + h) - smile.put(strike - h)) / (2 * h);
    const double curvature =
        (smile.put(strike + h) - 2 * smile.put(strike) + smile.put(strike - h)) / (h * h);
    EXPECT_NEAR(smile.probability_below(strike), slope, 2e-6);
    EXPECT_NEAR(smile.density(strike), curvature, 2e-7);
    EXPECT_NEAR(smile.probability_below(strike) + smile.probability_above(strike), 1.0, 1e-12);
  }
}

TEST_F(FittedSmile, ItsVolPricesItsOptionsAndItsSlopeIsThatOfTheVol) {
  const double h = 0.01;
  for (double strike = 3500; strike < 5600; strike += 50) {
    const Right right = strike < smile.forward() ? Right::put : Right::call;
    const double price = black_scholes_price(
        right,
        ForwardInputs{smile.forward(), strike, smile.years_to_expiry(), 1.0, smile.vol(strike)});
    const double own = right == Right::put ? smile.put(strike) : smile.call(strike);
    EXPECT_NEAR(price, own, 1e-9 * own);
    const double slope = (smile.vol(strike + h) - smile.vol(strike - h)) / (2 * h);
    EXPECT_NEAR(smile.vol_slope(strike), slope, 1e-7 + 1e-4 * std::abs(slope)) << strike;
  }
}

TEST_F(FittedSmile, ItsGIsGatheralsOfItsTotalVariance) {
  const double h = 1e-4;
  for (double k = -0.2; k < 0.1; k += 0.01) {
    const double w = smile.total_variance(k);
    const double up = smile.total_variance(k + h);
    const double down = smile.total_variance(k - h);
    const double slope = (up - down) / (2 * h);
    const double first = 1 - k * slope / (2 * w);
    const double g =
        first * first - slope * slope / 4 * (1 / w + 0.25) + (up - 2 * w + down) / (2 * h * h);
    EXPECT_NEAR(smile.g(k), g, 1e-3 + 1e-3 * g) << k;
  }
}

TEST_F(FittedSmile, HasTailsWithoutArbitrageToTheEndOfTheNumbers) {
  const double wide = std::sqrt(smile.total_variance(-30.0));
  EXPECT_GT(wide, 0.0);
  double before = smile.total_variance(-3.0);
  for (double k = -2.99; k < 3.0; k += 0.01) {
    const double here = smile.total_variance(k);
    ASSERT_TRUE(std::isfinite(here) && here > 0.0) << k;
    EXPECT_LE(std::abs(here - before) / 0.01, 2.0) << k;
    EXPECT_GE(smile.g(k), 0.0) << k;
    before = here;
  }
}

// ---- bad quotes

TEST(FitSmile, LeavesOutZeroCrossedAndOneSidedQuotesAndSaysHowMany) {
  const Board board;
  auto chain = board.chain(4000, 5500, 10);
  chain.rows[10].put->bid = Price{};
  chain.rows[20].put->bid = *chain.rows[20].put->ask + at(1);
  chain.rows[30].put->ask.reset();
  chain.rows[140].call->bid.reset();
  const auto whole = board.fit(board.chain(4000, 5500, 10));
  const auto smile = board.fit(chain);
  ASSERT_TRUE(whole && smile);
  EXPECT_EQ(smile->quality().dropped, whole->quality().dropped + 4);
  EXPECT_EQ(smile->quality().quotes, whole->quality().quotes - 4);
  EXPECT_NEAR(smile->vol(4500), whole->vol(4500), 2e-4);
}

TEST(FitSmile, IsNotBentByAStaleQuote) {
  const Board board;
  auto chain = board.chain(4000, 5500, 10);
  auto& stale = *chain.rows[85].put;  // 4850
  stale.bid = *stale.bid + at(8);
  stale.ask = *stale.ask + at(8);
  const auto smile = board.fit(chain);
  ASSERT_TRUE(smile);
  const double fair = std::sqrt(index_smile.total_variance(std::log(4850 / 5000.0)) / board.years);
  EXPECT_NEAR(smile->vol(4850), fair, 0.004);  // the quote says 2.2 points
  EXPECT_GT(smile->quality().worst_vol, 0.01);
  EXPECT_NEAR(smile->vol(4950), std::sqrt(index_smile.total_variance(std::log(0.99)) / board.years),
              0.001);
}

TEST(FitSmile, WeighsQuotesByTheirSpread) {
  const Board board;
  auto chain = board.chain(4000, 5500, 10);
  // Every second quote is ten wide and its middle two too high.
  for (std::size_t i = 0; i < chain.rows.size(); i += 2) {
    for (auto* side : {&*chain.rows[i].call, &*chain.rows[i].put}) {
      side->ask = *side->ask + at(14);
      side->bid = std::max(*side->bid - at(10), at(0.01));
    }
  }
  const auto smile = board.fit(chain);
  ASSERT_TRUE(smile);
  for (double strike = 4700; strike <= 5100; strike += 10) {
    const double vol = std::sqrt(index_smile.total_variance(std::log(strike / 5000)) / board.years);
    EXPECT_NEAR(smile->vol(strike), vol, 0.001) << strike;
  }
}

TEST(FitSmile, ShowsPlantedButterfliesAsErrorsInsteadOfFittingThem) {
  Board board;
  board.forward = 100.0;
  board.years = 1.0;
  board.half_spread = 0.001;
  board.total_variance = [](double k) { return vogt_smile.total_variance(k); };
  const auto bad = board.fit(board.chain(40, 400, 2));
  board.total_variance = [](double k) { return 0.04 + 0.01 * k * k; };
  const auto good = board.fit(board.chain(40, 400, 2));
  ASSERT_TRUE(good);
  EXPECT_GT(good->quality().within_spread, 0.9);
  if (bad) {
    EXPECT_TRUE(bad->quality().butterfly_free);
    EXPECT_GE(bad->quality().least_g, 0.0);
    EXPECT_LT(bad->quality().within_spread, good->quality().within_spread - 0.05);
    EXPECT_GT(bad->quality().rmse_spreads, 4.0 * good->quality().rmse_spreads);
  } else {
    EXPECT_EQ(bad.error(), NoSmile::no_arbitrage_free_fit);
  }
}

TEST(FitSmile, RefusesQuotesThatNoDensityComesNear) {
  Board board;
  auto chain = board.chain(4800, 5200, 10);
  // Alternately far too high and far too low: butterflies that pay to be held.
  for (std::size_t i = 0; i < chain.rows.size(); ++i) {
    const Price shift = i % 2 == 0 ? at(3.0) : Price{};
    for (auto* side : {&*chain.rows[i].call, &*chain.rows[i].put}) {
      side->bid = *side->bid + shift;
      side->ask = *side->ask + shift;
    }
  }
  const auto smile = board.fit(chain);
  ASSERT_FALSE(smile);
  EXPECT_EQ(smile.error(), NoSmile::no_arbitrage_free_fit);
}

TEST(FitSmile, SaysWhyThereIsNone) {
  Board board;
  const auto chain = board.chain(4000, 5500, 10);
  EXPECT_EQ(fit_smile(chain, board.parity(), {0.0}).error(), NoSmile::no_time);
  EXPECT_EQ(board.fit(board.chain(4980, 5010, 10)).error(), NoSmile::too_few_quotes);
  EXPECT_EQ(board.fit(board.chain(4000, 4990, 10)).error(), NoSmile::too_few_quotes);
  auto unpriced = chain;
  unpriced.underlying_price.reset();
  EXPECT_EQ(fit_smile(unpriced, board.parity(), {board.years, ExerciseStyle::american}).error(),
            NoSmile::no_spot);
}

// ---- American options

TEST(FitSmile, TakesTheEarlyExercisePremiumOffAmericanQuotes) {
  const double spot = 100.0;
  const double years = 0.75;
  const double rate = 0.06;
  const double yield = 0.03;
  const double forward = spot * std::exp((rate - yield) * years);
  const auto vol = [&](double strike) {
    const double k = std::log(strike / forward);
    return 0.25 - 0.1 * k + 0.15 * k * k;
  };
  ExpiryChain chain{.underlying = "X",
                    .trading_class = "X",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = at(spot),
                    .rows = {}};
  for (double strike = 60; strike <= 150; strike += 2.5) {
    const auto side = [&](Right right) {
      const double fair = *american_price(right, {spot, strike, years, rate, yield, vol(strike)});
      return OptionSide{at(std::max(fair - 0.01, 0.01)), at(fair + 0.01), 1, 1, {}};
    };
    chain.rows.push_back({at(strike), side(Right::call), side(Right::put)});
  }
  const auto parity = forward_and_discount(chain, years, rate, ExerciseStyle::american);
  ASSERT_TRUE(parity);
  EXPECT_NEAR(parity->forward, forward, 0.01);
  const auto smile = fit_smile(chain, *parity, {years, ExerciseStyle::american});
  ASSERT_TRUE(smile);
  const auto naive = fit_smile(chain, *parity, {years, ExerciseStyle::european});
  ASSERT_TRUE(naive);
  for (double strike = 70; strike <= 140; strike += 5) {
    EXPECT_NEAR(smile->vol(strike), vol(strike), 0.0006) << strike;
  }
  EXPECT_GT(naive->vol(95) - vol(95), 0.003);
}

// All carry read as interest leaves a yield of some 1e-17, on either side of zero.
TEST(FitSmile, FitsAmericanQuotesWithNextToNoYield) {
  Board board;
  board.forward = 100.01;
  board.years = 0.25 / 365;
  board.half_spread = 0.02;
  board.total_variance = [&](double) { return 0.09 * board.years; };
  auto chain = board.chain(96, 104, 0.5);
  for (int i = 0; i < 40; ++i) {
    chain.underlying_price = at(100.0 + 0.0001 * i);
    const auto parity =
        forward_and_discount(chain, board.years, std::nullopt, ExerciseStyle::american);
    ASSERT_TRUE(parity) << i << ' ' << to_string(parity.error());
    const auto smile = fit_smile(chain, *parity, {board.years, ExerciseStyle::american});
    ASSERT_TRUE(smile) << i << ' ' << to_string(smile.error());
    EXPECT_NEAR(smile->vol(100), 0.3, 0.02);
  }
}

// ---- several expiries

struct Planted {
  double days;
  std::function<double(double k)> total_variance;
};

core::ChainSnapshot snapshot_of(const std::vector<Planted>& expiries) {
  core::ChainSnapshot snapshot{.underlying = "SPX",
                               .as_of = *core::parse_instant("2024-03-04T21:00:00Z"),
                               .underlying_price = at(5000),
                               .source = core::Source::simulated,
                               .quotes = {}};
  for (const auto& [days, total_variance] : expiries) {
    const core::Date expiry = std::chrono::floor<std::chrono::days>(snapshot.as_of) +
                              std::chrono::days{static_cast<int>(days)};
    Board board;
    board.years = days / 365;
    board.discount = 1.0;
    board.total_variance = total_variance;
    for (double strike = 4000; strike <= 6000; strike += 20) {
      for (const Right right : {Right::call, Right::put}) {
        const auto side = board.side(right, strike);
        core::OptionQuote quote{{"SPX", "SPXW", expiry, at(strike), right, 100}, {}};
        quote.quote.bid = side.bid;
        quote.quote.ask = side.ask;
        snapshot.quotes.push_back(quote);
      }
    }
  }
  return snapshot;
}

double flat(double vol, double days) {
  return vol * vol * days / 365;
}

TEST(FitSurface, FitsEveryListedExpiryInOrderOfTime) {
  const auto surface =
      fit_surface(snapshot_of({{30, [](double k) { return index_smile.total_variance(k); }},
                               {60, [](double k) { return 2 * index_smile.total_variance(k); }},
                               {91, [](double k) { return 3.1 * index_smile.total_variance(k); }}}),
                  {});
  ASSERT_EQ(surface.expiries.size(), 3u);
  for (const auto& expiry : surface.expiries) {
    ASSERT_TRUE(expiry.smile) << core::to_iso_date(expiry.which.expiry);
    EXPECT_TRUE(expiry.smile->quality().butterfly_free);
    EXPECT_TRUE(expiry.smile->quality().calendar_free);
    EXPECT_GT(expiry.smile->quality().within_spread, 0.98);
  }
  const auto at_k = [&](double years) { return *surface.total_variance(-0.05, years); };
  const double first = surface.expiries[0].years_to_expiry;
  const double second = surface.expiries[1].years_to_expiry;
  EXPECT_NEAR(at_k(first), surface.expiries[0].smile->total_variance(-0.05), 1e-12);
  EXPECT_NEAR(at_k(0.5 * first), 0.5 * at_k(first), 1e-12);
  EXPECT_NEAR(at_k(0.5 * (first + second)), 0.5 * (at_k(first) + at_k(second)), 1e-12);
  EXPECT_FALSE(surface.total_variance(0.0, 1.0));
  EXPECT_FALSE(surface.total_variance(0.0, 0.0));
}

// The later expiry is quoted below the earlier one's total variance around the money.
TEST(FitSurface, PutsPlantedCalendarArbitrageRight) {
  const auto planted = snapshot_of(
      {{30, [](double) { return flat(0.200, 30); }},
       {32, [](double k) { return flat(k > -0.05 && k < 0.05 ? 0.1930 : 0.1945, 32); }}});
  const auto surface = fit_surface(planted, {});
  ASSERT_EQ(surface.expiries.size(), 2u);
  ASSERT_TRUE(surface.expiries[0].smile && surface.expiries[1].smile);
  const Smile& early = *surface.expiries[0].smile;
  const Smile& late = *surface.expiries[1].smile;
  EXPECT_TRUE(late.quality().calendar_free);
  // Alone it would break the order.
  auto chain = select_expiry(planted, surface.expiries[1].which);
  ASSERT_TRUE(chain);
  const auto parity = forward_and_discount(*chain, late.years_to_expiry(), std::nullopt);
  ASSERT_TRUE(parity);
  const auto alone = fit_smile(*chain, *parity, {late.years_to_expiry()});
  ASSERT_TRUE(alone);
  EXPECT_LT(alone->total_variance(0.0), early.total_variance(0.0) * 0.999);
  for (int i = 0; i <= 180; ++i) {
    const double k = 0.25 * moneyness_grid(i);
    EXPECT_GE(late.total_variance(k), early.total_variance(k) * (1 - 1e-6)) << k;
    EXPECT_GE(late.g(k), 0.0) << k;
  }
}

TEST(FitSurface, SaysWhereQuotesAreTooFarOutOfOrderToBePutRight) {
  const auto surface = fit_surface(snapshot_of({{30, [](double) { return flat(0.30, 30); }},
                                                {32, [](double) { return flat(0.20, 32); }},
                                                {60, [](double) { return flat(0.25, 60); }}}),
                                   {});
  ASSERT_EQ(surface.expiries.size(), 3u);
  for (const auto& expiry : surface.expiries) ASSERT_TRUE(expiry.smile);
  EXPECT_FALSE(surface.expiries[1].smile->quality().calendar_free);
  EXPECT_TRUE(surface.expiries[1].smile->quality().butterfly_free);
  EXPECT_NEAR(surface.expiries[1].smile->vol(5000), 0.20, 0.001);
  EXPECT_TRUE(surface.expiries[2].smile->quality().calendar_free);
}

TEST(FitSurface, GivesAReasonForEachExpiryWithoutASmile) {
  auto snapshot = snapshot_of({{30, [](double k) { return index_smile.total_variance(k); }},
                               {60, [](double k) { return 2 * index_smile.total_variance(k); }},
                               {91, [](double k) { return 3 * index_smile.total_variance(k); }}});
  const auto listed = listed_expiries(snapshot);
  // The second twice, the third without calls, and one that is over.
  snapshot.quotes.push_back(snapshot.quotes[200 + 10]);
  for (std::size_t i = 0; i < snapshot.quotes.size(); ++i) {
    auto& [contract, quote] = snapshot.quotes[i];
    if (contract.expiry == listed[1].expiry && i + 1 < snapshot.quotes.size() &&
        contract.strike == at(5000) && contract.right == Right::call) {
      snapshot.quotes.push_back(snapshot.quotes[i]);
      break;
    }
  }
  std::erase_if(snapshot.quotes, [&](const core::OptionQuote& quote) {
    return quote.contract.expiry == listed[2].expiry && quote.contract.right == Right::call;
  });
  auto over = snapshot.quotes.front();
  over.contract.expiry -= std::chrono::days{60};
  snapshot.quotes.push_back(over);
  const auto surface = fit_surface(snapshot, {});
  ASSERT_EQ(surface.expiries.size(), 4u);
  EXPECT_EQ(surface.expiries[0].smile.error(), NoSmile::no_time);
  EXPECT_EQ(surface.expiries[2].smile.error(), NoSmile::inconsistent_chain);
  EXPECT_EQ(surface.expiries[3].smile.error(), NoSmile::no_forward);
}

TEST(FitSurface, GivesTheSameAnswerEveryTime) {
  const auto snapshot = snapshot_of({{30, [](double k) { return index_smile.total_variance(k); }}});
  const auto once = fit_surface(snapshot, {});
  const auto again = fit_surface(snapshot, {});
  for (double strike = 3000; strike < 7000; strike += 100) {
    EXPECT_EQ(once.expiries[0].smile->call(strike), again.expiries[0].smile->call(strike));
  }
}

// ---- the program that finds the weights

// Against every choice of active constraints: the optimum is the best feasible point at which the
// chosen ones hold as equalities.
TEST(QuadraticProgram, FindsTheOptimumThatEnumerationFinds) {
  std::mt19937 random{17};
  std::normal_distribution<double> normal;
  constexpr std::size_t n = 3;
  int solved = 0;
  for (int trial = 0; trial < 300; ++trial) {
    double root[n][n];
    for (auto& row : root) {
      for (double& value : row) value = normal(random);
    }
    DenseRows g{n, std::vector<double>(n * n, 0.0)};
    std::vector<double> a(n);
    for (std::size_t i = 0; i < n; ++i) {
      a[i] = normal(random);
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t k = 0; k < n; ++k) g[i][j] += root[i][k] * root[j][k];
      }
      g[i][i] += 0.1;
    }
    double limit[n];
    for (double& value : limit) value = normal(random);
    auto program = QuadraticProgram::create(g, a);
    ASSERT_TRUE(program);
    const double ones[n] = {1, 1, 1};
    ASSERT_TRUE(program->require(ones, 1.0));
    const auto objective = [&](const double* x) {
      double sum = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        sum -= a[i] * x[i];
        for (std::size_t j = 0; j < n; ++j) sum += 0.5 * x[i] * g[i][j] * x[j];
      }
      return sum;
    };
    // A fine mesh of the simplex, where the row holds: no point of it is better.
    const double floor = 0.1;
    double best = std::numeric_limits<double>::infinity();
    constexpr int cells = 200;
    for (int i = 0; i <= cells; ++i) {
      for (int j = 0; i + j <= cells; ++j) {
        const double x[n] = {i / double{cells}, j / double{cells}, (cells - i - j) / double{cells}};
        if (limit[0] * x[0] + limit[1] * x[1] + limit[2] * x[2] < floor) continue;
        best = std::min(best, objective(x));
      }
    }
    ASSERT_EQ(program->solve(), QuadraticOutcome::solved);  // bounds first, then one more
    program->limit(limit, floor);
    const auto outcome = program->solve();
    if (outcome != QuadraticOutcome::solved) {
      EXPECT_EQ(outcome, QuadraticOutcome::infeasible);
      EXPECT_TRUE(std::isinf(best));
      continue;
    }
    ++solved;
    const auto x = program->x();
    EXPECT_NEAR(x[0] + x[1] + x[2], 1.0, 1e-9);
    EXPECT_GE(limit[0] * x[0] + limit[1] * x[1] + limit[2] * x[2], floor - 1e-8);
    for (const double value : x) EXPECT_GE(value, 0.0);
    const double found = objective(x.data());
    EXPECT_LE(found, best + 1e-9);
    if (std::isfinite(best)) {
      EXPECT_GT(found, best - 0.05 * (1.0 + std::abs(best)));
    }
  }
  EXPECT_GT(solved, 200);
}

TEST(QuadraticProgram, RefusesAMatrixThatIsNotPositiveDefinite) {
  EXPECT_FALSE(QuadraticProgram::create({2, {1.0, 2.0, 2.0, 1.0}}, std::vector<double>{0.0, 0.0}));
}

}  // namespace
}  // namespace bifrost::analysis
