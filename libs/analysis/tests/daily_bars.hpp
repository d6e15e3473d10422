// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "bifrost/analysis/volatility.hpp"

namespace bifrost::analysis {

/// The raw bars of one symbol in shared/data's underlying_daily:
/// date,symbol,open,high,low,close,...
inline std::vector<DailyBar> read_daily_bars(const std::filesystem::path& path,
                                             const std::string& symbol) {
  std::vector<DailyBar> bars;
  const gzFile file = gzopen(path.c_str(), "rb");
  EXPECT_NE(file, nullptr) << path;
  if (file == nullptr) return bars;
  std::array<char, 512> line{};
  while (gzgets(file, line.data(), static_cast<int>(line.size())) != nullptr) {
    std::array<char, 16> name{};
    DailyBar bar{};
    const int read = std::sscanf(line.data(), "%*10s,%15[^,],%lf,%lf,%lf,%lf", name.data(),
                                 &bar.open, &bar.high, &bar.low, &bar.close);
    if (read == 5 && symbol == name.data()) bars.push_back(bar);
  }
  gzclose(file);
  return bars;
}

}  // namespace bifrost::analysis
