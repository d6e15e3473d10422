// SPDX-License-Identifier: Apache-2.0
//
// The gateway's frames of tws-protocol.md section 12, byte for byte, from a gateway whose market
// shows the values that they hold. Numbers written in another style there (600.0 for 600) are
// compared as numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <tuple>

#include "bifrost/ib/wire_orders.hpp"
#include "bifrost/sim/gateway.hpp"
#include "gateway_client.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;

constexpr int spy = 756'733;
constexpr int spy_600_call = 700'000'600;

core::Price price(double value) {
  return *core::Price::from_double(value);
}

/// One fund and six options that show what the protocol text shows.
class PageOfTheSpecification final : public Market {
 public:
  PageOfTheSpecification() {
    fund_ = {.con_id = spy,
             .symbol = "SPY",
             .type = SecurityType::stock,
             .name = "SS SPDR S&P 500 ETF TRUST-US",
             .exchange = "ARCA",
             .min_tick = price(0.01),
             .penny_options = false};
    int id = spy_600_call;
    for (const auto* expiry : {"2025-12-19", "2026-01-16"}) {
      for (const int strike : {595, 600, 605}) {
        ListedOption o;
        o.con_id = strike == 600 && id == spy_600_call ? id : ++id;
        o.underlying_con_id = spy;
        o.contract = {.underlying = "SPY",
                      .trading_class = "SPY",
                      .expiry = date(expiry),
                      .strike = price(strike),
                      .right = core::Right::call};
        o.last_trade_date = o.contract.expiry;
        options_.push_back(o);
      }
    }
    options_[0].con_id = 700'000'595;
    options_[1].con_id = spy_600_call;
  }

  void advance_to(core::Instant t) override { now_ = t; }
  core::Instant now() const override { return now_; }
  std::uint64_t revision() const override { return 1; }
  std::span<const Underlying> underlyings() const override { return {&fund_, 1}; }
  std::span<const ListedOption> options(int) const override { return options_; }
  const ListedOption* find_option(int con_id) const override {
    const auto it = std::ranges::find(options_, con_id, &ListedOption::con_id);
    return it == options_.end() ? nullptr : &*it;
  }
  OptionState option_state(int) const override {
    OptionState s;
    s.quote.bid = price(4.55);
    s.quote.bid_size = 12;
    s.quote.ask = price(4.6);
    s.quote.ask_size = 31;
    s.quote.volume = 1532;
    s.quote.open_interest = 10234;
    s.bid = Computation{.implied_vol = 0.16211,
                        .price = 4.55,
                        .delta = 0.51232,
                        .gamma = 0.02131,
                        .theta = -0.18712,
                        .vega = 64.02,
                        .underlying_price = 598.21};
    s.model = Computation{.implied_vol = 0.16273,
                          .price = 4.5761,
                          .delta = 0.51251,
                          .gamma = 0.02124,
                          .theta = -0.18753,
                          .vega = 64.01,
                          .underlying_price = 598.21};
    return s;
  }
  UnderlyingState underlying_state(int) const override {
    UnderlyingState s;
    s.last = price(598.21);
    s.previous_close = price(4.4);
    return s;
  }
  std::optional<Carry> carry(int) const override { return std::nullopt; }
  std::vector<DailyBar> daily_bars(int, BarKind, std::size_t) const override {
    return {{.date = date("2025-11-20"),
             .open = 0.1410,
             .high = 0.1502,
             .low = 0.1401,
             .close = 0.1455},
            {.date = date("2025-11-21"),
             .open = 0.1455,
             .high = 0.1610,
             .low = 0.1450,
             .close = 0.1523}};
  }

 private:
  core::Instant now_{};
  Underlying fund_;
  std::vector<ListedOption> options_;
};

bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto number = [](std::string_view text) -> std::optional<double> {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto x = number(a);
  const auto y = number(b);
  return x && y && std::abs(*x - *y) <= 1e-12 * std::abs(*x);
}

class Golden : public testing::Test {
 protected:
  void start(GatewayOptions options = {}) {
    options.port = 0;
    options.account = "DU1234567";
    if (options.account_file.empty()) options.account_file = "cash 1000000";
    options.snapshot_wait = 0s;
    gateway_ = *Gateway::start(market_, clock_, options);
  }

  /// All that comes until the gateway has told the time, NULs as |.
  static std::vector<std::string> until_time(GatewayClient& c) {
    c.send(wire::CurrentTimeRequest{});
    std::vector<std::string> out;
    for (auto& p : c.until(wire::Reply::current_time)) out.push_back(GatewayClient::printable(p));
    return out;
  }
  static bool has_values(const std::vector<std::string>& all, std::string_view golden) {
    const auto cut = [](std::string text) {
      std::ranges::replace(text, '|', '\0');
      return text;
    };
    const std::string wanted = cut(std::string{golden});
    const wire::Fields w{wanted};
    for (const auto& text : all) {
      const auto payload = cut(text);
      const wire::Fields f{payload};
      bool same = f.size() == w.size();
      for (std::size_t i = 0; same && i < f.size(); ++i) same = same_value(f[i], w[i]);
      if (same) return true;
    }
    return false;
  }

  core::ManualClock clock_{instant("2025-11-21T20:50:00Z")};
  PageOfTheSpecification market_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(Golden, Handshake) {
  start({.fault_script =
             "on request ids: notice 2104 \"Market data farm connection is OK:usopt\"\n"});
  GatewayClient c(gateway_->port());
  c.hello({.min = 157, .max = 178});
  // The gateway's text begins with its version and its time: 15:50:00 in New York.
  EXPECT_THAT(GatewayClient::printable(c.received()),
              testing::EndsWith("!178|20251121 15:50:00 US/Eastern|"));
  c.send(wire::StartApi{.client_id = 7, .capabilities = {}});
  EXPECT_EQ(GatewayClient::printable(*c.next()), "15|1|DU1234567|");
  EXPECT_EQ(GatewayClient::printable(*c.next()), "9|1|1|");
  c.send(wire::IdsRequest{});
  EXPECT_THAT(until_time(c),
              testing::Contains("4|2|-1|2104|Market data farm connection is OK:usopt||"));

  clock_.set(instant("2025-11-21T20:36:40.123Z"));
  gateway_->step();
  auto newest = GatewayClient::ready(gateway_->port(), 8, 200);
  newest.send(wire::IdsRequest{});
  const auto got = until_time(newest);
  EXPECT_THAT(
      got, testing::Contains("4|-1|2104|Market data farm connection is OK:usopt||1763757400123|"));
  EXPECT_EQ(got.back(), "49|1|1763757400|");
}

TEST_F(Golden, ChainDiscovery) {
  start();
  auto c = GatewayClient::ready(gateway_->port());
  c.send(wire::OptionParametersRequest{.req_id = 1002,
                                       .underlying_symbol = "SPY",
                                       .fut_fop_exchange = {},
                                       .underlying_sec_type = "STK",
                                       .underlying_con_id = spy});
  const auto parameters = until_time(c);
  EXPECT_THAT(parameters,
              testing::Contains("75|1002|SMART|756733|SPY|100|2|20251219|20260116|3|595|600|605|"));
  EXPECT_THAT(parameters, testing::Contains("76|1002|"));

  wire::ContractDataRequest m;
  m.req_id = 1003;
  m.contract.con_id = spy_600_call;
  c.send(m);
  const auto described = until_time(c);
  // Hours and exchanges are the simulator's own; the fields around them are the text's.
  EXPECT_THAT(described[0],
              testing::StartsWith("10|1003|SPY|OPT|20251219|600|C|SMART|USD|SPY   251219C00600000|"
                                  "SPY|SPY|700000600|0.01|100|ACTIVETIM,ADJUST,ALERT,LMT,MKT,"
                                  "WHATIF|SMART,AMEX,CBOE|1|756733|SS SPDR S\\u0026P 500 ETF "
                                  "TRUST-US||202512||||US/Eastern|"));
  EXPECT_THAT(described[0], testing::EndsWith("||0|0|2|SPY|STK|109,109,109|20251219||1|1|1|"));
  EXPECT_THAT(described, testing::Contains("52|1|1003|"));

  m.contract.con_id = 4;
  c.send(m);
  EXPECT_THAT(until_time(c),
              testing::Contains("4|2|1003|200|No security definition has been found for the "
                                "request||"));
}

TEST_F(Golden, OptionSnapshotAndStreaming) {
  start();
  auto c = GatewayClient::ready(gateway_->port());
  wire::MarketDataRequest m;
  m.req_id = 1004;
  m.contract.con_id = spy_600_call;
  m.snapshot = true;
  c.send(m);
  const auto got = until_time(c);
  for (const auto* golden :
       {"58|1|1004|1|", "81|1004|0.01|9c0001|3|", "1|6|1004|1|4.55|12|1|", "2|6|1004|0|12|",
        "1|6|1004|2|4.6|31|1|", "2|6|1004|8|1532|", "57|1|1004|"}) {
    EXPECT_THAT(got, testing::Contains(golden));
  }
  for (const auto* golden :
       {"21|1004|10|1|0.16211|0.51232|4.55|0.0|0.02131|0.6402|-0.18712|598.21|",
        "21|1004|13|0|0.16273|0.51251|4.5761|0.0|0.02124|0.6401|-0.18753|598.21|",
        // Nothing is computed for the ask: no price of ours says a volatility there.
        "21|1004|11|1|-1|-2|-1|-1|-2|-2|-2|-1|"}) {
    EXPECT_TRUE(has_values(got, golden)) << golden << "\n" << testing::PrintToString(got);
  }
  m.req_id = 1005;
  m.snapshot = false;
  m.generic_ticks = "101";
  c.send(m);
  EXPECT_THAT(until_time(c), testing::Contains("2|6|1005|27|10234|"));
  m.req_id = 1006;
  m.contract.con_id = spy;
  c.send(m);
  EXPECT_TRUE(has_values(until_time(c), "1|6|1006|9|4.4|0|0|"));
}

TEST_F(Golden, NoBid) {
  start({.fault_script = "at 0s: spoil no_quote"});
  auto c = GatewayClient::ready(gateway_->port());
  wire::MarketDataRequest m;
  m.req_id = 1004;
  m.contract.con_id = spy_600_call;
  c.send(m);
  EXPECT_THAT(until_time(c), testing::Contains("1|6|1004|1|-1|0|0|"));
}

TEST_F(Golden, HistoryBeforeAndFrom196) {
  clock_.set(instant("2025-11-21T21:00:00Z"));
  start();
  wire::HistoricalDataRequest m;
  m.req_id = 1006;
  m.contract.con_id = spy;
  m.bar_size = "1 day";
  m.duration = "2 D";
  m.what_to_show = "OPTION_IMPLIED_VOLATILITY";
  auto old = GatewayClient::ready(gateway_->port(), 1, 178);
  old.send(m);
  const std::string bars =
      "2|20251120|0.1410|0.1502|0.1401|0.1455|-1|-1|-1|20251121|0.1455|0.1610|0.1450|0.1523|-1|-1|"
      "-1|";
  EXPECT_TRUE(
      has_values(until_time(old),
                 "17|1006|20251120 09:30:00 US/Eastern|20251121 16:00:00 US/Eastern|" + bars));
  auto fresh = GatewayClient::ready(gateway_->port(), 2, 200);
  fresh.send(m);
  const auto got = until_time(fresh);
  EXPECT_TRUE(has_values(got, "17|1006|" + bars));
  EXPECT_THAT(got, testing::Contains(
                       "108|1006|20251120 09:30:00 US/Eastern|20251121 16:00:00 US/Eastern|"));
}

TEST_F(Golden, AccountAndPositions) {
  start();
  auto c = GatewayClient::ready(gateway_->port());
  c.send(wire::AccountSummaryRequest{.req_id = 1009, .group = "All", .tags = "NetLiquidation"});
  const auto summary = until_time(c);
  EXPECT_THAT(summary, testing::Contains("63|1|1009|DU1234567|NetLiquidation|1000000.00|USD|"));
  EXPECT_THAT(summary, testing::Contains("64|1|1009|"));

  gateway_.reset();
  start({.account_file = "option SPY SPY 2025-12-19 600 C 2 4.5565"});
  auto holder = GatewayClient::ready(gateway_->port());
  holder.send(wire::PositionsRequest{});
  const auto held = until_time(holder);
  EXPECT_TRUE(has_values(held,
                         "61|3|DU1234567|700000600|SPY|OPT|20251219|600.0|C|100||USD|SPY   "
                         "251219C00600000|SPY|2|455.65|"))
      << testing::PrintToString(held);
  EXPECT_THAT(held, testing::Contains("62|1|"));
}

TEST_F(Golden, TheMarginAnswerHasTheFieldsOfItsVersion) {
  start();
  wire::WhatIfOrder m;
  m.order_id = 1;
  m.contract.symbol = "SPY";
  m.contract.sec_type = "BAG";
  m.contract.exchange = "SMART";
  m.contract.currency = "USD";
  m.legs = {{.con_id = 700'000'595, .ratio = 1, .action = "BUY", .exchange = "SMART"},
            {.con_id = spy_600_call, .ratio = 1, .action = "SELL", .exchange = "SMART"}};
  m.action = "BUY";
  m.quantity = 1;
  m.order_type = "LMT";
  m.limit_price = 2.35;
  m.combo_parameters = {{"NonGuaranteed", "1"}};
  const std::string head =
      "5|1|0|SPY|BAG||0.0|?||SMART|USD|SPY|COMB|BUY|1|LMT|2.35|0.0|DAY||DU1234567|O|0||7|";
  // Appendix A.3 at 178; permId and amounts are the simulator's own.
  const std::string golden =
      head +
      "1000000001|0|0|0.0|||||||||||0||-1|0|||||||0|0|0||3|0|0||0|0||0|None||0||||?|0|0||0|0|||||"
      "700000595|1,700000600|-1|2|700000595|1|BUY|SMART|0|0||-1|700000600|1|SELL|SMART|0|0||-1|0|1|"
      "NonGuaranteed|1|||||0||IB|0|0||0|1|PreSubmitted|0|0|1000000|0|0|-1.3|0|0|999998.7||1.3|1.95|"
      "USD|";
  const std::string rest = "|0|0|0|None|||||||0||||0|0|0|0|0|||0||||||";
  for (const auto& [version, more, end] :
       {std::tuple{178, "", ""}, std::tuple{193, "", "|0|0|0|||"},
        std::tuple{200, "USD||||||||||||0|", "|0|0|0||||0|"}}) {
    auto c = GatewayClient::ready(gateway_->port(), 7, version);
    c.send(m);
    const auto got = until_time(c);
    EXPECT_TRUE(has_values({got[0]}, golden + more + rest + end)) << version << " " << got[0];
    gateway_.reset();
    start();
  }
}

}  // namespace
}  // namespace bifrost::sim
