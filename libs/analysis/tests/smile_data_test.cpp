// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "bifrost/analysis/smile.hpp"
#include "bifrost/core/calendar.hpp"
#include "chain_history.hpp"
#include "shared_data.hpp"

// Every real chain, fitted or refused with a reason (shared/data/README.md describes them).
namespace bifrost::analysis {
namespace {

struct Expected {
  const char* file;
  ExerciseStyle style;
  int every;  // of so many snapshots one is taken: neighbours five minutes apart tell the same
  int listed;
  int fitted;
  std::map<NoSmile, int> refused;
  int liquid;  // those with eight two-sided quotes out of the money on both sides and a day to go
  double worst_middle_rmse_vol;  // of the liquid ones, half are better

  friend void PrintTo(const Expected& expected, std::ostream* to) { *to << expected.file; }
};

class SmilesOfRealChains : public ::testing::TestWithParam<Expected> {};

bool is_liquid(const ExpiryChain& chain, double years, ExerciseStyle style) {
  if (years <= 1.0 / 365) return false;
  const auto parity = forward_and_discount(chain, years, std::nullopt, style);
  if (!parity) return false;
  int puts = 0;
  int calls = 0;
  for (const auto& row : chain.rows) {
    if (row.strike.value() < parity->forward) {
      puts += row.put && row.put->two_sided() ? 1 : 0;
    } else {
      calls += row.call && row.call->two_sided() ? 1 : 0;
    }
  }
  return puts >= 8 && calls >= 8;
}

/// Total variance of the later one below that of the earlier, anywhere that either is worth a
/// billionth of the forward.
double worst_disorder(const Smile& earlier, const Smile& later) {
  double worst = 0.0;
  for (double k = -2.5; k < 1.5; k += 0.013) {
    const double strike = earlier.forward() * std::exp(k);
    const double worth = k < 0.0 ? earlier.put(strike) : earlier.call(strike);
    if (worth < 1e-9 * earlier.forward()) continue;
    worst = std::max(worst, 1.0 - later.total_variance(k) / earlier.total_variance(k));
  }
  return worst;
}

TEST_P(SmilesOfRealChains, AreFittedOrRefusedWithAReason) {
  const auto& expected = GetParam();
  const auto file = shared_data(expected.file);
  if (!file) GTEST_SKIP() << "no " << expected.file << " here (set BIFROST_SHARED_DATA)";
  const auto history = read_history(*file);
  int listed = 0;
  int fitted = 0;
  int liquid = 0;
  int liquid_free = 0;
  std::map<NoSmile, int> refused;
  std::vector<double> rmse;
  int number = 0;
  for (const auto& [as_of, snapshot] : history.snapshots) {
    if (number++ % expected.every != 0) continue;
    const auto surface = fit_surface(snapshot, {expected.style, std::nullopt});
    EXPECT_EQ(surface.expiries.size(), listed_expiries(snapshot).size());
    const Smile* earlier = nullptr;
    for (const auto& [which, years, smile] : surface.expiries) {
      ++listed;
      const auto chain = select_expiry(snapshot, which);
      ASSERT_TRUE(chain);
      const bool counts = is_liquid(*chain, years, expected.style);
      liquid += counts ? 1 : 0;
      if (!smile) {
        ++refused[smile.error()];
        continue;
      }
      ++fitted;
      const auto& quality = smile->quality();
      EXPECT_TRUE(quality.butterfly_free && quality.least_g >= 0.0);
      for (double z = -12.0; z < 12.0; z += 0.25) {
        const double k = z * smile->vol(smile->forward()) * std::sqrt(years);
        EXPECT_GE(smile->g(k), 0.0) << k;
        EXPECT_GE(smile->density(smile->forward() * std::exp(k)), 0.0);
      }
      if (quality.calendar_free && earlier) {
        EXPECT_LT(worst_disorder(*earlier, *smile), 1e-6) << core::to_iso_date(which.expiry);
      }
      earlier = &*smile;
      if (!counts) continue;
      liquid_free += quality.butterfly_free && quality.calendar_free ? 1 : 0;
      rmse.push_back(quality.rmse_vol);
    }
  }
  EXPECT_EQ(listed, expected.listed);
  EXPECT_EQ(fitted, expected.fitted);
  for (const auto& [why, count] : refused) {
    const auto known = expected.refused.find(why);
    EXPECT_EQ(count, known == expected.refused.end() ? 0 : known->second) << to_string(why);
  }
  EXPECT_EQ(liquid, expected.liquid);
  EXPECT_GE(liquid_free, 0.99 * liquid);
  if (rmse.empty()) return;
  std::ranges::sort(rmse);
  RecordProperty("rmse_vol_middle", std::to_string(rmse[rmse.size() / 2]));
  EXPECT_LT(rmse[rmse.size() / 2], expected.worst_middle_rmse_vol);
}

INSTANTIATE_TEST_SUITE_P(
    Files, SmilesOfRealChains,
    ::testing::Values(Expected{"b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz",
                               ExerciseStyle::european,
                               1,
                               39,
                               39,
                               {},
                               39,
                               0.0004},
                      Expected{"b_upstream_unstated/spxw_2018_01_eod.csv.gz",
                               ExerciseStyle::european,
                               1,
                               21,
                               20,
                               {{NoSmile::no_time, 1}},
                               19,
                               0.0008},
                      Expected{"b_upstream_unstated/spy_2021_jan_sep_eod_top20.csv.gz",
                               ExerciseStyle::american,
                               1,
                               746,
                               110,
                               {{NoSmile::no_forward, 634}, {NoSmile::too_few_quotes, 2}},
                               2,
                               0.001},
                      Expected{"b_upstream_unstated/vstoxx_2014_jan_feb_eod_settle.csv.gz",
                               ExerciseStyle::european,
                               14,
                               24,
                               24,
                               {},
                               16,
                               0.04},
                      Expected{"a_clear/aapl_2014_06_06_and_09_hourly.csv.gz",
                               ExerciseStyle::american,
                               7,
                               25,
                               25,
                               {},
                               24,
                               0.0015},
                      Expected{"a_clear/aapl_2016_01_15_c100_2015_daily.csv.gz",
                               ExerciseStyle::american,
                               25,
                               10,
                               0,
                               {{NoSmile::no_forward, 10}},
                               0,
                               0.0},
                      Expected{"a_clear/twx_2014_06_05_06_5min.csv.gz",
                               ExerciseStyle::american,
                               26,
                               30,
                               30,
                               {},
                               6,
                               0.0012},
                      Expected{"a_clear/spx_2021_01_04_5min.csv.gz",
                               ExerciseStyle::european,
                               6,
                               52,
                               0,
                               {{NoSmile::no_forward, 13}, {NoSmile::too_few_quotes, 39}},
                               0,
                               0.0},
                      Expected{"a_clear/anon_aaaa_2017_06_13_1min_mid.csv.gz",
                               ExerciseStyle::american,
                               130,
                               13,
                               13,
                               {},
                               11,
                               0.001}));

// The source reckoned its vols on the Saturday after, in whole days; ours are brought to its clock.
TEST(SmilesOfAnIndex, AgreeWithTheVolsAndDeltasOfTheSource) {
  const auto file = shared_data("b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz");
  if (!file) GTEST_SKIP() << "no shared/data here (set BIFROST_SHARED_DATA)";
  const auto history = read_history(*file);
  const auto& snapshot = history.snapshots.begin()->second;
  const auto saturday = *core::parse_date("2019-05-18");
  std::map<core::OptionContract, core::Quote> theirs;
  for (const auto& [contract, quote] : snapshot.quotes) theirs[contract] = quote;
  std::vector<double> as_solved;
  std::vector<double> on_their_clock;
  std::vector<double> fitted;
  std::vector<double> deltas;
  for (const auto& [which, years, smile] : fit_surface(snapshot, {}).expiries) {
    if (years < 14.0 / 365) continue;
    ASSERT_TRUE(smile);
    auto chain = select_expiry(snapshot, which);
    const auto priced = refresh(*std::move(chain), years, std::nullopt);
    ASSERT_TRUE(priced);
    const double their_years = static_cast<double>((which.expiry - saturday).count()) / 365;
    const double clock = std::sqrt(years / their_years);
    for (const auto& row : priced->rows) {
      // Out of the money, where a vol says something.
      const Right right = row.strike.value() < priced->parity.forward ? Right::put : Right::call;
      const auto& option = right == Right::call ? row.call : row.put;
      const auto found = theirs.find({snapshot.underlying, which.trading_class, which.expiry,
                                      row.strike, right, priced->chain.multiplier});
      if (!option || !option->implied_vol || found == theirs.end()) continue;
      const auto& their = found->second;
      if (!their.implied_vol || *their.implied_vol <= 0) continue;
      as_solved.push_back(std::abs(*option->implied_vol - *their.implied_vol));
      on_their_clock.push_back(std::abs(*option->implied_vol * clock - *their.implied_vol));
      fitted.push_back(std::abs(smile->vol(row.strike.value()) * clock - *their.implied_vol));
      if (their.delta && option->greeks) {
        deltas.push_back(std::abs(option->greeks->delta - *their.delta));
      }
    }
  }
  ASSERT_GT(as_solved.size(), 4900u);
  ASSERT_GT(deltas.size(), 4900u);
  const auto at_share = [&](const char* name, std::vector<double>& values, double share) {
    std::ranges::sort(values);
    const auto last = static_cast<double>(values.size() - 1);
    const double value = values[static_cast<std::size_t>(share * last)];
    RecordProperty(std::string(name) + "_" + std::to_string(share), std::to_string(value));
    return value;
  };
  EXPECT_LE(at_share("as_solved", as_solved, 0.5), 0.002);
  EXPECT_LE(at_share("as_solved", as_solved, 0.99), 0.01);
  EXPECT_LE(at_share("on_their_clock", on_their_clock, 0.5), 0.002);
  EXPECT_LE(at_share("on_their_clock", on_their_clock, 1.0), 0.01);
  EXPECT_LE(at_share("fitted", fitted, 0.5), 0.002);
  EXPECT_LE(at_share("fitted", fitted, 0.99), 0.01);
  EXPECT_LE(at_share("delta", deltas, 1.0), 0.005);
}

}  // namespace
}  // namespace bifrost::analysis
