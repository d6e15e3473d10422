// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "bifrost/analysis/density.hpp"
#include "bifrost/analysis/probability.hpp"
#include "bifrost/analysis/smile.hpp"
#include "chain_history.hpp"
#include "shared_data.hpp"

// The identities of numbers.md on every expiry of every real chain that has a smile.
namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct ChainFile {
  const char* name;
  int every;  // of so many snapshots one is looked at: files by the minute repeat themselves
  int least_fitted;

  friend void PrintTo(const ChainFile& file, std::ostream* to) { *to << file.name; }
};

class DensitiesOfRealChains : public ::testing::TestWithParam<ChainFile> {
 protected:
  void SetUp() override {
    const auto file = shared_data(GetParam().name);
    if (!file) GTEST_SKIP() << "no " << GetParam().name << " here (set BIFROST_SHARED_DATA)";
    history_ = read_history(*file);
  }

  static ExerciseStyle style_of(const std::string& underlying) {
    const bool index = underlying == "SPX" || underlying == "V2TX" || underlying == "VSTOXX";
    return index ? ExerciseStyle::european : ExerciseStyle::american;
  }

  /// Four random legs on listed strikes, each at what the smile says it is worth.
  struct Position {
    std::vector<Leg> legs;
    double worth;  // what the legs' prices on ticks leave out of their model values
  };
  Position at_model_prices(const Smile& smile, const std::vector<Price>& strikes) {
    Position position{{}, 0.0};
    std::uniform_int_distribution<std::size_t> strike{0, strikes.size() - 1};
    std::uniform_int_distribution<int> quantity{-2, 2};
    for (int i = 0; i < 4; ++i) {
      const Price at = strikes[strike(random_)];
      const auto right = i % 2 ? Right::put : Right::call;
      const double fair = black_scholes_price(
          right, ForwardInputs{smile.forward(), at.value(), smile.years_to_expiry(), 1.0,
                               smile.vol(at.value())});
      const Price entry = *Price::from_double(fair);
      const int bought = quantity(random_);
      position.legs.push_back({i % 2 ? LegKind::put : LegKind::call, bought, at, entry, 1});
      position.worth += bought * (fair - entry.value());
    }
    return position;
  }

  History history_;
  std::mt19937 random_{31};
};

// T6.
void expect_flat_identity(const Smile& smile, const Payoff& payoff) {
  const double forward = smile.forward();
  const double years = smile.years_to_expiry();
  const double vol = smile.vol(forward);
  const auto lognormal = lognormal_density({forward, vol, years});
  const auto flat = implied_density({.forward = forward,
                                     .years_to_expiry = years,
                                     .total_variance = [=](double) { return vol * vol * years; },
                                     .total_variance_slope = [](double) { return 0.0; },
                                     .method = "flat"});
  ASSERT_TRUE(flat);
  double by_strike = 0.0;
  for (const auto& [low, high] : payoff.profitable) {
    const auto above = [&](double spot) {
      return probability_above({forward, spot, years, vol, 0.0});
    };
    by_strike += (low > 0.0 ? above(low) : 1.0) - (high < infinity ? above(high) : 0.0);
  }
  const double pop = probability_of_profit(payoff, *lognormal);
  ASSERT_NEAR(pop, probability_of_profit(payoff, **flat), 1e-9);
  ASSERT_NEAR(pop, by_strike, 1e-9);
}

TEST_P(DensitiesOfRealChains, SatisfyTheIdentities) {
  std::map<std::string, int> refused;
  int fitted = 0;
  double worst_identity = 0.0;
  int seen = 0;
  for (const auto& [as_of, snapshot] : history_.snapshots) {
    if (seen++ % GetParam().every != 0) continue;
    const auto surface = fit_surface(snapshot, {.style = style_of(snapshot.underlying)});
    for (const auto& expiry : surface.expiries) {
      if (!expiry.smile) {
        ++refused[std::string{to_string(expiry.smile.error())}];
        continue;
      }
      ++fitted;
      const Smile& smile = *expiry.smile;
      const auto made = implied_density(smile);
      ASSERT_TRUE(made) << to_string(made.error());
      const Density& density = **made;
      const double forward = smile.forward();
      EXPECT_EQ(density.mean(), forward);
      ASSERT_NEAR(density.call(1e-9 * forward), forward, 1e-8 * forward);

      std::vector<Price> strikes;
      const auto chain = select_expiry(snapshot, expiry.which);
      ASSERT_TRUE(chain);
      for (const auto& row : chain->rows) {
        if (row.strike > Price{}) strikes.push_back(row.strike);
      }
      double below = 0.0;
      for (const Price strike : strikes) {
        const double here = density.cdf(strike.value());
        ASSERT_GE(here, below) << strike.value();
        ASSERT_LE(here, 1.0);
        below = here;
        if (here < 1e-12 || here > 1.0 - 1e-12) continue;
        // The way of numbers.md 6.2, through vol and its slope.
        const SmilePoint point{forward, strike.value(), smile.years_to_expiry(),
                               smile.vol(strike.value()), smile.vol_slope(strike.value())};
        ASSERT_NEAR(probability_above(point), 1.0 - here, 1e-7) << strike.value();
      }
      for (int i = 0; i < 3; ++i) {
        const auto position = at_model_prices(smile, strikes);
        const auto payoff = payoff_at_expiry(position.legs);
        ASSERT_TRUE(payoff);
        // T7, per share.
        const double identity =
            std::abs(expected_profit(*payoff, density) - position.worth) / forward;
        ASSERT_LE(identity, 1e-6);
        worst_identity = std::max(worst_identity, identity);
        expect_flat_identity(smile, *payoff);
        const double pop = probability_of_profit(*payoff, density);
        ASSERT_GE(pop, 0.0);
        ASSERT_LE(pop, 1.0);
      }
    }
  }
  RecordProperty("fitted", fitted);
  RecordProperty("worst_identity_in_1e_15", std::to_string(worst_identity * 1e15));
  for (const auto& [why, count] : refused) RecordProperty(why, count);
  EXPECT_GE(fitted, GetParam().least_fitted);
}

INSTANTIATE_TEST_SUITE_P(
    OfEveryFile, DensitiesOfRealChains,
    ::testing::Values(ChainFile{"a_clear/aapl_2014_06_06_and_09_hourly.csv.gz", 1, 170},
                      ChainFile{"a_clear/twx_2014_06_05_06_5min.csv.gz", 6, 130},
                      // Four or five strikes an expiry: nothing to fit, and said so.
                      ChainFile{"a_clear/spx_2021_01_04_5min.csv.gz", 1, 0},
                      ChainFile{"a_clear/anon_aaaa_2017_06_13_1min_mid.csv.gz", 30, 50},
                      ChainFile{"b_upstream_unstated/spxw_2018_01_eod.csv.gz", 1, 20},
                      ChainFile{"b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz", 1, 39},
                      // The twenty busiest contracts a day, few of them pairs.
                      ChainFile{"b_upstream_unstated/spy_2021_jan_sep_eod_top20.csv.gz", 1, 100},
                      ChainFile{"b_upstream_unstated/vstoxx_2014_jan_feb_eod_settle.csv.gz", 1,
                                330}));

}  // namespace
}  // namespace bifrost::analysis
