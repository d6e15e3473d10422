// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"

namespace bifrost {

// Each works on DATABASE_URL or, where that is not set, on a private cluster in the data folder
// that it starts for itself.

core::Result<void> migrate_database(const std::string& env_file);

struct ImportOptions {
  std::vector<std::filesystem::path> files;
  bool json = false;
};
core::Result<void> import_files(const std::string& env_file, const ImportOptions& options,
                                const core::StopSignal& stop);

core::Result<void> show_database_status(const std::string& env_file, bool json);

}  // namespace bifrost
