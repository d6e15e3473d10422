// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/gateway.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "catalogue.hpp"
#include "gateway_client.hpp"
#include "session.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;

const auto noon = instant("2026-03-02T17:00:00Z");

class GatewayTest : public testing::Test {
 protected:
  void start(GatewayOptions options = {}) {
    options.port = 0;
    auto started = Gateway::start(market_, clock_, options);
    ASSERT_TRUE(started.has_value());
    gateway_ = std::move(*started);
  }

  GatewayClient client(int client_id = 1, int version = 178) {
    return GatewayClient::ready(gateway_->port(), client_id, version);
  }

  void move_to(core::Instant t) {
    clock_.set(t);
    gateway_->step();
  }

  /// What the gateway's market shows now, by a twin: the gateway's own is its alone.
  const Market& seen() {
    twin_.advance_to(clock_.now());
    return twin_;
  }

  int bfx() const { return underlying(twin_, "BFX").con_id; }

  /// A call near the money on the first weekly.
  ListedOption near_call() {
    const double spot = seen().underlying_state(bfx()).last->value();
    const ListedOption* best = nullptr;
    for (const auto& o : seen().options(bfx())) {
      if (o.contract.trading_class != "BFXW" || o.contract.right != core::Right::call) continue;
      if (!best || o.contract.expiry < best->contract.expiry ||
          (o.contract.expiry == best->contract.expiry &&
           std::abs(o.contract.strike.value() - spot) <
               std::abs(best->contract.strike.value() - spot))) {
        best = &o;
      }
    }
    return *best;
  }

  static wire::MarketDataRequest quote(int req_id, int con_id, std::string generics = {},
                                       bool snapshot = false) {
    wire::MarketDataRequest m;
    m.req_id = req_id;
    m.contract.con_id = con_id;
    m.contract.exchange = "SMART";
    m.generic_ticks = std::move(generics);
    m.snapshot = snapshot;
    return m;
  }

  static std::vector<std::string> until_model(GatewayClient& c) {
    std::vector<std::string> all;
    for (;;) {
      for (auto& payload : c.until(wire::Reply::option_computation)) all.push_back(payload);
      const auto last = c.only<wire::OptionComputation>({all.back()});
      if (last.empty() || last[0].tick_type == wire::tick::model_computation) return all;
    }
  }

  core::ManualClock clock_{noon};
  SyntheticMarket market_{7, date("2026-01-02"), only({"BFX", "ODIN"})};
  SyntheticMarket twin_{7, date("2026-01-02"), only({"BFX", "ODIN"})};
  std::unique_ptr<Gateway> gateway_;
};

// ---- handshake (tws-protocol 2.3)

TEST_F(GatewayTest, AgreesOnTheSmallerMaximum) {
  start({.max_version = 193});
  EXPECT_EQ(GatewayClient(gateway_->port()).hello({.min = 100, .max = 225}), 193);
  EXPECT_EQ(GatewayClient(gateway_->port()).hello({.min = 176, .max = 178}), 178);
  GatewayClient single(gateway_->port());
  single.send_bytes(std::string("API\0", 4) + wire::frame("v180"));
  EXPECT_EQ(wire::Fields{*single.next()}[0], "180");
}

TEST_F(GatewayTest, ClosesOnAClientItCannotServe) {
  start({.min_version = 176});
  EXPECT_EQ(GatewayClient(gateway_->port()).hello({.min = 213, .max = 225}), 0);
  EXPECT_EQ(GatewayClient(gateway_->port()).hello({.min = 100, .max = 170}), 0);
}

TEST_F(GatewayTest, GreetsWithAccountsThenIdThenNotices) {
  start();
  GatewayClient c(gateway_->port());
  ASSERT_EQ(c.hello({.min = 176, .max = 178}), 178);
  c.send(wire::StartApi{.client_id = 3, .capabilities = {}});
  EXPECT_EQ(GatewayClient::printable(*c.next()), "15|1|SIM1000001|");
  EXPECT_EQ(GatewayClient::printable(*c.next()), "9|1|1|");
  const auto notice = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(notice.code, 2104);
  EXPECT_EQ(notice.req_id, std::nullopt);
}

TEST_F(GatewayTest, GarbageClosesOnlyItsOwnSocket) {
  start();
  auto good = client();
  GatewayClient http(gateway_->port());
  http.send_bytes("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(http.closed_by_gateway());
  GatewayClient huge(gateway_->port());
  huge.send_bytes(std::string("API\0\x7f\xff\xff\xff", 8));
  EXPECT_TRUE(huge.closed_by_gateway());
  good.send(wire::CurrentTimeRequest{});
  EXPECT_EQ(core::Instant{std::chrono::seconds{good.expect<wire::CurrentTime>().epoch_seconds}},
            noon);
}

TEST_F(GatewayTest, AClientThatNeverStartsIsClosed) {
  start({.start_wait = 50ms});
  GatewayClient silent(gateway_->port());
  EXPECT_TRUE(silent.closed_by_gateway());
  GatewayClient halfway(gateway_->port());
  EXPECT_EQ(halfway.hello({.min = 176, .max = 178}), 178);
  EXPECT_TRUE(halfway.closed_by_gateway());
}

TEST_F(GatewayTest, AClientIdServesOneSessionAtATime) {
  start();
  auto first = std::make_unique<GatewayClient>(client(5));
  GatewayClient second(gateway_->port());
  second.hello({.min = 176, .max = 178});
  second.send(wire::StartApi{.client_id = 5, .capabilities = {}});
  const auto refusal = second.expect<wire::ErrorMessage>();
  EXPECT_EQ(refusal.code, 326);
  EXPECT_EQ(refusal.req_id, std::nullopt);
  EXPECT_TRUE(second.closed_by_gateway());
  first->send(wire::CurrentTimeRequest{});
  first->expect<wire::CurrentTime>();
}

TEST_F(GatewayTest, FramesMayArriveByteByByte) {
  start();
  GatewayClient c(gateway_->port());
  for (const char byte : wire::encode_hello({.min = 176, .max = 178})) {
    c.send_bytes({&byte, 1});
  }
  EXPECT_EQ(wire::Fields{*c.next()}[0], "178");
}

// ---- catalogue

TEST_F(GatewayTest, DescribesAnUnderlyingAndItsOptions) {
  start();
  auto c = client();
  wire::ContractDataRequest r;
  r.req_id = 1;
  r.contract.symbol = "BFX";
  r.contract.sec_type = "IND";
  c.send(r);
  const auto index = c.expect<wire::ContractData>();
  EXPECT_EQ(index.contract.con_id, bfx());
  EXPECT_EQ(index.contract.exchange, "CBOE");
  c.expect<wire::ContractDataEnd>();

  const auto wanted = near_call();
  r.contract.sec_type = "OPT";
  r.contract.trading_class = "BFXW";
  r.contract.last_trade_date = core::to_compact_date(wanted.last_trade_date);
  c.send(r);
  const auto chain = c.only<wire::ContractData>(c.until(wire::Reply::contract_data_end));
  std::size_t expected = 0;
  for (const auto& o : seen().options(bfx())) {
    expected += o.contract.trading_class == "BFXW" && o.contract.expiry == wanted.contract.expiry;
  }
  EXPECT_EQ(chain.size(), expected);

  r.contract.strike = wanted.contract.strike.value();
  r.contract.right = core::Right::call;
  c.send(r);
  const auto one = c.only<wire::ContractData>(c.until(wire::Reply::contract_data_end));
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].contract.con_id, wanted.con_id);
  EXPECT_EQ(one[0].under_con_id, bfx());
  EXPECT_EQ(one[0].real_expiration_date, core::to_compact_date(wanted.contract.expiry));

  r.contract = {};
  r.contract.con_id = wanted.con_id;
  c.send(r);
  EXPECT_EQ(c.expect<wire::ContractData>().contract.local_symbol, local_symbol(wanted.contract));
  c.expect<wire::ContractDataEnd>();
}

TEST_F(GatewayTest, AMonthNamesEveryExpiryInIt) {
  start();
  auto c = client();
  wire::ContractDataRequest r;
  r.req_id = 1;
  r.contract.symbol = "ODIN";
  r.contract.sec_type = "OPT";
  r.contract.last_trade_date = "202603";
  c.send(r);
  std::set<std::string> dates;
  for (const auto& d : c.only<wire::ContractData>(c.until(wire::Reply::contract_data_end))) {
    dates.insert(d.contract.last_trade_date);
  }
  EXPECT_THAT(dates, testing::ElementsAre("20260306", "20260313", "20260320", "20260327"));
}

TEST_F(GatewayTest, AContractThatDoesNotExistIsRefusedWithoutAnEnd) {
  start();
  auto c = client();
  wire::ContractDataRequest r;
  r.req_id = 77;
  r.contract.symbol = "NONE";
  r.contract.sec_type = "STK";
  c.send(r);
  const auto refusal = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(refusal.code, 200);
  EXPECT_EQ(refusal.req_id, 77);
  c.send(wire::CurrentTimeRequest{});
  c.expect<wire::CurrentTime>();
}

TEST_F(GatewayTest, OptionParametersCoverEveryListedContract) {
  start();
  auto c = client();
  c.send(wire::OptionParametersRequest{.req_id = 4,
                                       .underlying_symbol = "BFX",
                                       .fut_fop_exchange = {},
                                       .underlying_sec_type = "IND",
                                       .underlying_con_id = bfx()});
  const auto all = c.only<wire::OptionParameters>(c.until(wire::Reply::option_parameters_end));
  for (const auto& option : seen().options(bfx())) {
    const auto fits = [&](const wire::OptionParameters& p) {
      return p.exchange == "SMART" && p.trading_class == option.contract.trading_class &&
             std::ranges::count(p.expirations, core::to_compact_date(option.last_trade_date)) ==
                 1 &&
             std::ranges::count(p.strikes, option.contract.strike.value()) == 1;
    };
    EXPECT_TRUE(std::ranges::any_of(all, fits)) << core::describe(option.contract);
  }
}

// ---- market data

TEST_F(GatewayTest, TheFirstBurstBeginsWithTheDataTypeAndEndsWithTheModel) {
  start();
  auto c = client();
  const auto option = near_call();
  const auto state = seen().option_state(option.con_id);
  c.send(quote(9, option.con_id, "100,101,106"));
  EXPECT_EQ(c.expect<wire::MarketDataType>().type, 1);
  EXPECT_EQ(c.expect<wire::TickRequestParameters>().min_tick, 0.01);
  const auto burst = until_model(c);

  const auto prices = c.only<wire::TickPrice>(burst);
  ASSERT_GE(prices.size(), 2U);
  EXPECT_EQ(prices[0].tick_type, wire::tick::bid);
  EXPECT_EQ(prices[0].price, state.quote.bid->value());
  EXPECT_EQ(prices[0].size, static_cast<double>(*state.quote.bid_size));
  EXPECT_EQ(prices[1].tick_type, wire::tick::ask);
  EXPECT_EQ(prices[1].price, state.quote.ask->value());
  std::map<int, double> sizes;
  for (const auto& s : c.only<wire::TickSize>(burst)) sizes[s.tick_type] = *s.size;
  EXPECT_EQ(sizes.at(wire::tick::bid_size), static_cast<double>(*state.quote.bid_size));
  EXPECT_EQ(sizes.at(wire::tick::volume), static_cast<double>(*state.quote.volume));
  EXPECT_EQ(sizes.at(wire::tick::call_open_interest),
            static_cast<double>(*state.quote.open_interest));
  EXPECT_FALSE(sizes.contains(wire::tick::put_open_interest));

  const auto computations = c.only<wire::OptionComputation>(burst);
  ASSERT_EQ(computations.size(), 3U);
  EXPECT_EQ(computations[0].tick_type, wire::tick::bid_computation);
  EXPECT_EQ(computations[1].tick_type, wire::tick::ask_computation);
  EXPECT_LT(*computations[0].implied_vol, *computations[1].implied_vol);
  const auto& model = computations[2];
  EXPECT_DOUBLE_EQ(*model.implied_vol, *state.quote.implied_vol);
  EXPECT_DOUBLE_EQ(*model.vega * 100, *state.quote.vega) << "the wire's vega is per point";
  EXPECT_DOUBLE_EQ(*model.theta, *state.quote.theta);
  EXPECT_DOUBLE_EQ(*model.underlying_price, seen().underlying_state(bfx()).last->value());
}

TEST_F(GatewayTest, OpenInterestComesOnlyWhenAskedFor) {
  start();
  auto c = client();
  c.send(quote(9, near_call().con_id));
  for (const auto& s : c.only<wire::TickSize>(until_model(c))) {
    EXPECT_NE(s.tick_type, wire::tick::call_open_interest);
  }
}

TEST_F(GatewayTest, LaterOnlyWhatChangedIsSent) {
  start();
  auto c = client();
  const auto option = near_call();
  c.send(quote(9, option.con_id));
  until_model(c);
  // Nothing moves within five seconds of simulated time.
  move_to(noon + 4s);
  c.send(wire::CurrentTimeRequest{});
  EXPECT_EQ(core::Instant{std::chrono::seconds{c.expect<wire::CurrentTime>().epoch_seconds}},
            noon + 4s);

  const auto before = seen().option_state(option.con_id).quote;
  move_to(noon + 10min);
  const auto update = until_model(c);
  const auto after = seen().option_state(option.con_id).quote;
  std::map<int, double> prices;
  for (const auto& p : c.only<wire::TickPrice>(update)) prices[p.tick_type] = *p.price;
  ASSERT_NE(before.ask, after.ask) << "a seed at which nothing moved tests nothing";
  EXPECT_EQ(prices.at(wire::tick::ask), after.ask->value());
  EXPECT_EQ(prices.contains(wire::tick::bid), before.bid != after.bid);
  EXPECT_TRUE(c.only<wire::MarketDataType>(update).empty());
}

TEST_F(GatewayTest, AnIndexHasALastPriceAndNoBidOrAsk) {
  start();
  auto c = client();
  const auto last = seen().underlying_state(bfx()).last->value();
  c.send(quote(9, bfx()));
  c.send(wire::CurrentTimeRequest{});
  std::map<int, double> prices;
  for (const auto& p : c.only<wire::TickPrice>(c.until(wire::Reply::current_time))) {
    prices[p.tick_type] = *p.price;
  }
  EXPECT_EQ(prices.at(wire::tick::last), last);
  EXPECT_TRUE(prices.contains(wire::tick::close));
  EXPECT_FALSE(prices.contains(wire::tick::bid));
}

TEST_F(GatewayTest, ASnapshotEndsAfterItsSimulatedWaitAndFreesItsLine) {
  start({.max_lines = 1});
  auto c = client();
  const auto id = near_call().con_id;
  c.send(quote(9, id, "", true));
  until_model(c);
  c.send(quote(10, id));
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 101);
  move_to(noon + 11s);
  EXPECT_EQ(c.only<wire::TickSnapshotEnd>(c.until(wire::Reply::tick_snapshot_end))[0].req_id, 9);
  c.send(quote(10, id));
  EXPECT_EQ(c.expect<wire::MarketDataType>().req_id, 10);
}

TEST_F(GatewayTest, LinesAreLimitedOverAllClientsAndFreedByCancelAndGoodbye) {
  start({.max_lines = 2, .max_messages_per_second = 0});
  auto first = std::make_unique<GatewayClient>(client(1));
  auto second = client(2);
  const auto id = near_call().con_id;
  first->send(quote(1, id));
  until_model(*first);
  first->send(quote(2, id));
  until_model(*first);
  second.send(quote(1, id));
  const auto refusal = second.expect<wire::ErrorMessage>();
  EXPECT_EQ(refusal.code, 101);
  EXPECT_EQ(refusal.req_id, 1);
  first->send(wire::CancelMarketData{.req_id = 1});
  first->send(wire::CurrentTimeRequest{});
  first->until(wire::Reply::current_time);
  second.send(quote(2, id));
  until_model(second);
  first.reset();
  // The gateway learns of the end in its own time.
  for (int attempt = 3;; ++attempt) {
    second.send(quote(attempt, id));
    const auto answer = *second.next();
    if (wire::Fields{answer}.id() == static_cast<int>(wire::Reply::market_data_type)) break;
    ASSERT_EQ(second.only<wire::ErrorMessage>({answer})[0].code, 101);
    ASSERT_LT(attempt, 100'000);
    std::this_thread::yield();
  }
}

TEST_F(GatewayTest, RefusesDuplicateIdsGenericSnapshotsAndUnknownCancels) {
  start();
  auto c = client();
  const auto id = near_call().con_id;
  c.send(quote(9, id));
  until_model(c);
  c.send(quote(9, id));
  auto e = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(e.code, 322);
  EXPECT_THAT(e.text, testing::HasSubstr("Duplicate ticker id"));
  c.send(quote(10, id, "101", true));
  e = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(e.code, 321);
  EXPECT_THAT(e.text, testing::HasSubstr("414"));
  c.send(wire::CancelMarketData{.req_id = 11});
  e = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(e.code, 300);
  EXPECT_EQ(e.req_id, 11);
}

TEST_F(GatewayTest, AnAmbiguousContractGetsNoQuotes) {
  start();
  auto c = client();
  auto r = quote(9, 0);
  r.contract.symbol = "BFX";
  r.contract.sec_type = "OPT";
  c.send(r);
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 200);
}

TEST_F(GatewayTest, ClosedMarketsAreFrozenForWhoAsksForFrozen) {
  clock_.set(instant("2026-03-03T02:00:00Z"));
  start();
  auto c = client();
  const auto id = near_call().con_id;
  c.send(quote(1, id));
  EXPECT_EQ(c.expect<wire::MarketDataType>().type, 1);
  until_model(c);
  c.send(wire::MarketDataTypeRequest{.type = 2});
  c.send(quote(2, id));
  EXPECT_EQ(c.expect<wire::MarketDataType>().type, 2);
}

// ---- limits of the session

TEST_F(GatewayTest, WarnsNearTheMessageRateAndRefusesBeyondIt) {
  start({.max_messages_per_second = 50});
  auto c = client();
  std::string flood;
  for (int i = 0; i < 51; ++i) flood += wire::encode(wire::CurrentTimeRequest{}, 178);
  c.send_bytes(flood);
  std::vector<std::string> got;
  for (int i = 0; i < 52; ++i) got.push_back(*c.next());
  const auto errors = c.only<wire::ErrorMessage>(got);
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[0].code, 0);
  EXPECT_EQ(errors[0].req_id, std::nullopt);
  EXPECT_EQ(errors[1].code, 100);
  EXPECT_EQ(c.only<wire::CurrentTime>(got).size(), 50U);
}

TEST(MessageRateTest, ForgetsWhatIsASecondOld) {
  MessageRate rate(50);
  const SteadyTime start{};
  for (int i = 0; i < 40; ++i) EXPECT_EQ(rate.count(start), MessageRate::Verdict::fine);
  EXPECT_EQ(rate.count(start + 999ms), MessageRate::Verdict::fine);
  for (int i = 0; i < 3; ++i)
    EXPECT_NE(rate.count(start + 999ms), MessageRate::Verdict::over_limit);
  EXPECT_EQ(rate.count(start + 1s), MessageRate::Verdict::fine);
  MessageRate off(0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(off.count(start), MessageRate::Verdict::fine);
}

TEST_F(GatewayTest, FloodingOnAndOnEndsTheConnection) {
  GatewayOptions options{.max_messages_per_second = 50};
  Floor floor(market_, clock_, options, {}, {});
  Session session(floor);
  ASSERT_TRUE(session.receive(wire::encode_hello({.min = 176, .max = 178})));
  ASSERT_TRUE(
      session.receive(wire::encode(wire::StartApi{.client_id = 1, .capabilities = {}}, 178)));
  std::string flood;
  for (int i = 0; i < 60; ++i) flood += wire::encode(wire::CurrentTimeRequest{}, 178);
  int seconds = 0;
  while (session.receive(flood)) {
    ASSERT_LT(++seconds, 20);
    floor.now.real += 1s;
  }
  EXPECT_GT(seconds, 1) << "one breach alone is forgiven";
}

TEST_F(GatewayTest, OrdersAreRefusedReadOnly) {
  start();
  auto c = client();
  c.send_bytes(
      wire::frame(std::string("3\0"
                              "13\0"
                              "0\0SPY\0",
                              11)));
  const auto e = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(e.code, 321);
  EXPECT_EQ(e.req_id, 13);
  EXPECT_THAT(e.text, testing::HasSubstr("Read-Only"));
}

TEST_F(GatewayTest, AMalformedRequestIsAnsweredAndTheSessionGoesOn) {
  start();
  auto c = client();
  c.send_bytes(
      wire::frame(std::string("1\0"
                              "11\0"
                              "x\0",
                              7)));
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 320);
  c.send(wire::CurrentTimeRequest{});
  c.expect<wire::CurrentTime>();
}

// ---- time, history, account

TEST_F(GatewayTest, ItsTimeIsTheSimulatedTime) {
  start();
  auto c = client(1, 200);
  move_to(instant("2026-03-02T17:00:01.25Z"));
  c.send(wire::CurrentTimeRequest{});
  EXPECT_EQ(c.expect<wire::CurrentTime>().epoch_seconds, 1772470801);
  c.send(wire::CurrentTimeMillisRequest{});
  EXPECT_EQ(c.expect<wire::CurrentTimeMillis>().epoch_millis, 1772470801250);
}

TEST_F(GatewayTest, HistoryIsTheMarketsOwnPast) {
  start();
  for (const int version : {178, 200}) {
    auto c = client(version, version);
    wire::HistoricalDataRequest r;
    r.req_id = 1;
    r.contract.con_id = bfx();
    r.bar_size = "1 day";
    r.duration = "5 D";
    r.what_to_show = "TRADES";
    c.send(r);
    const auto data = c.expect<wire::HistoricalData>();
    ASSERT_EQ(data.bars.size(), 5U);
    EXPECT_EQ(data.bars.back().date, "20260302");
    EXPECT_EQ(data.bars.front().date, "20260224");
    EXPECT_EQ(data.bars.back().close, seen().underlying_state(bfx()).last->value());
    if (version >= 196) c.expect<wire::HistoricalDataEnd>();
    r.what_to_show = "OPTION_IMPLIED_VOLATILITY";
    r.end = "20260227-21:00:00";
    c.send(r);
    const auto vols = c.expect<wire::HistoricalData>();
    ASSERT_EQ(vols.bars.size(), 5U);
    EXPECT_EQ(vols.bars.back().date, "20260227");
    EXPECT_GT(*vols.bars.back().close, 0.03);
    if (version >= 196) c.expect<wire::HistoricalDataEnd>();
    r.bar_size = "5 mins";
    c.send(r);
    EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 321);
    r.bar_size = "1 day";
    r.contract.con_id = near_call().con_id;
    c.send(r);
    EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 162);
  }
}

TEST_F(GatewayTest, EveryListEndsWithItsEndMarker) {
  start({.account_file = "cash 1000000"});
  auto c = client();
  c.send(wire::PositionsRequest{});
  c.expect<wire::PositionEnd>();
  c.send(wire::OpenOrdersRequest{});
  c.expect<wire::OpenOrderEnd>();
  c.send(wire::AllOpenOrdersRequest{});
  c.expect<wire::OpenOrderEnd>();
  c.send(wire::CompletedOrdersRequest{});
  c.expect<wire::CompletedOrdersEnd>();
  c.send(wire::ExecutionsRequest{.req_id = 3});
  EXPECT_EQ(c.expect<wire::ExecutionDataEnd>().req_id, 3);
  c.send(wire::AccountUpdatesRequest{.subscribe = true, .account = "SIM1000001"});
  const auto updates = c.until(wire::Reply::account_download_end);
  EXPECT_FALSE(c.only<wire::AccountValue>(updates).empty());
  c.send(wire::AccountUpdatesMultiRequest{.req_id = 4, .account = {}, .model = {}});
  c.until(wire::Reply::account_update_multi_end);
  c.send(wire::PositionsMultiRequest{.req_id = 5, .account = {}, .model = {}});
  c.expect<wire::PositionMultiEnd>();
}

TEST_F(GatewayTest, ServesTwoAccountSummariesAndNoThird) {
  start();
  auto c = client();
  for (const int id : {1, 2}) {
    c.send(wire::AccountSummaryRequest{.req_id = id, .group = "All", .tags = "NetLiquidation"});
    EXPECT_EQ(c.expect<wire::AccountSummary>().account, "SIM1000001");
    EXPECT_EQ(c.expect<wire::AccountSummaryEnd>().req_id, id);
  }
  c.send(wire::AccountSummaryRequest{.req_id = 3, .group = "All", .tags = "NetLiquidation"});
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 322);
  c.send(wire::CancelAccountSummary{.req_id = 1});
  c.send(wire::AccountSummaryRequest{.req_id = 3, .group = "All", .tags = "NetLiquidation"});
  c.expect<wire::AccountSummary>();
}

TEST_F(GatewayTest, CalculatorsAgreeWithEachOther) {
  start();
  auto c = client();
  const auto option = near_call();
  wire::OptionPriceRequest price;
  price.req_id = 1;
  price.contract.con_id = option.con_id;
  price.volatility = 0.25;
  price.underlying_price = 5300;
  c.send(price);
  const auto priced = c.expect<wire::OptionComputation>();
  EXPECT_EQ(priced.tick_type, wire::tick::custom_computation);
  wire::ImpliedVolRequest vol;
  vol.req_id = 2;
  vol.contract.con_id = option.con_id;
  vol.option_price = priced.option_price;
  vol.underlying_price = 5300;
  c.send(vol);
  EXPECT_NEAR(*c.expect<wire::OptionComputation>().implied_vol, 0.25, 1e-9);
}

// ---- determinism

TEST_F(GatewayTest, TheSameSeedAndRequestsGiveTheSameBytes) {
  const auto converse = [](std::uint64_t seed) {
    core::ManualClock clock{noon};
    SyntheticMarket market(seed, date("2026-01-02"), default_universe());
    auto gateway = *Gateway::start(market, clock, {.port = 0});
    auto c = GatewayClient::ready(gateway->port(), 1, 200);
    wire::ContractDataRequest chain;
    chain.req_id = 1;
    chain.contract.symbol = "VALK";
    chain.contract.sec_type = "OPT";
    chain.contract.last_trade_date = "20260320";
    c.send(chain);
    const auto contracts = c.only<wire::ContractData>(c.until(wire::Reply::contract_data_end));
    int id = 10;
    for (const auto& d : contracts) {
      if (id == 20) break;
      c.send(quote(id++, static_cast<int>(d.contract.con_id), "100,101,106"));
      until_model(c);
    }
    for (const auto wait : {5s, 65s, 86'400s}) {
      clock.set(noon + wait);
      gateway->step();
      c.send(wire::CurrentTimeRequest{});
      c.until(wire::Reply::current_time);
    }
    return c.received();
  };
  const auto once = converse(42);
  EXPECT_GT(once.size(), 10'000U);
  EXPECT_EQ(once, converse(42));
  EXPECT_NE(once, converse(43));
}

// ---- life

TEST_F(GatewayTest, ABusyPortIsAConflict) {
  start();
  const auto again = Gateway::start(market_, clock_, {.port = gateway_->port()});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, core::Errc::conflict);
}

TEST_F(GatewayTest, ServesNoMoreThanSixtyFourClientsAtOnce) {
  start();
  std::vector<GatewayClient> served;
  for (int id = 1; id <= 64; ++id) served.push_back(client(id));
  EXPECT_TRUE(GatewayClient(gateway_->port()).closed_by_gateway());
  served[0].send(wire::CurrentTimeRequest{});
  served[0].expect<wire::CurrentTime>();

  // A place is free again once the gateway has seen its client go.
  served.pop_back();
  const auto deadline = GatewayClient::soon();
  int version = 0;
  while (version == 0 && std::chrono::steady_clock::now() < deadline) {
    version = GatewayClient(gateway_->port()).hello({.min = 163, .max = 178});
  }
  EXPECT_EQ(version, 178);
}

TEST_F(GatewayTest, GoesOnAcceptingAfterTheSystemRefusedAConnection) {
  start();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = dup(0);
  ASSERT_GE(lowest_free, 0);
  close(lowest_free);
  // Room for the client's socket and none for the gateway's.
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(lowest_free) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  GatewayClient waiting(gateway_->port());
  EXPECT_TRUE(waiting.hears_nothing_for(50ms));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(waiting.hello({.min = 163, .max = 178}), 178);
}

TEST_F(GatewayTest, StoppingClosesEveryClient) {
  start();
  auto c = client();
  c.send(quote(1, near_call().con_id));
  until_model(c);
  gateway_->stop();
  EXPECT_TRUE(c.closed_by_gateway());
  gateway_->stop();
}

TEST_F(GatewayTest, VersionsOutsideTheTextEraAreRefused) {
  EXPECT_EQ(Gateway::start(market_, clock_, {.port = 0, .max_version = 201}).error().code,
            core::Errc::invalid_input);
  EXPECT_EQ(Gateway::start(market_, clock_, {.port = 0, .min_version = 180, .max_version = 170})
                .error()
                .code,
            core::Errc::invalid_input);
}

}  // namespace
}  // namespace bifrost::sim
