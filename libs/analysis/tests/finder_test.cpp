// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/finder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <tuple>

#include "synthetic_chain.hpp"

namespace bifrost::analysis {
namespace {

Price at(double value) {
  return *Price::from_double(value);
}

PricedChain priced_market(double lowest, double highest, double step, double tick = 0.05) {
  SyntheticMarket market;
  market.tick = tick;
  auto priced = refresh(market.chain(lowest, highest, step), market.years, market.rate);
  EXPECT_TRUE(priced);
  return *std::move(priced);
}

// Takes quotes away, crosses some and zeroes some bids, as real chains have them.
PricedChain damaged_market(std::mt19937& random) {
  SyntheticMarket market;
  market.tick = 0.05;
  auto chain = market.chain(86, 115, 1.5);
  for (auto& row : chain.rows) {
    for (auto* side : {&row.call, &row.put}) {
      switch (std::uniform_int_distribution<int>(0, 14)(random)) {
        case 0:
          side->reset();
          break;
        case 1:
          (*side)->bid.reset();
          break;
        case 2:
          (*side)->ask.reset();
          break;
        case 3:
          (*side)->bid = Price{};
          break;
        case 4:
          std::swap((*side)->bid, (*side)->ask);
          break;
        case 5:
          (*side)->ask = *(*side)->ask + at(0.40);
          break;
        default:
          break;
      }
    }
  }
  auto priced = refresh(chain, market.years, market.rate);
  EXPECT_TRUE(priced);
  return *std::move(priced);
}

struct NaiveChoice {
  double return_on_risk;
  double pop;
  std::vector<Price> strikes;
};
struct NaiveResult {
  std::int64_t examined = 0;
  std::int64_t without_profit = 0;
  std::int64_t without_risk = 0;
  std::vector<NaiveChoice> qualified;
};

// The second method: every combination by itself, through the payoff engine, and a full sort.
NaiveResult search_naively(const StrategyShape& shape, const PricedChain& priced,
                           const FinderLimits& limits) {
  NaiveResult result;
  const auto& rows = priced.chain.rows;
  const auto density = *atm_density(priced);
  const std::size_t rungs = static_cast<std::size_t>(rung_count(shape));
  std::vector<bool> mask(rows.size(), false);
  std::fill(mask.begin(), mask.begin() + static_cast<std::ptrdiff_t>(rungs), true);
  do {
    std::vector<Price> strikes;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (mask[i]) strikes.push_back(rows[i].strike);
    }
    const auto legs = make_legs(
        shape, strikes, priced.chain.multiplier,
        [&](const LegShape& leg, Price strike) -> std::optional<Price> {
          if (leg.kind == LegKind::stock) return priced.chain.underlying_price;
          const auto row = std::find_if(rows.begin(), rows.end(), [&](const StrikeRow& candidate) {
            return candidate.strike == strike;
          });
          const auto& side = leg.kind == LegKind::call ? row->call : row->put;
          return side ? entry_price(*side, leg.quantity > 0, limits.fill) : std::nullopt;
        });
    if (!legs) continue;
    // Sold in the money: what its holder would get if the underlying settled at the forward.
    const bool sold_in_the_money = std::ranges::any_of(*legs, [&](Leg leg) {
      leg.entry_price = {};
      return leg.kind != LegKind::stock && leg.quantity < 0 &&
             profit_at_expiry(std::span{&leg, 1}, priced.parity.forward) < 0;
    });
    if (limits.sell_out_of_the_money && sold_in_the_money) continue;
    ++result.examined;
    const auto payoff = *payoff_at_expiry(*legs);
    if (*payoff.max_profit <= Money{}) {
      ++result.without_profit;
    } else if (*payoff.max_loss <= Money{}) {
      ++result.without_risk;
    } else {
      const double pop = probability_of_profit(payoff.profitable, density);
      if (pop < limits.min_pop) continue;
      if (limits.max_loss && payoff.max_loss->value() > *limits.max_loss) continue;
      result.qualified.push_back(
          {payoff.max_profit->value() / payoff.max_loss->value(), pop, strikes});
    }
  } while (std::prev_permutation(mask.begin(), mask.end()));
  std::sort(result.qualified.begin(), result.qualified.end(),
            [](const NaiveChoice& a, const NaiveChoice& b) {
              // Ratios of equal amounts may differ in their last bit here: the naive way divides
              // currency.
              if (std::abs(a.return_on_risk - b.return_on_risk) > 1e-12 * a.return_on_risk) {
                return a.return_on_risk > b.return_on_risk;
              }
              return std::tuple(-a.pop, a.strikes) < std::tuple(-b.pop, b.strikes);
            });
  return result;
}

std::vector<Price> strikes_of(const Candidate& candidate) {
  std::vector<Price> strikes;
  for (const auto& leg : candidate.legs) {
    if (leg.leg.kind != LegKind::stock) strikes.push_back(leg.leg.strike);
  }
  return strikes;
}

void expect_same(const StrategyShape& shape, const PricedChain& priced,
                 const FinderLimits& limits) {
  const auto found = find_best(shape, priced, 60, limits);
  ASSERT_TRUE(found) << found.error().message;
  const auto naive = search_naively(shape, priced, limits);
  EXPECT_EQ(found->examined, naive.examined);
  EXPECT_EQ(found->without_profit, naive.without_profit);
  EXPECT_EQ(found->without_risk, naive.without_risk);
  EXPECT_EQ(found->qualified, static_cast<std::int64_t>(naive.qualified.size()));
  ASSERT_EQ(found->candidates.size(), std::min(limits.keep, naive.qualified.size()));
  for (std::size_t i = 0; i < found->candidates.size(); ++i) {
    const auto& ours = found->candidates[i];
    EXPECT_EQ(strikes_of(ours), naive.qualified[i].strikes) << "rank " << i;
    EXPECT_EQ(ours.pop, naive.qualified[i].pop);
    EXPECT_DOUBLE_EQ(ours.return_on_risk, naive.qualified[i].return_on_risk);
  }
}

TEST(Finder, ReturnsWhatTheNaiveSearchReturns) {
  std::mt19937 random(42);
  for (int round = 0; round < 6; ++round) {
    const auto priced = damaged_market(random);
    ASSERT_TRUE(priced.atm_implied_vol);
    for (const Fill fill : {Fill::mid, Fill::natural}) {
      for (const auto& shape : {covered_call, iron_condor}) {
        expect_same(shape, priced, {.fill = fill, .min_pop = 0.0, .keep = 25});
        expect_same(shape, priced, {.fill = fill, .min_pop = 0.6, .keep = 25});
        expect_same(shape, priced, {.fill = fill, .min_pop = 0.73, .max_loss = 310.0, .keep = 7});
        expect_same(shape, priced, {.fill = fill, .min_pop = 0.5, .max_loss = 9'700.0, .keep = 3});
        expect_same(shape, priced,
                    {.fill = fill, .min_pop = 0.4, .sell_out_of_the_money = true, .keep = 25});
      }
    }
  }
}

// Coarse ticks make many combinations score the same.
TEST(Finder, BreaksTiesAlikeHoweverManyAreKept) {
  SyntheticMarket market;
  market.tick = 0.5;
  const auto priced = refresh(market.chain(90, 112, 1), market.years, market.rate);
  ASSERT_TRUE(priced && priced->atm_implied_vol);
  for (std::size_t keep = 1; keep < 60; keep += 3) {
    expect_same(iron_condor, *priced, {.fill = Fill::mid, .min_pop = 0.7, .keep = keep});
  }
}

TEST(Finder, TakesALossOfExactlyTheLimit) {
  SyntheticMarket market;
  market.multiplier = 10;  // so that losses have cents, which doubles do not hold exactly
  const auto priced = *refresh(market.chain(92, 110, 1.5), market.years, market.rate);
  const auto all = find_best(iron_condor, priced, 60, {.fill = Fill::mid, .keep = 200});
  ASSERT_TRUE(all);
  ASSERT_FALSE(all->candidates.empty());
  for (const auto& candidate : all->candidates) {
    const auto within = [&](double limit) {
      const auto found =
          find_best(iron_condor, priced, 60,
                    {.fill = Fill::mid, .min_pop = 0, .max_loss = limit, .keep = 200});
      return found && std::any_of(found->candidates.begin(), found->candidates.end(),
                                  [&](const Candidate& other) {
                                    return strikes_of(other) == strikes_of(candidate);
                                  });
    };
    EXPECT_TRUE(within(candidate.payoff.max_loss->value()));
    EXPECT_FALSE(within(candidate.payoff.max_loss->value() - 0.001));
  }
}

TEST(Finder, TakesALimitBeyondAllMoneyAsNone) {
  const auto priced = priced_market(92, 110, 3);
  const auto all = find_best(iron_condor, priced, 60, {.fill = Fill::mid});
  ASSERT_TRUE(all);
  ASSERT_GT(all->qualified, 0);
  for (const double limit : {1e13, 1e15, 1e300}) {
    const auto found = find_best(iron_condor, priced, 60, {.fill = Fill::mid, .max_loss = limit});
    ASSERT_TRUE(found) << limit;
    EXPECT_EQ(found->qualified, all->qualified) << limit;
  }
  for (const double limit : {std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(), 0.0, -1.0}) {
    const auto found = find_best(iron_condor, priced, 60, {.fill = Fill::mid, .max_loss = limit});
    ASSERT_FALSE(found) << limit;
    EXPECT_EQ(found.error().code, core::Errc::invalid_input) << limit;
  }
}

// A strategy the catalogue does not hold, with a payoff that crosses zero in steeper places.
TEST(Finder, SearchesAnyStrategyOfLimitedRisk) {
  static constexpr std::array butterfly_legs{LegShape{LegKind::call, +1, 0},
                                             LegShape{LegKind::call, -3, 1},
                                             LegShape{LegKind::call, +2, 2}};
  std::mt19937 random(3);
  const auto priced = damaged_market(random);
  expect_same({"ratio_butterfly", butterfly_legs}, priced,
              {.fill = Fill::mid, .min_pop = 0.35, .keep = 40});
}

TEST(Finder, RefusesAStrategyWithoutBounds) {
  static constexpr std::array strangle_legs{LegShape{LegKind::put, -1, 0},
                                            LegShape{LegKind::call, -1, 1}};
  const auto found =
      find_best({"short_strangle", strangle_legs}, priced_market(90, 110, 2), 60, {});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, core::Errc::invalid_input);
}

TEST(Finder, ExaminesEveryCombinationOfListedStrikes) {
  const auto priced = priced_market(90, 111, 1);
  const auto condors = find_best(iron_condor, priced, 60, {.fill = Fill::mid});
  ASSERT_TRUE(condors);
  EXPECT_EQ(condors->examined, 22 * 21 * 20 * 19 / 24);
  const auto calls = find_best(covered_call, priced, 60, {.fill = Fill::mid});
  ASSERT_TRUE(calls);
  EXPECT_EQ(calls->examined, 22);
}

TEST(Finder, SellsOnBothSidesOfTheMarketWhenAsked) {
  const auto priced = priced_market(90, 111, 1);
  const auto found =
      find_best(iron_condor, priced, 60, {.sell_out_of_the_money = true, .keep = 500});
  ASSERT_TRUE(found);
  ASSERT_FALSE(found->candidates.empty());
  for (const auto& candidate : found->candidates) {
    EXPECT_LE(candidate.legs[1].leg.strike.value(), priced.parity.forward);
    EXPECT_GE(candidate.legs[2].leg.strike.value(), priced.parity.forward);
  }
}

TEST(Finder, DescribesACoveredCallCompletely) {
  const auto priced = priced_market(95, 110, 5);
  const auto found =
      find_best(covered_call, priced, 60, {.fill = Fill::natural, .min_pop = 0, .keep = 1});
  ASSERT_TRUE(found);
  ASSERT_EQ(found->candidates.size(), 1u);
  const auto& best = found->candidates[0];
  const auto& row = priced.chain.rows.back();
  const Price bid = *row.call->bid;
  EXPECT_EQ(best.credit, bid);
  EXPECT_EQ(best.payoff.max_profit, (at(110) - at(100) + bid) * 100);
  EXPECT_EQ(best.payoff.max_loss, (at(100) - bid) * 100);
  EXPECT_EQ(best.payoff.breakevens, std::vector<double>{(at(100) - bid).value()});
  EXPECT_DOUBLE_EQ(*best.annualised_return_simple, best.return_on_risk * 365 / 60);
  ASSERT_TRUE(best.greeks);
  EXPECT_DOUBLE_EQ(best.greeks->delta, 1.0 - priced.rows.back().call->greeks->delta);
  EXPECT_DOUBLE_EQ(best.greeks->vega, -priced.rows.back().call->greeks->vega);
  EXPECT_EQ(best.legs[0].leg.quantity, 100);
  EXPECT_NEAR(best.pop, 1 - found->density.cdf((at(100) - bid).value()), 1e-15);
}

TEST(Finder, HasNoAnnualReturnOnTheLastDay) {
  const auto found = find_best(covered_call, priced_market(95, 110, 5), 0, {});
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->candidates.at(0).annualised_return_simple);
}

TEST(Finder, LeavesGreeksOutWhereALegHasNone) {
  auto priced = priced_market(95, 110, 5);
  priced.rows.back().call->greeks.reset();
  const auto found = find_best(covered_call, priced, 60, {.keep = 1});
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->candidates.at(0).greeks);
}

TEST(Finder, SaysWhatIsMissing) {
  auto priced = priced_market(95, 110, 5);
  priced.chain.underlying_price.reset();
  EXPECT_EQ(find_best(covered_call, priced, 60, {}).error().code, core::Errc::unavailable);
  EXPECT_TRUE(find_best(iron_condor, priced, 60, {}));
  priced.atm_implied_vol.reset();
  EXPECT_EQ(find_best(iron_condor, priced, 60, {}).error().code, core::Errc::unavailable);
}

TEST(Finder, RefusesLimitsOutOfRange) {
  const auto priced = priced_market(95, 110, 5);
  FinderLimits limits;
  limits.min_pop = 60;
  EXPECT_EQ(find_best(iron_condor, priced, 60, limits).error().code, core::Errc::invalid_input);
  limits.min_pop = 0.6;
  limits.max_loss = -1;
  EXPECT_EQ(find_best(iron_condor, priced, 60, limits).error().code, core::Errc::invalid_input);
}

TEST(Finder, RefusesPricesBeyondExactMoneyAndFindsNothingInAnEmptyChain) {
  auto priced = priced_market(95, 110, 5);
  auto absurd = priced;
  absurd.chain.rows.back().strike = at(9e11);
  EXPECT_EQ(find_best(iron_condor, absurd, 60, {}).error().code, core::Errc::invalid_input);
  absurd = priced;
  absurd.chain.multiplier = 0;
  EXPECT_EQ(find_best(iron_condor, absurd, 60, {}).error().code, core::Errc::invalid_input);
  priced.chain.rows.clear();
  priced.rows.clear();
  const auto found = find_best(iron_condor, priced, 60, {});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->examined, 0);
}

TEST(EntryPrice, IsNeverBetterAtNaturalThanAtMid) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> units(0, 100'000);
  for (int round = 0; round < 10'000; ++round) {
    const OptionSide side{
        Price::from_units(units(random)), Price::from_units(units(random)), {}, {}, {}};
    const auto mid = entry_price(side, true, Fill::mid);
    const auto buy = entry_price(side, true, Fill::natural);
    const auto sell = entry_price(side, false, Fill::natural);
    EXPECT_EQ(entry_price(side, false, Fill::mid), mid);
    if (mid && buy) {
      EXPECT_GE(*buy, *mid);
    }
    if (mid && sell) {
      EXPECT_LE(*sell, *mid);
    }
  }
  const OptionSide crossed{at(1.2), at(1.1), {}, {}, {}};
  EXPECT_EQ(entry_price(crossed, true, Fill::natural), std::nullopt);
  EXPECT_EQ(entry_price(crossed, false, Fill::natural), std::nullopt);
  const OptionSide zero_bid{Price{}, at(0.05), {}, {}, {}};
  EXPECT_EQ(entry_price(zero_bid, false, Fill::natural), std::nullopt);
  EXPECT_EQ(entry_price(zero_bid, true, Fill::natural), at(0.05));
}

}  // namespace
}  // namespace bifrost::analysis
