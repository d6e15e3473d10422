// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/chain_file.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "bifrost/store/export.hpp"

namespace bifrost {

// What goes into the history and comes out of it, on the database that workplace.hpp finds.

struct ImportOptions {
  std::vector<std::filesystem::path> files;
  std::optional<core::ChainLayout> layout;
  std::string symbol;
  std::string trading_class;
  bool json = false;
};
core::Result<void> import_files(const std::string& env_file, const ImportOptions& options,
                                const core::StopSignal& stop);

struct ExportOptions {
  store::ExportRequest request;
  std::filesystem::path file;  // empty: standard output
  bool json = false;
};
core::Result<void> export_history(const std::string& env_file, const ExportOptions& options,
                                  const core::StopSignal& stop);

/// A moment on the command line: an instant, or a day in New York, of which `end` takes the last
/// microsecond.
core::Result<core::Instant> parse_moment(const std::string& text, bool end);

core::Result<void> back_up_database(const std::string& env_file,
                                    const std::filesystem::path& target, bool json,
                                    const core::StopSignal& stop);
core::Result<void> restore_database(const std::string& env_file, const std::filesystem::path& file,
                                    bool replace, bool json, const core::StopSignal& stop);
core::Result<void> verify_database(const std::string& env_file, bool json,
                                   const core::StopSignal& stop);
/// The file alone or, `deep`, brought into a private cluster of its own and looked through there.
core::Result<void> verify_backup(const std::filesystem::path& file, bool deep, bool json,
                                 const core::StopSignal& stop);

}  // namespace bifrost
