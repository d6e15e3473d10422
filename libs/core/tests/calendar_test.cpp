// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/calendar.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

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

}  // namespace
}  // namespace bifrost::core
