// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/price.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace bifrost::core {
namespace {

TEST(Price, TextIsExactBothWays) {
  for (const std::string text :
       {"0", "27.6", "-0.05", "0.0001", "214748.3647", "3759.8", "999999999999"}) {
    const auto price = Price::parse(text);
    ASSERT_TRUE(price) << text;
    EXPECT_EQ(price->to_string(), text);
  }
  EXPECT_EQ(Price::parse("42.5000000")->to_string(), "42.5");
}

TEST(Price, RefusesWhatItCannotHoldExactly) {
  for (const std::string text : {"", ".", "1.", ".5", "1e3", "0.00001", "1,000", " 1", "1 ", "--1",
                                 "nan", "1234567890123"}) {
    EXPECT_FALSE(Price::parse(text)) << text;
  }
}

TEST(Price, TakesTheNearestUnitOfAFloat) {
  EXPECT_EQ(Price::from_double(28.100000381469727)->to_string(), "28.1");
  EXPECT_EQ(Price::from_double(-0.15)->to_string(), "-0.15");
  EXPECT_FALSE(Price::from_double(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(Price::from_double(std::numeric_limits<double>::max()));
  EXPECT_FALSE(Price::from_double(-std::numeric_limits<double>::infinity()));
}

TEST(Price, EveryCentRoundTripsThroughDouble) {
  for (std::int64_t units = -30'000; units < 90'000'000; units += 977) {
    const auto price = Price::from_units(units);
    EXPECT_EQ(Price::from_double(price.value()), price);
  }
}

}  // namespace
}  // namespace bifrost::core
