// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "bifrost/store/queries.hpp"
#include "maintenance_support.hpp"
#include "partitions.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Right;
using ::testing::ElementsAre;

// A full day: 78 cycles of 300 contracts, written as cycles are.
void write_a_day(Database& database, core::Instant open) {
  History history(database);
  std::vector<CycleRecord> cycles;
  for (int i = 0; i < 78; ++i) {
    std::vector<core::OptionQuote> quotes;
    for (int strike = 3000; strike < 3300; ++strike) {
      quotes.push_back(quoted(option(std::to_string(strike), Right::call), "1.00", "1.20"));
      quotes.back().quote.volume = i * 1000 + strike;
    }
    cycles.push_back(cycle(open + i * 300s, std::move(quotes)));
  }
  ok(history.append(cycles, soon()));
}

std::vector<std::int64_t> volumes(Database& database, const core::OptionContract& contract) {
  History history(database);
  std::vector<std::int64_t> all;
  for (const auto& point :
       ok(history.contract_history(contract, core::Instant::min(), core::Instant::max(), soon()))) {
    all.push_back(point.quote.volume.value_or(-1));
  }
  return all;
}

TEST(Maintenance, SortsDaysThatAreOverSoThatAContractIsOnFewPages) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "native partitions";
  write_a_day(database, at("2021-01-05T14:35:00Z"));
  write_a_day(database, at("2021-01-06T14:35:00Z"));
  const auto contract = option("3123", Right::call);
  const auto before = volumes(database, contract);
  ASSERT_EQ(before.size(), 156U);
  const auto pages_of = [&](const std::string& partition) {
    return number(database,
                  "SELECT count(DISTINCT (ctid::text::point)[0]) FROM " + partition +
                      " WHERE contract_id = (SELECT contract_id FROM contracts WHERE strike ="
                      " 3123000)");
  };
  const auto scattered = pages_of("option_snapshots_20210105");
  EXPECT_GT(scattered, 70);

  const auto report = keep(database);
  EXPECT_EQ(count(task(report, "sorting"), "partitions"), 1);  // the 6th is not over yet
  EXPECT_LT(pages_of("option_snapshots_20210105"), scattered / 3);
  EXPECT_EQ(pages_of("option_snapshots_20210106"), scattered);
  EXPECT_EQ(volumes(database, contract), before);
  EXPECT_EQ(count(task(keep(database), "sorting"), "partitions"), 0);
}

TEST(Maintenance, ASortedDayTakesLateCyclesAndCorrections) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "native partitions";
  const auto open = at("2021-01-05T14:35:00Z");
  const auto contract = option("3200", Right::put);
  History history(database);
  const auto one = [&](core::Instant as_of, std::int64_t volume) {
    auto quote = quoted(contract, "1.00", "1.20");
    quote.quote.volume = volume;
    return cycle(as_of, {quote});
  };
  ok(history.append(one(open, 1), soon()));
  ok(history.append(one(open + 600s, 3), soon()));
  // Without a ledger row: nobody vouches for it.
  run(database,
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id, volume)"
      " SELECT timestamptz '2021-01-05T14:50:00Z', underlying_id, contract_id, 99 FROM contracts");
  keep(database, at("2021-01-07T22:00:00Z"));
  ASSERT_THAT(volumes(database, contract), ElementsAre(1, 3));

  ok(history.append(one(open + 300s, 2), soon()));
  const auto known_before = ok(Queries(database).now(soon()));
  ok(history.correct(one(open, 7), soon()));
  ok(history.append(one(at("2021-01-06T15:00:00Z"), 4), soon()));  // a day that was not there
  EXPECT_THAT(volumes(database, contract), ElementsAre(7, 2, 3, 4));
  const auto series = ok(Queries(database).contract_series(
      contract, core::Instant::min(), core::Instant::max(), known_before, soon()));
  std::vector<std::optional<std::int64_t>> known;
  for (const auto& point : series.points) known.push_back(point.quote.volume);
  EXPECT_THAT(known, ElementsAre(1, 2, 3));
}

TEST(Maintenance, ADayThatGrewTooLargeToSortKeepsNoIndexOfAnEarlierAttempt) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "native partitions";
  write_a_day(database, at("2021-01-05T14:35:00Z"));
  const std::string partition = "option_snapshots_20210105";
  const auto indexes = [&](const std::string& kind) {
    return number(database, "SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname = '" +
                                partition + kind + "'");
  };
  const auto connection = ok(database.pool().lease(soon()));
  {
    const auto reader = ok(database.pool().lease(soon()));
    ok(reader->run("BEGIN; SELECT FROM " + partition + " LIMIT 1", soon()));
    EXPECT_FALSE(ok(sort_partition(*connection, partition, soon())));
    ok(reader->run("COMMIT", soon()));
  }
  ASSERT_EQ(indexes("_order"), 1);
  EXPECT_TRUE(ok(sort_partition(*connection, partition, soon(), 1'000)));
  EXPECT_EQ(indexes("_order"), 0);
  EXPECT_EQ(indexes("_contract"), 1);
}

TEST(Maintenance, ADayInUseIsSortedTheNextTimeAndAnOlderStateKeepsItsRows) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "native partitions";
  write_a_day(database, at("2021-01-05T14:35:00Z"));
  const auto reader = ok(database.pool().lease(soon()));
  constexpr auto rows = "SELECT count(*) FROM option_snapshots";
  ok(reader->run("BEGIN ISOLATION LEVEL REPEATABLE READ", soon()));
  EXPECT_EQ(ok(reader->query(rows, soon())).integer(0, 0), 78 * 300);
  const auto report = keep(database);
  EXPECT_TRUE(task(report, "sorting").ok) << task(report, "sorting").problem;
  EXPECT_EQ(count(task(report, "sorting"), "partitions"), 0);
  EXPECT_EQ(count(task(report, "sorting"), "in_use"), 1);
  ok(reader->run("COMMIT", soon()));

  ok(reader->run("BEGIN ISOLATION LEVEL REPEATABLE READ", soon()));
  ok(reader->query("SELECT count(*) FROM collection_runs", soon()));  // its state from here on
  EXPECT_EQ(count(task(keep(database), "sorting"), "partitions"), 1);
  EXPECT_EQ(ok(reader->query(rows, soon())).integer(0, 0), 78 * 300);
  ok(reader->run("COMMIT", soon()));
}

}  // namespace
}  // namespace bifrost::store
