// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"

namespace bifrost {

core::Result<void> show_database_status(const std::string& env_file, bool json);

/// `everything`: the whole ledger is looked through and every day is checked.
core::Result<void> maintain_database(const std::string& env_file, bool json, bool everything,
                                     const core::StopSignal& stop);

}  // namespace bifrost
