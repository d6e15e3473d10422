// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/synthetic_market.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include "bifrost/core/calendar.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using core::Right;

const auto epoch = date("2026-01-02");
const auto monday = instant("2026-03-02T15:00:00Z");

double mid(const core::Quote& q) {
  return (q.bid->value() + q.ask->value()) / 2;
}

/// Instants a test looks at: mid-session days apart, an open, a close, a night and a weekend.
const char* const looks[] = {"2026-01-05T14:30:00Z", "2026-02-11T18:21:35Z",
                             "2026-03-02T15:00:00Z", "2026-03-20T19:59:55Z",
                             "2026-03-21T12:00:00Z", "2026-06-10T03:00:00Z"};

TEST(SyntheticMarket, StateDependsOnTheInstantAlone) {
  SyntheticMarket direct(3, epoch, default_universe());
  SyntheticMarket wandering(3, epoch, default_universe());
  for (const auto* t : {"2026-01-20T15:00:05Z", "2026-03-02T14:59:59Z", "2026-05-01T20:30:00Z",
                        "2026-02-14T00:00:00Z"}) {
    wandering.advance_to(instant(t));
  }
  for (const auto* t : looks) {
    direct.advance_to(instant(t));
    wandering.advance_to(instant(t));
    for (const auto& u : direct.underlyings()) {
      const auto options = direct.options(u.con_id);
      ASSERT_EQ(options.size(), wandering.options(u.con_id).size());
      EXPECT_EQ(direct.underlying_state(u.con_id).last, wandering.underlying_state(u.con_id).last);
      for (std::size_t i = 0; i < options.size(); ++i) {
        ASSERT_EQ(options[i].con_id, wandering.options(u.con_id)[i].con_id);
        ASSERT_EQ(direct.option_state(options[i].con_id).quote,
                  wandering.option_state(options[i].con_id).quote)
            << t << ' ' << core::describe(options[i].contract);
      }
    }
  }
}

TEST(SyntheticMarket, PricesMoveEveryFiveSecondsAndNotBetween) {
  SyntheticMarket market(3, epoch, only({"BFX"}));
  market.advance_to(monday);
  const int id = market.underlyings()[0].con_id;
  const int option = market.options(id)[0].con_id;
  std::set<core::Price> prices;
  for (int step = 0; step < 120; ++step) {
    const auto t = monday + step * std::chrono::seconds{5};
    market.advance_to(t);
    const auto last = *market.underlying_state(id).last;
    prices.insert(last);
    EXPECT_EQ(market.option_state(option).quote.observed_at, t);
    market.advance_to(t + std::chrono::milliseconds{4'999});
    EXPECT_EQ(*market.underlying_state(id).last, last);
  }
  EXPECT_GT(prices.size(), 60U);
}

TEST(SyntheticMarket, AnotherSeedIsAnotherMarket) {
  SyntheticMarket one(1, epoch, only({"BFX"}));
  SyntheticMarket two(2, epoch, only({"BFX"}));
  one.advance_to(monday);
  two.advance_to(monday);
  const auto id = one.underlyings()[0].con_id;
  EXPECT_NE(one.underlying_state(id).last, two.underlying_state(id).last);
}

TEST(SyntheticMarket, ASymbolIsTheSameWhoeverElseIsListed) {
  SyntheticMarket all(5, epoch, default_universe());
  SyntheticMarket alone(5, epoch, only({"ODIN"}));
  all.advance_to(monday);
  alone.advance_to(monday);
  const auto id = underlying(all, "ODIN").con_id;
  ASSERT_EQ(id, alone.underlyings()[0].con_id);
  ASSERT_EQ(all.options(id).size(), alone.options(id).size());
  for (const auto& option : all.options(id)) {
    const auto* same = alone.find_option(option.con_id);
    ASSERT_NE(same, nullptr);
    EXPECT_EQ(same->contract, option.contract);
    EXPECT_EQ(all.option_state(option.con_id).quote, alone.option_state(option.con_id).quote);
  }
}

TEST(SyntheticMarket, QuotesAreLegalOnEveryContract) {
  SyntheticMarket market(11, epoch, default_universe());
  for (const auto* t : looks) {
    market.advance_to(instant(t));
    for (const auto& u : market.underlyings()) {
      for (const auto& option : market.options(u.con_id)) {
        const auto q = market.option_state(option.con_id).quote;
        ASSERT_TRUE(q.bid && q.ask && q.bid_size && q.ask_size && q.volume && q.open_interest);
        const auto name = core::describe(option.contract);
        EXPECT_LT(*q.bid, *q.ask) << name;
        EXPECT_GE(q.bid->units(), 0) << name;
        EXPECT_EQ(q.bid->units() == 0, *q.bid_size == 0) << name;
        for (const auto price : {*q.bid, *q.ask}) {
          const bool nickels = !u.penny_options && price.value() >= 3;
          EXPECT_EQ(price.units() % (nickels ? 500 : 100), 0) << name << ' ' << price.to_string();
        }
        EXPECT_EQ(q.last.has_value(), *q.volume > 0) << name;
      }
    }
  }
}

TEST(SyntheticMarket, WorthlessWingsHaveNoBid) {
  SyntheticMarket market(11, epoch, only({"BFX"}));
  market.advance_to(monday);
  int zero = 0;
  for (const auto& option : market.options(market.underlyings()[0].con_id)) {
    if (market.option_state(option.con_id).quote.bid->units() == 0) ++zero;
  }
  EXPECT_GT(zero, 0);
}

TEST(SyntheticMarket, MidsFallWithTheStrikeForCallsAndRiseForPuts) {
  SyntheticMarket market(11, epoch, default_universe());
  for (const auto* t : looks) {
    market.advance_to(instant(t));
    for (const auto& u : market.underlyings()) {
      std::map<std::tuple<std::string, core::Date, Right>, double> before;
      for (const auto& option : market.options(u.con_id)) {
        const auto& c = option.contract;
        const double now = mid(market.option_state(option.con_id).quote);
        const auto key = std::tuple{c.trading_class, c.expiry, c.right};
        if (const auto it = before.find(key); it != before.end()) {
          if (c.right == Right::call) {
            EXPECT_LE(now, it->second + 1e-9) << core::describe(c);
          } else {
            EXPECT_GE(now, it->second - 1e-9) << core::describe(c);
          }
        }
        before[key] = now;
      }
    }
  }
}

// C - P = S e^(-qT) - K e^(-rT) (Stoll 1969; Merton 1973 with a yield), to one tick.
TEST(SyntheticMarket, PutCallParityHoldsAtMidToATick) {
  SyntheticMarket market(11, epoch, default_universe());
  int compared = 0;
  for (const auto* t : looks) {
    market.advance_to(instant(t));
    for (const auto& u : market.underlyings()) {
      const double spot = market.underlying_state(u.con_id).last->value();
      const auto carry = *market.carry(u.con_id);
      std::optional<core::Quote> call;
      for (const auto& option : market.options(u.con_id)) {
        const auto q = market.option_state(option.con_id).quote;
        if (option.contract.right == Right::call) {
          call = q;
          continue;
        }
        if (call->bid->units() == 0 || q.bid->units() == 0) continue;
        const double years =
            core::years_act365f(*q.observed_at, core::settlement_instant(option.contract));
        const double parity = spot * std::exp(-carry.dividend_yield * years) -
                              option.contract.strike.value() * std::exp(-carry.rate * years);
        const bool nickels = !u.penny_options && std::max(mid(*call), mid(q)) > 2.9;
        EXPECT_NEAR(mid(*call) - mid(q), parity, (nickels ? 0.05 : 0.01) + 1e-6)
            << t << ' ' << core::describe(option.contract);
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 3000);
}

TEST(SyntheticMarket, ListsEightWeekliesAndSixMonthlies) {
  SyntheticMarket market(1, epoch, default_universe());
  market.advance_to(monday);
  std::map<std::string, std::set<core::Date>> expiries;
  for (const auto& u : market.underlyings()) {
    const auto options = market.options(u.con_id);
    EXPECT_GT(options.size(), 450U) << u.symbol;
    EXPECT_LT(options.size(), 1400U) << u.symbol;
    for (const auto& option : options) {
      expiries[option.contract.trading_class].insert(option.contract.expiry);
    }
  }
  EXPECT_EQ(expiries["BFXW"].size(), 8U);
  EXPECT_EQ(expiries["BFX"].size(), 6U);
  EXPECT_EQ(*expiries["BFXW"].begin(), date("2026-03-06"));
  // 2026-04-03 is Good Friday: no session (NYSE holiday calendar).
  EXPECT_TRUE(expiries["BFXW"].contains(date("2026-04-02")));
  EXPECT_FALSE(expiries["BFXW"].contains(date("2026-04-03")));
  EXPECT_EQ(*expiries["BFX"].begin(), date("2026-03-20"));
  EXPECT_EQ(*expiries["BFX"].rbegin(), date("2026-08-21"));
  EXPECT_TRUE(expiries["BFXW"].contains(date("2026-03-20"))) << "two classes on one date";
  // Two of the six monthlies are weeklies of a one-class symbol too.
  EXPECT_EQ(expiries["VALK"].size(), 12U);
}

TEST(SyntheticMarket, AContractStaysListedUntilItsLastDay) {
  SyntheticMarket market(4, epoch, only({"ODIN"}));
  const auto id = market.underlyings()[0].con_id;
  std::map<int, ListedOption> before;
  for (auto day = date("2026-01-05"); day < date("2026-04-10"); day = core::next_trading_day(day)) {
    market.advance_to(core::session(day)->open);
    std::map<int, ListedOption> now;
    for (const auto& option : market.options(id)) now.emplace(option.con_id, option);
    for (const auto& [con_id, option] : before) {
      if (option.last_trade_date < day) {
        EXPECT_FALSE(now.contains(con_id)) << core::describe(option.contract);
      } else {
        ASSERT_TRUE(now.contains(con_id)) << core::describe(option.contract);
        EXPECT_EQ(now.at(con_id).contract, option.contract);
      }
    }
    before = std::move(now);
  }
}

TEST(SyntheticMarket, VolumeGrowsWithinADayAndOpenInterestChangesOverNight) {
  SyntheticMarket market(9, epoch, only({"VALK"}));
  const auto id = market.underlyings()[0].con_id;
  market.advance_to(instant("2026-03-02T14:30:00Z"));
  std::map<int, core::Quote> before;
  for (const auto& option : market.options(id)) {
    before[option.con_id] = market.option_state(option.con_id).quote;
  }
  int traded = 0;
  for (const auto* t : {"2026-03-02T15:10:00Z", "2026-03-02T18:00:10Z", "2026-03-02T21:30:00Z"}) {
    market.advance_to(instant(t));
    for (auto& [con_id, was] : before) {
      const auto q = market.option_state(con_id).quote;
      EXPECT_GE(*q.volume, *was.volume);
      EXPECT_EQ(q.open_interest, was.open_interest);
      traded += *q.volume > *was.volume;
      was = q;
    }
  }
  EXPECT_GT(traded, 100);
  market.advance_to(instant("2026-03-03T14:30:00Z"));
  int changed = 0;
  for (const auto& [con_id, was] : before) {
    changed += market.option_state(con_id).quote.open_interest != was.open_interest;
  }
  EXPECT_GT(changed, 100);
}

TEST(SyntheticMarket, NothingMovesBetweenSessions) {
  SyntheticMarket market(9, epoch, only({"BFX"}));
  market.advance_to(instant("2026-03-02T21:00:00Z"));
  const auto id = market.underlyings()[0].con_id;
  const auto& option = market.options(id)[20];
  const auto con_id = option.con_id;
  const auto quote = market.option_state(con_id).quote;
  const auto revision = market.revision();
  market.advance_to(instant("2026-03-03T03:00:00Z"));
  EXPECT_EQ(market.option_state(con_id).quote, quote);
  EXPECT_EQ(market.revision(), revision);
  market.advance_to(instant("2026-03-03T14:30:05Z"));
  EXPECT_NE(market.option_state(con_id).quote, quote);
  EXPECT_NE(market.revision(), revision);
}

TEST(SyntheticMarket, TodaysBarHoldsTheLastPriceAndNeverShrinks) {
  SyntheticMarket market(9, epoch, only({"ODIN"}));
  const auto id = market.underlyings()[0].con_id;
  std::optional<core::Price> high;
  std::optional<core::Price> low;
  for (auto t = instant("2026-03-02T14:30:00Z"); t <= instant("2026-03-02T21:00:00Z");
       t += std::chrono::seconds{5}) {
    market.advance_to(t);
    const auto s = market.underlying_state(id);
    ASSERT_LE(*s.low, *s.last);
    ASSERT_GE(*s.high, *s.last);
    if (high) {
      ASSERT_GE(*s.high, *high);
      ASSERT_LE(*s.low, *low);
    }
    high = s.high;
    low = s.low;
  }
  const auto closed = market.underlying_state(id);
  market.advance_to(instant("2026-03-03T15:00:00Z"));
  EXPECT_EQ(market.underlying_state(id).previous_close, closed.last);
  const auto bars = market.daily_bars(id, BarKind::trades, 2);
  ASSERT_EQ(bars.size(), 3U);
  EXPECT_EQ(bars[1].date, date("2026-03-02"));
  EXPECT_DOUBLE_EQ(bars[1].close, closed.last->value());
  EXPECT_DOUBLE_EQ(bars[1].high, closed.high->value());
}

// A year of closes must have moved about as much as options said they would, month by month.
TEST(SyntheticMarket, RealisedVolatilityIsWhatOptionsImplied) {
  SyntheticMarket market(21, date("2025-01-02"), default_universe());
  market.advance_to(instant("2026-01-05T21:00:00Z"));
  for (const auto& u : market.underlyings()) {
    const auto bars = market.daily_bars(u.con_id, BarKind::trades, 250);
    const auto implied = market.daily_bars(u.con_id, BarKind::implied_volatility, 250);
    double squares = 0;
    double expected = 0;
    for (std::size_t i = 1; i < bars.size(); ++i) {
      const double r = std::log(bars[i].close / bars[i - 1].close);
      squares += r * r;
      expected += implied[i].close * implied[i].close / 252;
    }
    // Sampling error of a variance from 250 returns is 9 %; the rest is room for the months' lag.
    EXPECT_NEAR(std::sqrt(squares / expected), 1.0, 0.2) << u.symbol;
  }
}

TEST(SyntheticMarket, SixtyTradingDaysPassQuickly) {
  const auto before = std::chrono::steady_clock::now();
  SyntheticMarket market(1, epoch, default_universe());
  auto day = epoch;
  for (int i = 0; i < 60; ++i) day = core::next_trading_day(day);
  market.advance_to(core::session(day)->close);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds{2});
}

TEST(ContractIds, FollowTheContractAndAvoidEachOther) {
  std::vector<ListedOption> options(3);
  for (int i = 0; i < 3; ++i) {
    options[static_cast<std::size_t>(i)].contract = {
        .underlying = "ODIN",
        .trading_class = "ODIN",
        .expiry = date("2026-03-20"),
        .strike = core::Price::from_units(600'000 + i)};
  }
  assign_con_ids(options, {});
  const auto first = options[0].con_id;
  assign_con_ids(options, {});
  EXPECT_EQ(options[0].con_id, first);
  std::vector<ListedOption> twin{options[0]};
  const int taken[] = {first};
  assign_con_ids(twin, taken);
  EXPECT_NE(twin[0].con_id, first);
  EXPECT_GT(twin[0].con_id, 0);
}

TEST(LastTradeDate, IsADayEarlierForMorningSettledClasses) {
  core::OptionContract c{.underlying = "SPX",
                         .trading_class = "SPX",
                         .expiry = date("2020-01-17"),
                         .strike = core::Price::from_units(32'050'000)};
  // SPX 200117P03205000 last trades on 20200116 (tws-protocol 4.3).
  EXPECT_EQ(last_trade_date(c), date("2020-01-16"));
  c.trading_class = "SPXW";
  EXPECT_EQ(last_trade_date(c), date("2020-01-17"));
  c.expiry = date("2014-06-21");
  EXPECT_EQ(last_trade_date(c), date("2014-06-20"));
}

}  // namespace
}  // namespace bifrost::sim
