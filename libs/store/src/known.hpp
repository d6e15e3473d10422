// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

#include "pg.hpp"

namespace bifrost::store {

/// Makes sure that whatever carries a stored_at of up to `known_at` can be seen from here on:
/// refuses a moment that has not passed, then waits for the writers of these underlyings.
core::Result<void> settle(pg::Connection& connection, std::optional<core::Instant> known_at,
                          std::span<const std::int32_t> underlying_ids, core::Deadline deadline);

/// Ledger rows as known at $K (Instant::max() for now) as a table expression `r` with the columns
/// of collection_runs and `superseded`. The text takes the number of K's parameter.
#define BIFROST_KNOWN_RUNS(condition, K)                                                       \
  "(SELECT underlying_id, as_of, status, reason, source, interval_seconds, started_at, "       \
  "finished_at, expected, received, refused, underlying_price, stored_at, false AS superseded" \
  " FROM collection_runs WHERE " condition " AND stored_at <= " K                              \
  " UNION ALL SELECT underlying_id, as_of, status, reason, source, interval_seconds, "         \
  "started_at, finished_at, expected, received, refused, underlying_price, stored_at, true"    \
  " FROM superseded_runs WHERE " condition " AND stored_at <= " K " AND superseded_at > " K ") r"

}  // namespace bifrost::store
