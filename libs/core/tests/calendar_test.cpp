// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/calendar.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "bifrost/core/extra_closures.hpp"
#include "bifrost/core/session_hours.hpp"
#include "shared_data.hpp"

namespace bifrost::core {
namespace {

using namespace std::chrono;

Date day(std::string_view text) {
  return parse_date(text).value();
}

TEST(Session, EqualsThePublishedTableOnEveryDayOf1990To2030) {
  const auto file = shared_data("a_clear/us_market_calendar.csv");
  if (!file) GTEST_SKIP() << "shared/data/a_clear/us_market_calendar.csv is not here";
  std::map<Date, std::string> table;  // day -> close in New York, or "closed"
  std::ifstream in{*file};
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    table[day(line.substr(0, 10))] = line.substr(11, 6) == "closed" ? "closed" : line.substr(23, 5);
  }
  ASSERT_GT(table.size(), 400u);
  for (Date d = day("1990-01-01"); d <= day("2030-12-31"); d += days{1}) {
    const auto found = session(d);
    const auto listed = table.find(d);
    const bool weekend = weekday{d} == Saturday || weekday{d} == Sunday;
    const bool closed = weekend || (listed != table.end() && listed->second == "closed");
    ASSERT_EQ(found.has_value(), !closed) << to_iso_date(d);
    if (!found) continue;
    EXPECT_EQ(exchange_time(found->open).since_midnight, 9h + 30min);
    seconds close = 16h;
    if (listed != table.end()) close = hours{std::stoi(listed->second.substr(0, 2))};
    EXPECT_EQ(exchange_time(found->close).since_midnight, close) << to_iso_date(d);
  }
}

TEST(Session, KnowsTheDaysThatTripPrograms) {
  EXPECT_FALSE(is_trading_day(day("2025-01-09")));  // mourning
  EXPECT_FALSE(is_trading_day(day("2012-10-29")));  // storm
  EXPECT_TRUE(is_trading_day(day("2021-12-31")));   // New Year on a Saturday
  EXPECT_EQ(to_iso(session(day("2026-11-27"))->close), "2026-11-27T18:00:00Z");  // 13:00 New York
  EXPECT_EQ(to_iso_date(next_trading_day(day("2026-11-25"))), "2026-11-27");
  EXPECT_EQ(to_iso_date(previous_trading_day(day("2026-11-23"))), "2026-11-20");
}

TEST(SettlementInstant, DiffersBetweenMorningAndAfternoonClasses) {
  const OptionContract morning{"SPX", "SPX", day("2021-01-15"), Price::parse("3700").value()};
  const OptionContract afternoon{"SPX", "SPXW", day("2021-01-15"), Price::parse("3700").value()};
  EXPECT_EQ(to_iso(settlement_instant(morning)), "2021-01-15T14:30:00Z");
  EXPECT_EQ(to_iso(settlement_instant(afternoon)), "2021-01-15T21:00:00Z");
}

TEST(SettlementInstant, OfASaturdayExpiryIsTheFridayBefore) {
  const OptionContract old_monthly{"TWX", "TWX", day("2014-06-21"), Price::parse("70").value()};
  EXPECT_EQ(to_iso(settlement_instant(old_monthly)), "2014-06-20T20:00:00Z");
}

TEST(ProductHours, OfIndicesFundsAndShares) {
  EXPECT_EQ(hours_of("SPX"), index_hours);
  EXPECT_EQ(hours_of("XSP"), index_hours);
  EXPECT_EQ(hours_of("SPY"), late_fund_hours);
  EXPECT_EQ(hours_of("XRT"), late_fund_hours);
  EXPECT_EQ(hours_of("AAPL"), equity_hours);
  EXPECT_EQ(hours_of(""), equity_hours);
}

TEST(ProductHours, FollowTheSharesOnShortenedAndClosedDays) {
  const auto close = [](const char* date, const ProductHours& hours) {
    return to_iso(session(day(date), hours)->close);
  };
  EXPECT_EQ(close("2026-11-25", index_hours), "2026-11-25T21:15:00Z");
  EXPECT_EQ(close("2026-11-27", index_hours), "2026-11-27T18:15:00Z");
  EXPECT_EQ(close("2026-11-27", equity_hours), "2026-11-27T18:00:00Z");
  EXPECT_FALSE(session(day("2026-11-26"), index_hours));
  const auto late = parse_product_hours("14:00-15:00").value();
  EXPECT_EQ(to_iso(session(day("2026-11-25"), late)->open), "2026-11-25T19:00:00Z");
  EXPECT_EQ(close("2026-11-25", late), "2026-11-25T20:00:00Z");
  EXPECT_FALSE(session(day("2026-11-27"), late)) << "over before it begins";
}

TEST(ProductHours, AreReadAndWritten) {
  for (const auto* text : {"equity", "fund", "index", "09:30-17:00", "00:00-24:00"}) {
    EXPECT_EQ(to_string(parse_product_hours(text).value()), text);
  }
  for (const auto* text : {"", "Index", "9:30-16:00", "09:30-16:60", "16:00-09:30", "09:30-09:30",
                           "09:30-25:00", "09:30-16:00 ", "09:30"}) {
    EXPECT_FALSE(parse_product_hours(text)) << text;
  }
}

TEST(LastQuoted, IsTheCloseOfTheLastTradingDayAsTheProductHasIt) {
  const auto last = [](const char* underlying, const char* trading_class, const char* expiry) {
    const OptionContract contract{underlying, trading_class, day(expiry), Price::from_units(10000)};
    return to_iso(last_quoted(contract, hours_of(underlying)));
  };
  // Afternoon-settled index options end with the shares on their day, on half days, too.
  EXPECT_EQ(last("SPX", "SPXW", "2026-11-25"), "2026-11-25T21:00:00Z");
  EXPECT_EQ(last("SPX", "SPXW", "2026-11-27"), "2026-11-27T18:00:00Z");
  // Morning-settled ones on the day before, a quarter past.
  EXPECT_EQ(last("SPX", "SPX", "2026-11-20"), "2026-11-19T21:15:00Z");
  EXPECT_EQ(last("VIX", "VIXW", "2026-11-25"), "2026-11-24T21:15:00Z");
  EXPECT_EQ(last("SPY", "SPY", "2026-11-25"), "2026-11-25T21:15:00Z");
  EXPECT_EQ(last("TWX", "TWX", "2014-06-21"), "2014-06-20T20:00:00Z");
}

class ExtraClosures : public ::testing::Test {
 protected:
  void TearDown() override { set_extra_closures({}); }
};

TEST_F(ExtraClosures, CloseOrShortenADayForEverybody) {
  ASSERT_TRUE(is_trading_day(day("2027-01-08")));
  set_extra_closures(parse_extra_closures("2027-01-08, 2027-03-03:13:00").value());
  EXPECT_FALSE(is_trading_day(day("2027-01-08")));
  EXPECT_EQ(to_iso(session(day("2027-03-03"))->close), "2027-03-03T18:00:00Z");
  EXPECT_EQ(to_iso(session(day("2027-03-03"), index_hours)->close), "2027-03-03T18:15:00Z");
  EXPECT_EQ(to_iso_date(next_trading_day(day("2027-01-07"))), "2027-01-11");
  EXPECT_EQ(to_iso_date(last_trading_day(day("2027-01-08"))), "2027-01-07");
  set_extra_closures({});
  EXPECT_TRUE(is_trading_day(day("2027-01-08")));
}

TEST_F(ExtraClosures, NeverLengthenADay) {
  set_extra_closures(parse_extra_closures("2026-11-27:15:00,2026-11-26:13:00").value());
  EXPECT_EQ(to_iso(session(day("2026-11-27"))->close), "2026-11-27T18:00:00Z");
  EXPECT_FALSE(session(day("2026-11-26")));
}

TEST_F(ExtraClosures, AreRefusedWithTheEntryThatIsWrong) {
  EXPECT_TRUE(parse_extra_closures("")->empty());
  for (const std::string entry : {"2027-02-30", "tomorrow", "2027-01-08:1300", "2027-01-08:25:00",
                                  "2027-01-08 13:00", "2027-01-08:16:01", "2027-01-08:09:30"}) {
    const auto closures = parse_extra_closures("2027-01-04," + entry);
    ASSERT_FALSE(closures) << entry;
    EXPECT_NE(closures.error().message.find("'" + entry + "'"), std::string::npos);
  }
  EXPECT_FALSE(parse_extra_closures("2027-01-08,2027-01-08:13:00"));
}

}  // namespace
}  // namespace bifrost::core
