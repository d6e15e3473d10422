// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/clock.hpp"

#include <gtest/gtest.h>

#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;

TEST(SimulatedTime, RunsAtItsSpeed) {
  const auto start = instant("2026-03-02T15:00:00Z");
  EXPECT_EQ(simulated_time(start, 0s, {}), start);
  EXPECT_EQ(simulated_time(start, 90s, {}), start + 90s);
  EXPECT_EQ(simulated_time(start, 90s, {.speed = 60}), start + 90min);
  EXPECT_EQ(simulated_time(start, 10s, {.speed = 0.5}), start + 5s);
}

TEST(SimulatedTime, HurriesThroughTheNightWhenAsked) {
  // Ten minutes before the close; the next session opens 17.5 hours after it.
  const auto start = instant("2026-03-02T20:50:00Z");
  const Pace pace{.speed = 60, .skip_closed = true};
  EXPECT_EQ(simulated_time(start, 5s, pace), instant("2026-03-02T20:55:00Z"));
  EXPECT_EQ(simulated_time(start, 10s, pace), instant("2026-03-02T21:00:00Z"));
  const auto night = std::chrono::duration_cast<std::chrono::nanoseconds>(17.5h / (60 * 400));
  EXPECT_EQ(simulated_time(start, 10s + night, pace), instant("2026-03-03T14:30:00Z"));
  EXPECT_EQ(simulated_time(start, 11s + night, pace), instant("2026-03-03T14:31:00Z"));
}

TEST(SimulatedTime, HurriesThroughAWeekendFromTheStart) {
  const auto saturday = instant("2026-03-07T14:30:00Z");
  const Pace pace{.speed = 1, .skip_closed = true};
  // DST begins on Sunday the 8th: Monday opens at 13:30 UTC, 47 hours on.
  const auto closed = std::chrono::duration_cast<std::chrono::nanoseconds>(47h) / 400;
  EXPECT_EQ(simulated_time(saturday, closed + 60s, pace), instant("2026-03-09T13:31:00Z"));
}

TEST(PacedClock, StandsStillAtTheEndOfARecording) {
  const auto start = instant("2026-03-02T20:55:00Z");
  const PacedClock ended{start, {.speed = 1e5}, start};
  EXPECT_EQ(ended.now(), start);
  const PacedClock running{start, {.speed = 1e5}, start + std::chrono::hours{24 * 365}};
  EXPECT_GE(running.now(), start);
}

}  // namespace
}  // namespace bifrost::sim
