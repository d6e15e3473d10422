// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/account.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bifrost/ib/client.hpp"
#include "bifrost/ib/wire_orders.hpp"
#include "scripted_gateway.hpp"

namespace bifrost::ib {
namespace {

using core::Errc;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;

constexpr int versions[] = {176, 178, 187, 193, 196, 200};

std::unique_ptr<Client> connected(ClientOptions options) {
  auto client = Client::connect(std::move(options), soon());
  EXPECT_TRUE(client) << (client ? "" : client.error().message);
  return client ? std::move(*client) : nullptr;
}

ClientOptions any_version(const ScriptedGateway& gateway) {
  auto options = gateway.options();
  options.max_server_version = 200;
  return options;
}

// ---- history

wire::HistoricalData two_days(int req_id) {
  return {.req_id = req_id,
          .start = "20251022 16:00:00 US/Eastern",
          .end = "20251121 16:00:00 US/Eastern",
          .bars = {{.date = "20251121", .open = 0.1455, .high = 0.161, .low = -1, .close = 0.1523},
                   {.date = "20251120",
                    .open = 0.141,
                    .high = 0.1502,
                    .low = 0.1401,
                    .close = 0.1455,
                    .volume = 123456,
                    .wap = 1,
                    .count = 7}}};
}

const Underlying spy{.symbol = "SPY",
                     .sec_type = "STK",
                     .exchange = "SMART",
                     .currency = "USD",
                     .long_name = "",
                     .con_id = 756733,
                     .min_tick = 0.01};

TEST(DailyBars, AreAskedForAndReadAtEveryVersion) {
  for (const int version : versions) {
    Log<wire::HistoricalDataRequest> asked;
    Log<int> cancelled;
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake(version));
      while (const auto* fields = peer.receive()) {
        if (const auto request = wire::decode<wire::HistoricalDataRequest>(*fields, version)) {
          asked.add(*request);
          peer.send(two_days(request->req_id));
          if (version >= 196) peer.send(wire::HistoricalDataEnd{request->req_id, "a", "b"});
        } else {
          cancelled.add(1);
        }
      }
    }};
    const auto client = connected(any_version(gateway));
    const auto bars = client->daily_bars(spy, BarKind::option_implied_volatility, 30, soon());
    ASSERT_TRUE(bars) << bars.error().message << " at " << version;
    ASSERT_EQ(bars->size(), 2u);
    EXPECT_EQ(core::to_iso_date((*bars)[0].date), "2025-11-20") << "oldest first";
    EXPECT_EQ((*bars)[0].close, 0.1455);
    EXPECT_FALSE((*bars)[0].volume) << "a volatility has none";
    EXPECT_EQ((*bars)[1].high, 0.161);
    EXPECT_FALSE((*bars)[1].low) << "-1 is no volatility";
    const auto request = asked.all().at(0);
    EXPECT_EQ(request.what_to_show, "OPTION_IMPLIED_VOLATILITY");
    EXPECT_EQ(request.bar_size, "1 day");
    EXPECT_EQ(request.duration, "50 D");
    EXPECT_EQ(request.end, "");
    EXPECT_TRUE(request.regular_hours);
    EXPECT_EQ(request.contract.con_id, 756733);
    EXPECT_TRUE(cancelled.all().empty()) << "what has been answered is not cancelled";
  }
}

/// Answers every request for history by `answer`; what the client made of the first.
template <class Answer>
core::Result<std::vector<DailyBar>> bars_from(Answer answer, BarKind kind = BarKind::trades,
                                              int days = 30, core::Deadline deadline = soon()) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (const auto* fields = peer.receive()) {
      if (const auto request = wire::decode<wire::HistoricalDataRequest>(*fields, 178)) {
        answer(peer, *request);
      }
    }
  }};
  return connected(gateway.options())->daily_bars(spy, kind, days, deadline);
}

TEST(DailyBars, OfTradesKeepTheirVolumeAndTheLastDays) {
  const auto answer = [](Peer& peer, const wire::HistoricalDataRequest& request) {
    EXPECT_EQ(request.what_to_show, "TRADES");
    wire::HistoricalData data{.req_id = request.req_id};
    for (const auto* date : {"20251118", "20251119", "20251120", "20251121"}) {
      data.bars.push_back({.date = date, .close = 600, .volume = 5});
    }
    data.bars.push_back({.date = "20251121", .close = 601, .volume = 6});
    data.bars.push_back({.date = "soon", .close = 601});
    peer.send(data);
  };
  const auto bars = bars_from(answer, BarKind::trades, 2);
  ASSERT_TRUE(bars);
  ASSERT_EQ(bars->size(), 2u);
  EXPECT_EQ(core::to_iso_date((*bars)[0].date), "2025-11-20");
  EXPECT_EQ((*bars)[1].close, 601) << "of a day that came twice the later one";
  EXPECT_EQ((*bars)[1].volume, 6);
}

TEST(DailyBars, AYearIsAskedForInYears) {
  const auto ask = [](int days) {
    std::string duration;
    (void)bars_from(
        [&](Peer& peer, const wire::HistoricalDataRequest& request) {
          duration = request.duration;
          peer.send(wire::HistoricalData{.req_id = request.req_id});
        },
        BarKind::historical_volatility, days);
    return duration;
  };
  EXPECT_EQ(ask(1), "8 D");
  EXPECT_EQ(ask(247), "364 D");
  EXPECT_EQ(ask(252), "2 Y");
  EXPECT_EQ(bars_from([](Peer&, const auto&) {}, BarKind::trades, 0).error().code,
            Errc::invalid_input);
}

TEST(DailyBars, EveryTextOf162HasItsMeaning) {
  struct Row {
    const char* text;
    std::optional<Errc> error;  // nothing: an empty answer
  };
  for (const auto& row : {
           Row{"Historical Market Data Service error message:HMDS query returned no data: "
               "SPY@SMART",
               std::nullopt},
           Row{"Historical Market Data Service error message:No market data permissions for ARCA",
               Errc::unauthorized},
           Row{"Historical Market Data Service error message:Invalid step", Errc::invalid_input},
           Row{"Historical Market Data Service error message:Time length exceed max.",
               Errc::invalid_input},
           Row{"Historical Market Data Service error message:Trading TWS session is connected from "
               "a different IP address",
               Errc::unavailable},
       }) {
    const auto bars = bars_from([&](Peer& peer, const wire::HistoricalDataRequest& request) {
      peer.notice(162, request.req_id, row.text);
    });
    if (!row.error) {
      ASSERT_TRUE(bars) << row.text;
      EXPECT_TRUE(bars->empty());
    } else {
      ASSERT_FALSE(bars) << row.text;
      EXPECT_EQ(bars.error().code, *row.error) << row.text;
      EXPECT_THAT(bars.error().message, HasSubstr("daily TRADES of SPY"));
    }
  }
}

TEST(DailyBars, NoticesOfTheServiceAreNoAnswer) {
  const auto bars = bars_from([](Peer& peer, const wire::HistoricalDataRequest& request) {
    peer.notice(165, request.req_id, "HMDS server connection was successful");
    peer.notice(162, request.req_id, "API historical data query cancelled: 7");
    peer.notice(366, request.req_id, "No historical data query found for ticker id");
    peer.send(two_days(request.req_id));
  });
  ASSERT_TRUE(bars) << bars.error().message;
  EXPECT_EQ(bars->size(), 2u);
}

TEST(DailyBars, APacingViolationPausesTheNextOnes) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (const auto* fields = peer.receive()) {
      if (const auto request = wire::decode<wire::HistoricalDataRequest>(*fields, 178)) {
        asked.add(1);
        peer.notice(162, request->req_id,
                    "Historical Market Data Service error message:Historical data request pacing "
                    "violation");
      }
    }
  }};
  const auto client = connected(gateway.options());
  EXPECT_EQ(client->daily_bars(spy, BarKind::trades, 5, soon()).error().code, Errc::unavailable);
  EXPECT_EQ(client->daily_bars(spy, BarKind::trades, 5, soon()).error().code, Errc::timeout);
  EXPECT_EQ(asked.all().size(), 1u);
}

TEST(DailyBars, AnUnansweredRequestIsCancelled) {
  Log<int> cancelled;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    int id = 0;
    while (const auto* fields = peer.receive()) {
      if (const auto request = wire::decode<wire::HistoricalDataRequest>(*fields, 178)) {
        id = request->req_id;
      } else if (const auto cancel = wire::decode<wire::CancelHistoricalData>(*fields, 178)) {
        EXPECT_EQ(cancel->req_id, id);
        cancelled.add(1);
      }
    }
  }};
  const auto client = connected(gateway.options());
  const auto bars = client->daily_bars(spy, BarKind::trades, 5, core::after(milliseconds{30}));
  EXPECT_EQ(bars.error().code, Errc::timeout);
  EXPECT_TRUE(cancelled.wait_for(1));
}

TEST(DailyBars, ALostLinkIsSurvived) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake(196));
    while (const auto* fields = peer.receive()) {
      const auto request = wire::decode<wire::HistoricalDataRequest>(*fields, 196);
      if (!request) continue;
      peer.send(two_days(request->req_id));
      if (peer.number == 1) return;  // before the end
      peer.send(wire::HistoricalDataEnd{request->req_id, "", ""});
    }
  }};
  const auto bars = connected(any_version(gateway))->daily_bars(spy, BarKind::trades, 5, soon());
  ASSERT_TRUE(bars) << bars.error().message;
  EXPECT_EQ(bars->size(), 2u) << "not the bars of both attempts";
}

// ---- account and positions

TEST(AccountSummary, IsReadOncePerAccountAndCancelled) {
  for (const int version : versions) {
    Log<int> cancelled;
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake(version));
      while (const auto* fields = peer.receive()) {
        if (const auto r = wire::decode<wire::AccountSummaryRequest>(*fields, version)) {
          EXPECT_EQ(r->group, "All");
          EXPECT_THAT(r->tags, HasSubstr("NetLiquidation"));
          peer.send(wire::AccountSummary{r->req_id, "DU2", "NetLiquidation", "5", "EUR"});
          peer.send(wire::AccountSummary{r->req_id, "DU1", "AccountType", "INDIVIDUAL", ""});
          peer.send(wire::AccountSummary{r->req_id, "DU1", "NetLiquidation", "1000000.00", "USD"});
          peer.send(wire::AccountSummary{r->req_id, "DU1", "Cushion", "0.97", ""});
          peer.send(wire::AccountSummary{r->req_id, "DU1", "BuyingPower", "n/a", "USD"});
          peer.send(wire::AccountSummary{r->req_id, "DU1", "Unheard", "1", "USD"});
          peer.send(wire::AccountSummaryEnd{r->req_id});
        } else if (wire::decode<wire::CancelAccountSummary>(*fields, version)) {
          cancelled.add(1);
        }
      }
    }};
    const auto client = connected(any_version(gateway));
    const auto accounts = client->account_summary(soon());
    ASSERT_TRUE(accounts) << accounts.error().message;
    ASSERT_EQ(accounts->size(), 2u);
    const auto& first = accounts->front();
    EXPECT_EQ(first.account, "DU1");
    EXPECT_EQ(first.account_type, "INDIVIDUAL");
    EXPECT_EQ(first.net_liquidation, 1'000'000);
    EXPECT_EQ(first.cushion, 0.97);
    EXPECT_EQ(first.currency, "USD");
    EXPECT_FALSE(first.buying_power);
    EXPECT_EQ(accounts->back().currency, "EUR");
    EXPECT_TRUE(cancelled.wait_for(1)) << "it would come again every three minutes";
  }
}

wire::Position held(double quantity, std::int64_t con_id = 700000600) {
  return {.account = "DU1234567",
          .contract = {.con_id = con_id,
                       .symbol = "SPY",
                       .sec_type = "OPT",
                       .last_trade_date = "20251219",
                       .strike = 600,
                       .right = core::Right::call,
                       .multiplier = "100",
                       .currency = "USD",
                       .local_symbol = "SPY   251219C00600000",
                       .trading_class = "SPY"},
          .position = quantity,
          .average_cost = 455.65};
}

TEST(Positions, AreNormalisedFilteredAndSorted) {
  for (const int version : versions) {
    Log<int> cancelled;
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake(version));
      while (const auto* fields = peer.receive()) {
        if (wire::decode<wire::PositionsRequest>(*fields, version)) {
          peer.send(held(1));
          peer.send(held(2));  // the last word counts
          peer.send(held(0, 700000601));
          auto stock = held(-50, 756733);
          stock.contract = {.con_id = 756733,
                            .symbol = "AAPL",
                            .sec_type = "STK",
                            .currency = "USD",
                            .trading_class = "NMS"};
          stock.average_cost = 230.5;
          peer.send(stock);
          auto other = held(3);
          other.account = "DU2";
          peer.send(other);
          peer.send(wire::PositionEnd{});
        } else if (wire::decode<wire::CancelPositions>(*fields, version)) {
          cancelled.add(1);
        }
      }
    }};
    const auto client = connected(any_version(gateway));
    const auto all = client->positions({}, soon());
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), 3u);
    EXPECT_EQ((*all)[0].symbol, "AAPL");
    EXPECT_EQ((*all)[0].quantity, -50);
    EXPECT_EQ((*all)[0].multiplier, 1);
    EXPECT_EQ((*all)[0].average_price, 230.5);
    EXPECT_FALSE((*all)[0].option);
    const auto& option = (*all)[1];
    EXPECT_EQ(option.quantity, 2);
    EXPECT_DOUBLE_EQ(option.average_price.value(), 4.5565) << "per share, not per contract";
    ASSERT_TRUE(option.option);
    EXPECT_EQ(core::describe(*option.option), "SPY 2025-12-19 600 C");
    EXPECT_EQ((*all)[2].account, "DU2");
    EXPECT_TRUE(cancelled.wait_for(1));

    EXPECT_EQ(client->positions({.symbol = "AAPL"}, soon())->size(), 1u);
    EXPECT_EQ(client->positions({.account = "DU2"}, soon())->size(), 1u);
    EXPECT_EQ(client->positions({.options_only = true}, soon())->size(), 2u);
    EXPECT_EQ(client->positions({.symbol = "MSFT"}, soon())->size(), 0u);
  }
}

TEST(Positions, TheEndOfAListGivenUpDoesNotCutTheNextOneShort) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    bool owed = false;
    while (const auto* fields = peer.receive()) {
      if (wire::decode<wire::PositionsRequest>(*fields, 178)) {
        asked.add(1);
        peer.send(held(1));
        if (asked.all().size() == 1) {
          owed = true;
          continue;  // its end comes too late
        }
        peer.send(held(1, 700000601));
        peer.send(wire::PositionEnd{});
      } else if (wire::decode<wire::CurrentTimeRequest>(*fields, 178)) {
        if (std::exchange(owed, false)) peer.send(wire::PositionEnd{});
        peer.send(wire::CurrentTime{1});
      }
    }
  }};
  const auto client = connected(gateway.options());
  EXPECT_EQ(client->positions({}, core::after(milliseconds{30})).error().code, Errc::timeout);
  const auto all = client->positions({}, soon());
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), 2u);
}

// ---- the margin of a combination

MarginQuestion vertical() {
  return {.symbol = "SPY",
          .legs = {{.con_id = 700000595, .ratio = 1}, {.con_id = 700000600, .ratio = -1}},
          .limit_price = 2.35};
}

wire::OpenOrder answer_to(const wire::WhatIfOrder& order) {
  wire::OpenOrder open{.order_id = order.order_id,
                       .contract = order.contract,
                       .action = order.action,
                       .what_if = true,
                       .status = "PreSubmitted"};
  open.initial_margin_before = 1000;
  open.initial_margin_change = 2500;
  open.initial_margin_after = 3500;
  open.maintenance_margin_change = 2400;
  open.equity_with_loan_change = -450;
  open.min_commission = 2.1;
  open.max_commission = 3.4;
  open.commission_currency = "USD";
  open.warning = "far from the market";
  return open;
}

TEST(WhatIf, AsksWithoutOrderingAndReadsTheAnswerAtEveryVersion) {
  for (const int version : versions) {
    Log<wire::WhatIfOrder> asked;
    Log<int> others;
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.read_hello() && peer.reply_hello(version) && peer.read_start());
      ASSERT_TRUE(peer.send(wire::ManagedAccounts{{"DU1"}}) && peer.send(wire::NextValidId{5000}) &&
                  peer.answer_probe());
      while (const auto* fields = peer.receive()) {
        const auto order = wire::decode<wire::WhatIfOrder>(*fields, version);
        if (!order) {
          others.add(fields->id().value_or(-1));
          continue;
        }
        asked.add(*order);
        // Another program's order comes in between.
        peer.send(wire::OpenOrder{.order_id = order->order_id, .status = "Submitted"});
        peer.send(wire::OrderStatus{.order_id = order->order_id, .status = "Submitted"});
        peer.send(answer_to(*order));
      }
    }};
    const auto client = connected(any_version(gateway));
    const auto margin = client->what_if_margin(vertical(), soon());
    ASSERT_TRUE(margin) << margin.error().message << " at " << version;
    EXPECT_EQ(margin->initial_before, 1000);
    EXPECT_EQ(margin->initial_change, 2500);
    EXPECT_EQ(margin->initial_after, 3500);
    EXPECT_EQ(margin->maintenance_change, 2400);
    EXPECT_FALSE(margin->maintenance_after) << "what the broker did not say stays unsaid";
    EXPECT_EQ(margin->equity_change, -450);
    EXPECT_FALSE(margin->commission);
    EXPECT_EQ(margin->max_commission, 3.4);
    EXPECT_EQ(margin->currency, "USD");
    EXPECT_EQ(margin->warning, "far from the market");
    ASSERT_EQ(asked.all().size(), 1u);
    const auto order = asked.all().front();
    EXPECT_GE(order.order_id, 5000) << "below the gateway's next id it would be refused";
    EXPECT_EQ(order.contract.sec_type, "BAG");
    EXPECT_EQ(order.contract.symbol, "SPY");
    ASSERT_EQ(order.legs.size(), 2u);
    EXPECT_EQ(order.legs[1].action, "SELL");
    EXPECT_EQ(order.legs[1].ratio, 1);
    EXPECT_EQ(order.order_type, "LMT");
    EXPECT_EQ(order.limit_price, 2.35);

    ASSERT_TRUE(client->what_if_margin(vertical(), soon()));
    EXPECT_GT(asked.all().back().order_id, order.order_id);
    EXPECT_TRUE(others.all().empty());
  }
}

TEST(WhatIf, ASingleLegIsNoBag) {
  Log<wire::WhatIfOrder> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (const auto* fields = peer.receive()) {
      const auto order = wire::decode<wire::WhatIfOrder>(*fields, 178);
      ASSERT_TRUE(order);
      asked.add(*order);
      peer.send(answer_to(*order));
    }
  }};
  ASSERT_TRUE(
      connected(gateway.options())
          ->what_if_margin(
              {.symbol = "SPY", .legs = {{.con_id = 700000600, .ratio = -2}}, .quantity = 3},
              soon()));
  const auto order = asked.all().at(0);
  EXPECT_EQ(order.contract.sec_type, "OPT");
  EXPECT_EQ(order.contract.con_id, 700000600);
  EXPECT_EQ(order.action, "SELL");
  EXPECT_EQ(order.quantity, 6);
  EXPECT_EQ(order.order_type, "MKT");
}

core::Result<Margin> refused_with(int code, const std::string& text) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (const auto* fields = peer.receive()) {
      const auto order = wire::decode<wire::WhatIfOrder>(*fields, 178);
      ASSERT_TRUE(order);
      peer.notice(code, order->order_id, text);
    }
  }};
  return connected(gateway.options())->what_if_margin(vertical(), soon());
}

TEST(WhatIf, AReadOnlyGatewayIsNamedWithItsRemedy) {
  const auto margin = refused_with(
      321,
      "Error validating request.-'bW' : cause - The API interface is currently in Read-Only mode.");
  ASSERT_FALSE(margin);
  EXPECT_EQ(margin.error().code, Errc::unauthorized);
  EXPECT_THAT(margin.error().message, HasSubstr("untick \"Read-Only API\""));
}

TEST(WhatIf, ARejectionKeepsTheBrokersWords) {
  const auto margin = refused_with(201, "Order rejected - reason:No such combination");
  ASSERT_FALSE(margin);
  EXPECT_EQ(margin.error().code, Errc::invalid_input);
  EXPECT_THAT(margin.error().message, HasSubstr("No such combination"));
}

TEST(WhatIf, NonsenseIsNotAsked) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (peer.receive()) asked.add(1);
  }};
  const auto client = connected(gateway.options());
  const auto code = [&](auto change) {
    auto question = vertical();
    change(question);
    const auto margin = client->what_if_margin(question, soon());
    return margin ? std::nullopt : std::optional{margin.error().code};
  };
  EXPECT_EQ(code([](auto& q) { q.legs.clear(); }), Errc::invalid_input);
  EXPECT_EQ(code([](auto& q) { q.legs[1].con_id = q.legs[0].con_id; }), Errc::invalid_input);
  EXPECT_EQ(code([](auto& q) { q.legs[0].ratio = 0; }), Errc::invalid_input);
  EXPECT_EQ(code([](auto& q) { q.legs[0].con_id = 0; }), Errc::invalid_input);
  EXPECT_EQ(code([](auto& q) { q.quantity = 0; }), Errc::invalid_input);
  EXPECT_EQ(code([](auto& q) { q.symbol = "no;"; }), Errc::invalid_input);
  EXPECT_TRUE(asked.all().empty());
}

TEST(WhatIf, AGatewayWithoutOrderIdsLeftIsSaidSo) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178) && peer.read_start());
    ASSERT_TRUE(peer.send(wire::ManagedAccounts{{"DU1"}}) &&
                peer.send(wire::NextValidId{2'147'483'646}) && peer.answer_probe());
    peer.wait_for_end();
  }};
  EXPECT_EQ(connected(gateway.options())->what_if_margin(vertical(), soon()).error().code,
            Errc::unavailable);
}

}  // namespace
}  // namespace bifrost::ib
