// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

/// After the close of the options that trade longest (16:15) and a few minutes for writing.
inline constexpr std::chrono::minutes closing_grace{45};

/// The newest day in New York of which no more cycles are expected: today once its session has been
/// closed for `closing_grace`, else the day before.
core::Date last_closed_day(core::Instant now);

struct MaintenanceOptions {
  int partition_days_ahead = 7;
  /// Quotes and changes older than this many days before the last closed one, or before the newest
  /// with quotes where that is earlier, are dropped, once their days are rolled up. None: kept for
  /// ever, as ledger, roll-ups and market conditions always are.
  std::optional<int> retention_days = std::nullopt;
  /// Looks through the whole ledger, not only at what was stored since the last time, and checks
  /// every day.
  bool everything = false;
};

/// The last result of one task.
struct TaskResult {
  std::string task;
  core::Instant started_at{};
  core::Instant finished_at{};
  bool ok = false;
  std::string problem;  // empty when ok
  std::vector<std::pair<std::string, std::int64_t>> counts;
  std::optional<core::Instant> last_ok_at = std::nullopt;
  std::optional<core::Date> through_day = std::nullopt;  // covered by the last good run

  friend bool operator==(const TaskResult&, const TaskResult&) = default;
};

/// A cycle whose rows are not as many as the ledger says.
struct RowMismatch {
  std::string underlying;
  core::Instant as_of;
  std::optional<std::int64_t> received;  // none: the ledger knows no snapshot of this cycle
  std::int64_t found;

  friend bool operator==(const RowMismatch&, const RowMismatch&) = default;
};

struct MaintenanceStatus {
  std::vector<TaskResult> tasks;  // in the order in which they run; those that ever ran
  std::int64_t days_checked = 0;
  std::int64_t mismatches = 0;
  std::vector<RowMismatch> newest_mismatches;  // at most 20
};

struct MaintenanceReport {
  core::Date through_day{};
  std::vector<TaskResult> tasks;
  bool ok() const;
};

struct MaintenanceProgress {
  std::string_view task;
  double share = 0;  // of the task, 0 to 1
  std::string detail;
};

/// Keeps the history in order; run it after the close of every day, and whenever you like: each
/// task does what is still to be done and nothing twice. In this order:
///
/// - `partitions`: native partitions for the days ahead; rows that a default partition caught are
///   moved into partitions of their own.
/// - `rollups`: option_daily and underlying_daily of closed days; days of which the ledger has
///   changed since (a late import) again.
/// - `row_check`: rows of every cycle against the ledger's `received`, for closed days that are new
///   or have changed, and for the few days whose last check is longest ago. Differences are kept,
///   and said in the log.
/// - `retention`: whole partitions or chunks beyond retention_days are dropped, never a day that is
///   not rolled up.
/// - `sorting`: native partitions of UTC days that are over are sorted by contract, so that the
///   history of a contract is on few pages; a day that somebody reads for long is left to the next
///   run.
/// - `compression`: chunks of closed days, with TimescaleDB's community licence.
/// - `analyze`: fresh statistics where much has changed.
///
/// A task that fails says so in its result and the others go on. One at a time, on any number of
/// hosts: `conflict` while another is at work. `cancelled`: stopped; the next call goes on from
/// there. `now` decides which days are closed, so that a simulated market's clock may give it.
core::Result<MaintenanceReport> maintain(
    Database& database, core::Instant now, const MaintenanceOptions& options,
    const std::function<void(const MaintenanceProgress&)>& on_progress, std::stop_token stop,
    core::Deadline deadline);

core::Result<MaintenanceStatus> maintenance_status(Database& database, core::Deadline deadline);

/// The newest closed day that every task has covered without a failure; none before the first.
core::Result<std::optional<core::Date>> maintained_through(Database& database,
                                                           core::Deadline deadline);

}  // namespace bifrost::store
