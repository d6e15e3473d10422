// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <map>

#include "bifrost/core/calendar.hpp"
#include "bifrost/store/daily.hpp"
#include "client_program.hpp"
#include "maintenance_support.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Right;

// I7.
TEST(Maintenance, RollUpsAreWhatAnIndependentRecomputationGives) {
  auto database = migrated();
  History history(database);
  auto cycles = random_days(day("2021-01-04"), 12, 7);
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-15T22:00:00Z");
  const auto report = keep(database, now);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(count(task(report, "rollups"), "days"), 10);
  expect_equal(database, recompute(cycles));
  // Doing it again does nothing.
  EXPECT_EQ(count(task(keep(database, now), "rollups"), "underlying_days"), 0);
  EXPECT_EQ(count(task(keep(database, now, {.everything = true}), "rollups"), "underlying_days"),
            0);
  expect_equal(database, recompute(cycles));
}

TEST(Maintenance, RollUpsLeaveALargerWorkingMemoryAsItIs) {
  const auto memory_with = [](std::string_view setting) {
    auto database = migrated();
    run(database,
        "CREATE TABLE seen (memory text);"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO seen SELECT current_setting(''work_mem''); RETURN NULL; END';"
        "CREATE TRIGGER note AFTER INSERT ON option_daily FOR EACH STATEMENT"
        " EXECUTE FUNCTION note()");
    auto with = ok(Database::open(ok(url_with_setting(database.pool().url(), setting)), soon()));
    ok(History(with).append(random_days(day("2021-01-04"), 1, 7), soon()));
    EXPECT_TRUE(keep(with, at("2021-01-05T22:00:00Z")).ok());
    const auto seen = ok(ok(database.pool().lease(soon()))
                             ->query("SELECT min(memory), max(memory) FROM seen", soon()));
    EXPECT_EQ(seen.text(0, 0), seen.text(0, 1));
    return std::string(seen.text(0, 0));
  };
  EXPECT_EQ(memory_with("work_mem=2MB"), "64MB");
  EXPECT_EQ(memory_with("work_mem=256MB"), "256MB");
}

TEST(Maintenance, ALateImportHasItsDayRolledUpAgainAndTheDayAfterCompared) {
  auto database = migrated();
  History history(database);
  auto cycles = random_days(day("2021-01-04"), 5, 11);
  std::vector<CycleRecord> late;
  for (const auto index : {20UL, 9UL, 8UL}) {
    late.push_back(cycles[index]);
    cycles.erase(cycles.begin() + static_cast<std::ptrdiff_t>(index));
  }
  ok(history.append(cycles, soon()));
  const auto now = at("2021-01-08T22:00:00Z");
  keep(database, now);
  expect_equal(database, recompute(cycles));
  // Written as if hours had passed, so that nothing is found only because it is recent.
  run(database,
      "UPDATE maintenance_runs SET ledger_seen_until = ledger_seen_until - interval '1s'");
  ok(history.append(late, soon()));
  const auto report = keep(database, now);
  EXPECT_EQ(count(task(report, "rollups"), "underlying_days"), 2);
  cycles.insert(cycles.end(), late.begin(), late.end());
  expect_equal(database, recompute(cycles));
}

TEST(Maintenance, ADayThatIsNotClosedIsLeftForTheNextTimeEvenIfNothingMoreComes) {
  auto database = migrated();
  History history(database);
  ok(history.append(
      cycle(at("2021-01-06T15:00:00Z"), {quoted(option("3700", Right::call), "1", "2")}), soon()));
  const auto noon = keep(database, at("2021-01-06T17:00:00Z"));
  EXPECT_EQ(noon.through_day, day("2021-01-05"));
  EXPECT_EQ(count(task(noon, "rollups"), "underlying_days"), 0);
  // Long ago by the database's clock, so that only the day makes it due.
  run(database,
      "SET session_replication_role = replica;"
      "UPDATE collection_runs SET stored_at = stored_at - interval '10 days';"
      "RESET session_replication_role");
  EXPECT_EQ(count(task(keep(database), "rollups"), "underlying_days"), 1);
  EXPECT_EQ(ok(maintained_through(database, soon())), day("2021-01-06"));
}

TEST(Maintenance, SimulatedCyclesDoNotCountOnADayThatHasRealOnes) {
  auto database = migrated();
  History history(database);
  const auto call = option("3700", Right::call);
  ok(history.append(std::vector{cycle(at("2021-01-05T15:00:00Z"), {quoted(call, "1", "3")}, "3700"),
                                cycle(at("2021-01-05T16:00:00Z"), {quoted(call, "90", "92")},
                                      "9999", core::Source::simulated),
                                cycle(at("2021-01-05T17:00:00Z"), {quoted(call, "2", "4")}, "3701",
                                      core::Source::delayed),
                                cycle(at("2021-01-06T15:00:00Z"), {quoted(call, "5", "7")}, "3702",
                                      core::Source::simulated)},
                    soon()));
  EXPECT_TRUE(keep(database).ok());
  Daily daily{database};
  const auto days = ok(daily.underlying_days("SPX", DailyOrigin::snapshots, day("2021-01-05"),
                                             day("2021-01-06"), soon()));
  ASSERT_EQ(days.size(), 2U);
  EXPECT_EQ(days[0].source, "delayed,live");
  EXPECT_EQ(days[0].high, price("3701"));
  EXPECT_EQ(days[0].n, 2);
  EXPECT_EQ(days[1].source, "simulated");
  const auto contract = ok(daily.option_days(call, day("2021-01-05"), day("2021-01-06"), soon()));
  ASSERT_EQ(contract.size(), 2U);
  EXPECT_EQ(contract[0].mid_high, 3.0);
  EXPECT_EQ(contract[0].average_spread, 2.0);
  EXPECT_EQ(contract[1].mid_open, 6.0);
}

// F7: one bulk write over many partitions, on both days on which the clocks change.
TEST(Maintenance, DaysAreNewYorksAlsoWhenTheClocksChange) {
  auto database = migrated();
  History history(database);
  std::vector<CycleRecord> cycles;
  std::map<core::Date, int> wanted;
  for (const auto& first : {at("2021-03-13T00:00:00Z"), at("2021-11-06T00:00:00Z")}) {
    for (int hour = 0; hour < 72; ++hour) {
      cycles.push_back(cycle(first + hour * 1h, {quoted(option("3700", Right::call), "1", "2")}));
      ++wanted[core::exchange_time(first + hour * 1h).date];
    }
  }
  ok(history.append(cycles, soon()));
  EXPECT_TRUE(keep(database, at("2021-12-01T12:00:00Z")).ok());
  Daily daily{database};
  std::map<core::Date, int> found;
  for (const auto& stored : ok(daily.underlying_days("SPX", DailyOrigin::snapshots,
                                                     day("2021-01-01"), day("2022-01-01"), soon())))
    found[stored.day] = static_cast<int>(stored.n);
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(found[day("2021-03-14")], 23);
  EXPECT_EQ(found[day("2021-11-07")], 25);
}

// F6: facts of a past day, already looked after, with conflicts in the middle of the batch.
TEST(Maintenance, ALateBatchWithConflictsInItsMiddleLosesNothing) {
  auto database = migrated();
  History history(database);
  const auto ten = at("2021-01-05T15:00:00Z");
  std::vector<core::OptionQuote> quotes;
  for (int strike = 3600; strike < 3650; ++strike)
    quotes.push_back(quoted(option(std::to_string(strike), Right::call), "1", "2"));
  ok(history.append(cycle(ten - 300s, quotes), soon()));
  EXPECT_TRUE(keep(database).ok());
  // A partial restore: some facts of a cycle, and no ledger row.
  run(database,
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id, bid)"
      " SELECT '2021-01-05T15:00:00Z', underlying_id, contract_id, 77 FROM contracts"
      " WHERE strike BETWEEN 3620000 AND 3629000");
  ok(history.append(cycle(ten, quotes), soon()));
  EXPECT_EQ(number(database,
                   "SELECT count(*) FROM option_snapshots WHERE as_of ="
                   " '2021-01-05T15:00:00Z'"),
            50);
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots WHERE bid = 77"), 10);
  const auto report = keep(database);
  EXPECT_EQ(count(task(report, "row_check"), "mismatches"), 0);
  EXPECT_EQ(count(task(report, "rollups"), "underlying_days"), 1);
  Daily daily{database};
  const auto days = ok(
      daily.option_days(option("3600", Right::call), day("2021-01-05"), day("2021-01-05"), soon()));
  ASSERT_EQ(days.size(), 1U);
  EXPECT_EQ(days[0].n, 2);
}

TEST(Maintenance, ACorrectedCycleHasItsDayRolledUpAgain) {
  auto database = migrated();
  History history(database);
  auto cycles = random_days(day("2021-01-04"), 3, 21);
  ok(history.append(cycles, soon()));
  EXPECT_TRUE(keep(database).ok());
  cycles[4].snapshot.quotes[3].quote.bid = price("0.01");
  cycles[4].snapshot.quotes[3].quote.ask = price("999");
  cycles[4].snapshot.quotes.pop_back();
  ok(history.correct(cycles[4], soon()));
  const auto report = keep(database);
  EXPECT_EQ(count(task(report, "rollups"), "underlying_days"), 1);
  EXPECT_EQ(count(task(report, "row_check"), "mismatches"), 0);
  expect_equal(database, recompute(cycles));
}

}  // namespace
}  // namespace bifrost::store
