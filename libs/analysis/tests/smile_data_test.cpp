// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>

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
  EXPECT_EQ(refused, expected.refused);
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
                               0.0008}));

// The fit against the source's own vols, beyond two weeks (it computed them on the Saturday after).
TEST(SmilesOfAnIndex, AgreeWithTheVolsAndDeltasOfTheSource) {
  const auto file = shared_data("b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz");
  if (!file) GTEST_SKIP() << "no shared/data here (set BIFROST_SHARED_DATA)";
  const auto history = read_history(*file);
  const auto& snapshot = history.snapshots.begin()->second;
  std::map<core::OptionContract, core::Quote> theirs;
  for (const auto& [contract, quote] : snapshot.quotes) theirs[contract] = quote;
  const auto surface = fit_surface(snapshot, {});
  std::vector<double> solved;
  std::vector<double> fitted;
  std::vector<double> deltas;
  for (const auto& [which, years, smile] : surface.expiries) {
    if (years < 14.0 / 365) continue;
    ASSERT_TRUE(smile);
    const double discount = smile->discount_factor();
    auto chain = select_expiry(snapshot, which);
    const auto priced = refresh(*chain, years, std::nullopt);
    ASSERT_TRUE(priced);
    for (const auto& row : priced->rows) {
      const bool is_call = row.strike.value() >= smile->forward();
      const auto& option = is_call ? row.call : row.put;
      const auto their = theirs.find({snapshot.underlying, which.trading_class, which.expiry,
                                      row.strike, is_call ? Right::call : Right::put, 100});
      if (!option || !option->implied_vol || their == theirs.end() || !their->second.implied_vol ||
          *their->second.implied_vol <= 0) {
        continue;
      }
      const double vol = *their->second.implied_vol;
      solved.push_back(std::abs(*option->implied_vol - vol));
      fitted.push_back(std::abs(smile->vol(row.strike.value()) - vol));
      if (their->second.delta && option->greeks) {
        deltas.push_back(std::abs(option->greeks->delta - *their->second.delta));
      }
      ASSERT_GT(discount, 0.9);
    }
  }
  ASSERT_GT(solved.size(), 3000u);
  for (auto* values : {&solved, &fitted, &deltas}) std::ranges::sort(*values);
  const auto report = [&](const char* name, const std::vector<double>& values) {
    std::string line = std::to_string(values.size());
    for (const double share : {0.5, 0.95, 0.99, 1.0}) {
      line +=
          " " + std::to_string(values[static_cast<std::size_t>(share * double(values.size() - 1))]);
    }
    RecordProperty(name, line);
    printf("%s %s\n", name, line.c_str());
  };
  report("solved", solved);
  report("fitted", fitted);
  report("deltas", deltas);
}

}  // namespace
}  // namespace bifrost::analysis
