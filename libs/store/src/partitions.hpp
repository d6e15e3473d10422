// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pg.hpp"

namespace bifrost::store {

/// A table cut by time, and how long one of its native partitions is.
struct Timeseries {
  const char* table;
  int days;
  const char* zone;  // what a bound needs behind its day: facts are cut by instants
  bool dropped;      // by retention
};
inline constexpr Timeseries timeseries[] = {{"option_snapshots", 1, "+00", true},
                                            {"option_changes", 7, "+00", true},
                                            {"option_daily", 30, "", false}};

/// First day of the native partition that a day belongs to.
core::Date partition_start(core::Date day, int days);

struct PartitionsMade {
  std::int64_t made = 0;
  std::int64_t moved_rows = 0;  // rows that a default partition had caught
};

/// Makes the native partitions that facts of these days need; nothing for hypertables, which make
/// their own. Rows that the default partition had caught for them move in.
core::Result<PartitionsMade> make_partitions(pg::Connection& connection,
                                             std::span<const core::Date> days,
                                             core::Deadline deadline);

/// Gives every row in a default partition a partition of its own.
core::Result<PartitionsMade> empty_default_partitions(pg::Connection& connection,
                                                      core::Deadline deadline);

/// Native partitions that end at or before `before`, oldest first.
core::Result<std::vector<std::string>> partitions_before(pg::Connection& connection,
                                                         const Timeseries& series,
                                                         core::Date before,
                                                         core::Deadline deadline);

/// Drops one of these, in a transaction of its own. `allowed` is asked in it, once nobody else can
/// write to the partition any more; its error keeps the partition (the transaction is left open).
core::Result<void> drop_partition(pg::Connection& connection, const Timeseries& series,
                                  const std::string& name,
                                  const std::function<core::Result<void>()>& allowed,
                                  core::Deadline deadline);

}  // namespace bifrost::store
