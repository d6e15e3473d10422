// SPDX-License-Identifier: Apache-2.0
// The API over real HTTP, on a real database, with and without history; the gateway is away
// throughout.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/api/routes.hpp"
#include "bifrost/api/service.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/net/connection.hpp"
#include "bifrost/net/json.hpp"
#include "bifrost/net/server.hpp"
#include "bifrost/store/maintenance.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "temporary_folder.hpp"

namespace bifrost::api {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

template <class T>
T must(core::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

const Instant first = core::parse_instant("2026-03-02T15:00:00Z").value();
const Instant second = first + 5min;
const Date april = core::parse_date("2026-04-02").value();
const Date june = core::parse_date("2026-06-19").value();
constexpr double vol = 0.2;
constexpr double forward = 100;

/// A chain whose every middle lies on one volatility, in pennies, ten cents wide.
core::ChainSnapshot flat_chain(Instant as_of, bool with_morning_class) {
  core::ChainSnapshot snapshot;
  snapshot.underlying = "SPX";
  snapshot.as_of = as_of;
  snapshot.source = Source::simulated;
  snapshot.underlying_price = Price::from_double(forward);
  const auto add = [&](const std::string& trading_class, Date expiry, int strike, Right right) {
    const core::OptionContract contract{"SPX", trading_class, expiry,
                                        Price::from_units(strike * 10'000), right};
    const double years = core::years_act365f(as_of, core::settlement_instant(contract));
    const double fair = analysis::black_scholes_price(right, {.forward = forward,
                                                              .strike = static_cast<double>(strike),
                                                              .years_to_expiry = years,
                                                              .discount_factor = 1.0,
                                                              .vol = vol});
    core::Quote quote;
    quote.bid = Price::from_double(std::max(0.0, std::round(fair * 100) / 100 - 0.05));
    quote.ask = *quote.bid + Price::from_units(1'000);
    quote.volume = 0;
    quote.observed_at = as_of + 2s;
    snapshot.quotes.push_back({contract, quote});
  };
  for (int strike = 80; strike <= 120; strike += 5) {
    for (const Right right : {Right::call, Right::put}) {
      add("SPXW", april, strike, right);
      if (with_morning_class) add("SPX", june, strike, right);
      if (with_morning_class) add("SPXW", june, strike, right);
    }
  }
  // Never quoted: a contract with nothing known but its existence.
  snapshot.quotes.push_back(
      {{"SPX", "SPXW", april, Price::from_units(1'300'000), Right::call}, {}});
  return snapshot;
}

class Api : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder.emplace();
    cluster = must(store::PrivateCluster::start(folder->path() / "db", core::after(60s),
                                                {.die_with_starter = true}));
    database = must(store::Database::open(cluster->url(), core::after(30s)));
    must(database->migrate(core::after(30s)));
    store::History history{*database};
    for (const Instant as_of : {first, second}) {
      store::CycleRecord record;
      record.snapshot = flat_chain(as_of, as_of == second);
      record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
      record.interval = 300s;
      if (as_of == second) {
        record.market_conditions = store::MarketConditions{.implied_vol_30d = 0.2,
                                                           .skew_25_delta = 0.03,
                                                           .put_volume = 0,
                                                           .iv_rank = 0.5,
                                                           .iv_percentile = 0.8,
                                                           .iv_rank_n = 252,
                                                           .iv_rank_source = "broker",
                                                           .iv_rank_of = 0.19,
                                                           .iv_rank_day = april};
        const auto& contract = record.snapshot.quotes[0].contract;
        record.changes = {
            {contract, store::ChangeKind::price_move, 1.5, 2.5, 1e-6, 1e-5},
            {contract, store::ChangeKind::spread, 0.1, 0.5, 0.3, 1e-5},
            {contract, store::ChangeKind::oi_confirmation, 10, 500, {}, {}, first, true}};
      }
      must(history.append(record, core::after(30s)));
    }
  }
  static void TearDownTestSuite() {
    database.reset();
    cluster.reset();
    folder.reset();
  }

  Api() {
    // Port 9 (discard) is where nobody listens.
    client = must(ib::Client::start({.port = 9}));
    service = std::make_unique<Service>(history, *client, clock, 300s);
    router = std::make_unique<net::Router>(make_router(service.get()));
    server = must(net::Server::start(
        {}, [this](const net::Request& request) { return router->handle(request); }));
  }

  struct Reply {
    int status = 0;
    std::string body;
  };
  Reply get(std::string_view target) {
    auto connection = must(net::Connection::connect("127.0.0.1", server->port(), core::after(5s)));
    must_write(connection,
               fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target));
    std::string all;
    std::array<char, 65536> chunk;
    for (;;) {
      const auto got = connection.read_some(chunk, core::after(20s));
      if (!got || *got == 0) break;
      all.append(chunk.data(), *got);
    }
    return {std::stoi(all.substr(9, 3)), all.substr(all.find("\r\n\r\n") + 4)};
  }
  static void must_write(net::Connection& connection, const std::string& text) {
    ASSERT_TRUE(connection.write_all(text, core::after(5s)));
  }
  template <class T>
  T get_as(std::string_view target) {
    const auto reply = get(target);
    EXPECT_EQ(reply.status, 200) << target << ": " << reply.body;
    auto parsed = net::parse_json<T>(reply.body);
    if (!parsed)
      throw std::runtime_error(
          fmt::format("{}: {}", parsed.error().front().path, parsed.error().front().message));
    return *parsed;
  }

  static inline std::optional<TemporaryFolder> folder;
  static inline std::optional<store::PrivateCluster> cluster;
  static inline std::optional<store::Database> database;
  store::History history{*database};
  core::ManualClock clock{second + 90s};
  std::unique_ptr<ib::Client> client;
  std::unique_ptr<Service> service;
  std::unique_ptr<net::Router> router;
  std::optional<net::Server> server;
};

const ChainRow& row_at(const Chain& chain, int strike) {
  for (const auto& row : chain.rows) {
    if (row.strike == Price::from_units(strike * 10'000)) return row;
  }
  throw std::runtime_error("no such strike");
}

UnderlyingHealth underlying(const Health& health, std::string_view symbol) {
  for (const auto& found : health.underlyings) {
    if (found.symbol == symbol) return found;
  }
  throw std::runtime_error("no such underlying");
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

TEST_F(Api, ListsUnderlyingsAndExpirations) {
  const auto underlyings = get_as<Underlyings>("/api/underlyings");
  const auto spx = std::ranges::find(underlyings.underlyings, "SPX", &UnderlyingItem::symbol);
  ASSERT_NE(spx, underlyings.underlyings.end());
  EXPECT_EQ(spx->as_of, second);
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
  auto other = must(store::Database::open(
      must(cluster->create_database("emptied", core::after(30s))), core::after(30s)));
  must(other.migrate(core::after(30s)));
  store::History kept{other};
  for (const Instant as_of : {first - 72h, second}) {
    store::CycleRecord record;
    record.snapshot = flat_chain(as_of, false);
    record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
    must(kept.append(record, core::after(30s)));
  }
  EXPECT_TRUE(
      must(store::maintain(other, second + 48h, {.retention_days = 1}, {}, {}, core::after(60s)))
          .ok());
  Service of_other(kept, *client, clock, 300s);
  HistoryQuery query{"SPX", "SPXW", april, Price::from_units(1'000'000), Right::call, {}, {}};
  const auto a_month = must(of_other.history(query));
  EXPECT_EQ(a_month.points.size(), 1u);
  EXPECT_EQ(a_month.emptied_before, std::chrono::floor<std::chrono::days>(second));
  EXPECT_EQ(must(of_other.changes({"SPX", {}, {}, first - 96h, {}, {}})).emptied_before,
            a_month.emptied_before);
  query.start = a_month.emptied_before;
  EXPECT_EQ(must(of_other.history(query)).emptied_before, std::nullopt);
}

TEST_F(Api, RanksCondorsWhoseNumbersFollowFromTheirLegs) {
  const auto found = get_as<Strategies>(
      "/api/strategies/SPX?expiry=2026-04-02&strategy=iron_condor&min_pop=0.5&limit=5");
  EXPECT_EQ(found.density.method, "lognormal_atm_forward");
  EXPECT_EQ(found.density.day_count, "ACT/365F");
  EXPECT_NEAR(found.density.implied_vol, vol, 0.002);
  EXPECT_NEAR(found.density.forward, forward, 0.05);
  EXPECT_EQ(found.strikes_left_out, 0);
  ASSERT_EQ(found.candidates.size(), 5u);
  for (const auto& candidate : found.candidates) {
    ASSERT_EQ(candidate.legs.size(), 4u);
    double credit = 0;
    for (const auto& leg : candidate.legs)
      credit -= static_cast<double>(leg.quantity) * leg.entry_price.value();
    EXPECT_NEAR(candidate.credit, credit, 1e-9);
    // One condor is 100 shares wide: its best outcome is the credit, its worst the wider wing less
    // the credit.
    EXPECT_NEAR(*candidate.max_profit, 100 * credit, 1e-6);
    const double wing =
        std::max(candidate.legs[1].strike->value() - candidate.legs[0].strike->value(),
                 candidate.legs[3].strike->value() - candidate.legs[2].strike->value());
    EXPECT_NEAR(*candidate.max_loss, 100 * (wing - credit), 1e-6);
    EXPECT_NEAR(candidate.return_on_risk, *candidate.max_profit / *candidate.max_loss, 1e-12);
    EXPECT_NEAR(*candidate.annualised_return, candidate.return_on_risk * 365 / 31, 1e-9);
    EXPECT_GE(candidate.pop, 0.5);
  }
  for (std::size_t i = 1; i < found.candidates.size(); ++i) {
    EXPECT_GE(found.candidates[i - 1].return_on_risk, found.candidates[i].return_on_risk);
  }
}

TEST_F(Api, MidNeverCostsMoreThanNatural) {
  const auto natural = get_as<Strategies>(
      "/api/strategies/SPX?expiry=2026-04-02&strategy=covered_call&min_pop=0&limit=50");
  const auto mid = get_as<Strategies>(
      "/api/strategies/SPX?expiry=2026-04-02&strategy=covered_call&min_pop=0&limit=50&fill=mid");
  ASSERT_FALSE(natural.candidates.empty());
  for (const auto& a : natural.candidates) {
    for (const auto& b : mid.candidates) {
      if (a.legs[1].strike == b.legs[1].strike) {
        EXPECT_GT(b.credit, a.credit);
      }
    }
  }
}

TEST_F(Api, ListsEveryWrongFieldAtOnce) {
  const auto reply =
      get("/api/strategies/spx?expiry=soon&strategy=martingale&limit=0&min_pop=2&colour=red");
  EXPECT_EQ(reply.status, 422);
  for (const std::string path : {"path/symbol", "query/expiry", "query/strategy", "query/limit",
                                 "query/min_pop", "query/colour"}) {
    EXPECT_NE(reply.body.find(path), std::string::npos) << path << " in " << reply.body;
  }
  EXPECT_EQ(get("/api/chain/%27%3B%20DROP%20TABLE%20contracts%3B--?expiry=2026-04-02").status, 422);
  EXPECT_EQ(get("/api/nothing").status, 404);
}

TEST_F(Api, HealthNamesEachDependencyAndTheAgeOfTheLastSnapshot) {
  const auto health = get_as<Health>("/api/health");
  EXPECT_EQ(health.status, "degraded");
  EXPECT_TRUE(health.market_open);
  EXPECT_EQ(health.now, second + 90s);
  std::map<std::string, bool> healthy;
  for (const auto& dependency : health.dependencies) healthy[dependency.name] = dependency.healthy;
  EXPECT_EQ(healthy, (std::map<std::string, bool>{
                         {"database", true}, {"gateway", false}, {"collector", true}}));
  const auto& spx = underlying(health, "SPX");
  EXPECT_EQ(spx.age_seconds, 90);
  EXPECT_FALSE(spx.stale);
}

TEST_F(Api, HealthCallsAnOldSnapshotStaleWhileTheMarketIsOpen) {
  clock.set(second + 11min);
  EXPECT_TRUE(underlying(get_as<Health>("/api/health"), "SPX").stale);
  clock.set(core::parse_instant("2026-03-02T23:00:00Z").value());  // after the close
  const auto health = get_as<Health>("/api/health");
  EXPECT_FALSE(health.market_open);
  EXPECT_FALSE(underlying(health, "SPX").stale);
}

TEST_F(Api, HealthKnowsThatIndexOptionsAreQuotedPastTheShares) {
  clock.set(core::parse_instant("2026-03-02T21:12:00Z").value());  // 16:12 New York
  const auto health = get_as<Health>("/api/health");
  EXPECT_TRUE(health.market_open);
  EXPECT_TRUE(underlying(health, "SPX").stale);
  clock.set(core::parse_instant("2026-03-02T21:16:00Z").value());
  EXPECT_FALSE(get_as<Health>("/api/health").market_open);
}

TEST_F(Api, HealthFindsNothingLateBeforeTheFirstCycleOfADay) {
  const auto next_open = core::session(core::parse_date("2026-03-03").value())->open;
  clock.set(next_open + 1min);
  EXPECT_FALSE(underlying(get_as<Health>("/api/health"), "SPX").stale);
  clock.set(next_open + 11min);
  const auto health = get_as<Health>("/api/health");
  EXPECT_TRUE(underlying(health, "SPX").stale);
  for (const auto& dependency : health.dependencies) {
    if (dependency.name == "collector") {
      EXPECT_FALSE(dependency.healthy);
    }
  }
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
  must(history.append(record, core::after(30s)));
  const auto chain = get_as<Chain>("/api/chain/ADJ?expiry=2026-04-02&from=history");
  ASSERT_EQ(chain.rows.size(), 1u);
  EXPECT_EQ(chain.rows[0].call->bid, Price::from_units(10'000));
  EXPECT_TRUE(chain.notice);
}

TEST_F(Api, DescribesItself) {
  const auto document = get("/openapi.json");
  EXPECT_EQ(document.status, 200);
  for (const std::string word :
       {"\"3.1", "/api/chain/{symbol}", "StrategyCandidate", "SnapshotEvent"}) {
    EXPECT_NE(document.body.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace bifrost::api
