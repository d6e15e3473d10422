// SPDX-License-Identifier: Apache-2.0
// The history is kept in order after every close, by the collector and by hand.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "bifrost/collector/upkeep.hpp"
#include "shared_data.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

core::Instant at(const std::string& iso) {
  return core::parse_instant(iso).value();
}

TEST(Upkeep, EveryDayIsKeptOnceItIsClosed) {
  const auto url = make_database("upkeep_clock");
  auto database =
      store::Database::open(url, {.connections = 1, .program = "upkeep"}, core::after(30s)).value();
  core::ManualClock clock{at("2021-01-06T21:44:00Z")};
  std::atomic<bool> known{false};
  collector::Upkeep upkeep{database, {}, clock, [&known] { return known.load(); }};
  Sql sql{url};
  {
    const std::jthread keeper{[&upkeep](std::stop_token stop) { upkeep.run(std::move(stop)); }};
    const auto through = [&](const std::string& day) {
      return wait_until(60s, [&] {
        return sql.one(fmt::format("SELECT count(*) FROM maintenance_runs WHERE ok"
                                   " AND through_day = '{}'",
                                   day)) == "7";
      });
    };
    known = true;
    EXPECT_TRUE(through("2021-01-05"));  // what was left undone is done at the start
    const auto first = sql.one("SELECT max(finished_at)::text FROM maintenance_runs");
    clock.set(at("2021-01-06T21:46:00Z"));
    EXPECT_TRUE(through("2021-01-06"));
    EXPECT_NE(sql.one("SELECT max(finished_at)::text FROM maintenance_runs"), first);
    // By hand, and by the clock on the wall, for which all of this is long over.
    EXPECT_EQ(run("bifrost", {"db", "maintain"}, url).status, 0);
    clock.set(at("2021-01-07T21:46:00Z"));
    EXPECT_TRUE(through("2021-01-07"));
  }
  EXPECT_EQ(sql.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
}

TEST(Upkeep, TheCollectorKeepsTheDayAndTheToolShowsIt) {
  const std::string recorded = "a_clear/twx_2014_06_05_06_5min.csv.gz";
  const auto file = shared_data(recorded);
  if (!file) GTEST_SKIP() << "shared/data/" << recorded << " is not here";
  const auto url = make_database("upkeep_collector");
  ASSERT_EQ(run("bifrost", {"import", file->string()}, url).status, 0);
  Sql sql{url};
  ReplayGateway gateway{{*file}};
  gateway.set_time(at("2014-06-06T21:00:00Z"));
  auto collector = start_collector({url, gateway.port(), "TWX", 300});
  ASSERT_TRUE(wait_until(60s, [&] {
    return sql.one(
               "SELECT count(*) FROM maintenance_runs WHERE ok"
               " AND through_day = '2014-06-06'") == "7";
  })) << sql.one("SELECT string_agg(task || ': ' || problem, '; ') FROM maintenance_runs");
  EXPECT_EQ(collector.stop(core::after(10s)), 0);

  // By another road: the last row of each contract that has a market.
  EXPECT_EQ(sql.one("SELECT count(*) FROM option_daily"),
            sql.one("SELECT count(DISTINCT (as_of::date, contract_id)) FROM option_snapshots"));
  EXPECT_EQ(sql.one("SELECT count(*) FROM option_daily d JOIN (SELECT DISTINCT ON (as_of::date,"
                    " contract_id) as_of::date AS day, contract_id, as_of, (bid + ask) / 20000.0"
                    "  AS mid FROM option_snapshots WHERE bid >= 0 AND ask > 0 AND ask >= bid"
                    " ORDER BY 1, 2, as_of DESC) l USING (day, contract_id)"
                    " WHERE d.close_as_of <> l.as_of OR abs(d.mid_close - l.mid) > 1e-9"),
            "0");
  EXPECT_EQ(sql.one("SELECT count(*) FROM underlying_daily d JOIN collection_runs r"
                    " ON r.as_of = d.close_as_of AND r.underlying_price = d.close"),
            "2");
  EXPECT_EQ(sql.one("SELECT count(*) FROM row_check_mismatches"), "0");

  // A snapshot loses a row behind everybody's back; by hand, every day is looked at.
  sql("DELETE FROM option_snapshots WHERE (as_of, contract_id) ="
      " (SELECT as_of, contract_id FROM option_snapshots ORDER BY 1, 2 LIMIT 1)");
  const auto kept = run("bifrost", {"db", "maintain", "--all", "--json"}, url);
  EXPECT_EQ(kept.status, 0) << kept.output;
  EXPECT_THAT(kept.output, HasSubstr("\"name\":\"mismatches\",\"value\":1"));
  const auto status = run("bifrost", {"db", "status", "--json"}, url);
  EXPECT_EQ(status.status, 0) << status.output;
  EXPECT_THAT(status.output, HasSubstr("\"tier\":\"stock\""));
  EXPECT_THAT(status.output, HasSubstr("\"task\":\"compression\",\"ok\":true"));
  EXPECT_THAT(status.output, HasSubstr("\"mismatches\":1,\"newest_mismatches\":[{\"underlying\":"
                                       "\"TWX\""));
  const auto text = run("bifrost", {"db", "status"}, url);
  EXPECT_THAT(text.output, HasSubstr("1 cycles differ"));
  EXPECT_THAT(text.output, HasSubstr("(tier stock)"));
}

}  // namespace
}  // namespace bifrost::test
