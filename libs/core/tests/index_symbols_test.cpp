// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/index_symbols.hpp"

#include <gtest/gtest.h>

#include "bifrost/core/session_hours.hpp"

namespace bifrost::core {
namespace {

TEST(IndexSymbols, HoldWhatIsQuotedInTheHoursOfIndices) {
  for (const char* symbol :
       {"DJX", "MNX", "MRUT", "NDX", "OEX", "RUT", "RVX", "SPX", "VIX", "XEO", "XND", "XSP"}) {
    EXPECT_EQ(hours_of(symbol), index_hours) << symbol;
    EXPECT_TRUE(is_index_symbol(symbol)) << symbol;
  }
}

TEST(IndexSymbols, AreNoSharesOrFunds) {
  for (const char* symbol : {"ESTX50", "V2TX", "MXEF", "N225"}) {
    EXPECT_TRUE(is_index_symbol(symbol)) << symbol;
  }
  for (const char* symbol : {"AAPL", "SPY", "VXX", "Z", "FTSE", "spx", ""}) {
    EXPECT_FALSE(is_index_symbol(symbol)) << symbol;
  }
}

}  // namespace
}  // namespace bifrost::core
