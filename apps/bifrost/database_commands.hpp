// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bifrost/core/result.hpp"

namespace bifrost {

// Each works on the database that workplace.hpp finds.

core::Result<void> migrate_database(const std::string& env_file);

core::Result<void> show_database_status(const std::string& env_file, bool json);
struct ImportOptions {
  std::vector<std::filesystem::path> files;
  bool json = false;
};
core::Result<void> import_files(const std::string& env_file, const ImportOptions& options,
                                const core::StopSignal& stop);

}  // namespace bifrost
