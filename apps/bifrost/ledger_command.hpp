// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bifrost/core/result.hpp"

namespace bifrost {

struct LedgerOptions {
  std::string symbol;  // empty: every underlying that was ever collected
  std::string from;    // a day, or an instant; empty: since the beginning
  std::string to;      // a day (all of it), or an instant (not included); empty: until now
  bool json = false;
};

/// Proves scheduled = complete + partial + missed. corrupt_data, after the report, when cycles are
/// unaccounted for.
core::Result<void> show_ledger(const std::string& env_file, const LedgerOptions& options);

}  // namespace bifrost
