// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>

#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"

namespace CLI {
class App;
}

namespace bifrost {

/// `bifrost price`: options as rows of CSV in, prices and greeks, or implied vols, out; one line
/// out for each line in, in order.
struct PriceOptions {
  std::filesystem::path file;  // empty: standard input
  bool json = false;           // JSON lines instead of CSV
};

/// Adds the verb to `app`; when it is parsed it becomes `work`.
void add_price_command(CLI::App& app, PriceOptions& options, const core::StopSignal& stop,
                       std::function<core::Result<void>()>& work);

}  // namespace bifrost
