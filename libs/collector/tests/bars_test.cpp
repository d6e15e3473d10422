// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/bars.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace bifrost::collector {
namespace {

core::Date day(std::string_view iso) {
  return core::parse_date(iso).value();
}

ib::DailyBar bar(std::string_view iso, double open, double high, double low, double close) {
  return {day(iso), open, high, low, close, std::nullopt};
}

TEST(Bars, OfThreeKindsBecomeDays) {
  const std::vector trades{bar("2026-09-10", 99, 103, 98, 101.5), bar("2026-09-11", 1, 2, 1, 2)};
  const std::vector implied{bar("2026-09-09", 0.2, 0.3, 0.1, 0.25),
                            bar("2026-09-10", 0.21, 0.31, 0.11, 0.26)};
  const std::vector historical{bar("2026-09-10", 0.15, 0.15, 0.15, 0.16)};
  const auto days = days_of_bars(trades, implied, historical, day("2026-09-11"), false);
  ASSERT_EQ(days.size(), 2u);  // today's bar is not final
  EXPECT_EQ(days[0].day, day("2026-09-09"));
  EXPECT_EQ(days[0].close, std::nullopt);
  EXPECT_EQ(days[0].implied_vol_30d_close, 0.25);
  EXPECT_EQ(days[1].origin, store::DailyOrigin::broker);
  EXPECT_EQ(days[1].source, "live");
  EXPECT_EQ(days[1].close, core::Price::from_double(101.5));
  EXPECT_EQ(days[1].implied_vol_30d_high, 0.31);
  EXPECT_EQ(days[1].historical_vol_30d, 0.16);
  EXPECT_EQ(days[1].historical_vol_20d, std::nullopt);
  EXPECT_EQ(days_of_bars(trades, {}, {}, day("2026-09-11"), true)[0].source, "simulated");
}

TEST(Bars, BringNoValuesThatNoMarketShows) {
  const std::vector trades{bar("2026-09-10", -1, 0, std::numeric_limits<double>::quiet_NaN(), 5)};
  const std::vector implied{bar("2026-09-10", 0, -1, std::numeric_limits<double>::infinity(), 0.2)};
  const auto days = days_of_bars(trades, implied, {}, day("2026-09-11"), false);
  ASSERT_EQ(days.size(), 1u);
  EXPECT_EQ(days[0].open, std::nullopt);
  EXPECT_EQ(days[0].high, std::nullopt);
  EXPECT_EQ(days[0].low, std::nullopt);
  EXPECT_EQ(days[0].close, core::Price::from_double(5));
  EXPECT_EQ(days[0].implied_vol_30d_open, std::nullopt);
  EXPECT_EQ(days[0].implied_vol_30d_high, std::nullopt);
  EXPECT_EQ(days[0].implied_vol_30d_low, std::nullopt);
  EXPECT_EQ(days[0].implied_vol_30d_close, 0.2);
}

}  // namespace
}  // namespace bifrost::collector
