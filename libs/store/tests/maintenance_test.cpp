// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/maintenance.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "maintenance_support.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Right;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Maintenance, ADayIsClosedThreeQuartersOfAnHourAfterItsSession) {
  EXPECT_EQ(last_closed_day(at("2021-01-06T21:44:59Z")), day("2021-01-05"));
  EXPECT_EQ(last_closed_day(at("2021-01-06T21:45:00Z")), day("2021-01-06"));
  EXPECT_EQ(last_closed_day(at("2021-01-07T03:00:00Z")), day("2021-01-06"));  // still the 6th there
  EXPECT_EQ(last_closed_day(at("2020-11-27T18:45:00Z")), day("2020-11-27"));  // shortened
  EXPECT_EQ(last_closed_day(at("2021-01-09T20:00:00Z")), day("2021-01-08"));  // Saturday
  EXPECT_EQ(last_closed_day(at("2021-07-06T20:45:00Z")), day("2021-07-06"));  // daylight time
}

TEST(Maintenance, RowsThatTheLedgerDoesNotPromiseAreFoundAndForgottenOnceMended) {
  auto database = migrated();
  History history(database);
  const auto ten = at("2021-01-05T15:00:00Z");
  ok(history.append(std::vector{cycle(ten, {quoted(option("3700", Right::call), "1", "2"),
                                            quoted(option("3700", Right::put), "1", "2")}),
                                cycle(ten + 300s, {quoted(option("3700", Right::call), "1", "2")})},
                    soon()));
  EXPECT_EQ(count(task(keep(database), "row_check"), "mismatches"), 0);
  run(database,
      "DELETE FROM option_snapshots WHERE ctid IN (SELECT ctid FROM option_snapshots"
      " WHERE as_of = '2021-01-05T15:00:00Z' LIMIT 1) AND as_of = '2021-01-05T15:00:00Z';"
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id)"
      " VALUES ('2021-01-05T15:10:00Z', 1, 1)");
  // Nothing was written that the ledger knows of: it is the look at old days that finds it.
  const auto report = keep(database, after_close + 24h * 30);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(count(task(report, "row_check"), "mismatches"), 2);
  const auto status = ok(maintenance_status(database, soon()));
  EXPECT_EQ(status.mismatches, 2);
  EXPECT_EQ(status.days_checked, 1);
  EXPECT_THAT(status.newest_mismatches, ElementsAre(RowMismatch{"SPX", ten + 600s, std::nullopt, 1},
                                                    RowMismatch{"SPX", ten, 2, 1}));
  run(database,
      "DELETE FROM option_snapshots WHERE as_of = '2021-01-05T15:10:00Z';"
      "UPDATE collection_runs SET received = 1 WHERE as_of = '2021-01-05T15:00:00Z'");
  keep(database, after_close + 24h * 31);
  EXPECT_EQ(ok(maintenance_status(database, soon())).mismatches, 0);
}

TEST(Maintenance, OneAtATime) {
  auto database = migrated();
  const auto other = ok(database.pool().lease(soon()));
  ok(other->query("SELECT pg_advisory_lock(1651859712, 2)", soon()));
  const auto refused = maintain(database, after_close, {}, {}, {}, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  ok(other->query("SELECT pg_advisory_unlock_all()", soon()));
  EXPECT_TRUE(keep(database).ok());
}

TEST(Maintenance, StoppedInTheMiddleItGoesOnWhereItWas) {
  auto database = migrated();
  History history(database);
  const auto cycles = random_days(day("2021-01-04"), 12, 13);
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  for (int attempt = 1; attempt <= 4; ++attempt) {
    std::stop_source stop;
    int days = 0;
    const auto stopped = maintain(
        database, now, {},
        [&](const MaintenanceProgress& progress) {
          if (progress.task == "rollups" && progress.share > 0 && ++days == attempt + 2)
            stop.request_stop();
        },
        stop.get_token(), soon());
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, Errc::cancelled);
  }
  EXPECT_EQ(number(database, "SELECT count(*) FROM underlying_daily"), 6);
  EXPECT_TRUE(keep(database, now).ok());
  expect_equal(database, recompute(cycles));
}

TEST(Maintenance, AStatementInProgressIsGivenUpWhenAskedToStop) {
  auto database = migrated();
  History history(database);
  ok(history.append(
      cycle(at("2021-01-05T15:00:00Z"), {quoted(option("3700", Right::call), "1", "2")}), soon()));
  // Somebody holds what the roll-up needs.
  const auto other = ok(database.pool().lease(soon()));
  ok(other->run("BEGIN; LOCK TABLE option_daily IN ACCESS EXCLUSIVE MODE", soon()));
  std::stop_source stop;
  std::thread stopper([&] {
    for (bool waiting = false; !waiting;) {
      waiting = number(database, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0;
    }
    stop.request_stop();
  });
  const auto stopped = maintain(database, after_close, {}, {}, stop.get_token(), soon());
  stopper.join();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  ok(other->run("ROLLBACK", soon()));
  // The server lets go of the lock of the one that left.
  for (;;) {
    const auto report = maintain(database, after_close, {}, {}, {}, soon());
    if (report) {
      EXPECT_TRUE(report->ok());
      break;
    }
    ASSERT_EQ(report.error().code, Errc::conflict) << report.error().message;
  }
}

TEST(Maintenance, AKilledBackendLeavesAStateFromWhichTheNextRunFinishes) {
  auto database = migrated();
  History history(database);
  const auto cycles = random_days(day("2021-01-04"), 12, 17);
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  int days = 0;
  const auto killed = maintain(
      database, now, {},
      [&](const MaintenanceProgress& progress) {
        if (progress.task == "rollups" && progress.share > 0 && ++days == 4) {
          number(database,
                 "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_locks"
                 " WHERE locktype = 'advisory' AND classid = 1651859712 AND objid = 2");
        }
      },
      {}, soon());
  ASSERT_FALSE(killed);
  EXPECT_EQ(killed.error().code, Errc::unavailable);
  EXPECT_TRUE(keep(database, now).ok());
  expect_equal(database, recompute(cycles));
}

TEST(Maintenance, TheLastResultOfEachTaskIsKept) {
  auto database = migrated();
  EXPECT_THAT(ok(maintenance_status(database, soon())).tasks, IsEmpty());
  EXPECT_EQ(ok(maintained_through(database, soon())), std::nullopt);
  const auto report = keep(database);
  auto status = ok(maintenance_status(database, soon()));
  ASSERT_EQ(status.tasks.size(), 7U);
  EXPECT_EQ(status.tasks.front().task, "partitions");
  EXPECT_EQ(status.tasks.back().task, "analyze");
  for (const auto& kept : status.tasks) {
    EXPECT_TRUE(kept.ok) << kept.task << ": " << kept.problem;
    EXPECT_LE(kept.started_at, kept.finished_at);
    EXPECT_EQ(kept.last_ok_at, kept.finished_at);
    EXPECT_EQ(kept.through_day, day("2021-01-06"));
    EXPECT_EQ(kept.counts, task(report, kept.task).counts);
  }
  EXPECT_EQ(ok(maintained_through(database, soon())), day("2021-01-06"));
  EXPECT_EQ(ok(database.status(after_close, soon())).recorded_tier,
            ok(database.status(after_close, soon())).tier);
}

TEST(Maintenance, OptionsThatMakeNoSenseAreRefused) {
  auto database = migrated();
  for (const auto& options :
       {MaintenanceOptions{.partition_days_ahead = -1}, MaintenanceOptions{.retention_days = 0}}) {
    const auto refused = maintain(database, after_close, options, {}, {}, soon());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_input);
  }
}

}  // namespace
}  // namespace bifrost::store
