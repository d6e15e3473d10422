// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>

#include "bifrost/ib/client.hpp"
#include "scripted_gateway.hpp"

namespace bifrost::ib {
namespace {

using core::Errc;
using core::Price;
using core::Right;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using namespace testing_support;
namespace tick = wire::tick;

const core::ManualClock market_clock{core::parse_instant("2025-11-21T20:50:00Z").value()};

Price price(double value) {
  return Price::from_double(value).value();
}

/// A gateway with a market, and a client connected to it.
struct Desk {
  explicit Desk(Market market, std::function<void(ClientOptions&)> change = {})
      : gateway([market](Peer& peer) mutable {
          ASSERT_TRUE(peer.handshake());
          market.serve(peer);
        }) {
    auto options = gateway.options();
    if (change) change(options);
    auto made = Client::connect(options, soon());
    if (!made) core::panic(made.error().message);
    client = std::move(*made);
  }
  ScriptedGateway gateway;
  std::unique_ptr<Client> client;
};

/// A dwell so long that a test which waits for its end would fail by time.
CollectOptions patient() {
  return {.market_data = MarketData::live, .dwell_cap = seconds{60}, .quiet = seconds{60}};
}

CollectReport collect(Client& client, std::span<const ListedOption> options,
                      const CollectOptions& how = patient(), core::Deadline deadline = soon()) {
  auto report = client.quotes(options, how, market_clock, deadline);
  EXPECT_TRUE(report) << report.error().message;
  return report ? std::move(*report) : CollectReport{};
}

// ---- contracts

TEST(Underlying, AStockIsFoundFirst) {
  Desk desk{{}};
  const auto spy = desk.client->underlying("SPY", soon());
  ASSERT_TRUE(spy);
  EXPECT_EQ(spy->sec_type, "STK");
  EXPECT_EQ(spy->exchange, "SMART");
  EXPECT_EQ(spy->con_id, 756733);
  EXPECT_EQ(spy->min_tick, 0.01);
  EXPECT_EQ(spy->long_name, "S&P 500 ETF");
}

TEST(Underlying, AnIndexIsFoundWhenThereIsNoStock) {
  Desk desk{{}};
  const auto index = desk.client->underlying("SPX", soon());
  ASSERT_TRUE(index);
  EXPECT_EQ(index->sec_type, "IND");
  EXPECT_EQ(index->exchange, "CBOE");
  EXPECT_EQ(index->con_id, 416904);
}

TEST(Underlying, AnUnknownSymbolIsNotFoundAndNonsenseIsNotAsked) {
  Log<int> asked;
  Market market;
  market.on_any = [&](Peer&, const wire::Fields&) {
    asked.add(1);
    return false;
  };
  Desk desk{market};
  EXPECT_EQ(desk.client->underlying("NOPE", soon()).error().code, Errc::not_found);
  const auto before = asked.all().size();
  EXPECT_EQ(desk.client->underlying("no such;thing", soon()).error().code, Errc::invalid_input);
  EXPECT_EQ(asked.all().size(), before);
}

TEST(Underlying, ASilentGatewayIsATimeout) {
  Market market;
  market.on_any = [](Peer&, const wire::Fields&) { return true; };
  Desk desk{market};
  EXPECT_EQ(desk.client->underlying("SPY", core::after(milliseconds{50})).error().code,
            Errc::timeout);
}

TEST(OptionParameters, AreSortedAndTyped) {
  Desk desk{{}};
  const auto classes = desk.client->option_parameters(spx, soon());
  ASSERT_TRUE(classes);
  ASSERT_EQ(classes->size(), 1u);
  const auto& c = classes->front();
  EXPECT_EQ(c.trading_class, "SPX");
  EXPECT_EQ(c.exchange, "CBOE");
  EXPECT_EQ(c.multiplier, 100);
  EXPECT_THAT(c.expiries, ElementsAre(core::parse_date("2025-12-18").value(),
                                      core::parse_date("2026-01-16").value()));
  EXPECT_THAT(c.strikes, ElementsAre(price(5950), price(5975.5), price(6000)));
}

TEST(ListedOptions, CarryTheRealExpiryAndAreInOrder) {
  Desk desk{{}};
  const auto options =
      desk.client->listed_options(spx, "SPX", core::parse_date("2025-12-18").value(), soon());
  ASSERT_TRUE(options);
  ASSERT_EQ(options->size(), 4u);
  std::vector<std::string> described;
  for (const auto& o : *options) described.push_back(core::describe(o.contract));
  EXPECT_THAT(described, ElementsAre("SPX 2025-12-19 5950 C", "SPX 2025-12-19 5950 P",
                                     "SPX 2025-12-19 6000 C", "SPX 2025-12-19 6000 P"));
  EXPECT_EQ(options->front().last_trade_date, "20251218");
  EXPECT_EQ(options->front().contract.multiplier, 100);
}

TEST(ListedOptions, NoneIsAnAnswer) {
  Desk desk{{}};
  const auto options =
      desk.client->listed_options(spx, "SPX", core::parse_date("2025-12-25").value(), soon());
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->empty());
}

TEST(ListedOptions, WhatNoHistoryCouldKeepIsLeftOut) {
  Market market;
  market.on_any = [](Peer& peer, const wire::Fields& fields) {
    const auto request = wire::decode<wire::ContractDataRequest>(fields, peer.version);
    if (!request || request->contract.sec_type != "OPT") return false;
    const auto send = [&](auto change) {
      auto data = Market::option(request->req_id, "20251218", "20251219", 6000, Right::call);
      change(data.contract);
      peer.send(data);
    };
    send([](auto&) {});
    send([](auto& c) { c.con_id += 1; });  // the same contract once more
    send([](auto& c) { c.trading_class = "spx_new"; });
    send([](auto& c) { c.symbol = "XSP"; });
    send([](auto& c) { c.strike = 6000.0005; });
    send([](auto& c) { c.strike = -5; });
    send([](auto& c) { c.strike = 6000.005; });
    peer.send(wire::ContractDataEnd{request->req_id});
    return true;
  };
  Desk desk{market};
  const auto options =
      desk.client->listed_options(spx, "SPX", core::parse_date("2025-12-18").value(), soon());
  ASSERT_TRUE(options);
  ASSERT_EQ(options->size(), 2u);
  EXPECT_EQ(options->at(0).contract.strike, price(6000));
  EXPECT_EQ(options->at(1).contract.strike, price(6000.005));
}

// ---- one contract

TEST(Quotes, ALiquidContractIsCompleteAtOnceAndInOurUnits) {
  Log<std::string> generics;
  Market market;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest& request) {
    generics.add(request.generic_ticks);
    EXPECT_EQ(request.contract.con_id, 1000);
    EXPECT_EQ(request.contract.exchange, "SMART");
    EXPECT_FALSE(request.snapshot);
    EXPECT_FALSE(request.regulatory_snapshot);
    return false;
  };
  Desk desk{market};
  const auto report = collect(*desk.client, calls(1));
  ASSERT_EQ(report.quotes.size(), 1u);
  const auto& got = report.quotes.front();
  EXPECT_EQ(got.completeness, Completeness::complete);
  EXPECT_FALSE(got.delayed);
  const auto& q = got.option.quote;
  EXPECT_EQ(q.bid, price(4.55));
  EXPECT_EQ(q.ask, price(4.6));
  EXPECT_EQ(q.last, price(4.58));
  EXPECT_EQ(q.bid_size, 12);
  EXPECT_EQ(q.ask_size, 31);
  EXPECT_EQ(q.volume, 1532);
  EXPECT_EQ(q.open_interest, 10234) << "that of calls, for a call";
  EXPECT_EQ(q.implied_vol, 0.16273);
  EXPECT_EQ(q.delta, 0.51251);
  EXPECT_EQ(q.gamma, 0.02124);
  EXPECT_EQ(q.theta, -0.18753);
  ASSERT_TRUE(q.vega);
  EXPECT_NEAR(*q.vega, 64.01, 1e-12) << "per 1.00 of volatility, not per point";
  EXPECT_EQ(q.observed_at, market_clock.now());
  EXPECT_EQ(report.complete, 1u);
  EXPECT_EQ(report.lines_used, 1);
  EXPECT_THAT(generics.all(), ElementsAre("100,101,106"));
}

TEST(Quotes, APutTakesTheOpenInterestOfPuts) {
  Desk desk{{}};
  auto options = calls(1);
  options[0].contract.right = Right::put;
  EXPECT_EQ(collect(*desk.client, options).quotes.at(0).option.quote.open_interest, 77);
}

TEST(Quotes, NoQuoteAndNothingComputedAreAnswersAndStayMissing) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    const int id = request.req_id;
    peer.send(wire::TickPrice{id, tick::bid, std::nullopt, std::nullopt, 0});
    peer.send(wire::TickSize{id, tick::bid_size, 0});
    peer.send(wire::TickPrice{id, tick::ask, std::nullopt, std::nullopt, 0});
    peer.send(wire::TickSize{id, tick::ask_size, 0});
    peer.send(wire::OptionComputation{.req_id = id, .tick_type = tick::model_computation});
    return true;
  };
  Desk desk{market};
  const auto report = collect(*desk.client, calls(1));
  const auto& got = report.quotes.at(0);
  EXPECT_EQ(got.completeness, Completeness::complete);
  core::Quote nothing;
  nothing.observed_at = market_clock.now();
  EXPECT_EQ(got.option.quote, nothing);
}

TEST(Quotes, AZeroBidIsABid) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    const int id = request.req_id;
    peer.send(wire::TickPrice{id, tick::bid, 0, 0, 0});
    peer.send(wire::TickPrice{id, tick::ask, 0.05, 100, 0});
    peer.send(wire::OptionComputation{.req_id = id, .tick_type = tick::model_computation});
    return true;
  };
  Desk desk{market};
  const auto q = collect(*desk.client, calls(1)).quotes.at(0).option.quote;
  EXPECT_EQ(q.bid, price(0));
  EXPECT_EQ(q.bid_size, 0);
  EXPECT_EQ(q.ask, price(0.05));
}

TEST(Quotes, UnsetAndAbsurdSizesAndNegativeVolatilityAreMissing) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    const int id = request.req_id;
    peer.send(wire::TickPrice{id, tick::bid, 1.5, std::nullopt, 0});
    peer.send(wire::TickPrice{id, tick::ask, 28.100000381469727, 7, 0});
    peer.send(wire::TickSize{id, tick::ask_size, -3});
    peer.send(wire::TickSize{id, tick::volume, 1e300});
    peer.send(wire::OptionComputation{
        .req_id = id, .tick_type = tick::model_computation, .implied_vol = -0.5, .delta = 0.4});
    return true;
  };
  Desk desk{market};
  const auto q = collect(*desk.client, calls(1)).quotes.at(0).option.quote;
  EXPECT_EQ(q.bid, price(1.5));
  EXPECT_FALSE(q.bid_size);
  EXPECT_EQ(q.ask, price(28.1));
  EXPECT_FALSE(q.ask_size);
  EXPECT_FALSE(q.volume);
  EXPECT_FALSE(q.implied_vol);
  EXPECT_EQ(q.delta, 0.4);
}

TEST(Quotes, DelayedTicksAreReadAndMarked) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    const int id = request.req_id;
    peer.notice(10167, id);  // "displaying delayed market data"
    peer.send(wire::TickPrice{id, tick::delayed_bid, 4.5, 1, 0});
    peer.send(wire::TickPrice{id, tick::delayed_ask, 4.7, 2, 0});
    peer.send(wire::TickPrice{id, tick::delayed_last, 4.6, 1, 0});
    peer.send(wire::TickSize{id, tick::delayed_volume, 9});
    peer.send(wire::OptionComputation{
        .req_id = id, .tick_type = tick::delayed_model_computation, .implied_vol = 0.2});
    return true;
  };
  Desk desk{market};
  const auto got = collect(*desk.client, calls(1)).quotes.at(0);
  EXPECT_TRUE(got.delayed);
  EXPECT_EQ(got.completeness, Completeness::complete);
  EXPECT_EQ(got.option.quote.bid, price(4.5));
  EXPECT_EQ(got.option.quote.ask, price(4.7));
  EXPECT_EQ(got.option.quote.last, price(4.6));
  EXPECT_EQ(got.option.quote.volume, 9);
  EXPECT_EQ(got.option.quote.implied_vol, 0.2);
}

TEST(Quotes, WithoutAModelAQuietWhileEndsTheWait) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    Market::burst(peer, request.req_id, false);
    return true;
  };
  Desk desk{market};
  auto how = patient();
  how.quiet = milliseconds{30};
  const auto report = collect(*desk.client, calls(1), how);
  EXPECT_EQ(report.quotes.at(0).completeness, Completeness::partial);
  EXPECT_EQ(report.quotes.at(0).option.quote.bid, price(4.55));
  EXPECT_EQ(report.quotes.at(0).option.quote.open_interest, 10234);
  EXPECT_FALSE(report.quotes.at(0).option.quote.implied_vol);
  EXPECT_EQ(report.partial, 1u);
}

TEST(Quotes, SilenceEndsAtTheDwellCapWithNothingInvented) {
  Log<int> cancelled;
  Market market;
  market.on_market_data = [](Peer&, const wire::MarketDataRequest&) { return true; };
  market.on_cancel = [&](Peer&, int id) { cancelled.add(id); };
  Desk desk{market};
  auto how = patient();
  how.dwell_cap = milliseconds{30};
  const auto report = collect(*desk.client, calls(1), how);
  EXPECT_EQ(report.quotes.at(0).completeness, Completeness::not_reached);
  EXPECT_EQ(report.not_reached, 1u);
  EXPECT_EQ(report.quotes.at(0).option.quote, core::Quote{});
  EXPECT_TRUE(cancelled.wait_for(1));
}

TEST(Quotes, EveryLineIsGivenBackAndEverySubscriptionCancelledOnce) {
  Log<int> subscribed;
  Log<int> cancelled;
  Market market;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest& request) {
    subscribed.add(request.req_id);
    return false;
  };
  market.on_cancel = [&](Peer&, int id) { cancelled.add(id); };
  Desk desk{market};
  collect(*desk.client, calls(200));
  ASSERT_TRUE(cancelled.wait_for(200));
  EXPECT_THAT(cancelled.all(), testing::UnorderedElementsAreArray(subscribed.all()));
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
}

/// Bid, ask and model: all that a contract must answer.
void send_core(Peer& peer, int id) {
  peer.send(wire::TickPrice{id, tick::bid, 4.55, 12, 1});
  peer.send(wire::TickPrice{id, tick::ask, 4.6, 31, 1});
  peer.send(wire::OptionComputation{
      .req_id = id, .tick_type = tick::model_computation, .implied_vol = 0.16, .delta = 0.5});
}

TEST(LateTicks, VolumeAndOpenInterestBehindTheModelAreTaken) {
  Log<int> subscribed;
  Log<int> cancelled;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    send_core(peer, request.req_id);
    subscribed.add(request.req_id);
    return true;
  };
  int questions = 0;
  market.on_any = [&](Peer& peer, const wire::Fields& fields) {
    // The second answer follows the late ticks: when it is there, so are they.
    if (fields.id() != static_cast<int>(wire::Request::current_time) || ++questions != 2)
      return false;
    for (const int id : subscribed.all()) {
      peer.send(wire::TickSize{id, tick::call_open_interest, 10234});
      peer.send(wire::TickSize{id, tick::volume, 1532});
    }
    return false;
  };
  market.on_cancel = [&](Peer&, int id) { cancelled.add(id); };
  Desk desk{market};
  auto how = patient();
  how.late_ticks = seconds{60};
  CollectReport report;
  std::thread collecting{[&] { report = collect(*desk.client, calls(3), how); }};
  ASSERT_TRUE(subscribed.wait_for(3));
  EXPECT_TRUE(desk.client->current_time(soon()));
  EXPECT_TRUE(cancelled.all().empty()) << "a line was given up before the late ticks came";
  EXPECT_TRUE(desk.client->current_time(soon()));
  collecting.join();
  EXPECT_EQ(report.complete, 3u);
  for (const auto& quote : report.quotes) {
    EXPECT_EQ(quote.option.quote.open_interest, 10234);
    EXPECT_EQ(quote.option.quote.volume, 1532);
  }
  EXPECT_TRUE(cancelled.wait_for(3));
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
}

TEST(LateTicks, ThatNeverComeAreMissingAndTheContractIsComplete) {
  Market market;
  market.on_market_data = [](Peer& peer, const wire::MarketDataRequest& request) {
    send_core(peer, request.req_id);
    return true;
  };
  Desk desk{market};
  for (const auto late : {std::optional<milliseconds>{}, std::optional{milliseconds{30}}}) {
    auto how = patient();
    how.late_ticks = late;
    const auto report = collect(*desk.client, calls(2), how);
    EXPECT_EQ(report.complete, 2u);
    EXPECT_FALSE(report.quotes.at(0).option.quote.open_interest);
    EXPECT_FALSE(report.quotes.at(0).option.quote.volume);
  }
}

TEST(LateTicks, AreNotWaitedForWhileAnotherContractWaitsForTheLine) {
  // The last contract sends everything, so nothing but a line is ever waited for.
  constexpr int contracts = 20;
  int asked = 0;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    if (++asked == contracts) return false;
    send_core(peer, request.req_id);
    return true;
  };
  Desk desk{market, [](ClientOptions& options) { options.lines = 1; }};
  auto how = patient();
  how.late_ticks = seconds{60};
  // In much less than one of those waits, or the deadline would have cut them off.
  const auto report = collect(*desk.client, calls(contracts), how);
  EXPECT_EQ(report.complete, static_cast<std::size_t>(contracts));
  EXPECT_EQ(report.lines_used, 1);
}

TEST(LateTicks, ALinkThatIsLostMeanwhileLosesNothingThatCame) {
  Log<int> subscribed;
  ScriptedGateway gateway{[&](Peer& peer) {
    if (!peer.handshake()) return;
    Market market;
    market.on_market_data = [&](Peer& asked, const wire::MarketDataRequest& request) {
      send_core(asked, request.req_id);
      subscribed.add(request.req_id);
      return true;
    };
    while (const auto* fields = peer.receive()) {
      // The link ends behind the answer to a question.
      const bool last = subscribed.all().size() == 2 && peer.number == 1 &&
                        fields->id() == static_cast<int>(wire::Request::current_time);
      market.answer(peer, *fields);
      if (last) return;
    }
  }};
  auto made = Client::connect(gateway.options(), soon());
  ASSERT_TRUE(made);
  auto how = patient();
  how.late_ticks = seconds{60};
  CollectReport report;
  std::thread collecting{[&] { report = collect(**made, calls(2), how); }};
  ASSERT_TRUE(subscribed.wait_for(2));
  (void)(*made)->current_time(soon());
  collecting.join();
  EXPECT_EQ(report.complete, 2u);
  EXPECT_EQ(report.quotes.at(0).option.quote.bid, price(4.55));
  EXPECT_EQ(subscribed.all().size(), 2u) << "nothing is asked again";
}

// ---- what the broker says instead

Market answering_with(int code, std::string text) {
  Market market;
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    peer.notice(code, request.req_id, text);
    return true;
  };
  return market;
}

TEST(Refusals, TerminalCodesEndTheRequestWithTheirMeaning) {
  struct Case {
    int code;
    Errc meaning;
  };
  for (const auto& [code, meaning] :
       {Case{200, Errc::not_found}, Case{354, Errc::unauthorized}, Case{10168, Errc::unauthorized},
        Case{10186, Errc::unauthorized}, Case{321, Errc::invalid_input},
        Case{320, Errc::invalid_input}}) {
    Desk desk{answering_with(code, "no")};
    const auto report = collect(*desk.client, calls(2));
    EXPECT_EQ(report.refused, 2u);
    ASSERT_TRUE(report.quotes.at(0).refusal) << code;
    EXPECT_EQ(report.quotes[0].refusal->code, meaning) << code;
    EXPECT_EQ(report.quotes[0].refusal->reason, "no");
    EXPECT_EQ(report.quotes[0].option.quote, core::Quote{});
    EXPECT_EQ(desk.client->link().lines_in_use, 0);
  }
}

TEST(Refusals, AnAdvisoryIsNoRefusalWhenDataFollow) {
  for (const int code : {10089, 10090, 10091, 10167, 2186, 2187, 2119, 399}) {
    Market market;
    market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
      peer.notice(code, request.req_id);
      Market::burst(peer, request.req_id);
      return true;
    };
    Desk desk{market};
    EXPECT_EQ(collect(*desk.client, calls(1)).complete, 1u) << code;
  }
}

TEST(Refusals, AnAdvisoryAloneBecomesOneAtTheDwellCap) {
  Desk desk{answering_with(10089, "needs a subscription")};
  auto how = patient();
  how.dwell_cap = milliseconds{30};
  const auto report = collect(*desk.client, calls(1), how);
  EXPECT_EQ(report.quotes.at(0).completeness, Completeness::refused);
  EXPECT_EQ(report.quotes.at(0).refusal.value().code, Errc::unauthorized);
}

TEST(Refusals, ACompetingSessionStopsTheRoundWithItsReason) {
  Log<int> asked;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    asked.add(request.req_id);
    if (asked.all().size() == 1) peer.notice(10197, request.req_id, "competing live session");
    return true;
  };
  Desk desk{market, [](auto& o) { o.lines = 2; }};
  const auto report = collect(*desk.client, calls(50));
  EXPECT_EQ(report.stopped, "competing live session");
  EXPECT_EQ(report.refused, 1u);
  EXPECT_EQ(report.not_reached, 49u);
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
}

TEST(Refusals, ADuplicateIdIsAskedAgainUnderAnother) {
  for (const auto& [code, text] :
       {std::pair{102, "Duplicate ticker ID"},
        std::pair{322, "Error processing request: Duplicate ticker id"}}) {
    Market market;
    auto first = std::make_shared<bool>(true);
    market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
      if (!std::exchange(*first, false)) return false;
      return peer.notice(code, request.req_id, text);
    };
    Desk desk{market};
    EXPECT_EQ(collect(*desk.client, calls(1)).complete, 1u) << code;
  }
}

// ---- lines and pace

TEST(Lines, AreNeverExceededAndTheRoundStillReachesEverything) {
  int held = 0;
  std::atomic<int> most{0};
  Market market;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest&) {
    most = std::max(most.load(), ++held);
    return false;
  };
  market.on_cancel = [&](Peer&, int) { --held; };
  Desk desk{market, [](auto& o) { o.lines = 7; }};
  const auto report = collect(*desk.client, calls(300));
  EXPECT_EQ(report.complete, 300u);
  EXPECT_LE(most, 7);
  EXPECT_LE(report.lines_used, 7);
  EXPECT_GT(most, 1);
}

TEST(Lines, RefusedOnesLowerTheBudgetAndTheirContractsComeBack) {
  constexpr std::size_t granted = 10;
  auto held = std::make_shared<std::set<int>>();
  auto refusals = std::make_shared<std::atomic<int>>(0);
  Market market;
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    if (held->size() >= granted) {
      ++*refusals;
      return peer.notice(101, request.req_id, "Max number of tickers has been reached");
    }
    held->insert(request.req_id);
    return false;
  };
  market.on_cancel = [=](Peer&, int id) { held->erase(id); };
  Desk desk{market, [](auto& o) { o.lines = 40; }};
  const auto report = collect(*desk.client, calls(400));
  EXPECT_EQ(report.complete, 400u);
  EXPECT_EQ(report.refused, 0u);
  if (*refusals > 0) {
    EXPECT_LT(desk.client->link().lines_budget, 40);
  }
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
}

TEST(Lines, AreSharedByCallersOnSeveralThreads) {
  int held = 0;
  std::atomic<int> most{0};
  Market market;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest&) {
    most = std::max(most.load(), ++held);
    return false;
  };
  market.on_cancel = [&](Peer&, int) { --held; };
  Desk desk{market, [](auto& o) { o.lines = 4; }};
  std::vector<std::thread> threads;
  std::atomic<std::size_t> complete{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      complete += collect(*desk.client, calls(50)).complete;
      EXPECT_TRUE(desk.client->current_time(soon()));
      EXPECT_TRUE(desk.client->underlying("SPX", soon()));
      EXPECT_TRUE(desk.client->underlying_quote(spx, patient(), market_clock, soon()));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(complete, 200u);
  EXPECT_LE(most, 4);
}

TEST(Pace, ARoundTakesAsLongAsTheMessageRateSays) {
  // 20 contracts are 20 subscriptions, 20 cancellations and the market data type: 41 messages,
  // 10 of them the burst, at 200 a second.
  Desk desk{{}, [](auto& o) { o.messages_per_second = 200; }};
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(collect(*desk.client, calls(20)).complete, 20u);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds{140});
}

// The gateway drops what exceeds its rate: a lost cancellation is a lost line.
TEST(Pace, TheCancellationsOfAnEndedRoundKeepItToo) {
  constexpr std::size_t lines = 60;
  constexpr double rate = 200;
  Log<int> subscribed;
  Log<int> cancelled;
  Market market;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest& request) {
    subscribed.add(request.req_id);
    return true;
  };
  market.on_cancel = [&](Peer&, int id) { cancelled.add(id); };
  Desk desk{market, [](auto& o) {
              o.lines = lines;
              o.messages_per_second = rate;
            }};
  const auto begun = std::chrono::steady_clock::now();
  collect(*desk.client, calls(lines), patient(), core::after(milliseconds{350}));
  while (desk.client->link().lines_in_use > 0) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, seconds{20});
    std::this_thread::yield();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  const auto count = subscribed.all().size();
  ASSERT_GT(count, 0u);
  ASSERT_TRUE(cancelled.wait_for(count));
  EXPECT_THAT(cancelled.all(), testing::UnorderedElementsAreArray(subscribed.all()));
  // With the market data type, and less the burst.
  EXPECT_GE(took.count(), (2.0 * static_cast<double>(count) + 1 - 10) / rate);
}

TEST(Pace, AnEndedLinkOwesNoCancellations) {
  Market market;
  std::atomic<int> sessions{0};
  Log<int> subscribed;
  market.on_market_data = [&](Peer&, const wire::MarketDataRequest& request) {
    subscribed.add(request.req_id);
    return true;
  };
  ScriptedGateway gateway{[&](Peer& peer) {
    // Only a session after the lost one may be cut short, by the end.
    const bool is_first = sessions++ == 0;
    if (!peer.handshake()) {
      EXPECT_FALSE(is_first);
      return;
    }
    while (const auto* fields = peer.receive()) {
      if (fields->id() == static_cast<int>(wire::Request::cancel_market_data)) return;
      market.answer(peer, *fields);
    }
  }};
  auto options = gateway.options();
  options.messages_per_second = 1;  // the last of them would wait for a minute
  options.burst = 30;
  const auto client = Client::connect(options, soon());
  ASSERT_TRUE(client);
  collect(**client, calls(25), patient(), core::after(milliseconds{100}));
  const auto begun = std::chrono::steady_clock::now();
  while ((*client)->link().lines_in_use > 0) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, seconds{10});
    std::this_thread::yield();
  }
}

TEST(Rounds, WhatTheDeadlineCutsOffIsNotReached) {
  Market market;
  market.on_market_data = [](Peer&, const wire::MarketDataRequest&) { return true; };
  Desk desk{market, [](auto& o) { o.lines = 3; }};
  const auto report = collect(*desk.client, calls(10), patient(), core::after(milliseconds{60}));
  EXPECT_EQ(report.not_reached, 10u);
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
}

TEST(Rounds, NothingToAskIsAnEmptyReport) {
  Desk desk{{}};
  EXPECT_TRUE(collect(*desk.client, {}).quotes.empty());
}

TEST(Rounds, TheMarketDataTypeIsSetOnceBeforeTheFirstSubscription) {
  Log<int> ids;
  Market market;
  market.on_any = [&](Peer& peer, const wire::Fields& fields) {
    ids.add(fields.id().value_or(0));
    if (const auto type = wire::decode<wire::MarketDataTypeRequest>(fields, peer.version)) {
      EXPECT_EQ(type->type, 3);
    }
    return false;
  };
  Desk desk{market};
  auto how = patient();
  how.market_data = MarketData::delayed;
  collect(*desk.client, calls(3), how);
  collect(*desk.client, calls(3), how);
  const auto all = ids.all();
  EXPECT_EQ(std::count(all.begin(), all.end(), 59), 1);
  EXPECT_EQ(all.front(), 59);
}

// ---- weather

TEST(Weather, ALostLinkInTheMiddleIsSurvivedUnderNewIds) {
  std::set<int> ids;
  Log<int> reused;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    if (!ids.insert(request.req_id).second) reused.add(request.req_id);
    if (peer.number == 1 && ids.size() == 30) {
      peer.raw(std::string("\0\0\0\x20half", 8));
    }
    return false;
  };
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (const auto* fields = peer.receive()) {
      market.answer(peer, *fields);
      if (peer.number == 1 && ids.size() >= 30) return;
    }
  }};
  auto options = gateway.options();
  options.lines = 5;
  const auto client = Client::connect(options, soon());
  ASSERT_TRUE(client);
  const auto report = collect(**client, calls(100));
  EXPECT_EQ(report.complete, 100u);
  EXPECT_EQ((*client)->link().sessions, 2u);
  EXPECT_EQ((*client)->link().lines_in_use, 0);
  EXPECT_TRUE(reused.all().empty());
}

/// Subscriptions of the first kind stay silent until the notices have been sent.
void expect_resubscription_after(std::vector<int> codes) {
  auto live = std::make_shared<std::set<int>>();
  auto doubled = std::make_shared<std::atomic<bool>>(false);
  auto notices_sent = std::make_shared<bool>(false);
  Market market;
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    live->insert(request.req_id);
    if (live->size() > 3) *doubled = true;
    if (*notices_sent) return false;
    if (live->size() == 3) {
      *notices_sent = true;
      for (const int code : codes) peer.notice(code);
    }
    return true;
  };
  market.on_cancel = [=](Peer&, int id) { live->erase(id); };
  Desk desk{market, [](auto& o) { o.lines = 3; }};
  const auto report = collect(*desk.client, calls(9));
  EXPECT_EQ(report.complete, 9u);
  EXPECT_FALSE(*doubled) << "a line was subscribed again before it was cancelled";
  EXPECT_EQ(desk.client->link().sessions, 1u);
}

TEST(Weather, DataLostUpstreamIsSubscribedAgain) {
  expect_resubscription_after({1100, 1101});
}
TEST(Weather, DataKeptUpstreamLeavesNoDoubleSubscription) {
  expect_resubscription_after({1100, 1102});
}
TEST(Weather, AFarmThatBlinkedIsSubscribedAgain) {
  expect_resubscription_after({2103, 2104});
}

TEST(Weather, EveryFarmThatComesBackIsSubscribedAgain) {
  auto live = std::make_shared<std::set<int>>();
  auto wave = std::make_shared<int>(0);
  Market market;
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    live->insert(request.req_id);
    if (*wave == 2) return false;
    if (live->size() < 3) return true;
    if (++*wave == 1) {
      peer.notice(2103, {}, "Market data farm connection is broken:usfarm");
      peer.notice(2103, {}, "Market data farm connection is broken:usopt");
      peer.notice(2104, {}, "Market data farm connection is OK:usfarm");
    } else {
      peer.notice(2104, {}, "Market data farm connection is OK:usopt");
    }
    return true;
  };
  market.on_cancel = [=](Peer&, int id) { live->erase(id); };
  Desk desk{market, [](auto& o) { o.lines = 3; }};
  EXPECT_EQ(collect(*desk.client, calls(3)).complete, 3u);
}

/// What a gateway says before it answers must not make anything be asked twice.
void expect_no_resubscription_after(std::function<void(Peer&)> say) {
  Log<int> subscribed;
  auto said = std::make_shared<bool>(false);
  Market market;
  market.on_market_data = [&, said](Peer& peer, const wire::MarketDataRequest& request) {
    subscribed.add(request.req_id);
    if (!std::exchange(*said, true)) say(peer);
    return false;
  };
  Desk desk{market};
  EXPECT_EQ(collect(*desk.client, calls(3)).complete, 3u);
  EXPECT_EQ(subscribed.all().size(), 3u);
}

TEST(Weather, OtherFarmsThanThoseOfMarketDataLeaveSubscriptionsAlone) {
  expect_no_resubscription_after([](Peer& peer) {
    peer.notice(2103, {}, "Market data farm connection is broken:cafarm");
    peer.notice(2105, {}, "HMDS data farm connection is broken:ushmds");
    peer.notice(2157, {}, "Sec-def data farm connection is broken:secdefnj");
    peer.notice(2106, {}, "HMDS data farm connection is OK:ushmds");
    peer.notice(2158, {}, "Sec-def data farm connection is OK:secdefnj");
    peer.notice(2104, {}, "Market data farm connection is OK:usfarm");
  });
}

TEST(Weather, AnswersWithoutARequestLeaveSubscriptionsAlone) {
  expect_no_resubscription_after([](Peer& peer) {
    peer.notice(354, 0, "for nobody");
    peer.send(wire::TickPrice{0, tick::bid, 99, 1, 0});
    peer.send(wire::TickPrice{-7, tick::bid, 99, 1, 0});
    peer.raw(wire::frame({"1\0006\000\0001\0001.5\0001\0000\0", 15}));  // an empty id
  });
}

TEST(Weather, LateTicksAreDroppedByTheirRequest) {
  Market market;
  auto previous = std::make_shared<int>(0);
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    if (*previous != 0) peer.send(wire::TickPrice{*previous, tick::bid, 99, 1, 0});
    *previous = request.req_id;
    return false;
  };
  Desk desk{market, [](auto& o) { o.lines = 1; }};
  const auto report = collect(*desk.client, calls(20));
  EXPECT_EQ(report.complete, 20u);
  for (const auto& got : report.quotes) EXPECT_EQ(got.option.quote.bid, price(4.55));
  EXPECT_GE(desk.client->link().late, 19u);
}

// ---- the underlying

Market with_underlying(std::vector<wire::TickPrice> ticks) {
  Market market;
  market.on_market_data = [=](Peer& peer, const wire::MarketDataRequest& request) {
    for (auto t : ticks) {
      t.req_id = request.req_id;
      peer.send(t);
    }
    return true;
  };
  return market;
}

core::Result<UnderlyingQuote> underlying_with(std::vector<wire::TickPrice> ticks) {
  Desk desk{with_underlying(std::move(ticks))};
  auto how = patient();
  how.quiet = milliseconds{30};
  how.dwell_cap = milliseconds{200};
  auto quote = desk.client->underlying_quote(spx, how, market_clock, soon());
  EXPECT_EQ(desk.client->link().lines_in_use, 0);
  return quote;
}

TEST(UnderlyingQuote, TheLastTradeComesFirst) {
  const auto q = underlying_with({{0, tick::bid, 10, 1, 0},
                                  {0, tick::ask, 12, 1, 0},
                                  {0, tick::close, 9, 0, 0},
                                  {0, tick::last, 11.5, 1, 0}});
  ASSERT_TRUE(q);
  EXPECT_EQ(q->price, price(11.5));
  EXPECT_EQ(q->from, PriceFrom::last);
  EXPECT_EQ(q->bid, price(10));
  EXPECT_EQ(q->observed_at, market_clock.now());
  EXPECT_FALSE(q->delayed);
}

TEST(UnderlyingQuote, ThenTheMiddle) {
  const auto q = underlying_with({{0, tick::delayed_bid, 10, 1, 0},
                                  {0, tick::delayed_ask, 12.01, 1, 0},
                                  {0, tick::delayed_close, 9, 0, 0}});
  ASSERT_TRUE(q);
  EXPECT_EQ(q->price, price(11.005));
  EXPECT_EQ(q->from, PriceFrom::mid);
  EXPECT_TRUE(q->delayed);
}

TEST(UnderlyingQuote, ThenTheClose) {
  const auto q = underlying_with({{0, tick::bid, std::nullopt, std::nullopt, 0},
                                  {0, tick::ask, std::nullopt, std::nullopt, 0},
                                  {0, tick::close, 9, 0, 0}});
  ASSERT_TRUE(q);
  EXPECT_EQ(q->price, price(9));
  EXPECT_EQ(q->from, PriceFrom::close);
}

TEST(UnderlyingQuote, ALinkLostWhileItWaitsForALineIsNoticed) {
  std::atomic<bool> drop{false};
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    Market market;
    if (peer.number == 1) {
      market.on_market_data = [](Peer&, const wire::MarketDataRequest&) { return true; };
    }
    while (const auto* fields = peer.receive()) {
      market.answer(peer, *fields);
      if (peer.number == 1 && drop) return;
    }
  }};
  auto options = gateway.options();
  options.lines = 1;
  const auto client = Client::connect(options, soon());
  ASSERT_TRUE(client);
  std::thread holder{[&] { EXPECT_EQ(collect(**client, calls(1)).complete, 1u); }};
  while ((*client)->link().lines_in_use < 1) std::this_thread::yield();
  std::thread waiter{
      [&] { EXPECT_TRUE((*client)->underlying_quote(spx, patient(), market_clock, soon())); }};
  // Nothing shows that it waits; a hundred questions later it does.
  for (int i = 0; i < 100; ++i) EXPECT_TRUE((*client)->current_time(soon()));
  drop = true;
  EXPECT_TRUE((*client)->current_time(soon()));
  holder.join();
  waiter.join();
  EXPECT_EQ((*client)->link().lines_in_use, 0);
}

TEST(UnderlyingQuote, NothingIsAnErrorAndSoIsARefusal) {
  EXPECT_EQ(underlying_with({}).error().code, Errc::unavailable);
  Desk desk{answering_with(354, "not subscribed")};
  EXPECT_EQ(desk.client->underlying_quote(spx, patient(), market_clock, soon()).error().code,
            Errc::unauthorized);
}

}  // namespace
}  // namespace bifrost::ib
