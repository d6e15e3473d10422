// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "api_fixture.hpp"

namespace bifrost::api {
namespace {

using namespace testing;

const std::string condor_legs = R"([
    {"kind":"put","quantity":1,"expiry":"2026-04-02","strike":90},
    {"kind":"put","quantity":-1,"expiry":"2026-04-02","strike":94},
    {"kind":"call","quantity":-1,"expiry":"2026-04-02","strike":106},
    {"kind":"call","quantity":1,"expiry":"2026-04-02","strike":110}])";

TEST_F(Api, AnalysesACondorDownToItsTable) {
  const auto position = post_as<Position>(
      "/api/analyze/XSP",
      fmt::format(R"({{"legs":{},"table":{{"days_forward":[0,7],"spots":[85,94,100,106,115]}}}})",
                  condor_legs));
  EXPECT_EQ(position.strategy, "iron_condor");
  EXPECT_EQ(position.units, 1);
  EXPECT_FALSE(position.model_dependent);
  const double credit = -position.option_cost;
  EXPECT_GT(credit, 0.0);
  EXPECT_NEAR(*position.max_profit, credit, 1e-9);
  EXPECT_NEAR(*position.max_loss, 400 - credit, 1e-9);
  for (const double corner : {90.0, 94.0, 106.0, 110.0}) {
    const auto at = std::ranges::find(position.payoff, corner, &PayoffPoint::spot);
    ASSERT_NE(at, position.payoff.end()) << corner;
    EXPECT_NEAR(at->profit, profit_at_expiry(position.legs, corner), 1e-9);
  }
  ASSERT_EQ(position.breakevens.size(), 2u);
  EXPECT_NEAR(position.breakevens[0], 94 - credit / 100, 1e-4);
  EXPECT_NEAR(position.breakevens[1], 106 + credit / 100, 1e-4);
  ASSERT_EQ(position.densities.size(), 2u);
  EXPECT_NEAR(position.densities[0].pop, position.densities[1].pop, 0.02);
  // Crossing four spreads costs half of each against the middle.
  ASSERT_TRUE(position.liquidity && position.liquidity->spread_cost);
  EXPECT_NEAR(*position.liquidity->spread_cost, 4 * 0.5 * 0.02 * 100, 1e-6);
  // Today the position is worth what it costs in the middle, at the smile's prices.
  EXPECT_NEAR(position.table.profit[0][2], -*position.liquidity->spread_cost, 2.0);
  // Time passes for the seller.
  EXPECT_GT(position.table.profit[1][2], position.table.profit[0][2]);
  EXPECT_GT(position.theta, 0.0);
  EXPECT_EQ(position.exit, std::nullopt);
}

TEST_F(Api, TheTableAtExpiryIsThePayoff) {
  const auto position =
      post_as<Position>("/api/analyze/XSP", fmt::format(R"({{"legs":{}}})", condor_legs));
  // 31 days and a bit: every sixth day, then the last moment.
  const auto& days = position.table.days_forward;
  ASSERT_EQ(days.size(), 6u);
  for (std::size_t i = 0; i + 1 < days.size(); ++i)
    EXPECT_EQ(days[i], 6.0 * static_cast<double>(i));
  EXPECT_GT(days.back(), 30.0);
  ASSERT_EQ(position.table.spots.size(), 25u);
  for (std::size_t i = 0; i < position.table.spots.size(); ++i) {
    EXPECT_NEAR(position.table.profit.back()[i],
                profit_at_expiry(position.legs, position.table.spots[i]), 0.01)
        << position.table.spots[i];
  }
}

TEST_F(Api, AsksForAMarginOfTheWiderWingOfACondor) {
  const auto whole =
      post_as<Position>("/api/analyze/XSP", fmt::format(R"({{"legs":{}}})", condor_legs));
  const auto& margin = whole.margin;
  EXPECT_NEAR(*margin.worst_loss, 400, 1e-9);
  EXPECT_TRUE(margin.defined_risk);
  EXPECT_FALSE(margin.unlimited_up);
  ASSERT_EQ(margin.rules.size(), 2u);
  for (const auto& rules : margin.rules) {
    EXPECT_NEAR(rules.maintenance, 400, 1e-9) << rules.rules;
    EXPECT_TRUE(rules.proven_minimal);
    EXPECT_FALSE(rules.source.empty());
  }
  ASSERT_TRUE(margin.stress);
  EXPECT_LE(*margin.stress, 400.0);
  for (const auto& each : whole.returns) {
    if (each.denominator != "margin") {
      EXPECT_EQ(each.rules, std::nullopt) << each.denominator;
      continue;
    }
    const auto of = std::ranges::find(margin.rules, each.rules.value_or(""), &RuleMargin::rules);
    ASSERT_NE(of, margin.rules.end()) << "a margin of nobody's";
    EXPECT_EQ(each.amount, of->initial);
  }
  const auto naked = post_as<Position>(
      "/api/analyze/XSP",
      R"({"legs":[{"kind":"call","quantity":-1,"expiry":"2026-04-02","strike":106}]})");
  EXPECT_EQ(naked.max_loss, std::nullopt);
  EXPECT_EQ(naked.margin.worst_loss, std::nullopt);
  EXPECT_TRUE(naked.margin.unlimited_up);
}

TEST(AnalysePosition, TakesSharesBesideOptionsWhereThereAreShares) {
  auto chain = dense_chain(second);
  const auto code_of = [&](std::vector<PositionLeg> legs) -> std::optional<core::Errc> {
    PositionRequest request{};
    request.legs = std::move(legs);
    const auto position = analyse_position(chain, request);
    return position ? std::nullopt : std::optional{position.error().code};
  };
  const PositionLeg shares{LegKind::stock, 100, {}, {}, {}, {}};
  const PositionLeg call{LegKind::call, -1, april, {}, Price::from_units(1'060'000), {}};
  auto struck = shares;
  struck.strike = call.strike;
  EXPECT_EQ(code_of({shares, call}), core::Errc::invalid_input) << "shares of XSP";
  chain.underlying = "ABC";
  EXPECT_EQ(code_of({shares, call}), std::nullopt);
  EXPECT_EQ(code_of({struck, call}), core::Errc::invalid_input) << "a strike of shares";
  EXPECT_EQ(code_of({shares}), core::Errc::invalid_input) << "no expiry";
}

// What only the chain decides is no fault of the request.
TEST(AnalysePosition, HasNoPriceWhereTheQuoteHasNone) {
  auto chain = dense_chain(second);
  PositionRequest request{};
  request.legs = {{LegKind::call, -1, april, {}, Price::from_units(1'060'000), {}}};
  ASSERT_TRUE(analyse_position(chain, request));
  for (auto& option : chain.quotes) {
    if (option.contract.strike == request.legs[0].strike) option.quote.bid = Price{};
  }
  const auto unpriced = analyse_position(chain, request);
  ASSERT_FALSE(unpriced);
  EXPECT_EQ(unpriced.error().code, core::Errc::not_found);
  ASSERT_EQ(unpriced.error().fields.size(), 1u);
  EXPECT_EQ(unpriced.error().fields[0].path, "body/legs/0/entry_price");
  request.legs[0].entry_price = Price::from_units(100);
  EXPECT_TRUE(analyse_position(chain, request));
}

// The cash is not in the legs.
TEST(AnalysePosition, CallsAPutWithItsStrikeInCashSecured) {
  const auto chain = dense_chain(second);
  PositionRequest request{};
  const PositionLeg put{LegKind::put, -2, april, {}, Price::from_units(960'000), {}};
  const PositionLeg call{LegKind::call, -1, april, {}, Price::from_units(1'060'000), {}};
  request.legs = {put};
  const auto returns_on = [](const Position& position, std::string_view denominator) {
    return std::ranges::find(position.returns, denominator, &PositionReturn::denominator);
  };
  const auto naked = ok(core::Result<Position>{analyse_position(chain, request)});
  EXPECT_EQ(naked.strategy, "short_put");
  EXPECT_EQ(returns_on(naked, "cash"), naked.returns.end());
  request.cash_secured = true;
  const auto secured = ok(core::Result<Position>{analyse_position(chain, request)});
  EXPECT_EQ(secured.strategy, "cash_secured_put");
  EXPECT_EQ(secured.units, 2);
  EXPECT_EQ(secured.max_loss, naked.max_loss);
  const auto on_cash = returns_on(secured, "cash");
  ASSERT_NE(on_cash, secured.returns.end());
  EXPECT_EQ(on_cash->amount, 2 * 96 * 100);
  EXPECT_EQ(returns_on(secured, "margin"), secured.returns.end());
  for (const auto& legs : std::vector<std::vector<PositionLeg>>{{call}, {put, call}}) {
    request.legs = legs;
    const auto refused = analyse_position(chain, request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::Errc::invalid_input);
  }
}

TEST(Indices, AreWhatTheBrokerSaysAndElseWhatTheTableKnows) {
  EXPECT_TRUE(is_index("ESTX50"));
  EXPECT_TRUE(is_index("V2TX"));
  EXPECT_FALSE(is_index("ABC"));
  EXPECT_TRUE(is_index("ABC", told_by("IND")));
  EXPECT_FALSE(is_index("DAX", told_by("STK"))) << "a fund of that name";
  EXPECT_TRUE(is_index("DAX", told_by("FUT")));
  EXPECT_EQ(exercise_style_of("ABC", told_by("IND")), ExerciseStyle::european);
  EXPECT_EQ(exercise_style_of("OEX"), ExerciseStyle::american);
  EXPECT_EQ(exercise_style_of("V2TX"), ExerciseStyle::european);
  auto chain = dense_chain(second);
  chain.underlying = "ABC";
  PositionRequest request{};
  request.legs = {{LegKind::stock, 100, {}, {}, {}, {}},
                  {LegKind::call, -1, april, {}, Price::from_units(1'060'000), {}}};
  EXPECT_TRUE(analyse_position(chain, request));
  EXPECT_FALSE(analyse_position(chain, request, told_by("IND")));
}

TEST(AnalysePosition, RefusesPricesThatHaveNoNumber) {
  const auto chain = dense_chain(second);
  PositionRequest request{};
  request.legs = {{LegKind::call, 1, april, {}, Price::from_units(1'060'000), {}}};
  const double most = 1000 * chain.underlying_price->value();
  const auto table_at = [&](double spot) {
    request.table = TableSpec{{0.0, 1.0}, {spot}, std::nullopt};
    return analyse_position(chain, request);
  };
  for (const double spot : {-1.0, std::nextafter(most, 1e308), 1e308, HUGE_VAL, std::nan("")}) {
    const auto refused = table_at(spot);
    ASSERT_FALSE(refused) << spot;
    EXPECT_EQ(refused.error().code, core::Errc::invalid_input) << spot;
  }
  for (const double spot : {0.0, most}) {
    const auto position = table_at(spot);
    ASSERT_TRUE(position) << spot << ' ' << position.error().message;
    for (const auto& day : position->table.profit) EXPECT_TRUE(std::isfinite(day.at(0))) << spot;
  }
}

TEST_F(Api, TellsWhichExitComesFirst) {
  const auto position = post_as<Position>(
      "/api/analyze/XSP",
      fmt::format(R"({{"legs":{},"fill_position":0,"profit_target":20,"loss_limit":100}})",
                  condor_legs));
  ASSERT_TRUE(position.exit);
  const auto& odds = *position.exit;
  EXPECT_NEAR(odds.target_first + odds.stop_first + odds.neither, 1.0, 1e-6);
  EXPECT_GT(odds.target_first, odds.stop_first);
  EXPECT_LT(odds.numerical_error, 0.01);
  // A nearer target is reached more often.
  const auto nearer = post_as<Position>(
      "/api/analyze/XSP",
      fmt::format(R"({{"legs":{},"fill_position":0,"profit_target":10,"loss_limit":100}})",
                  condor_legs));
  EXPECT_GT(nearer.exit->target_first, odds.target_first);
}

TEST_F(Api, RefusesAPositionThatIsNone) {
  const auto refused = [&](std::string_view legs) {
    return post("/api/analyze/XSP", fmt::format(R"({{"legs":[{}]}})", legs)).status;
  };
  EXPECT_EQ(refused(R"({"kind":"put","quantity":1,"expiry":"2026-04-02","strike":90})"), 200);
  EXPECT_EQ(refused(R"({"kind":"put","quantity":0,"expiry":"2026-04-02","strike":90})"), 400);
  EXPECT_EQ(refused(R"({"kind":"put","quantity":1,"strike":90})"), 400);
  EXPECT_EQ(refused(R"({"kind":"call","quantity":2000000000,"expiry":"2026-04-02","strike":106})"),
            422);
  // An index has no shares, whatever else is held.
  EXPECT_EQ(refused(R"({"kind":"stock","quantity":100},
                       {"kind":"call","quantity":-1,"expiry":"2026-04-02","strike":106})"),
            400);
  EXPECT_EQ(refused(R"({"kind":"put","quantity":1,"expiry":"2026-05-15","strike":90})"), 404);
  EXPECT_EQ(refused(R"({"kind":"put","quantity":1,"expiry":"2026-04-02","strike":91})"), 404);
  // Listed, but nobody bids: which legs it is of, and what to do.
  const auto unpriced =
      post("/api/analyze/XSP",
           R"({"legs":[{"kind":"put","quantity":1,"expiry":"2026-04-02","strike":90},
                       {"kind":"put","quantity":-1,"expiry":"2026-04-02","strike":70},
                       {"kind":"call","quantity":-1,"expiry":"2026-04-02","strike":130}]})");
  EXPECT_EQ(unpriced.status, 422) << unpriced.body;
  EXPECT_NE(unpriced.body.find("body/legs/1/entry_price"), std::string::npos) << unpriced.body;
  EXPECT_NE(unpriced.body.find("body/legs/2/entry_price"), std::string::npos) << unpriced.body;
  EXPECT_EQ(unpriced.body.find("body/legs/0"), std::string::npos) << unpriced.body;
  // Not listed, but held at a price: it is valued by the smile.
  EXPECT_EQ(
      refused(R"({"kind":"put","quantity":1,"expiry":"2026-04-02","strike":91,"entry_price":0.5})"),
      200);
  EXPECT_EQ(post("/api/analyze/NONE", fmt::format(R"({{"legs":{}}})", condor_legs)).status, 404);
  // Exits are told by one density of one expiry.
  EXPECT_EQ(post("/api/analyze/XSP",
                 R"({"profit_target":10,"loss_limit":10,"legs":[
                     {"kind":"call","quantity":-1,"expiry":"2026-04-02","strike":100},
                     {"kind":"call","quantity":1,"expiry":"2026-06-19","strike":100}]})")
                .status,
            400);
  const auto reply =
      post("/api/analyze/XSP",
           R"({"legs":[{"kind":"future","quantity":1},{"kind":"put","quantity":1,"strike":-5}],
          "fill_position":7,"mood":"good"})");
  EXPECT_EQ(reply.status, 422);
  for (const std::string path : {"legs/0/kind", "legs/1/strike", "fill_position", "mood"}) {
    EXPECT_NE(reply.body.find(path), std::string::npos) << path << " in " << reply.body;
  }
}

}  // namespace
}  // namespace bifrost::api
