// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "api_fixture.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::api {
namespace {

using namespace testing;
using namespace std::chrono_literals;

UnderlyingHealth underlying(const Health& health, std::string_view symbol) {
  for (const auto& found : health.underlyings) {
    if (found.symbol == symbol) return found;
  }
  throw std::runtime_error("no such underlying");
}

TEST_F(Api, HealthNamesEachDependencyAndTheAgeOfTheLastSnapshot) {
  const auto health = get_as<Health>("/api/health");
  EXPECT_EQ(health.status, "degraded");
  EXPECT_TRUE(health.market_open);
  EXPECT_EQ(health.now, second + 90s);
  std::map<std::string, bool> healthy;
  for (const auto& dependency : health.dependencies) healthy[dependency.name] = dependency.healthy;
  EXPECT_EQ(healthy, (std::map<std::string, bool>{
                         {"database", true}, {"gateway", false}, {"collector", true}}));
  const auto& spx = underlying(health, "SPX");
  EXPECT_EQ(spx.age_seconds, 90);
  EXPECT_FALSE(spx.stale);
}

TEST_F(Api, HealthCallsAnOldSnapshotStaleWhileTheMarketIsOpen) {
  clock.set(second + 11min);
  EXPECT_TRUE(underlying(get_as<Health>("/api/health"), "SPX").stale);
  clock.set(core::parse_instant("2026-03-02T23:00:00Z").value());  // after the close
  const auto health = get_as<Health>("/api/health");
  EXPECT_FALSE(health.market_open);
  EXPECT_FALSE(underlying(health, "SPX").stale);
}

TEST_F(Api, HealthKnowsThatIndexOptionsAreQuotedPastTheShares) {
  clock.set(core::parse_instant("2026-03-02T21:12:00Z").value());  // 16:12 New York
  const auto health = get_as<Health>("/api/health");
  EXPECT_TRUE(health.market_open);
  EXPECT_TRUE(underlying(health, "SPX").stale);
  clock.set(core::parse_instant("2026-03-02T21:16:00Z").value());
  EXPECT_FALSE(get_as<Health>("/api/health").market_open);
}

TEST_F(Api, HealthFindsNothingLateBeforeTheFirstCycleOfADay) {
  const auto next_open = core::session(core::parse_date("2026-03-03").value())->open;
  clock.set(next_open + 1min);
  EXPECT_FALSE(underlying(get_as<Health>("/api/health"), "SPX").stale);
  clock.set(next_open + 11min);
  const auto health = get_as<Health>("/api/health");
  EXPECT_TRUE(underlying(health, "SPX").stale);
  for (const auto& dependency : health.dependencies) {
    if (dependency.name == "collector") {
      EXPECT_FALSE(dependency.healthy);
    }
  }
}

}  // namespace
}  // namespace bifrost::api
