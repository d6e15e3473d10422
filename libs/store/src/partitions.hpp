// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <set>
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
inline constexpr Timeseries quotes_by_day{"option_snapshots", 1, "+00", true};
inline constexpr Timeseries timeseries[] = {
    quotes_by_day, {"option_changes", 7, "+00", true}, {"option_daily", 30, "", false}};

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

/// Of these UTC days, those whose quotes are found by contract: sort_partition was there.
core::Result<std::set<core::Date>> sorted_days(pg::Connection& connection,
                                               std::span<const core::Date> days,
                                               core::Deadline deadline);

/// Native partitions of quotes that ended by `end` and are not sorted yet, oldest first.
core::Result<std::vector<std::string>> partitions_to_sort(pg::Connection& connection,
                                                          core::Instant end,
                                                          core::Deadline deadline);

/// Sorts one of these. As cycles are written, every quote of a contract lies on another page of the
/// table and of its key. Sorted, the quotes of each half hour lie by contract, and a small index
/// finds a contract: its day is on a dozen pages instead of a hundred and fifty, and a snapshot on
/// neighbouring ones. Rows that come later are appended; the index finds them too. Readers and
/// writers of the day wait meanwhile, about four seconds a million rows; a day of more than
/// `largest_sorted` bytes, some five million rows, gets the index alone, for which only writers
/// wait. `false`: left as it is for now, because somebody has been reading it for too long.
core::Result<bool> sort_partition(pg::Connection& connection, const std::string& name,
                                  core::Deadline deadline,
                                  std::int64_t largest_sorted = 500'000'000);

/// Drops a native partition, in a transaction of its own. `allowed` is asked in it, once nobody
/// else can write to the partition any more; its error keeps the partition (the transaction is left
/// open).
core::Result<void> drop_partition(pg::Connection& connection, const Timeseries& series,
                                  const std::string& name,
                                  const std::function<core::Result<void>()>& allowed,
                                  core::Deadline deadline);

}  // namespace bifrost::store
