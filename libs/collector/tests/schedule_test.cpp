// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/schedule.hpp"

#include <gtest/gtest.h>

namespace bifrost::collector {
namespace {

using namespace std::chrono_literals;
using core::Instant;
using core::to_iso;

Instant at(std::string_view text) {
  return core::parse_instant(text).value();
}
core::Date day(std::string_view text) {
  return core::parse_date(text).value();
}

TEST(Cycles, OfAnOrdinaryDayAreSeventyEightAtFiveMinutes) {
  const auto cycles = cycles_of(day("2014-06-05"), 300s);
  ASSERT_EQ(cycles.size(), 78u);
  EXPECT_EQ(to_iso(cycles.front()), "2014-06-05T13:35:00Z");
  EXPECT_EQ(to_iso(cycles.back()), "2014-06-05T20:00:00Z");
}

TEST(Cycles, FollowShortDaysDaylightSavingAndClosures) {
  EXPECT_EQ(cycles_of(day("2026-11-27"), 300s).size(), 42u);  // 09:30 to 13:00
  EXPECT_EQ(to_iso(cycles_of(day("2026-03-06"), 300s).front()), "2026-03-06T14:35:00Z");
  EXPECT_EQ(to_iso(cycles_of(day("2026-03-09"), 300s).front()), "2026-03-09T13:35:00Z");
  EXPECT_TRUE(cycles_of(day("2025-01-09"), 300s).empty());
  EXPECT_TRUE(cycles_of(day("2026-11-22"), 300s).empty());
  EXPECT_EQ(cycles_of(day("2014-06-06"), 3600s).size(), 7u);  // 10:00 to 16:00 New York
}

TEST(CurrentCycle, IsTheLatestBoundaryOfTheSession) {
  EXPECT_EQ(to_iso(*current_cycle(at("2014-06-05T13:39:59.9Z"), 300s)), "2014-06-05T13:35:00Z");
  EXPECT_EQ(to_iso(*current_cycle(at("2014-06-05T20:04:59Z"), 300s)), "2014-06-05T20:00:00Z");
  EXPECT_FALSE(current_cycle(at("2014-06-05T13:34:59Z"), 300s));  // the market has only just opened
  EXPECT_FALSE(current_cycle(at("2014-06-05T20:05:00Z"), 300s));
  EXPECT_FALSE(current_cycle(at("2014-06-07T15:00:00Z"), 300s));
}

TEST(NextCycle, SkipsNightsWeekendsAndHolidays) {
  EXPECT_EQ(to_iso(next_cycle(at("2014-06-05T13:35:00Z"), 300s)), "2014-06-05T13:40:00Z");
  EXPECT_EQ(to_iso(next_cycle(at("2014-06-06T20:00:00Z"), 300s)), "2014-06-09T13:35:00Z");
  EXPECT_EQ(to_iso(next_cycle(at("2026-11-25T21:00:00Z"), 300s)), "2026-11-27T14:35:00Z");
}

TEST(CyclesBetween, CountsEachOnceAcrossDays) {
  const auto gap = cycles_between(at("2014-06-05T19:50:00Z"), at("2014-06-06T13:45:00Z"), 300s);
  ASSERT_EQ(gap.size(), 4u);
  EXPECT_EQ(to_iso(gap.front()), "2014-06-05T19:55:00Z");
  EXPECT_EQ(to_iso(gap.back()), "2014-06-06T13:40:00Z");
  // A whole week with Independence Day and its eve in it.
  EXPECT_EQ(cycles_between(at("2014-06-27T20:00:00Z"), at("2014-07-07T13:00:00Z"), 300s).size(),
            3 * 78u + 42u);
}

}  // namespace
}  // namespace bifrost::collector
