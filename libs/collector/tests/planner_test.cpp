// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/planner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace bifrost::collector {
namespace {

using namespace std::chrono_literals;
using core::Instant;
using std::chrono::milliseconds;

constexpr Instant start{std::chrono::days{20000}};

Instant cycle(int number) {
  return start + number * 300s;
}

TEST(ContractsPerSecond, IsWhatLinesAndMessagesAllow) {
  EXPECT_FALSE(contracts_per_second({}));
  EXPECT_DOUBLE_EQ(*contracts_per_second({.lines = 90, .messages_per_second = 40}), 20);
  // 90 lines of 5 s each: 18 a second.
  EXPECT_DOUBLE_EQ(*contracts_per_second({90, 40, 5000ms, 5000ms}), 18);
  EXPECT_DOUBLE_EQ(*contracts_per_second({90, 0, 1000ms, 1000ms}), 90);
  // A few slow ones weigh an eighth.
  EXPECT_DOUBLE_EQ(*contracts_per_second({10, 0, 500ms, 4500ms}), 10);
}

std::vector<Candidate> candidates(std::size_t n) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < n; ++i)
    all.push_back({.member = 100 + i, .rank = 0.01 * static_cast<double>(i), .last_asked = start});
  return all;
}

TEST(Plan, AsksEverythingByRankWhereItFits) {
  auto all = candidates(5);
  std::ranges::reverse(all);
  all[1].held = true;  // member 103
  const auto plan = plan_cycle(all, {.lines = 10, .messages_per_second = 40}, 60s);
  EXPECT_EQ(plan.order, (std::vector<std::size_t>{103, 100, 101, 102, 104}));
  EXPECT_EQ(plan.planned, 5u);
  EXPECT_EQ(plan.always, 5u);
  EXPECT_EQ(plan.every, 1u);
  EXPECT_EQ(plan.expected, 250ms);
}

TEST(Plan, WithoutAnyKnownPaceAsksEverythingAndPromisesNoTime) {
  const auto plan = plan_cycle(candidates(3), {.lines = 10}, 1s);
  EXPECT_EQ(plan.planned, 3u);
  EXPECT_FALSE(plan.expected);
}

TEST(Plan, StatesWhatItCannotReachAndWhenThatComes) {
  // 20 a second for 10 s: 200 of 500. Half of it near the money, 400 take turns in 100 places.
  const auto plan = plan_cycle(candidates(500), {.lines = 90, .messages_per_second = 40}, 10s);
  EXPECT_EQ(plan.planned, 200u);
  EXPECT_EQ(plan.always, 100u);
  EXPECT_EQ(plan.every, 4u);
  EXPECT_EQ(plan.order.size(), 500u);
  EXPECT_EQ(plan.expected, 10s);
  EXPECT_EQ(out_of_budget(300, 500, plan.every),
            "out_of_budget: 300 of 500 contracts left for later cycles, each asked at least every "
            "4 cycles");
}

TEST(Plan, PutsHeldContractsFirstButNeverStarvesTheOthers) {
  auto all = candidates(100);
  for (std::size_t i = 60; i < 100; ++i) all[i].held = true;
  const Pace pace{.lines = 10, .messages_per_second = 20};
  auto plan = plan_cycle(all, pace, 8s);  // 80 fit
  EXPECT_EQ(plan.always, 40u) << "held ones fill what was for the near ones";
  for (std::size_t i = 0; i < 40; ++i) EXPECT_GE(plan.order[i], 160u);
  plan = plan_cycle(all, pace, 2s);  // 20 fit: 15 held at most
  EXPECT_EQ(plan.always, 15u);
  EXPECT_EQ(plan.every, 17u);  // 85 in 5 places
}

TEST(Plan, WithNoTimeAtAllPlansNothing) {
  const Pace pace{.lines = 10, .messages_per_second = 20};
  for (const auto left : {0ms, -5000ms, 99ms}) {
    const auto plan = plan_cycle(candidates(10), pace, left);
    EXPECT_EQ(plan.planned, 0u);
    EXPECT_EQ(plan.every, 0u);
    EXPECT_EQ(plan.order.size(), 10u);
  }
  EXPECT_EQ(plan_cycle({}, pace, 1s).planned, 0u);
  EXPECT_EQ(plan_cycle({}, pace, 0s).every, 1u) << "nobody waits";
}

/// Over random chains whose prices move, that lose contracts and gain new ones: nobody is passed
/// over for longer than was promised, the ones near the money are in every cycle, and no plan
/// exceeds what fits.
TEST(Plan, KeepsItsPromiseToEveryContract) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random{seed};
    const auto pick = [&](int low, int high) {
      return std::uniform_int_distribution<int>{low, high}(random);
    };
    struct Contract {
      double strike;
      bool held;
      Instant last_asked;
      int asked_in = -1;    // cycle number
      int waits_since = 0;  // cycle of the first choice
    };
    std::map<std::size_t, Contract> chain;
    std::size_t next_id = 0;
    const auto add = [&](int in_cycle) {
      chain[next_id++] = {.strike = pick(500, 1500) / 10.0,
                          .held = pick(0, 19) == 0,
                          .last_asked = cycle(in_cycle - 1),
                          .waits_since = in_cycle};
    };
    const int size = pick(1, 400);
    for (int i = 0; i < size; ++i) add(0);
    const Pace pace{.lines = pick(1, 100), .messages_per_second = static_cast<double>(pick(2, 50))};
    const milliseconds time{pick(200, 20'000)};
    double spot = 100;
    std::vector<std::size_t> promised;
    for (int now = 0; now < 120; ++now) {
      spot += pick(-10, 10) / 10.0;
      if (pick(0, 4) == 0) {
        for (int i = pick(0, 10); i > 0; --i) add(now);
      }
      if (chain.size() > 1 && pick(0, 4) == 0) chain.erase(chain.begin());
      std::vector<Candidate> wanted;
      for (const auto& [id, c] : chain) {
        wanted.push_back({.member = id,
                          .rank = std::abs(c.strike / spot - 1),
                          .last_asked = c.last_asked,
                          .held = c.held});
      }
      const auto plan = plan_cycle(wanted, pace, time);
      ASSERT_EQ(plan.order.size(), chain.size());
      ASSERT_EQ(std::set(plan.order.begin(), plan.order.end()).size(), chain.size());
      ASSERT_LE(
          static_cast<double>(plan.planned),
          std::max(0.0, *contracts_per_second(pace) * static_cast<double>(time.count()) / 1000));
      if (plan.planned == 0) break;
      ASSERT_GE(plan.every, 1u);
      ASSERT_EQ(plan.every == 1, plan.planned == chain.size());
      promised.push_back(plan.every);
      if (plan.planned < chain.size() && plan.planned >= 4) {
        // The nearest of all is never among those left out.
        const auto nearest = std::ranges::min_element(wanted, {}, &Candidate::rank)->member;
        const auto held = std::ranges::count(wanted, true, &Candidate::held);
        if (static_cast<std::size_t>(held) < plan.planned / 2) {
          ASSERT_NE(
              std::find(plan.order.begin(),
                        plan.order.begin() + static_cast<std::ptrdiff_t>(plan.planned), nearest),
              plan.order.begin() + static_cast<std::ptrdiff_t>(plan.planned));
        }
      }
      for (std::size_t i = 0; i < plan.planned; ++i) {
        auto& c = chain.at(plan.order[i]);
        c.asked_in = now;
        c.last_asked = cycle(now);
      }
      for (const auto& [id, c] : chain) {
        const int since = c.asked_in >= 0 ? c.asked_in : c.waits_since - 1;
        const auto longest =
            *std::max_element(promised.begin() + std::max(0, since), promised.end());
        ASSERT_LE(static_cast<std::size_t>(now - since), longest)
            << "seed " << seed << ", cycle " << now << ", contract " << id;
      }
    }
  }
}

TEST(TurnOrder, LetsThoseWhoNeedLeastGoFirst) {
  using Need = std::optional<milliseconds>;
  EXPECT_EQ(turn_order(std::vector<Need>{5s, std::nullopt, 1s, 5s, 2s}),
            (std::vector<std::size_t>{2, 4, 0, 3, 1}));
  EXPECT_TRUE(turn_order({}).empty());
}

/// The collector splits what is left of a cycle evenly at each turn. In the order of turn_order()
/// that is the fair division: whoever is cut short had no less than anybody else, and nothing is
/// left over while somebody is cut short.
TEST(TurnOrder, MakesAnEvenSplitOfTheRestFair) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random{seed};
    std::vector<std::optional<milliseconds>> needs;
    const int n = std::uniform_int_distribution<int>{1, 40}(random);
    for (int i = 0; i < n; ++i)
      needs.push_back(milliseconds{std::uniform_int_distribution<int>{1, 60'000}(random)});
    const milliseconds total = 300s;
    milliseconds left = total;
    std::vector<milliseconds> got(needs.size());
    auto turns = static_cast<std::int64_t>(needs.size());
    for (const auto i : turn_order(needs)) {
      got[i] = std::min(*needs[i], left / turns--);
      left -= got[i];
    }
    milliseconds most{0};
    milliseconds least_of_the_cut{total};
    bool cut = false;
    for (std::size_t i = 0; i < needs.size(); ++i) {
      most = std::max(most, got[i]);
      if (got[i] < *needs[i]) {
        cut = true;
        least_of_the_cut = std::min(least_of_the_cut, got[i]);
      }
    }
    if (!cut) continue;
    EXPECT_LE(most - least_of_the_cut, milliseconds{n}) << "seed " << seed;
    EXPECT_LE(left, milliseconds{n});
  }
}

TEST(DwellEstimate, FollowsTheReportsAndIgnoresEmptyOnes) {
  DwellEstimate dwell;
  dwell.add(0ms, 0ms);
  EXPECT_EQ(dwell.p50(), 0ms);
  dwell.add(800ms, 3000ms);
  EXPECT_EQ(dwell.p95(), 3000ms);
  dwell.add(400ms, 1000ms);
  EXPECT_EQ(dwell.p50(), 600ms);
  EXPECT_EQ(dwell.p95(), 2000ms);
  dwell.add(0ms, 0ms);
  EXPECT_EQ(dwell.p50(), 600ms);
}

}  // namespace
}  // namespace bifrost::collector
