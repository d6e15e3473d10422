// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "bifrost/store/backup.hpp"
#include "bifrost/store/queries.hpp"
#include "maintenance_support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Right;

TEST(Maintenance, RetentionDropsQuotesAndNothingElse) {
  auto database = migrated();
  History history(database);
  auto cycles = random_days(day("2021-01-04"), 12, 3);
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  EXPECT_TRUE(keep(database, now).ok());
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots WHERE as_of < '2021-01-13'"),
            number(database,
                   "SELECT sum(received)::int8 FROM collection_runs"
                   " WHERE as_of < '2021-01-13'"));
  const auto report = keep(database, now, {.retention_days = 3});
  EXPECT_TRUE(report.ok()) << task(report, "retention").problem;
  EXPECT_GT(count(task(report, "retention"), "dropped"), 0);
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots WHERE as_of < '2021-01-13'"),
            0);
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots"),
            number(database,
                   "SELECT sum(received)::int8 FROM collection_runs"
                   " WHERE as_of >= '2021-01-13'"));
  EXPECT_EQ(number(database, "SELECT count(*) FROM collection_runs"),
            static_cast<std::int64_t>(cycles.size()));
  expect_equal(database, recompute(cycles));
  // The dropped days are neither rolled up from nothing nor found to lack rows.
  const auto again = keep(database, now, {.retention_days = 3, .everything = true});
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(count(task(again, "row_check"), "mismatches"), 0);
  expect_equal(database, recompute(cycles));
  EXPECT_EQ(ok(database.status(now, soon())).quotes_kept_from, at("2021-01-13T00:00:00Z"));
  // A day that was dropped is not an empty chain.
  ChainFilter old;
  old.at = at("2021-01-06T20:00:00Z");
  EXPECT_EQ(history.chain("SPX", old, soon()).error().code, Errc::not_found);
  EXPECT_EQ(history.expirations("SPX", old.at, soon()).error().code, Errc::not_found);
  EXPECT_FALSE(ok(history.chain("SPX", {}, soon())).snapshot.quotes.empty());
}

TEST(Maintenance, ARangeThatRetentionHasEmptiedSaysSo) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  auto cycles = random_days(day("2021-01-04"), 12, 3);
  for (auto& one : cycles) {
    if (!one.snapshot.quotes.empty())
      one.changes.push_back({one.snapshot.quotes[0].contract, ChangeKind::volume, 1, 2});
  }
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  const auto contract = option("3700", Right::call);
  struct Told {
    std::optional<core::Instant> points, series, changes, largest;
    bool operator==(const Told&) const = default;
  };
  const auto told = [&](core::Instant from, core::Instant to) {
    return Told{ok(history.contract_history(contract, from, to, soon())).emptied_before,
                ok(queries.contract_series(contract, from, to, {}, soon())).emptied_before,
                ok(history.changes("SPX", from, to, {}, 9, soon())).emptied_before,
                ok(queries.largest_changes({.from = from, .to = to}, {}, soon())).emptied_before};
  };
  const auto first = at("2021-01-04T12:00:00Z");
  const auto kept_from = at("2021-01-13T00:00:00Z");
  const auto top = [&](const std::string& of) {
    return ok(queries.top_open_interest_changes(day(of), 5, {}, soon()));
  };
  EXPECT_EQ(told(first, now), Told{});
  EXPECT_EQ(top("2021-01-06").emptied_before, std::nullopt);
  EXPECT_FALSE(top("2021-01-06").empty());

  keep(database, now, {.retention_days = 3});
  const Told emptied{kept_from, kept_from, kept_from, kept_from};
  EXPECT_EQ(told(first, now), emptied);
  EXPECT_EQ(told(first, first + 24h), emptied);
  EXPECT_TRUE(ok(history.contract_history(contract, first, first + 24h, soon())).empty());
  EXPECT_EQ(told(kept_from, now), Told{});
  EXPECT_EQ(told(first - 240h, first - 24h), Told{}) << "there never was anything";
  EXPECT_EQ(top("2021-01-06").emptied_before, kept_from);
  EXPECT_EQ(top("2021-01-13").emptied_before, kept_from) << "the day before is gone";
  EXPECT_EQ(top("2021-01-15").emptied_before, std::nullopt);
}

TEST(Maintenance, AClockFarAheadDropsNoMoreThanTheNewestQuotesAllow) {
  auto database = migrated();
  History history(database);
  ok(history.append(random_days(day("2021-01-04"), 12, 1), soon()));
  const auto report = keep(database, at("2035-06-01T22:00:00Z"), {.retention_days = 3});
  EXPECT_TRUE(report.ok()) << task(report, "retention").problem;
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots WHERE as_of >= '2021-01-13'"),
            number(database,
                   "SELECT sum(received)::int8 FROM collection_runs"
                   " WHERE as_of >= '2021-01-13'"));
  EXPECT_GT(number(database, "SELECT count(*) FROM option_snapshots"), 0);
}

TEST(Maintenance, ALateCycleOfADroppedDayDoesNotReplaceItsRollUp) {
  auto database = migrated();
  History history(database);
  auto cycles = random_days(day("2021-01-04"), 12, 5);
  const auto late = cycles[2];
  cycles.erase(cycles.begin() + 2);
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  keep(database, now, {.retention_days = 3});
  ok(history.append(late, soon()));
  const auto report = keep(database, now, {.retention_days = 3});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(count(task(report, "rollups"), "underlying_days_without_quotes"), 1);
  expect_equal(database, recompute(cycles));
}

TEST(Maintenance, NothingIsDroppedThatIsNotRolledUp) {
  auto database = migrated();
  History history(database);
  const auto cycles = random_days(day("2021-01-04"), 12, 9);
  ok(history.append(cycles, soon()));
  const auto rows = number(database, "SELECT count(*) FROM option_snapshots");
  // A roll-up that cannot be stored.
  run(database, "ALTER TABLE underlying_daily ADD CHECK (day <> '2021-01-06')");
  const auto report = keep(database, at("2021-01-15T22:00:00Z"), {.retention_days = 3});
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(task(report, "rollups").problem, ::testing::HasSubstr("2021-01-06"));
  EXPECT_EQ(count(task(report, "rollups"), "underlying_days"), 9);  // the others were done
  EXPECT_FALSE(task(report, "retention").ok);
  EXPECT_THAT(task(report, "retention").problem, ::testing::HasSubstr("2021-01-06"));
  EXPECT_TRUE(task(report, "row_check").ok);
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots"), rows);
  EXPECT_EQ(ok(maintained_through(database, soon())), std::nullopt);
  // Mended, the next run does the rest.
  run(database, "ALTER TABLE underlying_daily DROP CONSTRAINT underlying_daily_day_check");
  const auto mended = keep(database, at("2021-01-15T22:00:00Z"), {.retention_days = 3});
  EXPECT_TRUE(mended.ok());
  EXPECT_EQ(count(task(mended, "rollups"), "underlying_days"), 1);
  expect_equal(database, recompute(cycles));
}

TEST(Maintenance, QuotesOlderThanTheLastDropAreNotDroppedBeforeTheyAreRolledUp) {
  auto database = migrated();
  History history(database);
  ok(history.append(random_days(day("2021-01-04"), 12, 9), soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  EXPECT_TRUE(keep(database, now, {.retention_days = 3}).ok());
  // Older days come, and of one the roll-up cannot be stored.
  const auto older = random_days(day("2020-12-28"), 4, 10);
  ok(history.append(older, soon()));
  run(database, "ALTER TABLE underlying_daily ADD CHECK (day <> '2020-12-29')");
  const auto rows = number(database, "SELECT count(*) FROM option_snapshots");
  const auto report = keep(database, now, {.retention_days = 3});
  EXPECT_FALSE(task(report, "retention").ok);
  EXPECT_THAT(task(report, "retention").problem, ::testing::HasSubstr("2020-12-29"));
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots"), rows);
  run(database, "ALTER TABLE underlying_daily DROP CONSTRAINT underlying_daily_day_check");
  const auto mended = keep(database, now, {.retention_days = 3});
  EXPECT_TRUE(mended.ok()) << task(mended, "retention").problem;
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots WHERE as_of < '2021-01-13'"),
            0);
  EXPECT_EQ(number(database, "SELECT count(*) FROM underlying_daily"), 14);
}

TEST(Maintenance, WhatCorrectionsMovedAsideGoesWithTheQuotes) {
  auto database = migrated();
  History history(database);
  const auto cycles = random_days(day("2021-01-04"), 12, 31);
  ok(history.append(cycles, soon()));
  for (auto corrected : {cycles.front(), cycles.back()}) {
    corrected.snapshot.quotes.front().quote.bid = price("0.01");
    ok(history.correct(corrected, soon()));
  }
  run(database,
      "INSERT INTO row_check_mismatches (underlying_id, as_of, day, received, found)"
      " VALUES (1, '2020-12-01T15:00:00Z', '2020-12-01', 1, 2)");
  const auto now = at("2021-01-15T22:00:00Z");
  EXPECT_TRUE(keep(database, now, {.retention_days = 3}).ok());
  EXPECT_EQ(number(database, "SELECT count(DISTINCT as_of) FROM superseded_option_snapshots"), 1);
  EXPECT_EQ(ok(maintenance_status(database, soon())).mismatches, 0);
  const auto verified = ok(verify(database, {}, soon()));
  EXPECT_EQ(verified.problems, 0);
  EXPECT_GT(verified.cycles_dropped, 0);
}

}  // namespace
}  // namespace bifrost::store
