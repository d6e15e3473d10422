// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/universe.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace bifrost::collector {
namespace {

using namespace std::chrono_literals;
using core::Instant;
using core::Price;
using core::Right;

core::Date day(std::string_view text) {
  return core::parse_date(text).value();
}
Instant at(std::string_view text) {
  return core::parse_instant(text).value();
}
Price price(double value) {
  return *Price::from_double(value);
}

const Series weekly{"SPXW", day("2026-11-25")};
const Series later{"SPXW", day("2026-12-18")};

ib::ListedOption option(const Series& series, double strike, Right right) {
  ib::ListedOption listed;
  listed.contract = {"SPX", series.trading_class, series.filed, price(strike), right, 100};
  listed.con_id = static_cast<std::int64_t>(strike) * 10 + (right == Right::put);
  return listed;
}

std::vector<ib::ListedOption> options(const Series& series, int low, int high, int step = 50) {
  std::vector<ib::ListedOption> all;
  for (int strike = low; strike <= high; strike += step) {
    for (const auto right : {Right::call, Right::put}) all.push_back(option(series, strike, right));
  }
  return all;
}

class UniverseTest : public ::testing::Test {
 protected:
  Universe::Choice choose(const char* cycle, std::optional<double> spot,
                          const std::set<std::int64_t>& held = {}) {
    return universe.choose(rule, {.cycle = at(cycle),
                                  .interval = 300s,
                                  .spot = spot ? std::optional{price(*spot)} : std::nullopt,
                                  .vols = vols,
                                  .held = held});
  }
  std::set<double> strikes(const Universe::Choice& choice) {
    std::set<double> found;
    for (const auto& candidate : choice.candidates)
      found.insert(universe.member(candidate.member).option.contract.strike.value());
    return found;
  }

  Universe universe;
  VolView vols;
  UniverseRule rule = UniverseRules::parse("SPX strikes=percent:2", "u", 60, 0.25)->of("SPX");
};

TEST_F(UniverseTest, ChoosesNearestTheMoneyAndGrowsWithThePriceDuringADay) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 5000, 7000));
  auto choice = choose("2026-11-24T14:35:00Z", 6000);
  EXPECT_EQ(strikes(choice), (std::set<double>{5900, 5950, 6000, 6050, 6100}));
  EXPECT_EQ(choice.version, 1);
  EXPECT_TRUE(choice.changed);
  EXPECT_EQ(universe.member(choice.candidates.front().member).option.contract.strike, price(6000));

  choice = choose("2026-11-24T14:40:00Z", 6001);
  EXPECT_FALSE(choice.changed);
  EXPECT_EQ(choice.version, 1);

  choice = choose("2026-11-24T14:45:00Z", 6060);
  EXPECT_EQ(strikes(choice), (std::set<double>{5900, 5950, 6000, 6050, 6100, 6150}))
      << "6150 has come in, and nothing goes";
  EXPECT_EQ(choice.version, 2);
  EXPECT_EQ(choice.added, 2u);
  EXPECT_EQ(choice.removed, 0u);

  universe.begin_day(day("2026-11-25"));
  choice = choose("2026-11-25T14:35:00Z", 6060);
  EXPECT_EQ(strikes(choice), (std::set<double>{5950, 6000, 6050, 6100, 6150})) << "a new day";
  EXPECT_EQ(choice.version, 1);
}

TEST_F(UniverseTest, LetsAnExpiryRollOffAtItsOwnHour) {
  universe.begin_day(day("2026-11-25"));
  universe.list(weekly, options(weekly, 6000, 6000));
  universe.list(later, options(later, 6000, 6000));
  EXPECT_EQ(choose("2026-11-25T21:00:00Z", 6000).candidates.size(), 4u);  // 16:00 New York
  const auto choice = choose("2026-11-25T21:05:00Z", 6000);
  EXPECT_EQ(choice.candidates.size(), 2u) << "the day's expiry is no longer quoted at 16:05";
  EXPECT_EQ(choice.removed, 2u);
  EXPECT_EQ(choice.version, 2);
  universe.begin_day(day("2026-11-27"));
  EXPECT_EQ(universe.size(), 2u) << "expired contracts are forgotten";
}

TEST_F(UniverseTest, TakesNewStrikesAndLosesOldOnesDuringADay) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 5950, 6050));
  EXPECT_EQ(choose("2026-11-24T14:35:00Z", 6000).candidates.size(), 6u);
  auto listed = options(later, 6000, 6100);
  listed.push_back(option(later, 6025, Right::call));
  universe.list(later, listed);
  const auto choice = choose("2026-11-24T14:40:00Z", 6000);
  EXPECT_EQ(strikes(choice), (std::set<double>{6000, 6025, 6050, 6100}));
  EXPECT_EQ(choice.added, 3u);
  EXPECT_EQ(choice.removed, 2u);
  universe.remove(later);
  EXPECT_EQ(choose("2026-11-24T14:45:00Z", 6000).removed, 7u);
  EXPECT_EQ(universe.size(), 0u);
}

TEST_F(UniverseTest, DoesNotAskAgainForAContractTheBrokerDoesNotKnow) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 6000, 6000));
  auto choice = choose("2026-11-24T14:35:00Z", 6000);
  const auto unknown = universe.member(choice.candidates[1].member).option.contract;
  universe.withdraw(unknown);
  choice = choose("2026-11-24T14:40:00Z", 6000);
  ASSERT_EQ(choice.candidates.size(), 1u);
  EXPECT_EQ(choice.removed, 1u);
  EXPECT_FALSE(choose("2026-11-24T14:45:00Z", 6000).changed) << "said once";
  universe.begin_day(day("2026-11-25"));
  EXPECT_EQ(choose("2026-11-25T14:35:00Z", 6000).candidates.size(), 2u) << "a new day, a new try";
}

TEST_F(UniverseTest, AsksHeldContractsWhereverTheyLie) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 4000, 6000, 1000));
  const auto far = option(later, 4000, Right::put).con_id;
  const auto choice = choose("2026-11-24T14:35:00Z", 6000, {far});
  EXPECT_EQ(strikes(choice), (std::set<double>{4000, 6000}));
  ASSERT_EQ(choice.candidates.size(), 3u);
  EXPECT_TRUE(choice.candidates.back().held);
}

TEST_F(UniverseTest, TakesNothingButTheHeldOfASeriesListedForThem) {
  universe.begin_day(day("2026-11-24"));
  universe.list(weekly, options(weekly, 6000, 6000));
  universe.list(later, options(later, 6000, 6000));
  auto listed = options(later, 6000, 6000);
  listed[0].con_id += 500;  // unlike those of the other date, as at the broker
  listed[1].con_id += 500;
  universe.list(later, listed);
  const std::set<std::int64_t> only{listed[1].con_id};
  const auto choice = universe.choose(rule, {.cycle = at("2026-11-24T14:35:00Z"),
                                             .interval = 300s,
                                             .spot = price(6000),
                                             .vols = vols,
                                             .held = only,
                                             .held_only = std::span{&later, 1}});
  ASSERT_EQ(choice.candidates.size(), 3u);
  EXPECT_EQ(universe.member(choice.candidates.back().member).option.con_id, listed[1].con_id);
}

TEST_F(UniverseTest, LetsNewcomersWaitBehindTheOthers) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 6000, 6200));
  auto choice = choose("2026-11-24T14:35:00Z", 6000);
  for (const auto& candidate : choice.candidates) {
    EXPECT_EQ(candidate.last_asked, at("2026-11-24T14:30:00Z"));
    universe.asked(candidate.member, at("2026-11-24T14:35:00Z"));
  }
  choice = choose("2026-11-24T14:45:00Z", 6050);
  for (const auto& candidate : choice.candidates) {
    const bool is_new = universe.member(candidate.member).option.contract.strike == price(6150);
    EXPECT_EQ(candidate.last_asked, at(is_new ? "2026-11-24T14:40:00Z" : "2026-11-24T14:35:00Z"));
  }
}

TEST_F(UniverseTest, KeepsWhatAProcessBeforeThisOneHadChosenToday) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 5000, 7000));
  universe.keep(option(later, 6500, Right::call).contract);
  universe.keep(option(later, 9999, Right::call).contract);  // no longer listed
  const auto choice = choose("2026-11-24T15:35:00Z", 6000);
  EXPECT_TRUE(strikes(choice).contains(6500));
  EXPECT_FALSE(strikes(choice).contains(9999));
}

TEST_F(UniverseTest, WithoutAPriceTakesEveryStrike) {
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 5000, 7000));
  EXPECT_EQ(choose("2026-11-24T14:35:00Z", std::nullopt).candidates.size(), universe.size());
}

core::OptionQuote quoted(const Series& series, double strike, Right right,
                         std::optional<double> vol) {
  core::OptionQuote quote;
  quote.contract = option(series, strike, right).contract;
  quote.quote.implied_vol = vol;
  return quote;
}

core::ChainSnapshot snapshot(std::vector<core::OptionQuote> quotes) {
  core::ChainSnapshot chain;
  chain.underlying = "SPX";
  chain.underlying_price = price(6000);
  chain.quotes = std::move(quotes);
  return chain;
}

VolView view(const core::ChainSnapshot& chain) {
  VolView vols;
  vols.learn(chain);
  return vols;
}

TEST(VolViewTest, IsOfTheStrikeOutOfTheMoneyElseAtTheMoneyElseOfTheNearestDate) {
  const auto vols = view(snapshot(
      {quoted(later, 5950, Right::put, 0.16),
       quoted(later, 5950, Right::call, 0.99),  // in the money
       quoted(later, 5000, Right::put, 0.30), quoted(later, 6100, Right::call, 0.14),
       quoted(later, 6010, Right::call, std::nullopt), quoted(later, 6005, Right::call, 0.0)}));
  EXPECT_FALSE(vols.empty());
  EXPECT_EQ(vols.at_the_money(later.filed), 0.16);
  EXPECT_EQ(vols.at(later.filed, price(5000)), 0.30);
  EXPECT_EQ(vols.at(later.filed, price(5500)), 0.16);
  EXPECT_EQ(vols.at(weekly.filed, price(5000)), 0.16) << "the nearest date known";
  EXPECT_TRUE(VolView{}.empty());
  EXPECT_FALSE(VolView{}.at_the_money(later.filed));
  auto changing = view(snapshot({}));
  changing.set_implied_vol_30d(0.2);
  EXPECT_EQ(changing.at_the_money(later.filed), 0.2);
  changing.learn(snapshot({quoted(weekly, 5950, Right::put, 0.3)}));
  EXPECT_EQ(changing.at_the_money(later.filed), 0.3);
  changing.forget_before(later.filed);
  EXPECT_EQ(changing.at_the_money(later.filed), 0.2);
  EXPECT_EQ(vols.at_the_money(later.filed + std::chrono::days{400}), 0.16);
}

TEST_F(UniverseTest, BySigmaIsNarrowNearAndWideFar) {
  rule = UniverseRules::parse("SPX strikes=sigma:2", "u", 60, 0.25)->of("SPX");
  vols = view(snapshot({quoted(later, 5950, Right::put, 0.16)}));
  universe.begin_day(day("2026-11-24"));
  universe.list(weekly, options(weekly, 4000, 8000, 10));
  universe.list(later, options(later, 4000, 8000, 10));
  const auto choice = choose("2026-11-24T14:35:00Z", 6000);
  EXPECT_FALSE(choice.fell_back);
  std::map<core::Date, std::pair<double, double>> range;
  for (const auto& candidate : choice.candidates) {
    const auto& contract = universe.member(candidate.member).option.contract;
    auto [entry, first] = range.try_emplace(contract.expiry, 1e9, 0.0);
    entry->second.first = std::min(entry->second.first, contract.strike.value());
    entry->second.second = std::max(entry->second.second, contract.strike.value());
  }
  // 24.27 days (14:35 to 21:00 on the 24th later): 2 * 0.16 * sqrt(T) = 8.25 %.
  EXPECT_EQ(range.at(later.filed), (std::pair{5530.0, 6510.0}));
  EXPECT_EQ(range.at(weekly.filed).first,
            std::ceil(6000 * std::exp(-0.32 * std::sqrt((24 + 6 + 25 / 60.0) / 8760)) / 10) * 10);
}

TEST_F(UniverseTest, ByDeltaKeepsBothSidesOfAStrike) {
  rule = UniverseRules::parse("SPX strikes=delta:0.1", "u", 60, 0.25)->of("SPX");
  vols = view(snapshot({quoted(later, 5950, Right::put, 0.16)}));
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 4000, 8000, 10));
  const auto choice = choose("2026-11-24T14:35:00Z", 6000);
  const auto found = strikes(choice);
  EXPECT_EQ(choice.candidates.size(), 2 * found.size());
  // N(d1) = 0.9 and 0.1 at d1 = +-1.2816 with a deviation of 0.16 * sqrt(24.27 / 365) = 0.04125.
  EXPECT_EQ(*found.begin(), 5700);
  EXPECT_EQ(*found.rbegin(), 6330);
}

TEST_F(UniverseTest, FallsBackOnThePercentWindowWhileNoVolIsKnown) {
  rule = UniverseRules::parse("SPX strikes=delta:0.1", "u", 60, 0.02)->of("SPX");
  universe.begin_day(day("2026-11-24"));
  universe.list(later, options(later, 5000, 7000));
  const auto choice = choose("2026-11-24T14:35:00Z", 6000);
  EXPECT_TRUE(choice.fell_back);
  EXPECT_EQ(strikes(choice), (std::set<double>{5900, 5950, 6000, 6050, 6100}));
}

}  // namespace
}  // namespace bifrost::collector
