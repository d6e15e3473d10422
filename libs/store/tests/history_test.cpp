// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/history.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "pool.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

core::OptionContract contract(const std::string& trading_class, const std::string& expiry,
                              const std::string& strike, core::Right right,
                              const std::string& underlying = "SPX") {
  return {underlying, trading_class, day(expiry), price(strike), right, 100};
}

core::OptionQuote full_quote(core::OptionContract of, core::Instant as_of) {
  core::Quote quote;
  quote.bid = price("59.2001");
  quote.ask = price("60.8");
  quote.last = price("0");
  quote.bid_size = 13;
  quote.ask_size = 0;
  quote.volume = 2'147'483'647;
  quote.open_interest = 1732;
  quote.implied_vol = 0.288041;
  quote.delta = -0.177983;
  quote.gamma = 0.00093712;
  quote.theta = -0.144701;
  quote.vega = 25.14701;
  quote.observed_at = as_of - 1234ms;
  return {std::move(of), quote};
}

CycleRecord cycle(const std::string& underlying, core::Instant as_of,
                  std::vector<core::OptionQuote> quotes) {
  CycleRecord record;
  record.snapshot = {underlying, as_of, price("3759.8"), core::Source::simulated,
                     std::move(quotes)};
  record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
  record.interval = 300s;
  record.started_at = as_of + 1s;
  record.finished_at = as_of + 20s;
  return record;
}

CycleRecord small_cycle(core::Instant as_of, const std::string& underlying = "SPX") {
  std::vector<core::OptionQuote> quotes;
  for (const auto* strike : {"3700", "3725.5"}) {
    for (const auto right : {core::Right::call, core::Right::put}) {
      quotes.push_back(
          full_quote(contract("SPXW", "2021-01-04", strike, right, underlying), as_of));
    }
  }
  return cycle(underlying, as_of, std::move(quotes));
}

std::int64_t count(Database& database, const std::string& table) {
  return number(database, "SELECT count(*) FROM " + table);
}

const auto ten = at("2021-01-04T15:00:00Z");

TEST(History, EveryFieldOfAQuoteComesBackAsItWent) {
  auto database = migrated();
  History history(database);
  const auto record = small_cycle(ten);
  const auto appended = ok(history.append(record, soon()));
  EXPECT_TRUE(appended.stored);
  EXPECT_EQ(appended.rows, 4);
  EXPECT_EQ(appended.dropped, 0);

  const auto chain = ok(history.chain("SPX", {}, soon()));
  EXPECT_EQ(chain.snapshot.quotes, record.snapshot.quotes);
  EXPECT_EQ(chain.snapshot.underlying, "SPX");
  EXPECT_EQ(chain.snapshot.as_of, ten);
  EXPECT_EQ(chain.snapshot.underlying_price, price("3759.8"));
  EXPECT_EQ(chain.snapshot.source, core::Source::simulated);
  EXPECT_EQ(chain.run.status, RunStatus::complete);
  EXPECT_EQ(chain.run.expected, 4);
  EXPECT_EQ(chain.run.received, 4);
  EXPECT_EQ(chain.run.interval, 300s);
  EXPECT_EQ(chain.run.started_at, ten + 1s);
  EXPECT_EQ(chain.run.finished_at, ten + 20s);
}

TEST(History, MissingStaysMissingAndZeroStaysZero) {
  auto database = migrated();
  History history(database);
  core::OptionQuote nothing{contract("SPX", "2021-01-15", "3700", core::Right::call), {}};
  core::OptionQuote zeros{contract("SPX", "2021-01-15", "3700", core::Right::put), {}};
  zeros.quote = {.bid = price("0"),
                 .ask = price("0"),
                 .last = price("0"),
                 .bid_size = 0,
                 .ask_size = 0,
                 .volume = 0,
                 .open_interest = 0,
                 .implied_vol = 0.0,
                 .delta = 0.0,
                 .gamma = 0.0,
                 .theta = 0.0,
                 .vega = 0.0,
                 .observed_at = ten};
  auto record = cycle("SPX", ten, {nothing, zeros});
  record.snapshot.underlying_price = std::nullopt;
  ok(history.append(record, soon()));
  const auto chain = ok(history.chain("SPX", {}, soon()));
  EXPECT_EQ(chain.snapshot.quotes, record.snapshot.quotes);
  EXPECT_EQ(chain.snapshot.underlying_price, std::nullopt);
}

TEST(History, ValuesBeyondTheirColumnBecomeMissingAndAreCounted) {
  auto database = migrated();
  History history(database);
  auto quote = full_quote(contract("SPX", "2021-01-15", "3700", core::Right::call), ten);
  quote.quote.implied_vol = std::numeric_limits<double>::quiet_NaN();
  quote.quote.gamma = 22;
  quote.quote.volume = 1LL << 31;
  ASSERT_EQ(ok(history.append(cycle("SPX", ten, {quote}), soon())).dropped, 3);
  const auto stored = ok(history.chain("SPX", {}, soon())).snapshot.quotes.at(0).quote;
  EXPECT_EQ(stored.implied_vol, std::nullopt);
  EXPECT_EQ(stored.gamma, std::nullopt);
  EXPECT_EQ(stored.volume, std::nullopt);
  EXPECT_EQ(stored.bid, quote.quote.bid);
}

TEST(History, AReplayedCycleWritesNothingAndSaysSo) {
  auto database = migrated();
  History history(database);
  auto record = small_cycle(ten);
  record.changes = {{record.snapshot.quotes[0].contract, ChangeKind::price_move, 1.5, 2.5}};
  record.market_conditions = MarketConditions{.implied_vol_30d = 0.2};
  ASSERT_TRUE(ok(history.append(record, soon())).stored);
  record.snapshot.quotes[0].quote.bid = price("1");
  const auto again = ok(history.append(record, soon()));
  EXPECT_FALSE(again.stored);
  EXPECT_EQ(again.rows, 0);
  EXPECT_EQ(count(database, "option_snapshots"), 4);
  EXPECT_EQ(count(database, "option_changes"), 1);
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes[0].quote.bid, price("59.2001"));
}

TEST(History, TwoWritersOfOneCycleLeaveOne) {
  auto database = migrated();
  History one(database);
  History other(database);
  constexpr int cycles = 20;
  std::array<int, 2> won{};
  const auto write = [&](History& history, int& wins) {
    for (int i = 0; i < cycles; ++i) {
      const auto appended = history.append(small_cycle(ten + i * 300s), soon());
      ASSERT_TRUE(appended) << appended.error().message;
      wins += appended->stored ? 1 : 0;
    }
  };
  std::thread second([&] { write(other, won[1]); });
  write(one, won[0]);
  second.join();
  EXPECT_EQ(won[0] + won[1], cycles);
  EXPECT_EQ(count(database, "option_snapshots"), 4 * cycles);
  EXPECT_EQ(count(database, "contracts"), 4);
}

TEST(History, ManyCyclesAreStoredTogetherOrNotAtAll) {
  auto database = migrated();
  History history(database);
  std::vector<CycleRecord> cycles{small_cycle(ten), small_cycle(ten + 300s),
                                  small_cycle(ten, "NDX")};
  cycles[1].snapshot.quotes.push_back(cycles[1].snapshot.quotes[0]);
  EXPECT_EQ(history.append(cycles, soon()).error().code, Errc::invalid_input);
  EXPECT_EQ(count(database, "collection_runs"), 0);
  cycles[1].snapshot.quotes.pop_back();
  const auto appended = ok(history.append(cycles, soon()));
  EXPECT_THAT(appended, ::testing::Each(::testing::Field(&Appended::stored, true)));
  EXPECT_EQ(count(database, "option_snapshots"), 12);
  cycles.push_back(small_cycle(ten + 600s));
  const auto more = ok(history.append(cycles, soon()));
  EXPECT_FALSE(more[0].stored);
  EXPECT_TRUE(more[3].stored);
}

TEST(History, WhatCannotBeAnIdentityIsRefused) {
  auto database = migrated();
  History history(database);
  const auto refused = [&](auto change) {
    auto record = small_cycle(ten);
    change(record);
    const auto appended = history.append(record, soon());
    return !appended && appended.error().code == Errc::invalid_input;
  };
  EXPECT_TRUE(refused([](CycleRecord& r) { r.snapshot.quotes[1] = r.snapshot.quotes[0]; }));
  EXPECT_TRUE(
      refused([](CycleRecord& r) { r.snapshot.quotes[0].contract.strike = price("1.0001"); }));
  EXPECT_TRUE(refused([](CycleRecord& r) { r.snapshot.quotes[0].contract.strike = price("-1"); }));
  EXPECT_TRUE(refused([](CycleRecord& r) { r.snapshot.quotes[0].contract.underlying = "NDX"; }));
  EXPECT_TRUE(refused([](CycleRecord& r) { r.snapshot.quotes[0].contract.multiplier = 0; }));
  EXPECT_TRUE(refused(
      [](CycleRecord& r) { r.snapshot.quotes[0].contract.trading_class = "'; DROP TABLE"; }));
  EXPECT_TRUE(refused([](CycleRecord& r) {
    r.snapshot.underlying = "X'); DROP TABLE contracts; --";
    for (auto& quote : r.snapshot.quotes) quote.contract.underlying = r.snapshot.underlying;
  }));
  EXPECT_TRUE(refused([](CycleRecord& r) { r.status = RunStatus::partial; }));
  EXPECT_TRUE(refused([](CycleRecord& r) { r.status = RunStatus::missed; }));
  EXPECT_TRUE(refused([](CycleRecord& r) { r.interval = 0s; }));
  EXPECT_TRUE(refused([](CycleRecord& r) {
    r.changes = {{r.snapshot.quotes[0].contract, ChangeKind::volume, 1, 2},
                 {r.snapshot.quotes[0].contract, ChangeKind::volume, 1, 3}};
  }));
  EXPECT_EQ(count(database, "collection_runs"), 0);
  EXPECT_EQ(count(database, "underlyings"), 0);
}

TEST(History, SqlInAQuestionIsOnlyANameNobodyHas) {
  auto database = migrated();
  History history(database);
  ok(history.append(small_cycle(ten), soon()));
  const std::string hostile = "SPX' OR '1'='1";
  EXPECT_EQ(history.chain(hostile, {}, soon()).error().code, Errc::not_found);
  EXPECT_TRUE(
      ok(history.runs(hostile, core::Instant::min(), core::Instant::max(), soon())).empty());
  EXPECT_TRUE(ok(history.chain("SPX", {.trading_class = "'; DROP TABLE contracts; --"}, soon()))
                  .snapshot.quotes.empty());
  EXPECT_EQ(count(database, "contracts"), 4);
}

TEST(History, TheChainAsOfAMomentIsTheLastThatWasKnown) {
  auto database = migrated();
  History history(database);
  for (int i = 0; i < 3; ++i) ok(history.append(small_cycle(ten + i * 300s), soon()));
  EXPECT_EQ(history.chain("SPX", {.at = ten - 1us}, soon()).error().code, Errc::not_found);
  EXPECT_EQ(ok(history.chain("SPX", {.at = ten}, soon())).run.as_of, ten);
  EXPECT_EQ(ok(history.chain("SPX", {.at = ten + 599s}, soon())).run.as_of, ten + 300s);
  EXPECT_EQ(ok(history.chain("SPX", {.at = ten + 100h}, soon())).run.as_of, ten + 600s);
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).run.as_of, ten + 600s);
}

TEST(History, AChainIsNarrowedByExpiryAndTradingClass) {
  auto database = migrated();
  History history(database);
  const auto morning = full_quote(contract("SPX", "2021-01-15", "3700", core::Right::call), ten);
  const auto evening = full_quote(contract("SPXW", "2021-01-15", "3700", core::Right::call), ten);
  const auto later = full_quote(contract("SPXW", "2021-01-22", "3700", core::Right::put), ten);
  ok(history.append(cycle("SPX", ten, {later, evening, morning}), soon()));
  using Quotes = std::vector<core::OptionQuote>;
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes,
            (Quotes{morning, evening, later}));
  EXPECT_EQ(ok(history.chain("SPX", {.expiry = day("2021-01-15")}, soon())).snapshot.quotes,
            (Quotes{morning, evening}));
  EXPECT_EQ(ok(history.chain("SPX", {.expiry = day("2021-01-15"), .trading_class = "SPXW"}, soon()))
                .snapshot.quotes,
            (Quotes{evening}));
  EXPECT_EQ(ok(history.chain("SPX", {.trading_class = "SPXW"}, soon())).snapshot.quotes,
            (Quotes{evening, later}));
  EXPECT_TRUE(
      ok(history.chain("SPX", {.expiry = day("2021-02-19")}, soon())).snapshot.quotes.empty());
  EXPECT_EQ(ok(history.expirations("SPX", std::nullopt, soon())).expirations,
            (std::vector<ListedExpiry>{{day("2021-01-15"), "SPX", 1},
                                       {day("2021-01-15"), "SPXW", 1},
                                       {day("2021-01-22"), "SPXW", 1}}));
}

TEST(History, ContractsThatDifferOnlyInMultiplierStayApart) {
  auto database = migrated();
  History history(database);
  auto plain = full_quote(contract("SPX", "2021-01-15", "3700", core::Right::call), ten);
  auto mini = plain;
  mini.contract.multiplier = 10;
  mini.quote.bid = price("1");
  ok(history.append(cycle("SPX", ten, {plain, mini}), soon()));
  EXPECT_EQ(ok(history.contract_history(mini.contract, ten, ten, soon())).at(0).quote, mini.quote);
  EXPECT_EQ(ok(history.contract_history(plain.contract, ten, ten, soon())).at(0).quote,
            plain.quote);
}

TEST(History, ACyclesThatBroughtNothingIsInTheLedgerAndInNoAnswer) {
  auto database = migrated();
  History history(database);
  ok(history.append(small_cycle(ten), soon()));
  const std::vector gap{ten, ten + 300s, ten + 600s};
  EXPECT_EQ(ok(history.mark_missed("SPX", gap, "gateway away", 300s, soon())), 2);
  EXPECT_EQ(ok(history.mark_missed("SPX", gap, "gateway away", 300s, soon())), 0);
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).run.as_of, ten);
  EXPECT_EQ(ok(history.last_snapshot("SPX", std::nullopt, soon()))->as_of, ten);
  const auto last = ok(history.last_run("SPX", soon()));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->as_of, ten + 600s);
  EXPECT_EQ(last->status, RunStatus::missed);
  EXPECT_EQ(last->reason, "gateway away");
  EXPECT_EQ(last->source, std::nullopt);
  EXPECT_EQ(last->expected, std::nullopt);
  EXPECT_EQ(last->interval, 300s);
  std::vector<RunStatus> statuses;
  for (const auto& row : ok(history.runs("SPX", ten, ten + 600s, soon())))
    statuses.push_back(row.status);
  EXPECT_THAT(statuses,
              ::testing::ElementsAre(RunStatus::complete, RunStatus::missed, RunStatus::missed));
}

TEST(History, RealQuotesReplaceTheNoteThatThereWereNone) {
  auto database = migrated();
  History history(database);
  ok(history.mark_missed("SPX", std::vector{ten}, "database away", 300s, soon()));
  EXPECT_TRUE(ok(history.underlyings(soon())).empty());
  auto record = small_cycle(ten);
  record.status = RunStatus::partial;
  record.reason = "two contracts did not answer";
  record.expected = 6;
  record.refused = 2;
  EXPECT_TRUE(ok(history.append(record, soon())).stored);
  const auto runs = ok(history.runs("SPX", ten, ten, soon()));
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].status, RunStatus::partial);
  EXPECT_EQ(runs[0].reason, "two contracts did not answer");
  EXPECT_EQ(runs[0].refused, 2);
  EXPECT_EQ(runs[0].received, 4);
  EXPECT_FALSE(ok(history.append(small_cycle(ten), soon())).stored);
  EXPECT_EQ(ok(history.runs("SPX", ten, ten, soon())), runs);
}

TEST(History, FactsWithoutALedgerRowAreInvisibleAndAreTakenOverByTheNextAppend) {
  auto database = migrated();
  History history(database);
  auto record = small_cycle(ten);
  ok(history.append(record, soon()));
  run(database, "DELETE FROM collection_runs; DELETE FROM option_snapshots WHERE contract_id = 1");
  EXPECT_EQ(history.chain("SPX", {}, soon()).error().code, Errc::not_found);
  EXPECT_TRUE(ok(history.append(record, soon())).stored);
  EXPECT_EQ(ok(history.chain("SPX", {}, soon())).snapshot.quotes, record.snapshot.quotes);
}

TEST(History, ContractHistoryHoldsEveryCycleWithTheUnderlyingsPrice) {
  auto database = migrated();
  History history(database);
  for (int i = 0; i < 4; ++i) {
    auto record = small_cycle(ten + i * 24h);
    record.snapshot.underlying_price = core::Price::from_units(37'000'000 + i);
    record.snapshot.quotes[2].quote.volume = i;
    if (i == 2) record.snapshot.quotes.erase(record.snapshot.quotes.begin() + 2);
    ok(history.append(record, soon()));
  }
  const auto wanted = small_cycle(ten).snapshot.quotes[2].contract;
  const auto points =
      ok(history.contract_history(wanted, core::Instant::min(), core::Instant::max(), soon()));
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[1].as_of, ten + 24h);
  EXPECT_EQ(points[1].underlying_price, core::Price::from_units(37'000'001));
  EXPECT_EQ(points[1].quote.volume, 1);
  EXPECT_EQ(points[2].quote.volume, 3);
  EXPECT_EQ(ok(history.contract_history(wanted, ten + 1us, ten + 24h, soon())).size(), 1U);
  auto unknown = wanted;
  unknown.strike = price("1.2345");
  EXPECT_TRUE(ok(history.contract_history(unknown, ten, ten + 24h, soon())).empty());
}

TEST(History, ChangesAndMarketConditionsComeBackExactly) {
  auto database = migrated();
  History history(database);
  auto record = small_cycle(ten);
  const auto& first = record.snapshot.quotes[0].contract;
  const auto gone = contract("SPXW", "2020-12-31", "3700", core::Right::call);
  record.changes = {{first, ChangeKind::price_move, 27.6, 0.1 + 0.2},
                    {first, ChangeKind::iv_move, 0.2, 0.25, 1.0 / 3, 1e-5},
                    {first, ChangeKind::oi_confirmation, 10, 20, {}, {}, ten - 24h, true},
                    {first, ChangeKind::suspect_greeks, 0.5, -0.5, {}, {}, ten - 48h, false},
                    {gone, ChangeKind::expired, std::nullopt, std::nullopt}};
  record.market_conditions = MarketConditions{.implied_vol_30d = 0.1,
                                              .implied_vol_60d = 0.2,
                                              .historical_vol_30d = 0.31,
                                              .historical_vol_source = "broker",
                                              .skew_25_delta = 1.0 / 3,
                                              .term_slope = -0.5,
                                              .put_volume = 5'000'000'000,
                                              .call_open_interest = 0,
                                              .put_call_volume_ratio = 1.25,
                                              .put_call_open_interest_ratio = 0.0,
                                              .regime = 3,
                                              .iv_rank = 0.5,
                                              .iv_percentile = 0.8,
                                              .iv_rank_n = 252,
                                              .iv_rank_source = "snapshots",
                                              .iv_rank_of = 0.2,
                                              .iv_rank_day = day("2021-01-04")};
  ok(history.append(record, soon()));
  const auto everything = ok(history.changes("SPX", ten, ten, std::nullopt, 100, soon()));
  ASSERT_EQ(everything.size(), 5U);
  for (const auto& change : record.changes) {
    EXPECT_THAT(everything, ::testing::Contains(::testing::Field(&StoredChange::change, change)));
  }
  const auto moves = ok(history.changes("SPX", ten, ten, ChangeKind::iv_move, 100, soon()));
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].change, record.changes[1]);
  EXPECT_EQ(ok(history.changes("SPX", ten, ten, std::nullopt, 2, soon())).size(), 2U);
  const auto conditions = ok(history.market_conditions("SPX", ten, ten, soon()));
  ASSERT_EQ(conditions.size(), 1U);
  EXPECT_EQ(conditions[0].conditions, *record.market_conditions);
}

TEST(History, DaysFarApartGetTheirOwnPartitions) {
  auto database = migrated();
  History history(database);
  for (const auto* iso :
       {"2014-06-06T20:00:00Z", "2026-11-23T23:59:59.999999Z", "1999-12-31T00:00:00Z"}) {
    auto record = small_cycle(at(iso));
    record.changes = {{record.snapshot.quotes[0].contract, ChangeKind::volume, 1, 2}};
    ok(history.append(record, soon()));
  }
  EXPECT_EQ(count(database, "option_snapshots"), 12);
  if (ok(database.status(at("2026-11-23T00:00:00Z"), soon())).tier != Tier::stock) {
    EXPECT_EQ(count(database, "show_chunks('option_snapshots')"), 3);
    EXPECT_EQ(count(database, "show_chunks('option_changes')"), 3);
    return;
  }
  EXPECT_EQ(count(database, "option_snapshots_20140606"), 4);
  EXPECT_EQ(count(database, "option_snapshots_20261123"), 4);
  EXPECT_EQ(count(database, "option_snapshots_19991231"), 4);
  EXPECT_EQ(count(database, "option_snapshots_default"), 0);
  EXPECT_EQ(count(database, "option_changes_20140602"), 1);  // the Monday of that week
  EXPECT_EQ(count(database, "option_changes_default"), 0);
}

TEST(History, TheNewestSnapshotOfEveryUnderlyingIsKnown) {
  auto database = migrated();
  History history(database);
  ok(history.append(small_cycle(ten, "SPX"), soon()));
  ok(history.append(small_cycle(ten + 300s, "SPX"), soon()));
  ok(history.append(small_cycle(ten, "NDX"), soon()));
  ok(history.mark_missed("RUT", std::vector{ten}, "not subscribed", std::nullopt, soon()));
  const auto found = ok(history.underlyings(soon()));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].symbol, "NDX");
  EXPECT_EQ(found[1].symbol, "SPX");
  EXPECT_EQ(found[1].last.as_of, ten + 300s);
}

TEST(History, TheViewForPeopleShowsTheSameNumbers) {
  auto database = migrated();
  History history(database);
  ok(history.append(small_cycle(ten), soon()));
  const auto connection = ok(database.pool().lease(soon()));
  const auto rows =
      ok(connection->query("SELECT bid, implied_vol, strike, vega, underlying_price, observed_at"
                           " FROM v_option_snapshots WHERE \"right\" = 'P' ORDER BY strike DESC",
                           soon()));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows.real(0, 0), 59.2001);
  EXPECT_EQ(rows.real(0, 1), 0.288041);
  EXPECT_EQ(rows.real(0, 2), 3725.5);
  EXPECT_EQ(rows.real(0, 3), 25.14701);
  EXPECT_EQ(rows.real(0, 4), 3759.8);
  EXPECT_EQ(rows.instant(0, 5), ten - 1234ms);
}

}  // namespace
}  // namespace bifrost::store
