// SPDX-License-Identifier: Apache-2.0
// The API over real HTTP, on a real database, with and without history; the gateway is away
// throughout.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>

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

/// The same smile on thirty-one strikes two cents wide, with sizes and open interest: enough to
/// search and to fit.
core::ChainSnapshot dense_chain(Instant as_of) {
  core::ChainSnapshot snapshot;
  snapshot.underlying = "XSP";
  snapshot.as_of = as_of;
  snapshot.source = Source::simulated;
  snapshot.underlying_price = Price::from_double(forward);
  for (const Date expiry : {april, june}) {
    for (int strike = 70; strike <= 130; strike += 2) {
      for (const Right right : {Right::call, Right::put}) {
        const core::OptionContract contract{"XSP", "XSP", expiry,
                                            Price::from_units(strike * 10'000), right};
        const double years = core::years_act365f(as_of, core::settlement_instant(contract));
        const double fair =
            analysis::black_scholes_price(right, {.forward = forward,
                                                  .strike = static_cast<double>(strike),
                                                  .years_to_expiry = years,
                                                  .discount_factor = 1.0,
                                                  .vol = vol});
        core::Quote quote;
        quote.bid = Price::from_double(std::max(0.0, std::round(fair * 100) / 100 - 0.01));
        quote.ask = *quote.bid + Price::from_units(200);
        quote.bid_size = quote.ask_size = 10;
        quote.open_interest = 100;
        quote.observed_at = as_of + 2s;
        snapshot.quotes.push_back({contract, quote});
      }
    }
  }
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
    store::CycleRecord dense;
    dense.snapshot = dense_chain(second);
    dense.expected = static_cast<std::int64_t>(dense.snapshot.quotes.size());
    dense.interval = 300s;
    must(history.append(dense, core::after(30s)));
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
    return ask(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target));
  }
  Reply post(std::string_view target, std::string_view json) {
    return ask(
        fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    target, json.size(), json));
  }
  Reply ask(const std::string& request) {
    auto connection = must(net::Connection::connect("127.0.0.1", server->port(), core::after(5s)));
    must_write(connection, request);
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
    return read<T>(target, get(target));
  }
  template <class T>
  T post_as(std::string_view target, std::string_view json) {
    return read<T>(target, post(target, json));
  }
  template <class T>
  static T read(std::string_view target, const Reply& reply) {
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

/// Of legs with expiry, strike and entry price alone, on shares of a hundred.
double profit_at_expiry(const std::vector<StrategyLeg>& legs, double spot) {
  double profit = 0.0;
  for (const auto& leg : legs) {
    const auto quantity = static_cast<double>(leg.quantity);
    if (leg.kind == LegKind::stock) {
      profit += quantity * (spot - leg.entry_price.value());
      continue;
    }
    const double inside =
        leg.kind == LegKind::call ? spot - leg.strike->value() : leg.strike->value() - spot;
    profit += 100.0 * quantity * (std::max(0.0, inside) - leg.entry_price.value());
  }
  return profit;
}

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
    EXPECT_EQ(found.candidates.size(), 1u);
    EXPECT_EQ(get_as<Found>(query + "&short_strikes=out_of_the_money").combinations, 0);
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
    const auto candidate = *must(find_in(chain, query)).why_not->candidate;
    PositionRequest request{};
    request.style = style;
    request.legs = {{LegKind::put, 1, april, {}, wing, {}},
                    {LegKind::put, -1, april, {}, Price::from_units(920'000), {}}};
    const auto position = must(core::Result<Position>{analyse_position(chain, request)});
    ASSERT_TRUE(candidate.delta);
    EXPECT_NEAR(*candidate.delta, position.delta, 1e-3 * std::abs(position.delta));
    EXPECT_NEAR(*candidate.gamma, position.gamma, 1e-3 * std::abs(position.gamma));
    EXPECT_NEAR(*candidate.theta, position.theta, 1e-3 * std::abs(position.theta));
    EXPECT_NEAR(*candidate.vega, position.vega, 1e-3 * std::abs(position.vega));
    EXPECT_EQ(candidate.legs[0].implied_vol, position.legs[0].implied_vol);
    EXPECT_NEAR(*candidate.legs[0].delta, *position.legs[0].delta, 1e-4);
    // The vol that the market was made of, and the greeks of the quotes as they were.
    EXPECT_NEAR(*candidate.legs[0].implied_vol, vol, 0.005);
    const auto before = *must(find_in(whole, query)).why_not->candidate;
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

TEST_F(Api, ListsEveryWrongFieldAtOnce) {
  const auto reply =
      get("/api/find/xsp?expiry=soon&strategy=Iron!&limit=0&min_pop=2&fill_position=3&density=magic"
          "&why_not=a&colour=red");
  EXPECT_EQ(reply.status, 422);
  for (const std::string path :
       {"path/symbol", "query/expiry", "query/strategy", "query/limit", "query/min_pop",
        "query/fill_position", "query/density", "query/why_not", "query/colour"}) {
    EXPECT_NE(reply.body.find(path), std::string::npos) << path << " in " << reply.body;
  }
  EXPECT_EQ(get("/api/chain/%27%3B%20DROP%20TABLE%20contracts%3B--?expiry=2026-04-02").status, 422);
  EXPECT_EQ(get("/api/nothing").status, 404);
}

TEST_F(Api, FitsEveryExpiryToTheVolatilityItWasMadeOf) {
  const auto fit = get_as<Fit>("/api/fit/XSP");
  EXPECT_EQ(fit.as_of, second);
  EXPECT_EQ(fit.style, ExerciseStyle::european);
  ASSERT_EQ(fit.expiries.size(), 2u);
  for (const auto& expiry : fit.expiries) {
    ASSERT_EQ(expiry.refusal, std::nullopt);
    EXPECT_NEAR(*expiry.forward, forward, 0.05);
    EXPECT_NEAR(*expiry.atm_implied_vol, vol, 0.002);
    ASSERT_TRUE(expiry.quality);
    EXPECT_TRUE(expiry.quality->butterfly_free);
    EXPECT_TRUE(expiry.quality->calendar_free);
    // Pennies and nothing else: every spread holds the smile's price.
    EXPECT_GT(expiry.quality->within_spread, 0.99);
    double mass = 0.0;
    double mean_over_forward = 0.0;
    for (const auto& component : expiry.parameters) {
      mass += component.weight;
      mean_over_forward += component.weight * std::exp(component.log_mean_over_forward);
    }
    EXPECT_NEAR(mass, 1.0, 1e-9);
    EXPECT_NEAR(mean_over_forward, 1.0, 1e-6) << "the forward is the mean";
    // The quantiles of the lognormal of 20 %, in closed form.
    const double width = vol * std::sqrt(expiry.years_to_expiry);
    for (const auto& quantile : expiry.quantiles) {
      const double z = quantile.p == 0.16   ? -0.994458
                       : quantile.p == 0.50 ? 0.0
                       : quantile.p == 0.84 ? 0.994458
                                            : std::nan("");
      if (std::isnan(z)) continue;
      EXPECT_NEAR(quantile.spot, forward * std::exp(-width * width / 2 + z * width), 0.15)
          << quantile.p;
    }
  }
  EXPECT_EQ(get("/api/fit/NONE").status, 404);
  EXPECT_EQ(get("/api/fit/XSP?rate=7").status, 422);
}

TEST_F(Api, TellsTheDensitiesOfAnExpiryBesideEachOther) {
  const auto densities = get_as<Densities>("/api/density/XSP?expiry=2026-04-02&points=161");
  EXPECT_EQ(densities.age_seconds, 90);
  ASSERT_EQ(densities.curves.size(), 2u);
  EXPECT_EQ(densities.curves[0].label.kind, "market_implied");
  EXPECT_EQ(densities.curves[1].label.kind, "lognormal");
  for (const auto& curve : densities.curves) {
    ASSERT_EQ(curve.points.size(), 161u);
    EXPECT_NEAR(curve.label.mean, forward, 0.05);
    double mass = 0.0;
    double mean = 0.0;
    for (std::size_t i = 0; i < curve.points.size(); ++i) {
      const auto& point = curve.points[i];
      const double step = curve.points[1].spot - curve.points[0].spot;
      mass += point.density * step;
      mean += point.density * step * point.spot;
      if (i > 0) {
        EXPECT_GE(point.cdf, curve.points[i - 1].cdf);
      }
    }
    EXPECT_NEAR(mass, 0.999, 0.002);
    EXPECT_NEAR(mean / mass, forward, 0.1);
  }
  // On a flat smile the two agree.
  for (std::size_t q = 0; q < densities.curves[0].quantiles.size(); ++q) {
    EXPECT_NEAR(densities.curves[0].quantiles[q].spot, densities.curves[1].quantiles[q].spot, 0.5);
  }
  // This service keeps no daily closes.
  ASSERT_EQ(densities.missing.size(), 1u);
  EXPECT_EQ(densities.missing[0].kind, "history");
  EXPECT_EQ(get("/api/density/SPX?expiry=2026-06-19").status, 400);
  EXPECT_EQ(get("/api/density/XSP?expiry=2026-05-15").status, 404);
  EXPECT_EQ(get("/api/density/XSP").status, 422);
}

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
  const auto naked = must(core::Result<Position>{analyse_position(chain, request)});
  EXPECT_EQ(naked.strategy, "short_put");
  EXPECT_EQ(returns_on(naked, "cash"), naked.returns.end());
  request.cash_secured = true;
  const auto secured = must(core::Result<Position>{analyse_position(chain, request)});
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

TEST_F(Api, AsksTheListingsWhetherAnUnderlyingIsAnIndex) {
  store::Listings listings{*database};
  const store::BrokerUnderlying share{true, 1, "STK", "SMART", "USD", "A share", {}};
  ASSERT_TRUE(listings.save_offer("SPX", share, april, second, {}, core::after(30s)));
  Service with_listings{history, *client, clock, 300s, core::hours_of, &listings};
  const auto underlyings = must(with_listings.underlyings()).underlyings;
  const auto item = [&](std::string_view symbol) {
    return *std::ranges::find(underlyings, symbol, &UnderlyingItem::symbol);
  };
  EXPECT_FALSE(item("SPX").is_index) << "the broker knows better than the table";
  EXPECT_TRUE(item("XSP").is_index) << "the broker was not asked";
  EXPECT_EQ(must(with_listings.fit({"SPX", {}, {}, {}})).style, ExerciseStyle::american);
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
