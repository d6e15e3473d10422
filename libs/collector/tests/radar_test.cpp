// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/radar.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/chain_file.hpp"
#include "durable_support.hpp"
#include "shared_data.hpp"
#include "stationary_market.hpp"

namespace bifrost::collector {
namespace {

using namespace testing;
using core::Date;
using core::Instant;
using store::ChangeKind;
using store::RunStatus;
using namespace std::chrono_literals;

/// What the collector does with the snapshots of one underlying, without a gateway.
class Desk {
 public:
  explicit Desk(RadarOptions options) : options_(options), database_(made()), history_(database_) {
    restart();
  }

  void restart() {
    radar_.emplace(options_, database_, history_);
    before_.reset();
    if (const auto stored = history_.chain("SIM", {}, soon())) before_ = *stored;
  }

  /// Between the cycles: until nothing is left to do.
  void rest(const std::string& underlying, Date day) {
    while (ok(radar_->prepare(underlying, day, soon()))) {
    }
  }

  void collect(core::ChainSnapshot snapshot, RunStatus status = RunStatus::complete) {
    store::CycleRecord record;
    record.snapshot = std::move(snapshot);
    record.status = status;
    if (status == RunStatus::partial) record.reason = "test";
    record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
    record.interval = options_.interval;
    ok(radar_->describe(record, before_ ? &before_->snapshot : nullptr,
                        before_ && reached_all(before_->run), soon()));
    ASSERT_TRUE(ok(history_.append(record, soon())).stored);
    cycles_.push_back(record.snapshot.as_of);
    before_.emplace();
    before_->run.status = status;
    before_->run.expected = record.expected;
    before_->run.received = static_cast<std::int64_t>(record.snapshot.quotes.size());
    before_->snapshot = std::move(record.snapshot);
  }

  std::vector<store::Change> stored(const std::string& underlying, Instant as_of) {
    std::vector<store::Change> changes;
    for (auto& one :
         ok(history_.changes(underlying, as_of, as_of, std::nullopt, 1'000'000, soon()))) {
      changes.push_back(std::move(one.change));
    }
    std::ranges::sort(changes, [](const auto& a, const auto& b) {
      return std::tie(a.contract, a.kind) < std::tie(b.contract, b.kind);
    });
    return changes;
  }

  /// Invariant I6 for every cycle so far; gives the number of changes that were checked.
  std::size_t check_again(const std::string& underlying) {
    std::size_t checked = 0;
    for (const Instant as_of : cycles_) {
      const auto again =
          ok(changes_again(database_, history_, options_, underlying, as_of, soon()));
      const auto kept = stored(underlying, as_of);
      EXPECT_EQ(again, kept) << core::to_iso(as_of);
      checked += kept.size();
    }
    return checked;
  }

  store::History& history() { return history_; }
  store::Database& database() { return database_; }
  Radar& radar() { return *radar_; }
  const std::optional<store::StoredChain>& before() const { return before_; }

 private:
  static store::Database made() {
    static int last = 0;
    return ok(store::Database::open(
        shared_server().make_database("radar_" + std::to_string(++last)), soon()));
  }

  RadarOptions options_;
  store::Database database_;
  store::History history_;
  std::optional<Radar> radar_;
  std::optional<store::StoredChain> before_;
  std::vector<Instant> cycles_;
};

std::vector<core::ChainSnapshot> snapshots_of(const std::filesystem::path& file) {
  auto reader = ok(core::ChainFileReader::open(file));
  std::vector<core::ChainSnapshot> snapshots;
  while (auto next = ok(reader.next())) {
    auto* row = std::get_if<core::ChainFileRow>(&*next);
    if (row == nullptr) continue;
    if (snapshots.empty() || snapshots.back().as_of != row->quote_ts) {
      snapshots.push_back(
          {row->contract.underlying, row->quote_ts, row->underlying_price, core::Source::live, {}});
    }
    snapshots.back().quotes.push_back({row->contract, row->quote});
  }
  return snapshots;
}

TEST(Radar, FindsInRealQuotesWhatTheHistoryFindsAgain) {
  for (const auto* file :
       {"a_clear/twx_2014_06_05_06_5min.csv.gz", "a_clear/spx_2021_01_04_5min.csv.gz"}) {
    const auto path = shared_data(file);
    if (!path) GTEST_SKIP() << file << " is not on this machine";
    Desk desk{{}};
    const auto snapshots = snapshots_of(*path);
    ASSERT_GE(snapshots.size(), 78u);
    const auto& underlying = snapshots.front().underlying;
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      if (i % 50 == 49) desk.radar().forget(underlying);
      // Every seventh is called partial, so that both kinds of ledger rows take part.
      desk.collect(snapshots[i], i % 7 == 3 ? RunStatus::partial : RunStatus::complete);
    }
    EXPECT_GT(desk.check_again(underlying), 30u) << file;
    // The next day has the sketches of these days to build on, made of what is stored.
    const Date after = core::next_trading_day(core::exchange_time(snapshots.back().as_of).date);
    desk.rest(underlying, after);
    store::Baselines baselines{desk.database(), 300s};
    const auto days = ok(baselines.sketched_days(underlying, after, 10, soon()));
    EXPECT_EQ(days.size(), snapshots.size() / 78) << file;
    for (const auto& sketch : ok(baselines.sketches(underlying, days, soon()))) {
      EXPECT_EQ(ok(sketch_again(desk.history(), baselines, underlying, sketch.day, sketch.cycles,
                                sketch.earlier, 300s, soon()))
                    .encode(),
                sketch.bytes);
    }
  }
}

TEST(Radar, SeesASplitAsOldContractsGoneAndNewOnesCome) {
  const auto path = shared_data("a_clear/aapl_2014_06_06_and_09_hourly.csv.gz");
  if (!path) GTEST_SKIP() << "a_clear/aapl_2014_06_06_and_09_hourly.csv.gz is not on this machine";
  RadarOptions options;
  options.interval = 3600s;
  Desk desk{options};
  const auto snapshots = snapshots_of(*path);
  for (const auto& snapshot : snapshots) desk.collect(snapshot);
  const auto monday = std::ranges::find_if(snapshots, [](const auto& s) {
    return core::exchange_time(s.as_of).date == core::parse_date("2014-06-09").value();
  });
  ASSERT_NE(monday, snapshots.end());
  std::set<core::OptionContract> old_ones;
  std::set<core::OptionContract> new_ones;
  for (const auto& q : (monday - 1)->quotes) old_ones.insert(q.contract);
  for (const auto& q : monday->quotes) new_ones.insert(q.contract);
  std::map<ChangeKind, std::size_t> found;
  for (const auto& change : desk.stored("AAPL", monday->as_of)) {
    ++found[change.kind];
    if (change.kind == ChangeKind::new_contract) {
      EXPECT_FALSE(old_ones.contains(change.contract));
    } else if (change.kind == ChangeKind::vanished || change.kind == ChangeKind::expired) {
      EXPECT_FALSE(new_ones.contains(change.contract));
      EXPECT_TRUE(old_ones.contains(change.contract));
    }
  }
  std::vector<core::OptionContract> kept;
  std::ranges::set_intersection(old_ones, new_ones, std::back_inserter(kept));
  EXPECT_EQ(found[ChangeKind::new_contract], new_ones.size() - kept.size());
  EXPECT_EQ(found[ChangeKind::vanished] + found[ChangeKind::expired],
            old_ones.size() - kept.size());
  EXPECT_GT(found[ChangeKind::vanished], 1'000u);
  EXPECT_GT(found[ChangeKind::expired], 100u);  // those of Friday
  EXPECT_GT(desk.check_again("AAPL"), 2'000u);
}

constexpr auto half_hour = 1800s;

RadarOptions simulated_options() {
  RadarOptions options;
  options.interval = half_hour;
  options.alerts_per_day = 40;
  options.thresholds.volume = 200;
  return options;
}

/// Days of a simulated market, one snapshot each half hour, until a day; rests every night.
struct SimulatedDays {
  Desk desk{simulated_options()};
  StationaryMarket market{60, 21};
  Date day{std::chrono::year{2026} / 9 / 1};
  std::function<void(core::ChainSnapshot&)> tamper = nullptr;
  int turn = 0;

  void live(int days, int restart_every = 0) {
    for (int d = 0; d < days; ++d) {
      desk.rest("SIM", day);
      bool first = true;
      for (const Instant cycle : cycles_of(day, half_hour)) {
        auto snapshot = market.snapshot(cycle, first, 1);
        first = false;
        if (tamper) tamper(snapshot);
        if (restart_every > 0 && ++turn % restart_every == 0) desk.restart();
        desk.collect(std::move(snapshot));
      }
      day = core::next_trading_day(day);
    }
  }
};

TEST(Radar, ScoresAreTheSameAfterRestartsAndAgainFromTheHistory) {
  SimulatedDays world;
  world.live(6);
  // Restarts at every fifth cycle of the days that have a baseline.
  world.live(3, 5);
  EXPECT_GT(world.desk.check_again("SIM"), 100u);
  int scored = 0;
  int alerts = 0;
  for (const auto& one : ok(world.desk.history().changes("SIM", Instant::min(), Instant::max(),
                                                         std::nullopt, 1'000'000, soon()))) {
    if (one.change.score) {
      ++scored;
      EXPECT_GT(one.as_of, Instant{Date{std::chrono::year{2026} / 9 / 9}});
      EXPECT_TRUE(one.change.false_alarm_rate);
    }
    if (one.change.alert()) ++alerts;
  }
  EXPECT_GT(scored, 50);
  EXPECT_GT(alerts, 10);
}

TEST(Radar, ABaselineInForceIsKeptWhateverIsLearnedLater) {
  SimulatedDays world;
  world.live(7);
  world.desk.rest("SIM", world.day);
  // The day begins with the days learned so far ...
  const auto cycles = cycles_of(world.day, half_hour);
  world.desk.collect(world.market.snapshot(cycles[0], true, 1));
  store::Baselines baselines{world.desk.database(), half_hour};
  const auto in_force = ok(baselines.baseline("SIM", world.day, soon()));
  ASSERT_TRUE(in_force);
  EXPECT_EQ(in_force->in_force_from, cycles[0]);
  EXPECT_EQ(in_force->days.size(), 7u);
  // ... and another, from an import say, changes nothing about it, nor does another budget.
  ASSERT_TRUE(ok(baselines.add_sketch(
      "SIM", {Date{std::chrono::year{2026} / 8 / 31}, {}, {}, DaySketch{}.encode()}, soon())));
  auto other = simulated_options();
  other.alerts_per_day = 400;
  Radar second{other, world.desk.database(), world.desk.history()};
  store::CycleRecord record;
  record.snapshot = world.market.snapshot(cycles[1], false, 1);
  ok(second.describe(record, &world.desk.before()->snapshot, true, soon()));
  auto same = record;
  Radar first{simulated_options(), world.desk.database(), world.desk.history()};
  ok(first.describe(same, &world.desk.before()->snapshot, true, soon()));
  EXPECT_EQ(record.changes, same.changes);
  EXPECT_EQ(ok(baselines.baseline("SIM", world.day, soon())), in_force);
}

TEST(Radar, YesterdaysVolumeAlertIsAnsweredOnceByTodaysOpenInterest) {
  SimulatedDays world;
  world.live(7);
  const auto opened = world.desk.before()->snapshot.quotes[3].contract;
  const auto passed_on = world.desk.before()->snapshot.quotes[9].contract;
  const Date alarm = world.day;
  const auto at = cycles_of(alarm, half_hour)[6];
  world.tamper = [&](core::ChainSnapshot& s) {
    const bool next_day = core::exchange_time(s.as_of).date > alarm;
    for (auto& q : s.quotes) {
      if (q.contract != opened && q.contract != passed_on) continue;
      if (!next_day && s.as_of >= at) *q.quote.volume += 5'000;
      if (q.contract == opened && next_day) *q.quote.open_interest += 4'000;
      // Published late: the first snapshot of the day has none.
      if (q.contract == passed_on &&
          s.as_of == cycles_of(core::next_trading_day(alarm), half_hour)[0])
        q.quote.open_interest.reset();
    }
  };
  world.live(2, 3);
  const auto answers = ok(world.desk.history().changes(
      "SIM", Instant::min(), Instant::max(), ChangeKind::oi_confirmation, 1'000'000, soon()));
  std::map<core::OptionContract, int> times;
  for (const auto& [as_of, change] : answers) {
    ++times[change.contract];
    EXPECT_EQ(core::exchange_time(*change.refers_to).date,
              core::previous_trading_day(core::exchange_time(as_of).date));
    if (change.contract == opened && change.refers_to == at) {
      EXPECT_EQ(change.confirmed, true);
    }
    if (change.contract == passed_on && change.refers_to == at) {
      EXPECT_EQ(change.confirmed, false);
      EXPECT_EQ(as_of, cycles_of(core::next_trading_day(alarm), half_hour)[1]);
    }
  }
  EXPECT_THAT(answers, ::testing::Contains(::testing::Field(
                           &store::StoredChange::change,
                           ::testing::AllOf(::testing::Field(&store::Change::contract, opened),
                                            ::testing::Field(&store::Change::refers_to, at)))));
  EXPECT_THAT(answers, ::testing::Contains(::testing::Field(
                           &store::StoredChange::change,
                           ::testing::AllOf(::testing::Field(&store::Change::contract, passed_on),
                                            ::testing::Field(&store::Change::refers_to, at)))));
  EXPECT_GT(world.desk.check_again("SIM"), 100u);
}

TEST(Radar, AnUnreadableSketchIsLeftOut) {
  SimulatedDays world;
  world.live(7);
  store::Baselines baselines{world.desk.database(), half_hour};
  const Date broken{std::chrono::year{2026} / 8 / 31};
  ASSERT_TRUE(ok(baselines.add_sketch("SIM", {broken, {}, {}, "?"}, soon())));
  world.desk.rest("SIM", world.day);
  const auto cycles = cycles_of(world.day, half_hour);
  for (std::size_t i = 0; i < 3; ++i)
    world.desk.collect(world.market.snapshot(cycles[i], i == 0, 1));
  const auto in_force = ok(baselines.baseline("SIM", world.day, soon()));
  ASSERT_TRUE(in_force);
  EXPECT_THAT(in_force->days, ::testing::Contains(broken));
  EXPECT_GT(world.desk.check_again("SIM"), 0U);
}

TEST(Radar, ACycleThatWasNotDescribedHasNoChangesAgain) {
  SimulatedDays world;
  world.live(1);
  const auto cycles = cycles_of(world.day, half_hour);
  world.desk.collect(world.market.snapshot(cycles[0], true, 1));
  store::CycleRecord bare;
  bare.snapshot = world.market.snapshot(cycles[1], false, 1);
  bare.reason = reason::because(reason::not_described, "a test");
  bare.expected = static_cast<std::int64_t>(bare.snapshot.quotes.size());
  bare.interval = half_hour;
  ASSERT_TRUE(ok(world.desk.history().append(bare, soon())).stored);
  EXPECT_TRUE(ok(changes_again(world.desk.database(), world.desk.history(), simulated_options(),
                               "SIM", cycles[1], soon()))
                  .empty());
}

TEST(Radar, LeavesARecordAloneWhenTheHistoryDoesNotAnswer) {
  Desk desk{simulated_options()};
  StationaryMarket market{5, 1};
  store::CycleRecord record;
  record.snapshot =
      market.snapshot(cycles_of(Date{std::chrono::year{2026} / 9 / 1}, half_hour)[0], true, 1);
  const auto refused = desk.radar().describe(record, nullptr, false, core::after(-1s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::Errc::timeout);
  EXPECT_TRUE(record.changes.empty());
  EXPECT_FALSE(record.market_conditions);
  ok(desk.radar().describe(record, nullptr, false, soon()));
  EXPECT_TRUE(record.market_conditions);
}

}  // namespace
}  // namespace bifrost::collector
