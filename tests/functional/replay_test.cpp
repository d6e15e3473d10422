// SPDX-License-Identifier: Apache-2.0
// Recorded chains through gateway, wire, client and collector, or straight from the file: the
// history holds the file.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "bifrost/collector/radar.hpp"
#include "shared_data.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using core::Instant;
using namespace std::chrono_literals;

struct Recording {
  const char* file;
  const char* underlying;
  const char* database;
  int interval_seconds;
  std::size_t first;   // index of the first quote_ts played
  std::size_t cycles;  // how many are played
};

std::string runs_of(const Recording& recording, std::string_view columns) {
  return fmt::format(
      "SELECT {} FROM collection_runs JOIN underlyings USING (underlying_id) WHERE symbol = '{}'",
      columns, recording.underlying);
}

class Replay : public ::testing::TestWithParam<Recording> {};

TEST_P(Replay, ThroughTheWireLeavesTheFileInTheHistory) {
  const auto& recording = GetParam();
  const auto file = shared_data(recording.file);
  if (!file) GTEST_SKIP() << "shared/data/" << recording.file << " is not here";
  const auto rows = read_file(*file);
  ASSERT_GE(rows.size(), recording.first + recording.cycles);

  const auto url = make_database(recording.database);
  Sql sql{url};
  ReplayGateway gateway{{*file}};
  auto cycle = std::next(rows.begin(), static_cast<std::ptrdiff_t>(recording.first));
  gateway.set_time(cycle->first);
  auto collector =
      start_collector({url, gateway.port(), recording.underlying, recording.interval_seconds});

  for (std::size_t i = 0; i < recording.cycles; ++i, ++cycle) {
    if (i > 0) gateway.set_time(cycle->first);
    const auto done = runs_of(recording, "count(*)") +
                      fmt::format(" AND as_of = '{}'", core::to_iso(cycle->first));
    ASSERT_TRUE(wait_until(120s, [&] { return sql.one(done) == "1"; }))
        << core::to_iso(cycle->first) << " has no ledger row";
    const auto differs = difference(sql, recording.underlying, cycle->first, cycle->second);
    ASSERT_FALSE(differs) << *differs;
  }
  // The ledger: one row a cycle, all complete, all known to be simulated, none besides.
  EXPECT_EQ(sql.one(runs_of(recording, "count(*)")), std::to_string(recording.cycles));
  EXPECT_EQ(sql.one(runs_of(recording, "count(*)") +
                    " AND status = 1 AND source = 'simulated' AND expected = received"),
            std::to_string(recording.cycles));
  EXPECT_EQ(sql.one(runs_of(recording, "sum(received)")),
            sql.one("SELECT count(*) FROM option_snapshots"));
  EXPECT_EQ(collector.stop(core::after(10s)), 0);

  // What changed, computed again from the snapshots alone, is what was stored (the first snapshot
  // has nothing before it).
  EXPECT_EQ(sql.one("SELECT count(*) FROM market_conditions"), std::to_string(recording.cycles));
  auto database = store::Database::open(url, core::after(30s)).value();
  store::History history{database};
  collector::RadarOptions options;
  options.interval = std::chrono::seconds{recording.interval_seconds};
  std::size_t changes = 0;
  for (auto played = std::next(rows.begin(), static_cast<std::ptrdiff_t>(recording.first));
       played != cycle; ++played) {
    const auto expected = collector::changes_again(database, history, options, recording.underlying,
                                                   played->first, core::after(30s))
                              .value();
    auto stored = history
                      .changes(recording.underlying, played->first, played->first, std::nullopt,
                               100'000, core::after(30s))
                      .value();
    std::vector<store::Change> found;
    for (auto& change : stored) found.push_back(std::move(change.change));
    EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(expected))
        << core::to_iso(played->first);
    changes += expected.size();
  }
  EXPECT_GT(changes, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Recorded, Replay,
    ::testing::Values(
        Recording{"a_clear/twx_2014_06_05_06_5min.csv.gz", "TWX", "replay_twx", 300, 0, 78},
        // Over the split weekend: the last hour of Friday, then Monday's new strikes.
        Recording{"a_clear/aapl_2014_06_06_and_09_hourly.csv.gz", "AAPL", "replay_aapl", 3600, 6,
                  3},
        Recording{"a_clear/spx_2021_01_04_5min.csv.gz", "SPX", "replay_spx", 300, 0, 78}),
    [](const auto& played) { return played.param.underlying; });

class Import : public ::testing::TestWithParam<Recording> {};

TEST_P(Import, GivesTheHistoryThatTheWireGives) {
  const auto& recording = GetParam();
  const auto file = shared_data(recording.file);
  if (!file) GTEST_SKIP() << "shared/data/" << recording.file << " is not here";
  const auto url = make_database(std::string{"import_"} + recording.database);
  ASSERT_EQ(run("bifrost", {"import", file->string()}, url).status, 0);
  Sql sql{url};
  const auto rows = read_file(*file);
  for (const auto& [as_of, expected] : rows) {
    const auto differs = difference(sql, recording.underlying, as_of, expected);
    ASSERT_FALSE(differs) << *differs;
  }
  EXPECT_EQ(sql.one(runs_of(recording, "count(*)") + " AND status = 1 AND source = 'imported'"),
            std::to_string(rows.size()));
  // Again: nothing changes.
  const auto before = sql.one(
      "SELECT count(*) || ' ' || (SELECT count(*) FROM option_snapshots) FROM collection_runs");
  ASSERT_EQ(run("bifrost", {"import", file->string()}, url).status, 0);
  EXPECT_EQ(
      sql.one(
          "SELECT count(*) || ' ' || (SELECT count(*) FROM option_snapshots) FROM collection_runs"),
      before);
}

INSTANTIATE_TEST_SUITE_P(
    Recorded, Import,
    ::testing::Values(Recording{"a_clear/twx_2014_06_05_06_5min.csv.gz", "TWX", "twx", 300, 0, 0},
                      Recording{"a_clear/aapl_2014_06_06_and_09_hourly.csv.gz", "AAPL", "aapl",
                                3600, 0, 0},
                      Recording{"a_clear/spx_2021_01_04_5min.csv.gz", "SPX", "spx", 300, 0, 0}),
    [](const auto& played) { return played.param.underlying; });

TEST(LiveChain, ComesThroughTheGatewayAndFallsBackWhenItDies) {
  const auto file = shared_data("a_clear/twx_2014_06_05_06_5min.csv.gz");
  if (!file) GTEST_SKIP() << "shared/data/a_clear/twx_2014_06_05_06_5min.csv.gz is not here";
  const auto rows = read_file(*file);
  const auto url = make_database("live_chain");
  ReplayGateway gateway{{*file}};
  const auto& [stored_at, stored_rows] = *rows.begin();
  const auto& [live_at, live_rows] = *std::next(rows.begin(), 3);
  gateway.set_time(stored_at);
  {
    auto collector = start_collector({url, gateway.port(), "TWX", 300});
    Sql sql{url};
    ASSERT_TRUE(
        wait_until(60s, [&] { return sql.one("SELECT count(*) FROM collection_runs") == "1"; }));
    EXPECT_EQ(collector.stop(core::after(10s)), 0);
  }
  gateway.set_time(live_at);
  auto api = start_api({url, gateway.port()});
  constexpr std::string_view target = "/api/chain/TWX?expiry=2014-06-21";
  std::string live;
  ASSERT_TRUE(wait_until(30s, [&] {
    live = get(api.port, target);
    return live.find("\"served_from\":\"gateway\"") != std::string::npos;
  })) << live;
  EXPECT_NE(live.find(fmt::format("\"as_of\":\"{}\"", core::to_iso(live_at))), std::string::npos);
  EXPECT_NE(live.find("\"source\":\"simulated\""), std::string::npos);
  EXPECT_NE(live.find("\"complete\":true"), std::string::npos);
  std::size_t compared = 0;
  for (const auto& row : live_rows) {
    if (row.expiry != "2014-06-21" || !row.values[0] || !row.values[1]) continue;
    const auto price = [](const std::string& units) {
      return core::Price::from_units(std::stoll(units)).to_string();
    };
    EXPECT_NE(live.find(fmt::format("\"bid\":{},\"ask\":{}", price(*row.values[0]),
                                    price(*row.values[1]))),
              std::string::npos)
        << row.strike << row.right;
    ++compared;
  }
  EXPECT_GT(compared, 20u);
  gateway.process().signal(SIGKILL);
  std::string fallback;
  EXPECT_TRUE(wait_until(30s, [&] {
    fallback = get(api.port, target);
    return fallback.find("\"served_from\":\"history\"") != std::string::npos;
  })) << fallback;
  EXPECT_NE(fallback.find(fmt::format("\"as_of\":\"{}\"", core::to_iso(stored_at))),
            std::string::npos);
  EXPECT_EQ(fallback.find("\"notice\":null"), std::string::npos) << "the reason is not given";
}

}  // namespace
}  // namespace bifrost::test
