// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/baseline.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <random>

#include "bifrost/collector/changes.hpp"
#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/calendar.hpp"
#include "stationary_market.hpp"

namespace bifrost::collector {
namespace {

using core::Price;
using namespace std::chrono_literals;

constexpr auto interval = 300s;

struct World {
  World(int contracts, unsigned seed) : market(contracts, seed) {}

  StationaryMarket market;
  core::Date day{std::chrono::year{2026} / 9 / 1};
  std::deque<DaySketch> sketches;
  std::optional<core::ChainSnapshot> before;
  std::function<void(core::ChainSnapshot&)> tamper = nullptr;

  /// One trading day; `see` is given what was found in each cycle.
  void live(double alerts_per_day,
            const std::function<void(core::Instant, const std::vector<store::Change>&)>& see) {
    const std::vector<DaySketch> window(sketches.begin(), sketches.end());
    const Baseline baseline{day, window, alerts_per_day};
    SketchBuilder builder{baseline, interval};
    bool first = true;
    const auto cycles = cycles_of(day, interval);
    for (std::size_t i = 0; i < cycles.size(); ++i) {
      const double busy = i < 6 || i >= 72 ? 3 : 1;
      auto now = market.snapshot(cycles[i], first, busy);
      first = false;
      if (tamper) tamper(now);
      if (before) {
        see(cycles[i], find_changes({*before, true, now, true, interval, {}, &baseline}));
        builder.add(*before, now);
      }
      before = std::move(now);
    }
    sketches.push_back(builder.finish());
    if (sketches.size() > window_days) sketches.pop_front();
    day = core::next_trading_day(day);
  }
};

TEST(Baseline, RaisesAsManyFalseAlarmsAsItSays) {
  World world{180, 7};
  const auto nothing = [](core::Instant, const auto& changes) {
    for (const auto& change : changes) EXPECT_FALSE(change.score);
  };
  for (int day = 0; day < 6; ++day) world.live(40, nothing);  // one day without ratios, five with
  for (int day = 0; day < 4; ++day) world.live(40, [](core::Instant, const auto&) {});
  constexpr int days = 15;
  int alerts = 0;
  std::map<store::ChangeKind, int> by_kind;
  for (int day = 0; day < days; ++day) {
    world.live(40, [&](core::Instant, const auto& changes) {
      for (const auto& change : changes) {
        if (!change.alert()) continue;
        ++alerts;
        ++by_kind[change.kind];
      }
    });
  }
  // Volume comes in whole numbers and open interest too, so their tails have steps and the true
  // rate lies somewhat below the stated one: the band is 0.75 to 1.1 times.
  const double per_day = static_cast<double>(alerts) / days;
  EXPECT_GE(per_day, 0.75 * 40);
  EXPECT_LE(per_day, 1.10 * 40);
  // Every kind has its share: 32 of the 4 x 7 + 4 cells, eight a kind or nearly.
  for (const auto kind : {store::ChangeKind::price_move, store::ChangeKind::iv_move,
                          store::ChangeKind::spread, store::ChangeKind::volume}) {
    EXPECT_GT(by_kind[kind], days * 40 / 8) << store::to_string(kind);
  }
  RecordProperty("alerts_per_day", std::to_string(per_day));
}

TEST(Baseline, FindsAPlantedJumpThatNoThresholdWouldFind) {
  World world{60, 11};
  for (int day = 0; day < 8; ++day) world.live(20, [](core::Instant, const auto&) {});
  const auto planted = cycles_of(world.day, interval)[40];
  const core::OptionContract target = world.before->quotes[7].contract;
  world.tamper = [&](core::ChainSnapshot& s) {
    if (s.as_of < planted) return;
    for (auto& option : s.quotes) {
      if (option.contract != target) continue;
      option.quote.implied_vol = *option.quote.implied_vol + 0.3;
      option.quote.volume = *option.quote.volume + 1'000;
    }
  };
  std::vector<store::ChangeKind> found;
  world.live(20, [&](core::Instant as_of, const auto& changes) {
    for (const auto& change : changes) {
      if (as_of == planted && change.contract == target && change.alert()) {
        found.push_back(change.kind);
        EXPECT_LE(*change.score, *change.false_alarm_rate);
      }
    }
  });
  EXPECT_EQ(found, (std::vector{store::ChangeKind::iv_move, store::ChangeKind::volume}));
}

TEST(Baseline, JudgesAtTheSameTimeOfDay) {
  World world{60, 3};
  for (int day = 0; day < 8; ++day) world.live(20, [](core::Instant, const auto&) {});
  const std::vector<DaySketch> window(world.sketches.begin(), world.sketches.end());
  const Baseline baseline{world.day, window, 20};
  // What is ordinary in the first half hour is rare at noon.
  const auto scale = *baseline.scale(0, nullptr, 2);
  const auto open = *baseline.judge(0, 1, 4 * scale, nullptr, 2);
  const auto noon = *baseline.judge(0, 4, 4 * scale, nullptr, 2);
  EXPECT_GT(open.score, 3 * noon.score);
}

TEST(Baseline, AContractsOwnScaleCountsAndAYoungOneTakesThatOfItsLike) {
  const core::Date day{std::chrono::year{2026} / 9 / 1};
  const core::OptionContract wild{"A", "A", day + std::chrono::days{30},
                                  Price::from_units(1'000'000)};
  DaySketch sketch;
  OwnSizes own;
  own.n[0] = 780;
  own.roots[0] = 780 * 2.0F;  // root of four
  sketch.contracts = {{wild, own}};
  sketch.by_bucket[3].n[0] = 7'800;
  sketch.by_bucket[3].roots[0] = 7'800 * 1.0;
  const Baseline baseline{day, std::span(&sketch, 1), 20};
  Baseline::Walk walk{&baseline};
  EXPECT_NEAR(*baseline.scale(0, walk.find(wild), 3), 4, 0.15);
  EXPECT_DOUBLE_EQ(*baseline.scale(0, nullptr, 3), 1);
  EXPECT_DOUBLE_EQ(*baseline.scale(0, nullptr, 5), 1);  // an empty bucket: that of all
  EXPECT_FALSE(baseline.scale(1, nullptr, 3));          // nobody ever saw such a move
  EXPECT_FALSE(baseline.scores());
  EXPECT_FALSE(baseline.judge(0, 3, 100, nullptr, 3));
}

TEST(Baseline, ForgetsContractsThatAreOver) {
  const core::Date day{std::chrono::year{2026} / 9 / 1};
  DaySketch sketch;
  OwnSizes own;
  own.n[0] = 1;
  const core::OptionContract over{"A", "A", day - std::chrono::days{2}, Price::from_units(1)};
  const core::OptionContract alive{"A", "A", day, Price::from_units(1)};
  sketch.contracts = {{over, own}, {alive, own}};
  const Baseline baseline{day, std::span(&sketch, 1), 20};
  Baseline::Walk walk{&baseline};
  EXPECT_EQ(walk.find(over), nullptr);
  EXPECT_NE(walk.find(alive), nullptr);
}

TEST(Baseline, ASimulatedMarketSaysNothingAboutARealOne) {
  const core::Date day{std::chrono::year{2026} / 9 / 1};
  DaySketch simulated;
  simulated.simulated = true;
  simulated.by_bucket[0].n[0] = 10;
  simulated.by_bucket[0].roots[0] = 10;
  DaySketch real;
  const std::vector sketches{simulated, real};
  const Baseline baseline{day, sketches, 20};
  EXPECT_FALSE(baseline.simulated());
  EXPECT_FALSE(baseline.scale(0, nullptr, 0));
  const std::vector other{real, simulated};
  EXPECT_TRUE(Baseline(day, other, 20).simulated());
}

TEST(Baseline, OnlyOrdinaryStepsAreCompared) {
  const auto at = [](std::string_view iso) {
    core::ChainSnapshot s;
    s.as_of = core::parse_instant(iso).value();
    return s;
  };
  const auto slot = [&](std::string_view from, std::string_view to) {
    return step_between(at(from), at(to), interval).slot;
  };
  EXPECT_EQ(slot("2014-06-05T13:35:00Z", "2014-06-05T13:40:00Z"), 1u);
  EXPECT_EQ(slot("2014-06-05T13:55:00Z", "2014-06-05T14:00:00Z"), 1u);
  EXPECT_EQ(slot("2014-06-05T14:00:00Z", "2014-06-05T14:05:00Z"), 2u);
  EXPECT_EQ(slot("2014-06-05T19:55:00Z", "2014-06-05T20:00:00Z"), 7u);
  EXPECT_EQ(slot("2014-06-05T13:35:00Z", "2014-06-05T13:45:00Z"), std::nullopt);  // one is missing
  EXPECT_EQ(slot("2014-06-05T20:00:00Z", "2014-06-06T13:35:00Z"), overnight);
  EXPECT_EQ(slot("2014-06-06T20:00:00Z", "2014-06-09T13:35:00Z"), overnight);  // a weekend
  EXPECT_EQ(slot("2014-06-05T20:00:00Z", "2014-06-09T13:35:00Z"), std::nullopt);
}

TEST(Sketch, ComesBackFromItsBytesAsItWent) {
  World world{20, 5};
  world.live(20, [](core::Instant, const auto&) {});
  world.live(20, [](core::Instant, const auto&) {});
  const auto& sketch = world.sketches.back();
  ASSERT_FALSE(sketch.tails.empty());
  ASSERT_EQ(sketch.contracts.size(), 20u);
  const auto bytes = sketch.encode();
  const auto again = DaySketch::decode(bytes, "SIM");
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, sketch);
  EXPECT_EQ(again->encode(), bytes);
  EXPECT_EQ(DaySketch{}, *DaySketch::decode(DaySketch{}.encode(), "SIM"));
}

TEST(Sketch, OfDamagedBytesIsAnErrorAndNothingElse) {
  World world{5, 5};
  world.live(20, [](core::Instant, const auto&) {});
  world.live(20, [](core::Instant, const auto&) {});
  const auto bytes = world.sketches.back().encode();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto cut = DaySketch::decode(std::string_view(bytes).substr(0, length), "SIM");
    ASSERT_FALSE(cut) << length;
    EXPECT_EQ(cut.error().code, core::Errc::corrupt_data);
  }
  EXPECT_FALSE(DaySketch::decode(bytes + "x", "SIM"));
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    auto damaged = bytes;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    if (const auto read = DaySketch::decode(damaged, "SIM"); !read) {
      EXPECT_EQ(read.error().code, core::Errc::corrupt_data);
    }
  }
}

}  // namespace
}  // namespace bifrost::collector
