// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/baselines.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bifrost/store/as_stored.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

CycleRecord one_quote(core::Instant as_of, core::Quote quote) {
  CycleRecord record;
  record.snapshot = {"SPX", as_of, price("3759.8"), core::Source::simulated, {}};
  record.snapshot.quotes.push_back(
      {{"SPX", "SPXW", day("2021-01-15"), price("3700"), core::Right::call, 100}, quote});
  record.expected = 1;
  return record;
}

TEST(AsStored, IsWhatTheHistoryGivesBack) {
  auto database = migrated();
  History history(database);
  const auto as_of = at("2021-01-04T15:00:00Z");
  core::Quote quote;
  quote.bid = price("-1.0001");
  quote.ask = core::Price::from_units(3'000'000'000'000);  // beyond the column
  quote.volume = 1LL << 40;
  quote.open_interest = -1;
  quote.implied_vol = 0.12345678901;
  quote.delta = std::numeric_limits<double>::quiet_NaN();
  quote.gamma = 1e9;
  quote.theta = -1.0 / 3;
  quote.vega = std::numeric_limits<double>::infinity();
  quote.observed_at = as_of - 1234567us;
  auto record = one_quote(as_of, quote);
  const auto appended = ok(history.append(record, soon()));
  EXPECT_EQ(appended.dropped, 5);
  make_as_stored(record.snapshot);
  const auto stored = ok(history.chain("SPX", {}, soon()));
  ASSERT_EQ(stored.snapshot.quotes.size(), 1U);
  EXPECT_EQ(stored.snapshot.quotes[0], record.snapshot.quotes[0]);
  EXPECT_EQ(stored.snapshot.underlying_price, record.snapshot.underlying_price);
  auto again = record.snapshot;
  make_as_stored(again);
  EXPECT_EQ(again.quotes[0], record.snapshot.quotes[0]);
}

TEST(Baselines, WhatWasWrittenFirstStays) {
  auto database = migrated();
  Baselines baselines(database, 300s);
  const auto monday = day("2021-01-04");
  const ChangeSketch sketch{monday,
                            {at("2021-01-04T15:00:00Z"), at("2021-01-04T15:05:00Z")},
                            {day("2020-12-30"), day("2020-12-31")},
                            std::string("\0\1\377 bytes", 9)};
  EXPECT_TRUE(ok(baselines.add_sketch("SPX", sketch, soon())));
  auto other = sketch;
  other.bytes = "later";
  EXPECT_FALSE(ok(baselines.add_sketch("SPX", other, soon())));
  const std::vector days{monday};
  EXPECT_EQ(ok(baselines.sketches("SPX", days, soon())), std::vector{sketch});

  const ChangeBaseline first{day("2021-01-05"), at("2021-01-05T14:35:00Z"), {monday}, 20};
  EXPECT_EQ(ok(baselines.put_in_force("SPX", first, soon())), first);
  const ChangeBaseline second{day("2021-01-05"), at("2021-01-05T15:35:00Z"), {}, 30};
  EXPECT_EQ(ok(baselines.put_in_force("SPX", second, soon())), first);
  EXPECT_EQ(ok(baselines.baseline("SPX", first.day, soon())), first);
  EXPECT_EQ(ok(baselines.baseline("SPX", monday, soon())), std::nullopt);
  EXPECT_EQ(ok(baselines.baseline("QQQ", first.day, soon())), std::nullopt);
}

TEST(Baselines, OfAnotherIntervalOrAMissingDayAreNotMixedIn) {
  auto database = migrated();
  Baselines five(database, 300s);
  Baselines one(database, 60s);
  for (const auto* iso : {"2021-01-04", "2021-01-05", "2021-01-06"}) {
    ok(five.add_sketch("SPX", {day(iso), {}, {}, iso}, soon()));
  }
  EXPECT_EQ(ok(five.sketched_days("SPX", day("2021-01-06"), 10, soon())),
            (std::vector{day("2021-01-05"), day("2021-01-04")}));
  EXPECT_EQ(ok(five.sketched_days("SPX", day("2021-01-07"), 1, soon())),
            std::vector{day("2021-01-06")});
  EXPECT_TRUE(ok(one.sketched_days("SPX", day("2021-01-07"), 10, soon())).empty());
  const std::vector wanted{day("2021-01-04"), day("2021-01-07")};
  const auto missing = five.sketches("SPX", wanted, soon());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
}

TEST(Baselines, KnowTheTradingDaysThatHaveSnapshots) {
  auto database = migrated();
  History history(database);
  Baselines baselines(database, 300s);
  for (const auto* iso : {"2021-01-04T21:00:00Z", "2021-01-05T14:35:00Z", "2021-01-05T14:40:00Z"}) {
    ok(history.append(one_quote(at(iso), {}), soon()));
  }
  const std::vector missed{at("2021-01-06T15:00:00Z")};
  ok(history.mark_missed("SPX", missed, "test", 300s, soon()));
  EXPECT_EQ(ok(baselines.days_with_snapshots("SPX", day("2021-01-07"), 10, soon())),
            (std::vector{day("2021-01-05"), day("2021-01-04")}));
  EXPECT_EQ(ok(baselines.days_with_snapshots("SPX", day("2021-01-05"), 10, soon())),
            std::vector{day("2021-01-04")});
}

}  // namespace
}  // namespace bifrost::store
