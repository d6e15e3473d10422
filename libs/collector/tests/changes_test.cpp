// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/changes.hpp"

#include <gtest/gtest.h>

#include "bifrost/collector/moves.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using core::Price;
using core::Quote;
using store::ChangeKind;

core::OptionContract contract(std::string_view expiry, int strike,
                              core::Right right = core::Right::call) {
  return {"TWX", "TWX", core::parse_date(expiry).value(), Price::from_units(strike * 10'000),
          right};
}

Quote quote(double bid, double ask) {
  Quote q;
  q.bid = Price::from_double(bid);
  q.ask = Price::from_double(ask);
  return q;
}

core::ChainSnapshot snapshot(std::string_view as_of, std::vector<core::OptionQuote> quotes) {
  core::ChainSnapshot s;
  s.underlying = "TWX";
  s.as_of = core::parse_instant(as_of).value();
  s.quotes = std::move(quotes);
  return s;
}

std::vector<ChangeKind> kinds(const std::vector<store::Change>& changes) {
  std::vector<ChangeKind> found;
  for (const auto& change : changes) found.push_back(change.kind);
  return found;
}

std::vector<store::Change> find(const core::ChainSnapshot& before, bool before_reached_all,
                                const core::ChainSnapshot& now, bool now_reached_all = true) {
  return find_changes({before, before_reached_all, now, now_reached_all});
}

constexpr std::string_view first = "2014-06-05T13:35:00Z";
constexpr std::string_view second = "2014-06-05T13:40:00Z";

TEST(Changes, BetweenEqualSnapshotsAreNone) {
  const auto s = snapshot(first, {{contract("2014-06-21", 70), quote(1, 1.1)}});
  EXPECT_TRUE(find(s, true, s).empty());
}

TEST(Changes, OfPriceNeedBothTheAmountAndTheShare) {
  const auto before = snapshot(first, {{contract("2014-06-21", 60), quote(10.0, 10.2)},
                                       {contract("2014-06-21", 70), quote(1.0, 1.1)},
                                       {contract("2014-06-21", 80), quote(0.01, 0.03)}});
  const auto now = snapshot(
      second, {{contract("2014-06-21", 60), quote(10.4, 10.6)},    // large, but 4 %
               {contract("2014-06-21", 70), quote(1.3, 1.4)},      // 0.30 and 29 %
               {contract("2014-06-21", 80), quote(0.04, 0.06)}});  // 150 %, but three cents
  const auto changes = find(before, true, now);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, ChangeKind::price_move);
  EXPECT_EQ(changes[0].contract, contract("2014-06-21", 70));
  EXPECT_DOUBLE_EQ(*changes[0].previous, 1.05);
  EXPECT_DOUBLE_EQ(*changes[0].current, 1.35);
}

TEST(Changes, NeverComeFromAMissingField) {
  Quote nothing;
  Quote full = quote(1, 1.1);
  full.volume = 5'000;
  full.open_interest = 5'000;
  full.implied_vol = 0.5;
  const auto a = snapshot(first, {{contract("2014-06-21", 70), nothing}});
  const auto b = snapshot(second, {{contract("2014-06-21", 70), full}});
  EXPECT_TRUE(find(a, true, b).empty());
  EXPECT_TRUE(find(b, true, a).empty());
}

TEST(Changes, OfVolumeAreCountedWithinADayOnly) {
  Quote low = quote(1, 1.1);
  low.volume = 10;
  Quote high = low;
  high.volume = 400;
  const auto before = snapshot("2014-06-05T20:00:00Z", {{contract("2014-06-21", 70), low}});
  const auto next_day = snapshot("2014-06-06T13:35:00Z", {{contract("2014-06-21", 70), high}});
  EXPECT_TRUE(find(before, true, next_day).empty());
  const auto same_day = snapshot("2014-06-05T20:05:00Z", {{contract("2014-06-21", 70), high}});
  EXPECT_EQ(kinds(find(before, true, same_day)), std::vector{ChangeKind::volume});
}

TEST(Changes, OfOpenInterestVolAndSpreadAreSeen) {
  Quote a = quote(1.0, 1.1);
  a.open_interest = 100;
  a.implied_vol = 0.20;
  Quote b = quote(0.95, 1.25);
  b.open_interest = 99;
  b.implied_vol = 0.23;
  const auto changes = find(snapshot(first, {{contract("2014-06-21", 70), a}}), true,
                            snapshot(second, {{contract("2014-06-21", 70), b}}));
  EXPECT_EQ(kinds(changes),
            (std::vector{ChangeKind::iv_move, ChangeKind::open_interest, ChangeKind::spread}));
}

TEST(Changes, TellNewAndExpiredContracts) {
  const auto before =
      snapshot("2014-06-06T20:00:00Z", {{contract("2014-06-06", 70), quote(1, 1.1)},
                                        {contract("2014-06-27", 60), quote(1, 1.1)},
                                        {contract("2014-06-27", 80), quote(1, 1.1)}});
  const auto now = snapshot("2014-06-09T13:35:00Z", {{contract("2014-06-20", 70), quote(1, 1.1)},
                                                     {contract("2014-06-27", 60), quote(1, 1.1)},
                                                     {contract("2014-06-27", 70), quote(1, 1.1)},
                                                     {contract("2014-06-27", 80), quote(1, 1.1)}});
  EXPECT_EQ(kinds(find(before, true, now)),
            (std::vector{ChangeKind::expired, ChangeKind::new_contract, ChangeKind::new_contract}));
  // After a partial snapshot nobody knows what is new.
  EXPECT_EQ(kinds(find(before, false, now)), std::vector{ChangeKind::expired});
}

TEST(Changes, DoNotTakeTheEdgeOfTheCollectedWindowForNewOrVanished) {
  const auto before = snapshot(first, {{contract("2014-06-21", 60), quote(1, 1.1)},
                                       {contract("2014-06-21", 70), quote(1, 1.1)}});
  const auto now = snapshot(second, {{contract("2014-06-21", 70), quote(1, 1.1)},
                                     {contract("2014-06-21", 80), quote(1, 1.1)},
                                     {contract("2014-07-19", 70), quote(1, 1.1)}});
  EXPECT_TRUE(find(before, true, now).empty());
}

TEST(Changes, AContractAnsweredInPartWasReached) {
  store::CycleRecord record;
  record.status = store::RunStatus::partial;
  record.reason = "answered_in_part: 1 answered only in part";
  record.snapshot.quotes.resize(3);
  record.expected = 3;
  store::Run run;
  run.status = store::RunStatus::partial;
  run.expected = 3;
  run.received = 3;
  EXPECT_TRUE(reached_all(record));
  EXPECT_TRUE(reached_all(run));
  record.expected = run.expected.emplace(4);
  EXPECT_FALSE(reached_all(record));
  EXPECT_FALSE(reached_all(run));
  record.refused = run.refused = 1;
  EXPECT_FALSE(reached_all(record));
  EXPECT_FALSE(reached_all(run));
  run.expected.reset();
  EXPECT_FALSE(reached_all(run));
}

TEST(Changes, TimeToExpiryEndsAtSettlement) {
  const auto winter = contract("2026-12-18", 70);
  const auto as_of = core::parse_instant("2026-12-18T15:00:00Z").value();
  YearsToExpiry years{as_of};
  EXPECT_DOUBLE_EQ(years(winter), core::years_act365f(as_of, as_of + std::chrono::hours{6}));
  auto morning = winter;
  morning.trading_class = "SPX";
  EXPECT_LT(years(morning), 0);
}

TEST(Changes, TellAVanishedContractOnlyWhenBothSnapshotsReachedAll) {
  const auto before = snapshot(first, {{contract("2014-06-21", 60), quote(1, 1.1)},
                                       {contract("2014-06-21", 70), quote(1, 1.1)},
                                       {contract("2014-06-21", 80), quote(1, 1.1)}});
  const auto now = snapshot(second, {{contract("2014-06-21", 60), quote(1, 1.1)},
                                     {contract("2014-06-21", 80), quote(1, 1.1)}});
  const auto changes = find(before, true, now, true);
  ASSERT_EQ(kinds(changes), std::vector{ChangeKind::vanished});
  EXPECT_EQ(changes[0].contract, contract("2014-06-21", 70));
  EXPECT_TRUE(find(before, false, now, true).empty());
  EXPECT_TRUE(find(before, true, now, false).empty());
}

TEST(Changes, OfGreeksNeedTheAmountAndTheShare) {
  Quote a = quote(1.0, 1.1);
  a.delta = 0.50;
  a.gamma = 0.020;
  a.theta = -0.10;
  a.vega = 10;
  Quote b = a;
  b.delta = 0.56;
  b.gamma = 0.026;
  b.theta = -0.20;
  b.vega = 12;  // two, but only a fifth
  const auto changes = find(snapshot(first, {{contract("2014-06-21", 70), a}}), true,
                            snapshot(second, {{contract("2014-06-21", 70), b}}));
  EXPECT_EQ(kinds(changes),
            (std::vector{ChangeKind::delta_move, ChangeKind::gamma_move, ChangeKind::theta_move}));
}

TEST(Changes, AreNotInventedFromQuotesThatShowNoMarket) {
  const auto c = contract("2014-06-21", 70);
  Quote good = quote(5.0, 5.2);
  good.last = Price::from_double(5.1);
  struct Case {
    std::string_view name;
    Quote quote;
    std::vector<ChangeKind> told;
  };
  Quote negative = quote(5.0, 5.2);
  negative.last = Price::from_double(-1);
  Quote one_sided = quote(5.0, 5.2);
  one_sided.bid.reset();
  const std::vector<Case> cases{
      {"crossed", quote(9.0, 5.0), {ChangeKind::suspect_quote}},
      {"zero bid", quote(0, 0.05), {}},
      {"unquoted", quote(0, 0), {}},
      {"negative bid", quote(-1, 9), {ChangeKind::suspect_quote}},
      {"negative last", negative, {ChangeKind::suspect_quote}},
      {"one side", one_sided, {}},
      {"locked is a market", quote(9, 9), {ChangeKind::price_move, ChangeKind::spread}},
  };
  for (const auto& one : cases) {
    const auto a = snapshot(first, {{c, good}});
    const auto b = snapshot(second, {{c, one.quote}});
    EXPECT_EQ(kinds(find(a, true, b)), one.told) << one.name;
    // It is told when it begins, not while it lasts, and its end is no move.
    EXPECT_TRUE(find(b, true, b).empty()) << one.name;
    const auto back = kinds(find(b, true, a));
    if (one.name != "locked is a market") {
      EXPECT_TRUE(back.empty()) << one.name;
    }
  }
}

TEST(Changes, TellGreeksThatCannotBeRight) {
  const auto call = contract("2014-09-20", 70);
  const auto with_spot = [](std::string_view when, core::OptionQuote option) {
    auto s = snapshot(when, {std::move(option)});
    s.underlying_price = Price::from_double(70);
    return s;
  };
  Quote good = quote(4, 4.2);
  good.implied_vol = 0.25;
  good.delta = 0.53;
  good.gamma = 0.04;
  good.vega = 15;
  const auto before = with_spot(first, {call, good});
  EXPECT_TRUE(find(before, true, with_spot(second, {call, good})).empty());

  Quote wrong_sign = good;
  wrong_sign.delta = -0.53;
  Quote stale = good;
  stale.delta = 0.95;  // of another spot
  Quote negative_gamma = good;
  negative_gamma.gamma = -0.04;
  Quote negative_vol = good;
  negative_vol.implied_vol = -1;
  for (const auto& quote : {wrong_sign, stale, negative_gamma, negative_vol}) {
    const auto now = with_spot(second, {call, quote});
    const auto changes = find(before, true, now);
    ASSERT_EQ(kinds(changes), std::vector{ChangeKind::suspect_greeks});
    EXPECT_NE(changes[0].previous, changes[0].current);
    EXPECT_TRUE(find(now, true, now).empty());
  }
  // A put's delta of a call's sign, without any spot to check by.
  Quote put_quote = good;
  const auto put = contract("2014-09-20", 70, core::Right::put);
  Quote as_it_should = good;
  as_it_should.delta = -0.47;
  EXPECT_EQ(kinds(find(snapshot(first, {{put, as_it_should}}), true,
                       snapshot(second, {{put, put_quote}}))),
            std::vector{ChangeKind::suspect_greeks});
}

store::StoredChange volume_alert(std::string_view as_of, const core::OptionContract& c,
                                 double score = 1e-6) {
  return {core::parse_instant(as_of).value(), {c, ChangeKind::volume, 0, 500, score, 1e-4}};
}

TEST(Confirmations, CompareOpenInterestWithTheVolumeOfTheSession) {
  std::vector<core::OptionQuote> evening;
  std::vector<core::OptionQuote> morning;
  std::vector<store::StoredChange> alerts;
  const auto add = [&](int strike, std::optional<std::int64_t> volume,
                       std::optional<std::int64_t> before, std::optional<std::int64_t> after) {
    const auto c = contract("2014-06-21", strike);
    Quote e;
    e.volume = volume;
    e.open_interest = before;
    evening.push_back({c, e});
    Quote m;
    m.open_interest = after;
    morning.push_back({c, m});
    alerts.push_back(volume_alert("2014-06-05T15:00:00Z", c));
    alerts.push_back(volume_alert("2014-06-05T14:00:00Z", c));
  };
  add(60, 1000, 100, 350);           // a quarter: borne out
  add(61, 1000, 100, 349);           // not quite
  add(62, 1000, 100, 20);            // closed
  add(63, 1000, std::nullopt, 500);  // cannot be told
  add(64, std::nullopt, 100, 500);   // neither
  add(65, 1000, 100, std::nullopt);  // has to wait
  alerts.push_back(volume_alert("2014-06-05T15:00:00Z", contract("2014-06-21", 66), 0.5));
  auto pending = pending_alerts(alerts, snapshot("2014-06-05T20:00:00Z", evening));
  ASSERT_EQ(pending.size(), 6u);  // the one of 66 was no alert
  const auto answers = confirm_alerts(pending, snapshot("2014-06-06T13:35:00Z", morning));
  ASSERT_EQ(answers.size(), 5u);
  const std::vector<std::optional<bool>> expected{true, false, false, std::nullopt, std::nullopt};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].kind, ChangeKind::oi_confirmation);
    EXPECT_EQ(answers[i].confirmed, expected[i]) << i;
    EXPECT_EQ(answers[i].refers_to, core::parse_instant("2014-06-05T14:00:00Z").value());
  }
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].contract, contract("2014-06-21", 65));
  EXPECT_TRUE(confirm_alerts(pending, snapshot("2014-06-06T13:40:00Z", morning)).empty());
}

}  // namespace
}  // namespace bifrost::collector
