// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/core/quote.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

/// The state of an underlying's market as one snapshot shows it. implied_vol_30d and _60d are
/// at-the-money vols at constant maturity: linear in total variance between the two expiries around
/// it, absent where the chain does not reach. term_slope is implied_vol_60d minus implied_vol_30d.
/// Ratios are puts over calls, absent without calls.
store::MarketConditions find_conditions(const core::ChainSnapshot& snapshot);

}  // namespace bifrost::collector
