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

TEST(Cycles, OfIndexOptionsEndAQuarterPastTheShares) {
  const auto cycles = cycles_of(day("2026-11-25"), 300s, core::index_hours);
  ASSERT_EQ(cycles.size(), 81u);
  EXPECT_EQ(to_iso(cycles.back()), "2026-11-25T21:15:00Z");
  const auto half_day = cycles_of(day("2026-11-27"), 300s, core::index_hours);
  ASSERT_EQ(half_day.size(), 45u);
  EXPECT_EQ(to_iso(half_day.back()), "2026-11-27T18:15:00Z");
}

TEST(CurrentCycle, DependsOnTheProduct) {
  const auto late = at("2026-11-25T21:12:00Z");
  EXPECT_FALSE(current_cycle(late, 300s));
  EXPECT_EQ(to_iso(*current_cycle(late, 300s, core::index_hours)), "2026-11-25T21:10:00Z");
  EXPECT_EQ(to_iso(next_cycle(late, 300s, core::index_hours)), "2026-11-25T21:15:00Z");
  EXPECT_EQ(to_iso(next_cycle(late, 300s)), "2026-11-27T14:35:00Z");
}

/// For any product and any stretch of years the cycles of its days, in order, are exactly those
/// that stepping from one to the next visits and that lie between the ends: one schedule, however
/// it is asked for.
TEST(Cycles, AreTheSameScheduleHoweverAskedFor) {
  const auto odd = core::parse_product_hours("10:07-15:31").value();
  for (const auto& hours : {core::equity_hours, core::index_hours, odd}) {
    for (const auto interval : {300s, 3600s}) {
      const auto from = at("2024-10-15T00:00:00Z");
      const auto to = at("2025-02-01T00:00:00Z");  // both DST changes but one, half days, mourning
      std::vector<Instant> by_day;
      for (core::Date d = day("2024-10-14"); d <= day("2025-02-02"); d += std::chrono::days{1}) {
        for (const auto cycle : cycles_of(d, interval, hours)) {
          if (cycle > from && cycle < to) by_day.push_back(cycle);
        }
      }
      ASSERT_EQ(cycles_between(from, to, interval, hours), by_day);
      std::vector<Instant> by_step;
      for (Instant t = next_cycle(from, interval, hours); t < to;
           t = next_cycle(t, interval, hours)) {
        by_step.push_back(t);
        ASSERT_EQ(current_cycle(t, interval, hours), t);
        ASSERT_EQ(current_cycle(t + interval - 1us, interval, hours), t);
      }
      ASSERT_EQ(by_step, by_day);
    }
  }
}

TEST(AbsenceOfTheGateway, IsNormalAtWeekendsAndDuringTheNightlyReset) {
  EXPECT_TRUE(absence_is_normal(at("2026-11-21T12:00:00Z")));   // Saturday
  EXPECT_TRUE(absence_is_normal(at("2026-11-22T22:59:00Z")));   // Sunday 17:59 New York
  EXPECT_FALSE(absence_is_normal(at("2026-11-22T23:00:00Z")));  // Sunday 18:00
  EXPECT_TRUE(absence_is_normal(at("2026-11-24T05:30:00Z")));   // Tuesday 00:30
  EXPECT_TRUE(absence_is_normal(at("2026-11-24T04:45:00Z")));   // Monday 23:45: its own restart
  EXPECT_FALSE(absence_is_normal(at("2026-11-24T06:45:00Z")));  // Tuesday 01:45
  EXPECT_FALSE(absence_is_normal(at("2026-11-24T14:00:00Z")));  // half an hour before the open
  EXPECT_FALSE(absence_is_normal(at("2026-11-24T21:15:00Z")));
  EXPECT_TRUE(absence_is_normal(at("2026-11-28T04:00:00Z")));  // Friday 23:00
}

}  // namespace
}  // namespace bifrost::collector
