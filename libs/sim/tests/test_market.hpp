// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "bifrost/sim/synthetic_market.hpp"

namespace bifrost::sim {

inline core::Instant instant(const char* text) {
  return *core::parse_instant(text);
}
inline core::Date date(const char* text) {
  return *core::parse_date(text);
}

inline std::vector<SyntheticSymbol> only(std::initializer_list<const char*> symbols) {
  std::vector<SyntheticSymbol> chosen;
  for (auto& s : default_universe()) {
    for (const auto* wanted : symbols) {
      if (s.symbol == wanted) chosen.push_back(s);
    }
  }
  return chosen;
}

inline const Underlying& underlying(const Market& market, std::string_view symbol) {
  for (const auto& u : market.underlyings()) {
    if (u.symbol == symbol) return u;
  }
  core::panic("no such underlying");
}

}  // namespace bifrost::sim
