// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bifrost/core/calendar.hpp"
#include "bifrost/sim/gateway.hpp"
#include "gateway_client.hpp"
#include "history_pacing.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const auto noon = instant("2026-03-02T17:00:00Z");

class HistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Gateway::start(market_, clock_, {.port = 0, .max_messages_per_second = 0});
    ASSERT_TRUE(started.has_value());
    gateway_ = std::move(*started);
    twin_.advance_to(noon);
  }
  GatewayClient client(int version = 178) {
    return GatewayClient::ready(gateway_->port(), 1, version);
  }
  wire::HistoricalDataRequest ask(int id, std::string size, std::string duration,
                                  std::string what = "TRADES") {
    wire::HistoricalDataRequest m;
    m.req_id = id;
    m.contract.con_id = underlying(twin_, "ODIN").con_id;
    m.contract.exchange = "SMART";
    m.bar_size = std::move(size);
    m.duration = std::move(duration);
    m.what_to_show = std::move(what);
    return m;
  }
  static wire::ErrorMessage refused(GatewayClient& c, const wire::HistoricalDataRequest& m) {
    c.send(m);
    return c.expect<wire::ErrorMessage>();
  }

  core::ManualClock clock_{noon};
  SyntheticMarket market_{7, date("2026-01-02"), only({"ODIN"})};
  SyntheticMarket twin_{7, date("2026-01-02"), only({"ODIN"})};
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(HistoryTest, MinuteBarsAddUpToTheDay) {
  auto c = client();
  c.send(ask(1, "5 mins", "2 D"));
  const auto bars = c.expect<wire::HistoricalData>().bars;
  // One whole session of 78 bars, and two and a half hours of today.
  ASSERT_EQ(bars.size(), 78U + 30U);
  EXPECT_EQ(bars.front().date, "20260227 09:30:00 US/Eastern");
  EXPECT_EQ(bars.back().date, "20260302 11:55:00 US/Eastern");
  const auto days = twin_.daily_bars(underlying(twin_, "ODIN").con_id, BarKind::trades, 1);
  ASSERT_EQ(days.size(), 2U);
  double high = 0;
  double volume = 0;
  for (std::size_t i = 0; i < 78; ++i) {
    high = std::max(high, *bars[i].high);
    volume += *bars[i].volume;
    EXPECT_EQ(bars[i].open, i > 0 ? bars[i - 1].close : bars[i].open);
  }
  EXPECT_EQ(bars[0].open, days[0].open);
  EXPECT_EQ(bars[77].close, days[0].close);
  EXPECT_NEAR(high, days[0].high, 1e-9);
  EXPECT_NEAR(volume, static_cast<double>(days[0].volume), 78);
}

TEST_F(HistoryTest, EndAndFormatOfDatesAreTheAskers) {
  auto c = client(200);
  auto m = ask(1, "1 hour", "7200 S");
  m.format_date = 2;
  m.end = "20260227-20:00:00";
  c.send(m);
  const auto bars = c.expect<wire::HistoricalData>().bars;
  c.expect<wire::HistoricalDataEnd>();
  ASSERT_EQ(bars.size(), 2U);
  EXPECT_EQ(bars.front().date,
            std::to_string(instant("2026-02-27T18:30:00Z").time_since_epoch() / 1s));

  m = ask(2, "1 day", "3 D");
  m.end = "20260227 16:00:00 US/Eastern";
  c.send(m);
  const auto days = c.expect<wire::HistoricalData>().bars;
  c.expect<wire::HistoricalDataEnd>();
  ASSERT_EQ(days.size(), 3U);
  EXPECT_EQ(days.back().date, "20260227");

  m.req_id = 3;
  m.end = "20260227 16:00:00";
  c.send(m);
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 2174);
  EXPECT_EQ(c.expect<wire::HistoricalData>().bars.size(), 3U);
  c.expect<wire::HistoricalDataEnd>();
  for (const auto* bad : {"yesterday", "20261301 00:00:00 US/Eastern", "20260227 16:00:00 Mars"}) {
    m.end = bad;
    EXPECT_EQ(refused(c, m).code, 10314) << bad;
  }
}

TEST_F(HistoryTest, SaysWhyItHasNothing) {
  auto c = client();
  EXPECT_THAT(refused(c, ask(1, "1 fortnight", "1 D")).text, HasSubstr("invalid step"));
  EXPECT_EQ(refused(c, ask(2, "1 day", "forever")).code, 321);
  EXPECT_EQ(refused(c, ask(3, "1 week", "1 M")).code, 321);
  EXPECT_EQ(refused(c, ask(4, "1 day", "1 D", "NONSENSE")).code, 321);
  EXPECT_EQ(refused(c, ask(5, "5 mins", "1 D", "HISTORICAL_VOLATILITY")).code, 321);
  EXPECT_THAT(refused(c, ask(6, "30 secs", "600 S")).text, HasSubstr("returned no data"));
  auto option = ask(7, "1 day", "5 D");
  option.contract.con_id = twin_.options(underlying(twin_, "ODIN").con_id).front().con_id;
  const auto e = refused(c, option);
  EXPECT_EQ(e.code, 162) << "options have no end-of-day bars";
}

TEST_F(HistoryTest, TheScheduleIsTheCalendars) {
  auto c = client();
  c.send(ask(1, "1 day", "3 D", "SCHEDULE"));
  const auto s = c.expect<wire::HistoricalSchedule>();
  ASSERT_EQ(s.sessions.size(), 3U);
  EXPECT_EQ(s.sessions[0].reference_date, "20260226");
  EXPECT_EQ(s.sessions[2].start, "20260302-09:30:00");
  EXPECT_EQ(s.sessions[2].end, "20260302-16:00:00");
  EXPECT_EQ(s.time_zone, "US/Eastern");
}

TEST_F(HistoryTest, BarsKeptUpToDateGoOnUntilCancelled) {
  auto c = client();
  auto m = ask(1, "1 day", "2 D");
  m.keep_up_to_date = true;
  c.send(m);
  ASSERT_EQ(c.expect<wire::HistoricalData>().bars.size(), 2U);
  clock_.set(noon + 60s);
  gateway_->step();
  twin_.advance_to(noon + 60s);
  const auto update = c.expect<wire::HistoricalDataUpdate>();
  const auto today = twin_.daily_bars(underlying(twin_, "ODIN").con_id, BarKind::trades, 0).back();
  EXPECT_EQ(update.bar.date, "20260302");
  EXPECT_EQ(update.bar.close, today.close);
  EXPECT_EQ(refused(c, m).code, 322) << "the id is in use";
  c.send(wire::CancelHistoricalData{.req_id = 1});
  c.send(wire::CancelHistoricalData{.req_id = 1});
  EXPECT_EQ(c.expect<wire::ErrorMessage>().code, 366);
}

TEST_F(HistoryTest, FiftyMayBeOpenAndNoMore) {
  auto c = client();
  for (int id = 1; id <= 50; ++id) {
    auto m = ask(id, "1 day", "1 D");
    m.keep_up_to_date = true;
    c.send(m);
    c.expect<wire::HistoricalData>();
  }
  EXPECT_THAT(refused(c, ask(51, "1 day", "1 D")).text, HasSubstr("(50)"));
  c.send(wire::CancelHistoricalData{.req_id = 7});
  c.send(ask(52, "1 day", "1 D"));
  c.expect<wire::HistoricalData>();
}

TEST_F(HistoryTest, TheSameSmallBarsTwiceAreAPacingViolation) {
  auto c = client();
  EXPECT_THAT(refused(c, ask(1, "30 secs", "600 S")).text, HasSubstr("no data"));
  EXPECT_THAT(refused(c, ask(2, "30 secs", "600 S")).text, HasSubstr("pacing violation"));
}

TEST(HistoryPacingTest, CountsAsDocumented) {
  const SteadyTime start{};
  HistoryPacing same;
  EXPECT_FALSE(same.violates("a", "x", false, start));
  EXPECT_TRUE(same.violates("a", "x", false, start + 14s));
  EXPECT_FALSE(same.violates("a", "x", false, start + 15s));

  HistoryPacing burst;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(burst.violates("a", std::to_string(i), false, start));
  }
  EXPECT_TRUE(burst.violates("a", "sixth", false, start + 1s));
  EXPECT_FALSE(burst.violates("b", "other", false, start + 1s));
  EXPECT_FALSE(burst.violates("a", "sixth", false, start + 2s));

  HistoryPacing many;
  for (int i = 0; i < 30; ++i) {
    EXPECT_FALSE(many.violates(std::to_string(i), std::to_string(i), true, start + i * 1s));
  }
  EXPECT_TRUE(many.violates("last", "last", false, start + 1min)) << "bid and ask count twice";
  EXPECT_FALSE(many.violates("last", "last", false, start + 11min));
}

}  // namespace
}  // namespace bifrost::sim
