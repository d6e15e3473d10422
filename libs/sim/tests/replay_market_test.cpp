// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/replay_market.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <variant>

#include "bifrost/core/chain_file.hpp"
#include "bifrost/sim/gateway.hpp"
#include "gateway_client.hpp"
#include "shared_data.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

constexpr const char* header =
    "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,delta,"
    "gamma,theta,vega,bid_size,ask_size,root,mid\n";

/// A file of its own for one test, gone with it.
class ReplayFile : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::unique_ptr<ReplayMarket> open(const std::string& rows) {
    std::ofstream(path_) << header << rows;
    const std::filesystem::path files[] = {path_};
    auto market = ReplayMarket::open(files);
    return market ? std::move(*market) : nullptr;
  }

  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() /
      ("bifrost_replay_" + std::to_string(getpid()) + "_" +
       testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv");
};

const ListedOption& option(const Market& market, std::string_view trading_class, double strike) {
  for (const auto& u : market.underlyings()) {
    for (const auto& o : market.options(u.con_id)) {
      if (o.contract.trading_class == trading_class && o.contract.strike.value() == strike)
        return o;
    }
  }
  core::panic("no such option");
}

TEST_F(ReplayFile, RowsStandFromTheirInstantToTheNext) {
  const auto market = open(
      "2021-01-04T14:35:00Z,SPX,3750.5,2021-01-04,3700,C,55.1,55.9,,10,200,,,,,,3,4,SPXW,\n"
      "2021-01-04T14:40:00Z,SPX,3751,2021-01-04,3700,C,,56,55.5,11,200,0.2,,,,,,4,SPXW,\n");
  ASSERT_NE(market, nullptr);
  EXPECT_EQ(market->now(), instant("2021-01-04T14:35:00Z"));
  EXPECT_EQ(market->underlyings()[0].type, SecurityType::index);
  const int id = option(*market, "SPXW", 3700).con_id;
  const int spx = market->underlyings()[0].con_id;
  market->advance_to(instant("2021-01-04T14:39:59Z"));
  auto state = market->option_state(id);
  EXPECT_EQ(state.quote.bid, core::Price::parse("55.1"));
  EXPECT_EQ(state.quote.last, std::nullopt);
  EXPECT_EQ(state.model, std::nullopt);
  EXPECT_EQ(market->underlying_state(spx).last, core::Price::parse("3750.5"));
  const auto revision = market->revision();
  market->advance_to(instant("2021-01-04T14:40:00Z"));
  EXPECT_NE(market->revision(), revision);
  state = market->option_state(id);
  EXPECT_EQ(state.quote.bid, std::nullopt);
  EXPECT_EQ(state.quote.volume, 11);
  ASSERT_TRUE(state.model.has_value());
  EXPECT_EQ(state.model->implied_vol, 0.2);
  EXPECT_EQ(state.model->delta, std::nullopt);
  EXPECT_EQ(state.model->price, std::nullopt);
  market->advance_to(instant("2021-01-04T14:36:00Z"));
  EXPECT_EQ(market->option_state(id).quote.volume, 10);
}

TEST_F(ReplayFile, AZeroStaysAZero) {
  const auto market =
      open("2021-01-04T14:35:00Z,SPX,3750.5,2021-01-04,4200,C,0,0.05,,0,0,,,,,,0,40,SPXW,\n");
  const auto q = market->option_state(option(*market, "SPXW", 4200).con_id).quote;
  EXPECT_EQ(q.bid, core::Price{});
  EXPECT_EQ(q.volume, 0);
  EXPECT_EQ(q.open_interest, 0);
}

TEST_F(ReplayFile, TwoClassesOfOneDateAreTwoContracts) {
  const auto market = open(
      "2021-01-04T14:35:00Z,SPX,3750.5,2021-01-15,3700,C,80,81,,0,0,,,,,,1,1,SPX,\n"
      "2021-01-04T14:35:00Z,SPX,3750.5,2021-01-15,3700,C,82,83,,0,0,,,,,,1,1,SPXW,\n");
  const auto& morning = option(*market, "SPX", 3700);
  const auto& afternoon = option(*market, "SPXW", 3700);
  EXPECT_NE(morning.con_id, afternoon.con_id);
  EXPECT_EQ(morning.last_trade_date, date("2021-01-14"));
  EXPECT_EQ(afternoon.last_trade_date, date("2021-01-15"));
  EXPECT_EQ(market->option_state(morning.con_id).quote.bid, core::Price::parse("80"));
  EXPECT_EQ(market->option_state(afternoon.con_id).quote.bid, core::Price::parse("82"));
}

TEST_F(ReplayFile, ANewDayBringsItsOwnStrikes) {
  const auto market = open(
      "2014-06-06T19:00:00Z,AAPL,645.5,2014-06-20,645,C,10,11,,0,,,,,,,1,1,AAPL,\n"
      "2014-06-09T15:00:00Z,AAPL,93.5,2014-06-20,92.14,C,2,2.1,,0,,,,,,,1,1,AAPL,\n");
  const int id = market->underlyings()[0].con_id;
  EXPECT_EQ(market->underlyings()[0].type, SecurityType::stock);
  market->advance_to(instant("2014-06-07T12:00:00Z"));
  ASSERT_EQ(market->options(id).size(), 1U);
  const int old = market->options(id)[0].con_id;
  EXPECT_EQ(market->options(id)[0].contract.strike, core::Price::parse("645"));
  market->advance_to(instant("2014-06-09T13:30:00Z"));
  ASSERT_EQ(market->options(id).size(), 1U);
  EXPECT_EQ(market->options(id)[0].contract.strike, core::Price::parse("92.14"));
  EXPECT_EQ(market->find_option(old), nullptr);
  EXPECT_EQ(market->option_state(market->options(id)[0].con_id).quote.bid, std::nullopt)
      << "not quoted before its first row";
}

TEST_F(ReplayFile, WithoutAUsableRowThereIsNoMarket) {
  EXPECT_EQ(open(""), nullptr);
  const std::filesystem::path missing[] = {"/nonexistent/rows.csv"};
  EXPECT_FALSE(ReplayMarket::open(missing).has_value());
}

TEST_F(ReplayFile, WhatAFileDoesNotSayIsNotSentOnTheWire) {
  const auto market = open(
      "2021-01-04T14:35:00Z,SPX,3750.5,2021-01-04,3700,C,,0.05,,,,,,,,,,,SPXW,\n"
      "2021-01-04T14:35:00Z,SPX,3750.5,2021-01-04,3750,P,0,0.1,,0,7,0.5,-0.01,,,0.125,0,9,SPXW,\n");
  const core::ManualClock clock{market->now()};
  const int bare = option(*market, "SPXW", 3700).con_id;
  const int full = option(*market, "SPXW", 3750).con_id;
  EXPECT_EQ(market->option_state(full).quote.vega, 12.5) << "the file's vega is per point";
  auto gateway = *Gateway::start(*market, clock, {.port = 0});
  auto c = GatewayClient::ready(gateway->port());
  const auto quote = [&](int req_id, int con_id) {
    wire::MarketDataRequest m;
    m.req_id = req_id;
    m.contract.con_id = con_id;
    m.generic_ticks = "101";
    c.send(m);
    c.send(wire::CurrentTimeRequest{});
    return c.until(wire::Reply::current_time);
  };
  const auto nothing = quote(1, bare);
  const auto prices = c.only<wire::TickPrice>(nothing);
  ASSERT_EQ(prices.size(), 2U);
  EXPECT_EQ(prices[0].tick_type, wire::tick::bid);
  EXPECT_EQ(prices[0].price, std::nullopt) << "-1 with size 0: no quote";
  EXPECT_EQ(prices[1].price, 0.05);
  EXPECT_EQ(prices[1].size, std::nullopt);
  EXPECT_EQ(c.only<wire::TickSize>(nothing).size(), 1U) << "only the empty bid's";
  for (const auto& computed : c.only<wire::OptionComputation>(nothing)) {
    EXPECT_EQ(computed.implied_vol, std::nullopt);
    EXPECT_EQ(computed.delta, std::nullopt);
  }

  const auto some = quote(2, full);
  EXPECT_EQ(c.only<wire::TickPrice>(some)[0].price, 0.0);
  std::map<int, std::optional<double>> sizes;
  for (const auto& s : c.only<wire::TickSize>(some)) sizes[s.tick_type] = s.size;
  EXPECT_EQ(sizes.at(wire::tick::volume), 0.0);
  EXPECT_EQ(sizes.at(wire::tick::put_open_interest), 7.0);
  const auto model = c.only<wire::OptionComputation>(some).back();
  EXPECT_EQ(model.tick_type, wire::tick::model_computation);
  EXPECT_EQ(model.implied_vol, 0.5);
  EXPECT_EQ(model.delta, -0.01);
  EXPECT_EQ(model.gamma, std::nullopt);
  EXPECT_EQ(model.vega, 0.125);
  EXPECT_EQ(model.option_price, std::nullopt);
}

TEST(ReplayMarket, ShowsEveryRowOfARecordedFileAtItsInstant) {
  for (const auto* name :
       {"a_clear/spx_2021_01_04_5min.csv.gz", "a_clear/twx_2014_06_05_06_5min.csv.gz",
        "b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz"}) {
    const auto path = shared_data(name);
    if (!path) GTEST_SKIP() << "no shared data at hand: " << name;
    const std::filesystem::path files[] = {*path};
    auto opened = ReplayMarket::open(files);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    auto& market = **opened;
    EXPECT_EQ(market.rejected_lines(), 0U);

    auto reader = *core::ChainFileReader::open(*path);
    std::map<core::OptionContract, int> ids;
    core::Instant at{};
    std::size_t rows = 0;
    for (;;) {
      const auto line = *reader.next();
      if (!line) break;
      const auto& row = std::get<core::ChainFileRow>(*line);
      if (row.quote_ts != at) {
        at = row.quote_ts;
        market.advance_to(at);
        ids.clear();
        for (const auto& o : market.options(market.underlyings()[0].con_id)) {
          ids.emplace(o.contract, o.con_id);
        }
      }
      ASSERT_TRUE(ids.contains(row.contract)) << core::describe(row.contract);
      ASSERT_EQ(market.option_state(ids.at(row.contract)).quote, row.quote);
      ASSERT_EQ(market.underlying_state(market.underlyings()[0].con_id).last, row.underlying_price);
      ++rows;
    }
    EXPECT_GT(rows, 1000U);
    std::set<int> distinct;
    for (const auto& [contract, id] : ids) distinct.insert(id);
    EXPECT_EQ(distinct.size(), ids.size());
  }
}

}  // namespace
}  // namespace bifrost::sim
