// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "bifrost/core/quote.hpp"
#include "bifrost/store/daily.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

/// The days of an underlying before the day of a snapshot, oldest first, as our own snapshots and
/// as the broker's historical bars tell them. The two are never mixed within one number.
struct DailyHistory {
  std::vector<store::UnderlyingDay> snapshots;
  std::vector<store::UnderlyingDay> broker;
};

/// The state of an underlying's market as one snapshot shows it, before these days.
///
/// implied_vol_30d and _60d are at-the-money vols at constant maturity: linear in total variance
/// between the two expiries around it, absent where the chain does not reach. term_slope is their
/// difference, 60 minus 30. skew_25_delta is the risk reversal, vol of the put with a forward delta
/// of -0.25 minus that of the call with 0.25, at a constant 30 days: per expiry linear in delta
/// between the two neighbouring out-of-the-money strikes. Ratios are puts over calls, absent
/// without calls; they and the totals count what the snapshot reached. Breadth and regime stay
/// absent.
store::MarketConditions find_conditions(const core::ChainSnapshot& snapshot,
                                        const DailyHistory& days = {});

/// Root of the mean squared log return of the last `returns` sessions before `day`, zero mean,
/// times 252. Nothing when one of the closes is missing, or when two neighbours are more than half
/// apart: a split, for all these closes can tell. `days` ascend.
std::optional<double> historical_vol(std::span<const store::UnderlyingDay> days, core::Date day,
                                     int returns);

inline constexpr int rank_sessions = 252;
inline constexpr int rank_minimum = 20;    // closes, below which no rank is given
inline constexpr int rank_stale_days = 7;  // after which a broker's last close is no news

}  // namespace bifrost::collector
