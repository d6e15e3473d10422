// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bifrost/api/positions.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "chain_source.hpp"

namespace bifrost {

/// `bifrost analyze`: everything about one position.
struct AnalyzeOptions {
  ChainSource source;
  std::vector<std::string> legs;
  std::string trading_class;
  api::PositionRequest request;
  std::vector<double> days;
  std::vector<double> spots;
  double vol_shift = 0.0;
  bool json = false;
};

/// "sell:2019-06-21:2800P", "buy:2:2019-06-21:2750P@3.25", "buy:100:stock@2859.5": a count (else
/// 1), and an entry price per share where it is known.
core::Result<api::PositionLeg> parse_position_leg(const std::string& text);

/// Adds the verb to `app`; when it is parsed it becomes `work`.
void add_analyze_command(CLI::App& app, const std::string& env_file, AnalyzeOptions& options,
                         const core::StopSignal& stop, std::function<core::Result<void>()>& work);

}  // namespace bifrost
