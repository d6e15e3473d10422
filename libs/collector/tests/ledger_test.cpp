// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/ledger.hpp"

#include <gmock/gmock.h>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/collector/schedule.hpp"
#include "durable_support.hpp"

namespace bifrost::collector {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using store::ScheduleEntry;

store::Run row(core::Instant as_of, store::RunStatus status, std::string reason = "") {
  store::Run run;
  run.underlying = "SPY";
  run.as_of = as_of;
  run.status = status;
  run.reason = std::move(reason);
  return run;
}

std::size_t scheduled(std::string_view from, std::string_view to,
                      const std::vector<ScheduleEntry>& entries) {
  return scheduled_cycles(entries, at(std::string{from}), at(std::string{to})).size();
}

TEST(Reasons, NameTheirCodes) {
  EXPECT_TRUE(reason::names("not_described: x", reason::not_described));
  EXPECT_TRUE(reason::names("refused: 3; not_described: x", reason::not_described));
  EXPECT_FALSE(reason::names("", reason::not_described));
  EXPECT_FALSE(reason::names("refused: it says not_described: x", reason::not_described));
  EXPECT_FALSE(reason::names("not_described", reason::not_described));
}

TEST(Schedule, CountsSessionsShortDaysWeekendsAndBothChangesOfTheClocks) {
  const std::vector<ScheduleEntry> always{{at("2026-01-01T00:00:00Z"), 300s}};
  EXPECT_EQ(scheduled("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", always), 78U);
  // Thanksgiving, the short Friday, a weekend, a Monday.
  EXPECT_EQ(scheduled("2026-11-26T00:00:00Z", "2026-12-01T00:00:00Z", always), 42U + 78U);
  // The clocks go forward on 8 March and back on 1 November: the sessions move, their length does
  // not.
  EXPECT_EQ(scheduled("2026-03-06T00:00:00Z", "2026-03-10T00:00:00Z", always), 2U * 78U);
  const auto spring =
      scheduled_cycles(always, at("2026-03-06T00:00:00Z"), at("2026-03-10T00:00:00Z"));
  EXPECT_EQ(spring.front().as_of, at("2026-03-06T14:35:00Z"));
  EXPECT_EQ(spring.back().as_of, at("2026-03-09T20:00:00Z"));
  EXPECT_EQ(scheduled("2026-10-30T00:00:00Z", "2026-11-03T00:00:00Z", always), 2U * 78U);
  const std::vector<ScheduleEntry> index{{at("2026-01-01T00:00:00Z"), 300s, core::index_hours}};
  EXPECT_EQ(scheduled("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", index), 81U);
}

TEST(Schedule, FollowsItsLog) {
  const std::vector<ScheduleEntry> log{{at("2026-11-24T15:00:00Z"), 300s},   // first start
                                       {at("2026-11-24T16:00:00Z"), 600s},   // other interval
                                       {at("2026-11-24T17:00:00Z"), {}},     // removed
                                       {at("2026-11-24T20:50:00Z"), 300s}};  // back again
  const auto cycles = scheduled_cycles(log, at("2026-11-24T00:00:00Z"), at("2026-11-25T00:00:00Z"));
  std::vector<std::string> found;
  for (const auto& cycle : cycles) {
    found.push_back(core::to_iso(cycle.as_of).substr(11, 5) + "/" +
                    std::to_string(cycle.interval.count()));
  }
  EXPECT_THAT(
      found, ::testing::ElementsAre("15:00/300", "15:05/300", "15:10/300", "15:15/300", "15:20/300",
                                    "15:25/300", "15:30/300", "15:35/300", "15:40/300", "15:45/300",
                                    "15:50/300", "15:55/300", "16:00/600", "16:10/600", "16:20/600",
                                    "16:30/600", "16:40/600", "16:50/600", "20:50/300", "20:55/300",
                                    "21:00/300"));
  EXPECT_EQ(scheduled_cycles(log, at("2026-11-24T15:55:00Z"), at("2026-11-24T16:20:00Z")).size(),
            3U)
      << "from is in, to is not";
}

TEST(Ledger, AddsUp) {
  const std::vector<ScheduleEntry> log{{at("2026-11-24T15:00:00Z"), 300s}};
  const std::vector<store::Run> runs{
      row(at("2026-11-24T14:00:00Z"), store::RunStatus::complete),  // before the schedule
      row(at("2026-11-24T15:00:00Z"), store::RunStatus::complete),
      row(at("2026-11-24T15:05:00Z"), store::RunStatus::partial, "answers_missing: 1 of 2"),
      row(at("2026-11-24T15:10:00Z"), store::RunStatus::missed, "overrun: x"),
      row(at("2026-11-24T15:12:00Z"), store::RunStatus::complete),  // no cycle
      row(at("2026-11-24T15:20:00Z"), store::RunStatus::missed, "words of an old version")};
  const auto report = check_ledger(log, runs, at("2026-11-24T00:00:00Z"),
                                   at("2026-11-25T00:00:00Z"), at("2026-11-24T15:31:00Z"));
  EXPECT_EQ(report.scheduled, 7);
  EXPECT_EQ(report.complete, 1);
  EXPECT_EQ(report.partial, 1);
  EXPECT_EQ(report.missed, 2);
  EXPECT_EQ(report.open, 2);  // 15:25, 15:30
  EXPECT_EQ(report.unaccounted, 1);
  EXPECT_EQ(report.unscheduled, 2);
  EXPECT_THAT(report.unaccounted_cycles, ::testing::ElementsAre(at("2026-11-24T15:15:00Z")));
  EXPECT_THAT(report.missed_by_reason,
              ::testing::ElementsAre(::testing::Pair("other", 1), ::testing::Pair("overrun", 1)));
  EXPECT_THAT(report.partial_by_reason,
              ::testing::ElementsAre(::testing::Pair("answers_missing", 1)));
}

/// A history on which collectors start, stop and change their minds.
class Reconcile : public ::testing::Test {
 protected:
  Reconciled start(const std::string& due, std::optional<Schedule> schedule = Schedule{}) {
    return ok(reconcile(database_, history_, std::nullopt, "SPY", schedule, at(due),
                        "collector_not_running: test", soon(), look_));
  }
  void collected(const std::string& as_of) {
    auto made = cycle("SPY", at(as_of), 0);
    ok(history_.append(made.record, soon()));
  }
  LedgerReport ledger(const std::string& now) {
    return ok(load_ledger(database_, history_, "SPY", std::nullopt, std::nullopt, at(now), soon()));
  }

  static std::string next_name() {
    static int number = 0;
    return "ledger_" + std::to_string(++number);
  }
  store::Database database_ =
      ok(store::Database::open(shared_server().make_database(next_name()), soon()));
  store::History history_{database_};
  LookBack look_ = LookBack::all;
};

TEST_F(Reconcile, AFirstStartOwesNothingToThePastAndALaterOneEverythingSince) {
  const auto first = start("2026-11-24T15:00:00Z");
  EXPECT_EQ(first.missed, 0);
  EXPECT_EQ(first.last, std::nullopt);
  collected("2026-11-24T15:00:00Z");
  // Killed; back the next day.
  const auto second = start("2026-11-25T14:45:00Z");
  EXPECT_EQ(second.missed, 72 + 2);
  EXPECT_EQ(second.last, at("2026-11-25T14:40:00Z"));
  collected("2026-11-25T14:45:00Z");
  // The same again changes nothing.
  const auto third = start("2026-11-25T14:45:00Z");
  EXPECT_EQ(third.missed, 0);
  EXPECT_EQ(third.last, at("2026-11-25T14:45:00Z"));
  const auto report = ledger("2026-11-25T14:47:00Z");
  EXPECT_EQ(report.scheduled, 76);
  EXPECT_EQ(report.complete, 2);
  EXPECT_EQ(report.missed, 74);
  EXPECT_EQ(report.unaccounted, 0);
  EXPECT_EQ(report.missed_by_reason.at("collector_not_running"), 74);
}

TEST_F(Reconcile, AStartThatNeverFinishedItsFirstCycleOwesIt) {
  start("2026-11-24T15:00:00Z");
  start("2026-11-24T15:10:00Z");
  EXPECT_EQ(ledger("2026-11-24T15:10:00Z").missed, 2);
}

TEST_F(Reconcile, AHoleInTheMiddleIsFilled) {
  start("2026-11-24T15:00:00Z");
  for (const auto* as_of : {"2026-11-24T15:00:00Z", "2026-11-24T15:05:00Z", "2026-11-24T15:15:00Z"})
    collected(as_of);
  EXPECT_EQ(start("2026-11-24T15:20:00Z").missed, 1);
  EXPECT_EQ(ledger("2026-11-24T15:22:00Z").unaccounted, 0);
}

TEST_F(Reconcile, AFirstLookFindsAHoleHoweverFarBehindTheNewestRow) {
  start("2026-11-02T15:00:00Z");
  collected("2026-11-02T15:00:00Z");
  collected("2026-11-24T15:00:00Z");  // a spool was written before anybody looked
  look_ = LookBack::week;
  start("2026-11-24T15:00:00Z");
  EXPECT_GT(ledger("2026-11-24T15:00:00Z").unaccounted, 0);
  look_ = LookBack::all;
  start("2026-11-24T15:00:00Z");
  EXPECT_EQ(ledger("2026-11-24T15:00:00Z").unaccounted, 0);
}

TEST_F(Reconcile, AnotherIntervalHoldsFromItsFirstCycleOn) {
  start("2026-11-24T15:00:00Z");
  collected("2026-11-24T15:00:00Z");
  const auto changed = start("2026-11-24T15:30:00Z", Schedule{600s, core::index_hours});
  EXPECT_EQ(changed.missed, 5);
  collected("2026-11-24T15:30:00Z");
  EXPECT_EQ(start("2026-11-24T16:00:00Z", Schedule{600s, core::index_hours}).missed, 2);
  const auto runs =
      ok(history_.runs("SPY", at("2026-11-24T15:25:00Z"), at("2026-11-24T15:50:00Z"), soon()));
  ASSERT_EQ(runs.size(), 4U);
  EXPECT_EQ(runs[0].interval, 300s);
  EXPECT_EQ(runs[2].interval, 600s);
  EXPECT_EQ(ledger("2026-11-24T16:00:00Z").unaccounted, 0);
  EXPECT_EQ(ledger("2026-11-24T16:00:00Z").scheduled, 6 + 3 + 1);
}

TEST_F(Reconcile, WhatIsCollectedNoLongerIsAccountedForAndClosed) {
  start("2026-11-24T15:00:00Z");
  collected("2026-11-24T15:00:00Z");
  EXPECT_EQ(start("2026-11-24T15:12:00Z", std::nullopt).missed, 2);
  EXPECT_EQ(start("2026-11-25T15:12:00Z", std::nullopt).missed, 0);
  EXPECT_EQ(ledger("2026-11-25T21:00:00Z").scheduled, 3);
  // Taken up again: the time between was not scheduled.
  EXPECT_EQ(start("2026-11-25T16:00:00Z").missed, 0);
  EXPECT_EQ(start("2026-11-25T16:10:00Z").missed, 2);
  EXPECT_EQ(ledger("2026-11-25T16:10:00Z").unaccounted, 0);
}

TEST_F(Reconcile, ImportsOweNothing) {
  auto imported = cycle("SPY", at("2026-11-20T15:00:00Z"), 0);
  imported.record.snapshot.source = core::Source::imported;
  ok(history_.append(imported.record, soon()));
  const auto first = start("2026-11-24T15:00:00Z");
  EXPECT_EQ(first.missed, 0);
  EXPECT_EQ(first.newest, std::nullopt);
  const auto report = ledger("2026-11-24T15:00:00Z");
  EXPECT_EQ(report.unscheduled, 1);
  EXPECT_EQ(report.scheduled, 1);
  EXPECT_EQ(report.open, 1);
}

TEST_F(Reconcile, AClockSetBackFindsWhatIsThereAndOwesNothingTwice) {
  start("2026-11-24T15:00:00Z");
  for (const auto* as_of : {"2026-11-24T15:00:00Z", "2026-11-24T15:05:00Z", "2026-11-24T15:10:00Z"})
    collected(as_of);
  const auto back = start("2026-11-24T15:05:00Z");
  EXPECT_EQ(back.missed, 0);
  EXPECT_EQ(back.last, at("2026-11-24T15:05:00Z"));
  EXPECT_EQ(back.newest, at("2026-11-24T15:10:00Z"));
}

TEST_F(Reconcile, AfterMonthsAwayEveryCycleIsEntered) {
  start("2026-01-02T15:00:00Z");
  collected("2026-01-02T15:00:00Z");
  start("2026-11-24T15:00:00Z");
  const auto report = ledger("2026-11-24T15:00:00Z");
  EXPECT_EQ(report.unaccounted, 0);
  EXPECT_EQ(report.missed, report.scheduled - 2);
  EXPECT_GT(report.missed, 17'000);
}

}  // namespace
}  // namespace bifrost::collector
