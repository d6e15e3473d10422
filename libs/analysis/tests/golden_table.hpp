// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {

/// A table of tests/golden, whose MANIFEST.md says where its numbers come from. The first column is
/// the right, the others are numbers.
class GoldenTable {
 public:
  explicit GoldenTable(const std::string& name) {
    std::ifstream in(std::string{BIFROST_GOLDEN} + "/" + name);
    EXPECT_TRUE(in) << "no golden table " << name;
    std::string line;
    if (std::getline(in, line)) columns_ = split(line);
    while (std::getline(in, line)) rows_.push_back(split(line));
    EXPECT_GE(rows_.size(), 150U) << name;
  }

  std::size_t size() const { return rows_.size(); }
  Right right(std::size_t row) const {
    return rows_.at(row).at(0) == "C" ? Right::call : Right::put;
  }
  double operator()(std::size_t row, const std::string& column) const {
    const auto found = std::find(columns_.begin(), columns_.end(), column);
    EXPECT_NE(found, columns_.end()) << "no column " << column;
    if (found == columns_.end()) return std::numeric_limits<double>::quiet_NaN();
    const std::string& text = rows_.at(row).at(static_cast<std::size_t>(found - columns_.begin()));
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    EXPECT_EQ(*end, '\0') << "not a number: " << text;
    return value;
  }
  /// What the option of a row is; tables count time in days of a 365-day year unless they have a
  /// column of years.
  SpotInputs inputs(std::size_t row) const {
    const bool in_days = std::find(columns_.begin(), columns_.end(), "days") != columns_.end();
    const auto& at = *this;
    return {.spot = at(row, "spot"),
            .strike = at(row, "strike"),
            .years_to_expiry = in_days ? at(row, "days") / 365.0 : at(row, "years"),
            .rate = at(row, "rate"),
            .dividend_yield = at(row, "yield"),
            .vol = at(row, "vol")};
  }
  /// The row as it stands, for messages.
  std::string text(std::size_t row) const {
    std::string joined;
    for (const auto& cell : rows_.at(row)) joined += (joined.empty() ? "" : ",") + cell;
    return joined;
  }

 private:
  static std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
    return cells;
  }
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace bifrost::analysis
