// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "bifrost/collector/clock_watch.hpp"
#include "bifrost/collector/gateway_watch.hpp"
#include "bifrost/collector/reasons.hpp"
#include "durable_support.hpp"

namespace bifrost::collector {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::log::Level;

/// Everything said between two instants while the gateway is up or down, looked at once a minute.
std::vector<std::string> told(GatewayWatch& watch, core::Instant from, core::Instant to, bool up) {
  std::vector<std::string> lines;
  for (auto now = from; now <= to; now += 60s) {
    if (const auto news = watch.look(now, up, "refused")) {
      const auto level = news->level == Level::error     ? "error "
                         : news->level == Level::warning ? "warning "
                                                         : "info ";
      lines.push_back(level + std::string{reason::code_of(news->text)} + " " +
                      core::to_iso(now).substr(8, 8));
    }
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(GatewayWatch, AShortOutageInTheSessionIsToldTwice) {
  GatewayWatch watch;
  EXPECT_EQ(told(watch, at("2026-11-24T15:00:00Z"), at("2026-11-24T15:10:00Z"), true), Lines{});
  EXPECT_EQ(told(watch, at("2026-11-24T15:11:00Z"), at("2026-11-24T15:11:00Z"), false),
            Lines{"warning gateway_gone 24T15:11"});
  EXPECT_EQ(told(watch, at("2026-11-24T15:12:00Z"), at("2026-11-24T15:20:00Z"), true),
            Lines{"info gateway_back 24T15:12"});
}

TEST(GatewayWatch, AnOutageThatLastsInTheSessionIsOneAlert) {
  GatewayWatch watch;
  told(watch, at("2026-11-24T15:00:00Z"), at("2026-11-24T15:10:00Z"), true);
  EXPECT_EQ(told(watch, at("2026-11-24T15:11:00Z"), at("2026-11-24T20:00:00Z"), false),
            (Lines{"warning gateway_gone 24T15:11", "error gateway_down 24T15:12"}));
  EXPECT_EQ(told(watch, at("2026-11-24T20:01:00Z"), at("2026-11-24T20:05:00Z"), true),
            Lines{"info gateway_back 24T20:01"});
}

TEST(GatewayWatch, TheNightlyRestartIsInformationAndAnAlertOnlyWhenTheSessionComesNear) {
  GatewayWatch watch;
  told(watch, at("2026-11-24T22:00:00Z"), at("2026-11-25T04:44:00Z"), true);
  // 23:45 New York.
  EXPECT_EQ(told(watch, at("2026-11-25T04:45:00Z"), at("2026-11-25T14:14:00Z"), false),
            Lines{"info gateway_gone 25T04:45"});
  // 09:15.
  EXPECT_EQ(told(watch, at("2026-11-25T14:15:00Z"), at("2026-11-25T20:00:00Z"), false),
            Lines{"error gateway_down 25T14:15"});
}

// F19: a login that nobody renews for three days is one alert.
TEST(GatewayWatch, AWeekendIsInformationUntilSundayEvening) {
  GatewayWatch watch;
  told(watch, at("2026-11-20T20:00:00Z"), at("2026-11-21T05:00:00Z"), true);
  // Saturday 01:00 New York to Sunday 17:59.
  EXPECT_EQ(told(watch, at("2026-11-21T06:00:00Z"), at("2026-11-22T22:59:00Z"), false),
            Lines{"info gateway_gone 21T06:00"});
  EXPECT_EQ(told(watch, at("2026-11-22T23:00:00Z"), at("2026-11-24T21:00:00Z"), false),
            Lines{"error gateway_down 22T23:00"});
  EXPECT_EQ(told(watch, at("2026-11-24T21:01:00Z"), at("2026-11-24T21:10:00Z"), true),
            Lines{"info gateway_back 24T21:01"});
  // The next outage is another one.
  EXPECT_EQ(told(watch, at("2026-11-25T15:00:00Z"), at("2026-11-25T16:00:00Z"), false),
            (Lines{"warning gateway_gone 25T15:00", "error gateway_down 25T15:01"}));
}

TEST(GatewayWatch, AStartIsGivenTimeAndAHolidayIsNoSession) {
  GatewayWatch watch;
  const auto start = at("2026-11-24T15:00:00Z");
  EXPECT_FALSE(watch.look(start, false, ""));
  EXPECT_FALSE(watch.look(start + 2s, true, ""));
  GatewayWatch other;
  // Thanksgiving, 10:00 New York: gone is worth a line, but nobody is called.
  EXPECT_EQ(told(other, at("2026-11-26T15:00:00Z"), at("2026-11-26T20:00:00Z"), false),
            Lines{"warning gateway_gone 26T15:01"});
}

TEST(GatewayWatch, NeitherDaylightTimeNorAClockSetBackRaisesASecondAlert) {
  GatewayWatch watch;
  // Sunday 1 November 2026, the clocks go back at 06:00Z; 18:00 is 23:00Z now.
  EXPECT_EQ(told(watch, at("2026-10-31T12:00:00Z"), at("2026-11-01T22:59:00Z"), false),
            Lines{"info gateway_gone 31T12:01"});
  EXPECT_EQ(told(watch, at("2026-11-01T23:00:00Z"), at("2026-11-01T23:30:00Z"), false),
            Lines{"error gateway_down 01T23:00"});
  EXPECT_EQ(told(watch, at("2026-11-01T23:25:00Z"), at("2026-11-02T16:00:00Z"), false), Lines{});
}

TEST(ClockWatch, SeesStepsEitherWayAndNoDrift) {
  ClockWatch watch;
  const auto start = at("2026-11-24T15:00:00Z");
  const auto steady = std::chrono::steady_clock::time_point{} + 1h;
  EXPECT_FALSE(watch.look(start, steady));
  EXPECT_FALSE(watch.look(start + 60s, steady + 60s));
  EXPECT_FALSE(watch.look(start + 120s + 1500ms, steady + 120s));
  EXPECT_EQ(watch.look(start + 480s, steady + 180s), 298500ms);
  EXPECT_FALSE(watch.look(start + 481s, steady + 181s));
  EXPECT_EQ(watch.look(start + 182s, steady + 182s), -300s);
  EXPECT_FALSE(watch.look(start + 183s, steady + 183s));
}

TEST(Reasons, AreGroupedByTheirFirstCode) {
  EXPECT_EQ(reason::code_of("gateway_unavailable: refused: x"), "gateway_unavailable");
  EXPECT_EQ(reason::code_of("answers_missing: 1 of 2; refused: 1"), "answers_missing");
  EXPECT_EQ(reason::code_of("3 of 4 contracts answered"), "other");
  EXPECT_EQ(reason::code_of("Some words"), "other");
  EXPECT_EQ(reason::code_of(": x"), "other");
  EXPECT_EQ(reason::code_of(""), "");
  EXPECT_EQ(reason::because(reason::overrun, "x"), "overrun: x");
}

}  // namespace
}  // namespace bifrost::collector
