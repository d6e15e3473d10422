// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/time.hpp"

#include <gtest/gtest.h>

namespace bifrost::core {
namespace {

using namespace std::chrono;

TEST(Instant, SurvivesTextBothWays) {
  for (const std::string text : {"2014-06-05T13:35:00Z", "1969-12-31T23:59:59Z",
                                 "2026-02-28T00:00:00.000001Z", "2024-02-29T23:59:59.5Z"}) {
    const auto t = parse_instant(text);
    ASSERT_TRUE(t) << text;
    EXPECT_EQ(to_iso(*t), text);
  }
}

TEST(Instant, RefusesWhatIsNotExactlyOne) {
  for (const std::string text :
       {"", "2014-06-05", "2014-06-05T13:35:00", "2014-06-05 13:35:00Z", "2014-06-05T24:00:00Z",
        "2014-06-31T13:35:00Z", "2014-6-5T13:35:00Z", "2014-06-05T13:35:00+00:00",
        "2014-06-05T13:35:00.Z", "2014-06-05T13:35:00.1234567Z", "2014-06-05T13:35:00Zx"}) {
    const auto t = parse_instant(text);
    ASSERT_FALSE(t) << text;
    EXPECT_EQ(t.error().code, Errc::invalid_input);
  }
}

TEST(Date, SurvivesTextBothWaysAndRefusesTheRest) {
  EXPECT_EQ(to_iso_date(parse_date("2014-06-21").value()), "2014-06-21");
  EXPECT_EQ(to_compact_date(parse_compact_date("20140621").value()), "20140621");
  EXPECT_FALSE(parse_date("20140621"));
  EXPECT_FALSE(parse_date("2014-02-30"));
  EXPECT_FALSE(parse_compact_date("2014-06-21"));
  EXPECT_FALSE(parse_compact_date("201406211"));
}

// The switch to daylight time of 2026 lies between these two Fridays/Mondays: 2026-03-08, 02:00.
TEST(ExchangeTime, FollowsDaylightSaving) {
  const seconds half_past_nine = 9h + 30min;
  EXPECT_EQ(to_iso(from_exchange_time(parse_date("2026-03-06").value(), half_past_nine)),
            "2026-03-06T14:30:00Z");
  EXPECT_EQ(to_iso(from_exchange_time(parse_date("2026-03-09").value(), half_past_nine)),
            "2026-03-09T13:30:00Z");
  const auto local = exchange_time(parse_instant("2026-03-10T01:30:00Z").value());
  EXPECT_EQ(to_iso_date(local.date), "2026-03-09");
  EXPECT_EQ(local.since_midnight, 21h + 30min);
}

TEST(FloorTo, IsTheCycleAMomentBelongsTo) {
  const auto t = parse_instant("2014-06-05T13:39:59.999999Z").value();
  EXPECT_EQ(to_iso(floor_to(t, 300s)), "2014-06-05T13:35:00Z");
  EXPECT_EQ(to_iso(floor_to(parse_instant("2014-06-05T13:40:00Z").value(), 300s)),
            "2014-06-05T13:40:00Z");
  EXPECT_EQ(to_iso(floor_to(parse_instant("1969-12-31T23:58:00Z").value(), 300s)),
            "1969-12-31T23:55:00Z");
}

TEST(Years, AreActual365Fixed) {
  EXPECT_DOUBLE_EQ(years_act365f(parse_instant("2025-01-01T00:00:00Z").value(),
                                 parse_instant("2026-01-01T00:00:00Z").value()),
                   1.0);
}

}  // namespace
}  // namespace bifrost::core
