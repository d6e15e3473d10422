// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/conditions.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using core::Date;
using core::Price;
using core::Right;
using std::chrono::days;
using store::DailyOrigin;
using store::UnderlyingDay;

const auto as_of = core::parse_instant("2026-09-15T15:00:00Z").value();
const Date today = core::exchange_time(as_of).date;

/// Total vol of an expiry, with a skew in log moneyness over the root of time.
double smile(double vol, double strike, double spot, double years) {
  return vol - 0.06 * std::log(strike / spot) / std::sqrt(years);
}

/// Quotes a ten-thousandth to either side of the model's price, so that the vols come back.
void add_expiry(core::ChainSnapshot& s, Date expiry, double vol, double spot = 100) {
  const core::OptionContract any{"SIM", "SIM", expiry, {}, Right::call};
  const double years = core::years_act365f(s.as_of, core::settlement_instant(any));
  for (int strike = 50; strike <= 160; ++strike) {
    for (const auto right : {Right::call, Right::put}) {
      const double fair = analysis::black_scholes_price(
          right, analysis::ForwardInputs{spot, static_cast<double>(strike), years, 1.0,
                                         smile(vol, strike, spot, years)});
      core::OptionQuote option;
      option.contract = {"SIM", "SIM", expiry, Price::from_units(10'000LL * strike), right};
      option.quote.bid = Price::from_units(std::llround(fair * 1e4) - 1);
      option.quote.ask = Price::from_units(std::llround(fair * 1e4) + 1);
      if (option.quote.bid->units() <= 0) continue;
      option.quote.volume = right == Right::put ? 30 : 20;
      option.quote.open_interest = right == Right::put ? 100 : 400;
      s.quotes.push_back(option);
    }
  }
}

core::ChainSnapshot chain() {
  core::ChainSnapshot s{"SIM", as_of, Price::from_units(1'000'000), core::Source::live, {}};
  add_expiry(s, today + days{24}, 0.20);
  add_expiry(s, today + days{45}, 0.22);
  add_expiry(s, today + days{80}, 0.24);
  return s;
}

double years_to(Date expiry) {
  return core::years_act365f(as_of,
                             core::settlement_instant({"SIM", "SIM", expiry, {}, Right::call}));
}

TEST(Conditions, ConstantMaturityIsLinearInTotalVariance) {
  const auto c = find_conditions(chain());
  const auto at = [&](double days_ahead, Date a, double vol_a, Date b, double vol_b) {
    const double t = days_ahead / 365;
    const double weight = (t - years_to(a)) / (years_to(b) - years_to(a));
    return std::sqrt(std::lerp(vol_a * vol_a * years_to(a), vol_b * vol_b * years_to(b), weight) /
                     t);
  };
  ASSERT_TRUE(c.implied_vol_30d && c.implied_vol_60d && c.term_slope);
  EXPECT_NEAR(*c.implied_vol_30d, at(30, today + days{24}, 0.20, today + days{45}, 0.22), 1e-4);
  EXPECT_NEAR(*c.implied_vol_60d, at(60, today + days{45}, 0.22, today + days{80}, 0.24), 1e-4);
  EXPECT_DOUBLE_EQ(*c.term_slope, *c.implied_vol_60d - *c.implied_vol_30d);
}

TEST(Conditions, SkewIsTheRiskReversalAtAQuarterOfDelta) {
  const auto c = find_conditions(chain());
  // The strike with that delta by bisection on the smile itself, per expiry and side.
  const auto wing = [&](Date expiry, double vol, Right right) {
    const double t = years_to(expiry);
    double inner = 100;
    double outer = right == Right::call ? 160 : 50;
    for (int i = 0; i < 100; ++i) {
      const double k = (inner + outer) / 2;
      const double v = smile(vol, k, 100, t);
      const double d1 = std::log(100 / k) / (v * std::sqrt(t)) + v * std::sqrt(t) / 2;
      const double delta = analysis::normal_cdf(right == Right::call ? d1 : -d1);
      (delta > 0.25 ? inner : outer) = k;
    }
    const double v = smile(vol, inner, 100, t);
    return v * v * t;
  };
  const auto at_30 = [&](Right right) {
    const double t = 30.0 / 365;
    const Date a = today + days{24};
    const Date b = today + days{45};
    const double weight = (t - years_to(a)) / (years_to(b) - years_to(a));
    return std::sqrt(std::lerp(wing(a, 0.20, right), wing(b, 0.22, right), weight) / t);
  };
  ASSERT_TRUE(c.skew_25_delta);
  EXPECT_GT(*c.skew_25_delta, 0);  // puts cost more
  EXPECT_NEAR(*c.skew_25_delta, at_30(Right::put) - at_30(Right::call), 2e-4);
}

TEST(Conditions, TotalsAndRatiosCountWhatIsThere) {
  auto s = chain();
  const auto c = find_conditions(s);
  ASSERT_TRUE(c.put_call_volume_ratio);
  EXPECT_DOUBLE_EQ(*c.put_call_volume_ratio,
                   static_cast<double>(*c.put_volume) / static_cast<double>(*c.call_volume));
  EXPECT_DOUBLE_EQ(*c.put_call_open_interest_ratio, static_cast<double>(*c.put_open_interest) /
                                                        static_cast<double>(*c.call_open_interest));
  for (auto& q : s.quotes) {
    q.quote.volume.reset();
    if (q.contract.right == Right::call) q.quote.open_interest = 0;
  }
  const auto without = find_conditions(s);
  EXPECT_EQ(without.put_volume, std::nullopt);
  EXPECT_EQ(without.put_call_volume_ratio, std::nullopt);
  EXPECT_EQ(without.call_open_interest, 0);
  EXPECT_EQ(without.put_call_open_interest_ratio, std::nullopt);
}

TEST(Conditions, AreAbsentWhereTheChainDoesNotReach) {
  core::ChainSnapshot s{"SIM", as_of, Price::from_units(1'000'000), core::Source::live, {}};
  EXPECT_EQ(find_conditions(s), store::MarketConditions{});
  add_expiry(s, today + days{45}, 0.22);
  const auto c = find_conditions(s);
  EXPECT_EQ(c.implied_vol_30d, std::nullopt);  // one expiry says nothing about 30 days
  EXPECT_EQ(c.skew_25_delta, std::nullopt);
  EXPECT_EQ(c.term_slope, std::nullopt);
}

/// Days up to the session before `today`, oldest first, with the closes given newest last.
std::vector<UnderlyingDay> closing(std::vector<double> closes, DailyOrigin origin,
                                   std::string source = "live") {
  std::vector<UnderlyingDay> result;
  Date day = today;
  for (auto at = closes.rbegin(); at != closes.rend(); ++at) {
    day = core::previous_trading_day(day);
    result.insert(
        result.begin(),
        UnderlyingDay{
            .day = day, .origin = origin, .source = source, .close = Price::from_double(*at)});
  }
  return result;
}

std::vector<UnderlyingDay> with_vols(std::vector<double> vols, DailyOrigin origin,
                                     std::string source = "live") {
  auto result = closing(std::vector<double>(vols.size(), 100.0), origin, std::move(source));
  for (std::size_t i = 0; i < vols.size(); ++i) result[i].implied_vol_30d_close = vols[i];
  return result;
}

TEST(HistoricalVol, IsTheRootMeanSquareOfDailyLogReturnsTimes252) {
  // Returns of plus and minus one percent: one percent a day, whatever the mean.
  std::vector<double> closes{100};
  for (int i = 0; i < 20; ++i)
    closes.push_back(closes.back() * std::exp(i % 2 == 0 ? 0.01 : -0.01));
  const auto history = closing(closes, DailyOrigin::broker);
  const auto vol = historical_vol(history, today, 20);
  ASSERT_TRUE(vol);
  EXPECT_NEAR(*vol, 0.01 * std::sqrt(252.0), 1e-5);
  // A steady climb has no scatter, but it moved: the mean is not taken out.
  std::vector<double> climb{100};
  for (int i = 0; i < 20; ++i) climb.push_back(climb.back() * std::exp(0.01));
  EXPECT_NEAR(*historical_vol(closing(climb, DailyOrigin::broker), today, 20),
              0.01 * std::sqrt(252.0), 1e-5);
  EXPECT_EQ(historical_vol(history, today, 30), std::nullopt);  // ten closes are missing
}

TEST(HistoricalVol, TakesNoGapAndNoSplitForAMove) {
  auto history = closing(std::vector<double>(21, 100.0), DailyOrigin::snapshots);
  EXPECT_EQ(historical_vol(history, today, 20), 0.0);
  auto gap = history;
  gap.erase(gap.begin() + 10);
  EXPECT_EQ(historical_vol(gap, today, 20), std::nullopt);
  auto unknown = history;
  unknown[10].close.reset();
  EXPECT_EQ(historical_vol(unknown, today, 20), std::nullopt);
  auto split = history;
  for (std::size_t i = 0; i < 10; ++i) split[i].close = Price::from_units(7'000'000);
  EXPECT_EQ(historical_vol(split, today, 20), std::nullopt);
  // The newest close must be that of the session before.
  EXPECT_EQ(historical_vol(history, core::next_trading_day(today), 20), std::nullopt);
}

TEST(Conditions, HistoricalVolNamesTheClosesItIsMadeOf) {
  const std::vector<double> closes(31, 100.0);
  DailyHistory history{closing(closes, DailyOrigin::snapshots),
                       closing(closes, DailyOrigin::broker)};
  const auto both = find_conditions(chain(), history);
  EXPECT_EQ(both.historical_vol_source, "broker");
  EXPECT_EQ(both.historical_vol_30d, 0.0);
  history.broker.pop_back();  // not up to the session before
  EXPECT_EQ(find_conditions(chain(), history).historical_vol_source, "snapshots");
  history.snapshots.clear();
  EXPECT_EQ(find_conditions(chain(), history).historical_vol_source, std::nullopt);
}

TEST(IvRank, StandsOnTheBrokersClosesFromTheFirstDayOn) {
  // T9 (numbers.md): history 30, 10, 11, 15, 17 and now 20: rank 50, percentile 80; here four
  // times.
  std::vector<double> vols;
  for (int i = 0; i < 4; ++i) vols.insert(vols.end(), {0.30, 0.10, 0.11, 0.15, 0.17});
  vols.push_back(0.20);
  const auto c = find_conditions(chain(), {{}, with_vols(vols, DailyOrigin::broker)});
  ASSERT_TRUE(c.iv_rank && c.iv_percentile);
  EXPECT_NEAR(*c.iv_rank, 0.5, 1e-12);
  EXPECT_NEAR(*c.iv_percentile, 0.8, 1e-12);
  EXPECT_EQ(c.iv_rank_n, 20);
  EXPECT_EQ(c.iv_rank_source, "broker");
  EXPECT_EQ(c.iv_rank_of, 0.20);
  EXPECT_EQ(c.iv_rank_day, core::previous_trading_day(today));
}

TEST(IvRank, OursAndTheBrokersAreNeverMixed) {
  // The broker's vols run ten points above ours: mixed, the rank of ours would be 0.
  const std::vector<double> ours(40, 0.15);
  const std::vector<double> theirs(60, 0.35);
  auto c = find_conditions(
      chain(), {with_vols(ours, DailyOrigin::snapshots), with_vols(theirs, DailyOrigin::broker)});
  EXPECT_EQ(c.iv_rank_source, "broker");  // the longer one
  EXPECT_EQ(c.iv_rank_n, 59);
  EXPECT_EQ(c.iv_rank, std::nullopt);  // flat: no range to stand in
  EXPECT_EQ(c.iv_percentile, 0.0);
  c = find_conditions(chain(), {with_vols(std::vector<double>(300, 0.15), DailyOrigin::snapshots),
                                with_vols(std::vector<double>(300, 0.35), DailyOrigin::broker)});
  EXPECT_EQ(c.iv_rank_source, "snapshots");  // a year of each
  EXPECT_EQ(c.iv_rank_n, rank_sessions);
  EXPECT_EQ(c.iv_rank, 1.0);  // above all of ours
  EXPECT_EQ(c.iv_rank_of, c.implied_vol_30d);
  EXPECT_EQ(c.iv_rank_day, today);
}

TEST(IvRank, IsAbsentRatherThanThinOrStale) {
  const auto thin = with_vols(std::vector<double>(20, 0.2), DailyOrigin::broker);
  EXPECT_EQ(find_conditions(chain(), {{}, thin}).iv_rank_n, std::nullopt);  // 19 before the newest
  auto stale = with_vols(std::vector<double>(60, 0.2), DailyOrigin::broker);
  stale.resize(stale.size() - 6);
  EXPECT_EQ(find_conditions(chain(), {{}, stale}).iv_rank_n, std::nullopt);
  // Days of a simulated market do not rank a real one, nor the other way round.
  const DailyHistory simulated{
      {}, with_vols(std::vector<double>(60, 0.2), DailyOrigin::broker, "simulated")};
  EXPECT_EQ(find_conditions(chain(), simulated).iv_rank_n, std::nullopt);
  auto demo = chain();
  demo.source = core::Source::simulated;
  EXPECT_EQ(find_conditions(demo, simulated).iv_rank_n, 59);
}

}  // namespace
}  // namespace bifrost::collector
