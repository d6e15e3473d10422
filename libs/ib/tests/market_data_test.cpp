// SPDX-License-Identifier: Apache-2.0
// Kinds of market data, snapshots, and what an underlying tells beside its price.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bifrost/ib/client.hpp"
#include "rotation.hpp"
#include "scripted_gateway.hpp"

namespace bifrost::ib {
namespace {

using core::Errc;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using namespace testing_support;
namespace tick = wire::tick;

const core::ManualClock market_clock{core::parse_instant("2025-11-21T20:50:00Z").value()};

struct Desk {
  explicit Desk(Market market, std::function<void(ClientOptions&)> change = {}, int version = 178)
      : gateway([market, version](Peer& peer) mutable {
          ASSERT_TRUE(peer.handshake(version));
          market.serve(peer);
        }) {
    auto options = gateway.options();
    options.max_server_version = 200;
    if (change) change(options);
    auto made = Client::connect(options, soon());
    if (!made) core::panic(made.error().message);
    client = std::move(*made);
  }
  ScriptedGateway gateway;
  std::unique_ptr<Client> client;
};

CollectOptions patient() {
  return {.dwell_cap = seconds{60}, .quiet = seconds{60}};
}

// ---- every version

class Versions : public testing::TestWithParam<int> {};

TEST_P(Versions, TheWholeCollectionWorks) {
  Desk desk{{}, {}, GetParam()};
  auto& client = *desk.client;
  EXPECT_EQ(client.link().server_version, GetParam());
  EXPECT_TRUE(client.current_time(soon()));
  EXPECT_EQ(client.underlying("SPY", soon())->con_id, 756733);
  const auto index = client.underlying("SPX", soon());
  ASSERT_TRUE(index);
  EXPECT_EQ(client.option_parameters(*index, soon())->front().strikes.size(), 3u);
  const auto listed =
      client.listed_options(*index, "SPX", core::parse_date("2025-12-18").value(), soon());
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 4u);
  EXPECT_EQ(core::to_iso_date(listed->front().contract.expiry), "2025-12-19");
  const auto report = client.quotes(*listed, patient(), market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complete, 4u);
  EXPECT_EQ(report->quotes.front().option.quote.open_interest, 10234);
  EXPECT_EQ(client.underlying_quote(*index, patient(), market_clock, soon())->price.to_string(),
            "4.58");
  EXPECT_EQ(client.underlying("NOPE", soon()).error().code, Errc::not_found);
  EXPECT_EQ(client.link().undecodable, 0u);
}
INSTANTIATE_TEST_SUITE_P(Each, Versions, testing::Values(176, 178, 187, 193, 196, 200));

// ---- kinds of data

TEST(MarketDataKind, IsTheClientsUnlessACallSaysOtherwise) {
  Log<int> types;
  Market market;
  market.on_any = [&](Peer& peer, const wire::Fields& fields) {
    const auto set = wire::decode<wire::MarketDataTypeRequest>(fields, peer.version);
    if (set) types.add(set->type);
    return set.has_value();
  };
  Desk desk{market, [](ClientOptions& o) { o.market_data = MarketData::delayed_frozen; }};
  auto how = patient();
  ASSERT_TRUE(desk.client->quotes(calls(1), how, market_clock, soon()));
  how.market_data = MarketData::frozen;
  ASSERT_TRUE(desk.client->quotes(calls(1), how, market_clock, soon()));
  ASSERT_TRUE(desk.client->underlying_quote(spx, {}, market_clock, soon()));
  EXPECT_THAT(types.all(), testing::ElementsAre(4, 2, 4));
}

TEST(MarketDataKind, DelayedDataAreAskedOnlyForWhatTheyHave) {
  EXPECT_EQ(allowed_generic_ticks("100,101,106", MarketData::live), "100,101,106");
  EXPECT_EQ(allowed_generic_ticks("100,101,106", MarketData::delayed), "101,106");
  EXPECT_EQ(allowed_generic_ticks("104,106", MarketData::delayed_frozen), "106");
  EXPECT_EQ(allowed_generic_ticks("104", MarketData::delayed), "");
  EXPECT_EQ(allowed_generic_ticks("", MarketData::delayed), "");
  Log<std::string> generics;
  Market market;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest& request) {
    generics.add(request.generic_ticks);
    return false;
  };
  Desk desk{market, [](ClientOptions& o) { o.market_data = MarketData::delayed; }};
  ASSERT_TRUE(desk.client->quotes(calls(1), patient(), market_clock, soon()));
  ASSERT_TRUE(desk.client->underlying_quote(spx, {}, market_clock, soon()));
  EXPECT_THAT(generics.all(), testing::ElementsAre("101,106", "106"));
}

TEST(MarketDataKind, DelayedAnswersAreMarkedHoweverTheyWereAskedFor) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    const int id = request.req_id;
    peer.notice(10167, id, "Requested market data is not subscribed. Displaying delayed.");
    peer.send(wire::MarketDataType{id, 3});
    peer.send(wire::TickPrice{id, tick::delayed_bid, 4.5, 1, 0});
    peer.send(wire::TickPrice{id, tick::delayed_ask, 4.6, 1, 0});
    peer.send(wire::TickPrice{id, tick::delayed_last, 4.55, 1, 0});
    peer.send(wire::OptionComputation{.req_id = id, .tick_type = tick::delayed_model_computation});
    return true;
  };
  Desk desk{market};
  const auto report = desk.client->quotes(calls(1), patient(), market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complete, 1u) << "an advisory is no refusal";
  EXPECT_TRUE(report->quotes[0].delayed);
  EXPECT_TRUE(desk.client->underlying_quote(spx, {}, market_clock, soon())->delayed);
}

TEST(MarketDataKind, FrozenAnswersAreMarkedHoweverTheyWereAskedFor) {
  for (const int type : {1, 2, 3, 4}) {
    Market market;
    market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
      Market::burst(peer, request.req_id, false);
      peer.send(wire::MarketDataType{request.req_id, type});
      peer.send(
          wire::OptionComputation{.req_id = request.req_id, .tick_type = tick::model_computation});
      return true;
    };
    Desk desk{market};
    const auto report = desk.client->quotes(calls(1), patient(), market_clock, soon());
    ASSERT_TRUE(report);
    EXPECT_EQ(report->complete, 1u);
    EXPECT_EQ(report->quotes[0].frozen, type == 2 || type == 4) << type;
  }
}

TEST(MarketDataKind, ARefusalNamesTheRemedy) {
  for (const int code : {354, 10168, 10186, 10089}) {
    Market market;
    market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
      peer.notice(code, request.req_id, "Requested market data is not subscribed.");
      return true;
    };
    Desk desk{market};
    const CollectOptions brief{.dwell_cap = milliseconds{50}};
    const auto live = desk.client->underlying_quote(spx, brief, market_clock, soon());
    ASSERT_FALSE(live);
    EXPECT_EQ(live.error().code, Errc::unauthorized) << code;
    EXPECT_THAT(live.error().message, HasSubstr("BIFROST_MARKET_DATA=delayed"));
    auto delayed = brief;
    delayed.market_data = MarketData::delayed;
    EXPECT_THAT(desk.client->underlying_quote(spx, delayed, market_clock, soon()).error().message,
                testing::Not(HasSubstr("hint")));
  }
}

// ---- snapshots

TEST(Snapshots, CarryNoGenericTicksAndNeedNoCancellation) {
  Log<wire::MarketDataRequest> asked;
  Log<int> cancelled;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    asked.add(request);
    Market::burst(peer, request.req_id, false);  // no model: only the end ends it
    peer.send(wire::TickSnapshotEnd{request.req_id});
    return true;
  };
  market.on_cancel = [&](Peer&, int) { cancelled.add(1); };
  Desk desk{market, [](ClientOptions& o) { o.lines = 2; }};
  auto how = patient();
  how.snapshot = true;
  const auto report = desk.client->quotes(calls(5), how, market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->partial, 5u);
  EXPECT_EQ(report->quotes[0].option.quote.bid->to_string(), "4.55");
  ASSERT_EQ(asked.all().size(), 5u);
  EXPECT_TRUE(asked.all()[0].snapshot);
  EXPECT_FALSE(asked.all()[0].regulatory_snapshot) << "those are billed";
  EXPECT_EQ(asked.all()[0].generic_ticks, "");
  EXPECT_TRUE(cancelled.all().empty());
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
}

TEST(Snapshots, ThatAreCompleteEarlyGiveTheirLineBackAtOnce) {
  Log<int> cancelled;
  Market market;
  market.on_cancel = [&](Peer&, int) { cancelled.add(1); };
  Desk desk{market};
  auto how = patient();
  how.snapshot = true;
  EXPECT_EQ(desk.client->quotes(calls(3), how, market_clock, soon())->complete, 3u);
  EXPECT_TRUE(cancelled.wait_for(3));
}

TEST(Snapshots, AnEndWithoutATickIsNotReached) {
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    if (request.contract.con_id == 1000) {
      peer.notice(10090, request.req_id, "Part of requested market data is not subscribed.");
    }
    peer.send(wire::TickSnapshotEnd{request.req_id});
    return true;
  };
  Desk desk{market};
  auto how = patient();
  how.snapshot = true;
  const auto report = desk.client->quotes(calls(2), how, market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->refused, 1u);
  EXPECT_EQ(report->not_reached, 1u);
}

// ---- the volatilities of an underlying

Market with_volatilities(bool before_the_price) {
  Market market;
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    const int id = request.req_id;
    EXPECT_EQ(request.generic_ticks, "104,106");
    if (!before_the_price) peer.send(wire::TickPrice{id, tick::last, 598.2, 1, 0});
    peer.send(wire::TickGeneric{id, tick::historical_vol, 0.11});
    peer.send(wire::TickGeneric{id, tick::option_implied_vol, 0.14});
    peer.send(wire::TickGeneric{id, tick::halted, 0});
    if (before_the_price) peer.send(wire::TickPrice{id, tick::last, 598.2, 1, 0});
    return true;
  };
  return market;
}

TEST(UnderlyingVolatilities, ComeWithThePriceAndAreWaitedForIfWanted) {
  for (const bool before : {true, false}) {
    Desk desk{with_volatilities(before)};
    auto how = patient();
    how.volatilities = true;
    const auto quote = desk.client->underlying_quote(spx, how, market_clock, soon());
    ASSERT_TRUE(quote) << quote.error().message;
    EXPECT_EQ(quote->price.to_string(), "598.2");
    EXPECT_EQ(quote->implied_vol_30d, 0.14);
    EXPECT_EQ(quote->historical_vol_30d, 0.11);
  }
}

TEST(UnderlyingVolatilities, ThatDoNotComeCostAQuietWhileAndNoMore) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    peer.send(wire::TickPrice{request.req_id, tick::last, 598.2, 1, 0});
    peer.send(wire::TickGeneric{request.req_id, tick::option_implied_vol, -1});
    return true;
  };
  Desk desk{market};
  CollectOptions how{.dwell_cap = seconds{60}, .quiet = milliseconds{30}, .volatilities = true};
  const auto quote = desk.client->underlying_quote(spx, how, market_clock, soon());
  ASSERT_TRUE(quote);
  EXPECT_FALSE(quote->implied_vol_30d) << "a negative one is none";
  EXPECT_FALSE(quote->historical_vol_30d);
}

TEST(UnderlyingVolatilities, AnInstrumentThatRefusesTheListStillHasAPrice) {
  Log<std::string> generics;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    generics.add(request.generic_ticks);
    if (request.generic_ticks.empty()) return false;
    peer.notice(321, request.req_id,
                "Error validating request:-'uL' : cause - Incorrect generic tick list of 104,106. "
                "Legal ones for (IND) are: 165");
    return true;
  };
  Desk desk{market};
  ASSERT_TRUE(desk.client->underlying_quote(spx, patient(), market_clock, soon()));
  EXPECT_THAT(generics.all(), testing::ElementsAre("104,106", ""));
}

}  // namespace
}  // namespace bifrost::ib
