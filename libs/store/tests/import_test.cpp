// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/import.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <thread>
#include <tuple>

#include "bifrost/core/chain_file.hpp"
#include "bifrost/store/listen.hpp"
#include "bifrost/store/maintenance.hpp"
#include "shared_data.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
namespace fs = std::filesystem;

constexpr std::string_view header =
    "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,delta,"
    "gamma,theta,vega,"
    "bid_size,ask_size,root,mid\n";

bool go_on(const ImportProgress&) {
  return true;
}

class File {
 public:
  explicit File(const std::string& rows) : path_(folder_.path() / "rows.csv") {
    std::ofstream(path_) << header << rows;
  }
  const fs::path& path() const { return path_; }

 private:
  TemporaryFolder folder_;
  fs::path path_;
};

ImportReport import_rows(History& history, const std::string& rows) {
  const File file(rows);
  return ok(import_chain_files(history, std::vector{file.path()}, go_on));
}

/// What a file holds, by instant, in the order that the history promises.
std::map<core::Instant, core::ChainSnapshot> snapshots_of(const fs::path& file) {
  std::map<core::Instant, core::ChainSnapshot> found;
  auto reader = ok(core::ChainFileReader::open(file));
  while (auto next = ok(reader.next())) {
    auto& row = std::get<core::ChainFileRow>(*next);
    auto& snapshot = found[row.quote_ts];
    snapshot.underlying = row.contract.underlying;
    snapshot.as_of = row.quote_ts;
    snapshot.underlying_price = row.underlying_price;
    snapshot.quotes.push_back({row.contract, row.quote});
  }
  for (auto& [as_of, snapshot] : found) {
    std::sort(snapshot.quotes.begin(), snapshot.quotes.end(), [](const auto& a, const auto& b) {
      return std::tie(a.contract.expiry, a.contract.trading_class, a.contract.strike,
                      a.contract.right) < std::tie(b.contract.expiry, b.contract.trading_class,
                                                   b.contract.strike, b.contract.right);
    });
  }
  return found;
}

struct RealFile {
  const char* path;
  const char* underlying;
  std::int64_t rows;  // MANIFEST.txt of shared/data
  std::int64_t cycles;
  std::int64_t typical_interval;  // seconds; 0: a single instant
};

class ImportOfARealFile : public ::testing::TestWithParam<RealFile> {};

TEST_P(ImportOfARealFile, ComesBackFieldByFieldAndTwiceIsOnce) {
  const auto data = shared_data();
  if (!data || !fs::exists(*data / GetParam().path))
    GTEST_SKIP() << "shared/data is not on this machine";
  const auto file = *data / GetParam().path;
  const auto database = fresh_database();
  auto opened = ok(Database::open(database, soon()));
  ok(opened.migrate(soon()));
  History history(opened);

  const auto report = ok(import_chain_files(history, std::vector{file}, go_on));
  EXPECT_EQ(report.rows_read, GetParam().rows);
  EXPECT_EQ(report.rows_imported, GetParam().rows);
  EXPECT_EQ(report.rows_rejected, 0) << report.rejects.at(0).reason;
  EXPECT_EQ(report.cycles_imported, GetParam().cycles);

  const auto wanted = snapshots_of(file);
  ASSERT_EQ(static_cast<std::int64_t>(wanted.size()), GetParam().cycles);
  std::map<std::int64_t, int> intervals;
  for (const auto& [as_of, snapshot] : wanted) {
    const auto stored = ok(history.chain(snapshot.underlying, {.at = as_of}, soon()));
    ASSERT_EQ(stored.run.as_of, as_of);
    EXPECT_EQ(stored.run.status, RunStatus::complete);
    EXPECT_EQ(stored.run.source, core::Source::imported);
    EXPECT_EQ(stored.run.expected, stored.run.received);
    EXPECT_EQ(stored.snapshot.underlying_price, snapshot.underlying_price);
    ASSERT_EQ(stored.snapshot.quotes.size(), snapshot.quotes.size());
    for (std::size_t i = 0; i < snapshot.quotes.size(); ++i) {
      ASSERT_EQ(stored.snapshot.quotes[i], snapshot.quotes[i])
          << core::describe(snapshot.quotes[i].contract) << " at " << core::to_iso(as_of);
    }
    if (stored.run.interval) ++intervals[stored.run.interval->count()];
  }
  if (GetParam().typical_interval != 0) {
    const auto typical =
        std::max_element(intervals.begin(), intervals.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    EXPECT_EQ(typical->first, GetParam().typical_interval);
  } else {
    EXPECT_TRUE(intervals.empty());
  }

  const auto again = ok(import_chain_files(history, std::vector{file}, go_on));
  EXPECT_EQ(again.rows_imported, 0);
  EXPECT_EQ(again.rows_already_there, GetParam().rows);
  EXPECT_EQ(again.cycles_already_there, GetParam().cycles);
}

INSTANTIATE_TEST_SUITE_P(
    Shared, ImportOfARealFile,
    ::testing::Values(
        RealFile{"a_clear/twx_2014_06_05_06_5min.csv.gz", "TWX", 28704, 156, 300},
        RealFile{"a_clear/aapl_2014_06_06_and_09_hourly.csv.gz", "AAPL", 31719, 14, 3600},
        RealFile{"a_clear/aapl_2016_01_15_c100_2015_daily.csv.gz", "AAPL", 250, 250, 86400},
        RealFile{"a_clear/spx_2021_01_04_5min.csv.gz", "SPX", 1404, 78, 300},
        RealFile{"b_upstream_unstated/spxw_2018_01_eod.csv.gz", "SPX", 7588, 21, 86400},
        RealFile{"b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz", "SPX", 12626, 1, 0},
        RealFile{"b_upstream_unstated/spy_2021_jan_sep_eod_top20.csv.gz", "SPY", 3760, 188, 86400}),
    [](const auto& param) {
      const auto name = fs::path(param.param.path).filename().string();
      std::string words;
      for (const char c : name.substr(0, name.find('.'))) {
        if (c != '_') words += c;
      }
      return words;
    });

TEST(Import, TheSplitOfJune2014LeavesOldAndNewStrikesApart) {
  const auto data = shared_data();
  if (!data) GTEST_SKIP() << "shared/data is not on this machine";
  auto database = migrated();
  History history(database);
  ok(import_chain_files(
      history, std::vector{*data / "a_clear/aapl_2014_06_06_and_09_hourly.csv.gz"}, go_on));
  // 645 before the 7-for-1 split of 2014-06-09 is 92.14 after it (data/README.md).
  const auto has = [&](const char* at_iso, const char* strike) {
    const auto chain = ok(history.chain("AAPL", {.at = at(at_iso)}, soon()));
    return std::any_of(chain.snapshot.quotes.begin(), chain.snapshot.quotes.end(),
                       [&](const auto& quote) { return quote.contract.strike == price(strike); });
  };
  EXPECT_TRUE(has("2014-06-06T19:00:00Z", "645"));
  EXPECT_FALSE(has("2014-06-06T19:00:00Z", "92.14"));
  EXPECT_TRUE(has("2014-06-09T19:00:00Z", "92.14"));
  EXPECT_FALSE(has("2014-06-09T19:00:00Z", "645"));
}

TEST(Import, FilesWithOnlyAMidAreRejectedRowByRow) {
  const auto data = shared_data();
  if (!data) GTEST_SKIP() << "shared/data is not on this machine";
  for (const auto& [name, rows] : std::map<std::string, std::int64_t>{
           {"a_clear/anon_aaaa_2017_06_13_1min_mid.csv.gz", 114986},
           {"b_upstream_unstated/vstoxx_2014_jan_feb_eod_settle.csv.gz", 30886}}) {
    if (!fs::exists(*data / name)) continue;
    auto database = migrated();
    History history(database);
    const auto report = ok(import_chain_files(history, std::vector{*data / name}, go_on));
    EXPECT_EQ(report.rows_read, rows);
    EXPECT_EQ(report.rows_rejected, rows);
    EXPECT_EQ(report.rejects.size(), 100U);
    EXPECT_EQ(report.rejects.at(0).line, 2U);
    EXPECT_TRUE(ok(history.underlyings(soon())).empty());
  }
}

TEST(Import, OddRowsAreNamedAndTheRestGoesIn) {
  auto database = migrated();
  History history(database);
  const auto report = import_rows(
      history,
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"    // again
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,P,,,,,,,,,,,,,SPX,1.5\n"   // mid only
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3.0001,P,1,2,,,,,,,,,,,SPX,\n"  // strike
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3800,P,214749,2,,,,,,,,,,,SPX,\n"
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3900,P,1,2,,9999999999,,,,,,,,,SPX,\n"
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,4000,P,,,,,17,,,,,,,,SPX,\n"
      "2021-01-04T15:05:00Z,SPX,3701,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"
      "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,4100,P,1,2,,,,,,,,,,,SPX,\n");  // ended
  EXPECT_EQ(report.rows_read, 9);
  EXPECT_EQ(report.rows_imported, 3);
  EXPECT_EQ(report.rows_rejected, 6);
  std::vector<std::size_t> lines;
  for (const auto& reject : report.rejects) lines.push_back(reject.line);
  EXPECT_THAT(lines, ::testing::ElementsAre(3, 4, 5, 6, 7, 10));
  EXPECT_EQ(
      ok(history.chain("SPX", {.at = at("2021-01-04T15:00:00Z")}, soon())).snapshot.quotes.size(),
      2U);
}

TEST(Import, ACycleWithRefusedRowsIsPartialAndSaysWhy) {
  auto database = migrated();
  History history(database);
  import_rows(history,
              "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3600,C,,,,,,,,,,,,,SPX,1.5\n"  // mid only
              "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"
              "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"  // again
              "2021-01-04T15:05:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"
              "2021-01-04T15:10:00Z,SPX,3700,2021-01-15,3600,C,,,,,,,,,,,,,SPX,1.5\n");
  const auto runs = ok(history.runs("SPX", core::Instant::min(), core::Instant::max(), soon()));
  ASSERT_EQ(runs.size(), 2U) << "an instant without a row that could be taken is no cycle";
  EXPECT_EQ(runs[0].status, RunStatus::partial);
  EXPECT_EQ(runs[0].refused, 2);
  EXPECT_EQ(runs[0].received, 1);
  EXPECT_EQ(runs[0].expected, 3);
  EXPECT_THAT(runs[0].reason, ::testing::HasSubstr("only a mid price"));
  EXPECT_EQ(runs[1].status, RunStatus::complete);
  EXPECT_EQ(runs[1].expected, 1);
}

constexpr auto january = "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n";
constexpr auto february = "2021-01-04T15:00:00Z,SPX,3700,2021-02-19,3700,C,3,4,,,,,,,,,,,SPX,\n";

TEST(Import, RowsThatAStoredSnapshotLacksAreNamed) {
  auto database = migrated();
  History history(database);
  import_rows(history, january);
  const auto report = import_rows(history, std::string(january) + february);
  EXPECT_EQ(report.rows_read, 2);
  EXPECT_EQ(report.rows_imported, 0);
  EXPECT_EQ(report.rows_already_there, 1);
  EXPECT_EQ(report.rows_rejected, 1);
  ASSERT_EQ(report.rejects.size(), 1U);
  EXPECT_EQ(report.rejects[0].line, 3U);
  EXPECT_THAT(report.rejects[0].reason, ::testing::HasSubstr("imported together"));
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes.size(), 1U);
}

TEST(Import, WhatRetentionDroppedWasThere) {
  auto database = migrated();
  History history(database);
  const std::string rows =
      "2015-03-02T21:00:00Z,SPX,2100,2015-03-20,2100,C,1,2,,,,,,,,,,,SPX,\n"
      "2015-03-03T21:00:00Z,SPX,2100,2015-03-20,2100,C,1,2,,,,,,,,,,,SPX,\n";
  EXPECT_EQ(import_rows(history, rows).rows_imported, 2);
  EXPECT_TRUE(
      ok(maintain(database, at("2015-03-03T23:00:00Z"), {.retention_days = 1}, {}, {}, soon()))
          .ok());
  EXPECT_EQ(history.chain("SPX", {.at = at("2015-03-02T21:00:00Z")}, soon()).error().code,
            Errc::not_found);
  const auto again = import_rows(history, rows);
  EXPECT_EQ(again.rows_imported, 0);
  EXPECT_EQ(again.rows_already_there, 2);
  EXPECT_EQ(again.rows_rejected, 0);
}

TEST(Import, APipeIsReadOnceAndSoNotBesideOtherFiles) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string row = "2021-01-04T14:55:00Z,SPX,3690,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n";
  auto database = migrated();
  History history(database);
  const File file(row);
  const auto beside = import_chain_files(history, std::vector{file.path(), pipe}, go_on);
  ASSERT_FALSE(beside);
  EXPECT_EQ(beside.error().code, Errc::invalid_input);
  EXPECT_TRUE(ok(history.underlyings(soon())).empty());
  std::jthread writer{[&] { std::ofstream(pipe) << header << row; }};
  EXPECT_EQ(ok(import_chain_files(history, std::vector{pipe}, go_on)).rows_imported, 1);
}

TEST(Import, FilesOfOneInstantMakeOneCycle) {
  auto database = migrated();
  History history(database);
  const File first(
      std::string("2021-01-04T14:55:00Z,SPX,3690,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n") +
      january);
  const File second(std::string(february) + january +
                    "2021-01-04T15:00:00Z,SPX,3700,2021-03-19,3700,C,,,,,,,,,,,,,SPX,9\n");
  const File third(
      "2021-01-04T15:00:00Z,SPX,3700,2021-02-19,3700,C,3,5,,,,,,,,,,,SPX,\n"  // another ask
      "2021-01-04T15:00:00Z,NDX,12700,2021-01-15,12700,C,1,2,,,,,,,,,,,NDX,\n");
  const std::vector files{first.path(), second.path(), third.path()};
  const auto report = ok(import_chain_files(history, files, go_on));
  EXPECT_EQ(report.rows_read, 7);
  EXPECT_EQ(report.rows_imported, 4);
  EXPECT_EQ(report.rows_already_there, 1) << "the row that two files have alike";
  EXPECT_EQ(report.rows_rejected, 2);
  EXPECT_EQ(report.cycles_imported, 3);
  ASSERT_EQ(report.rejects.size(), 2U);
  EXPECT_EQ(report.rejects[0].file, second.path());
  EXPECT_EQ(report.rejects[0].line, 4U);
  EXPECT_EQ(report.rejects[1].file, third.path());
  EXPECT_EQ(report.rejects[1].line, 2U);
  const auto chain = ok(history.chain("SPX", {}, soon()));
  EXPECT_EQ(chain.run.status, RunStatus::partial);
  EXPECT_EQ(chain.run.refused, 2);
  EXPECT_EQ(chain.run.interval, 300s);
  ASSERT_EQ(chain.snapshot.quotes.size(), 2U);
  EXPECT_EQ(chain.snapshot.quotes[1].quote.ask, price("4"));
  EXPECT_EQ(chain.snapshot.underlying_price, price("3700"));

  const auto again = ok(import_chain_files(history, files, go_on));
  EXPECT_EQ(again.rows_imported, 0);
  EXPECT_EQ(again.rows_already_there, 5);
  EXPECT_EQ(again.rows_rejected, 2);
}

TEST(Import, MoreSharedRowsThanMemoryIsGivenAreRefusedBeforeAnythingIsWritten) {
  auto database = migrated();
  History history(database);
  const File first(january);
  const File second(february);
  const auto refused = import_chain_files(history, std::vector{first.path(), second.path()}, go_on,
                                          {.shared_rows = 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_input);
  EXPECT_TRUE(ok(history.underlyings(soon())).empty());
}

TEST(Import, PricesOfTheUnderlyingThatDisagreeAreNotChosenBetween) {
  auto database = migrated();
  History history(database);
  import_rows(history,
              "2021-01-04T15:00:00Z,VIX,20,2021-01-15,20,C,1,2,,,,,,,,,,,VIX,\n"
              "2021-01-04T15:00:00Z,VIX,21,2021-02-15,20,C,1,2,,,,,,,,,,,VIX,\n");
  const auto chain = ok(history.chain("VIX", {}, soon()));
  EXPECT_EQ(chain.snapshot.quotes.size(), 2U);
  EXPECT_EQ(chain.snapshot.underlying_price, std::nullopt);
  EXPECT_NE(chain.run.reason, "");
}

TEST(Import, SeveralUnderlyingsOfOneInstantAreSeveralCycles) {
  auto database = migrated();
  History history(database);
  const auto report =
      import_rows(history,
                  "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n"
                  "2021-01-04T15:00:00Z,NDX,12700,2021-01-15,12700,C,1,2,,,,,,,,,,,NDX,\n"
                  "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,P,1,2,,,,,,,,,,,SPX,\n"
                  "2021-01-04T15:01:00Z,NDX,12700,2021-01-15,12700,C,1,2,,,,,,,,,,,NDX,\n");
  EXPECT_EQ(report.rows_rejected, 0);
  EXPECT_EQ(report.cycles_imported, 3);
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes.size(), 2U);
  EXPECT_EQ(ok(history.last_run("NDX", soon()))->interval, 60s);
  EXPECT_EQ(ok(history.last_run("SPX", soon()))->interval, std::nullopt);
}

std::string many_cycles(int cycles) {
  std::string rows;
  for (int i = 0; i < cycles; ++i) {
    for (int strike = 0; strike < 5; ++strike) {
      rows += core::to_iso(at("2021-01-04T15:00:00Z") + i * 60s) + ",SPX,3700,2021-01-15," +
              std::to_string(3700 + strike) + ",C,1,2,,,,,,,,,,,SPX,\n";
    }
  }
  return rows;
}

TEST(Import, AnImportThatWasStoppedIsFinishedByTheNext) {
  auto database = migrated();
  History history(database);
  const File file(many_cycles(40));
  int calls = 0;
  const auto stop_soon = [&](const ImportProgress& progress) {
    EXPECT_EQ(progress.file, 0U);
    return ++calls < 3;
  };
  const auto stopped = import_chain_files(history, std::vector{file.path()}, stop_soon,
                                          {.rows_per_transaction = 20});
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  const auto report = ok(import_chain_files(history, std::vector{file.path()}, go_on));
  EXPECT_EQ(report.cycles_already_there, 12);
  EXPECT_EQ(report.cycles_imported, 28);
  const auto runs = ok(history.runs("SPX", core::Instant::min(), core::Instant::max(), soon()));
  EXPECT_EQ(runs.size(), 40U);
  for (const auto& run : runs) EXPECT_EQ(run.interval, 60s) << core::to_iso(run.as_of);
}

TEST(Import, AnImportThatWasKilledIsFinishedByTheNext) {
  const auto url = fresh_database();
  auto database = ok(Database::open(url, soon()));
  ok(database.migrate(soon()));
  const File file(many_cycles(400));
  auto listener = ok(Listener::open(url, soon()));
  const pid_t other = fork();
  if (other == 0) {
    auto own = Database::open(url, soon());
    if (!own) _exit(1);
    History history(*own);
    static_cast<void>(
        import_chain_files(history, std::vector{file.path()}, go_on, {.rows_per_transaction = 1}));
    pause();
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ok(listener.wait(soon())));
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  History history(database);
  const auto report = ok(import_chain_files(history, std::vector{file.path()}, go_on));
  EXPECT_GE(report.cycles_already_there, 20);
  EXPECT_EQ(report.cycles_already_there + report.cycles_imported, 400);
  for (const auto& run :
       ok(history.runs("SPX", core::Instant::min(), core::Instant::max(), soon()))) {
    EXPECT_EQ(run.interval, 60s);
    EXPECT_EQ(ok(history.chain("SPX", {.at = run.as_of}, soon())).snapshot.quotes.size(), 5U);
  }
}

TEST(Import, AFileThatCannotBeReadIsAnErrorNamingIt) {
  auto database = migrated();
  History history(database);
  EXPECT_FALSE(import_chain_files(history, std::vector<fs::path>{"/nowhere/rows.csv.gz"}, go_on));
}

}  // namespace
}  // namespace bifrost::store
