// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/journal.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/store/as_stored.hpp"
#include "durable_support.hpp"

namespace bifrost::collector {
namespace {

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using Kept = Journal::Kept;
using Standing = Journal::Standing;

const auto ten = at("2021-01-04T15:00:00Z");

core::Instant nth(int number) {
  return ten + number * 300s;
}

/// Changes that name the snapshot they were found against: one of the bid of the first contract.
core::Result<void> name_before(store::CycleRecord& record, const store::StoredChain* before,
                               core::Deadline) {
  record.changes.clear();
  if (before == nullptr) return {};
  store::Change change;
  change.contract = record.snapshot.quotes.front().contract;
  change.previous = before->snapshot.quotes.front().quote.bid->value();
  change.current = record.snapshot.quotes.front().quote.bid->value();
  record.changes = {change};
  return {};
}

/// A cycle as a collector finishes it that has just finished the one before.
FinishedCycle following(const std::string& underlying, int number) {
  auto made = cycle(underlying, nth(number), number);
  made.record.changes.clear();
  if (number == 0) return made;
  const auto before = cycle(underlying, nth(number - 1), number - 1);
  store::StoredChain chain;
  chain.snapshot = before.record.snapshot;
  ok(name_before(made.record, &chain, soon()));
  return made;
}

store::LeaseOptions lease_of(const Spool& spool, std::string holder) {
  store::LeaseOptions options;
  options.holder = std::move(holder);
  options.instance = spool.instance();
  if (const auto held = spool.last_held()) {
    options.last_token = held->token;
    options.last_history = held->history_id;
  }
  options.renew_every = 50ms;
  options.expires_after = 3600s;
  return options;
}

/// One collector's way into the history, as its program builds it.
struct Desk {
  Desk(const std::string& url, const fs::path& folder, std::string holder = "desk",
       SpoolOptions options = {}, const Describe& describe = name_before) {
    options.folder = folder;
    auto spool = ok(Spool::open(std::move(options)));
    database.emplace(store::Database::attach(url, {.connections = 2}));
    history.emplace(*database);
    lease = store::WriterLease::start(*database, lease_of(spool, std::move(holder)));
    journal.emplace(*database, *history, *lease, std::move(spool), describe);
    lease->refresh(soon());
    journal->look();
  }
  /// Until the journal is in step, or (false) time is over.
  bool in_step() {
    const auto limit = soon();
    while (std::chrono::steady_clock::now() < limit) {
      lease->refresh(soon());
      journal->look();
      journal->drain({}, soon());
      if (journal->in_step()) return true;
    }
    return false;
  }

  std::optional<store::Database> database;
  std::optional<store::History> history;
  std::unique_ptr<store::WriterLease> lease;
  std::optional<Journal> journal;
};

/// Everything of the cycles 0 to count - 1 is in the history as it was collected, once, and each
/// cycle's changes are those against the snapshot before it (I2, I3, I6).
void expect_whole(const std::string& url, const std::string& underlying, int count) {
  auto database = ok(store::Database::open(url, soon()));
  store::History history{database};
  const auto runs = ok(history.runs(underlying, ten, nth(count), soon()));
  ASSERT_EQ(runs.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    SCOPED_TRACE(i);
    auto expected = cycle(underlying, nth(i), i).record;
    store::make_as_stored(expected.snapshot);
    const auto chain =
        ok(history.chain(underlying, {.at = nth(i), .expiry = {}, .trading_class = {}}, soon()));
    EXPECT_EQ(chain.run.as_of, nth(i));
    EXPECT_EQ(chain.run.started_at, expected.started_at);
    EXPECT_EQ(chain.run.finished_at, expected.finished_at);
    EXPECT_EQ(chain.run.underlying_price, expected.snapshot.underlying_price);
    EXPECT_THAT(chain.snapshot.quotes,
                ::testing::UnorderedElementsAreArray(expected.snapshot.quotes));
    const auto changes = ok(history.changes(underlying, nth(i), nth(i), std::nullopt, 10, soon()));
    ASSERT_EQ(changes.size(), i == 0 ? 0U : 1U);
    if (i > 0) {
      EXPECT_EQ(changes[0].change.previous,
                cycle(underlying, nth(i - 1), i - 1).record.snapshot.quotes[0].quote.bid->value());
    }
  }
}

// F3: the database is away for many cycles of several underlyings.
TEST(Journal, SpoolsWhileTheDatabaseIsAwayAndDrainsInOrder) {
  Server server;
  const TemporaryFolder folder;
  Desk desk{server.url(), folder.path() / "spool"};
  ASSERT_TRUE(desk.journal->in_step());
  const auto epoch = desk.journal->epoch();
  for (const auto* underlying : {"QQQ", "SPY"})
    EXPECT_EQ(ok(desk.journal->keep(following(underlying, 0))), Kept::stored);
  server.stop();
  // The lease may not know yet; nothing depends on that.
  for (int i = 1; i < 40; ++i) {
    EXPECT_EQ(desk.journal->look(), Standing::ours);
    for (const auto* underlying : {"QQQ", "SPY"})
      EXPECT_EQ(ok(desk.journal->keep(following(underlying, i))), Kept::spooled);
    desk.journal->drain({}, core::after(0s));
  }
  EXPECT_EQ(ok(desk.journal->keep(MissedCycles{"SPY", {nth(40)}, "overrun: x", 300s})),
            Kept::spooled);
  EXPECT_EQ(desk.journal->newest_spooled("SPY"), nth(39));
  EXPECT_FALSE(desk.journal->in_step());
  server.start();
  ASSERT_TRUE(desk.in_step());
  EXPECT_EQ(desk.journal->epoch(), epoch) << "nobody else can have written";
  expect_whole(server.url(), "QQQ", 40);
  const auto last = ok(desk.history->last_run("SPY", soon()));
  EXPECT_EQ(last->status, store::RunStatus::missed);
  EXPECT_EQ(last->as_of, nth(40));
  EXPECT_EQ(ok(desk.journal->keep(following("QQQ", 40))), Kept::stored);
}

TEST(Journal, AProcessStartedWhileTheDatabaseIsAwayGoesOnIfItsPredecessorHeldTheLease) {
  Server server;
  const TemporaryFolder folder;
  {
    Desk desk{server.url(), folder.path() / "spool"};
    EXPECT_EQ(ok(desk.journal->keep(following("SPY", 0))), Kept::stored);
    server.stop();
    EXPECT_EQ(ok(desk.journal->keep(following("SPY", 1))), Kept::spooled);
  }
  {
    Desk desk{server.url(), folder.path() / "spool"};
    EXPECT_EQ(desk.journal->look(), Standing::ours);
    // It does not know the snapshot before, so changes are found when it is written.
    auto due = following("SPY", 2);
    due.record.changes.clear();
    due.undescribed = true;
    EXPECT_EQ(ok(desk.journal->keep(std::move(due))), Kept::spooled);
    Desk stranger{server.url(), folder.path() / "other"};
    EXPECT_EQ(stranger.journal->look(), Standing::waiting) << "it has never held the lease";
    server.start();
    ASSERT_TRUE(desk.in_step());
    EXPECT_EQ(ok(desk.journal->keep(following("SPY", 3))), Kept::stored);
  }
  expect_whole(server.url(), "SPY", 4);
}

TEST(Journal, ACycleThatTheHistoryHasIsLeftAndTheNextComparedWithWhatIsThere) {
  const auto url = shared_server().make_database("journal_left");
  const TemporaryFolder folder;
  Desk desk{url, folder.path() / "spool"};
  auto other = cycle("SPY", nth(0), 50);  // what is there
  other.record.changes.clear();
  ok(desk.history->append(other.record, soon()));
  EXPECT_EQ(ok(desk.journal->keep(following("SPY", 0))), Kept::known_already);
  EXPECT_EQ(ok(desk.journal->keep(following("SPY", 1))), Kept::stored);
  EXPECT_EQ(ok(desk.history->changes("SPY", nth(1), nth(1), std::nullopt, 10, soon()))
                .at(0)
                .change.previous,
            other.record.snapshot.quotes[0].quote.bid->value());
}

// F32: two collectors started by mistake.
TEST(Journal, OfTwoCollectorsOneWritesAndTheOtherFollows) {
  const auto url = shared_server().make_database("journal_two");
  const TemporaryFolder folder;
  auto first = std::make_unique<Desk>(url, folder.path() / "first", "first");
  Desk second{url, folder.path() / "second", "second"};
  EXPECT_EQ(first->journal->look(), Standing::ours);
  EXPECT_EQ(second.journal->look(), Standing::waiting);
  EXPECT_EQ(ok(first->journal->keep(following("SPY", 0))), Kept::stored);
  // Even if it does not ask: nothing of the second can be written.
  EXPECT_EQ(ok(second.journal->keep(following("SPY", 1))), Kept::spooled);
  EXPECT_EQ(ok(first->history->runs("SPY", ten, nth(9), soon())).size(), 1U);
  const auto epoch = second.journal->epoch();
  first.reset();
  ASSERT_TRUE(second.in_step());
  EXPECT_GT(second.journal->epoch(), epoch);
  expect_whole(url, "SPY", 2);
}

TEST(Journal, AHolderThatSleptThroughTheLossOfItsLeaseWritesNothing) {
  const auto url = shared_server().make_database("journal_sleeper");
  const TemporaryFolder folder;
  Desk first{url, folder.path() / "first", "first"};
  EXPECT_EQ(ok(first.journal->keep(following("SPY", 0))), Kept::stored);
  // Somebody else took over and went on, while this one knows nothing of it (as after SIGSTOP).
  {
    auto database = ok(store::Database::open(url, soon()));
    store::History history{database};
    store::LeaseOptions options;
    options.holder = "second";
    options.expires_after = 0ms;
    auto second = store::WriterLease::start(database, options);
    ASSERT_EQ(second->refresh(soon()).state, store::LeaseState::held);
    ASSERT_TRUE(ok(history.append(following("SPY", 2).record, soon(), second->fence())).stored);
    EXPECT_EQ(ok(first.journal->keep(following("SPY", 1))), Kept::spooled);
    auto unaware = following("SPY", 3);
    unaware.record.changes.front().previous = 0;
    EXPECT_EQ(ok(first.journal->keep(std::move(unaware))), Kept::spooled);
    EXPECT_EQ(ok(history.runs("SPY", ten, nth(9), soon())).size(), 2U);
  }
  // The other one is gone. What it has not collected is written, described against what is there.
  ASSERT_TRUE(first.in_step());
  const auto runs = ok(first.history->runs("SPY", ten, nth(9), soon()));
  ASSERT_EQ(runs.size(), 4U);
  for (const auto& run : runs) EXPECT_EQ(run.status, store::RunStatus::complete);
  const auto previous_of = [&](int number) {
    return ok(first.history->changes("SPY", nth(number), nth(number), std::nullopt, 10, soon()))
        .at(0)
        .change.previous;
  };
  const auto bid_of = [](int number) {
    return cycle("SPY", nth(number), number).record.snapshot.quotes[0].quote.bid->value();
  };
  EXPECT_EQ(previous_of(1), bid_of(0));
  EXPECT_EQ(previous_of(3), bid_of(2)) << "found again: it was made without knowing that one";
}

TEST(Journal, WhatTheHistoryRefusesIsMissedAndKeptAside) {
  Server server;
  const TemporaryFolder folder;
  Desk desk{server.url(), folder.path() / "spool"};
  ASSERT_TRUE(desk.journal->in_step());
  auto wrong = cycle("SPY", nth(1), 1);
  wrong.record.snapshot.quotes[1].contract = wrong.record.snapshot.quotes[0].contract;
  EXPECT_EQ(desk.journal->keep(wrong).error().code, Errc::invalid_input);
  server.stop();
  EXPECT_EQ(ok(desk.journal->keep(wrong)), Kept::spooled);
  EXPECT_EQ(ok(desk.journal->keep(MissedCycles{"SPY", {nth(2)}, "", 300s})), Kept::spooled);
  EXPECT_EQ(ok(desk.journal->keep(cycle("SPY", nth(3), 3))), Kept::spooled);
  server.start();
  ASSERT_TRUE(desk.in_step());
  const auto runs = ok(desk.history->runs("SPY", ten, nth(9), soon()));
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_THAT(runs[0].reason, ::testing::StartsWith("history_refused: "));
  EXPECT_EQ(runs[1].status, store::RunStatus::complete);
  EXPECT_FALSE(fs::is_empty(folder.path() / "spool" / "aside"));
}

TEST(Journal, WhatWasCollectedForAnotherDatabaseNeverComesIntoThisOne) {
  const auto one = shared_server().make_database("journal_one");
  const auto another = shared_server().make_database("journal_another");
  const TemporaryFolder folder;
  {
    Desk desk{one, folder.path() / "spool"};
    EXPECT_EQ(ok(desk.journal->keep(following("SPY", 0))), Kept::stored);
  }
  {
    auto spool = ok(Spool::open({.folder = folder.path() / "spool"}));
    ok(spool.add(following("SPY", 1)));
  }
  Desk desk{another, folder.path() / "spool"};
  ASSERT_TRUE(desk.in_step());
  EXPECT_TRUE(ok(desk.history->runs("SPY", ten, nth(9), soon())).empty());
  EXPECT_FALSE(fs::is_empty(folder.path() / "spool" / "aside"));
  EXPECT_EQ(ok(desk.journal->keep(following("SPY", 0))), Kept::stored);
}

TEST(Journal, WhatCannotBeDescribedIsWrittenWithoutAndHoldsNothingUp) {
  const auto url = shared_server().make_database("journal_undescribed");
  const TemporaryFolder folder;
  {
    auto spool = ok(Spool::open({.folder = folder.path() / "spool"}));
    for (int i = 0; i < 5; ++i) {
      auto waiting = following("SPY", i);
      waiting.undescribed = true;
      ok(spool.add(waiting));
    }
  }
  int late = 0;
  const auto describe = [&](store::CycleRecord& record, const store::StoredChain* before,
                            core::Deadline deadline) -> core::Result<void> {
    if (record.snapshot.as_of == nth(1) || record.snapshot.as_of == nth(2))
      return core::fail(Errc::corrupt_data, "a stored sketch cannot be read");
    if (record.snapshot.as_of == nth(3)) {
      ++late;
      return core::fail(Errc::timeout, "too much for the time");
    }
    return name_before(record, before, deadline);
  };
  ::testing::internal::CaptureStderr();
  Desk desk{url, folder.path() / "spool", "desk", {}, describe};
  const bool drained = desk.in_step();
  const auto said = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(drained);
  EXPECT_GT(late, 1) << "a timeout may pass";
  const auto first = said.find("not_described: ");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(said.find("not_described: SPY " + core::to_iso(nth(2))), std::string::npos)
      << "said once";
  const auto runs = ok(desk.history->runs("SPY", ten, nth(9), soon()));
  ASSERT_EQ(runs.size(), 5U);
  for (int i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    const bool bare = i >= 1 && i <= 3;
    const auto& run = runs[static_cast<std::size_t>(i)];
    EXPECT_EQ(run.received, 3);
    EXPECT_EQ(reason::names(run.reason, reason::not_described), bare) << run.reason;
    EXPECT_EQ(ok(desk.history->changes("SPY", nth(i), nth(i), std::nullopt, 10, soon())).size(),
              bare || i == 0 ? 0U : 1U);
  }
}

TEST(Journal, AFullDiskDoesNotKeepWhatWaitsFromBeingWritten) {
  const auto url = shared_server().make_database("journal_held");
  const TemporaryFolder folder;
  {
    auto spool = ok(Spool::open({.folder = folder.path() / "spool"}));
    for (int i = 0; i < 3; ++i) ok(spool.add(following("SPY", i)));
  }
  fs::create_directory(folder.path() / "spool" / "held.new");  // nothing can be written there
  Desk desk{url, folder.path() / "spool"};
  ASSERT_TRUE(desk.in_step());
  expect_whole(url, "SPY", 3);
}

TEST(Journal, AFullSpoolIsSaidOnceAndEmptiesByItself) {
  Server server;
  const TemporaryFolder folder;
  Desk desk{server.url(), folder.path() / "spool", "desk", {.folder = {}, .limit = 6'000}};
  ASSERT_TRUE(desk.journal->in_step());
  server.stop();
  int spooled = 0;
  ::testing::internal::CaptureStderr();
  while (desk.journal->keep(following("SPY", spooled))) ++spooled;
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(desk.journal->keep(following("SPY", spooled)).error().code, Errc::unavailable);
  const auto said = ::testing::internal::GetCapturedStderr();
  const auto first = said.find("spool_full");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(said.find("spool_full", first + 1), std::string::npos);
  EXPECT_EQ(ok(desk.journal->keep(MissedCycles{"SPY", {nth(spooled)}, "spool_full: x", 300s})),
            Kept::spooled);
  server.start();
  ASSERT_TRUE(desk.in_step());
  const auto last = ok(desk.history->last_run("SPY", soon()));
  EXPECT_EQ(last->reason, "spool_full: x");
  EXPECT_EQ(ok(desk.history->runs("SPY", ten, nth(spooled), soon())).size(),
            static_cast<std::size_t>(spooled) + 1);
}

/// Steps that a child process has taken, told through a pipe.
class Steps {
 public:
  Steps() {
    if (pipe(ends_) != 0) throw std::runtime_error("no pipe");
  }
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
  ~Steps() {
    for (const int end : ends_) ::close(end);
  }
  /// In the child: one step more.
  void take() const { (void)!::write(ends_[1], "", 1); }
  /// In the parent, once the child runs: so that the child's end can be seen.
  void listen() {
    ::close(ends_[1]);
    ends_[1] = -1;
  }
  /// Until so many steps more have been taken, or the child has ended.
  void wait_for(int steps) const {
    char one = 0;
    while (steps-- > 0 && ::read(ends_[0], &one, 1) == 1) {
    }
  }

 private:
  int ends_[2]{-1, -1};
};

// F1 and F2 while the spool is drained: the process is killed at random moments, the server, too.
TEST(Journal, KilledWhileDrainingWritesEverythingOnce) {
  Server server;
  const TemporaryFolder folder;
  constexpr int cycles = 300;
  {
    auto spool = ok(Spool::open({.folder = folder.path() / "spool", .segment_size = 8'000}));
    for (int i = 0; i < cycles; ++i) {
      auto waiting = following("SPY", i);
      waiting.undescribed = true;
      ok(spool.add(waiting));
    }
  }
  constexpr std::uint32_t seed = 20261126;
  std::mt19937 random{seed};
  // The moments are steps of the drain: a cycle is begun, its description made, and between the two
  // the cycle before is written and dropped.
  std::uniform_int_distribution<int> until_kill{2, 25};
  std::uniform_int_distribution<int> rounds{0, 2};
  int interrupted = 0;
  for (int attempt = 0; attempt < 8; ++attempt) {
    Steps draining;
    Steps rounds_of_child;
    const auto child = fork();
    if (child == 0) {
      const auto describe = [&](store::CycleRecord& record, const store::StoredChain* before,
                                core::Deadline deadline) {
        draining.take();
        auto described = name_before(record, before, deadline);
        draining.take();
        return described;
      };
      Desk desk{server.url(), folder.path() / "spool", "desk", {}, describe};
      while (!desk.journal->in_step()) {
        desk.lease->refresh(soon());
        desk.journal->look();
        desk.journal->drain({}, soon());
        rounds_of_child.take();
      }
      _exit(0);
    }
    draining.listen();
    rounds_of_child.listen();
    draining.wait_for(until_kill(random));
    const bool server_too = attempt % 4 == 3;
    if (server_too) {
      kill(server.pid(), SIGKILL);
      rounds_of_child.wait_for(rounds(random));  // it may have noticed, or not yet
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (server_too) {
      server.stop();
      server.start();
    }
    const auto spool = ok(Spool::open({.folder = folder.path() / "spool"}));
    if (WIFSIGNALED(status) && spool.entries() > 0) ++interrupted;
  }
  EXPECT_EQ(interrupted, 8) << "a kill met no drain, seed " << seed;
  Desk desk{server.url(), folder.path() / "spool"};
  ASSERT_TRUE(desk.in_step());
  expect_whole(server.url(), "SPY", cycles);
}

}  // namespace
}  // namespace bifrost::collector
