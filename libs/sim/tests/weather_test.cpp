// SPDX-License-Identifier: Apache-2.0
#include "weather.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "bifrost/sim/gateway.hpp"
#include "gateway_client.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;

const auto noon = instant("2026-03-02T17:00:00Z");

// Each test is one line of a script and what a client sees of it. Time stands still until a test
// moves it, so nothing here depends on how fast the machine is.
class WeatherScript : public testing::Test {
 protected:
  void start(std::string script, std::uint64_t seed = 1) {
    GatewayOptions options;
    options.port = 0;
    options.fault_script = std::move(script);
    options.fault_seed = seed;
    options.max_messages_per_second = 0;
    auto started = Gateway::start(market_, clock_, options);
    ASSERT_TRUE(started.has_value()) << started.error().message;
    gateway_ = std::move(*started);
  }

  GatewayClient client(int client_id = 1, int version = 178) {
    return GatewayClient::ready(gateway_->port(), client_id, version);
  }

  /// A client of a gateway whose greeting holds no 2158.
  GatewayClient started(int client_id = 1) {
    GatewayClient c(gateway_->port());
    c.hello({.min = 163, .max = 178});
    c.send(wire::StartApi{.client_id = client_id, .capabilities = {}});
    c.expect<wire::ManagedAccounts>();
    c.expect<wire::NextValidId>();
    return c;
  }

  void pass(std::chrono::seconds time) {
    clock_.set(clock_.now() + time);
    gateway_->step();
  }

  const Market& seen() {
    twin_.advance_to(clock_.now());
    return twin_;
  }
  const Underlying& odin() { return underlying(twin_, "ODIN"); }
  /// A call of ODIN that is quoted on both sides.
  ListedOption call() {
    for (const auto& o : seen().options(odin().con_id)) {
      const auto state = twin_.option_state(o.con_id);
      if (o.contract.right == core::Right::call && state.bid && state.ask && state.quote.bid) {
        return o;
      }
    }
    core::panic("no call is quoted");
  }

  static wire::MarketDataRequest quote(int req_id, int con_id, std::string generics = {}) {
    wire::MarketDataRequest m;
    m.req_id = req_id;
    m.contract.con_id = con_id;
    m.contract.exchange = "SMART";
    m.generic_ticks = std::move(generics);
    return m;
  }

  /// What comes until the gateway has answered a question for the time.
  static std::vector<std::string> until_time(GatewayClient& c) {
    c.send(wire::CurrentTimeRequest{});
    auto all = c.until(wire::Reply::current_time);
    if (!all.empty()) all.pop_back();
    return all;
  }
  static int code(GatewayClient& c) { return c.expect<wire::ErrorMessage>().code; }
  static std::vector<int> codes(const GatewayClient& c, const std::vector<std::string>& payloads) {
    std::vector<int> out;
    for (const auto& e : c.only<wire::ErrorMessage>(payloads)) out.push_back(e.code);
    return out;
  }
  static std::vector<int> ids(const std::vector<std::string>& payloads) {
    std::vector<int> out;
    for (const auto& p : payloads) out.push_back(wire::Fields{p}.id().value_or(-1));
    return out;
  }
  std::optional<wire::OptionComputation> model(const GatewayClient& c,
                                               const std::vector<std::string>& payloads,
                                               int type = wire::tick::model_computation) {
    std::optional<wire::OptionComputation> found;
    for (const auto& m : c.only<wire::OptionComputation>(payloads)) {
      if (m.tick_type == type) found = m;
    }
    return found;
  }
  std::optional<wire::TickPrice> price(const GatewayClient& c,
                                       const std::vector<std::string>& payloads, int type) {
    std::optional<wire::TickPrice> found;
    for (const auto& m : c.only<wire::TickPrice>(payloads)) {
      if (m.tick_type == type) found = m;
    }
    return found;
  }

  core::ManualClock clock_{noon};
  SyntheticMarket market_{7, date("2026-01-02"), only({"BFX", "ODIN"})};
  SyntheticMarket twin_{7, date("2026-01-02"), only({"BFX", "ODIN"})};
  std::unique_ptr<Gateway> gateway_;
};

// ---- connections

TEST_F(WeatherScript, AReplyCanBreakOffInTheMiddleOfItsFrame) {
  start("on reply current_time: reset 9");
  auto c = client();
  const auto before = c.received().size();
  c.send(wire::CurrentTimeRequest{});
  EXPECT_EQ(c.next(), std::nullopt);
  EXPECT_TRUE(c.was_reset());
  EXPECT_EQ(c.received().size() - before, 9U);
}

TEST_F(WeatherScript, AnEndOfFileCutsAnAnswerAndFreesTheClientId) {
  start("on request option_parameters: eof 100");
  {
    auto c = client(4);
    const auto before = c.received().size();
    c.send(wire::OptionParametersRequest{.req_id = 1,
                                         .underlying_symbol = "ODIN",
                                         .fut_fop_exchange = {},
                                         .underlying_sec_type = "STK",
                                         .underlying_con_id = odin().con_id});
    EXPECT_EQ(c.next(), std::nullopt);
    EXPECT_FALSE(c.was_reset());
    EXPECT_EQ(c.received().size() - before, 100U);
  }
  client(4);
}

TEST_F(WeatherScript, SoManyBytesArriveAndNotOneMore) {
  start("after 60 bytes: reset");
  GatewayClient c(gateway_->port());
  c.hello({.min = 163, .max = 178});
  c.send(wire::StartApi{.client_id = 1, .capabilities = {}});
  while (c.next()) {
  }
  EXPECT_EQ(c.received().size(), 60U);
}

TEST_F(WeatherScript, AConnectionThatIsAcceptedAndNeverAnswered) {
  start("on connect nth 1: stall");
  GatewayClient silent(gateway_->port());
  silent.send_bytes(wire::encode_hello({.min = 176, .max = 178}));
  auto second = client(2);
  EXPECT_TRUE(until_time(second).empty());
  EXPECT_TRUE(silent.hears_nothing_for(50ms));
}

TEST_F(WeatherScript, AStallThatEndsAnswersWhatCameMeanwhile) {
  start("on request ids: stall 30s");
  auto c = client();
  c.send(wire::IdsRequest{});
  c.expect<wire::NextValidId>();
  c.send(wire::CurrentTimeRequest{});
  EXPECT_TRUE(c.hears_nothing_for(50ms));
  pass(30s);
  c.expect<wire::CurrentTime>();
}

TEST_F(WeatherScript, ARestartEndsEveryoneAndRefusesForItsTime) {
  start("at 10s: restart 60s");
  auto one = client(1);
  auto two = client(2);
  pass(10s);
  EXPECT_TRUE(one.closed_by_gateway());
  EXPECT_TRUE(two.closed_by_gateway());
  const auto refused =
      net::Connection::connect("127.0.0.1", gateway_->port(), GatewayClient::soon());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, core::Errc::unavailable);
  pass(60s);
  EXPECT_TRUE(until_time(*std::make_unique<GatewayClient>(client(1))).empty());
}

TEST_F(WeatherScript, AWedgedGatewayAcceptsAndSaysNothing) {
  start("at 1s: wedge 20s");
  auto old = client(1);
  pass(1s);
  old.send(wire::CurrentTimeRequest{});
  GatewayClient fresh(gateway_->port());
  fresh.send_bytes(wire::encode_hello({.min = 176, .max = 178}));
  EXPECT_TRUE(old.hears_nothing_for(30ms));
  EXPECT_TRUE(fresh.hears_nothing_for(30ms));
  pass(20s);
  old.expect<wire::CurrentTime>();
  EXPECT_TRUE(fresh.next().has_value());
}

TEST_F(WeatherScript, ADroppedClientIdCanBeMadeUp) {
  start("on request start_api nth 1: error 326; eof");
  GatewayClient c(gateway_->port());
  c.hello({.min = 176, .max = 178});
  c.send(wire::StartApi{.client_id = 1, .capabilities = {}});
  const auto e = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(e.code, 326);
  EXPECT_EQ(e.req_id, std::nullopt);
  EXPECT_TRUE(c.closed_by_gateway());
  client(1);
}

TEST_F(WeatherScript, FramesSplitAtEveryByteAreTheSameFrames) {
  start("on connect: split");
  auto c = client();
  EXPECT_TRUE(until_time(c).empty());
}

// ---- requests

TEST_F(WeatherScript, RequestsCanBeIgnoredRefusedAdvisedAndAnsweredTwice) {
  start(
      "on request current_time nth 1: ignore\n"
      "on request historical_data: error 162 \"Historical data request pacing violation\"\n"
      "on request contract_data: advise 10090; duplicate\n"
      "on request user_info: readdress 4711\n");
  auto c = client();
  c.send(wire::CurrentTimeRequest{});
  wire::HistoricalDataRequest h;
  h.req_id = 9;
  c.send(h);
  const auto refused = c.expect<wire::ErrorMessage>();
  EXPECT_EQ(refused.code, 162);
  EXPECT_EQ(refused.req_id, 9);
  EXPECT_THAT(refused.text, testing::HasSubstr("pacing"));

  wire::ContractDataRequest m;
  m.req_id = 10;
  m.contract.con_id = odin().con_id;
  c.send(m);
  const auto twice = until_time(c);
  EXPECT_THAT(ids(twice), testing::ElementsAre(4, 10, 52, 4, 10, 52));

  c.send(wire::UserInfoRequest{.req_id = 11});
  EXPECT_EQ(c.expect<wire::UserInfo>().req_id, 4711);
}

TEST_F(WeatherScript, AnAnswerCanComeAfterItsRequestWasCancelled) {
  start("on request market_data: delay 10s");
  auto c = client();
  c.send(quote(5, call().con_id));
  EXPECT_TRUE(until_time(c).empty());
  c.send(wire::CancelMarketData{.req_id = 5});
  EXPECT_TRUE(until_time(c).empty());
  pass(10s);
  const auto late = until_time(c);
  ASSERT_FALSE(late.empty());
  EXPECT_EQ(ids(late).front(), static_cast<int>(wire::Reply::market_data_type));
  EXPECT_TRUE(model(c, late).has_value());
}

TEST_F(WeatherScript, ADelayedLineTellsNothingBeforeItsFirstAnswer) {
  start("on request market_data: delay 30s");
  auto c = client();
  c.send(quote(5, call().con_id));
  EXPECT_TRUE(until_time(c).empty());
  pass(10s);
  EXPECT_TRUE(until_time(c).empty());
  pass(20s);
  const auto burst = until_time(c);
  ASSERT_FALSE(burst.empty());
  EXPECT_EQ(ids(burst).front(), static_cast<int>(wire::Reply::market_data_type));
}

// ---- replies

TEST_F(WeatherScript, RepliesCanBeMangled) {
  start(
      "on reply tick_price tick=1: field 4 NaN\n"
      "on reply tick_price tick=2: surplus 2\n"
      "on reply option_computation tick=13: missing 3\n"
      "on reply option_computation tick=10: lose\n"
      "on reply tick_request_parameters: message \"250|1|x|\"; garbage 40\n");
  auto c = client();
  c.send(quote(5, call().con_id));
  int bids = 0;
  int asks = 0;
  int models = 0;
  int unknown = 0;
  for (const auto& payload : until_time(c)) {
    const wire::Fields f{payload};
    if (f.id() == 1 && f[3] == "1") {
      ++bids;
      EXPECT_EQ(f[4], "NaN");
    } else if (f.id() == 1 && f[3] == "2") {
      ++asks;
      EXPECT_EQ(f.size(), 9U);
    } else if (f.id() == 21) {
      EXPECT_NE(f[2], "10");
      if (f[2] == "13") {
        ++models;
        EXPECT_EQ(f.size(), 9U);
      }
    } else if (f.id() == 250) {
      ++unknown;
    }
  }
  EXPECT_EQ(bids, 1);
  EXPECT_EQ(asks, 1);
  EXPECT_EQ(models, 1);
  EXPECT_EQ(unknown, 1);
}

TEST_F(WeatherScript, FramesBeyondTheLimitEndAFrameReader) {
  start("on request current_time nth 1: oversize\non request current_time nth 2: empty");
  for (int i = 0; i < 2; ++i) {
    auto c = client(i);
    c.send(wire::CurrentTimeRequest{});
    EXPECT_EQ(c.next(), std::nullopt);
    EXPECT_EQ(c.problem(),
              i == 0 ? wire::FrameProblem::oversized_frame : wire::FrameProblem::empty_frame);
  }
}

// ---- the gateway and what is behind it

TEST_F(WeatherScript, DataIsLostWithTheUpstreamAndKeptWithoutLoss) {
  start("at 10s: upstream 30s lost\nat 200s: upstream 30s kept\nat 400s: upstream 30s silent");
  auto c = client();
  const auto option = call().con_id;
  const auto subscribe = [&](int id) {
    c.send(quote(id, option));
    EXPECT_FALSE(until_time(c).empty());
  };
  subscribe(1);
  pass(10s);
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(1100));
  pass(10s);
  EXPECT_TRUE(until_time(c).empty()) << "nothing streams while the broker is away";
  pass(20s);
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(1101));
  pass(60s);
  EXPECT_TRUE(until_time(c).empty()) << "the line is dead for ever";

  subscribe(2);
  pass(100s);
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(1100));
  pass(30s);
  const auto back = until_time(c);
  EXPECT_THAT(codes(c, back), testing::ElementsAre(1102));
  EXPECT_GT(back.size(), 1U) << "the line goes on";

  pass(170s);
  EXPECT_THAT(codes(c, until_time(c)), testing::Contains(1100));
  pass(30s);
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(1102));
  pass(60s);
  EXPECT_TRUE(until_time(c).empty()) << "said to be kept, and dead";
}

TEST_F(WeatherScript, ASnapshotHasNoEndWhileTheBrokerIsAway) {
  start("at 10s: upstream 30s kept");
  auto c = client();
  pass(10s);
  until_time(c);
  auto snapshot = quote(1, call().con_id);
  snapshot.snapshot = true;
  c.send(snapshot);
  const auto end = static_cast<int>(wire::Reply::tick_snapshot_end);
  // The request has been read before time passes.
  EXPECT_THAT(ids(until_time(c)), testing::Not(testing::Contains(end)));
  pass(20s);
  EXPECT_THAT(ids(until_time(c)), testing::Not(testing::Contains(end)));
  pass(10s);
  const auto all = until_time(c);
  EXPECT_TRUE(model(c, all).has_value());
  EXPECT_THAT(ids(all), testing::Contains(end));
}

TEST_F(WeatherScript, ABrokenFarmKillsItsLinesSilently) {
  start("at 10s: farm options 3s");
  auto c = client();
  c.send(quote(1, call().con_id));
  c.send(quote(2, odin().con_id));
  until_time(c);
  pass(10s);
  const auto broken = until_time(c);
  ASSERT_FALSE(broken.empty());
  EXPECT_EQ(c.only<wire::ErrorMessage>(broken).at(0).text,
            "Market data farm connection is broken:simopt");
  pass(3s);
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(2104));
  pass(60s);
  const auto later = until_time(c);
  EXPECT_FALSE(later.empty()) << "the underlying is on another farm";
  for (const auto& p : later) EXPECT_EQ(wire::Fields{p}[2], "2");
  c.send(wire::CancelMarketData{.req_id = 1});
  c.send(quote(3, call().con_id));
  EXPECT_FALSE(until_time(c).empty()) << "subscribed again, it streams again";
}

TEST_F(WeatherScript, LazyFarmsConnectWithTheFirstRequestThatNeedsThem) {
  start("at 0s: farms lazy");
  auto c = started();
  EXPECT_TRUE(until_time(c).empty());
  c.send(quote(1, call().con_id));
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(2104));
  c.send(quote(2, call().con_id));
  EXPECT_TRUE(codes(c, until_time(c)).empty());
}

TEST_F(WeatherScript, InactiveFarmsGreetWithTheirCodes) {
  start("at 0s: farms inactive");
  auto c = started();
  EXPECT_THAT(codes(c, until_time(c)), testing::ElementsAre(2108, 2107, 2158));
}

TEST_F(WeatherScript, ACompetingSessionEndsLinesAndRefusesNewOnes) {
  start("at 10s: compete 60s");
  auto c = client();
  c.send(quote(1, call().con_id));
  until_time(c);
  pass(10s);
  const auto ended = c.only<wire::ErrorMessage>(until_time(c));
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].code, 10197);
  EXPECT_EQ(ended[0].req_id, 1);
  c.send(quote(2, call().con_id));
  EXPECT_EQ(code(c), 10197);
  pass(60s);
  c.send(quote(3, call().con_id));
  EXPECT_TRUE(model(c, until_time(c)).has_value());
}

TEST_F(WeatherScript, LimitsCanBeLowered) {
  start("at 10s: lines 1; rate 3");
  auto c = client();
  c.send(quote(1, call().con_id));
  until_time(c);
  pass(10s);
  until_time(c);
  c.send(quote(2, call().con_id));
  c.send(wire::CurrentTimeRequest{});
  c.send(wire::CurrentTimeRequest{});
  c.send(wire::CurrentTimeRequest{});
  std::vector<int> seen;
  for (int i = 0; i < 6 && !std::ranges::count(seen, 100); ++i) {
    if (const auto p = c.next()) {
      for (const auto n : codes(c, {*p})) seen.push_back(n);
    }
  }
  EXPECT_THAT(seen, testing::Contains(101));
  EXPECT_THAT(seen, testing::Contains(100));
}

TEST_F(WeatherScript, TheGatewaysClockCanStep) {
  start("at 10s: clock +5m\nat 20s: clock -10m");
  auto c = client();
  const auto told = [&] {
    c.send(wire::CurrentTimeRequest{});
    return core::Instant{std::chrono::seconds{c.expect<wire::CurrentTime>().epoch_seconds}};
  };
  EXPECT_EQ(told(), noon);
  pass(10s);
  EXPECT_EQ(told(), noon + 10s + 5min);
  pass(10s);
  EXPECT_EQ(told(), noon + 20s - 5min);
}

TEST_F(WeatherScript, RealTimePassesWhileTheClockStands) {
  start("at 50ms real: notice 2119");
  auto c = client();
  EXPECT_EQ(code(c), 2119);
}

// ---- rights to data

TEST_F(WeatherScript, WithoutARightDataIsDelayedForWhoAsksForIt) {
  start("at 0s: entitle delayed symbol=ODIN");
  auto c = client();
  const auto option = call();
  c.send(quote(1, option.con_id));
  EXPECT_EQ(code(c), 354);
  c.send(wire::MarketDataTypeRequest{.type = 3});
  c.send(quote(2, option.con_id, "100,101"));
  const auto got = until_time(c);
  EXPECT_THAT(codes(c, got), testing::ElementsAre(10167, 2187));
  EXPECT_EQ(c.only<wire::MarketDataType>(got).at(0).type, 3);
  EXPECT_FALSE(price(c, got, wire::tick::bid).has_value());
  EXPECT_FALSE(model(c, got).has_value());
  ASSERT_TRUE(price(c, got, wire::tick::delayed_bid).has_value());
  twin_.advance_to(noon - 15min);
  EXPECT_EQ(price(c, got, wire::tick::delayed_bid)->price,
            twin_.option_state(option.con_id).quote.bid->value());
  EXPECT_NEAR(*model(c, got, wire::tick::delayed_model_computation)->implied_vol,
              *twin_.option_state(option.con_id).model->implied_vol, 1e-12);

  const auto bfx = underlying(twin_, "BFX").con_id;
  c.send(quote(3, bfx));
  EXPECT_EQ(c.only<wire::MarketDataType>(until_time(c)).at(0).type, 1) << "others are live";
}

TEST_F(WeatherScript, EachCodeGoesOnAsTheRealOneDoes) {
  struct Case {
    int code;
    int type;      // asked for
    bool quotes;   // live bid and ask come
    bool delayed;  // their delayed twins come
    bool computations;
  };
  for (const auto& expected :
       {Case{354, 1, false, false, false}, Case{10168, 3, false, false, false},
        Case{10186, 1, false, false, false}, Case{10167, 1, false, true, true},
        Case{2186, 3, false, true, true}, Case{10089, 1, false, false, false},
        Case{10089, 3, false, true, true}, Case{10091, 4, false, true, true},
        Case{10090, 1, true, false, false}}) {
    SCOPED_TRACE(std::to_string(expected.code) + " of type " + std::to_string(expected.type));
    start("at 0s: entitle " + std::to_string(expected.code) + " type=option");
    auto c = client();
    c.send(wire::MarketDataTypeRequest{.type = expected.type});
    c.send(quote(1, call().con_id));
    const auto got = until_time(c);
    EXPECT_THAT(codes(c, got), testing::ElementsAre(expected.code));
    EXPECT_EQ(price(c, got, wire::tick::bid).has_value(), expected.quotes);
    EXPECT_EQ(price(c, got, wire::tick::delayed_bid).has_value(), expected.delayed);
    EXPECT_EQ(model(c, got,
                    expected.delayed ? wire::tick::delayed_model_computation
                                     : wire::tick::model_computation)
                  .has_value(),
              expected.computations);
    gateway_.reset();
  }
}

// ---- quotes and listings

TEST_F(WeatherScript, QuotesAreSpoiledAsSaid) {
  const auto option = call();
  const auto clean = twin_.option_state(option.con_id);
  const auto burst = [&](const std::string& fault) {
    start("at 0s: spoil " + fault);
    auto c = client();
    c.send(quote(1, option.con_id));
    auto all = until_time(c);
    gateway_.reset();
    return std::pair{std::move(c), std::move(all)};
  };
  const auto text_of = [&](const std::vector<std::string>& all, int id, std::string_view type,
                           std::size_t field) {
    for (const auto& p : all) {
      const wire::Fields f{p};
      if (f.id() == id && f[id == 1 ? 3 : 2] == type) return std::string{f[field]};
    }
    return std::string{"absent"};
  };
  {
    const auto [c, got] = burst("crossed");
    EXPECT_GT(*price(c, got, 1)->price, *price(c, got, 2)->price);
  }
  {
    const auto [c, got] = burst("locked");
    EXPECT_EQ(*price(c, got, 1)->price, *price(c, got, 2)->price);
  }
  {
    const auto [c, got] = burst("zero_bid");
    EXPECT_EQ(text_of(got, 1, "1", 4), "0");
    EXPECT_EQ(text_of(got, 1, "1", 5), "0");
  }
  {
    const auto [c, got] = burst("no_quote");
    EXPECT_EQ(text_of(got, 1, "1", 4), "-1");
    EXPECT_EQ(text_of(got, 1, "2", 4), "-1");
  }
  {
    const auto [c, got] = burst("negative");
    EXPECT_LT(*price(c, got, 1)->price, 0);
    EXPECT_GT(*price(c, got, 1)->size, 0);
  }
  for (const auto& [fault, text] : std::initializer_list<std::pair<const char*, const char*>>{
           {"nan", "NaN"},
           {"infinite", "Infinity"},
           {"unset", "1.7976931348623157E308"},
           {"unparsable", "n/a"}}) {
    const auto [c, got] = burst(fault);
    EXPECT_EQ(text_of(got, 1, "2", 4), text);
    EXPECT_EQ(text_of(got, 21, "13", 4), text);
    EXPECT_EQ(text_of(got, 21, "13", 10), text);
  }
  {
    const auto [c, got] = burst("wrong_sign");
    EXPECT_NEAR(*model(c, got)->delta, -*clean.model->delta, 1e-12);
    EXPECT_LT(*model(c, got)->vega, 0);
  }
  {
    const auto [c, got] = burst("no_model");
    EXPECT_FALSE(model(c, got).has_value());
    EXPECT_TRUE(model(c, got, wire::tick::bid_computation).has_value());
  }
  {
    const auto [c, got] = burst("no_greeks");
    EXPECT_FALSE(model(c, got)->delta.has_value());
  }
  {
    const auto [c, got] = burst("silent");
    EXPECT_TRUE(c.only<wire::TickPrice>(got).empty());
    EXPECT_TRUE(c.only<wire::OptionComputation>(got).empty());
  }
}

TEST_F(WeatherScript, AStaleModelStandsWhileTheMarketMovesUntilHealed) {
  start("at 0s: spoil stale_model class=ODIN\nat 300s: heal");
  auto c = client();
  const auto option = call().con_id;
  c.send(quote(1, option));
  ASSERT_TRUE(model(c, until_time(c)).has_value());
  pass(200s);
  const auto moved = until_time(c);
  EXPECT_FALSE(moved.empty());
  EXPECT_FALSE(model(c, moved).has_value());
  pass(100s);
  EXPECT_NEAR(*model(c, until_time(c))->delta, *seen().option_state(option).model->delta, 1e-12);
}

TEST_F(WeatherScript, AHiddenContractIsUnknownUntilItIsShown) {
  const auto option = call();
  const auto strike = std::to_string(option.contract.strike.value());
  start("at 0s: hide symbol=ODIN strike=" + strike + "\nat 60s: show symbol=ODIN strike=" + strike);
  auto c = client();
  const auto strikes = [&] {
    c.send(wire::OptionParametersRequest{.req_id = 1,
                                         .underlying_symbol = "ODIN",
                                         .fut_fop_exchange = {},
                                         .underlying_sec_type = "STK",
                                         .underlying_con_id = odin().con_id});
    std::set<double> all;
    for (const auto& p :
         c.only<wire::OptionParameters>(c.until(wire::Reply::option_parameters_end))) {
      all.insert(p.strikes.begin(), p.strikes.end());
    }
    return all;
  };
  const auto hidden = strikes();
  EXPECT_FALSE(hidden.contains(option.contract.strike.value()));
  c.send(quote(5, option.con_id));
  EXPECT_EQ(code(c), 200);
  pass(60s);
  auto shown = strikes();
  EXPECT_TRUE(shown.contains(option.contract.strike.value()));
  EXPECT_EQ(shown.size(), hidden.size() + 1);
  c.send(quote(6, option.con_id));
  EXPECT_TRUE(model(c, until_time(c)).has_value());
}

TEST_F(WeatherScript, AfterHoursThereAreNoQuotesUnlessFrozen) {
  clock_.set(instant("2026-03-02T23:00:00Z"));
  start("at 0s: after_hours absent");
  auto c = client();
  c.send(quote(1, odin().con_id));
  const auto live = until_time(c);
  ASSERT_TRUE(price(c, live, wire::tick::bid).has_value());
  EXPECT_FALSE(price(c, live, wire::tick::bid)->price.has_value());
  EXPECT_TRUE(price(c, live, wire::tick::last)->price.has_value());
  c.send(wire::MarketDataTypeRequest{.type = 2});
  c.send(quote(2, call().con_id));
  const auto frozen = until_time(c);
  EXPECT_TRUE(price(c, frozen, wire::tick::ask)->price.has_value());
}

// ---- the promise of the seed

TEST_F(WeatherScript, SeedScriptAndRequestsDecideEveryByte) {
  const auto converse = [&](std::uint64_t seed) {
    core::ManualClock clock{noon};
    SyntheticMarket market(7, date("2026-01-02"), only({"ODIN"}));
    GatewayOptions options;
    options.port = 0;
    options.max_messages_per_second = 0;
    options.fault_seed = seed;
    options.fault_script =
        "at 0s: spoil crossed share=0.3; spoil no_model share=0.2\n"
        "on reply tick_size chance 0.2: lose\n"
        "on reply tick_price chance 0.1: garbage 20; field 4 1e300\n"
        "on request market_data chance 0.2: delay 20s\n"
        "at 30s: farm options 5s\n";
    auto gateway = *Gateway::start(market, clock, options);
    auto c = GatewayClient::ready(gateway->port());
    int id = 0;
    for (const auto& o : twin_.options(odin().con_id)) {
      if (++id > 40) break;
      c.send(quote(id, o.con_id));
      until_time(c);
    }
    for (int i = 0; i < 6; ++i) {
      clock.set(clock.now() + 10s);
      gateway->step();
      until_time(c);
    }
    return c.received();
  };
  const auto first = converse(3);
  EXPECT_EQ(first, converse(3));
  EXPECT_NE(first, converse(4));
}

TEST_F(WeatherScript, AScriptThatCannotBeReadStartsNothing) {
  GatewayOptions options;
  options.port = 0;
  options.fault_script = "at 1s: explode";
  const auto refused = Gateway::start(market_, clock_, options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, core::Errc::invalid_input);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("script:1: `explode`"));
}

}  // namespace
}  // namespace bifrost::sim
