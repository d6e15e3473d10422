// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/american_chain.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace bifrost::analysis {
namespace {

constexpr AmericanTerms terms{100, 120.0 / 365, 0.05, 0.03};

double true_vol(double strike) {
  return 0.25 - 0.2 * std::log(strike / terms.spot);
}
ForwardDiscount parity() {
  return {
      .forward = terms.spot * std::exp((terms.rate - terms.dividend_yield) * terms.years_to_expiry),
      .discount_factor = std::exp(-terms.rate * terms.years_to_expiry),
      .discount_source = DiscountSource::given,
      .pairs = 5,
      .deviation = 0.01};
}
SpotInputs inputs(double strike) {
  return {terms.spot,           strike,          terms.years_to_expiry, terms.rate,
          terms.dividend_yield, true_vol(strike)};
}

/// American prices of a known smile, quoted to the unit of a price around them.
ExpiryChain american_market() {
  ExpiryChain chain{.underlying = "TEST",
                    .trading_class = "TEST",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = Price::from_double(terms.spot),
                    .rows = {}};
  for (double strike = 60; strike <= 150; strike += 2.5) {
    const auto side = [&](Right right) {
      const double fair = *american_price(right, inputs(strike));
      return OptionSide{.bid = Price::from_double(std::round((fair - 0.01) * 1e4) / 1e4),
                        .ask = Price::from_double(std::round((fair + 0.01) * 1e4) / 1e4),
                        .bid_size = {},
                        .ask_size = {},
                        .open_interest = {}};
    };
    chain.rows.push_back({*Price::from_double(strike), side(Right::call), side(Right::put)});
  }
  return chain;
}

TEST(AmericanTermsOfParity, GiveTheForwardAndTheDiscountBack) {
  const auto found = american_terms(parity(), terms.spot, terms.years_to_expiry);
  EXPECT_NEAR(found.rate, terms.rate, 1e-14);
  EXPECT_NEAR(found.dividend_yield, terms.dividend_yield, 1e-14);
  EXPECT_EQ(found.spot, terms.spot);
}

TEST(RefreshAmerican, FindsTheVolsBehindAmericanQuotes) {
  const auto surfaces = AmericanSurfaces::build(terms);
  ASSERT_TRUE(surfaces);
  const auto priced = refresh_american(american_market(), parity(), *surfaces);
  EXPECT_EQ(priced.style, ExerciseStyle::american);
  EXPECT_EQ(priced.years_to_expiry, terms.years_to_expiry);
  EXPECT_EQ(priced.parity.pairs, 5);
  int solved = 0;
  for (const auto& row : priced.rows) {
    const double strike = row.strike.value();
    for (const auto* option : {&row.call, &row.put}) {
      if (!*option) continue;
      if (!(*option)->implied_vol) continue;
      ASSERT_TRUE((*option)->greeks);
      const double vega = (*option)->greeks->vega;
      if (vega < 0.5) continue;  // a unit of the price says little about the vol
      ++solved;
      // Half a unit of the quotes, and the surface's own error.
      EXPECT_NEAR(*(*option)->implied_vol, true_vol(strike), 1e-4 / vega + 1e-5) << strike;
    }
  }
  EXPECT_GT(solved, 50);
  ASSERT_TRUE(priced.atm_implied_vol);
  EXPECT_NEAR(*priced.atm_implied_vol, true_vol(parity().forward), 1e-3);
  // The European reading takes the premium for vol.
  const auto european = *refresh(american_market(), terms.years_to_expiry, terms.rate);
  double worst = 0.0;
  for (const auto& row : european.rows) {
    if (row.put && row.put->implied_vol && row.strike.value() > 110) {
      worst = std::max(worst, *row.put->implied_vol - true_vol(row.strike.value()));
    }
  }
  EXPECT_GT(worst, 0.01);
}

TEST(RefreshAmerican, GreeksAreThoseOfTheAmericanOption) {
  const auto priced =
      refresh_american(american_market(), parity(), *AmericanSurfaces::build(terms));
  for (const auto& row : priced.rows) {
    const double strike = row.strike.value();
    if (strike < 85 || strike > 115) continue;
    for (const Right right : {Right::call, Right::put}) {
      const auto& option = right == Right::call ? row.call : row.put;
      ASSERT_TRUE(option && option->greeks) << strike;
      const auto price = [&](double SpotInputs::* member, double by) {
        SpotInputs moved = inputs(strike);
        moved.*member += by;
        return *american_price(right, moved);
      };
      const auto slope = [&](double SpotInputs::* member, double by) {
        return (price(member, by) - price(member, -by)) / (2 * by);
      };
      EXPECT_NEAR(option->greeks->price, price(&SpotInputs::spot, 0.0), 2e-4);
      EXPECT_NEAR(option->greeks->delta, slope(&SpotInputs::spot, 0.1), 1e-3);
      EXPECT_NEAR(option->greeks->vega, slope(&SpotInputs::vol, 1e-3), 0.05);
      EXPECT_NEAR(option->greeks->rho, slope(&SpotInputs::rate, 1e-3), 0.05);
    }
  }
}

// T14 of numbers.md for chains: a put quoted at what exercise pays has no vol of its own, says why,
// and is valued at the call's.
TEST(RefreshAmerican, PutsWorthTheirExerciseBorrowTheVolOfTheCall) {
  auto chain = american_market();
  auto& row = chain.rows.back();
  ASSERT_EQ(row.strike.value(), 150.0);
  row.put->bid = *Price::from_double(49.98);
  row.put->ask = *Price::from_double(50.02);
  row.call->bid = *Price::from_double(0.10);
  row.call->ask = *Price::from_double(0.14);
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  const auto& out = priced.rows.back();
  ASSERT_FALSE(out.put->implied_vol);
  EXPECT_EQ(out.put->implied_vol.error(), NoImpliedVol::no_time_value);
  ASSERT_TRUE(out.call->implied_vol);
  ASSERT_TRUE(out.put->greeks);
  EXPECT_NEAR(out.put->greeks->price,
              *american_price(Right::put, {terms.spot, 150, terms.years_to_expiry, terms.rate,
                                           terms.dividend_yield, *out.call->implied_vol}),
              2e-4);
}

TEST(RefreshAmerican, WithoutAVolOnEitherSideThereAreNoGreeks) {
  auto chain = american_market();
  auto& row = chain.rows.back();
  row.put->bid = *Price::from_double(49.98);
  row.put->ask = *Price::from_double(50.02);
  row.call->bid = *Price::from_double(100.5);
  row.call->ask = *Price::from_double(101.0);
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  const auto& out = priced.rows.back();
  EXPECT_EQ(out.put->implied_vol.error(), NoImpliedVol::no_time_value);
  EXPECT_EQ(out.call->implied_vol.error(), NoImpliedVol::above_bound);
  EXPECT_FALSE(out.put->greeks);
  EXPECT_FALSE(out.call->greeks);
}

// Cox, Ross and Rubinstein's tree, which knows nothing of boundaries, with the European tree as
// control.
double premium_by_tree(Right right, const SpotInputs& in) {
  constexpr int steps = 2000;
  const double step = in.years_to_expiry / steps;
  const double up = std::exp(in.vol * std::sqrt(step));
  const double keep = std::exp(-in.rate * step);
  const double rise = (std::exp((in.rate - in.dividend_yield) * step) - 1 / up) / (up - 1 / up);
  std::vector<double> american(steps + 1);
  const auto exercised = [&](int at, int ups) {
    const double spot = in.spot * std::pow(up, 2 * ups - at);
    return std::max(right == Right::call ? spot - in.strike : in.strike - spot, 0.0);
  };
  for (int i = 0; i <= steps; ++i) american[static_cast<std::size_t>(i)] = exercised(steps, i);
  auto european = american;
  for (int at = steps - 1; at >= 0; --at) {
    for (int ups = 0; ups <= at; ++ups) {
      const auto i = static_cast<std::size_t>(ups);
      european[i] = keep * (rise * european[i + 1] + (1 - rise) * european[i]);
      american[i] =
          std::max(keep * (rise * american[i + 1] + (1 - rise) * american[i]), exercised(at, ups));
    }
  }
  return american[0] - european[0];
}

TEST(RefreshAmerican, ValuesTheRightToExerciseOfEveryStrike) {
  auto chain = american_market();
  chain.rows[3].put.reset();
  chain.rows[30].call->bid.reset();
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  double most = 0.0;
  for (std::size_t i = 0; i < priced.rows.size(); ++i) {
    const double strike = priced.rows[i].strike.value();
    SCOPED_TRACE(strike);
    const auto& right = priced.rows[i].exercise;
    ASSERT_TRUE(right);
    // Quoted a tenth of a tick off: in the wings that is some vol, and nearly no premium.
    EXPECT_NEAR(right->vol, true_vol(strike), strike < 70 || strike > 130 ? 0.03 : 2e-3);
    auto in = inputs(strike);
    in.vol = right->vol;
    // In the wings the vol of a tick is off, and the quote holds the right to what it leaves.
    EXPECT_NEAR(right->call, premium_by_tree(Right::call, in), 5e-3);
    EXPECT_NEAR(right->put, premium_by_tree(Right::put, in), 5e-3);
    most = std::max(most, right->put);
  }
  // Nearly all the interest on the strike, less the dividends that who exercises gives up.
  EXPECT_GT(most, 1.2);
}

TEST(RefreshAmerican, ExerciseTakesTheVolThatHardlyKnowsOfIt) {
  auto chain = american_market();
  const auto quote = [](double middle) {
    return OptionSide{.bid = Price::from_double(middle - 0.01),
                      .ask = Price::from_double(middle + 0.01),
                      .bid_size = {},
                      .ask_size = {},
                      .open_interest = {}};
  };
  // 120: a put a few ticks dear, which is tens of points of vol, beside a fair call.
  auto& dear = chain.rows[24];
  ASSERT_EQ(dear.strike.value(), 120.0);
  dear.put = quote(20.60);
  // 150 and 147.5: nothing that has a vol.
  for (const std::size_t i : {chain.rows.size() - 1, chain.rows.size() - 2}) {
    chain.rows[i].call.reset();
    chain.rows[i].put = quote(chain.rows[i].strike.value() - terms.spot);
  }
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  ASSERT_GT(*priced.rows[24].put->implied_vol, true_vol(120) + 0.05);
  EXPECT_NEAR(priced.rows[24].exercise->vol, true_vol(120), 2e-3);
  const double nearest = priced.rows[chain.rows.size() - 3].exercise->vol;
  EXPECT_EQ(priced.rows[chain.rows.size() - 1].exercise->vol, nearest);
  auto in = inputs(150);
  in.vol = nearest;
  EXPECT_NEAR(priced.rows.back().exercise->put, premium_by_tree(Right::put, in), 2e-3);
}

// Without bids for the puts below 75 what is in the money there is quoted alone, and a little dear.
TEST(RefreshAmerican, ExerciseTakesNoVolFromInTheMoneyWhileOthersAreQuoted) {
  auto chain = american_market();
  for (auto& row : chain.rows) {
    if (row.strike.value() > 74.0) continue;
    row.put->bid = Price{};
    row.call->bid = Price::from_double(row.call->bid->value() + 0.08);
    row.call->ask = Price::from_double(row.call->ask->value() + 0.08);
  }
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  ASSERT_EQ(priced.rows[6].strike.value(), 75.0);
  const double nearest = priced.rows[6].exercise->vol;
  EXPECT_NEAR(nearest, true_vol(75), 5e-3);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(priced.rows[i].exercise->vol, nearest);
}

// What a quote leaves above the European price, and no yield explains, is the right: here all
// prices are those of a dividend in cash, or of a spot that has moved since.
TEST(RefreshAmerican, ARightLiesWithinWhatTheQuoteLeavesIt) {
  auto chain = american_market();
  for (auto& row : chain.rows) {
    const double more = row.strike.value() < 90 ? 0.35 : 0.0;
    row.call->bid = Price::from_double(row.call->bid->value() + more);
    row.call->ask = Price::from_double(row.call->ask->value() + more);
  }
  chain.rows[0].call->bid.reset();
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  const auto european = [&](std::size_t i) {
    return black_scholes_price(Right::call,
                               ForwardInputs{.forward = parity().forward,
                                             .strike = priced.rows[i].strike.value(),
                                             .years_to_expiry = terms.years_to_expiry,
                                             .discount_factor = parity().discount_factor,
                                             .vol = priced.rows[i].exercise->vol});
  };
  for (std::size_t i = 1; i < 12; ++i) {
    EXPECT_NEAR(priced.rows[i].exercise->call, chain.rows[i].call->bid->value() - european(i),
                1e-9);
  }
  // An ask alone asks for no more than the model does.
  EXPECT_LT(priced.rows[0].exercise->call, chain.rows[0].call->ask->value() - european(0) - 0.2);
  // The other way round nothing is left of it.
  for (auto& row : chain.rows) {
    row.put->bid = Price::from_double(std::max(row.put->bid->value() - 2.0, 0.0));
    row.put->ask = Price::from_double(std::max(row.put->ask->value() - 2.0, 0.01));
  }
  const auto cheap = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  EXPECT_GT(priced.rows.back().exercise->put, 1.0);
  EXPECT_EQ(cheap.rows.back().exercise->put, 0.0);
}

TEST(RefreshAmerican, ExerciseIsValuedAtVolsThatATableKnows) {
  auto chain = american_market();
  for (auto& row : chain.rows) {
    const double strike = row.strike.value();
    for (const Right right : {Right::call, Right::put}) {
      const SpotInputs calm{terms.spot,           strike, terms.years_to_expiry, terms.rate,
                            terms.dividend_yield, 0.03};
      const double fair = *american_price(right, calm);
      auto& side = right == Right::call ? row.call : row.put;
      side->bid = Price::from_double(std::round(fair * 1e4) / 1e4);
      side->ask = side->bid;
    }
  }
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  for (const auto& row : priced.rows) {
    EXPECT_EQ(row.exercise->vol, AmericanSurface::lowest_vol);
  }
}

TEST(RefreshAmerican, ServesATickWithTheSameTables) {
  const auto surfaces = *AmericanSurfaces::build(terms);
  AmericanTerms moved = terms;
  moved.spot = 101.5;
  const auto once = refresh_american(american_market(), parity(), surfaces.at_spot(101.5));
  const auto anew = refresh_american(american_market(), parity(), *AmericanSurfaces::build(moved));
  ASSERT_EQ(once.rows.size(), anew.rows.size());
  for (std::size_t i = 0; i < once.rows.size(); ++i) {
    ASSERT_EQ(once.rows[i].call->implied_vol, anew.rows[i].call->implied_vol);
    ASSERT_EQ(once.rows[i].put->implied_vol, anew.rows[i].put->implied_vol);
  }
}

TEST(RefreshAmerican, LeavesOutWhatIsNotQuotedOnBothSides) {
  auto chain = american_market();
  chain.rows[3].call->bid.reset();
  chain.rows[4].put.reset();
  chain.rows[5].call.reset();
  chain.rows[5].put.reset();
  const auto whole = refresh_american(american_market(), parity(), *AmericanSurfaces::build(terms));
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  EXPECT_FALSE(priced.rows[3].call);
  EXPECT_TRUE(priced.rows[3].put);
  EXPECT_FALSE(priced.rows[4].put);
  EXPECT_FALSE(priced.rows[5].call || priced.rows[5].put);
  for (std::size_t i = 6; i < whole.rows.size(); ++i) {
    EXPECT_EQ(priced.rows[i].call->implied_vol, whole.rows[i].call->implied_vol);
    EXPECT_EQ(priced.rows[i].put->greeks->delta, whole.rows[i].put->greeks->delta);
  }
}

TEST(RefreshAmerican, AnEmptyChainIsNoTrouble) {
  auto chain = american_market();
  chain.rows.clear();
  const auto priced = refresh_american(chain, parity(), *AmericanSurfaces::build(terms));
  EXPECT_TRUE(priced.rows.empty());
  EXPECT_FALSE(priced.atm_implied_vol);
}

}  // namespace
}  // namespace bifrost::analysis
