// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace bifrost::sim {

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a cheap bijection that scatters neighbours.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

/// FNV-1a, 64 bit.
constexpr std::uint64_t hash_text(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    h ^= static_cast<unsigned char>(c);
    h *= 0x100000001b3ULL;
  }
  return mix(h);
}

/// A number in (0, 1), the same for the same key on every run.
inline double uniform(std::uint64_t key) {
  return (static_cast<double>(mix(key) >> 11U) + 0.5) * 0x1.0p-53;
}

/// Standard normal draws, the same for the same key on every run. The standard library's
/// distributions leave their algorithm open and so cannot promise that.
class NormalStream {
 public:
  explicit NormalStream(std::uint64_t key) : state_(key) {}

  double next() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(draw()));
    const double angle = 2.0 * std::numbers::pi * draw();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  double draw() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return uniform(state_);
  }

  std::uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace bifrost::sim
