// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "pg.hpp"

namespace bifrost::store {

/// The instants of a calendar day in New York.
struct DayBounds {
  core::Instant from;
  core::Instant before;
};
DayBounds bounds_of(core::Date day);

struct UnderlyingAndDay {
  std::int32_t underlying_id;
  core::Date day;
};

/// Days, up to `last`, on which the ledger may have changed: stored since `stored_since` (none:
/// ever), or after `after_day`. By day, then underlying.
core::Result<std::vector<UnderlyingAndDay>> days_written(pg::Connection& connection,
                                                         std::optional<core::Instant> stored_since,
                                                         std::optional<core::Date> after_day,
                                                         core::Date last, core::Deadline deadline);

enum class RolledUp {
  done,      // computed and stored
  current,   // the ledger is as it was when it was done
  no_quotes  // its quotes were dropped by retention: what is there stays
};
struct RollUp {
  RolledUp what = RolledUp::current;
  std::int64_t contracts = 0;
};

/// Rolls up one day of one underlying, in one transaction.
core::Result<RollUp> roll_up(pg::Connection& connection, const UnderlyingAndDay& key,
                             core::Deadline deadline);

/// The first day with quotes before `before` of which some underlying is not rolled up as it is.
/// `table`: option_snapshots, or one native partition of it. What is left of a day that retention
/// has dropped before cannot be rolled up any more, and needs only to have been once.
core::Result<std::optional<core::Date>> first_day_not_rolled_up(pg::Connection& connection,
                                                                std::string_view table,
                                                                bool hypertable,
                                                                core::Instant before,
                                                                core::Deadline deadline);

struct RowCheck {
  std::int64_t cycles = 0;
  std::int64_t mismatches = 0;
};
/// Compares the rows of every cycle of a day with the ledger and keeps the result, in one
/// transaction. Nothing for a day whose quotes were dropped by retention.
core::Result<std::optional<RowCheck>> check_rows(pg::Connection& connection, core::Date day,
                                                 core::Deadline deadline);

/// Computes iv_rank, iv_percentile and iv_rank_n of one underlying and origin again, from a day on.
/// `last`: the last day whose closing vol may have changed; a year after it is out of its reach.
core::Result<void> refresh_iv_ranks(pg::Connection& connection, std::int32_t underlying_id,
                                    std::string_view origin, core::Date first, core::Date last,
                                    core::Deadline deadline);

}  // namespace bifrost::store
