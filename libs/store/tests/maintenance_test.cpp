// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/maintenance.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "bifrost/core/calendar.hpp"
#include "bifrost/store/backup.hpp"
#include "bifrost/store/daily.hpp"
#include "bifrost/store/queries.hpp"
#include "client_program.hpp"
#include "partitions.hpp"
#include "pool.hpp"
#include "support.hpp"
#include "upkeep.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Right;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const auto after_close = at("2021-01-06T22:00:00Z");  // Wednesday, 17:00 in New York

core::OptionContract option(const std::string& strike, Right right) {
  return {"SPX", "SPXW", day("2021-01-15"), price(strike), right, 100};
}

core::OptionQuote quoted(core::OptionContract contract, const std::string& bid,
                         const std::string& ask) {
  core::OptionQuote quote{std::move(contract), {}};
  quote.quote.bid = price(bid);
  quote.quote.ask = price(ask);
  return quote;
}

CycleRecord cycle(core::Instant as_of, std::vector<core::OptionQuote> quotes,
                  const std::string& spot = "3700", core::Source source = core::Source::live) {
  CycleRecord record;
  record.snapshot = {"SPX", as_of, price(spot), source, std::move(quotes)};
  record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
  record.interval = 300s;
  return record;
}

MaintenanceReport keep(Database& database, core::Instant now = after_close,
                       const MaintenanceOptions& options = {},
                       std::optional<Tier> tier = std::nullopt) {
  return ok(maintain_as(database, tier, now, options, {}, {}, soon()));
}

const TaskResult& task(const MaintenanceReport& report, std::string_view name) {
  const auto found = std::ranges::find(report.tasks, name, &TaskResult::task);
  if (found == report.tasks.end()) throw std::runtime_error("no such task");
  return *found;
}

std::int64_t count(const TaskResult& result, std::string_view name) {
  for (const auto& [key, value] : result.counts) {
    if (key == name) return value;
  }
  return -1;
}

void run(Database& database, const std::string& sql) {
  const auto connection = ok(database.pool().lease(soon()));
  ok(connection->run(sql, soon()));
}

std::int64_t number(Database& database, const std::string& sql) {
  const auto connection = ok(database.pool().lease(soon()));
  return ok(connection->query(sql.c_str(), soon())).integer(0, 0);
}

bool stock(Database& database) {
  return ok(database.status(after_close, soon())).tier == Tier::stock;
}

/// Days of random quotes: missing sides, crossed and empty markets, contracts that come and go.
std::vector<CycleRecord> random_days(core::Date first, int days, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return random() % 100 < static_cast<unsigned>(percent); };
  std::vector<CycleRecord> cycles;
  for (int d = 0; d < days; ++d) {
    const auto session = core::session(first + std::chrono::days{d});
    if (!session) continue;
    for (auto as_of = session->open + 1h; as_of <= session->close; as_of += 1h) {
      std::vector<core::OptionQuote> quotes;
      for (int strike = 3600; strike < 3800; strike += 20) {
        for (const auto right : {Right::call, Right::put}) {
          if (chance(15)) continue;
          core::OptionQuote quote{option(std::to_string(strike), right), {}};
          const auto bid = static_cast<std::int64_t>(random() % 5000) * 100;
          if (chance(90)) quote.quote.bid = core::Price::from_units(bid);
          if (chance(90))
            quote.quote.ask = core::Price::from_units(
                chance(5) ? 0 : std::max<std::int64_t>(0, bid + (chance(5) ? -700 : 1300)));
          if (chance(80)) quote.quote.implied_vol = static_cast<double>(random() % 1'000'000) / 1e6;
          if (chance(80)) quote.quote.volume = static_cast<std::int64_t>(random() % 10'000);
          if (chance(80)) quote.quote.open_interest = static_cast<std::int64_t>(random() % 99'999);
          quotes.push_back(std::move(quote));
        }
      }
      auto record = cycle(as_of, std::move(quotes),
                          core::Price::from_units(37'000'000 + random() % 900'000).to_string());
      if (chance(10)) record.snapshot.underlying_price.reset();
      if (chance(20)) {
        record.status = RunStatus::partial;
        record.reason = "some did not answer";
      }
      MarketConditions conditions;
      if (chance(80)) conditions.implied_vol_30d = static_cast<double>(random() % 100'000) / 1e5;
      if (chance(80)) conditions.skew_25_delta = static_cast<double>(random() % 1'000) / 1e4;
      if (chance(80)) {
        conditions.historical_vol_20d = static_cast<double>(random() % 1'000) / 1e3;
        conditions.historical_vol_30d = *conditions.historical_vol_20d / 2;
        conditions.historical_vol_source = chance(30) ? "broker" : "snapshots";
      }
      record.market_conditions = conditions;
      cycles.push_back(std::move(record));
    }
  }
  return cycles;
}

/// The second method: roll-ups from the cycles as they were written, in plain loops.
struct Recomputed {
  std::map<std::pair<core::Date, core::OptionContract>, OptionDay> options;
  std::map<core::Date, UnderlyingDay> underlyings;
};

Recomputed recompute(std::vector<CycleRecord> cycles) {
  std::ranges::sort(cycles, {}, [](const CycleRecord& c) { return c.snapshot.as_of; });
  Recomputed all;
  std::map<std::pair<core::Date, core::OptionContract>, double> spreads;
  for (const auto& record : cycles) {
    const auto day_of = core::exchange_time(record.snapshot.as_of).date;
    for (const auto& [contract, quote] : record.snapshot.quotes) {
      const auto key = std::pair{day_of, contract};
      auto& result = all.options[key];
      result.day = day_of;
      result.contract = contract;
      const bool market = quote.bid && quote.ask && quote.ask->units() > 0 &&
                          quote.bid->units() >= 0 && *quote.ask >= *quote.bid;
      if (market) {
        const double mid = (quote.bid->value() + quote.ask->value()) / 2;
        if (!result.mid_open) result.mid_open = mid;
        result.mid_high = std::max(result.mid_high.value_or(mid), mid);
        result.mid_low = std::min(result.mid_low.value_or(mid), mid);
        result.mid_close = mid;
        spreads[key] += (*quote.ask - *quote.bid).value();
        ++result.n;
      }
      if (market || result.n == 0) {
        result.close_as_of = record.snapshot.as_of;
        result.implied_vol_close = quote.implied_vol;
      }
      if (quote.volume) result.volume = quote.volume;
      if (quote.open_interest) result.open_interest = quote.open_interest;
    }
    auto& result = all.underlyings[day_of];
    result.day = day_of;
    result.source = "live";
    ++result.n;
    if (const auto spot = record.snapshot.underlying_price) {
      if (!result.open) result.open = spot;
      result.high = std::max(result.high.value_or(*spot), *spot);
      result.low = std::min(result.low.value_or(*spot), *spot);
      result.close = spot;
      result.close_as_of = record.snapshot.as_of;
    }
    const auto conditions = record.market_conditions.value_or(MarketConditions{});
    if (const auto vol = conditions.implied_vol_30d) {
      if (!result.implied_vol_30d_open) result.implied_vol_30d_open = vol;
      result.implied_vol_30d_high = std::max(result.implied_vol_30d_high.value_or(*vol), *vol);
      result.implied_vol_30d_low = std::min(result.implied_vol_30d_low.value_or(*vol), *vol);
      result.implied_vol_30d_close = vol;
      result.implied_vol_30d_close_as_of = record.snapshot.as_of;
      result.skew_25_delta = conditions.skew_25_delta;
      result.term_slope = conditions.term_slope;
    }
    if (conditions.historical_vol_20d && conditions.historical_vol_source != "broker") {
      result.historical_vol_20d = conditions.historical_vol_20d;
      result.historical_vol_30d = conditions.historical_vol_30d;
    }
  }
  for (auto& [key, result] : all.options) {
    const auto& [day_of, contract] = key;
    if (result.n > 0) result.average_spread = spreads[key] / static_cast<double>(result.n);
    const auto before = all.options.find({core::previous_trading_day(day_of), contract});
    if (before != all.options.end() && before->second.open_interest && result.open_interest) {
      result.open_interest_change = *result.open_interest - *before->second.open_interest;
    }
    auto& sums = all.underlyings[day_of];
    const auto add = [](std::optional<std::int64_t>& sum, std::optional<std::int64_t> value) {
      if (value) sum = sum.value_or(0) + *value;
    };
    const bool put = contract.right == Right::put;
    add(put ? sums.put_volume : sums.call_volume, result.volume);
    add(put ? sums.put_open_interest : sums.call_open_interest, result.open_interest);
  }
  std::vector<double> vols;
  for (auto& [day_of, result] : all.underlyings) {
    if (const auto vol = result.implied_vol_30d_close) {
      result.iv_rank_n = static_cast<std::int64_t>(vols.size());
      if (!vols.empty()) {
        const double low = std::min(*vol, std::ranges::min(vols));
        const double high = std::max(*vol, std::ranges::max(vols));
        if (high > low) result.iv_rank = (*vol - low) / (high - low);
        result.iv_percentile =
            static_cast<double>(std::ranges::count_if(vols, [&](double v) { return v < *vol; })) /
            static_cast<double>(vols.size());
      }
      vols.push_back(*vol);
    }
  }
  return all;
}

void expect_near(const std::optional<double>& a, const std::optional<double>& b) {
  EXPECT_EQ(a.has_value(), b.has_value());
  if (a && b) {
    EXPECT_NEAR(*a, *b, 1e-9);
  }
}

/// Everything but the two values that sum or divide in another order must be the same bit by bit.
void expect_equal(Database& database, const Recomputed& wanted) {
  Daily daily{database};
  const auto days = ok(daily.underlying_days("SPX", DailyOrigin::snapshots, day("2000-01-01"),
                                             day("2100-01-01"), soon()));
  ASSERT_EQ(days.size(), wanted.underlyings.size());
  std::size_t options = 0;
  for (auto stored : days) {
    auto expected = wanted.underlyings.at(stored.day);
    expect_near(stored.iv_rank, expected.iv_rank);
    stored.iv_rank = expected.iv_rank;
    EXPECT_EQ(stored, expected) << core::to_iso_date(stored.day);
    for (auto contract : ok(daily.option_days("SPX", stored.day, soon()))) {
      ++options;
      const auto& reference = wanted.options.at({stored.day, contract.contract});
      expect_near(contract.average_spread, reference.average_spread);
      expect_near(contract.mid_open, reference.mid_open);
      expect_near(contract.mid_close, reference.mid_close);
      expect_near(contract.mid_high, reference.mid_high);
      expect_near(contract.mid_low, reference.mid_low);
      contract.average_spread = reference.average_spread;
      contract.mid_open = reference.mid_open;
      contract.mid_close = reference.mid_close;
      contract.mid_high = reference.mid_high;
      contract.mid_low = reference.mid_low;
      EXPECT_EQ(contract, reference)
          << core::to_iso_date(stored.day) << " " << core::describe(contract.contract);
    }
  }
  EXPECT_EQ(options, wanted.options.size());
}

TEST(Maintenance, ADayIsClosedThreeQuartersOfAnHourAfterItsSession) {
  EXPECT_EQ(last_closed_day(at("2021-01-06T21:44:59Z")), day("2021-01-05"));
  EXPECT_EQ(last_closed_day(at("2021-01-06T21:45:00Z")), day("2021-01-06"));
  EXPECT_EQ(last_closed_day(at("2021-01-07T03:00:00Z")), day("2021-01-06"));  // still the 6th there
  EXPECT_EQ(last_closed_day(at("2020-11-27T18:45:00Z")), day("2020-11-27"));  // shortened
  EXPECT_EQ(last_closed_day(at("2021-01-09T20:00:00Z")), day("2021-01-08"));  // Saturday
  EXPECT_EQ(last_closed_day(at("2021-07-06T20:45:00Z")), day("2021-07-06"));  // daylight time
}

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

/// What upkeep asks of TimescaleDB's community tier, played by tables and functions of our own.
void play_community(Database& database) {
  run(database, R"(
    CREATE SCHEMA timescaledb_information;
    CREATE TABLE timescaledb_information.hypertables (
      hypertable_schema text, hypertable_name text, compression_enabled bool);
    CREATE TABLE timescaledb_information.chunks (
      hypertable_schema text, hypertable_name text, chunk_schema text, chunk_name text,
      range_start timestamptz, range_end timestamptz, is_compressed bool);
    CREATE TABLE asked (n int8 GENERATED ALWAYS AS IDENTITY, what text);
    CREATE FUNCTION compress_chunk(chunk regclass, if_not_compressed bool) RETURNS regclass
    LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO asked (what) VALUES ('compress ' || chunk);
      UPDATE timescaledb_information.chunks SET is_compressed = true
      WHERE chunk_name = chunk::text;
      RETURN chunk;
    END $$;
    CREATE FUNCTION drop_chunks(relation regclass, older_than timestamptz) RETURNS SETOF text
    LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO asked (what) VALUES ('drop ' || relation || ' before ' || older_than);
      RETURN NEXT 'one';
    END $$;
    INSERT INTO timescaledb_information.hypertables
    SELECT current_schema(), t, true FROM unnest(ARRAY['option_snapshots', 'option_changes']) t;
    INSERT INTO timescaledb_information.chunks
    SELECT current_schema(), 'option_snapshots', current_schema(),
           'option_snapshots_' || to_char(d, 'YYYYMMDD'), d, d + interval '1 day', false
    FROM generate_series('2021-01-04T00:00:00Z'::timestamptz, '2021-01-06T00:00:00Z', '1 day') d)");
}

std::vector<std::string> asked(Database& database) {
  const auto connection = ok(database.pool().lease(soon()));
  const auto rows = ok(connection->query("SELECT what FROM asked ORDER BY n", soon()));
  std::vector<std::string> all;
  for (int row = 0; row < rows.size(); ++row) all.emplace_back(rows.text(row, 0));
  ok(connection->run("TRUNCATE asked", soon()));
  return all;
}

TEST(Maintenance, OnlyTheCommunityTierCompressesAndOnlyWhatIsClosed) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "the real TimescaleDB is here";
  ok(database.prepare_days(day("2021-01-04"), day("2021-01-06"), soon()));
  play_community(database);
  for (const auto tier : {Tier::stock, Tier::apache}) {
    EXPECT_TRUE(keep(database, after_close, {}, tier).ok());
    EXPECT_THAT(asked(database), IsEmpty());
  }
  const auto report = keep(database, after_close, {}, Tier::community);
  EXPECT_TRUE(report.ok()) << task(report, "compression").problem;
  EXPECT_EQ(count(task(report, "compression"), "chunks"), 2);  // the 6th has not ended yet
  EXPECT_THAT(asked(database), ElementsAre("compress option_snapshots_20210104",
                                           "compress option_snapshots_20210105"));
  EXPECT_TRUE(keep(database, after_close, {}, Tier::community).ok());
  EXPECT_THAT(asked(database), IsEmpty());
  // A cycle that comes late into a compressed chunk.
  History history(database);
  ok(history.append(
      cycle(at("2021-01-04T15:00:00Z"), {quoted(option("3700", Right::call), "1", "2")}), soon()));
  EXPECT_TRUE(keep(database, after_close + 1h * 24, {}, Tier::community).ok());
  EXPECT_THAT(asked(database), ElementsAre("compress option_snapshots_20210104",
                                           "compress option_snapshots_20210106"));
}

TEST(Maintenance, HypertablesAreDroppedByChunks) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "the real TimescaleDB is here";
  play_community(database);
  for (const auto tier : {Tier::apache, Tier::community}) {
    const auto report = keep(database, after_close, {.retention_days = 10}, tier);
    EXPECT_EQ(count(task(report, "retention"), "dropped"), 2);
    const auto wanted = asked(database);
    EXPECT_THAT(wanted, ::testing::Contains("drop option_snapshots before 2020-12-28 00:00:00+00"));
    EXPECT_THAT(wanted, ::testing::Contains("drop option_changes before 2020-12-28 00:00:00+00"));
  }
  keep(database, after_close, {.retention_days = 10}, Tier::stock);
  EXPECT_THAT(asked(database), IsEmpty());
}

TEST(Maintenance, AServerThatRefusesToCompressIsSaidSoAndTheRestIsDone) {
  auto database = migrated();
  const auto report = keep(database, after_close, {}, Tier::community);
  EXPECT_FALSE(report.ok());
  EXPECT_FALSE(task(report, "compression").ok);
  EXPECT_FALSE(task(report, "compression").problem.empty());
  EXPECT_TRUE(task(report, "analyze").ok);
  EXPECT_EQ(ok(maintained_through(database, soon())), std::nullopt);
}

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
