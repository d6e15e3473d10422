// SPDX-License-Identifier: Apache-2.0
#include "account.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "bifrost/ib/wire_orders.hpp"
#include "bifrost/sim/gateway.hpp"
#include "gateway_client.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const auto noon = instant("2026-03-02T17:00:00Z");

class AccountTest : public testing::TestWithParam<int> {
 protected:
  void start(GatewayOptions options = {}) {
    options.port = 0;
    auto started = Gateway::start(market_, clock_, options);
    ASSERT_TRUE(started.has_value()) << started.error().message;
    gateway_ = std::move(*started);
    twin_.advance_to(clock_.now());
  }
  GatewayClient client(int id = 1, int version = 178) {
    return GatewayClient::ready(gateway_->port(), id, version);
  }
  void pass(std::chrono::seconds time) {
    clock_.set(clock_.now() + time);
    gateway_->step();
    twin_.advance_to(clock_.now());
  }
  const Underlying& odin() { return underlying(twin_, "ODIN"); }
  /// Calls of the first weekly of ODIN, by strike.
  std::vector<ListedOption> chain(core::Right right) {
    const auto all = twin_.options(odin().con_id);
    std::vector<ListedOption> out;
    for (const auto& o : all) {
      if (o.contract.right == right && o.contract.expiry == all.front().contract.expiry) {
        out.push_back(o);
      }
    }
    return out;
  }
  double mid(const ListedOption& o) { return market_price(twin_.option_state(o.con_id)).value(); }
  static wire::WhatIfOrder combo(int id, std::vector<wire::ComboLeg> legs,
                                 std::string action = "BUY", double quantity = 1) {
    wire::WhatIfOrder m;
    m.order_id = id;
    m.contract.symbol = "ODIN";
    m.contract.sec_type = "BAG";
    m.contract.exchange = "SMART";
    m.contract.currency = "USD";
    m.legs = std::move(legs);
    m.action = std::move(action);
    m.quantity = quantity;
    m.order_type = "LMT";
    m.limit_price = 2.35;
    m.combo_parameters = {{"NonGuaranteed", "1"}};
    return m;
  }
  static wire::ComboLeg leg(const ListedOption& o, std::string action, int ratio = 1) {
    return {.con_id = o.con_id, .ratio = ratio, .action = std::move(action), .exchange = "SMART"};
  }

  core::ManualClock clock_{noon};
  SyntheticMarket market_{7, date("2026-01-02"), only({"BFX", "ODIN"})};
  SyntheticMarket twin_{7, date("2026-01-02"), only({"BFX", "ODIN"})};
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(AccountTest, PositionsAreContractsOfTheCatalogue) {
  start();
  auto c = client();
  c.send(wire::PositionsRequest{});
  const auto held = c.only<wire::Position>(c.until(wire::Reply::position_end));
  ASSERT_EQ(held.size(), 2U);
  for (const auto& p : held) {
    const auto* option = twin_.find_option(static_cast<int>(p.contract.con_id));
    ASSERT_NE(option, nullptr);
    EXPECT_EQ(p.contract.symbol, "BFX");
    EXPECT_EQ(p.contract.trading_class, "BFX");
    EXPECT_EQ(p.contract.exchange, "") << "positions come without an exchange";
    EXPECT_EQ(p.contract.strike, option->contract.strike.value());
    EXPECT_NEAR(*p.average_cost, 100 * mid(*option), 1e-9) << "times the multiplier";
  }
  EXPECT_EQ(held[0].position, 2.0);
  EXPECT_EQ(held[1].position, -1.0);
}

TEST_F(AccountTest, TheAccountIsWhatItsFileSays) {
  const auto option = [&] {
    twin_.advance_to(noon);
    return chain(core::Right::call)[5];
  }();
  const auto& c = option.contract;
  start({.account_file = "cash 50000 # all there is\nstock ODIN 100 60.5\noption ODIN ODIN " +
                         core::to_iso_date(c.expiry) + " " + std::to_string(c.strike.value()) +
                         " C -1 2.5\n"});
  auto client = this->client();
  client.send(wire::PositionsMultiRequest{.req_id = 4, .account = {}, .model = {}});
  const auto held = client.only<wire::PositionMulti>(client.until(wire::Reply::position_multi_end));
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(held[0].contract.sec_type, "STK");
  EXPECT_EQ(held[0].average_cost, 60.5);
  EXPECT_EQ(held[1].contract.con_id, option.con_id);
  EXPECT_EQ(held[1].average_cost, 250);

  client.send(wire::AccountSummaryRequest{
      .req_id = 5, .group = "All", .tags = "NetLiquidation,InitMarginReq,TotalCashValue"});
  std::map<std::string, double> values;
  for (const auto& line :
       client.only<wire::AccountSummary>(client.until(wire::Reply::account_summary_end))) {
    values[line.tag] = std::stod(line.value);
  }
  const double spot = market_price(twin_.underlying_state(odin().con_id)).value();
  EXPECT_NEAR(values["TotalCashValue"], 50'000, 0.01);
  EXPECT_NEAR(values["NetLiquidation"], 50'000 + 100 * spot - 100 * mid(option), 0.01);
  // A covered call: the shares may become worthless, the premium stays.
  EXPECT_NEAR(values["InitMarginReq"], 100 * 60.5 - 250, 0.01);
}

TEST_F(AccountTest, AFileThatCannotBeReadNamesItsLines) {
  for (const auto& [text, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"cash\n", "account:1: expected `cash AMOUNT`"},
           {"\n\nbonds 3\n", "account:3: `bonds` is none of"},
           {"stock ODIN 0 3", "`0` is no quantity"},
           {"stock ODIN 1 -3", "`-3` is no price"},
           {"option ODIN ODIN 2026-13-40 5 C 1 1", "account:1:"},
           {"option ODIN ODIN 2026-03-20 5 X 1 1", "neither C nor P"},
           {"cash much", "`much` is no amount"},
       }) {
    const auto account = parse_account(text, "account");
    ASSERT_FALSE(account.has_value()) << text;
    EXPECT_EQ(account.error().code, core::Errc::invalid_input);
    EXPECT_THAT(account.error().message, HasSubstr(why));
  }
}

TEST_F(AccountTest, UpdatesCarryThePortfolioAndGoOnEveryThreeMinutes) {
  start();
  auto c = client();
  c.send(wire::AccountUpdatesRequest{.subscribe = true, .account = "SIM1000001"});
  const auto first = c.until(wire::Reply::account_download_end);
  const auto portfolio = c.only<wire::PortfolioValue>(first);
  ASSERT_EQ(portfolio.size(), 2U);
  EXPECT_NEAR(*portfolio[0].market_value, 200 * *portfolio[0].market_price, 1e-6);
  EXPECT_EQ(c.only<wire::AccountUpdateTime>(first).at(0).time, "12:00");
  pass(181s);
  EXPECT_EQ(c.only<wire::AccountUpdateTime>(c.until(wire::Reply::account_update_time)).at(0).time,
            "12:03");

  auto other = client(2);
  other.send(wire::AccountUpdatesRequest{.subscribe = true, .account = "SIM1000001"});
  other.until(wire::Reply::account_download_end);
  pass(5s);
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 2100);
}

TEST_F(AccountTest, ASummaryIsToldAgainWhereItChanged) {
  start();
  auto c = client();
  c.send(wire::AccountSummaryRequest{
      .req_id = 1, .group = "All", .tags = "AccountType,NetLiquidation,$LEDGER"});
  EXPECT_EQ(c.until(wire::Reply::account_summary_end).size(), 1U + 1U + 4U + 1U);
  pass(200s);
  EXPECT_NE(c.expect<wire::AccountSummary>().tag, "AccountType");
  c.send(wire::CancelAccountSummary{.req_id = 1});
}

// ---- orders

TEST_F(AccountTest, AQuestionForTheMarginGetsOneOpenOrderAndNoStatus) {
  start();
  for (const int version : {163, 170, 176, 178, 187, 190, 193, 195, 200}) {
    SCOPED_TRACE(version);
    auto c = client(version, version);  // the last one's id may not be free yet
    const auto calls = chain(core::Right::call);
    const auto& low = calls[10];
    const auto& high = calls[12];
    c.send(combo(77, {leg(low, "BUY"), leg(high, "SELL")}, "BUY", 3));
    c.send(wire::CurrentTimeRequest{});
    const auto got = c.until(wire::Reply::current_time);
    ASSERT_EQ(got.size(), 2U) << "one answer alone";
    const auto open = c.only<wire::OpenOrder>(got).at(0);
    EXPECT_EQ(open.order_id, 77);
    EXPECT_TRUE(open.what_if);
    EXPECT_EQ(open.status, "PreSubmitted");
    EXPECT_EQ(open.legs.size(), 2U);
    EXPECT_EQ(open.combo_description,
              std::to_string(low.con_id) + "|1," + std::to_string(high.con_id) + "|-1");
    // A debit spread can lose what it costs.
    EXPECT_NEAR(*open.initial_margin_change, 300 * (mid(low) - mid(high)), 0.011);
    EXPECT_NEAR(*open.initial_margin_after - *open.initial_margin_before,
                *open.initial_margin_change, 1e-6);
    EXPECT_FALSE(open.commission.has_value());
    EXPECT_NEAR(*open.min_commission, 6 * 0.65, 1e-9);
  }
}

TEST_F(AccountTest, TheMarginIsTheWorstLossOfTheLegs) {
  start();
  auto c = client();
  const auto calls = chain(core::Right::call);
  const auto puts = chain(core::Right::put);
  const auto& low = calls[10];
  const auto& high = calls[12];
  const double width = high.contract.strike.value() - low.contract.strike.value();
  const double spot = market_price(twin_.underlying_state(odin().con_id)).value();
  const auto margin = [&](const wire::WhatIfOrder& m) {
    c.send(m);
    return *c.expect<wire::OpenOrder>().initial_margin_change;
  };
  EXPECT_NEAR(margin(combo(1, {leg(low, "BUY"), leg(high, "SELL")}, "SELL")),
              100 * (width - (mid(low) - mid(high))), 0.011)
      << "a credit spread: its width less the credit";
  EXPECT_NEAR(
      margin(combo(2, {leg(low, "SELL", 2), leg(high, "BUY")})),
      [&] {
        // One call stays uncovered: a fifth of the underlying above the worst corner.
        const double credit = 100 * (2 * mid(low) - mid(high));
        const double corner = std::max(0.0, 200 * width - credit);
        return corner + 20 * spot;
      }(),
      0.011);
  wire::WhatIfOrder put;
  put.order_id = 3;
  put.contract.con_id = puts[5].con_id;
  put.contract.sec_type = "OPT";
  put.contract.exchange = "SMART";
  put.action = "SELL";
  put.quantity = 2;
  put.order_type = "MKT";
  EXPECT_NEAR(margin(put), 200 * (puts[5].contract.strike.value() - mid(puts[5])), 0.011);
}

TEST_F(AccountTest, QuestionsThatMakeNoSenseAreRefused) {
  start();
  auto c = client();
  const auto calls = chain(core::Right::call);
  const auto refused = [&](wire::WhatIfOrder m, int code) {
    c.send(m);
    const auto e = c.expect<wire::ErrorMessage>();
    EXPECT_EQ(e.code, code) << e.text;
    EXPECT_EQ(e.req_id, m.order_id);
  };
  refused(combo(1, {}), 321);
  refused(combo(2, {leg(calls[0], "BUY")}, "HOLD"), 321);
  refused(combo(3, {leg(calls[0], "BUY")}, "BUY", 0), 321);
  refused(combo(4, {leg(calls[0], "BUY")}, "BUY", 1.5), 321);
  auto unknown = calls[0];
  unknown.con_id = 12;
  refused(combo(5, {leg(unknown, "BUY")}), 200);
  const auto bfx = twin_.options(underlying(twin_, "BFX").con_id).front();
  refused(combo(6, {leg(calls[0], "BUY"), leg(bfx, "SELL")}), 201);
  auto elsewhere = combo(7, {leg(calls[0], "BUY")});
  elsewhere.account = "DU7";
  refused(elsewhere, 321);
}

TEST_F(AccountTest, ARealOrderIsAlwaysRefusedAndAQuestionWhereToldSo) {
  const auto order = [&](int version) {
    auto m = combo(9, {leg(chain(core::Right::call)[3], "BUY")});
    return wire::encode(m, version);
  };
  start();
  {
    // The same bytes with whatIf 0: nobody here can write them otherwise. It is the field in front
    // of options, solicited and the two flags of randomizing.
    auto real = order(178);
    const std::string question(
        "\0"
        "1\0"
        "\0"
        "0\0"
        "0\0"
        "0\0",
        10);
    const auto at = real.rfind(question);
    ASSERT_NE(at, std::string::npos);
    real[at + 1] = '0';
    auto c = client();
    c.send_bytes(real);
    const auto e = c.expect<wire::ErrorMessage>();
    EXPECT_EQ(e.code, 321);
    EXPECT_EQ(e.req_id, 9);
    EXPECT_THAT(e.text, HasSubstr("Read-Only"));
  }
  start({.allow_what_if = false});
  auto c = client();
  c.send_bytes(order(178));
  EXPECT_THAT(c.expect<wire::ErrorMessage>().text, HasSubstr("Read-Only"));
}

}  // namespace
}  // namespace bifrost::sim
