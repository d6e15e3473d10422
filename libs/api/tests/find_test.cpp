// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "api_fixture.hpp"

namespace bifrost::api {
namespace {

using namespace testing;
using namespace std::chrono_literals;

TEST_F(Api, KnowsEveryStrategyOnceAndWhatHasNoBound) {
  const auto all = get_as<Catalogue>("/api/catalogue").strategies;
  std::map<std::string, CatalogueEntry> by_name;
  for (const auto& entry : all) by_name.emplace(entry.name, entry);
  EXPECT_EQ(by_name.size(), all.size());
  ASSERT_GE(all.size(), 60u);
  EXPECT_EQ(by_name.at("iron_condor").legs.size(), 4u);
  EXPECT_EQ(by_name.at("iron_condor").strikes, 4);
  EXPECT_EQ(by_name.at("covered_call").legs[0].rung, std::nullopt);
  EXPECT_EQ(by_name.at("long_call_calendar").expiries, 2);
  EXPECT_FALSE(by_name.at("short_strangle").loss_is_bounded);
  EXPECT_TRUE(by_name.at("short_put").loss_is_bounded);
  EXPECT_FALSE(by_name.at("long_call").profit_is_bounded);
  EXPECT_TRUE(by_name.at("jade_lizard").loss_is_bounded);
  for (const auto& [name, objective] : {std::pair{"iron_condor", "return_on_risk"},
                                        {"short_put", "return_on_risk"},
                                        {"long_straddle", "expected_profit_on_max_loss"},
                                        {"short_strangle", "return_on_margin"},
                                        {"call_front_ratio", "credit"},
                                        {"bull_call_ladder", "credit"},
                                        {"covered_put", "return_on_margin"},
                                        {"reverse_jade_lizard", "return_on_margin"},
                                        {"bearish_risk_reversal", "expected_profit_on_margin"},
                                        {"synthetic_short_stock", "expected_profit_on_margin"}}) {
    EXPECT_EQ(by_name.at(name).default_objective, objective) << name;
  }
}

TEST_F(Api, FindsCondorsWhoseNumbersFollowFromTheirLegs) {
  const auto found = get_as<Found>(
      "/api/find/XSP?expiry=2026-04-02&strategy=iron_condor&objective=return_on_risk&min_pop=0.5"
      "&limit=8");
  EXPECT_EQ(found.as_of, second);
  EXPECT_EQ(found.age_seconds, 90);
  EXPECT_EQ(found.source, Source::simulated);
  ASSERT_EQ(found.expiries.size(), 1u);
  const auto& searched = found.expiries[0];
  EXPECT_EQ(searched.density.kind, "market_implied");
  EXPECT_EQ(searched.days_to_expiry, 31);
  EXPECT_NEAR(searched.forward, forward, 0.05);
  EXPECT_NEAR(*searched.atm_implied_vol, vol, 0.002);
  EXPECT_EQ(found.combinations, found.visited + found.pruned);
  ASSERT_EQ(found.candidates.size(), 8u);
  for (const auto& candidate : found.candidates) {
    ASSERT_EQ(candidate.legs.size(), 4u);
    double credit = 0;
    for (const auto& leg : candidate.legs) {
      EXPECT_EQ(leg.expiry, april);
      credit -= static_cast<double>(leg.quantity) * leg.entry_price.value();
    }
    EXPECT_NEAR(candidate.credit, credit, 1e-9);
    // One condor is 100 shares wide: its best outcome is the credit, its worst the wider wing less
    // the credit; what it ties up is that wing.
    EXPECT_NEAR(*candidate.max_profit, 100 * credit, 1e-6);
    const double wing =
        std::max(candidate.legs[1].strike->value() - candidate.legs[0].strike->value(),
                 candidate.legs[3].strike->value() - candidate.legs[2].strike->value());
    EXPECT_NEAR(*candidate.max_loss, 100 * (wing - credit), 1e-6);
    EXPECT_NEAR(*candidate.margin, 100 * wing, 1e-6);
    EXPECT_NEAR(*candidate.return_on_risk, *candidate.max_profit / *candidate.max_loss, 1e-12);
    EXPECT_NEAR(candidate.score, *candidate.return_on_risk, 1e-12);
    EXPECT_NEAR(*candidate.annualised_return, *candidate.return_on_risk * 365 / 31, 1e-9);
    EXPECT_GE(candidate.pop, 0.5);
    EXPECT_FALSE(candidate.model_dependent);
    for (const auto& point : candidate.payoff) {
      EXPECT_NEAR(point.profit, profit_at_expiry(candidate.legs, point.spot), 1e-6);
    }
    for (const double even : candidate.breakevens) {
      EXPECT_NEAR(profit_at_expiry(candidate.legs, even), 0.0, 1e-3);
    }
  }
  for (std::size_t i = 0; i < found.candidates.size(); ++i) {
    EXPECT_EQ(found.candidates[i].rank, static_cast<int>(i) + 1);
    if (i > 0) {
      EXPECT_GE(found.candidates[i - 1].score, found.candidates[i].score);
    }
  }
}

TEST_F(Api, FindsWhatLookingAtEverySpreadOfTheChainFinds) {
  const auto chain = get_as<Chain>("/api/chain/XSP?expiry=2026-04-02&from=history");
  double best = 0.0;
  for (const auto& low : chain.rows) {
    for (const auto& high : chain.rows) {
      if (!(low.strike < high.strike) || !low.put->ask || !high.put->bid) continue;
      if (!(*low.put->ask > Price{}) || !(*high.put->bid > Price{})) continue;
      const double credit = high.put->bid->value() - low.put->ask->value();
      const double risk = high.strike.value() - low.strike.value() - credit;
      if (credit > 0.0 && risk > 0.0) best = std::max(best, credit / risk);
    }
  }
  ASSERT_GT(best, 0.0);
  const auto found = get_as<Found>(
      "/api/find/XSP?expiry=2026-04-02&strategy=bull_put_spread&objective=return_on_risk"
      "&short_strikes=any&limit=1");
  ASSERT_EQ(found.candidates.size(), 1u);
  EXPECT_NEAR(found.candidates[0].score, best, 1e-9);
}

// One of a call and a put at one strike is in the money.
TEST_F(Api, SellsInTheMoneyWhereAStrategyCannotDoOtherwise) {
  for (const std::string strategy : {"short_straddle", "iron_butterfly"}) {
    SCOPED_TRACE(strategy);
    const std::string query =
        "/api/find/XSP?expiry=2026-04-02&objective=credit&limit=1&strategy=" + strategy;
    const auto found = get_as<Found>(query);
    EXPECT_EQ(found.short_strikes, ShortStrikes::any);
    ASSERT_EQ(found.candidates.size(), 1u);
    for (const auto& leg : found.candidates[0].legs) {
      if (leg.quantity > 0) continue;
      EXPECT_GE(std::abs(*leg.delta), 0.35);
      EXPECT_LE(std::abs(*leg.delta), 0.65);
    }
    // Far in the money there is more to be had for whoever asks.
    EXPECT_GT(get_as<Found>(query + "&short_strikes=any").candidates.at(0).credit,
              found.candidates[0].credit);
    // A strike on the forward alone.
    EXPECT_LT(get_as<Found>(query + "&short_strikes=out_of_the_money").combinations,
              found.combinations);
  }
  EXPECT_EQ(get_as<Found>("/api/find/XSP?strategy=short_strangle").short_strikes,
            ShortStrikes::out_of_the_money);
}

TEST_F(Api, MidNeverCostsMoreThanNatural) {
  const std::string query =
      "/api/find/XSP?expiry=2026-04-02&strategy=short_put&objective=pop&limit=50";
  const auto natural = get_as<Found>(query);
  const auto mid = get_as<Found>(query + "&fill_position=0");
  ASSERT_FALSE(natural.candidates.empty());
  std::size_t compared = 0;
  for (const auto& a : natural.candidates) {
    for (const auto& b : mid.candidates) {
      if (a.legs[0].strike != b.legs[0].strike) continue;
      EXPECT_GT(b.credit, a.credit);
      EXPECT_GT(b.expected_profit, a.expected_profit);
      ++compared;
    }
  }
  EXPECT_GT(compared, 0u);
}

TEST_F(Api, TakesFeesOutOfEveryNumberButTheCredit) {
  const std::string query =
      "/api/find/XSP?expiry=2026-04-02&strategy=bull_put_spread&objective=return_on_risk"
      "&min_pop=0.6&limit=1";
  const auto free = get_as<Found>(query).candidates.at(0);
  const auto paid = get_as<Found>(query + "&fee_per_contract=1").candidates.at(0);
  EXPECT_EQ(free.fees, 0.0);
  EXPECT_EQ(paid.fees, 2.0);
  EXPECT_NEAR(*paid.max_profit, 100 * paid.credit - 2.0, 1e-9);
}

TEST_F(Api, RanksByAWeightedSumOfObjectives) {
  const auto found = get_as<Found>(
      "/api/find/XSP?expiry=2026-04-02&strategy=iron_condor&objective=return_on_risk:0.5,pop:2"
      "&limit=5");
  ASSERT_EQ(found.candidates.size(), 5u);
  for (const auto& candidate : found.candidates) {
    EXPECT_NEAR(candidate.score, 0.5 * *candidate.return_on_risk + 2 * candidate.pop, 1e-9);
  }
}

TEST_F(Api, ProvesThatNothingBetterWasPassedOver) {
  const auto found = get_as<Found>(
      "/api/find/XSP?expiry=2026-04-02&strategy=iron_condor&objective=return_on_risk&min_pop=0.6"
      "&limit=5&certificate=true");
  ASSERT_TRUE(found.certificate);
  EXPECT_TRUE(found.certificate->verified) << found.certificate->objection.value_or("");
  EXPECT_EQ(found.certificate->objection, std::nullopt);
  EXPECT_EQ(found.certificate->combinations, found.combinations);
  EXPECT_EQ(found.certificate->visited + found.certificate->pruned,
            found.certificate->combinations);
  EXPECT_NEAR(*found.certificate->threshold, found.candidates.back().score, 1e-12);
}

TEST_F(Api, AccountsForEveryCombinationInAnExhaustiveSearch) {
  const std::string query =
      "/api/find/XSP?expiry=2026-04-02&strategy=iron_condor&objective=return_on_risk&min_pop=0.6"
      "&limit=5";
  const auto found = get_as<Found>(query);
  const auto exhaustive = get_as<Found>(query + "&exhaustive=true");
  ASSERT_TRUE(exhaustive.qualified);
  EXPECT_EQ(found.qualified, std::nullopt);
  std::int64_t total = *exhaustive.qualified;
  for (const auto& unfit : exhaustive.unfit) total += unfit.combinations;
  EXPECT_EQ(total, exhaustive.combinations);
  ASSERT_EQ(found.candidates.size(), exhaustive.candidates.size());
  for (std::size_t i = 0; i < found.candidates.size(); ++i) {
    EXPECT_EQ(found.candidates[i].score, exhaustive.candidates[i].score);
    EXPECT_EQ(found.candidates[i].legs[0].strike, exhaustive.candidates[i].legs[0].strike);
  }
}

TEST_F(Api, SaysWhereAStructureStandsAndWhatKeepsItOffTheList) {
  const std::string query =
      "/api/find/XSP?expiry=2026-04-02&strategy=iron_condor&objective=return_on_risk&min_pop=0.6"
      "&limit=3";
  const auto strikes_of = [](const StrategyCandidate& candidate) {
    std::vector<std::string> strikes;
    for (const auto& leg : candidate.legs) strikes.push_back(leg.strike->to_string());
    return fmt::format("{}", fmt::join(strikes, ","));
  };
  const auto listed = get_as<Found>(query).candidates;
  const auto third = get_as<Found>(query + "&why_not=" + strikes_of(listed.at(2))).why_not;
  ASSERT_TRUE(third && third->candidate);
  EXPECT_EQ(third->rank, 3);
  EXPECT_EQ(third->broken_constraint, std::nullopt);
  EXPECT_NEAR(third->candidate->score, listed[2].score, 1e-12);
  EXPECT_GT(*third->score_without_costs, third->candidate->score);
  // At the money on both sides: a condor that is hardly ever left with its profit.
  const auto narrow = get_as<Found>(query + "&why_not=90,98,102,110").why_not;
  ASSERT_TRUE(narrow);
  EXPECT_EQ(narrow->broken_constraint, "pop");
  const auto absent = get_as<Found>(query + "&why_not=90,97,102,110").why_not;
  ASSERT_TRUE(absent && absent->unusable_leg);
  EXPECT_EQ(*absent->unusable_leg, "leg 2: not_listed");
}

TEST_F(Api, RepricesWhatOutlivesTheFirstExpiryAndSaysSo) {
  const auto found = get_as<Found>(
      "/api/find/XSP?expiry=2026-04-02&strategy=long_call_calendar&objective=pop&limit=3");
  ASSERT_EQ(found.expiries.size(), 2u);
  ASSERT_FALSE(found.candidates.empty());
  for (const auto& candidate : found.candidates) {
    EXPECT_TRUE(candidate.model_dependent);
    ASSERT_EQ(candidate.legs.size(), 2u);
    EXPECT_EQ(candidate.legs[0].expiry, april);
    EXPECT_EQ(candidate.legs[1].expiry, june);
    EXPECT_EQ(candidate.legs[0].strike, candidate.legs[1].strike);
    // A calendar cannot lose more than it cost, and makes most near its strike.
    EXPECT_LT(candidate.credit, 0.0);
    EXPECT_LE(*candidate.max_loss, -100 * candidate.credit + 0.01);
    ASSERT_FALSE(candidate.payoff.empty());
    const auto best = std::ranges::max_element(candidate.payoff, {}, &PayoffPoint::profit);
    EXPECT_NEAR(best->spot, candidate.legs[0].strike->value(), 1.0);
  }
  // Nothing expires later than the last.
  EXPECT_EQ(get("/api/find/XSP?expiry=2026-06-19&strategy=long_call_calendar&objective=pop").status,
            404);
}

TEST_F(Api, RanksWhatIsSoldNakedByPremiumOnMargin) {
  const std::string april_of_xsp = "/api/find/XSP?expiry=2026-04-02&strategy=";
  const auto found = get_as<Found>(april_of_xsp + "short_strangle&certificate=true");
  EXPECT_EQ(found.objective, "return_on_margin");
  EXPECT_EQ(found.min_pop, 0.6);
  ASSERT_TRUE(found.certificate);
  EXPECT_TRUE(found.certificate->verified);
  ASSERT_FALSE(found.candidates.empty());
  for (const auto& candidate : found.candidates) {
    EXPECT_FALSE(candidate.max_loss);
    EXPECT_GE(candidate.pop, 0.6);
    EXPECT_NEAR(*candidate.return_on_margin, 100 * candidate.credit / *candidate.margin, 1e-12);
    EXPECT_NEAR(candidate.score, *candidate.return_on_margin, 1e-12);
    EXPECT_FALSE(candidate.return_on_risk);
    EXPECT_FALSE(candidate.annualised_return);
  }
  // Whatever is named is not limited unasked.
  EXPECT_EQ(get_as<Found>(april_of_xsp + "short_strangle&objective=return_on_margin").min_pop, 0.0);
  const auto ratio = get_as<Found>(april_of_xsp + "call_front_ratio");
  EXPECT_EQ(ratio.objective, "credit");
  EXPECT_EQ(ratio.min_pop, 0.6);
  // The profit of these grows until the underlying is worth nothing.
  const auto bearish = get_as<Found>(april_of_xsp + "bearish_risk_reversal");
  EXPECT_EQ(bearish.objective, "expected_profit_on_margin");
  EXPECT_EQ(bearish.min_pop, 0.0);
  ASSERT_FALSE(bearish.candidates.empty());
  EXPECT_EQ(get_as<Found>(april_of_xsp + "long_put").objective, "expected_profit_on_max_loss");
  // Without a price of the underlying there are no margins.
  auto chain = dense_chain(second);
  chain.underlying_price.reset();
  for (const auto& [strategy, objective] :
       {std::pair{"short_strangle", "credit"}, {"bearish_risk_reversal", "expected_profit"}}) {
    FindQuery query{};
    query.strategy = strategy;
    query.style = ExerciseStyle::european;
    const auto unpriced = find_in(chain, query);
    ASSERT_TRUE(unpriced) << unpriced.error().message;
    EXPECT_EQ(unpriced->objective, objective);
    EXPECT_FALSE(unpriced->candidates.empty());
  }
}

TEST_F(Api, RefusesWhatTheFinderCannotRank) {
  const std::string april_of_xsp = "/api/find/XSP?expiry=2026-04-02&strategy=";
  EXPECT_EQ(get(april_of_xsp + "martingale").status, 404);
  EXPECT_EQ(get("/api/find/NONE?strategy=iron_condor").status, 404);
  EXPECT_EQ(get("/api/find/XSP?expiry=2026-05-15&strategy=iron_condor").status, 404);
  EXPECT_EQ(get(april_of_xsp + "short_strangle&objective=return_on_risk").status, 400);
  EXPECT_EQ(get(april_of_xsp + "long_strangle&objective=return_on_margin").status, 400);
  EXPECT_EQ(get(april_of_xsp + "iron_condor&objective=luck").status, 400);
  EXPECT_EQ(get("/api/find/XSP?strategy=iron_condor&why_not=90,95,105,110").status, 400);
  EXPECT_EQ(get(april_of_xsp + "iron_condor&why_not=90,95,105").status, 400);
  EXPECT_EQ(get(april_of_xsp + "iron_condor&why_not=95,90,105,110").status, 400);
  EXPECT_EQ(get(april_of_xsp + "iron_condor&breakeven_percent=1&breakeven_sigmas=1").status, 400);
  EXPECT_EQ(get(april_of_xsp + "long_call&objective=pop&min_width=1").status, 400);
  EXPECT_EQ(get("/api/find/SPX?expiry=2026-06-19&strategy=iron_condor").status, 400);
}

TEST(FindIn, RefusesWindowsThatHoldNothing) {
  for (const auto& window : std::vector<std::function<void(FindQuery&)>>{
           [](FindQuery& q) { q.min_days = 50, q.max_days = 5; },
           [](FindQuery& q) { q.min_width = 10.0, q.max_width = 5.0; },
           [](FindQuery& q) { q.min_short_delta = 0.3, q.max_short_delta = 0.2; },
           [](FindQuery& q) { q.min_long_delta = 0.3, q.max_long_delta = 0.2; }}) {
    FindQuery query{};
    query.strategy = "iron_condor";
    window(query);
    const auto answer = check(query, "SPX");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, core::Errc::invalid_input);
  }
}

// American quotes tell what the forward grows by, and not how much of it is interest.
// A wing that nobody bids for has no middle, and can be bought all the same.
TEST(FindIn, HasTheGreeksOfAnalyzeWhereALegHasNoMiddle) {
  for (const auto style : {ExerciseStyle::european, ExerciseStyle::american}) {
    auto chain = dense_chain(second);
    const auto wing = Price::from_units(860'000);
    const auto whole = chain;
    for (auto& option : chain.quotes) {
      if (option.contract.strike == wing) option.quote.bid = std::nullopt;
    }
    FindQuery query{};
    query.strategy = "bull_put_spread";
    query.expiry = april;
    query.style = style;
    query.why_not = "86,92";
    const auto candidate = *ok(find_in(chain, query)).why_not->candidate;
    PositionRequest request{};
    request.style = style;
    request.legs = {{LegKind::put, 1, april, {}, wing, {}},
                    {LegKind::put, -1, april, {}, Price::from_units(920'000), {}}};
    const auto position = ok(core::Result<Position>{analyse_position(chain, request)});
    ASSERT_TRUE(candidate.delta);
    EXPECT_NEAR(*candidate.delta, position.delta, 1e-3 * std::abs(position.delta));
    EXPECT_NEAR(*candidate.gamma, position.gamma, 1e-3 * std::abs(position.gamma));
    EXPECT_NEAR(*candidate.theta, position.theta, 1e-3 * std::abs(position.theta));
    EXPECT_NEAR(*candidate.vega, position.vega, 1e-3 * std::abs(position.vega));
    EXPECT_EQ(candidate.legs[0].implied_vol, position.legs[0].implied_vol);
    EXPECT_NEAR(*candidate.legs[0].delta, *position.legs[0].delta, 1e-4);
    // The vol that the market was made of, and the greeks of the quotes as they were.
    EXPECT_NEAR(*candidate.legs[0].implied_vol, vol, 0.005);
    const auto before = *ok(find_in(whole, query)).why_not->candidate;
    EXPECT_NEAR(*candidate.vega, *before.vega, 0.05 * std::abs(*before.vega));
  }
}

TEST(FindIn, TakesTheRateThatItIsGiven) {
  auto chain = dense_chain(second);
  chain.underlying = "ABC";
  FindQuery query{};
  query.strategy = "covered_call";
  query.expiry = june;
  query.style = ExerciseStyle::american;
  const auto read = find_in(chain, query);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_NE(read->expiries.at(0).discount_source, "given");
  query.rate = 0.06;
  const auto given = find_in(chain, query);
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->expiries.at(0).discount_source, "given");
  EXPECT_NEAR(given->expiries.at(0).discount_factor,
              std::exp(-0.06 * given->expiries.at(0).days_to_expiry / 365.0), 1e-3);

  PositionRequest request{};
  request.style = ExerciseStyle::american;
  request.legs = {{LegKind::put, 1, june, std::nullopt, Price::from_units(110 * 10'000), {}}};
  const auto without = analyse_position(chain, request);
  request.rate = 0.06;
  const auto with = analyse_position(chain, request);
  ASSERT_TRUE(without && with);
  // The forward stands, so interest means as much of a yield, which the put's delta is less by.
  EXPECT_GT(with->delta, without->delta + 1.0);
}

TEST(FindIn, KnowsNoSharesOfAnIndex) {
  auto chain = dense_chain(second);
  FindQuery query{};
  query.expiry = april;
  for (const std::string strategy :
       {"covered_call", "protective_put", "collar", "covered_put", "conversion"}) {
    query.strategy = strategy;
    chain.underlying = "XSP";
    const auto of_index = find_in(chain, query);
    ASSERT_FALSE(of_index.has_value()) << strategy;
    EXPECT_EQ(of_index.error().code, core::Errc::invalid_input) << strategy;
    EXPECT_FALSE(check(query, "SPX").has_value()) << strategy;
  }
  // The same chain of something that there are shares of.
  query.strategy = "covered_call";
  chain.underlying = "ABC";
  const auto of_shares = find_in(chain, query);
  ASSERT_TRUE(of_shares.has_value()) << of_shares.error().message;
  EXPECT_FALSE(of_shares->candidates.empty());
  EXPECT_TRUE(check(query, "ABC").has_value());
  EXPECT_TRUE(check(query, "").has_value());
}

TEST(AnalysePosition, SaysThatAnExpiryHadSettled) {
  const auto chain = dense_chain(core::parse_instant("2026-04-03T15:00:00Z").value());
  PositionRequest request{};
  request.legs = {{LegKind::call, 1, april, {}, Price::from_units(1'060'000), Price{}}};
  const auto settled = analyse_position(chain, request);
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().code, core::Errc::not_found);
  FindQuery query{};
  query.strategy = "iron_condor";
  query.expiry = april;
  const auto found = find_in(chain, query);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, core::Errc::not_found);
}

TEST_F(Api, AsksTheListingsWhetherAnUnderlyingIsAnIndex) {
  store::Listings listings{*database};
  const store::BrokerUnderlying share{true, 1, "STK", "SMART", "USD", "A share", {}};
  ASSERT_TRUE(listings.save_offer("SPX", share, april, second, {}, core::after(30s)));
  Service with_listings{history, *client, clock, 300s, core::hours_of, &listings};
  const auto underlyings = ok(with_listings.underlyings()).underlyings;
  const auto item = [&](std::string_view symbol) {
    return *std::ranges::find(underlyings, symbol, &UnderlyingItem::symbol);
  };
  EXPECT_FALSE(item("SPX").is_index) << "the broker knows better than the table";
  EXPECT_TRUE(item("XSP").is_index) << "the broker was not asked";
  EXPECT_EQ(ok(with_listings.fit({"SPX", {}, {}, {}})).style, ExerciseStyle::american);
}

}  // namespace
}  // namespace bifrost::api
