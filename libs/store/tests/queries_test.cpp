// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/queries.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <map>
#include <random>

#include "pool.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Instant;

const auto ten = at("2021-01-04T15:00:00Z");

core::OptionContract contract(int strike, core::Right right = core::Right::call,
                              const std::string& underlying = "SPX") {
  return {underlying, underlying, day("2021-01-15"), core::Price::from_units(strike * 10'000LL),
          right,      100};
}

core::OptionQuote quote(const core::OptionContract& of, int value) {
  core::Quote quote;
  quote.bid = core::Price::from_units(value);
  quote.open_interest = value;
  return {of, quote};
}

/// A cycle in which every number is `value`.
CycleRecord cycle(Instant as_of, int value, std::vector<core::OptionContract> contracts,
                  const std::string& underlying = "SPX") {
  CycleRecord record;
  record.snapshot = {
      underlying, as_of, core::Price::from_units(value), core::Source::simulated, {}};
  for (const auto& one : contracts) record.snapshot.quotes.push_back(quote(one, value));
  record.expected = static_cast<std::int64_t>(contracts.size());
  return record;
}

/// What the history is meant to know of one cycle.
struct Knowledge {
  bool missed = false;
  int value = 0;    // of the snapshot
  int derived = 0;  // of the changes and conditions: those of the first snapshot
};
using World = std::map<Instant, Knowledge>;

/// Writes at random for a while: snapshots in any order, missed cycles, cycles that were missed and
/// came after all, corrections. Remembers what was known after each step, and when that was.
struct Chronicle {
  static constexpr int cycles = 40;
  static constexpr int steps = 160;
  std::vector<Instant> moments;
  std::vector<World> worlds;
  std::vector<core::OptionContract> contracts{contract(3700), contract(3700, core::Right::put)};

  explicit Chronicle(Database& database) {
    History history(database);
    Queries queries(database);
    std::mt19937 random(2021);
    World world;
    for (int step = 1; step <= steps; ++step) {
      const auto as_of = ten + static_cast<int>(random() % cycles) * 300s;
      const auto known = world.find(as_of);
      auto record = cycle(as_of, step, contracts);
      if (random() % 4 == 0) {
        record.status = RunStatus::partial;
        record.reason = "a test";
      }
      if (known == world.end() && random() % 2 == 0) {
        ok(history.mark_missed("SPX", std::array{as_of}, "no answer", 300s, soon()));
        world[as_of] = {true, 0, 0};
      } else if (known == world.end() || known->second.missed) {
        record.changes = {{contracts[0], ChangeKind::price_move, 0.0, step}};
        record.market_conditions = MarketConditions{.implied_vol_30d = step};
        EXPECT_TRUE(ok(history.append(record, soon())).stored);
        world[as_of] = {false, step, step};
      } else if (random() % 2 == 0) {
        ok(history.correct(record, soon()));
        known->second.value = step;
      } else {
        EXPECT_FALSE(ok(history.append(record, soon())).stored) << "a replay changes nothing";
      }
      moments.push_back(ok(queries.now(soon())));
      worlds.push_back(world);
    }
  }
};

int value_of(const core::Quote& quote) {
  return static_cast<int>(quote.bid->units());
}

// M9: canary rows from the future in 10,000 random reads: none is ever seen, and every answer is
// the one that was right at its time.
TEST(Queries, TenThousandReadsAsKnownAtAMomentSeeNothingFromTheFuture) {
  auto database = migrated();
  const Chronicle chronicle(database);
  // Snapshots that will be stored only tomorrow, between the others and over all their times.
  constexpr int canary = 6'666'666;
  run(database,
      "INSERT INTO collection_runs (underlying_id, as_of, status, source, received, refused, "
      "schema_rev, stored_at, underlying_price) SELECT 1, timestamptz '2021-01-04T15:02:30Z' + "
      "i * interval '5 minutes', 1, 'simulated', 1, 0, 1, now() + interval '1 day', 6666666"
      " FROM generate_series(0, 39) i");
  run(database,
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id, bid) SELECT r.as_of, 1, "
      "c.contract_id, 6666666 FROM collection_runs r, contracts c WHERE r.stored_at > now()");
  run(database,
      "INSERT INTO market_conditions (underlying_id, as_of, implied_vol_30d) SELECT 1, as_of, "
      "6666666 FROM collection_runs WHERE stored_at > now()");
  run(database,
      "INSERT INTO option_changes (as_of, underlying_id, contract_id, kind, previous, current) "
      "SELECT as_of, 1, 1, 1, 0, 6666666 FROM collection_runs WHERE stored_at > now()");

  Queries queries(database);
  std::mt19937 random(9);
  int found = 0;
  int from_the_future = 0;
  for (int read = 0; read < 10'000; ++read) {
    const auto k = random() % chronicle.moments.size();
    const auto known_at = chronicle.moments[k];
    const auto& world = chronicle.worlds[k];
    const auto from = ten + static_cast<int>(random() % (Chronicle::cycles * 2)) * 150s;
    const auto to = from + static_cast<int>(random() % 8) * 150s;
    const auto look = [&](int value) {
      ++found;
      if (value == canary || value > static_cast<int>(k) + 1) ++from_the_future;
    };
    const auto kind = read % 8;
    if (kind < 4) {
      const auto chain = queries.chain("SPX", {.at = from}, known_at, soon());
      auto expected = world.upper_bound(from);
      while (expected != world.begin() && std::prev(expected)->second.missed) --expected;
      if (expected == world.begin()) {
        ASSERT_FALSE(chain);
        ASSERT_EQ(chain.error().code, Errc::not_found);
        continue;
      }
      --expected;
      ASSERT_TRUE(chain) << chain.error().message;
      ASSERT_EQ(chain->run.as_of, expected->first);
      ASSERT_LE(chain->run.stored_at, known_at);
      ASSERT_EQ(chain->snapshot.quotes.size(), 2U);
      ASSERT_EQ(value_of(chain->snapshot.quotes[0].quote), expected->second.value);
      ASSERT_EQ(chain->snapshot.underlying_price->units(), expected->second.value);
      look(value_of(chain->snapshot.quotes[1].quote));
    } else if (kind < 6) {
      const auto series =
          ok(queries.contract_series(chronicle.contracts[0], from, to, known_at, soon()));
      std::vector<std::pair<Instant, int>> expected;
      for (auto it = world.lower_bound(from); it != world.end() && it->first <= to; ++it) {
        if (!it->second.missed) expected.emplace_back(it->first, it->second.value);
      }
      std::vector<std::pair<Instant, int>> got;
      for (const auto& point : series.points) {
        got.emplace_back(point.as_of, value_of(point.quote));
        look(value_of(point.quote));
      }
      ASSERT_EQ(got, expected);
      for (const auto& gap : series.gaps) {
        ASSERT_NE(gap.status, RunStatus::complete);
        ASSERT_EQ(gap.status == RunStatus::missed, world.at(gap.as_of).missed);
      }
    } else if (kind == 6) {
      const auto series = ok(queries.conditions_series("SPX", from, to, known_at, soon()));
      std::vector<int> expected;
      for (auto it = world.lower_bound(from); it != world.end() && it->first <= to; ++it) {
        if (!it->second.missed) expected.push_back(it->second.derived);
      }
      std::vector<int> got;
      for (const auto& point : series.points) {
        got.push_back(static_cast<int>(point.conditions.implied_vol_30d.value()));
        look(got.back());
      }
      ASSERT_EQ(got, expected);
    } else {
      const auto changes = ok(
          queries.largest_changes({.underlying = "SPX", .from = from, .to = to}, known_at, soon()));
      std::vector<int> expected;
      for (auto it = world.lower_bound(from); it != world.end() && it->first <= to; ++it) {
        if (!it->second.missed) expected.push_back(it->second.derived);
      }
      std::ranges::sort(expected, std::greater{});
      std::vector<int> got;
      for (const auto& change : changes) {
        got.push_back(static_cast<int>(change.change.current.value()));
        look(got.back());
      }
      ASSERT_EQ(got, expected);
    }
  }
  EXPECT_EQ(from_the_future, 0);
  EXPECT_GT(found, 8'000) << "too little was there to be found: nothing was tested";
}

TEST(Queries, AMissedCycleThatCameAfterAllReadsAsMissedForWhoeverAsksWhatWasKnownBefore) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  ok(history.append(cycle(ten, 1, {contract(3700)}), soon()));
  ok(history.mark_missed("SPX", std::array{ten + 300s}, "gateway not available", 300s, soon()));
  const auto before = ok(queries.now(soon()));
  const auto then = ok(queries.runs("SPX", ten, ten + 300s, before, soon()));
  ok(history.append(cycle(ten + 300s, 2, {contract(3700)}), soon()));
  const auto after = ok(queries.now(soon()));

  EXPECT_EQ(ok(queries.runs("SPX", ten, ten + 300s, before, soon())), then);
  EXPECT_EQ(then.at(1).status, RunStatus::missed);
  EXPECT_EQ(then.at(1).reason, "gateway not available");
  EXPECT_EQ(ok(queries.chain("SPX", {.at = ten + 300s}, before, soon())).run.as_of, ten);
  const auto now = ok(queries.runs("SPX", ten, ten + 300s, after, soon()));
  EXPECT_EQ(now.at(1).status, RunStatus::complete);
  EXPECT_GT(now.at(1).stored_at, before);
  EXPECT_EQ(ok(queries.runs("SPX", ten, ten + 300s, std::nullopt, soon())), now);
  EXPECT_EQ(ok(history.runs("SPX", ten, ten + 300s, soon())), now);
}

TEST(Queries, ACorrectionIsWhatIsKnownNowAndTheOldNumbersAreWhatWasKnownThen) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  EXPECT_EQ(history.correct(cycle(ten, 1, {contract(3700)}), soon()).error().code, Errc::not_found);
  ok(history.append(cycle(ten, 1, {contract(3700), contract(3800)}), soon()));
  const auto before = ok(queries.now(soon()));
  auto better = cycle(ten, 2, {contract(3700), contract(3900)});
  better.status = RunStatus::partial;
  better.reason = "corrected by the vendor";
  EXPECT_EQ(ok(history.correct(better, soon())).rows, 2);

  const auto old_chain = ok(queries.chain("SPX", {}, before, soon()));
  ASSERT_EQ(old_chain.snapshot.quotes.size(), 2U);
  EXPECT_EQ(old_chain.snapshot.quotes[1], quote(contract(3800), 1));
  EXPECT_EQ(old_chain.run.status, RunStatus::complete);
  EXPECT_EQ(
      ok(queries.chain("SPX", {.trading_class = "NDX"}, before, soon())).snapshot.quotes.size(),
      0U);
  const auto new_chain = ok(queries.chain("SPX", {}, std::nullopt, soon()));
  EXPECT_EQ(new_chain.snapshot.quotes, better.snapshot.quotes);
  EXPECT_EQ(new_chain.run.reason, "corrected by the vendor");
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes, better.snapshot.quotes);
  EXPECT_TRUE(ok(queries.contract_series(contract(3900), ten, ten, before, soon())).points.empty());
  EXPECT_EQ(
      ok(queries.contract_series(contract(3800), ten, ten, before, soon())).points.at(0).quote,
      quote(contract(3800), 1).quote);
}

TEST(Queries, WhatWillBeKnownCannotBeAskedYet) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  ok(history.append(cycle(ten, 1, {contract(3700)}), soon()));
  const auto later = ok(queries.now(soon())) + 1h;
  EXPECT_EQ(queries.chain("SPX", {}, later, soon()).error().code, Errc::invalid_input);
  EXPECT_EQ(queries.top_open_interest_changes(day("2021-01-04"), 5, later, soon()).error().code,
            Errc::invalid_input);
}

TEST(Queries, AWriterAtWorkIsWaitedForSoThatTheAnswerCannotChangeAfterwards) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  ok(history.append(cycle(ten, 1, {contract(3700)}), soon()));
  auto writer = ok(database.pool().lease(soon()));
  ok(writer->run("BEGIN; SELECT pg_advisory_xact_lock(1651859713, 1)", soon()));
  ok(
      writer->run("INSERT INTO collection_runs (underlying_id, as_of, status, source, received,"
                  " refused, schema_rev) VALUES (1, '2021-01-04T15:05:00Z', 1, 'live', 0, 0, 1)",
                  soon()));
  // The row has its stored_at and is not to be seen yet.
  const auto known_at = ok(queries.now(soon()));
  auto reader =
      std::async(std::launch::async, [&] { return queries.chain("SPX", {}, known_at, soon()); });
  for (bool waits = false; !waits;) {
    const auto connection = ok(database.pool().lease(soon()));
    waits = ok(connection->query("SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON "
                                 "d.oid = l.database WHERE d.datname = current_database() AND "
                                 "l.locktype = 'advisory' AND NOT l.granted)",
                                 soon()))
                .boolean(0, 0);
  }
  ok(writer->run("COMMIT", soon()));
  EXPECT_EQ(ok(reader.get()).run.as_of, ten + 300s);
  EXPECT_EQ(ok(queries.chain("SPX", {}, known_at, soon())).run.as_of, ten + 300s);
}

TEST(Queries, TwoInstantsAreComparedContractByContract) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  auto first = cycle(ten, 1, {contract(3600), contract(3700), contract(3800)});
  first.snapshot.quotes[0].quote.observed_at = ten;
  auto second = cycle(ten + 300s, 1, {contract(3600), contract(3700), contract(3900)});
  second.snapshot.quotes[0].quote.observed_at = ten + 299s;
  second.snapshot.quotes[1].quote.bid = price("7");
  ok(history.append(first, soon()));
  ok(history.append(second, soon()));
  const auto diff = ok(queries.diff("SPX", ten + 10s, ten + 300s, std::nullopt, soon()));
  EXPECT_EQ(diff.before.as_of, ten);
  EXPECT_EQ(diff.after.as_of, ten + 300s);
  EXPECT_EQ(diff.unchanged, 1) << "observed later, the same in every value";
  ASSERT_EQ(diff.contracts.size(), 3U);
  EXPECT_EQ(diff.contracts[0].contract, contract(3700));
  EXPECT_EQ(diff.contracts[0].before->bid, core::Price::from_units(1));
  EXPECT_EQ(diff.contracts[0].after->bid, price("7"));
  EXPECT_EQ(diff.contracts[1].contract, contract(3800));
  EXPECT_FALSE(diff.contracts[1].after);
  EXPECT_EQ(diff.contracts[2].contract, contract(3900));
  EXPECT_FALSE(diff.contracts[2].before);
  EXPECT_EQ(queries.diff("SPX", ten - 1s, ten, std::nullopt, soon()).error().code, Errc::not_found);
}

TEST(Queries, ASeriesSaysWhereItHasHoles) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  ok(history.append(cycle(ten, 1, {contract(3700)}), soon()));
  ok(history.mark_missed("SPX", std::array{ten + 300s}, "gateway not available", 300s, soon()));
  auto half = cycle(ten + 600s, 2, {contract(3800)});
  half.status = RunStatus::partial;
  half.reason = "no lines left";
  ok(history.append(half, soon()));
  ok(history.append(cycle(ten + 900s, 3, {contract(3700)}), soon()));
  const auto series =
      ok(queries.contract_series(contract(3700), ten, ten + 900s, std::nullopt, soon()));
  ASSERT_EQ(series.points.size(), 2U);
  EXPECT_EQ(series.points[1].as_of, ten + 900s);
  ASSERT_EQ(series.gaps.size(), 2U);
  EXPECT_EQ(series.gaps[0].as_of, ten + 300s);
  EXPECT_EQ(series.gaps[0].reason, "gateway not available");
  EXPECT_EQ(series.gaps[1].status, RunStatus::partial);
  const auto conditions =
      ok(queries.conditions_series("SPX", ten, ten + 900s, std::nullopt, soon()));
  EXPECT_TRUE(conditions.points.empty());
  EXPECT_EQ(conditions.gaps, series.gaps);
  EXPECT_EQ(ok(queries.contract_series(contract(1), ten, ten + 900s, std::nullopt, soon())).gaps,
            series.gaps);
}

TEST(Queries, ChangesComeBySizeOverTheWholeMarket) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  auto spx = cycle(ten, 1, {contract(3700)});
  spx.changes = {{contract(3700), ChangeKind::price_move, 10.0, 7.0},
                 {contract(3700), ChangeKind::volume, 0.0, 500.0},
                 {contract(3800), ChangeKind::new_contract, {}, {}}};
  const auto other = contract(12'700, core::Right::put, "NDX");
  auto ndx = cycle(ten + 300s, 1, {other}, "NDX");
  ndx.changes = {{other, ChangeKind::price_move, 1.0, 6.0}};
  ok(history.append(std::vector{spx, ndx}, soon()));
  using Filter = ChangeFilter;
  const auto sizes = [&](const Filter& filter) {
    std::vector<double> found;
    for (const auto& change : ok(queries.largest_changes(filter, std::nullopt, soon()))) {
      found.push_back(
          std::abs(change.change.current.value_or(0) - change.change.previous.value_or(0)));
    }
    return found;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(sizes({}), ElementsAre(500, 5, 3, 0));
  EXPECT_THAT(sizes({.kind = ChangeKind::price_move}), ElementsAre(5, 3));
  EXPECT_THAT(sizes({.underlying = "SPX", .kind = ChangeKind::price_move}), ElementsAre(3));
  EXPECT_THAT(sizes({.at_least = 4}), ElementsAre(500, 5));
  EXPECT_THAT(sizes({.at_least = 4, .limit = 1}), ElementsAre(500));
  EXPECT_THAT(sizes({.from = ten + 1s}), ElementsAre(5));
  EXPECT_THAT(sizes({.underlying = "nobody"}), ElementsAre());
  EXPECT_EQ(ok(queries.largest_changes({.kind = ChangeKind::price_move}, std::nullopt, soon()))
                .at(0)
                .change.contract,
            other);
  EXPECT_EQ(queries.largest_changes({.at_least = -1}, std::nullopt, soon()).error().code,
            Errc::invalid_input);
}

TEST(Queries, TheLargestOpenInterestChangesOfADayAreThoseFromTheLastSnapshotOfTheDayBefore) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  const auto with_interest = [](Instant as_of, std::vector<std::pair<int, std::int64_t>> interest,
                                const std::string& underlying = "SPX") {
    CycleRecord record;
    record.snapshot = {underlying, as_of, std::nullopt, core::Source::live, {}};
    for (const auto& [strike, count] : interest) {
      auto one = quote(contract(strike, core::Right::call, underlying), 1);
      one.quote.open_interest = count < 0 ? std::nullopt : std::optional(count);
      record.snapshot.quotes.push_back(one);
    }
    return record;
  };
  const auto friday = ten - 72h;
  ok(history.append(
      std::vector{with_interest(friday, {{3700, 1}, {3800, 1}}),
                  with_interest(friday + 300s, {{3700, 100}, {3800, 50}, {3900, -1}, {4000, 9}}),
                  with_interest(friday, {{100, 10'000}}, "NDX"), with_interest(ten, {{3700, 500}}),
                  with_interest(ten + 300s, {{3700, 90}, {3800, 250}, {3900, 7}, {4000, 9}}),
                  with_interest(ten, {{100, 4'000}}, "NDX"), with_interest(ten, {{5, 5}}, "RUT"),
                  with_interest(ten + 24h, {{3700, 1'000'000}})},
      soon()));
  const auto top =
      ok(queries.top_open_interest_changes(day("2021-01-04"), 10, std::nullopt, soon()));
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].contract.underlying, "NDX");
  EXPECT_EQ(top[0].before, 10'000);
  EXPECT_EQ(top[0].now, 4'000);
  EXPECT_EQ(top[0].before_as_of, friday);
  EXPECT_EQ(top[1].contract, contract(3800));
  EXPECT_EQ(top[1].now - top[1].before, 200);
  EXPECT_EQ(top[1].before_as_of, friday + 300s);
  EXPECT_EQ(top[1].as_of, ten + 300s);
  EXPECT_EQ(top[2].now - top[2].before, -10);
  EXPECT_EQ(
      ok(queries.top_open_interest_changes(day("2021-01-04"), 1, std::nullopt, soon())).size(), 1U);

  // As known before a correction of either day.
  const auto before = ok(queries.now(soon()));
  ok(history.correct(with_interest(ten, {{100, 10'000}}, "NDX"), soon()));
  const auto still = ok(queries.top_open_interest_changes(day("2021-01-04"), 10, before, soon()));
  ASSERT_EQ(still.size(), 3U);
  EXPECT_EQ(still[0].now, 4'000);
  EXPECT_EQ(
      ok(queries.top_open_interest_changes(day("2021-01-04"), 10, std::nullopt, soon())).size(),
      2U);
}

TEST(Queries, RankOfTheImpliedVolIsReadForManyUnderlyingsAtOnce) {
  auto database = migrated();
  Daily daily(database);
  Queries queries(database);
  const auto days_of = [](double shift, DailyOrigin origin) {
    std::vector<UnderlyingDay> days;
    for (int i = 0; i < 5; ++i) {
      UnderlyingDay one;
      one.day = day("2021-01-04") + std::chrono::days{i};
      one.origin = origin;
      if (i != 2) one.implied_vol_30d_close = 0.2 + shift * i;
      one.close = price("100");
      days.push_back(one);
    }
    return days;
  };
  ok(daily.upsert("SPX", days_of(0.01, DailyOrigin::snapshots), soon()));
  ok(daily.upsert("NDX", days_of(-0.01, DailyOrigin::snapshots), soon()));
  ok(daily.upsert("NDX", days_of(0.5, DailyOrigin::broker), soon()));
  const std::vector<std::string> wanted{"NDX", "nobody", "SPX"};
  const auto found = ok(queries.iv_rank_history(wanted, DailyOrigin::snapshots, day("2021-01-05"),
                                                day("2021-01-08"), soon()));
  ASSERT_EQ(found.size(), 6U) << "a day without an implied vol has no rank";
  EXPECT_EQ(found[0].underlying, 0U);
  EXPECT_EQ(found[3].underlying, 2U);
  // The same numbers as the days themselves have.
  const auto days = ok(daily.underlying_days("SPX", DailyOrigin::snapshots, day("2021-01-05"),
                                             day("2021-01-08"), soon()));
  std::size_t i = 3;
  for (const auto& one : days) {
    if (!one.implied_vol_30d_close) continue;
    EXPECT_EQ(found[i], (IvRankDay{2, one.day, *one.implied_vol_30d_close, one.iv_rank,
                                   one.iv_percentile, one.iv_rank_n}));
    ++i;
  }
  EXPECT_EQ(found.back().rank, 1.0) << "the highest of its year";
}

}  // namespace
}  // namespace bifrost::store
