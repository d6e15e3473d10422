// SPDX-License-Identifier: Apache-2.0
// kill -9 of collector, API and PostgreSQL in turn during collection: nothing lost, nothing twice,
// all back without a hand.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <random>

#include "shared_data.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;

TEST(Kill, OfEveryPartInTurnLosesNothing) {
  const auto file = shared_data("a_clear/twx_2014_06_05_06_5min.csv.gz");
  if (!file) GTEST_SKIP() << "shared/data/a_clear/twx_2014_06_05_06_5min.csv.gz is not here";
  const auto rows = read_file(*file);
  const auto folder = scratch() / "killed-db";
  // A cluster of its own: the other tests keep theirs.
  std::optional<store::PrivateCluster> database;
  const auto start_database = [&] {
    database.reset();
    auto started =
        store::PrivateCluster::start(folder, core::after(60s), {.die_with_starter = true});
    ASSERT_TRUE(started) << started.error().message;
    database = std::move(*started);
  };
  start_database();
  ASSERT_EQ(run("bifrost", {"migrate"}, database->url()).status, 0);

  ReplayGateway gateway{{*file}};
  gateway.set_time(rows.begin()->first);
  const CollectorSettings collecting{database->url(), gateway.port(), "TWX", 300};
  const ApiSettings serving{database->url(), gateway.port()};
  auto collector = start_collector(collecting);
  auto api = start_api(serving);

  constexpr std::uint32_t seed = 20140605;
  constexpr int kills = 20;
  std::mt19937 random{seed};
  std::uniform_int_distribution<int> moment{0, 400};  // ms; a cycle takes about as long
  int killed = 0;
  std::vector<core::Instant> collected;
  auto cycle = rows.begin();
  for (; killed < kills; ++cycle) {
    ASSERT_NE(cycle, rows.end());
    gateway.set_time(cycle->first);
    ::poll(nullptr, 0, moment(random));  // the random point
    switch (killed % 3) {
      case 0:
        collector.signal(SIGKILL);
        ASSERT_EQ(collector.wait(core::after(10s)).value_or(-1), 128 + SIGKILL);
        collector = start_collector(collecting);
        break;
      case 1:
        api.process.signal(SIGKILL);
        ASSERT_EQ(api.process.wait(core::after(10s)).value_or(-1), 128 + SIGKILL);
        api = start_api(serving);
        break;
      case 2:
        ASSERT_EQ(::kill(database->server_pid(), SIGKILL), 0);
        start_database();
        break;
    }
    ++killed;
    // The cycle is open as long as the market stands still, so whoever comes back finishes it.
    const auto written = [&] {
      try {
        Sql sql{database->url()};
        return sql.one(fmt::format("SELECT count(*) FROM collection_runs WHERE as_of = '{}'",
                                   core::to_iso(cycle->first))) == "1";
      } catch (const std::exception&) {
        return false;
      }
    };
    ASSERT_TRUE(wait_until(60s, written))
        << "seed " << seed << ", kill " << killed << ": " << core::to_iso(cycle->first);
    collected.push_back(cycle->first);
    // The API came back, too: it serves what has just been written, over a database connection that
    // may have died.
    const auto serves = [&] {
      return get(api.port, "/api/chain/TWX?expiry=2014-06-21&from=history")
                 .find(core::to_iso(cycle->first)) != std::string::npos;
    };
    ASSERT_TRUE(wait_until(30s, serves)) << "seed " << seed << ", kill " << killed;
  }
  Sql sql{database->url()};
  for (const auto as_of : collected) {
    const auto differs = difference(sql, "TWX", as_of, rows.at(as_of));
    ASSERT_FALSE(differs) << *differs;
  }
  EXPECT_EQ(sql.one("SELECT count(*) FROM collection_runs WHERE status = 1"),
            std::to_string(kills));
  EXPECT_EQ(sql.one("SELECT count(*) FROM collection_runs"), std::to_string(kills));
  EXPECT_EQ(sql.one("SELECT count(*) FROM option_snapshots"), std::to_string(kills * 184));
  EXPECT_EQ(sql.one("SELECT count(*) FROM (SELECT as_of, contract_id FROM option_snapshots GROUP "
                    "BY 1, 2 HAVING count(*) > 1) x"),
            "0");
}

TEST(Kill, DuringAPauseLeavesALedgerRowForEveryCycle) {
  const auto file = shared_data("a_clear/twx_2014_06_05_06_5min.csv.gz");
  if (!file) GTEST_SKIP() << "shared/data/a_clear/twx_2014_06_05_06_5min.csv.gz is not here";
  const auto url = make_database("paused");
  Sql sql{url};
  ReplayGateway gateway{{*file}};
  const CollectorSettings collecting{url, gateway.port(), "TWX", 300};
  const auto at = [](std::string_view text) { return core::parse_instant(text).value(); };
  const auto ledger = [&](std::string_view as_of) {
    return wait_until(60s, [&] {
      return sql.one(fmt::format("SELECT count(*) FROM collection_runs WHERE as_of = '{}'",
                                 as_of)) == "1";
    });
  };
  gateway.set_time(at("2014-06-05T19:50:00Z"));
  {
    auto collector = start_collector(collecting);
    ASSERT_TRUE(ledger("2014-06-05T19:50:00Z"));
    collector.signal(SIGKILL);
    ASSERT_TRUE(collector.wait(core::after(10s)));
  }
  // Away over the close and the next morning's first cycles.
  gateway.set_time(at("2014-06-06T13:50:00Z"));
  auto collector = start_collector(collecting);
  ASSERT_TRUE(ledger("2014-06-06T13:50:00Z"));
  const auto rows =
      sql("SELECT to_char(as_of AT TIME ZONE 'UTC', 'DD HH24:MI'), status, reason <> '' FROM "
          "collection_runs ORDER BY as_of");
  const std::vector<SqlRow> expected{{"05 19:50", "1", "f"}, {"05 19:55", "3", "t"},
                                     {"05 20:00", "3", "t"}, {"06 13:35", "3", "t"},
                                     {"06 13:40", "3", "t"}, {"06 13:45", "3", "t"},
                                     {"06 13:50", "1", "f"}};
  EXPECT_EQ(rows, expected);
}

}  // namespace
}  // namespace bifrost::test
