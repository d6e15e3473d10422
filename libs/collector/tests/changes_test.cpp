// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/changes.hpp"

#include <gtest/gtest.h>

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

constexpr std::string_view first = "2014-06-05T13:35:00Z";
constexpr std::string_view second = "2014-06-05T13:40:00Z";

TEST(Changes, BetweenEqualSnapshotsAreNone) {
  const auto s = snapshot(first, {{contract("2014-06-21", 70), quote(1, 1.1)}});
  EXPECT_TRUE(find_changes(s, true, s, {}).empty());
}

TEST(Changes, OfPriceNeedBothTheAmountAndTheShare) {
  const auto before = snapshot(first, {{contract("2014-06-21", 60), quote(10.0, 10.2)},
                                       {contract("2014-06-21", 70), quote(1.0, 1.1)},
                                       {contract("2014-06-21", 80), quote(0.01, 0.03)}});
  const auto now = snapshot(
      second, {{contract("2014-06-21", 60), quote(10.4, 10.6)},    // large, but 4 %
               {contract("2014-06-21", 70), quote(1.3, 1.4)},      // 0.30 and 29 %
               {contract("2014-06-21", 80), quote(0.04, 0.06)}});  // 150 %, but three cents
  const auto changes = find_changes(before, true, now, {});
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
  EXPECT_TRUE(find_changes(a, true, b, {}).empty());
  EXPECT_TRUE(find_changes(b, true, a, {}).empty());
}

TEST(Changes, OfVolumeAreCountedWithinADayOnly) {
  Quote low = quote(1, 1.1);
  low.volume = 10;
  Quote high = low;
  high.volume = 400;
  const auto before = snapshot("2014-06-05T20:00:00Z", {{contract("2014-06-21", 70), low}});
  const auto next_day = snapshot("2014-06-06T13:35:00Z", {{contract("2014-06-21", 70), high}});
  EXPECT_TRUE(find_changes(before, true, next_day, {}).empty());
  const auto same_day = snapshot("2014-06-05T20:05:00Z", {{contract("2014-06-21", 70), high}});
  EXPECT_EQ(kinds(find_changes(before, true, same_day, {})), std::vector{ChangeKind::volume});
}

TEST(Changes, OfOpenInterestVolAndSpreadAreSeen) {
  Quote a = quote(1.0, 1.1);
  a.open_interest = 100;
  a.implied_vol = 0.20;
  Quote b = quote(0.95, 1.25);
  b.open_interest = 99;
  b.implied_vol = 0.23;
  const auto changes = find_changes(snapshot(first, {{contract("2014-06-21", 70), a}}), true,
                                    snapshot(second, {{contract("2014-06-21", 70), b}}), {});
  EXPECT_EQ(kinds(changes),
            (std::vector{ChangeKind::iv_move, ChangeKind::open_interest, ChangeKind::spread}));
}

TEST(Changes, TellNewAndExpiredContracts) {
  const auto before = snapshot(
      "2014-06-06T20:00:00Z",
      {{contract("2014-06-06", 70), quote(1, 1.1)}, {contract("2014-06-13", 70), quote(1, 1.1)}});
  const auto now = snapshot("2014-06-09T13:35:00Z", {{contract("2014-06-20", 70), quote(1, 1.1)}});
  const auto changes = find_changes(before, true, now, {});
  // The contract of the 13th is merely not there this time: no change.
  EXPECT_EQ(kinds(changes), (std::vector{ChangeKind::expired, ChangeKind::new_contract}));
  // After a partial snapshot nobody knows what is new.
  EXPECT_EQ(kinds(find_changes(before, false, now, {})), std::vector{ChangeKind::expired});
}

}  // namespace
}  // namespace bifrost::collector
