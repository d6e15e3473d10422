// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "bifrost/store/listen.hpp"
#include "pool.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

const auto ten = at("2021-01-04T15:00:00Z");

CycleRecord cycle(int number, int contracts) {
  CycleRecord record;
  record.snapshot = {"SPX", ten + number * 300s, price("3700"), core::Source::simulated, {}};
  for (int i = 0; i < contracts; ++i) {
    core::Quote quote;
    quote.bid = core::Price::from_units(number);
    record.snapshot.quotes.push_back(
        {{"SPX", "SPXW", day("2021-01-15"), core::Price::from_units(10'000 * (i + 1)),
          core::Right::call, 100},
         quote});
  }
  return record;
}

/// A server of this test's own, which it may kill.
class Mortal {
 public:
  Mortal() { start(); }
  void start() {
    server_.emplace(
        ok(PrivateCluster::start(folder_.path() / "pg", soon(), {.die_with_starter = true})));
  }
  void kill_and_restart() {
    kill(server_->server_pid(), SIGKILL);
    ok(server_->stop(soon()));
    start();
  }
  PrivateCluster& operator*() { return *server_; }
  PrivateCluster* operator->() { return &*server_; }

 private:
  TemporaryFolder folder_;
  std::optional<PrivateCluster> server_;
};

// Faults F1 and F2 of reliability.md: what was acknowledged is there (I2), nothing is there twice
// (I3), every cycle is whole.
TEST(Crash, KillingTheServerWhileCyclesAreAppendedLosesNothingAndDoublesNothing) {
  Mortal server;
  auto database = ok(Database::open(server->url(), soon()));
  ok(database.migrate(soon()));
  History history(database);
  constexpr int cycles = 60;
  constexpr int contracts = 300;
  std::atomic<int> next{0};
  std::vector<bool> acknowledged(cycles, false);
  int refusals = 0;
  std::thread writer([&] {
    while (next < cycles) {
      const auto appended = history.append(cycle(next, contracts), core::after(10s));
      if (appended) {
        acknowledged[static_cast<std::size_t>(next)] = true;
        ++next;
      } else {
        ++refusals;  // the same cycle again, as a collector would
      }
    }
  });
  for (const int milestone : {10, 30}) {
    while (next < milestone) std::this_thread::yield();
    server.kill_and_restart();
  }
  writer.join();
  EXPECT_GT(refusals, 0) << "the server was never missed: nothing was tested";
  const auto runs = ok(history.runs("SPX", core::Instant::min(), core::Instant::max(), soon()));
  ASSERT_EQ(runs.size(), static_cast<std::size_t>(cycles));
  for (int i = 0; i < cycles; ++i) {
    ASSERT_TRUE(acknowledged[static_cast<std::size_t>(i)]);
    const auto chain = ok(history.chain("SPX", {.at = ten + i * 300s}, soon()));
    ASSERT_EQ(chain.run.as_of, ten + i * 300s);
    ASSERT_EQ(chain.snapshot.quotes.size(), static_cast<std::size_t>(contracts));
    for (const auto& quote : chain.snapshot.quotes)
      ASSERT_EQ(quote.quote.bid, core::Price::from_units(i));
  }
  EXPECT_EQ(number(database, "SELECT count(*) FROM option_snapshots"), cycles * contracts);
}

TEST(Crash, WhileTheServerIsAwayCallersAreToldAtOnceAndLaterServedAgain) {
  Mortal server;
  auto database = ok(Database::open(server->url(), soon()));
  ok(database.migrate(soon()));
  History history(database);
  ok(server->stop(soon()));
  EXPECT_EQ(history.append(cycle(0, 1), soon()).error().code, Errc::unavailable);
  EXPECT_EQ(history.underlyings(soon()).error().code, Errc::unavailable);
  server.start();
  const auto limit = soon();
  auto appended = history.append(cycle(0, 1), soon());
  while (!appended && std::chrono::steady_clock::now() < limit) {
    ASSERT_EQ(appended.error().code, Errc::unavailable) << appended.error().message;
    std::this_thread::yield();
    appended = history.append(cycle(0, 1), soon());
  }
  EXPECT_TRUE(ok(std::move(appended)).stored);
}

TEST(Listener, HearsOfEveryStoredCycleInOrder) {
  const auto url = fresh_database();
  auto database = ok(Database::open(url, soon()));
  ok(database.migrate(soon()));
  History history(database);
  auto listener = ok(Listener::open(url, soon()));
  ok(history.append(std::vector{cycle(0, 1), cycle(1, 1)}, soon()));
  ok(history.append(cycle(1, 1), soon()));  // a replay is no news
  ok(history.append(cycle(2, 1), soon()));
  for (int i = 0; i < 3; ++i) {
    const auto event = ok(listener.wait(soon()));
    ASSERT_TRUE(event);
    EXPECT_EQ(std::get<Notice>(*event), (Notice{"SPX", ten + i * 300s}));
  }
  EXPECT_EQ(ok(listener.wait(core::after(0s))), std::nullopt);
}

TEST(Listener, WhatIsAnnouncedCanBeRead) {
  const auto url = fresh_database();
  auto database = ok(Database::open(url, soon()));
  ok(database.migrate(soon()));
  History history(database);
  auto listener = ok(Listener::open(url, soon()));
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) ok(history.append(cycle(i, 50), soon()));
  });
  for (int i = 0; i < 20; ++i) {
    const auto event = ok(listener.wait(soon()));
    const auto& notice = std::get<Notice>(event.value());
    EXPECT_EQ(ok(history.chain("SPX", {.at = notice.as_of}, soon())).snapshot.quotes.size(), 50U);
  }
  writer.join();
}

TEST(Listener, IgnoresWhatOthersSendOnItsChannel) {
  const auto url = fresh_database();
  auto database = ok(Database::open(url, soon()));
  auto listener = ok(Listener::open(url, soon()));
  const auto connection = ok(database.pool().lease(soon()));
  for (const char* payload :
       {"", "x", R"({"underlying":"","as_of":""})", R"({"underlying":"SPX","as_of":"yesterday"})",
        R"({"underlying":"a'b","as_of":"2021-01-04T15:00:00Z"})",
        R"({"underlying":","as_of":"})"}) {
    ok(connection->query("SELECT pg_notify('bifrost_snapshot', $1)",
                         pg::Params{}.add(std::string_view(payload)), soon()));
  }
  EXPECT_EQ(ok(listener.wait(core::after(200ms))), std::nullopt);
}

TEST(Listener, ReportsAGapAfterTheServerWasAway) {
  Mortal server;
  auto database = ok(Database::open(server->url(), soon()));
  ok(database.migrate(soon()));
  auto listener = ok(Listener::open(server->url(), soon()));
  ok(server->stop(soon()));
  EXPECT_EQ(listener.wait(core::after(50ms)).error().code, Errc::unavailable);
  server.start();
  const auto event = ok(listener.wait(soon()));
  ASSERT_TRUE(event);
  EXPECT_TRUE(std::holds_alternative<Gap>(*event));
  auto again = ok(Database::open(server->url(), soon()));
  History history(again);
  ok(history.append(cycle(0, 1), soon()));
  EXPECT_TRUE(std::holds_alternative<Notice>(ok(listener.wait(soon())).value()));
}

TEST(Listener, IsStoppedFromAnotherThread) {
  auto listener = ok(Listener::open(fresh_database(), soon()));
  std::thread other([&] { listener.stop(); });
  EXPECT_EQ(listener.wait(soon()).error().code, Errc::cancelled);
  other.join();
  EXPECT_EQ(listener.wait(soon()).error().code, Errc::cancelled);
}

}  // namespace
}  // namespace bifrost::store
