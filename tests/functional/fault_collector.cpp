// SPDX-License-Identifier: Apache-2.0
// Faults of the collector itself: killed at any byte, started twice, its universe in motion.
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>

#include "fault_relay.hpp"
#include "fault_stage.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using core::Instant;

constexpr auto interval = 300s;

MarketShape small_market(std::uint64_t seed) {
  return {.first = core::parse_date("2026-03-02").value(),
          .fridays = 12,
          .listed = 2,
          .lowest_strike = 98,
          .highest_strike = 102,
          .seed = seed};
}

bool in_ledger(Sql& sql, Instant as_of) {
  return sql.one(fmt::format("SELECT count(*) FROM collection_runs WHERE as_of = '{}'",
                             core::to_iso(as_of))) == "1";
}

TEST(Fault, F01CollectorKilledAtARandomByteOfACycle) {
  const Stopwatch watch;
  const auto seed = fault_seed();
  std::mt19937_64 random{seed};
  const auto url = make_database("f1");
  Sql sql{url};
  const auto cycles =
      owed_cycles(sql, at("2026-03-02T14:30:00Z"), at("2026-04-30T00:00:00Z"), interval);
  auto cycle = cycles.begin();
  StagedGateway gateway{small_market(seed), *cycle};
  Relay relay{gateway.port(), socket_of(url)};
  const Acknowledged heard{url};
  const auto start = [&] {
    return start_faulted_collector(through(url, relay.database_port()), relay.gateway_port(),
                                   "f1.log");
  };

  // Lives undisturbed, to know how many bytes one is. The first has no history to read.
  std::uint64_t life = 0;
  const auto live = [&] {
    relay.kill_at(0, -1);
    auto collector = start();
    const bool done = wait_until(60s, [&] { return in_ledger(sql, *cycle); });
    life = relay.passed();
    EXPECT_EQ(collector.stop(core::after(10s)), 0);
    return done;
  };
  ASSERT_TRUE(live());
  gateway.set_time(*++cycle);
  ASSERT_TRUE(live());
  ASSERT_GT(life, 5'000u);

  constexpr int kills = 1'000;
  int committed = 0;
  for (int kill = 1; kill <= kills; ++kill) {
    // Half of the lives find their cycle still open, half a new one.
    if (in_ledger(sql, *cycle) || random() % 2 == 0) {
      ++cycle;
      ASSERT_NE(cycle, cycles.end());
      gateway.set_time(*cycle);
    }
    // Half of the kills anywhere, half in the last third, where the cycle is written.
    std::uniform_int_distribution<std::uint64_t> moment{kill % 2 == 0 ? 1 : 2 * life / 3, life};
    const auto byte = moment(random);
    auto collector = start();
    relay.kill_at(byte, collector.pid());
    // A life with fewer bytes than the first ends when it has nothing more to do.
    auto ended = collector.wait(core::after(200ms));
    while (!ended && !in_ledger(sql, *cycle)) ended = collector.wait(core::after(200ms));
    if (!ended) {
      collector.signal(SIGKILL);
      ended = collector.wait(core::after(10s));
    }
    ASSERT_EQ(ended.value_or(-1), 128 + SIGKILL)
        << "seed " << seed << ", kill " << kill << " at byte " << byte << "; log "
        << (scratch() / "f1.log").string();
    if (in_ledger(sql, *cycle)) ++committed;
    if (kill % 50 == 0) {
      // Left alone it takes up the very cycle it was killed in.
      if (in_ledger(sql, *cycle)) gateway.set_time(*++cycle);
      ASSERT_TRUE(live()) << "seed " << seed << ", after kill " << kill << ": "
                          << core::to_iso(*cycle);
    }
  }
  // Kills fell on both sides of the commit, or the test has tested nothing.
  EXPECT_GT(committed, kills / 50);
  EXPECT_LT(committed, kills);

  const auto acks = heard.all();
  const auto logged = logged_cycles("f1.log", "FLT");
  EXPECT_GT(acks.size(), 50u);
  EXPECT_GT(logged.size(), 20u);
  const auto verdict = check_invariants(sql, {.underlying = "FLT",
                                              .interval = interval,
                                              .from = cycles.front(),
                                              .to = *cycle,
                                              .market = &gateway.market(),
                                              .acks = &acks,
                                              .logged = &logged});
  std::vector<std::string> wrong;
  const auto changes = check_changes(url, "FLT", interval, 1, wrong);
  EXPECT_TRUE(wrong.empty()) << wrong.front();
  EXPECT_GT(changes, 0);
  EXPECT_TRUE(verdict.good()) << "seed " << seed << verdict.why();
  tell("F1",
       fmt::format(
           "collector kill -9: {} kills at random bytes of {}, {} of them after the commit: {}  "
           "seed {}  {}",
           kills, life, committed, verdict.text(), seed, watch.text()));
}

}  // namespace
}  // namespace bifrost::test
