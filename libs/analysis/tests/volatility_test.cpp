// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/volatility.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "chain_history.hpp"
#include "daily_bars.hpp"
#include "shared_data.hpp"
#include "synthetic_chain.hpp"

namespace bifrost::analysis {
namespace {

constexpr Estimator estimators[] = {Estimator::close_to_close, Estimator::parkinson,
                                    Estimator::garman_klass, Estimator::rogers_satchell,
                                    Estimator::yang_zhang};

// Days of a geometric Brownian motion in many small steps, with a jump each night.
struct Walk {
  double day_vol;    // deviation of the log over a session
  double day_drift;  // of the log over a session
  double night_vol;

  std::vector<DailyBar> bars(int days, unsigned seed, int steps = 2'000) const {
    std::mt19937 random{seed};
    std::normal_distribution<double> normal;
    std::vector<DailyBar> out;
    double price = 100.0;
    for (int day = 0; day < days; ++day) {
      price *= std::exp(night_vol * normal(random));
      DailyBar bar{price, price, price, price};
      for (int i = 0; i < steps; ++i) {
        price *= std::exp(day_drift / steps + day_vol / std::sqrt(steps) * normal(random));
        bar.high = std::max(bar.high, price);
        bar.low = std::min(bar.low, price);
      }
      bar.close = price;
      out.push_back(bar);
    }
    return out;
  }
};

// Variances of 500 days; a range seen in steps is about 1 % too small, which is allowed for.
TEST(HistoricalVol, IsUnbiasedOnWalkedDaysAndRangesScatterLess) {
  const double day_vol = 0.01;
  const auto bars = Walk{day_vol, 0.0, 0.0}.bars(500, 1);
  const double truth = day_vol * std::sqrt(252.0);
  // Deviations of one day's variance over its mean, from the papers: 2 for the close alone, and
  // less by their efficiencies (5.2, 7.4, 6.0).
  const std::map<Estimator, double> scatter{{Estimator::close_to_close, 2.0},
                                            {Estimator::parkinson, 2.0 / 5.2},
                                            {Estimator::garman_klass, 2.0 / 7.4},
                                            {Estimator::rogers_satchell, 2.0 / 6.0},
                                            {Estimator::yang_zhang, 2.0 / 6.0}};
  for (const auto& [estimator, variance] : scatter) {
    const auto vol = historical_vol(estimator, bars);
    ASSERT_TRUE(vol);
    const double error = 0.5 * std::sqrt(variance / 500);  // of the vol, relative
    EXPECT_NEAR(*vol / truth, 1.0, 3 * error + 0.02) << to_string(estimator);
  }
}

TEST(HistoricalVol, LeavesTheDriftOutWhereItSaysSo) {
  const auto bars = Walk{0.01, 0.02, 0.0}.bars(2'000, 2);
  const double truth = 0.01 * std::sqrt(252.0);
  EXPECT_NEAR(*historical_vol(Estimator::rogers_satchell, bars) / truth, 1.0, 0.05);
  EXPECT_NEAR(*historical_vol(Estimator::yang_zhang, bars) / truth, 1.0, 0.05);
  // A zero mean takes a drift of two deviations for variance; so does a range.
  EXPECT_GT(*historical_vol(Estimator::close_to_close, bars) / truth, 1.8);
  EXPECT_GT(*historical_vol(Estimator::parkinson, bars) / truth, 1.2);
}

TEST(HistoricalVol, CountsTheNightWhereItSaysSo) {
  const auto bars = Walk{0.01, 0.0, 0.01}.bars(500, 3);
  for (const auto estimator : estimators) {
    const double day = 0.01 * std::sqrt(252.0);
    const bool night = overnight_of(estimator) == Overnight::included;
    EXPECT_NEAR(*historical_vol(estimator, bars), night ? day * std::sqrt(2.0) : day, 0.15 * day)
        << to_string(estimator);
  }
}

// The formulas on two bars whose logs are round numbers, by hand: u = 0.02, d = -0.01, c = 0.01.
TEST(HistoricalVol, IsTheFormulaOnBarsThatOneCanWorkOut) {
  const DailyBar bar{100, 100 * std::exp(0.02), 100 * std::exp(-0.01), 100 * std::exp(0.01)};
  const auto daily_variance = [&](Estimator estimator) {
    const double vol = *historical_vol(estimator, {&bar, 1});
    return vol * vol / 252;
  };
  EXPECT_NEAR(daily_variance(Estimator::parkinson), 0.0009 / (4 * std::log(2.0)), 1e-15);
  EXPECT_NEAR(daily_variance(Estimator::garman_klass),
              0.511 * 9e-4 - 0.019 * (1e-4 + 4e-4) - 0.383 * 1e-4, 1e-15);
  EXPECT_NEAR(daily_variance(Estimator::rogers_satchell), 2e-4 + 2e-4, 1e-15);
  const std::vector<double> closes{100, 100 * std::exp(0.01), 100 * std::exp(-0.01)};
  EXPECT_NEAR(*close_to_close_vol(closes), std::sqrt(252 * (1e-4 + 4e-4) / 2), 1e-14);
  // Yang and Zhang: nights of +0.01 and -0.01, days of +0.01 and 0, Rogers and Satchell 4e-4 and 0.
  const double second_open = bar.close * std::exp(0.01);
  const DailyBar second{second_open, second_open * std::exp(0.02), second_open * std::exp(-0.01),
                        second_open * std::exp(0.01)};
  const double third_open = second.close * std::exp(-0.01);
  const DailyBar third{third_open, third_open, third_open, third_open};
  const std::vector<DailyBar> bars{bar, second, third};
  const double k = 0.34 / (1.34 + 3.0);
  EXPECT_NEAR(*historical_vol(Estimator::yang_zhang, bars),
              std::sqrt(252 * (2e-4 + k * 0.5e-4 + (1 - k) * 2e-4)), 1e-12);
}

TEST(HistoricalVol, RefusesWhatIsNoBar) {
  const DailyBar good{100, 101, 99, 100};
  EXPECT_EQ(historical_vol(Estimator::parkinson, {}).error(), NoVolatility::too_few_days);
  EXPECT_EQ(historical_vol(Estimator::close_to_close, {&good, 1}).error(),
            NoVolatility::too_few_days);
  const std::vector<DailyBar> two{good, good};
  EXPECT_EQ(historical_vol(Estimator::yang_zhang, two).error(), NoVolatility::too_few_days);
  for (const DailyBar bad : {DailyBar{100, 99, 98, 100},
                             {100, 102, 101, 101},
                             {0, 1, 0, 1},
                             {100, 101, std::nan(""), 100},
                             {100, INFINITY, 99, 100}}) {
    for (const auto estimator : estimators) {
      const std::vector<DailyBar> bars{good, bad, good, good};
      EXPECT_EQ(historical_vol(estimator, bars).error(), NoVolatility::inconsistent_bar);
    }
  }
  EXPECT_EQ(close_to_close_vol(std::vector<double>{1.0, -1.0}).error(),
            NoVolatility::inconsistent_bar);
}

// Two decades of one index fund, year by year, each estimator against another formula for the same
// variance.
TEST(HistoricalVol, AgreesWithOtherFormulasOnRealBars) {
  const auto file = shared_data("a_clear/underlying_daily.csv.gz");
  if (!file) GTEST_SKIP() << "no underlying_daily here (set BIFROST_SHARED_DATA)";
  const auto all = read_daily_bars(*file, "SPY");
  ASSERT_GT(all.size(), 5'000u);
  int years = 0;
  for (std::size_t first = 0; first + 253 <= all.size(); first += 252, ++years) {
    const std::span<const DailyBar> bars{all.data() + first, 253};
    const auto vol = [&](Estimator estimator) {
      const auto made = historical_vol(estimator, bars);
      EXPECT_TRUE(made) << first << ' ' << to_string(made.error());
      return made.value_or(0.0);
    };
    double practical = 0.0;  // the shorter formula of Garman and Klass
    double night = 0.0;
    for (std::size_t i = 0; i < bars.size(); ++i) {
      const double range = std::log(bars[i].high / bars[i].low);
      const double day = std::log(bars[i].close / bars[i].open);
      practical += 0.5 * range * range - (2 * std::log(2.0) - 1) * day * day;
      if (i > 0) night += std::pow(std::log(bars[i].open / bars[i - 1].close), 2);
    }
    EXPECT_NEAR(vol(Estimator::garman_klass), std::sqrt(252 * practical / 253),
                0.02 * vol(Estimator::garman_klass));
    // Apart by bad prints in the years around 2000, which each formula weighs differently.
    EXPECT_NEAR(vol(Estimator::rogers_satchell) / vol(Estimator::garman_klass), 1.0, 0.25);
    EXPECT_NEAR(vol(Estimator::parkinson) / vol(Estimator::garman_klass), 1.0, 0.15);
    // A day's range and the night before it make what closes see.
    const double whole = std::sqrt(std::pow(vol(Estimator::rogers_satchell), 2) + night);
    EXPECT_NEAR(vol(Estimator::yang_zhang) / whole, 1.0, 0.1);
  }
  EXPECT_EQ(years, 23);
}

TEST(ConstantMaturity, IsLinearInTotalVariance) {
  const std::vector<TermPoint> points{{20.0 / 365, 0.2 * 0.2 * 20 / 365},
                                      {40.0 / 365, 0.3 * 0.3 * 40 / 365}};
  // Half way: half the variance to come, over 30 days.
  EXPECT_NEAR(*constant_maturity_vol(points, 30.0 / 365),
              std::sqrt((0.04 * 20 + 0.09 * 40) / 2 / 30), 1e-15);
  EXPECT_NEAR(*constant_maturity_vol(points, 20.0 / 365), 0.2, 1e-15);
  EXPECT_NEAR(*constant_maturity_vol(points, 40.0 / 365), 0.3, 1e-15);
  EXPECT_EQ(constant_maturity_vol(points, 19.0 / 365).error(), NoTerm::out_of_reach);
  EXPECT_EQ(constant_maturity_vol(points, 41.0 / 365).error(), NoTerm::out_of_reach);
  EXPECT_EQ(constant_maturity_vol({}, 0.1).error(), NoTerm::out_of_reach);
  const std::vector<TermPoint> backwards{points[1], points[0]};
  EXPECT_EQ(constant_maturity_vol(backwards, 0.1).error(), NoTerm::not_ascending);
  const std::vector<TermPoint> empty{{0.1, 0.0}};
  EXPECT_EQ(constant_maturity_vol(empty, 0.1).error(), NoTerm::not_ascending);
}

TEST(ForwardVol, IsRefusedWhereVarianceFalls) {
  EXPECT_NEAR(*forward_vol({0.1, 0.004}, {0.2, 0.013}), 0.3, 1e-14);
  EXPECT_EQ(*forward_vol({0.1, 0.004}, {0.2, 0.004}), 0.0);
  EXPECT_EQ(forward_vol({0.1, 0.004}, {0.2, 0.0039}).error(), NoTerm::negative_variance);
  EXPECT_EQ(forward_vol({0.2, 0.004}, {0.1, 0.008}).error(), NoTerm::not_ascending);
}

TEST(TermStructureOfVols, GivesRatiosAndForwardsWhereTheChainReaches) {
  const auto flat = [](double days, double vol) {
    return TermPoint{days / 365, vol * vol * days / 365};
  };
  const std::vector<TermPoint> fear{flat(25, 0.4), flat(35, 0.4), flat(60, 0.3), flat(80, 0.28)};
  const auto term = term_structure(fear);
  EXPECT_NEAR(*term.vol_30d, 0.4, 1e-14);
  EXPECT_NEAR(*term.ratio_30d_60d, 0.4 / 0.3, 1e-13);
  EXPECT_NEAR(*term.forward_vol_30d_60d, std::sqrt((0.09 * 60 - 0.16 * 30) / 30), 1e-13);
  EXPECT_FALSE(term.vol_90d);
  EXPECT_FALSE(term.ratio_30d_90d);
  EXPECT_EQ(term.forward_vol_60d_90d.error(), NoTerm::out_of_reach);
  const std::vector<TermPoint> impossible{flat(30, 0.6), flat(60, 0.3)};
  EXPECT_EQ(term_structure(impossible).forward_vol_30d_60d.error(), NoTerm::negative_variance);
}

TEST(GammaExposureOfAChain, SaysWhichSideItSupposes) {
  const std::vector<OpenGamma> options{{Right::call, 0.02, 1'000, 100},
                                       {Right::put, 0.01, 3'000, 100},
                                       {Right::put, 0.05, std::nullopt, 100}};
  const auto total = gamma_exposure(options, 50.0);
  // A call worth 2,000 and a put worth 3,000 shares per 1.00 of spot, over 0.50 at 50.
  EXPECT_NEAR(total.calls_long_puts_short, (2'000 - 3'000) * 0.5 * 50, 1e-9);
  EXPECT_NEAR(total.unsigned_total, 5'000 * 0.5 * 50, 1e-9);
  EXPECT_EQ(total.options, 2);
  EXPECT_EQ(total.without_open_interest, 1);
}

// A smile that is known, fitted, and read at a delta and at a maturity.
class FittedSkew : public ::testing::Test {
 protected:
  static FittedExpiry fitted(double days) {
    SyntheticMarket market;
    market.years = days / 365;
    market.half_spread = 0.005;
    const auto chain = market.chain(60, 150, 1);
    const auto parity = forward_and_discount(chain, market.years, market.rate);
    EXPECT_TRUE(parity);
    return {.which = {},
            .years_to_expiry = market.years,
            .smile = fit_smile(chain, *parity, {.years_to_expiry = market.years})};
  }
};

TEST_F(FittedSkew, IsThatOfTheMarketBehindTheQuotes) {
  const SyntheticMarket market;
  const Surface surface{{fitted(20), fitted(60)}};
  for (const auto& expiry : surface.expiries) ASSERT_TRUE(expiry.smile);
  const auto& smile = *surface.expiries[1].smile;
  for (const auto right : {Right::call, Right::put}) {
    const auto strike = strike_at_delta(smile, right, 0.25);
    ASSERT_TRUE(strike);
    const double s = market.vol(*strike) * std::sqrt(market.years);
    const double d1 = std::log(market.forward / *strike) / s + 0.5 * s;
    EXPECT_NEAR(normal_cdf(right == Right::call ? d1 : -d1), 0.25, 0.005);
  }
  // All expiries have the same vol at the same k here, so at every maturity between them.
  const auto skew = constant_maturity_skew(surface, 30.0 / 365);
  ASSERT_TRUE(skew);
  EXPECT_NEAR(skew->at_the_money_vol, market.vol(market.forward), 0.002);
  EXPECT_NEAR(skew->slope, -0.25, 0.02);
  EXPECT_GT(skew->skew_25_delta(), 0.0);
  EXPECT_EQ(constant_maturity_skew(surface, 90.0 / 365).error(), NoTerm::out_of_reach);
  const auto at_end = constant_maturity_skew(surface, 60.0 / 365);
  ASSERT_TRUE(at_end);
  EXPECT_NEAR(at_end->put_25_delta_vol, smile.vol(*strike_at_delta(smile, Right::put, 0.25)), 1e-9);
  const auto points = at_the_money(surface);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_NEAR(*constant_maturity_vol(points, 30.0 / 365), skew->at_the_money_vol, 1e-12);
}

// The whole SPX chain of 2019-05-17. The VIX closed at 15.96: the same 30 days as a variance swap,
// which pays for the skew on top of the level at the money.
TEST(MarketVols, OfTheIndexOnOneDay) {
  const auto file = shared_data("b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz");
  if (!file) GTEST_SKIP() << "no SPX chain here (set BIFROST_SHARED_DATA)";
  const auto history = read_history(*file);
  const auto& snapshot = history.snapshots.begin()->second;
  const auto surface = fit_surface(snapshot, {});
  const auto points = at_the_money(surface);
  ASSERT_GE(points.size(), 35u);
  const auto term = term_structure(points);
  ASSERT_TRUE(term.vol_30d && term.vol_60d && term.vol_90d);
  EXPECT_GT(*term.vol_30d, 0.125);
  EXPECT_LT(*term.vol_30d, 0.1596);
  EXPECT_NEAR(*term.ratio_30d_90d, 1.0, 0.1);
  ASSERT_TRUE(term.forward_vol_30d_60d);
  EXPECT_NEAR(*term.forward_vol_30d_60d, *term.vol_60d, 0.02);
  const auto skew = constant_maturity_skew(surface, 30.0 / 365);
  ASSERT_TRUE(skew);
  EXPECT_NEAR(skew->at_the_money_vol, *term.vol_30d, 1e-9);
  EXPECT_GT(skew->skew_25_delta(), 0.2);
  EXPECT_LT(skew->slope, -0.5);

  std::vector<OpenGamma> open;
  for (const auto& which : listed_expiries(snapshot)) {
    const auto fitted = std::find_if(surface.expiries.begin(), surface.expiries.end(),
                                     [&](const FittedExpiry& at) { return at.which == which; });
    ASSERT_NE(fitted, surface.expiries.end());
    const auto priced = refresh(*select_expiry(snapshot, which), fitted->years_to_expiry, {});
    ASSERT_TRUE(priced);
    for (std::size_t i = 0; i < priced->rows.size(); ++i) {
      const auto add = [&](Right right, const auto& option, const auto& side) {
        if (option && option->greeks) {
          open.push_back({right, option->greeks->gamma, side->open_interest, 100});
        }
      };
      add(Right::call, priced->rows[i].call, priced->chain.rows[i].call);
      add(Right::put, priced->rows[i].put, priced->chain.rows[i].put);
    }
  }
  const auto exposure = gamma_exposure(open, snapshot.underlying_price->value());
  EXPECT_EQ(static_cast<std::size_t>(exposure.options + exposure.without_open_interest),
            open.size());
  EXPECT_GT(exposure.unsigned_total, std::abs(exposure.calls_long_puts_short));
  EXPECT_GT(exposure.options, 5'000);
  RecordProperty("vol_30d", std::to_string(*term.vol_30d));
  RecordProperty("skew", std::to_string(skew->skew_25_delta()));
  RecordProperty("slope", std::to_string(skew->slope));
  RecordProperty("gamma_unsigned", std::to_string(exposure.unsigned_total));
  RecordProperty("gamma_signed", std::to_string(exposure.calls_long_puts_short));
}

}  // namespace
}  // namespace bifrost::analysis
