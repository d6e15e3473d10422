// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"

namespace bifrost {

struct DemoOptions {
  std::filesystem::path programs;   // folder with bifrost-sim, bifrost-collector and bifrost-api
  std::filesystem::path data;       // empty: below data_folder()
  std::filesystem::path web_root;   // the built page; empty: none
  std::filesystem::path docs_root;  // Swagger UI; empty: none
  std::filesystem::path url_file;   // the URL is written here once the page is up; empty: nowhere
  std::vector<std::filesystem::path> replay;  // recorded chains instead of the synthetic market
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;  // 0: any free one
  double speed = 30;          // simulated seconds per second
  int history_days = 20;
  std::uint64_t seed = 1;
  bool reset = false;  // forget what was collected, then return
};

/// Runs the whole desk on one machine until asked to stop: private database, simulated gateway,
/// collector, API and page. A part that dies is started again. Everything is stopped, in order,
/// before it returns.
core::Result<void> run_demo(const DemoOptions& options, const core::StopSignal& stop);

}  // namespace bifrost
