// SPDX-License-Identifier: Apache-2.0
// The collector through everything that its database, its clock, its gateway and a second collector
// can do to it.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "bifrost/collector/collector.hpp"
#include "bifrost/core/clock.hpp"
#include "shared_data.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

namespace fs = std::filesystem;
using core::Instant;
using namespace std::chrono_literals;

constexpr auto recording = "a_clear/twx_2014_06_05_06_5min.csv.gz";

Instant at(std::string_view text) {
  return core::parse_instant(text).value();
}

std::string collector_log() {
  std::ostringstream text;
  text << std::ifstream{scratch() / "collector.log"}.rdbuf();
  return text.str();
}

class Durable : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto file = shared_data(recording);
    if (!file) GTEST_SKIP() << "shared/data/" << recording << " is not here";
    rows_ = read_file(*file);
    gateway_.emplace(std::vector{*file});
    const auto name = std::string{::testing::UnitTest::GetInstance()->current_test_info()->name()};
    folder_ = scratch() / ("durable-" + name);
    start_database();
    ASSERT_EQ(run("bifrost", {"migrate"}, database_->url()).status, 0);
    spool_ = "spool-" + name;
  }
  void start_database() {
    database_.reset();
    auto started =
        store::PrivateCluster::start(folder_, core::after(60s), {.die_with_starter = true});
    ASSERT_TRUE(started) << started.error().message;
    database_ = std::move(*started);
  }
  void stop_database() { ASSERT_TRUE(database_->stop(core::after(30s))); }

  core::Process collector(std::string_view spool = "") {
    return start_collector(
        {database_->url(), gateway_->port(), "TWX", 300, spool_ + std::string{spool}});
  }
  fs::path spool(std::string_view suffix = "") const {
    for (const auto& entry : fs::directory_iterator{scratch() / (spool_ + std::string{suffix})})
      return entry.path();
    return {};
  }
  std::size_t spooled_bytes() const {
    std::size_t bytes = 0;
    std::error_code ignored;
    for (const auto& file : fs::directory_iterator{spool(), ignored}) {
      if (file.path().extension() == ".spool") bytes += file.file_size(ignored);
    }
    return bytes;
  }
  /// The n-th instant of the recording.
  Instant nth(int n) const { return std::next(rows_.begin(), n)->first; }
  std::string status_of(Instant as_of) {
    try {
      Sql sql{database_->url()};
      return sql.one(
          fmt::format("SELECT coalesce((SELECT status || ' ' || split_part(reason, ':', 1) "
                      "FROM collection_runs WHERE as_of = '{}'), 'none')",
                      core::to_iso(as_of)));
    } catch (const std::exception&) {
      return "away";
    }
  }
  bool becomes(Instant as_of, std::string_view status, std::chrono::seconds limit = 60s) {
    return wait_until(limit, [&] { return status_of(as_of) == status; });
  }
  void expect_as_in_the_file(int first, int last) {
    Sql sql{database_->url()};
    for (int i = first; i <= last; ++i) {
      const auto differs = difference(sql, "TWX", nth(i), rows_.at(nth(i)));
      EXPECT_FALSE(differs) << *differs;
    }
    EXPECT_EQ(sql.one("SELECT count(*) FROM (SELECT as_of, contract_id FROM option_snapshots GROUP "
                      "BY 1, 2 HAVING count(*) > 1) x"),
              "0");
  }
  /// As the operator's tool sees it. The exit status must be 0: nothing is unaccounted for.
  std::string ledger() {
    const auto ran = run("bifrost", {"db", "ledger", "--symbol", "TWX"}, database_->url());
    EXPECT_EQ(ran.status, 0) << ran.output;
    return ran.output.substr(0, ran.output.find('\n'));
  }

  FileRows rows_;
  std::optional<ReplayGateway> gateway_;
  fs::path folder_;
  std::optional<store::PrivateCluster> database_;
  std::string spool_;
};

// F3 and F1 together: the database is away for many cycles, the collector is killed meanwhile.
TEST_F(Durable, CollectionGoesOnWhileTheDatabaseIsAwayAndThroughKills) {
  gateway_->set_time(nth(0));
  auto process = collector();
  ASSERT_TRUE(becomes(nth(0), "1 "));
  stop_database();
  std::size_t bytes = 0;
  for (int i = 1; i <= 8; ++i) {
    gateway_->set_time(nth(i));
    ASSERT_TRUE(wait_until(60s, [&] { return spooled_bytes() > bytes; })) << i;
    bytes = spooled_bytes();
    if (i % 3 == 0) {
      process.signal(SIGKILL);
      ASSERT_TRUE(process.wait(core::after(10s)));
      process = collector();
    }
  }
  start_database();
  ASSERT_TRUE(becomes(nth(8), "1 "));
  gateway_->set_time(nth(9));
  ASSERT_TRUE(becomes(nth(9), "1 "));
  expect_as_in_the_file(0, 9);
  EXPECT_EQ(ledger(), "TWX: 10 scheduled = 10 complete + 0 partial + 0 missed + 0 unaccounted");
  EXPECT_EQ(spooled_bytes(), 0u);
  Sql sql{database_->url()};
  EXPECT_EQ(sql.one("SELECT count(*) FROM collection_runs WHERE finished_at > stored_at"), "0");
  // I6: what is stored of each cycle is what the history gives again, whether it was described when
  // it was collected or when it was drained.
  auto database = store::Database::open(database_->url(), core::after(30s)).value();
  store::History history{database};
  std::size_t changes = 0;
  for (int i = 0; i <= 9; ++i) {
    const auto expected =
        collector::changes_again(database, history, {}, "TWX", nth(i), core::after(30s)).value();
    std::vector<store::Change> found;
    auto stored =
        history.changes("TWX", nth(i), nth(i), std::nullopt, 100'000, core::after(30s)).value();
    for (auto& change : stored) found.push_back(std::move(change.change));
    EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(expected)) << i;
    changes += found.size();
  }
  EXPECT_GT(changes, 0u);
  EXPECT_EQ(process.stop(core::after(10s)), 0);
}

// F32: two collectors started by mistake, and the first one stopped in its tracks.
TEST_F(Durable, ASecondCollectorWaitsAndFollowsASilentOne) {
  gateway_->set_time(nth(0));
  auto first = collector("-first");
  ASSERT_TRUE(becomes(nth(0), "1 "));
  auto second = collector("-second");
  ASSERT_TRUE(wait_until(30s, [] {
    return collector_log().find("waiting: another collector writes") != std::string::npos;
  }));
  gateway_->set_time(nth(1));
  ASSERT_TRUE(becomes(nth(1), "1 "));
  first.signal(SIGSTOP);
  gateway_->set_time(nth(2));
  ASSERT_TRUE(becomes(nth(2), "1 ")) << "nobody took over";
  // Awake again, it finds that it has lost the lease, and waits.
  first.signal(SIGCONT);
  gateway_->set_time(nth(3));
  ASSERT_TRUE(becomes(nth(3), "1 "));
  Sql sql{database_->url()};
  EXPECT_EQ(sql.one("SELECT count(*) FROM leases WHERE released = false"), "1");
  // The second is killed: the first goes on at once.
  second.signal(SIGKILL);
  ASSERT_TRUE(second.wait(core::after(10s)));
  gateway_->set_time(nth(4));
  ASSERT_TRUE(becomes(nth(4), "1 "));
  expect_as_in_the_file(0, 4);
  EXPECT_EQ(ledger(), "TWX: 5 scheduled = 5 complete + 0 partial + 0 missed + 0 unaccounted");
}

TEST_F(Durable, TwoCollectorsOnOneSpoolFolderDoNotMeet) {
  gateway_->set_time(nth(0));
  auto first = collector();
  ASSERT_TRUE(becomes(nth(0), "1 "));
  auto second = collector();
  ASSERT_TRUE(wait_until(30s, [] {
    return collector_log().find("waiting: a collector already runs on") != std::string::npos;
  }));
  first.signal(SIGKILL);
  ASSERT_TRUE(first.wait(core::after(10s)));
  gateway_->set_time(nth(1));
  ASSERT_TRUE(becomes(nth(1), "1 "));
  expect_as_in_the_file(0, 1);
}

// F25: the market's clock is set back by five minutes and forward by fifteen.
TEST_F(Durable, AClockThatIsSetCollectsNothingTwiceAndLeavesNoHole) {
  gateway_->set_time(nth(0));
  auto process = collector();
  ASSERT_TRUE(becomes(nth(0), "1 "));
  gateway_->set_time(nth(1));
  ASSERT_TRUE(becomes(nth(1), "1 "));
  const auto stored = [&] {
    return Sql{database_->url()}.one(
        "SELECT string_agg(stored_at::text, ' ' ORDER BY as_of) FROM "
        "collection_runs");
  };
  const auto before = stored();
  gateway_->set_time(nth(0) + 60s);
  const auto process_log = collector_log().size();
  ASSERT_TRUE(wait_until(60s, [&] {
    return collector_log().find("time went back", process_log > 4096 ? process_log - 4096 : 0) !=
           std::string::npos;
  })) << "the step was not noticed";
  EXPECT_EQ(stored(), before);
  gateway_->set_time(nth(1) + 30s);
  gateway_->set_time(nth(2));
  ASSERT_TRUE(becomes(nth(2), "1 "));
  EXPECT_EQ(stored().substr(0, before.size()), before) << "a cycle was written again";
  gateway_->set_time(nth(6));
  ASSERT_TRUE(becomes(nth(6), "1 "));
  for (int i = 3; i <= 5; ++i) EXPECT_EQ(status_of(nth(i)), "3 overrun");
  EXPECT_EQ(ledger(), "TWX: 7 scheduled = 4 complete + 0 partial + 3 missed + 0 unaccounted");
  expect_as_in_the_file(0, 2);
}

// F25 with a real clock: quotes are never stored under instants at which they were not made.
TEST_F(Durable, WhenOurClockDisagreesWithTheBrokersNothingIsCollected) {
  gateway_->set_time(nth(0));
  ib::ClientOptions link;
  link.host = "127.0.0.1";
  link.port = gateway_->port();
  link.messages_per_second = 0;
  const auto client = ib::Client::connect(link, core::after(30s)).value();
  auto database = store::Database::open(database_->url(), core::after(30s)).value();
  store::History history{database};
  store::LeaseOptions lease_options;
  lease_options.holder = "test";
  const auto lease = store::WriterLease::start(database, lease_options);
  auto spool = collector::Spool::open({.folder = scratch() / spool_ / "in-process"}).value();
  collector::Radar radar{{}, database, history};
  collector::Journal journal{database, history, *lease, std::move(spool),
                             [](store::CycleRecord&, const store::StoredChain*,
                                core::Deadline) -> core::Result<void> { return {}; }};
  core::ManualClock clock{nth(0)};
  collector::ReaderOptions reading;
  reading.rules = collector::UniverseRules::parse("", "none", 0, 0).value();
  store::Listings listings{database};
  collector::ChainReader reader{reading, *client, listings, clock};
  collector::Options options;
  options.underlyings = {"TWX"};
  collector::BarKeeper bars{*client, database};
  collector::Collector collector{options, *client, reader, journal, radar, bars, clock};
  std::jthread runs{[&](std::stop_token stop) { collector.run(stop); }};
  ASSERT_TRUE(becomes(nth(0), "1 "));
  // Our clock alone is set forward by ten minutes.
  ::testing::internal::CaptureStderr();
  clock.set(nth(2));
  const auto told = [said = std::string{}](std::string_view what) mutable {
    return wait_until(60s, [&] {
      said += ::testing::internal::GetCapturedStderr();
      ::testing::internal::CaptureStderr();
      return said.find(what) != std::string::npos;
    });
  };
  auto heard = told;
  EXPECT_TRUE(heard("clock_wrong"));
  EXPECT_EQ(status_of(nth(1)), "none");
  EXPECT_EQ(status_of(nth(2)), "none") << "nothing is left in the future";
  // It is set right again, later.
  gateway_->set_time(nth(3));
  clock.set(nth(3));
  EXPECT_TRUE(becomes(nth(3), "1 "));
  ::testing::internal::GetCapturedStderr();
  runs = {};
  EXPECT_EQ(status_of(nth(1)), "3 clock_wrong");
  EXPECT_EQ(status_of(nth(2)), "3 clock_wrong");
  EXPECT_EQ(ledger(), "TWX: 4 scheduled = 2 complete + 0 partial + 2 missed + 0 unaccounted");
}

TEST_F(Durable, TheLedgerAddsUpOverADayWithoutAGateway) {
  gateway_->set_time(nth(0));
  auto process = collector();
  ASSERT_TRUE(becomes(nth(0), "1 "));
  // Nobody was there from then on; the next day somebody is.
  EXPECT_EQ(process.stop(core::after(10s)), 0);
  gateway_->set_time(at("2014-06-06T13:50:00Z"));
  process = collector();
  ASSERT_TRUE(becomes(at("2014-06-06T13:50:00Z"), "1 "));
  EXPECT_EQ(ledger(), "TWX: 82 scheduled = 2 complete + 0 partial + 80 missed + 0 unaccounted");
  const auto json =
      run("bifrost", {"db", "ledger", "--json", "--from", "2014-06-06", "--to", "2014-06-06"},
          database_->url());
  EXPECT_THAT(json.output, ::testing::HasSubstr("\"scheduled\":4,\"complete\":1,\"partial\":0,"
                                                "\"missed\":3,\"open\":0,\"unaccounted\":0"));
  EXPECT_THAT(json.output,
              ::testing::HasSubstr("{\"reason\":\"collector_not_running\",\"cycles\":3}"));
  Sql{database_->url()}("DELETE FROM collection_runs WHERE as_of = '2014-06-06T13:40:00Z'");
  const auto holed = run("bifrost", {"db", "ledger"}, database_->url());
  EXPECT_EQ(holed.status, 1) << "a hole is found";
  EXPECT_THAT(holed.output, ::testing::HasSubstr("2014-06-06T13:40:00Z"));
}

}  // namespace
}  // namespace bifrost::test
