// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "maintenance_support.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using core::Right;

TEST(Maintenance, PartitionsAreMadeAheadAndStrayRowsGetTheirOwn) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "hypertables make their own partitions";
  History history(database);
  // What a hand may leave: rows of a day that has no partition, in two tables.
  run(database,
      "INSERT INTO underlyings (symbol) VALUES ('SPX');"
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id)"
      " VALUES ('2021-01-05T15:00:00Z', 1, 1), ('2021-01-05T15:00:00Z', 1, 2),"
      " ('2021-01-04T15:00:00Z', 1, 1);"
      "INSERT INTO option_changes (as_of, underlying_id, contract_id, kind)"
      " VALUES ('2021-01-05T15:00:00Z', 1, 1, 3)");
  EXPECT_EQ(ok(database.status(after_close, soon())).stray_rows, 4);
  const auto report = keep(database, after_close, {.partition_days_ahead = 3});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(count(task(report, "partitions"), "moved_rows"), 4);
  const auto status = ok(database.status(after_close, soon()));
  EXPECT_EQ(status.stray_rows, 0);
  EXPECT_EQ(status.partition_days_ahead, 3);
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots"), 3);
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots_20210105"), 2);
  EXPECT_EQ(
      count(task(keep(database, after_close, {.partition_days_ahead = 3}), "partitions"), "made"),
      0);
}

TEST(Maintenance, AWriterIsNotStoppedByStrayRowsOfItsDay) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "hypertables make their own partitions";
  run(database,
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id)"
      " VALUES ('2021-01-05T15:00:00Z', 1, 77)");
  History history(database);
  ok(history.append(
      cycle(at("2021-01-05T15:05:00Z"), {quoted(option("3700", Right::call), "1", "2")}), soon()));
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots_20210105"), 2);
}

TEST(Maintenance, ADumpOfTheDatabaseKeepsNobodyFromWritingANewDay) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "hypertables make their own partitions";
  const auto dump = ok(database.pool().lease(soon()));
  ok(dump->run("BEGIN; LOCK TABLE option_snapshots IN ACCESS SHARE MODE", soon()));
  History history(database);
  const auto ten = at("2021-01-05T15:00:00Z");
  ok(history.append(cycle(ten, {quoted(option("3700", Right::call), "1", "2")}), soon()));
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots_default"), 1);
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes.size(), 1U);
  const auto report = keep(database, after_close, {.partition_days_ahead = 0});
  EXPECT_FALSE(task(report, "partitions").ok);
  EXPECT_TRUE(task(report, "rollups").ok);
  ok(dump->run("ROLLBACK", soon()));
  EXPECT_TRUE(keep(database, after_close, {.partition_days_ahead = 0}).ok());
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots_20210105"), 1);
}

}  // namespace
}  // namespace bifrost::store
