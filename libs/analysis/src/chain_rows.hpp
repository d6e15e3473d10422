// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/chain_pricing.hpp"

// What refreshing a chain does in the same way under both styles of exercise.
namespace bifrost::analysis {

/// The rows of a chain, each two-sided option with its middle and nothing more yet.
std::vector<StrikeAnalytics> with_middles(const ExpiryChain& chain);

bool has_vol(const StrikeAnalytics& row);

/// Puts what was solved, call before put, into the rows. Where an option has no vol, that of the
/// other right takes its place in `solved`, or 0 when there is none either.
void lend_vols(std::span<StrikeAnalytics> rows, ImpliedVolColumns& solved);

}  // namespace bifrost::analysis
