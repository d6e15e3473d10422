// SPDX-License-Identifier: Apache-2.0
// What the configuration says about the universe, for every program that asks.
#pragma once

#include <fmt/core.h>

#include <fstream>
#include <sstream>
#include <string>

#include "bifrost/collector/universe_rules.hpp"
#include "bifrost/core/config.hpp"

namespace bifrost {

inline core::Result<collector::UniverseRules> universe_rules(const core::Config& config) {
  std::string text;
  if (!config.universe.empty()) {
    std::ifstream in{config.universe};
    if (!in) {
      return core::fail(
          core::Errc::not_found,
          fmt::format("BIFROST_UNIVERSE: {}: cannot be opened for reading", config.universe));
    }
    std::ostringstream content;
    content << in.rdbuf();
    text = content.str();
  }
  return collector::UniverseRules::parse(text, config.universe, config.expiry_days,
                                         config.strike_window);
}

}  // namespace bifrost
