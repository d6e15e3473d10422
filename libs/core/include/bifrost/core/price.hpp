// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bifrost::core {

/// A price, premium or strike in currency units per share, exact to a ten-thousandth, the finest
/// tick any US listing uses. Money arithmetic stays in this type; analysis works on value().
class Price {
 public:
  static constexpr std::int64_t units_per_one = 10'000;

  constexpr Price() = default;
  static constexpr Price from_units(std::int64_t units) { return Price{units}; }

  /// Rounds to the nearest unit: a wire carries 28.100000381469727 for 28.10. Nothing for NaN,
  /// infinities and magnitudes of 1e12 and beyond.
  static std::optional<Price> from_double(double value);

  /// Plain decimal text ("27.6", "-0.05", "0"), at most four fractional digits after trailing
  /// zeros; no exponent, no blanks. Nothing if it is anything else.
  static std::optional<Price> parse(std::string_view text);

  constexpr std::int64_t units() const { return units_; }
  constexpr double value() const { return static_cast<double>(units_) / units_per_one; }

  /// Shortest exact decimal: "27.6", "0", "-0.05".
  std::string to_string() const;

  friend constexpr auto operator<=>(Price, Price) = default;
  friend constexpr Price operator+(Price a, Price b) { return Price{a.units_ + b.units_}; }
  friend constexpr Price operator-(Price a, Price b) { return Price{a.units_ - b.units_}; }
  friend constexpr Price operator*(Price a, std::int64_t n) { return Price{a.units_ * n}; }
  constexpr Price operator-() const { return Price{-units_}; }

 private:
  explicit constexpr Price(std::int64_t units) : units_(units) {}
  std::int64_t units_ = 0;
};

}  // namespace bifrost::core
