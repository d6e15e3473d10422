// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "bifrost/core/quote.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

/// From what size on a change between two snapshots is worth keeping.
struct ChangeThresholds {
  double price_move = 0.10;        // of the middle, currency per share ...
  double price_move_share = 0.20;  // ... and as a share of the earlier middle
  double iv_move = 0.02;           // annual, decimal
  std::int64_t volume = 100;       // contracts traded since the earlier snapshot of the same day
  std::int64_t open_interest = 1;  // contracts, either way
  double spread = 0.10;            // ask minus bid, currency per share ...
  double spread_ratio = 2.0;       // ... and as a multiple of the earlier one, or its inverse
};

/// What changed between a snapshot and the one stored before it: a function of the two alone, so
/// that it can be computed again from the history at any time. Only contracts in both are compared,
/// field by field where both have the field. A contract is new when a *complete* earlier snapshot
/// did not have it, and expired when the later one does not have it and its last trading day is
/// over. Sorted by contract, then kind.
std::vector<store::Change> find_changes(const core::ChainSnapshot& before, bool before_reached_all,
                                        const core::ChainSnapshot& now,
                                        const ChangeThresholds& thresholds);

}  // namespace bifrost::collector
