// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "api_fixture.hpp"
#include "bifrost/store/maintenance.hpp"

namespace bifrost::api {
namespace {

using namespace testing;
using namespace std::chrono_literals;

const ChainRow& row_at(const Chain& chain, int strike) {
  for (const auto& row : chain.rows) {
    if (row.strike == Price::from_units(strike * 10'000)) return row;
  }
  throw std::runtime_error("no such strike");
}

TEST_F(Api, ServesAChainWithItsSourceAndAge) {
  const auto chain = get_as<Chain>("/api/chain/SPX?expiry=2026-04-02&from=history");
  EXPECT_EQ(chain.as_of, second);
  EXPECT_EQ(chain.age_seconds, 90);
  EXPECT_EQ(chain.source, Source::simulated);
  EXPECT_EQ(chain.served_from, ServedFrom::history);
  EXPECT_TRUE(chain.complete);
  EXPECT_EQ(chain.days_to_expiry, 31);
  ASSERT_EQ(chain.rows.size(), 10u);
  EXPECT_LT(chain.rows[0].strike, chain.rows[1].strike);
}

TEST_F(Api, LeavesTheUnknownBlankAndZeroZero) {
  const auto chain = get_as<Chain>("/api/chain/SPX?expiry=2026-04-02&from=history");
  const auto& unquoted = row_at(chain, 130);
  ASSERT_TRUE(unquoted.call);
  EXPECT_FALSE(unquoted.call->bid || unquoted.call->ask || unquoted.call->volume ||
               unquoted.call->implied_vol);
  EXPECT_FALSE(unquoted.put);
  EXPECT_EQ(row_at(chain, 100).call->volume, 0);
}

TEST_F(Api, ComputesGreeksWhereTheBrokerGaveNoneAndSaysSo) {
  const auto chain = get_as<Chain>("/api/chain/SPX?expiry=2026-04-02&from=history");
  const auto& at_the_money = row_at(chain, 100);
  EXPECT_EQ(at_the_money.call->greeks_from, GreeksFrom::computed);
  EXPECT_NEAR(*at_the_money.call->implied_vol, vol, 0.002);
  EXPECT_NEAR(*at_the_money.call->delta - *at_the_money.put->delta, 1.0, 0.01);
  EXPECT_FALSE(row_at(chain, 130).call->greeks_from);
}

TEST_F(Api, ServesMarketConditionsWithWhatTheyRestOn) {
  const auto c = get_as<MarketConditions>("/api/market-conditions/SPX");
  EXPECT_EQ(c.as_of, second);
  EXPECT_EQ(c.age_seconds, 90);
  EXPECT_EQ(c.source, Source::simulated);
  EXPECT_EQ(c.underlying_price, Price::from_double(forward));
  EXPECT_EQ(c.implied_vol_30d, 0.2);
  EXPECT_EQ(c.skew_25_delta, 0.03);
  EXPECT_EQ(c.iv_rank, 0.5);
  EXPECT_EQ(c.iv_rank_n, 252);
  EXPECT_EQ(c.iv_rank_source, "broker");
  EXPECT_EQ(c.iv_rank_of, 0.19);
  EXPECT_EQ(c.iv_rank_day, april);
  EXPECT_EQ(c.put_volume, 0);
  EXPECT_EQ(c.call_volume, std::nullopt);  // unknown, not zero
  // The snapshot before has none, and neither has an unknown symbol.
  EXPECT_EQ(get(fmt::format("/api/market-conditions/SPX?at={}", core::to_iso(first))).status, 404);
  EXPECT_EQ(get("/api/market-conditions/NONE").status, 404);
}

TEST_F(Api, ServesChangesNewestFirstAndAlertsAlone) {
  const auto all = get_as<Changes>("/api/changes/SPX");
  ASSERT_EQ(all.changes.size(), 3u);
  const auto alerts = get_as<Changes>("/api/changes/SPX?show=alerts");
  ASSERT_EQ(alerts.changes.size(), 1u);
  const auto& alert = alerts.changes[0];
  EXPECT_EQ(alert.kind, ChangeKind::price_move);
  EXPECT_TRUE(alert.alert);
  EXPECT_EQ(alert.score, 1e-6);
  EXPECT_EQ(alert.false_alarm_rate, 1e-5);
  EXPECT_EQ(alert.as_of, second);
  EXPECT_EQ(alert.trading_class, "SPXW");
  const auto answers = get_as<Changes>("/api/changes/SPX?kind=oi_confirmation");
  ASSERT_EQ(answers.changes.size(), 1u);
  EXPECT_EQ(answers.changes[0].refers_to, first);
  EXPECT_EQ(answers.changes[0].confirmed, true);
  EXPECT_EQ(answers.changes[0].score, std::nullopt);
  EXPECT_FALSE(answers.changes[0].alert);
  EXPECT_EQ(get_as<Changes>("/api/changes/SPX?limit=2").changes.size(), 2u);
  EXPECT_TRUE(
      get_as<Changes>(fmt::format("/api/changes/SPX?end={}", core::to_iso(first))).changes.empty());
  EXPECT_EQ(get("/api/changes/SPX?kind=rumour").status, 422);
  EXPECT_EQ(get("/api/changes/SPX?limit=0").status, 422);
}

TEST_F(Api, KnowsTheChainAsOfATime) {
  const auto chain = get_as<Chain>(
      fmt::format("/api/chain/SPX?expiry=2026-04-02&at={}", core::to_iso(second - 1s)));
  EXPECT_EQ(chain.as_of, first);
  EXPECT_EQ(chain.age_seconds, 390);
  EXPECT_EQ(get("/api/chain/SPX?expiry=2026-04-02&at=2026-03-01T00:00:00Z").status, 404);
  EXPECT_EQ(get("/api/chain/SPX?expiry=2026-04-02&at=2026-03-03T00:00:00Z&from=gateway").status,
            400);
}

TEST_F(Api, FallsBackToHistoryWithoutAGatewayAndSaysWhy) {
  const auto chain = get_as<Chain>("/api/chain/SPX?expiry=2026-04-02");
  EXPECT_EQ(chain.served_from, ServedFrom::history);
  ASSERT_TRUE(chain.notice);
  EXPECT_FALSE(chain.notice->empty());
  EXPECT_EQ(get("/api/chain/SPX?expiry=2026-04-02&from=gateway").status, 503);
}

TEST_F(Api, AsksForTheClassOnlyWhereADateListsTwo) {
  EXPECT_EQ(get("/api/chain/SPX?expiry=2026-06-19&from=history").status, 400);
  EXPECT_EQ(
      get_as<Chain>("/api/chain/SPX?expiry=2026-06-19&from=history&trading_class=SPX").rows.size(),
      9u);
  EXPECT_EQ(get("/api/chain/SPX?expiry=2026-06-19&from=history&trading_class=XSP").status, 404);
  EXPECT_EQ(get("/api/chain/SPX?expiry=2026-05-15&from=history").status, 404);
}

TEST_F(Api, NeverMixesAnAdjustedDeliverableIntoAChain) {
  core::ChainSnapshot snapshot;
  snapshot.underlying = "ADJ";
  snapshot.as_of = first;
  snapshot.source = Source::imported;
  for (const int multiplier : {100, 10}) {
    core::OptionContract contract{"ADJ",       "ADJ",     april, Price::from_units(500'000),
                                  Right::call, multiplier};
    core::Quote quote;
    quote.bid = Price::from_units(multiplier * 100);
    quote.ask = Price::from_units(multiplier * 100 + 1'000);
    snapshot.quotes.push_back({contract, quote});
  }
  store::CycleRecord record;
  record.snapshot = snapshot;
  record.expected = 2;
  ok(history.append(record, core::after(30s)));
  const auto chain = get_as<Chain>("/api/chain/ADJ?expiry=2026-04-02&from=history");
  ASSERT_EQ(chain.rows.size(), 1u);
  EXPECT_EQ(chain.rows[0].call->bid, Price::from_units(10'000));
  EXPECT_TRUE(chain.notice);
}

TEST_F(Api, ListsUnderlyingsAndExpirations) {
  const auto underlyings = get_as<Underlyings>("/api/underlyings");
  const auto spx = std::ranges::find(underlyings.underlyings, "SPX", &UnderlyingItem::symbol);
  ASSERT_NE(spx, underlyings.underlyings.end());
  EXPECT_EQ(spx->as_of, second);
  EXPECT_TRUE(spx->is_index);
  const auto expirations = get_as<Expirations>("/api/expirations/SPX");
  ASSERT_EQ(expirations.expirations.size(), 3u);
  EXPECT_EQ(expirations.expirations[0].days_to_expiry, 31);
  EXPECT_EQ(expirations.expirations[0].contracts, 19);
  EXPECT_EQ(expirations.expirations[1].trading_class, "SPX");
  EXPECT_EQ(get("/api/expirations/NONE").status, 404);
}

TEST_F(Api, GivesTheHistoryOfAContract) {
  const auto history_of = get_as<History>(
      "/api/history/SPX?trading_class=SPXW&expiry=2026-04-02&strike=100&right=call");
  ASSERT_EQ(history_of.points.size(), 2u);
  EXPECT_EQ(history_of.points[0].as_of, first);
  EXPECT_EQ(history_of.points[0].underlying_price, Price::from_double(forward));
  const auto empty = get_as<History>(
      "/api/history/SPX?trading_class=SPXW&expiry=2026-04-02&strike=101&right=call");
  EXPECT_TRUE(empty.points.empty());
}

TEST_F(Api, SaysOfARangeThatRetentionHasEmptiedIt) {
  auto other = ok(store::Database::open(ok(cluster->create_database("emptied", core::after(30s))),
                                        core::after(30s)));
  ok(other.migrate(core::after(30s)));
  store::History kept{other};
  for (const Instant as_of : {first - 72h, second}) {
    store::CycleRecord record;
    record.snapshot = flat_chain(as_of, false);
    record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
    ok(kept.append(record, core::after(30s)));
  }
  EXPECT_TRUE(
      ok(store::maintain(other, second + 48h, {.retention_days = 1}, {}, {}, core::after(60s)))
          .ok());
  Service of_other(kept, *client, clock, 300s);
  HistoryQuery query{"SPX", "SPXW", april, Price::from_units(1'000'000), Right::call, {}, {}};
  const auto a_month = ok(of_other.history(query));
  EXPECT_EQ(a_month.points.size(), 1u);
  EXPECT_EQ(a_month.emptied_before, std::chrono::floor<std::chrono::days>(second));
  EXPECT_EQ(ok(of_other.changes({"SPX", {}, {}, first - 96h, {}, {}})).emptied_before,
            a_month.emptied_before);
  query.start = a_month.emptied_before;
  EXPECT_EQ(ok(of_other.history(query)).emptied_before, std::nullopt);
}

}  // namespace
}  // namespace bifrost::api
