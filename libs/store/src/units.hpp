// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "bifrost/core/price.hpp"
#include "bifrost/core/time.hpp"

/// Values as the columns of the facts hold them: scaled int4. An encoder gives nothing for what
/// does not fit.
namespace bifrost::store::units {

inline constexpr double implied_vol = 1e6;
inline constexpr double delta = 1e6;
inline constexpr double gamma = 1e8;
inline constexpr double theta = 1e6;
inline constexpr double vega = 1e5;

inline std::optional<std::int32_t> encode_count(std::int64_t value) {
  using Limits = std::numeric_limits<std::int32_t>;
  if (value < Limits::min() || value > Limits::max()) return std::nullopt;
  return static_cast<std::int32_t>(value);
}

inline std::optional<std::int32_t> encode_real(double value, double scale) {
  const double scaled = std::round(value * scale);
  if (!(std::abs(scaled) <= 2147483647.0)) return std::nullopt;  // also for NaN
  return static_cast<std::int32_t>(scaled);
}

/// Both numbers are exact in a double, so the quotient is the double nearest to the decimal number
/// that was stored.
inline double decode_real(std::int64_t stored, double scale) {
  return static_cast<double>(stored) / scale;
}

/// `price_scale` divides Price::units_per_one.
inline std::optional<std::int64_t> encode_wide_price(core::Price price, std::int64_t price_scale) {
  const auto step = core::Price::units_per_one / price_scale;
  if (price.units() % step != 0) return std::nullopt;
  return price.units() / step;
}

inline std::optional<std::int32_t> encode_price(core::Price price, std::int64_t price_scale) {
  const auto wide = encode_wide_price(price, price_scale);
  return wide ? encode_count(*wide) : std::nullopt;
}

inline core::Price decode_price(std::int64_t stored, std::int64_t price_scale) {
  return core::Price::from_units(stored * (core::Price::units_per_one / price_scale));
}

inline std::optional<std::int32_t> encode_strike(core::Price strike) {
  const auto wide = encode_wide_price(strike, 1000);
  return wide && *wide >= 0 ? encode_count(*wide) : std::nullopt;
}

inline std::optional<std::int32_t> encode_observed_at(core::Instant observed_at,
                                                      core::Instant as_of) {
  return encode_count(std::chrono::floor<std::chrono::milliseconds>(observed_at - as_of).count());
}

inline core::Instant decode_observed_at(std::int64_t stored, core::Instant as_of) {
  return as_of + std::chrono::milliseconds{stored};
}

}  // namespace bifrost::store::units
