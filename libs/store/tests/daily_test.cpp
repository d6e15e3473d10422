// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/daily.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

UnderlyingDay vol_bar(core::Date day, double close, const std::string& source = "live") {
  UnderlyingDay bar;
  bar.day = day;
  bar.origin = DailyOrigin::broker;
  bar.source = source;
  bar.implied_vol_30d_close = close;
  return bar;
}

std::vector<UnderlyingDay> all(Daily& daily, DailyOrigin origin) {
  return ok(daily.underlying_days("SPX", origin, day("1990-01-01"), day("2100-01-01"), soon()));
}

TEST(Daily, EveryFieldComesBackAsItWent) {
  auto database = migrated();
  Daily daily{database};
  UnderlyingDay full{day("2021-01-04"),
                     DailyOrigin::snapshots,
                     "delayed,live",
                     price("3764.6101"),
                     price("3769.99"),
                     price("3662.71"),
                     price("3700.65"),
                     at("2021-01-04T21:00:00Z"),
                     0.21,
                     0.27,
                     0.2,
                     0.26,
                     at("2021-01-04T20:55:00Z"),
                     0.11,
                     0.12,
                     std::nullopt,
                     std::nullopt,
                     0,
                     1,
                     0,
                     3'000'000'000,
                     4,
                     -0.05,
                     0.01,
                     78};
  EXPECT_EQ(ok(daily.upsert("SPX", std::vector{full}, soon())), 1);
  EXPECT_THAT(all(daily, DailyOrigin::snapshots), ::testing::ElementsAre(full));
  EXPECT_THAT(all(daily, DailyOrigin::broker), ::testing::IsEmpty());
  const auto none = ok(daily.underlying_days("NOBODY", DailyOrigin::broker, day("2020-01-01"),
                                             day("2022-01-01"), soon()));
  EXPECT_THAT(none, ::testing::IsEmpty());
}

// numbers.md T9.
TEST(Daily, RankAndPercentileAreNotSwapped) {
  auto database = migrated();
  Daily daily{database};
  std::vector<UnderlyingDay> days;
  for (const double vol : {0.30, 0.10, 0.11, 0.15, 0.17, 0.20}) {
    days.push_back(vol_bar(day("2021-01-04") + std::chrono::days{days.size()}, vol));
  }
  ok(daily.upsert("SPX", days, soon()));
  const auto last =
      *ok(daily.last_underlying_day("SPX", DailyOrigin::broker, day("2021-06-01"), soon()));
  EXPECT_EQ(last.day, day("2021-01-09"));
  EXPECT_NEAR(*last.iv_rank, 0.5, 1e-12);
  EXPECT_EQ(last.iv_percentile, 0.8);
  EXPECT_EQ(last.iv_rank_n, 5);
  const auto stored = all(daily, DailyOrigin::broker);
  EXPECT_EQ(stored[0].iv_rank, std::nullopt);  // nothing to rank it among
  EXPECT_EQ(stored[0].iv_percentile, std::nullopt);
  EXPECT_EQ(stored[0].iv_rank_n, 0);
  EXPECT_EQ(stored[1].iv_rank, 0.0);  // a new low
}

TEST(Daily, ADayThatComesLateChangesTheRanksOfTheYearAfterAndNoOthers) {
  auto database = migrated();
  Daily daily{database};
  ok(daily.upsert("SPX",
                  std::vector{vol_bar(day("2021-01-05"), 0.1), vol_bar(day("2021-01-06"), 0.2),
                              vol_bar(day("2022-01-05"), 0.15), vol_bar(day("2022-01-06"), 0.15)},
                  soon()));
  EXPECT_EQ(all(daily, DailyOrigin::broker)[3].iv_rank_n, 2);  // 2021-01-05 is a year and a day ago
  ok(daily.upsert("SPX", std::vector{vol_bar(day("2021-01-04"), 0.4)}, soon()));
  const auto stored = all(daily, DailyOrigin::broker);
  ASSERT_EQ(stored.size(), 5U);
  EXPECT_EQ(stored[1].iv_rank_n, 1);
  EXPECT_EQ(stored[1].iv_rank, 0.0);
  EXPECT_EQ(stored[2].iv_rank_n, 2);
  EXPECT_NEAR(*stored[2].iv_rank, (0.2 - 0.1) / (0.4 - 0.1), 1e-12);
  EXPECT_EQ(stored[3].iv_rank_n, 2);
  EXPECT_EQ(stored[4].iv_rank_n, 2);
}

TEST(Daily, ADayWithoutAVolHasNoRank) {
  auto database = migrated();
  Daily daily{database};
  auto blank = vol_bar(day("2021-01-05"), 0);
  blank.implied_vol_30d_close.reset();
  blank.close = price("10");
  ok(daily.upsert("SPX", std::vector{vol_bar(day("2021-01-04"), 0.2), blank}, soon()));
  const auto stored = all(daily, DailyOrigin::broker);
  EXPECT_EQ(stored[1].iv_rank, std::nullopt);
  EXPECT_EQ(stored[1].iv_percentile, std::nullopt);
  EXPECT_EQ(stored[1].iv_rank_n, 0);
}

TEST(Daily, BarsOfSeveralKindsMeetInOneRowAndOursStaysApart) {
  auto database = migrated();
  Daily daily{database};
  auto own = vol_bar(day("2021-01-04"), 0.9);
  own.origin = DailyOrigin::snapshots;
  auto price_bar = vol_bar(day("2021-01-04"), 0);
  price_bar.implied_vol_30d_close.reset();
  price_bar.close = price("3700.65");
  ok(daily.upsert("SPX", std::vector{own, vol_bar(day("2021-01-04"), 0.25)}, soon()));
  ok(daily.upsert("SPX", std::vector{price_bar}, soon()));
  const auto broker = all(daily, DailyOrigin::broker);
  ASSERT_EQ(broker.size(), 1U);
  EXPECT_EQ(broker[0].implied_vol_30d_close, 0.25);
  EXPECT_EQ(broker[0].close, price("3700.65"));
  EXPECT_THAT(all(daily, DailyOrigin::snapshots), ::testing::ElementsAre(own));
}

TEST(Daily, SimulatedNumbersNeverMixWithRealOnes) {
  auto database = migrated();
  Daily daily{database};
  auto simulated = vol_bar(day("2021-01-04"), 0.5, "simulated");
  simulated.close = price("100");
  ok(daily.upsert("SPX", std::vector{simulated, vol_bar(day("2021-01-05"), 0.6, "simulated")},
                  soon()));
  ok(daily.upsert("SPX", std::vector{vol_bar(day("2021-01-04"), 0.2)}, soon()));
  const auto stored = all(daily, DailyOrigin::broker);
  EXPECT_EQ(stored[0].source, "live");
  EXPECT_EQ(stored[0].close, std::nullopt);  // the simulated price went with the simulated day
  EXPECT_EQ(stored[1].iv_rank_n, 0);
}

TEST(Daily, WhatCannotBeADayIsRefusedAndNothingIsEntered) {
  auto database = migrated();
  Daily daily{database};
  const auto good = vol_bar(day("2021-01-04"), 0.2);
  const auto refused = [&](std::string_view underlying, std::vector<UnderlyingDay> days) {
    const auto entered = daily.upsert(underlying, days, soon());
    ASSERT_FALSE(entered);
    EXPECT_EQ(entered.error().code, Errc::invalid_input) << entered.error().message;
  };
  refused("not a symbol; --", {good});
  refused("SPX", {good, good});
  refused("SPX", {good, vol_bar(day("2021-01-05"), std::numeric_limits<double>::quiet_NaN())});
  refused("SPX", {good, vol_bar(day("2021-01-05"), 0.2, "")});
  refused("SPX", {good, vol_bar(day("1969-12-31"), 0.2)});
  EXPECT_THAT(all(daily, DailyOrigin::broker), ::testing::IsEmpty());
  EXPECT_EQ(ok(daily.upsert("SPX", {}, soon())), 0);
}

}  // namespace
}  // namespace bifrost::store
