// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/lease.hpp"

#include <gmock/gmock.h>

#include "bifrost/store/collection_schedule.hpp"
#include "pool.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

const auto ten = at("2021-01-04T15:00:00Z");

CycleRecord cycle(int number) {
  CycleRecord record;
  record.snapshot = {"SPX", ten + number * 300s, price("3700"), core::Source::simulated, {}};
  core::Quote quote;
  quote.bid = core::Price::from_units(number);
  record.snapshot.quotes.push_back(
      {{"SPX", "SPXW", day("2021-01-15"), price("3700"), core::Right::call, 100}, quote});
  return record;
}

/// A lease that neither expires nor is renewed by itself while a test runs.
LeaseOptions patient(std::string holder) {
  LeaseOptions options;
  options.holder = std::move(holder);
  options.renew_every = 3600s;
  options.expires_after = 3600s;
  return options;
}

/// Another holder has taken the lease, without the first one's knowledge.
void pass_on(Database& database) {
  run(database, "UPDATE leases SET token = token + 1, holder = 'the other'");
}

TEST(WriterLease, OneHoldsTheOtherWaitsAndFollowsAtOnceWhenItIsGivenBack) {
  auto database = migrated();
  auto first = WriterLease::start(database, patient("first"));
  const auto held = first->refresh(soon());
  EXPECT_EQ(held.state, LeaseState::held);
  EXPECT_FALSE(held.history_id.empty());
  const auto second = WriterLease::start(database, patient("second"));
  const auto waiting = second->refresh(soon());
  EXPECT_EQ(waiting.state, LeaseState::waiting);
  EXPECT_EQ(waiting.other, "first");
  EXPECT_EQ(second->fence(), std::nullopt);
  EXPECT_EQ(waiting.history_id, held.history_id);
  first.reset();
  const auto followed = second->refresh(soon());
  EXPECT_EQ(followed.state, LeaseState::held);
  EXPECT_GT(followed.token, held.token);
}

TEST(WriterLease, AHolderWhoseConnectionEndedIsFollowedAtOnce) {
  auto database = migrated();
  const auto first = WriterLease::start(database, patient("first"));
  ASSERT_EQ(first->refresh(soon()).state, LeaseState::held);
  const auto second = WriterLease::start(database, patient("second"));
  ASSERT_EQ(second->refresh(soon()).state, LeaseState::waiting);
  {
    const auto connection = ok(database.pool().lease(soon()));
    // All sessions of the first: as when its process is killed.
    ok(
        connection->query("SELECT pg_terminate_backend(l.pid) FROM pg_locks l, leases"
                          " WHERE l.locktype = 'advisory' AND l.classid = 1651859714"
                          " AND l.objid = token::int4::oid AND l.granted",
                          soon()));
    const auto limit = soon();
    auto gone = false;
    while (!gone && std::chrono::steady_clock::now() < limit) {
      gone = ok(connection->query("SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'"
                                  " AND classid = 1651859714",
                                  soon()))
                 .boolean(0, 0);
    }
    ASSERT_TRUE(gone);
  }
  EXPECT_EQ(second->refresh(soon()).state, LeaseState::held);
  const auto lost = first->refresh(soon());
  EXPECT_EQ(lost.state, LeaseState::waiting);
  EXPECT_EQ(lost.other, "second");
}

TEST(WriterLease, ASilentHolderIsFollowedOnlyWhenTheLeaseHasExpired) {
  auto database = migrated();
  const auto first = WriterLease::start(database, patient("first"));
  ASSERT_EQ(first->refresh(soon()).state, LeaseState::held);
  const auto second = WriterLease::start(database, patient("second"));
  EXPECT_EQ(second->refresh(soon()).state, LeaseState::waiting);
  auto hasty = patient("third");
  hasty.expires_after = 0ms;
  const auto third = WriterLease::start(database, hasty);
  EXPECT_EQ(third->refresh(soon()).state, LeaseState::held);
  EXPECT_EQ(first->refresh(soon()).other, "third");
}

TEST(WriterLease, AProcessOfTheSameInstallationNeedNotWait) {
  auto database = migrated();
  auto options = patient("first");
  options.instance = "here";
  const auto first = WriterLease::start(database, options);
  const auto held = first->refresh(soon());
  options.holder = "first, started again";
  const auto second = WriterLease::start(database, options);
  const auto follower = second->refresh(soon());
  EXPECT_EQ(follower.state, LeaseState::held);
  EXPECT_GT(follower.token, held.token);
}

TEST(WriterLease, IsPresumedWhileTheDatabaseIsAwayAndGoesOnWithItsToken) {
  TemporaryFolder folder;
  std::optional<PrivateCluster> server;
  const auto start = [&] {
    server.emplace(
        ok(PrivateCluster::start(folder.path() / "pg", soon(), {.die_with_starter = true})));
  };
  start();
  auto database = ok(Database::open(server->url(), soon()));
  ok(database.migrate(soon()));
  const auto lease = WriterLease::start(database, patient("first"));
  const auto held = lease->refresh(soon());
  ASSERT_EQ(held.state, LeaseState::held);
  ok(server->stop(soon()));
  const auto away = lease->refresh(soon());
  EXPECT_EQ(away.state, LeaseState::presumed);
  EXPECT_FALSE(away.reached());
  EXPECT_EQ(lease->fence(), (Fence{"collector", held.token}));
  // A successor that knows the token may presume, too; one that knows none may not.
  auto knowing = patient("successor");
  knowing.last_token = held.token;
  const auto successor = WriterLease::start(database, knowing);
  EXPECT_EQ(successor->refresh(soon()).state, LeaseState::presumed);
  const auto stranger = WriterLease::start(database, patient("stranger"));
  EXPECT_EQ(stranger->refresh(soon()).state, LeaseState::unknown);
  start();
  // Whoever looks first: the holder of before has the right of way, however long the server was
  // away.
  {
    auto renewed = ok(pg::Connection::connect(server->url(), "test", 30s, soon()));
    ok(renewed.query("UPDATE leases SET renewed_at = now() - interval '2 hours'", soon()));
  }
  EXPECT_EQ(stranger->refresh(soon()).state, LeaseState::waiting);
  const auto again = lease->refresh(soon());
  EXPECT_EQ(again.state, LeaseState::held);
  EXPECT_EQ(again.token, held.token);
}

TEST(WriterLease, ATokenOfAnotherHistoryIsNone) {
  auto database = migrated();
  const auto holder = WriterLease::start(database, patient("holder"));
  const auto held = holder->refresh(soon());
  ASSERT_EQ(held.state, LeaseState::held);
  auto options = patient("from elsewhere");
  options.last_token = held.token;
  options.last_history = "another";
  const auto stranger = WriterLease::start(database, options);
  EXPECT_EQ(stranger->refresh(soon()).state, LeaseState::waiting);
}

TEST(DatabaseLabel, IsTheSameWhateverThePasswordAndAnotherForAnotherPlace) {
  const auto label = ok(database_label("postgresql://me:secret@db.example:5432/bifrost"));
  EXPECT_TRUE(label.starts_with("bifrost-")) << label;
  EXPECT_EQ(ok(database_label("host=db.example port=5432 dbname=bifrost user=you")), label);
  EXPECT_NE(ok(database_label("postgresql://me@db.example:5433/bifrost")), label);
  EXPECT_NE(ok(database_label("postgresql://me@db2.example:5432/bifrost")), label);
  EXPECT_EQ(ok(database_label("dbname=../x")).find('/'), std::string::npos);
  EXPECT_EQ(database_label("postgresql://[bad").error().code, Errc::invalid_input);
}

TEST(Fence, OfAnOldTokenWritesNothing) {
  auto database = migrated();
  History history(database);
  const auto lease = WriterLease::start(database, patient("first"));
  ASSERT_EQ(lease->refresh(soon()).state, LeaseState::held);
  const auto fence = lease->fence();
  ASSERT_TRUE(fence);
  EXPECT_TRUE(ok(history.append(cycle(0), soon(), fence)).stored);
  EXPECT_EQ(ok(history.mark_missed("SPX", std::vector{ten + 300s}, "why", 300s, soon(), fence)), 1);
  pass_on(database);
  EXPECT_EQ(lease->fence(), fence) << "it cannot know yet";
  EXPECT_EQ(history.append(cycle(2), soon(), fence).error().code, Errc::conflict);
  EXPECT_EQ(
      history.mark_missed("SPX", std::vector{ten + 900s}, "why", 300s, soon(), fence).error().code,
      Errc::conflict);
  EXPECT_EQ(enter_schedule(database, "SPX", {ten, 300s}, fence, soon()).error().code,
            Errc::conflict);
  EXPECT_EQ(history.append(cycle(2), soon(), Fence{"no such lease", 1}).error().code,
            Errc::conflict);
  EXPECT_EQ(ok(history.runs("SPX", ten, ten + 3600s, soon())).size(), 2U);
  EXPECT_TRUE(ok(load_schedule(database, "SPX", soon())).empty());
  // An import asks nobody.
  EXPECT_TRUE(ok(history.append(cycle(2), soon())).stored);
}

TEST(Fence, AWriterInsideItsTransactionIsWaitedForAndOneThatSleepsThereIsThrownOut) {
  auto database = migrated();
  const auto lease = WriterLease::start(database, patient("first"));
  const auto held = lease->refresh(soon());
  ASSERT_EQ(held.state, LeaseState::held);
  // A writer that was stopped right after the look at its token.
  auto writer = ok(pg::Connection::connect(database.pool().url(), "writer", 30s, soon()));
  ok(writer.run("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 1500", soon()));
  ok(writer.query("SELECT token FROM leases FOR KEY SHARE", soon()));
  auto hasty = patient("second");
  hasty.instance = "x";
  hasty.expires_after = 0s;
  const auto second = WriterLease::start(database, hasty);
  EXPECT_NE(second->refresh(core::after(200ms)).state, LeaseState::held);
  EXPECT_EQ(lease->refresh(soon()).state, LeaseState::held) << "a renewal does not wait for it";
  const auto limit = soon();
  while (second->refresh(soon()).state != LeaseState::held &&
         std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(second->view().state, LeaseState::held);
  EXPECT_FALSE(writer.query("COMMIT", soon())) << "the sleeper's transaction was taken back";
}

TEST(Schedule, IsALogOfWhatIsCollectedSinceWhen) {
  auto database = migrated();
  EXPECT_TRUE(ok(load_schedule(database, "SPX", soon())).empty());
  ok(enter_schedule(database, "SPX", {ten, 300s}, std::nullopt, soon()));
  ok(enter_schedule(database, "SPX", {ten + 3600s, 600s, core::index_hours}, std::nullopt, soon()));
  ok(enter_schedule(database, "QQQ", {ten, 300s}, std::nullopt, soon()));
  EXPECT_EQ(ok(load_schedule(database, "SPX", soon())),
            (std::vector<ScheduleEntry>{{ten, 300s}, {ten + 3600s, 600s, core::index_hours}}));
  EXPECT_EQ(ok(scheduled_underlyings(database, soon())), (std::vector<std::string>{"QQQ", "SPX"}));
  ok(enter_schedule(database, "SPX", {ten + 7200s, std::nullopt}, std::nullopt, soon()));
  EXPECT_EQ(ok(scheduled_underlyings(database, soon())), (std::vector<std::string>{"QQQ"}));
  EXPECT_EQ(ok(scheduled_ever(database, soon())), (std::vector<std::string>{"QQQ", "SPX"}));
  ok(enter_schedule(database, "SPX", {ten + 7200s, 60s}, std::nullopt, soon()));
  EXPECT_EQ(ok(load_schedule(database, "SPX", soon())).back(), (ScheduleEntry{ten + 7200s, 60s}));
  EXPECT_EQ(enter_schedule(database, "SPX", {ten, 0s}, std::nullopt, soon()).error().code,
            Errc::invalid_input);
  EXPECT_EQ(enter_schedule(database, "", {ten, 60s}, std::nullopt, soon()).error().code,
            Errc::invalid_input);
}

}  // namespace
}  // namespace bifrost::store
