// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/price.hpp"

#include <fmt/core.h>

namespace bifrost::core {

std::optional<Price> Price::from_double(double value) {
  if (!std::isfinite(value) || std::abs(value) >= 1e12) return std::nullopt;
  return Price{std::llround(value * static_cast<double>(units_per_one))};
}

std::optional<Price> Price::parse(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  std::int64_t units = 0;
  std::size_t whole = 0;
  std::size_t fraction = 0;
  bool after_point = false;
  for (const char c : text) {
    if (c == '.' && !after_point) {
      after_point = true;
    } else if (c >= '0' && c <= '9') {
      if (!after_point) {
        if (++whole > 12) return std::nullopt;
        units = units * 10 + (c - '0');
      } else if (fraction < 4) {
        ++fraction;
        units = units * 10 + (c - '0');
      } else if (c != '0') {
        return std::nullopt;  // finer than a unit
      }
    } else {
      return std::nullopt;
    }
  }
  if (whole == 0 || (after_point && fraction == 0)) return std::nullopt;
  for (; fraction < 4; ++fraction) units *= 10;
  return Price{negative ? -units : units};
}

std::string Price::to_string() const {
  const std::int64_t magnitude = units_ < 0 ? -units_ : units_;
  std::string text = fmt::format("{}{}", units_ < 0 ? "-" : "", magnitude / units_per_one);
  if (const auto fraction = magnitude % units_per_one; fraction != 0) {
    text += fmt::format(".{:04}", fraction);
    while (text.back() == '0') text.pop_back();
  }
  return text;
}

}  // namespace bifrost::core
