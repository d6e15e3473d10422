// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/fill.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace bifrost::analysis {
namespace {

Price at(double value) {
  return *Price::from_double(value);
}

OptionSide quote(std::optional<Price> bid, std::optional<Price> ask) {
  return {bid, ask, std::nullopt, std::nullopt, std::nullopt};
}

TEST(Fill, IsASignedPositionInTheSpread) {
  const auto side = quote(at(1.00), at(1.20));
  EXPECT_EQ(entry_price(side, true, {-1.0}), at(1.00));
  EXPECT_EQ(entry_price(side, true, {-0.5}), at(1.05));
  EXPECT_EQ(entry_price(side, true, Fill::mid), at(1.10));
  EXPECT_EQ(entry_price(side, true, {0.4}), at(1.14));
  EXPECT_EQ(entry_price(side, true, Fill::natural), at(1.20));
  EXPECT_EQ(entry_price(side, false, Fill::natural), at(1.00));
  EXPECT_EQ(entry_price(side, false, {0.4}), at(1.06));
  EXPECT_EQ(entry_price(side, false, {-1.0}), at(1.20));
}

TEST(Fill, NeedsTheSidesThatItIsMadeOf) {
  EXPECT_EQ(entry_price(quote(std::nullopt, at(1.2)), true, Fill::natural), at(1.2));
  EXPECT_EQ(entry_price(quote(std::nullopt, at(1.2)), true, {0.99}), std::nullopt);
  EXPECT_EQ(entry_price(quote(std::nullopt, at(1.2)), false, Fill::natural), std::nullopt);
  EXPECT_EQ(entry_price(quote(at(1), std::nullopt), false, Fill::natural), at(1));
  EXPECT_EQ(entry_price(quote(Price{}, at(0.05)), false, Fill::natural), std::nullopt);
  EXPECT_EQ(entry_price(quote(Price{}, at(0.05)), true, Fill::natural), at(0.05));
  EXPECT_EQ(entry_price(quote(Price{}, at(0.05)), true, {-1.0}), std::nullopt);
  EXPECT_EQ(entry_price(quote(Price{}, at(0.05)), false, Fill::mid), at(0.025));
  for (const bool buying : {false, true}) {
    for (const double position : {-1.0, -0.3, 0.0, 0.3, 1.0}) {
      EXPECT_EQ(entry_price(quote(at(1.2), at(1.1)), buying, {position}), std::nullopt);
      EXPECT_EQ(entry_price(quote(Price{}, Price{}), buying, {position}), std::nullopt);
    }
    for (const double position : {-1.01, 1.01, 34.0, std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::quiet_NaN()}) {
      EXPECT_EQ(entry_price(quote(at(1.0), at(1.2)), buying, {position}), std::nullopt);
    }
  }
}

// T11: a wider spread never improves a fill, a higher position neither, and no fill is better than
// the best touch; sizes do not matter.
TEST(Fill, IsMonotoneOnRandomQuotes) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> units(1, 100'000);
  std::uniform_real_distribution<double> share(-1.0, 1.0);
  for (int round = 0; round < 20'000; ++round) {
    const Price bid = Price::from_units(units(random));
    const Price ask = bid + Price::from_units(units(random) / 50);
    const auto side = quote(bid, ask);
    double low = share(random);
    double high = share(random);
    if (low > high) std::swap(low, high);
    const auto buy_low = entry_price(side, true, {low});
    const auto buy_high = entry_price(side, true, {high});
    const auto sell_low = entry_price(side, false, {low});
    const auto sell_high = entry_price(side, false, {high});
    ASSERT_TRUE(buy_low && buy_high && sell_low && sell_high);
    EXPECT_LE(*buy_low, *buy_high);
    EXPECT_GE(*sell_low, *sell_high);
    EXPECT_GE(*buy_low, bid);
    EXPECT_LE(*buy_high, ask);
    EXPECT_LE(*sell_low, ask);
    EXPECT_GE(*sell_high, bid);
    // As far to both sides, so that the middle stays.
    const Price wider = Price::from_units(units(random) % bid.units());
    const double crossing = std::abs(low);
    const auto wide = quote(bid - wider, ask + wider);
    EXPECT_GE(entry_price(wide, true, {crossing}), entry_price(side, true, {crossing}));
    EXPECT_LE(entry_price(wide, false, {crossing}), entry_price(side, false, {crossing}));
    auto thin = side;
    thin.bid_size = 1;
    thin.ask_size = 1;
    EXPECT_EQ(entry_price(thin, true, {crossing}), entry_price(side, true, {crossing}));
  }
}

// T11's table: four legs, each 0.10 wide, under the readings that vendors give to one number.
TEST(Fill, CostsWhatTheReadingsOfAShareOfTheSpreadCost) {
  const auto side = quote(at(2.00), at(2.10));
  const auto cost = [&](double position) {
    return 4 * (*entry_price(side, true, {position}) - *side.mid()).value();
  };
  EXPECT_NEAR(cost(2 * 0.53 - 1), 0.012, 1e-9);  // bid + 0.53 (ask - bid)
  EXPECT_NEAR(cost(0.47), 0.094, 1e-9);
  EXPECT_NEAR(cost(0.68), 0.136, 1e-9);
  EXPECT_NEAR(cost(1.0), 0.200, 1e-9);
}

}  // namespace
}  // namespace bifrost::analysis
